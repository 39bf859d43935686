//! Decision trees by the paths that are taken: what [`crate::integer::Trees`] proves.
//!
//! Every test becomes comparisons x ≥ cut, by the same cuts as decisions have: one, or as many
//! as the set has in which it holds, one after the other. A test that always or never holds
//! is left out. A tree whose leaves add to several scores is one for each of them, less what
//! makes no difference to it.

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
        /// Where to go before the cut: a node that no other goes to so …
        below: usize,
        /// … and behind it.
        behind: usize,
    },
    /// What another node is.
    Same(usize),
}

/// What a child of a branch is in one position.
#[derive(Debug, Clone)]
enum Made {
    Leaf(usize),
    /// Where the source lies before the first cut, or between the next two, and so on, the
    /// path goes on at the first child, elsewhere at the second.
    Cuts {
        source: usize,
        cuts: Vec<Cut>,
        children: [Child; 2],
    },
    /// The same as one of its children.
    Same(Child),
}

/// One comparison of a branch: with the cut of this index.
type Place = (Child, usize);

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
            let branches: Vec<Made> = trees
                .branches
                .iter()
                .map(|b| self.made(trees, position, b, &features, &sources))
                .collect();
            let of = |child: Child| match child {
                Child::Leaf(leaf) => Made::Leaf(leaf),
                Child::Branch(branch) => branches[branch].clone(),
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

    /// A branch as comparisons.
    fn made(
        &self,
        trees: &TreeEnsemble,
        position: usize,
        branch: &Branch,
        features: &[usize],
        sources: &[Source],
    ) -> Made {
        let source = features[position * trees.features + branch.feature];
        let set = self.set(&sources[source], branch, trees);
        let (holds, fails) = (branch.holds, branch.fails);
        // Where one interval ends and the next begins, nothing changes.
        let mut cuts: Vec<Cut> = Vec::new();
        for cut in set.iter().flatten().filter(|cut| !ENDS.contains(cut)) {
            match cuts.last() {
                Some(last) if last == cut => {
                    cuts.pop();
                }
                _ => cuts.push(*cut),
            }
        }
        let starts = set.first().is_some_and(|[from, _]| *from == ENDS[0]);
        match (cuts.is_empty(), starts) {
            (true, true) => Made::Same(holds),
            (true, false) => Made::Same(fails),
            (false, true) => Made::Cuts { source, cuts, children: [holds, fails] },
            (false, false) => Made::Cuts { source, cuts, children: [fails, holds] },
        }
    }

    /// The element of a step that a source is.
    fn element(&mut self, node: &Node, source: &Source) -> Option<(usize, usize)> {
        match source {
            Source::Input { step, index, .. } | Source::Real { step, index, .. } => {
                Some((*step, *index))
            }
            Source::Truth { terms, .. } => match terms.as_slice() {
                [(step, index, 1)] => Some((*step, *index)),
                [(like, ..), ..] => {
                    let kind = Kind::Exact {
                        rows: vec![terms.clone()],
                        constants: vec![0],
                        like: Some(*like),
                    };
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
        while let Made::Same(other) = of(child) {
            child = other;
        }
        child
    };
    // Parents before children, then what they are from the children on.
    let mut order = vec![follow(root)];
    let mut at = 0;
    while at < order.len() {
        if let Made::Cuts { children, .. } = of(order[at]) {
            order.extend(children.map(follow));
        }
        at += 1;
    }
    let mut leaves: HashMap<Child, f64> = HashMap::new();
    for child in order.into_iter().rev() {
        match of(child) {
            Made::Leaf(index) => {
                leaves.insert(child, weight(index));
            }
            Made::Cuts { children, .. } => {
                let sides = children.map(|side| leaves.get(&follow(side)).copied());
                if let [Some(a), Some(b)] = sides
                    && a == b
                {
                    leaves.insert(child, a);
                }
            }
            Made::Same(_) => {}
        }
    }
    // A node to the left of its parent is placed right after it, so that both are named
    // together; a child that has its place already is referred to.
    let mut nodes: Vec<PathNode> = Vec::new();
    let mut places: HashMap<Place, usize> = HashMap::new();
    let mut open: Vec<(Place, Option<usize>)> = vec![((follow(root), 0), None)];
    while let Some((place, behind_of)) = open.pop() {
        if let Some(parent) = behind_of {
            let known = places.get(&place).copied();
            let at = known.unwrap_or(nodes.len());
            if let PathNode::Split { behind, .. } = &mut nodes[parent] {
                *behind = at;
            }
            if known.is_some() {
                continue;
            }
        }
        let mut place = place;
        // Down to the left.
        loop {
            let at = nodes.len();
            if let Some(other) = places.get(&place) {
                nodes.push(PathNode::Same(*other));
                break;
            }
            places.insert(place, at);
            let (child, index) = place;
            match (leaves.get(&child), of(child)) {
                (Some(weight), _) => {
                    nodes.push(PathNode::Leaf(*weight));
                    break;
                }
                (None, Made::Cuts { source, cuts, children }) => {
                    let side = |index: usize| (follow(children[index % 2]), 0);
                    let cut = cuts[index];
                    nodes.push(PathNode::Split { element: source, cut, below: at + 1, behind: 0 });
                    let last = index + 1 == cuts.len();
                    open.push((if last { side(index + 1) } else { (child, index + 1) }, Some(at)));
                    place = side(index);
                }
                // No leaf is left.
                (None, _) => {
                    nodes.push(PathNode::Leaf(0.0));
                    break;
                }
            }
        }
    }
    nodes
}
