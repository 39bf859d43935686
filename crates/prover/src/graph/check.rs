//! Whether a graph is well formed.

use thiserror::Error;

use super::{Element, Extremum, Function, Graph, Leading, Node, Op, Tensor};

/// What is malformed about a graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A node that doesn't fit the tensors it names.
    #[error("node {node}: {detail}")]
    Node {
        /// The node.
        node: String,
        /// What doesn't fit.
        detail: String,
    },
    /// A tensor that doesn't exist, is made by nothing or twice, or has absurd dimensions.
    #[error("tensor {tensor}: {detail}")]
    Tensor {
        /// Its name, or its index where it has none.
        tensor: String,
        /// What is wrong.
        detail: String,
    },
    /// No inputs, or no outputs.
    #[error("the graph has no {0}")]
    Nothing(&'static str),
}

impl Graph {
    /// Refuses a graph that is malformed: nodes out of order, tensors made twice or never,
    /// sizes or indices that don't fit, numbers that are not finite.
    ///
    /// # Errors
    /// The first thing that doesn't fit.
    pub fn check(&self) -> Result<(), GraphError> {
        self.check_structure()?;
        self.nodes.iter().try_for_each(|node| match first_not_finite(&node.op) {
            Some(value) => Err(malformed(node, format!("{value} where a finite number must be"))),
            None => Ok(()),
        })
    }

