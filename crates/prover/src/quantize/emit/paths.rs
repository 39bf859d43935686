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
    integer::{IntegerNode, IntegerOp, Selected, Tree, TreeNode, Trees},
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
        let tensor = self.tensor(&step.name, step.len);
        self.analysis.add_trees(tensor, &bounds);
        let inputs: Vec<TensorId> = steps.iter().map(|step| self.made[*step].tensor).collect();
        let (name, op) = (step.name.clone(), IntegerOp::Trees(made));
        self.graph.nodes.push(IntegerNode { name, op, inputs, output: tensor });
        let meaning = Meaning::Affine {
            units: vec![exp2(-bits); step.len],
            offsets: vec![offset; step.len],
            // A real 0, so that the error is in proportion to the real value.
            middles: vec![-offset * exp2(bits); step.len],
        };
        Ok(Made { tensor, bits, meaning })
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
    // Steps from the root; children stand after their parent.
    let mut level = vec![0usize; nodes.len()];
    for (place, node) in nodes.iter().enumerate() {
        if let PathNode::Split { below, behind, .. } = node {
            (level[*below], level[*behind]) = (level[place] + 1, level[place] + 1);
        }
    }
    let depth = level.iter().copied().max().unwrap_or(0);
    // The nodes from one down to the left, the leaf last, and the leaf's weight.
    let chain = |from: usize| {
        let (mut chain, mut at) = (vec![from], from);
        loop {
            match nodes[at] {
                PathNode::Leaf(weight) => return (chain, weight),
                PathNode::Split { below, .. } => {
                    at = below;
                    chain.push(at);
                }
            }
        }
    };
    let (first, leftmost) = chain(0);
    let turns = first.len() - 1;
    constants[tree.output] += leftmost * scale - turns as f64;
    let (mut taken, mut hints) = (HashSet::new(), HashMap::new());
    let mut made = Vec::with_capacity(nodes.len());
    let mut names = vec![0i64; nodes.len()];
    // Chains to name: the first node, and where that should start.
    let mut open = vec![0];
    while let Some(from) = open.pop() {
        let (chain, weight) = chain(from);
        let turns_here = chain.len() as i64 - 1;
        let target =
            integer(name, (weight - leftmost) * scale)?.saturating_add(turns as i64 - turns_here);
        // A leaf that is reached early is a node as well.
        let waits = chain.last().is_some_and(|leaf| level[*leaf] < depth);
        let count = turns_here + i64::from(waits);
        let hint = hints.get(&target).filter(|_| count > 0);
        let mut start = hint.copied().unwrap_or(target);
        while let Some(clash) = (start..start + count).rev().find(|name| taken.contains(name)) {
            start = clash + 1;
        }
        if count > 0 {
            hints.insert(target, start + count);
            taken.extend(start..start + count);
        }
        for (name, place) in (start..).zip(&chain) {
            names[*place] = name;
            match nodes[*place] {
                PathNode::Split { behind, .. } => open.push(behind),
                PathNode::Leaf(_) if waits => {
                    made.push(TreeNode { name, feature: 0, threshold: 0, right: name });
                }
                PathNode::Leaf(_) => {}
            }
        }
    }
    for (place, node) in nodes.iter().enumerate() {
        if let PathNode::Split { element, cut, behind, .. } = node {
            made.push(TreeNode {
                name: names[place],
                feature: *element,
                threshold: threshold(*element, cut),
                right: names[*behind],
            });
        }
    }
    made.sort_unstable_by_key(|node| node.name);
    Ok(Tree { output: tree.output, depth, nodes: made })
}
