//! Decision trees by the paths that are taken: what [`crate::integer::Trees`] proves.
//!
//! Every test becomes one comparison x ≥ cut, by the same cuts as decisions have; a test that
//! always or never holds is left out. A tree whose leaves add to several scores is one for
//! each of them, less what makes no difference to it. Where a test needs more than one cut
//! (equality in the middle of a range, sets), the trees are made of decisions instead.

use std::collections::HashMap;

use super::{
    Kind, Lowering, View,
    trees::{Cut, ENDS, Source},
};
use crate::graph::{Branch, Child, Node, TreeEnsemble};

/// Ensembles of fewer comparisons are made of decisions, as labels and encoders are.
const FEWEST_BRANCHES: usize = 4;

/// A tree whose leaves add to one score.
#[derive(Debug)]
pub(in crate::quantize) struct PathTree {
    /// The score.
    pub(in crate::quantize) output: usize,
    /// Its nodes: the root first, children after their parent.
    pub(in crate::quantize) nodes: Vec<PathNode>,
}

/// A node of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::quantize) enum PathNode {
    /// What the leaf adds.
    Leaf(f64),
    /// A comparison.
    Split {
        /// What is compared, by index among the step's elements.
        element: usize,
        /// With what.
        cut: Cut,
        /// Where to go before the cut …
        below: usize,
        /// … and behind it.
        behind: usize,
    },
}

/// A tree of one position.
#[derive(Clone, Copy)]
enum Made {
    Leaf(usize),
    Split {
        source: usize,
        cut: Cut,
        below: Child,
        behind: Child,
    },
    /// The same as one of its children.
    Same(Child),
}

impl Lowering<'_> {
    /// The scores as a step of paths, if the ensemble suits.
    pub(super) fn paths(&mut self, node: &Node, trees: &TreeEnsemble) -> Option<View> {
        // Trees of one comparison each are decisions that add up.
        let deep = |branch: &Branch| {
            [branch.holds, branch.fails].iter().any(|child| matches!(child, Child::Branch(_)))
        };
        if trees.branches.len() < FEWEST_BRANCHES || !trees.branches.iter().any(deep) {
            return None;
        }
        let (features, sources) = self.features(node, trees);
        let mut bias = trees.base.repeat(trees.positions);
        let (mut elements, mut places) = (Vec::new(), HashMap::new());
        let mut made: Vec<PathTree> = Vec::new();
        for position in 0..trees.positions {
            let splits = self.splits(trees, position, &features, &sources)?;
            let of = |child: Child| match child {
                Child::Leaf(leaf) => Made::Leaf(leaf),
                Child::Branch(branch) => splits[branch],
            };
            for root in &trees.roots {
                for output in 0..trees.outputs {
                    let nodes = one_score(trees, *root, output, &of);
                    let output = position * trees.outputs + output;
                    match nodes.first() {
                        Some(PathNode::Leaf(weight)) => bias[output] += weight,
                        _ => made.push(PathTree { output, nodes }),
                    }
                }
            }
        }
        for tree in &mut made {
            for node in &mut tree.nodes {
                if let PathNode::Split { element, .. } = node {
                    let source = *element;
                    *element = *places.entry(source).or_insert_with(|| {
                        elements.push(source);
                        elements.len() - 1
                    });
                }
            }
        }
        let elements = elements.into_iter().map(|source| self.element(node, &sources[source]));
        let elements = elements.collect::<Option<Vec<_>>>()?;
        let len = bias.len();
        let kind = Kind::Paths { elements, trees: made, bias };
        let step = self.add_step(node.name.clone(), node.output, kind);
        Some(View::identity(step, len))
    }

    /// Every branch as one comparison; none if one is more than that.
    fn splits(
        &self,
        trees: &TreeEnsemble,
        position: usize,
        features: &[usize],
        sources: &[Source],
    ) -> Option<Vec<Made>> {
        let split = |branch: &Branch| {
            let source = features[position * trees.features + branch.feature];
            let set = self.set(&sources[source], &branch.test, trees);
            let (holds, fails) = (branch.holds, branch.fails);
            match set.as_slice() {
                [] => Some(Made::Same(fails)),
                [whole] if *whole == ENDS => Some(Made::Same(holds)),
                [[from, cut]] if *from == ENDS[0] => {
                    Some(Made::Split { source, cut: *cut, below: holds, behind: fails })
                }
                [[cut, to]] if *to == ENDS[1] => {
                    Some(Made::Split { source, cut: *cut, below: fails, behind: holds })
                }
                [[from, before], [cut, to]]
                    if *from == ENDS[0] && *to == ENDS[1] && before == cut =>
                {
                    Some(Made::Same(holds))
                }
                _ => None,
            }
        };
        trees.branches.iter().map(split).collect()
    }

    /// The element of a step that a source is.
    fn element(&mut self, node: &Node, source: &Source) -> Option<(usize, usize)> {
        match source {
            Source::Input { step, index, .. } | Source::Real { step, index } => {
                Some((*step, *index))
            }
            Source::Truth { terms, .. } => match terms.as_slice() {
                [(step, index, 1)] => Some((*step, *index)),
                [(like, ..), ..] => {
                    let kind =
                        Kind::Exact { rows: vec![terms.clone()], constants: vec![0], like: *like };
                    Some((self.add_helper(&node.name, 1, kind), 0))
                }
                [] => None,
            },
            // No test of a constant is left.
            Source::Constant(_) => None,
        }
    }
}

