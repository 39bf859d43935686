//! Trees whose paths are proven: names for their nodes.
//!
//! A leaf's name is its weight in the score's unit, times 2^n, counted from the leftmost
//! leaf's; how [`crate::integer::trees`] uses names makes the nodes on the way down to it, to
//! the left, one less each. Names that two nodes of a tree would share are moved up by as
//! little as possible, some 2^−n of a unit.

use std::collections::{HashMap, HashSet};

use super::{Emitter, Made, Meaning, exp2, integer};
use crate::{
    graph::TensorId,
    integer::{IntegerOp, Selected, Tree, TreeNode, Trees},
    quantize::{
        QuantizeError,
        program::{Cut, Kind, PathNode, PathTree, Program, Step},
    },
};

impl Emitter<'_> {
    pub(super) fn paths(
        &mut self,
        step: &Step,
        program: &Program,
        elements: &[(usize, usize)],
        trees: &[PathTree],
        bias: &[f64],
    ) -> Result<Made, QuantizeError> {
        let lowest = step.bounds.iter().map(|bounds| bounds.0).fold(f64::MAX, f64::min);
        let width = step.bounds.iter().map(|(_, hi)| hi - lowest).fold(0.0, f64::max);
        let mut steps: Vec<usize> = elements.iter().map(|(step, _)| *step).collect();
        steps.sort_unstable();
        steps.dedup();
        let features: Vec<Selected> = elements
            .iter()
            .map(|(step, index)| Selected {
                input: steps.binary_search(step).unwrap_or_default(),
                index: *index,
            })
            .collect();
        let threshold = |element: usize, cut: &Cut| {
            let (step, index) = elements[element];
            self.threshold(program, step, index, cut)
        };
        let mut bits = self.fraction_bits(step, self.value_bits as i32, width)?;
        let one = 1i128 << self.graph.shift_bits;
        let (made, bounds, offset) = loop {
            let scale = exp2(bits) * exp2(self.graph.shift_bits as i32);
            let mut offset = (lowest * exp2(bits)).floor() * exp2(-bits);
            let mut constants: Vec<f64> = bias.iter().map(|c| (c - offset) * scale).collect();
            let named = trees
                .iter()
                .map(|tree| named(&step.name, tree, scale, &mut constants, &threshold))
                .collect::<Result<Vec<Tree>, QuantizeError>>()?;
            let half = 1i64 << (self.graph.shift_bits - 1);
            let constants = constants
                .into_iter()
                .map(|constant| Ok(integer(&step.name, constant)? + half))
                .collect::<Result<Vec<i64>, QuantizeError>>()?;
            let mut made = Trees { features: features.clone(), bias: constants, trees: named };
            // Lifted by whole units until rounding cannot make one negative.
            let least = made.bounds().iter().map(|bounds| bounds.0).min().unwrap_or(0).min(0);
            let units = (-least + one - 1) / one;
            let by = i64::try_from(units * one).unwrap_or(i64::MAX);
            made.bias.iter_mut().for_each(|c| *c = c.saturating_add(by));
            offset -= units as f64 * exp2(-bits);
            let bounds = made.bounds();
            let excess = self.excess(&bounds);
            if excess <= 0 || bits == super::MIN_FRACTION_BITS {
                break (made, bounds, offset);
            }
            bits = (bits - excess).max(super::MIN_FRACTION_BITS);
        };
        let inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        Ok(self.plain(step, (IntegerOp::Trees(made), inputs), &bounds, (bits, offset)))
    }

    /// The least integer of a step's element behind a cut.
    pub(super) fn threshold(&self, program: &Program, step: usize, index: usize, cut: &Cut) -> i64 {
        if let Kind::Input { first } = &program.steps[step].kind {
            let grid = self.schema.grid(first + index);
            let shift = grid.map_or(0, |grid| self.schema.shift(first + index, grid));
            return (cut.at as i64) << shift;
        }
        let Meaning::Affine { units, offsets, .. } = &self.made[step].meaning else { return 0 };
        let place = (cut.at - offsets[index]) / units[index];
        // Where it lies behind the cut, the value is decided as its integer is.
        let place = if cut.above { place.floor() + 1.0 } else { place.ceil() };
        place.clamp(0.0, 2f64.powi(self.value_bits as i32)) as i64
    }
}

