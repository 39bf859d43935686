//! Where paths and the nodes of their trees stand.

use std::collections::BTreeMap;

use super::{FEATURE, INFERENCE, NAME, THRESHOLD, TREE, config::power_of_two};
use crate::{
    circuit::{LayoutError, field, graph::claims::Claims},
    integer::TreeNode,
    shape::Shape,
};
use halo2curves::bn256::Fr;

/// The paths of all trees, in rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// The trees, in the order of their rows; of those side by side, in that of their lanes.
    pub trees: Vec<PlacedTree>,
    /// The values that are compared, with their numbers, from 1 on.
    pub numbers: Vec<(usize, u64)>,
    /// Nodes of all trees.
    pub nodes: usize,
    /// For each group of trees side by side the node of the claims and the output whose
    /// equation their leaves join.
    pub outputs: Vec<(usize, usize)>,
}

/// A tree in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedTree {
    /// The row of the first step, of the first inference; the leaf's row comes after the last
    /// step, then the next inference's first step.
    pub first: usize,
    /// Which of the paths side by side.
    pub lane: usize,
    /// Steps of a path.
    pub depth: usize,
    /// Its nodes, by name.
    pub nodes: Vec<PlacedNode>,
    /// The place in the node table of the first of them.
    pub entry: usize,
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedNode {
    /// Its name.
    pub name: i64,
    /// The value that is compared.
    pub value: usize,
    /// Its number among the values that are.
    pub number: u64,
    /// What it is compared with.
    pub threshold: i64,
    /// The name of the right child.
    pub right: i64,
}

/// How much paths take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::circuit::graph) struct Extent {
    /// Rows of steps and leaves.
    pub(in crate::circuit::graph) rows: usize,
    /// Rows of steps.
    pub(in crate::circuit::graph) steps: usize,
    /// Nodes of all trees.
    pub(in crate::circuit::graph) nodes: usize,
    /// Trees, with those that fill lanes up.
    pub(in crate::circuit::graph) trees: usize,
}

impl Extent {
    /// Refuses more trees than their numbers' digits hold: a tree's number would be another's,
    /// or reach into the feature's.
    pub(in crate::circuit::graph) fn check(&self, lanes: usize) -> Result<(), LayoutError> {
        let limit = (1 << (FEATURE - TREE)) - lanes;
        match self.trees > limit {
            true => Err(LayoutError::TooManyTrees { trees: self.trees, limit }),
            false => Ok(()),
        }
    }
}

impl PlacedTree {
    /// The row of the first step of an inference's path.
    pub fn start(&self, inference: usize) -> usize {
        self.first + inference * (self.depth + 1)
    }

    /// The rows of the leaves of all inferences.
    pub fn leaves(&self, batch: usize) -> impl Iterator<Item = usize> {
        (0..batch).map(|inference| self.start(inference) + self.depth)
    }

    /// The place of a node by its name.
    pub fn find(&self, name: i64) -> Option<usize> {
        self.nodes.binary_search_by_key(&name, |node| node.name).ok()
    }
}

impl Paths {
    /// Places the paths of all claims on the rows after `last`. The place of each tree's equation stands on the row before its first step.
    pub(in crate::circuit::graph) fn new(claims: &Claims<'_>, shape: &Shape, last: usize) -> Self {
        let mut numbers: BTreeMap<u32, u64> = BTreeMap::new();
        for ensemble in &claims.ensembles {
            for tree in ensemble.trees {
                for node in &tree.nodes {
                    let next = numbers.len() as u64 + 1;
                    numbers.entry(ensemble.values[node.feature]).or_insert(next);
                }
            }
        }
        // Those side by side are of one equation and one depth.
        let mut groups: BTreeMap<(usize, usize, usize), Vec<Vec<PlacedNode>>> = BTreeMap::new();
        for ensemble in &claims.ensembles {
            for tree in ensemble.trees {
                let node = |node: &TreeNode| {
                    let value = ensemble.values[node.feature];
                    PlacedNode {
                        name: node.name,
                        value: value as usize,
                        number: numbers.get(&value).copied().unwrap_or_default(),
                        threshold: node.threshold,
                        right: node.right,
                    }
                };
                let group = groups.entry((ensemble.node, tree.output, tree.depth)).or_default();
                group.push(tree.nodes.iter().map(node).collect());
            }
        }
        let lanes = shape.path_lanes().max(1);
        let (mut last, mut entry) = (last, 0);
        let (mut trees, mut outputs) = (Vec::new(), Vec::new());
        for ((node, output, depth), mut group) in groups {
            // A lane that is left has a tree of one leaf, 0, where all paths wait.
            let waits = group.first().and_then(|tree| tree.first()).map(|any| PlacedNode {
                name: 0,
                threshold: 0,
                right: 0,
                ..*any
            });
            group.resize(group.len().next_multiple_of(lanes), waits.into_iter().collect());
            let mut group = group.into_iter().peekable();
            while group.peek().is_some() {
                for (lane, nodes) in group.by_ref().take(lanes).enumerate() {
                    let (first, count) = (last + 1, nodes.len());
                    trees.push(PlacedTree { first, lane, depth, nodes, entry });
                    entry += count;
                }
                outputs.push((node, output));
                last += shape.batch() * (depth + 1);
            }
        }
        let numbers = numbers.into_iter().map(|(value, number)| (value as usize, number));
        Self { trees, numbers: numbers.collect(), nodes: entry, outputs }
    }

