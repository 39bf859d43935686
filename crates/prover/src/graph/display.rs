//! A graph as text, a line a node.

use std::fmt;

use super::{ElementKind, Extremum, Function, Graph, LinearMap, Op, Tensor, TensorId};

impl fmt::Display for Graph {
    /// Inputs, nodes in order with the tensors they read and make, outputs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for id in &self.inputs {
            writeln!(f, "input  {}", self.tensor(*id))?;
        }
        for node in &self.nodes {
            let inputs: Vec<String> = node.inputs.iter().map(|&id| self.name(id)).collect();
            let output = self.tensor(node.output);
            writeln!(f, "{}  {}({}) → {output}", node.name, node.op, inputs.join(", "))?;
        }
        for id in &self.outputs {
            writeln!(f, "output {}", self.tensor(*id))?;
        }
        Ok(())
    }
}

impl Graph {
    fn tensor(&self, id: TensorId) -> String {
        self.tensors.get(id.0).map_or_else(|| format!("#{}", id.0), Tensor::to_string)
    }

    fn name(&self, id: TensorId) -> String {
        self.tensors.get(id.0).map_or_else(|| format!("#{}", id.0), |t| t.name.clone())
    }

    /// Number of weights and biases, those that are 0 included.
    pub fn parameters(&self) -> usize {
        let of = |op: &Op| match op {
            Op::Linear(linear) => {
                linear.maps.iter().map(LinearMap::coefficients).sum::<usize>() + linear.bias.len()
            }
            Op::Function(Function::LeakyRelu { slopes }) => slopes.len(),
            Op::Trees(trees) => trees.parameters(),
            _ => 0,
        };
        self.nodes.iter().map(|node| of(&node.op)).sum()
    }
}

impl fmt::Display for Tensor {
    /// Name and dimensions, `scores[1×10]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        let kind = match self.kind {
            ElementKind::Real => "",
            ElementKind::Integer => " integer",
            ElementKind::Category => " category",
        };
        write!(f, "{}[{}]{kind}", self.name, dims.join("×"))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(linear) => {
                let maps: Vec<String> = linear.maps.iter().map(LinearMap::to_string).collect();
                f.write_str(&maps.join(" + "))
            }
            Self::Function(function) => function.fmt(f),
            Self::Extremum(extremum) => extremum.describe(f, ["maximum", "minimum"]),
            Self::ArgExtremum(extremum) => extremum.describe(f, ["argmax", "argmin"]),
            Self::Leading(leading) => {
                write!(f, "{} of ", leading.count)?;
                leading.extremum.describe(f, ["greatest", "least"])
            }
            Self::Select(elements) => write!(f, "select {}", elements.len()),
            Self::Trees(trees) => {
                write!(f, "{} trees of {} leaves", trees.roots.len(), trees.leaves.len())
            }
            Self::Product(product) => {
                let most = product.rows().map(<[_]>::len).max().unwrap_or(0);
                match most {
                    0 | 1 => f.write_str("product"),
                    most => write!(f, "sums of {most} products"),
                }
            }
            Self::Quotient(_) => f.write_str("quotient"),
            Self::Root => f.write_str("square root"),
            Self::Shares(shares) => {
                let most = shares.groups.iter().map(Vec::len).max().unwrap_or(0);
                write!(f, "shares of {most}")
            }
        }
    }
}

impl Extremum {
    fn describe(&self, f: &mut fmt::Formatter<'_>, names: [&str; 2]) -> fmt::Result {
        let longest = self.groups.iter().map(Vec::len).max().unwrap_or(0);
        write!(f, "{} of {longest}", names[usize::from(self.minimum)])
    }
}

impl<T> fmt::Display for LinearMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense { positions: 1, inputs, outputs, .. } => {
                write!(f, "dense {inputs} → {outputs}")
            }
            Self::Dense { positions, inputs, outputs, .. } => {
                write!(f, "dense {inputs} → {outputs} at {positions} positions")
            }
            Self::Convolution(conv) => {
                let [height, width] = conv.kernel;
                let (ins, outs) = (conv.in_channels, conv.out_channels);
                write!(f, "convolution {height}×{width}, {ins} → {outs} channels")?;
                let pairs = [("strides", conv.strides), ("dilations", conv.dilations)];
                for (name, [a, b]) in pairs.into_iter().filter(|(_, pair)| *pair != [1, 1]) {
                    write!(f, ", {name} {a}×{b}")?;
                }
                match conv.groups {
                    1 => Ok(()),
                    groups => write!(f, ", {groups} groups"),
                }
            }
            Self::Diagonal(factors) => write!(f, "scale {}", factors.len()),
            Self::Sparse(rows) => write!(f, "sparse {} terms", rows.terms.len()),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relu => f.write_str("relu"),
            Self::LeakyRelu { slopes } => match slopes[..] {
                [slope] => write!(f, "leaky relu {slope}"),
                _ => write!(f, "leaky relu of {} slopes", slopes.len()),
            },
            Self::Abs => f.write_str("abs"),
            Self::Clip { low, high } => write!(f, "clip {low} to {high}"),
            Self::Within { low, high } => write!(f, "within {low} to {high}"),
            Self::Impute { values } => write!(f, "impute {}", values.len()),
            Self::Curve(curve) => curve.fmt(f),
            Self::Staircase(stairs) => stairs.fmt(f),
        }
    }
}