/// A tree with names; what its leaves are counted from goes into its score's constant.
fn named(
    name: &str,
    tree: &PathTree,
    scale: f64,
    constants: &mut [f64],
    threshold: &impl Fn(usize, &Cut) -> i64,
) -> Result<Tree, QuantizeError> {
    let nodes = &tree.nodes;
    let (depth, soonest) = (depth(nodes), soonest(nodes));
    // The nodes from one down to the left; the last is a leaf, or another node once more.
    let chain = |from: usize| {
        let mut chain = vec![from];
        while let PathNode::Split { below, .. } = nodes[chain[chain.len() - 1]] {
            chain.push(below);
        }
        let last = chain[chain.len() - 1];
        (chain, last)
    };
    let (first, last) = chain(0);
    let leftmost = if let PathNode::Leaf(weight) = nodes[last] { weight } else { 0.0 };
    let turns = first.len() - 1;
    constants[tree.output] += leftmost * scale - turns as f64;
    let mut below = vec![false; nodes.len()];
    for node in nodes {
        if let PathNode::Split { below: left, .. } = node {
            below[*left] = true;
        }
    }
    let (mut taken, mut hints) = (HashSet::new(), HashMap::new());
    let mut names = vec![0i64; nodes.len()];
    let mut made = Vec::with_capacity(nodes.len());
    // The root's chain comes first, and starts at 0.
    for head in (0..nodes.len()).filter(|place| !below[*place]) {
        let (chain, last) = chain(head);
        let turns_here = chain.len() as i64 - 1;
        // A leaf that is reached early is a node as well.
        let (target, waits) = match nodes[last] {
            PathNode::Leaf(weight) => {
                let target = integer(name, (weight - leftmost) * scale)?;
                (target.saturating_add(turns as i64 - turns_here), soonest[last] < depth)
            }
            _ => (0, true),
        };
        let count = turns_here + i64::from(waits);
        let hint = hints.get(&target).filter(|_| count > 0);
        let mut start: i64 = hint.copied().unwrap_or(target);
        while let Some(clash) = (start..start + count).rev().find(|name| taken.contains(name)) {
            start = clash + 1;
        }
        if count > 0 {
            hints.insert(target, start + count);
            taken.extend(start..start + count);
        }
        (start..).zip(&chain).for_each(|(name, place)| names[*place] = name);
        if waits && matches!(nodes[last], PathNode::Leaf(_)) {
            let name = names[last];
            made.push(TreeNode { name, feature: 0, threshold: 0, right: name });
        }
    }
    for (node, name) in nodes.iter().zip(&names) {
        let (name, right) = (*name, |place: usize| names[place]);
        match node {
            PathNode::Leaf(_) => {}
            PathNode::Same(other) => {
                made.push(TreeNode { name, feature: 0, threshold: 0, right: right(*other) });
            }
            PathNode::Split { element, cut, behind, .. } => {
                let threshold = threshold(*element, cut);
                made.push(TreeNode { name, feature: *element, threshold, right: right(*behind) });
            }
        }
    }
    made.sort_unstable_by_key(|node| node.name);
    Ok(Tree { output: tree.output, depth, nodes: made })
}

/// Where a node leads.
fn children(node: &PathNode) -> impl Iterator<Item = usize> + use<> {
    let children = match *node {
        PathNode::Leaf(_) => [None, None],
        PathNode::Same(other) => [Some(other), None],
        PathNode::Split { below, behind, .. } => [Some(below), Some(behind)],
    };
    children.into_iter().flatten()
}

/// The most steps from the root to a leaf.
fn depth(nodes: &[PathNode]) -> usize {
    let mut heights: Vec<Option<usize>> = vec![None; nodes.len()];
    let mut open = vec![0];
    while let Some(place) = open.last().copied() {
        let unknown: Vec<usize> =
            children(&nodes[place]).filter(|child| heights[*child].is_none()).collect();
        if unknown.is_empty() {
            let below = children(&nodes[place]).filter_map(|child| heights[child]).max();
            heights[place] = Some(below.map_or(0, |height| height + 1));
            open.pop();
        }
        open.extend(unknown);
    }
    heights.first().copied().flatten().unwrap_or(0)
}

/// The least steps from the root to each node.
fn soonest(nodes: &[PathNode]) -> Vec<usize> {
    let mut levels = vec![usize::MAX; nodes.len()];
    let (mut level, mut reached) = (0, vec![0]);
    while !reached.is_empty() {
        reached.retain(|place| {
            let new = levels[*place] == usize::MAX;
            levels[*place] = levels[*place].min(level);
            new
        });
        reached = reached.iter().flat_map(|place| children(&nodes[*place])).collect();
        level += 1;
    }
    levels
}