    /// What [`Self::new`] comes to, without the nodes.
    pub(in crate::circuit::graph) fn extent(claims: &Claims<'_>, shape: &Shape) -> Extent {
        let mut groups: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
        let mut nodes = 0;
        for ensemble in &claims.ensembles {
            for tree in ensemble.trees {
                *groups.entry((ensemble.node, tree.output, tree.depth)).or_default() += 1;
                nodes += tree.nodes.len();
            }
        }
        let lanes = shape.path_lanes().max(1);
        let (mut rows, mut steps, mut all) = (0, 0, 0);
        for ((_, _, depth), trees) in groups {
            let side_by_side = trees.div_ceil(lanes);
            rows += side_by_side * (depth + 1) * shape.batch();
            steps += side_by_side * depth * shape.batch();
            // A lane that is left has a tree of one node.
            nodes += side_by_side * lanes - trees;
            all += side_by_side * lanes;
        }
        Extent { rows, steps, nodes, trees: all }
    }

    /// The first tree of each group side by side, in the order of their rows.
    pub fn groups(&self) -> impl Iterator<Item = &PlacedTree> {
        self.trees.iter().filter(|tree| tree.lane == 0)
    }

    /// Rows of all steps, which hold signs, for all inferences.
    pub fn steps(&self, batch: usize) -> impl Iterator<Item = usize> {
        self.groups().flat_map(move |tree| {
            (0..batch).flat_map(move |t| tree.start(t)..tree.start(t) + tree.depth)
        })
    }

    /// The number of a tree: its group's, from 1 on, times the lanes, and its lane.
    pub(super) fn number(&self, tree: usize) -> Fr {
        let lanes = self.trees.iter().map(|tree| tree.lane + 1).max().unwrap_or(1);
        Fr::from((tree + lanes) as u64)
    }

    /// (row, lane, cells) of the nodes in a table of `lanes` lanes.
    pub(in crate::circuit::graph) fn table(
        &self,
        lanes: usize,
    ) -> impl Iterator<Item = (usize, usize, [Fr; 2])> {
        let units = [TREE, FEATURE, THRESHOLD].map(power_of_two);
        self.trees.iter().enumerate().flat_map(move |(index, tree)| {
            let tree_number = self.number(index) * units[0] + power_of_two(NAME);
            tree.nodes.iter().enumerate().map(move |(place, node)| {
                let entry = tree.entry + place;
                let cell = tree_number
                    + field(node.name)
                    + Fr::from(node.number) * units[1]
                    + field(node.threshold) * units[2];
                (entry / lanes, entry % lanes, [cell, field(node.right)])
            })
        })
    }
}

/// What numbers of features count from in an inference of a batch.
pub(in crate::circuit::graph) fn inference_number(inference: usize) -> u64 {
    (inference as u64) << INFERENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_trees_than_their_numbers_hold_are_refused() {
        let extent = |trees| Extent { rows: 0, steps: 0, nodes: 0, trees };
        // Numbers start at that of the lanes, and take the digits between TREE and FEATURE.
        assert_eq!(extent((1 << 24) - 3).check(3), Ok(()));
        let refused = extent((1 << 24) - 2).check(3);
        assert_eq!(
            refused,
            Err(LayoutError::TooManyTrees { trees: (1 << 24) - 2, limit: (1 << 24) - 3 })
        );
    }
}
