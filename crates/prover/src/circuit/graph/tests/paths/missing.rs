//! A missing value that is said to be none, and a value that is said to be missing.

use super::{
    super::trees::{quantized_with, with_gaps},
    *,
};
use crate::quantize::Quantized;

/// A forest's trees by their paths, both of whose features may be missing; another score of nothing.
fn forest(shape: &Shape) -> (Quantized, Trees) {
    let quantized = quantized_with(with_gaps(), [true, true], shape);
    let trees = quantized.graph.nodes.iter().find_map(|node| match &node.op {
        IntegerOp::Trees(trees) => Some(trees.clone()),
        _ => None,
    });
    let mut trees = trees.expect("paths");
    trees.bias.push(700);
    (quantized, trees)
}

#[test]
fn a_missing_value_that_is_not_one_is_refused_on_paths() {
    for shape in [paths_shape(2, 1), side_by_side(2, 1)] {
        let (quantized, trees) = forest(&shape);
        let words = |inputs: &[f64; 2]| -> [i64; 3] {
            let own = quantized.input.encode(inputs).expect("in range");
            [own[0], own[1], 5]
        };
        assert_eq!(words(&[f64::NAN, f64::NAN]), [0, 0, 5], "what is missing is the word 0");
        for (missing, put) in [
            ([f64::NAN, 0.3], [true, false]),
            ([0.5, f64::NAN], [false, true]),
            ([f64::NAN, f64::NAN], [true, true]),
        ] {
            let of = |inputs: &[f64; 2]| Lies::of(shape, trees.clone(), words(inputs));
            let honest = of(&missing);
            assert!(honest.run().accepts());
            // The least values that lead elsewhere.
            let given = (0..15).map(|point| f64::from(point) / 10.0);
            let mut given = given
                .map(|value| std::array::from_fn(|i| if put[i] { value } else { missing[i] }))
                .filter(|given| leaves(&of(given)) != leaves(&honest));
            let given: [f64; 2] = given.next().expect("a value that leads elsewhere");
            for (own, other) in [(&missing, &given), (&given, &missing)] {
                refused(&of(own), &of(other));
            }
        }
    }
}

fn leaves(lies: &Lies) -> Vec<i64> {
    lies.paths.iter().map(|(_, leaf)| *leaf).collect()
}

/// Paths of other inputs, of each tree and of all together: as the other inputs are compared, and
/// with the committed inputs and the other's signs.
fn refused(own: &Lies, other: &Lies) {
    let differing = (0..own.paths.len()).filter(|tree| own.paths[*tree].1 != other.paths[*tree].1);
    let differing: Vec<usize> = differing.collect();
    let each = differing.iter().map(|tree| vec![*tree]);
    for trees in each.chain([differing.clone()]) {
        let mut lies = own.clone();
        for tree in &trees {
            lies.paths[*tree] = other.paths[*tree].clone();
        }
        lies.refused("compared as another input");
        for tree in &trees {
            for (step, node) in lies.paths[*tree].0.iter_mut().zip(nodes(other, *tree)) {
                let honest = own.step(node);
                // What is left of the difference when the sign is turned round.
                let turned = (honest.sign - step.sign) * OFFSET;
                *step = Step { sign: step.sign, difference: honest.difference + turned, ..honest };
            }
        }
        lies.refused("the other side of the same input");
    }
}

/// The nodes that a path visits.
fn nodes(lies: &Lies, tree: usize) -> Vec<TreeNode> {
    let tree_of = &lies.trees.trees[tree];
    let find = |step: &Step| tree_of.nodes[tree_of.find(step.name).expect("a node")];
    lies.paths[tree].0.iter().map(find).collect()
}