    /// All of [`check`](Self::check) but whether the numbers are finite.
    pub(super) fn check_structure(&self) -> Result<(), GraphError> {
        if self.inputs.is_empty() {
            return Err(GraphError::Nothing("inputs"));
        }
        if self.outputs.is_empty() {
            return Err(GraphError::Nothing("outputs"));
        }
        for tensor in &self.tensors {
            let len = tensor.dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
            if len.is_none_or(|len| len == 0) {
                return Err(wrong(tensor, format!("dimensions {:?}", tensor.dims)));
            }
        }
        let mut made = vec![false; self.tensors.len()];
        let mut make = |id: super::TensorId| match made.get_mut(id.0) {
            None => Err(GraphError::Tensor {
                tensor: format!("#{}", id.0),
                detail: "it does not exist".into(),
            }),
            Some(true) => Err(wrong(&self.tensors[id.0], "it is made twice".into())),
            Some(slot) => {
                *slot = true;
                Ok(())
            }
        };
        self.inputs.iter().try_for_each(|&id| make(id))?;
        for node in &self.nodes {
            make(node.output)?;
        }
        let mut known = vec![false; self.tensors.len()];
        self.inputs.iter().for_each(|id| known[id.0] = true);
        for node in &self.nodes {
            let inputs = node
                .inputs
                .iter()
                .map(|&id| match known.get(id.0) {
                    Some(true) => Ok(&self.tensors[id.0]),
                    _ => Err(malformed(node, format!("tensor #{} is not made before it", id.0))),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let output = &self.tensors[node.output.0];
            if let Some(detail) = misfit(&node.op, &inputs, output) {
                return Err(malformed(node, detail));
            }
            known[node.output.0] = true;
        }
        match self.outputs.iter().find(|id| !known.get(id.0).is_some_and(|&known| known)) {
            Some(id) => Err(GraphError::Tensor {
                tensor: self.tensors.get(id.0).map_or(format!("#{}", id.0), |t| t.name.clone()),
                detail: "it is an output that nothing makes".into(),
            }),
            None => Ok(()),
        }
    }
}

fn malformed(node: &Node, detail: String) -> GraphError {
    GraphError::Node { node: node.name.clone(), detail }
}

fn wrong(tensor: &Tensor, detail: String) -> GraphError {
    GraphError::Tensor { tensor: tensor.name.clone(), detail }
}

fn misfit(op: &Op, inputs: &[&Tensor], output: &Tensor) -> Option<String> {
    let len = output.len();
    let one_input = || match inputs {
        [input] => Ok(input.len()),
        _ => Err(format!("{} inputs where there must be one", inputs.len())),
    };
    match op {
        Op::Linear(linear) => {
            if linear.maps.len() != inputs.len() || inputs.is_empty() {
                return Some(format!("{} maps for {} inputs", linear.maps.len(), inputs.len()));
            }
            if linear.bias.len() != len {
                return Some(format!("{} biases for {len} outputs", linear.bias.len()));
            }
            linear.maps.iter().zip(inputs).find_map(|(map, input)| map.misfit(input.len(), len))
        }
        Op::Function(function) => match one_input() {
            Err(detail) => Some(detail),
            Ok(n) if n != len => Some(format!("{n} inputs, {len} outputs")),
            Ok(_) => match function {
                Function::Impute { values } if values.len() != len => {
                    Some(format!("{} imputed values for {len} elements", values.len()))
                }
                Function::LeakyRelu { slopes } if slopes.len() != 1 && slopes.len() != len => {
                    Some(format!("{} slopes for {len} elements", slopes.len()))
                }
                Function::Staircase(stairs) => stairs.misfit(len),
                Function::Clip { low, high } if low > high => {
                    Some(format!("it clips to the empty range from {low} to {high}"))
                }
                _ => None,
            },
        },
        Op::Leading(Leading { extremum: Extremum { groups, .. }, count }) => {
            let n = match one_input() {
                Err(detail) => return Some(detail),
                Ok(n) => n,
            };
            let fits = |group: &Vec<usize>| group.len() >= *count && group.iter().all(|&i| i < n);
            let whole = *count > 0 && groups.iter().all(fits);
            let elements: usize = groups.iter().map(Vec::len).sum();
            (!whole || elements != len)
                .then(|| format!("{count} of {elements} elements of {n} for {len} outputs"))
        }
        Op::Extremum(Extremum { groups, .. }) | Op::ArgExtremum(Extremum { groups, .. }) => {
            let n = match one_input() {
                Err(detail) => return Some(detail),
                Ok(n) => n,
            };
            let fits = |group: &Vec<usize>| !group.is_empty() && group.iter().all(|&i| i < n);
            (groups.len() != len || !groups.iter().all(fits))
                .then(|| format!("{} groups of {n} elements for {len} outputs", groups.len()))
        }
        Op::Trees(trees) => one_input().map_or_else(Some, |n| trees.misfit(n, len)),
        Op::Product(product) => match inputs {
            [a] => product.misfit([a.len(); 2], len),
            [a, b] => product.misfit([a.len(), b.len()], len),
            _ => Some(format!("{} factors where there must be two", inputs.len())),
        },
        Op::Quotient(numbers) => match (numbers, inputs) {
            (None, [a, b]) if a.len() == len && b.len() == len => None,
            (Some(numbers), [b]) if numbers.len() == len && b.len() == len => None,
            _ => Some(format!("{} inputs to divide for {len} outputs", inputs.len())),
        },
        Op::Root => match one_input() {
            Err(detail) => Some(detail),
            Ok(n) => (n != len).then(|| format!("{n} inputs, {len} outputs")),
        },
        Op::Shares(shares) => one_input().map_or_else(Some, |n| shares.misfit(n, len)),
        Op::Select(elements) => {
            let fits = |element: &Element| match *element {
                Element::Input { input, index } => {
                    inputs.get(input).is_some_and(|tensor| index < tensor.len())
                }
                Element::Constant(_) => true,
            };
            (elements.len() != len || !elements.iter().all(fits))
                .then(|| format!("{} elements selected for {len} outputs", elements.len()))
        }
    }
}

fn first_not_finite(op: &Op) -> Option<f64> {
    let bad = |v: &f64| !v.is_finite();
    match op {
        Op::Linear(linear) => {
            let weights = linear.maps.iter().flat_map(|map| map.values());
            weights.chain(linear.bias.iter().copied()).find(bad)
        }
        Op::Function(
            Function::LeakyRelu { slopes: numbers } | Function::Impute { values: numbers },
        ) => numbers.iter().copied().find(bad),
        Op::Function(Function::Clip { low, high }) => {
            [*low, *high].into_iter().find(|v| v.is_nan())
        }
        Op::Select(elements) => elements.iter().find_map(|element| match element {
            Element::Constant(value) if !value.is_finite() => Some(*value),
            _ => None,
        }),
        Op::Trees(trees) => trees.first_not_finite(),
        Op::Function(_)
        | Op::Extremum(_)
        | Op::ArgExtremum(_)
        | Op::Leading(_)
        | Op::Product(_)
        | Op::Quotient(None)
        | Op::Root
        | Op::Shares(_) => None,
        Op::Quotient(Some(numbers)) => numbers.iter().copied().find(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{ElementKind, Linear, LinearMap, TensorId};

    /// x[2] → scale → relu → y[2].
    fn graph() -> Graph {
        let tensor =
            |name: &str| Tensor { name: name.into(), dims: vec![1, 2], kind: ElementKind::Real };
        let scale =
            Linear { maps: vec![LinearMap::Diagonal(vec![2.0, -3.0])], bias: vec![1.0, 0.0] };
        let node = |name: &str, op, from, to| Node {
            name: name.into(),
            op,
            inputs: vec![TensorId(from)],
            output: TensorId(to),
        };
        Graph {
            name: "test".into(),
            sha256: [0; 32],
            vocabulary: vec![],
            names: vec![],
            tensors: ["x", "h", "y"].map(tensor).to_vec(),
            nodes: vec![
                node("scale", Op::Linear(scale), 0, 1),
                node("relu", Op::Function(Function::Relu), 1, 2),
            ],
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(2)],
        }
    }

    #[test]
    fn a_graph_that_fits_together_runs_and_prints() {
        let graph = graph();
        graph.check().unwrap();
        assert_eq!(graph.run(&[[1.0, 1.0]]).unwrap(), [[3.0, 0.0]]);
        let text = graph.to_string();
        assert!(text.contains("scale  scale 2(x) → h[1×2]\nrelu  relu(h) → y[1×2]"), "{text}");
    }

    #[test]
    fn nodes_out_of_order_or_that_do_not_fit_are_refused_by_name() {
        type Damage = fn(&mut Graph);
        let damages: [(&str, Damage); 7] = [
            ("node relu: tensor #1 is not made before it", |g| g.nodes.swap(0, 1)),
            ("node scale: a map of 3 to 3 elements", |g| {
                if let Op::Linear(linear) = &mut g.nodes[0].op {
                    linear.maps = vec![LinearMap::Diagonal(vec![1.0; 3])];
                }
            }),
            ("node scale: 1 biases for 2 outputs", |g| {
                if let Op::Linear(linear) = &mut g.nodes[0].op {
                    linear.bias.pop();
                }
            }),
            ("node scale: NaN where", |g| {
                if let Op::Linear(linear) = &mut g.nodes[0].op {
                    linear.bias[0] = f64::NAN;
                }
            }),
            ("node relu: 2 groups of 2 elements", |g| {
                let groups = vec![vec![0], vec![2]];
                g.nodes[1].op = Op::Extremum(Extremum { minimum: false, groups });
            }),
            ("tensor h: it is made twice", |g| g.nodes[1].output = TensorId(1)),
            ("tensor #9: it does not exist", |g| g.nodes[1].output = TensorId(9)),
        ];
        for (start, damage) in damages {
            let mut broken = graph();
            damage(&mut broken);
            let error = broken.check().unwrap_err().to_string();
            assert!(error.starts_with(start), "{error} instead of {start}");
        }
    }

    #[test]
    fn a_graph_without_outputs_is_refused() {
        let broken = Graph { outputs: vec![], ..graph() };
        assert_eq!(broken.check(), Err(GraphError::Nothing("outputs")));
        assert!(broken.run(&[[1.0, 1.0]]).is_err());
    }
}
