//! Sums of leaves of decision trees, each found by its path.
//!
//! A tree's nodes have *names*, integers. The root's is 0. At a node, the value x of one
//! feature is compared with a threshold t: if x < t, the path goes on at the node whose name
//! is one more, else at the one named by `right`. Every path of a tree has as many steps;
//! what it arrives at is its leaf, and the leaf's name is what the tree adds to its output's
//! sum. So names are chosen near the leaves' weights (`quantize::emit`), and no leaf needs an
//! entry of its own. A leaf that is reached early waits: it is a node with the threshold 0,
//! to whose right is itself.
//!
//! ```text
//! z_o = c_o + Σ name of the leaf of each tree of o,      x'_o = max(0, ⌊z_o / 2^n⌋)
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Interval, Selected};

/// Names lie between −2^NAME_BITS and 2^NAME_BITS.
pub const NAME_BITS: u32 = 61;
/// Most steps of all nodes of a tree: its nodes times its depth.
const MAX_WORK: usize = 1 << 26;
/// Most trees of an ensemble.
const MAX_TREES: usize = 1 << 22;

/// Ensembles of trees: one z for each of several outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trees {
    /// What is compared: elements of the node's inputs.
    pub features: Vec<Selected>,
    /// c, one an output.
    pub bias: Vec<i64>,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// One tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The output that its leaf is added to.
    pub output: usize,
    /// Steps of every path, 1 or more.
    pub depth: usize,
    /// Its nodes, by name in ascending order.
    pub nodes: Vec<TreeNode>,
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Its name; name + 1 is where the path goes on if the feature is below the threshold.
    pub name: i64,
    /// By index in [`Trees::features`].
    pub feature: usize,
    /// From 0, whatever is not below it, to 2^(bits of a value), which no value reaches.
    pub threshold: i64,
    /// The name of where the path goes on otherwise.
    pub right: i64,
}

impl Tree {
    /// A node by its name: its place among the nodes.
    pub fn find(&self, name: i64) -> Option<usize> {
        self.nodes.binary_search_by_key(&name, |node| node.name).ok()
    }

    /// The places of the nodes on the path of some features, and the leaf's name; stops early
    /// in what is no valid tree.
    pub fn walk(&self, feature: impl Fn(usize) -> i64) -> (Vec<usize>, i64) {
        let (mut path, mut name) = (Vec::with_capacity(self.depth), 0);
        for _ in 0..self.depth {
            let Some(place) = self.find(name) else { break };
            let node = &self.nodes[place];
            path.push(place);
            let below = feature(node.feature) < node.threshold;
            name = if below { name.wrapping_add(1) } else { node.right };
        }
        (path, name)
    }

    /// The names of all leaves; none if a path ends early.
    fn leaves(&self) -> Option<BTreeSet<i64>> {
        let mut names = BTreeSet::from([0]);
        for _ in 0..self.depth {
            let mut next = BTreeSet::new();
            for name in names {
                let node = &self.nodes[self.find(name)?];
                // What never holds leads nowhere.
                if node.threshold > 0 {
                    next.insert(name + 1);
                }
                next.insert(node.right);
            }
            names = next;
        }
        Some(names)
    }
}

impl Trees {
    /// What does not fit about it, for features of so many bits, inputs and outputs of so
    /// many elements.
    pub(super) fn misfit(&self, bits: u32, inputs: &[usize], outputs: usize) -> Option<String> {
        let exists = |at: &Selected| inputs.get(at.input).is_some_and(|len| at.index < *len);
        if let Some(index) = self.features.iter().position(|at| !exists(at)) {
            return Some(format!("feature {index} is no element of its inputs"));
        }
        if self.bias.len() != outputs {
            return Some(format!("{} biases for {outputs} outputs", self.bias.len()));
        }
        if self.trees.len() > MAX_TREES {
            return Some(format!("{} trees, at most {MAX_TREES}", self.trees.len()));
        }
        self.trees.iter().enumerate().find_map(|(index, tree)| {
            let cause = self.tree_misfit(tree, bits, outputs)?;
            Some(format!("tree {index}: {cause}"))
        })
    }

    fn tree_misfit(&self, tree: &Tree, bits: u32, outputs: usize) -> Option<String> {
        let limit = 1i64 << NAME_BITS;
        let named = |name: i64| (1 - limit..limit - 1).contains(&name);
        let fits = |node: &TreeNode| {
            named(node.name)
                && named(node.right)
                && node.feature < self.features.len()
                && (0..=1i64 << bits.min(61)).contains(&node.threshold)
        };
        if tree.output >= outputs {
            return Some(format!("it adds to output {}, there are {outputs}", tree.output));
        }
        if tree.depth == 0 || tree.depth.saturating_mul(tree.nodes.len()) > MAX_WORK {
            return Some(format!("its paths are of {} steps", tree.depth));
        }
        if let Some(place) = tree.nodes.iter().position(|node| !fits(node)) {
            return Some(format!("its node {place} has a number out of range"));
        }
        if tree.nodes.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            return Some("its nodes are not in the order of their names".into());
        }
        tree.leaves().is_none().then(|| "one of its paths ends at no node".into())
    }

    /// z of every output; the structure must have been checked.
    pub(super) fn run(&self, feature: impl Fn(&Selected) -> i64) -> Vec<i64> {
        let mut z = self.bias.clone();
        for tree in &self.trees {
            let (_, leaf) = tree.walk(|index| feature(&self.features[index]));
            z[tree.output] = z[tree.output].wrapping_add(leaf);
        }
        z
    }

    /// Bounds of every z: those of each tree's leaves, added up.
    pub(crate) fn bounds(&self) -> Vec<Interval> {
        let mut bounds: Vec<Interval> =
            self.bias.iter().map(|c| (i128::from(*c), i128::from(*c))).collect();
        for tree in &self.trees {
            let leaves = tree.leaves().unwrap_or_default();
            let (lo, hi) = &mut bounds[tree.output];
            *lo += i128::from(leaves.first().copied().unwrap_or_default());
            *hi += i128::from(leaves.last().copied().unwrap_or_default());
        }
        bounds
    }

    /// Thresholds, names and biases.
    pub(super) fn parameters(&self) -> usize {
        self.bias.len() + self.trees.iter().map(|tree| 2 * tree.nodes.len()).sum::<usize>()
    }
}