/// What of a tree makes a difference to one score, the root first.
fn one_score(
    trees: &TreeEnsemble,
    root: Child,
    output: usize,
    of: &impl Fn(Child) -> Made,
) -> Vec<PathNode> {
    let weight = |leaf: usize| {
        let weights = &trees.leaves[leaf].weights;
        weights.iter().filter(|(own, _)| *own == output).map(|(_, w)| *w).sum::<f64>()
    };
    let follow = |mut child: Child| {
        loop {
            match of(child) {
                Made::Same(other) => child = other,
                made => return (child, made),
            }
        }
    };
    // Parents before children, then what they are from the children on.
    let mut order = vec![follow(root)];
    let mut at = 0;
    while at < order.len() {
        if let Made::Split { below, behind, .. } = order[at].1 {
            order.extend([below, behind].map(follow));
        }
        at += 1;
    }
    let mut leaf: HashMap<Child, f64> = HashMap::new();
    for (child, made) in order.iter().rev() {
        match made {
            Made::Leaf(index) => {
                leaf.insert(*child, weight(*index));
            }
            Made::Split { below, behind, .. } => {
                let sides = [below, behind].map(|side| leaf.get(&follow(*side).0).copied());
                if let [Some(a), Some(b)] = sides
                    && a == b
                {
                    leaf.insert(*child, a);
                }
            }
            Made::Same(_) => {}
        }
    }
    let mut nodes = Vec::new();
    let mut open = vec![(follow(root), None::<(usize, bool)>)];
    while let Some(((child, made), parent)) = open.pop() {
        let place = nodes.len();
        match parent {
            Some((parent, side)) => {
                if let Some(PathNode::Split { below, behind, .. }) = nodes.get_mut(parent) {
                    *(if side { behind } else { below }) = place;
                }
            }
            None => {}
        }
        match (leaf.get(&child), made) {
            (Some(weight), _) => nodes.push(PathNode::Leaf(*weight)),
            (None, Made::Split { source, cut, below, behind }) => {
                nodes.push(PathNode::Split { element: source, cut, below: 0, behind: 0 });
                open.push((follow(behind), Some((place, true))));
                open.push((follow(below), Some((place, false))));
            }
            (None, _) => nodes.push(PathNode::Leaf(0.0)),
        }
    }
    nodes
}
