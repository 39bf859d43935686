//! A maximum or minimum before a function that keeps order, not after it: it gives the same,
//! and the function is needed once a window.

use super::Wiring;
use crate::graph::{Function, Graph, Op};

pub(super) fn commute(graph: &mut Graph) {
    let wiring = Wiring::of(graph);
    // Backwards, so that it goes before all functions that follow each other.
    for n in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[n];
        let (Op::Extremum(_), [input]) = (&node.op, &node.inputs[..]) else { continue };
        let (input, output) = (*input, node.output);
        let Some(maker) = wiring.maker[input.0] else { continue };
        let Op::Function(function) = &graph.nodes[maker].op else { continue };
        if !keeps_order(function) || !wiring.only_for(input, 1) {
            continue;
        }
        let [before, after] = [maker, n];
        let op = std::mem::replace(&mut graph.nodes[after].op, Op::Select(Vec::new()));
        graph.nodes[after].op = std::mem::replace(&mut graph.nodes[before].op, op);
        let name = std::mem::take(&mut graph.nodes[after].name);
        graph.nodes[after].name = std::mem::replace(&mut graph.nodes[before].name, name);
        graph.tensors[input.0].dims = graph.tensors[output.0].dims.clone();
    }
}

/// Whether f(x) ≤ f(y) for all x ≤ y, for every element alike.
fn keeps_order(function: &Function) -> bool {
    match function {
        Function::Relu | Function::Clip { .. } | Function::Within { .. } => true,
        Function::Curve(curve) => curve.rises(),
        Function::LeakyRelu { slopes } => slopes.len() == 1 && slopes[0] >= 0.0,
        // Whole numbers are compared exactly, what they are rounded from is not.
        Function::Abs | Function::Impute { .. } | Function::Staircase(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Curve;
    use crate::graph::{ElementKind, Extremum, Node, Tensor, TensorId};

    /// A function of six elements, then the greatest or least of each two.
    fn graph(function: Function, minimum: bool) -> Graph {
        let tensor = |name: &str, len| Tensor {
            name: name.into(),
            dims: vec![1, len],
            kind: ElementKind::Real,
        };
        let groups = vec![vec![0, 1], vec![2, 5], vec![4, 3]];
        let node = |name: &str, op, from| Node {
            name: name.into(),
            op,
            inputs: vec![TensorId(from)],
            output: TensorId(from + 1),
        };
        Graph {
            name: "pool".into(),
            sha256: [0; 32],
            vocabulary: vec![],
            names: vec![],
            tensors: vec![tensor("x", 6), tensor("f", 6), tensor("y", 3)],
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(2)],
            nodes: vec![
                node("function", Op::Function(function), 0),
                node("pool", Op::Extremum(Extremum { minimum, groups }), 1),
            ],
        }
    }

    #[test]
    fn the_extremum_is_taken_first_and_gives_the_same() {
        let x = [-1.5, 2.0, -3.0, 4.0, 0.25, -0.5];
        for function in [
            Function::Relu,
            Function::Curve(Curve::Sigmoid),
            Function::Clip { low: -1.0, high: 1.0 },
            Function::LeakyRelu { slopes: vec![0.25] },
        ] {
            for minimum in [false, true] {
                let before = graph(function.clone(), minimum);
                let mut after = before.clone();
                commute(&mut after);
                after.check().expect("consistent");
                assert!(matches!(after.nodes[0].op, Op::Extremum(_)), "{after}");
                assert_eq!(after.nodes[0].name, "pool");
                assert_eq!(before.run(&[&x]), after.run(&[&x]), "{after}");
            }
        }
    }

    #[test]
    fn functions_that_do_not_keep_order_stay_where_they_are() {
        let slopes = vec![0.25; 6];
        for function in [
            Function::Abs,
            Function::LeakyRelu { slopes },
            Function::LeakyRelu { slopes: vec![-1.0] },
        ] {
            let mut graph = graph(function, false);
            let before = graph.clone();
            commute(&mut graph);
            assert_eq!(graph, before);
        }
        // And one that others read, too.
        let mut graph = graph(Function::Relu, false);
        graph.outputs.push(TensorId(1));
        let before = graph.clone();
        commute(&mut graph);
        assert_eq!(graph, before);
    }
}
