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

    /// The names of all leaves, in ascending order; none if a path ends early.
    fn leaves(&self) -> Option<Vec<i64>> {
        let mut names = vec![0];
        for _ in 0..self.depth {
            let mut next = Vec::with_capacity(2 * names.len());
            for name in names {
                let node = &self.nodes[self.find(name)?];
                // No value is below 0.
                if node.threshold > 0 {
                    next.push(name + 1);
                }
                next.push(node.right);
            }
            next.sort_unstable();
            next.dedup();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: i64, feature: usize, threshold: i64, right: i64) -> TreeNode {
        TreeNode { name, feature, threshold, right }
    }

    /// x < 10 ? (y < 5 ? 2 : 70) : 400, where 400 waits.
    fn trees() -> Trees {
        let nodes = vec![node(0, 0, 10, 400), node(1, 1, 5, 70), node(400, 0, 0, 400)];
        let features = vec![Selected { input: 0, index: 2 }, Selected { input: 1, index: 0 }];
        let trees = vec![Tree { output: 1, depth: 2, nodes }];
        Trees { features, bias: vec![7, -1], trees }
    }

    #[test]
    fn a_path_leads_to_its_leaf() {
        for (x, y, leaf) in [(9, 4, 2), (9, 5, 70), (10, 4, 400), (255, 0, 400), (0, 255, 70)] {
            let feature = |at: &Selected| if at.input == 0 { x } else { y };
            assert_eq!(trees().run(feature), [7, leaf - 1], "{x}, {y}");
        }
        assert_eq!(trees().bounds(), [(7, 7), (1, 399)]);
    }

    #[test]
    fn what_is_no_tree_is_refused_by_what_is_wrong_with_it() {
        let misfit = |change: &dyn Fn(&mut Trees)| {
            let mut trees = trees();
            change(&mut trees);
            trees.misfit(8, &[3, 1], 2)
        };
        assert_eq!(misfit(&|_| {}), None);
        type Change = Box<dyn Fn(&mut Trees)>;
        let of_node = |at: usize, new: TreeNode| -> Change {
            Box::new(move |trees| trees.trees[0].nodes[at] = new)
        };
        let cases: Vec<(Change, &str)> = vec![
            (Box::new(|t| t.features[1].index = 1), "feature 1 is no element"),
            (Box::new(|t| t.features[0].input = 2), "feature 0 is no element"),
            (Box::new(|t| t.bias.push(0)), "3 biases for 2 outputs"),
            (Box::new(|t| t.trees[0].output = 2), "tree 0: it adds to output 2"),
            (Box::new(|t| t.trees[0].depth = 0), "tree 0: its paths are of 0 steps"),
            (Box::new(|t| t.trees[0].depth = usize::MAX), "its paths are of"),
            (Box::new(|t| t.trees[0].depth = 3), "one of its paths ends at no node"),
            (Box::new(|t| t.trees[0].nodes.truncate(2)), "one of its paths ends at no node"),
            (Box::new(|t| t.trees[0].nodes.swap(0, 1)), "not in the order of their names"),
            (of_node(1, node(0, 1, 5, 70)), "not in the order of their names"),
            (of_node(1, node(1, 2, 5, 70)), "its node 1 has a number out of range"),
            (of_node(1, node(1, 1, 257, 70)), "its node 1 has a number out of range"),
            (of_node(1, node(1, 1, -1, 70)), "its node 1 has a number out of range"),
            (of_node(1, node(1, 1, 5, i64::MAX)), "its node 1 has a number out of range"),
            (of_node(1, node(i64::MIN, 1, 5, 7)), "its node 1 has a number out of range"),
        ];
        for (change, expected) in cases {
            let cause = misfit(&change).expect(expected);
            assert!(cause.contains(expected), "{cause}, not {expected}");
        }
    }
}
