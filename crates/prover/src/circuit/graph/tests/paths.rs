//! What a prover could say about a path through a decision tree. All that follows from the
//! lie is computed honestly, so that nothing but the lie itself is refused.

mod columns;
mod missing;

use std::collections::BTreeMap;

use super::{super::paths::PlacedTree, *};
use crate::{
    graph::{LinearMap, TensorId},
    integer::{
        IntegerGraph, IntegerNode, IntegerOp, IntegerTensor, Selected, Tree, TreeNode, Trees,
    },
};

/// Values of 16 bits, four limbs; node tables of so many lanes.
fn paths_shape(node_lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { node_lanes, batch, ..GraphShape::new(4, 3) });
    Shape { graph, ..shape(4, 3, 2) }
}

/// The same values in two limbs of 8 bits: two paths stand side by side.
fn side_by_side(node_lanes: usize, batch: usize) -> Shape {
    let graph = GraphShape { node_lanes, batch, path_lanes: 2, ..GraphShape::new(4, 3) };
    Shape { limb_bits: 8, limbs: 4, graph: Some(graph), ..shape(4, 3, 2) }
}

/// Three side by side: more limb columns than a pre-activation has limbs.
fn three_beside(batch: usize) -> Shape {
    let graph = GraphShape { node_lanes: 2, batch, path_lanes: 3, ..GraphShape::new(6, 3) };
    Shape { limb_bits: 8, limbs: 4, graph: Some(graph), ..shape(4, 3, 2) }
}

fn node(name: i64, feature: usize, threshold: i64, right: i64) -> TreeNode {
    TreeNode { name, feature, threshold, right }
}

/// Three features in another order than the inputs, two outputs: the first has two trees of
/// two steps and one of a single step, the second one tree. A leaf of the second tree waits.
fn trees() -> Trees {
    let select = |index| Selected { input: 0, index };
    let tree = |output, depth, nodes: &[TreeNode]| Tree { output, depth, nodes: nodes.to_vec() };
    Trees {
        features: [2, 0, 1].map(select).to_vec(),
        bias: vec![3000, 700],
        trees: vec![
            // Leaves 2, 900, 1_000_001 and −500.
            tree(
                0,
                2,
                &[
                    node(0, 0, 100, 1_000_000),
                    node(1, 1, 20_000, 900),
                    node(1_000_000, 0, 300, -500),
                ],
            ),
            // Leaves 2, 5_000 and, reached early, 70_000.
            tree(
                0,
                2,
                &[node(0, 1, 500, 70_000), node(1, 2, 40_000, 5_000), node(70_000, 0, 0, 70_000)],
            ),
            tree(0, 1, &[node(0, 2, 7, 250_000)]),
            tree(1, 2, &[node(0, 2, 40_000, 128), node(1, 0, 100, 64), node(128, 2, 50_000, -9)]),
        ],
    }
}

/// Trees of two scores, what is added to one of their values, and both results.
fn model(shape: &Shape, trees: Trees) -> IntegerGraph {
    let tensor = |name: &str, len| IntegerTensor { name: name.into(), len };
    let weights = vec![256, 512, -256, 256];
    let dense = LinearMap::Dense { positions: 1, inputs: 2, outputs: 2, weights };
    let linear = crate::graph::Linear { maps: vec![dense], bias: vec![0, 1 << 20] };
    let node = |name: &str, op, input, output| IntegerNode {
        name: name.into(),
        op,
        inputs: vec![TensorId(input)],
        output: TensorId(output),
    };
    IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![tensor("x", 3), tensor("scores", 2), tensor("sum", 2)],
        inputs: vec![TensorId(0)],
        private: vec![],
        nodes: vec![
            node("trees", IntegerOp::Trees(trees), 0, 1),
            node("sum", IntegerOp::Linear(linear), 1, 2),
        ],
        outputs: vec![TensorId(1), TensorId(2)],
    }
}

/// A circuit of the model with its witness, to be lied in.
struct Run {
    layout: circuit::Layout,
    witness: circuit::Witness,
}

impl Run {
    fn new(shape: Shape, inputs: &[[i64; 3]]) -> Self {
        let model = model(&shape, trees());
        model.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
        let layout = circuit::Layout::new(&model, shape).expect("small");
        assert_eq!(circuit::Layout::required_k(&model, shape), Ok(layout.k));
        let witness =
            circuit::Witness::batch(&layout, &model, inputs, &[], Fr::from(5)).expect("fits");
        Self { layout, witness }
    }

    fn accepts(&self) -> bool {
        both_accept(self.layout.clone(), self.witness.clone(), |_| {})
    }
}

#[test]
fn every_leaf_is_proven_as_the_graph_runs() {
    let beside = [side_by_side(1, 1), side_by_side(2, 3), three_beside(1), three_beside(3)];
    for shape in [paths_shape(1, 1), paths_shape(3, 1), paths_shape(2, 3)].into_iter().chain(beside)
    {
        let batch = shape.batch();
        let mut leaves = BTreeMap::new();
        let all: Vec<[i64; 3]> = [0, 7, 40_000, 50_000]
            .into_iter()
            .flat_map(|b| [[499, b, 99], [500, b, 100], [20_000, b, 299], [65_535, b, 65_535]])
            .collect();
        for inputs in all.chunks_exact(batch).step_by(if batch == 1 { 3 } else { 1 }) {
            let run = Run::new(shape, inputs);
            for (t, own) in inputs.iter().enumerate() {
                let own = model(&shape, trees()).run(own).expect("in range").outputs;
                let stated = run.witness.outputs.iter().skip(t).step_by(batch).copied();
                assert!(stated.eq(own.iter().copied()));
                leaves.insert(own, ());
            }
            assert!(run.accepts(), "{shape} {inputs:?}");
        }
        // Of results in coarse units, fewer differ.
        assert!(leaves.len() >= if shape.shift_bits() == 8 { 5 } else { 2 }, "{leaves:?}");
    }
}

/// A step as a prover may write it down.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    name: i64,
    feature: i64,
    threshold: i64,
    right: i64,
    sign: i64,
    /// In the limbs: x − t + 2^V·(1 − s).
    difference: i64,
}

/// A run of one inference in which paths and scores may be lies.
#[derive(Clone)]
struct Lies {
    shape: Shape,
    trees: Trees,
    inputs: [i64; 3],
    /// Of each tree its steps, and its leaf.
    paths: Vec<(Vec<Step>, i64)>,
    /// What is added to the sums of leaves.
    scores: [i64; 2],
    /// Look-ups that no entry answers are counted on this row of the tables.
    counted_on: Option<usize>,
}

const OFFSET: i64 = 1 << 16;

/// Where waiting is all there is.
fn node_of(name: i64) -> TreeNode {
    node(name, 0, 0, name)
}

/// A tree's place among those that are laid out.
fn placed(rows: &Layout, nodes: &[TreeNode]) -> usize {
    let own = |placed: &PlacedTree| {
        let numbers = placed.nodes.iter().map(|node| (node.name, node.threshold, node.right));
        numbers.eq(nodes.iter().map(|node| (node.name, node.threshold, node.right)))
    };
    rows.paths.trees.iter().position(own).expect("it is laid out")
}

impl Lies {
    fn new(shape: Shape, inputs: [i64; 3]) -> Self {
        Self::of(shape, trees(), inputs)
    }

    fn of(shape: Shape, trees: Trees, inputs: [i64; 3]) -> Self {
        let (scores, counted_on, count) = ([0, 0], None, trees.trees.len());
        let mut lies = Self { shape, trees, inputs, paths: Vec::new(), scores, counted_on };
        lies.paths = (0..count).map(|tree| lies.from(tree, 0, usize::MAX)).collect();
        lies
    }

    fn layout(&self) -> circuit::Layout {
        circuit::Layout::new(&model(&self.shape, self.trees.clone()), self.shape).expect("small")
    }

    /// The honest path of a tree from a node on.
    fn from(&self, tree: usize, mut name: i64, steps: usize) -> (Vec<Step>, i64) {
        let tree = &self.trees.trees[tree];
        let path = (0..steps.min(tree.depth)).map(|_| {
            let place = tree.find(name).expect("a node");
            let step = self.step(tree.nodes[place]);
            name = if step.sign == 1 { step.right } else { name + 1 };
            step
        });
        (path.collect(), name)
    }

    /// A step at a node, whatever that is.
    fn step(&self, node: TreeNode) -> Step {
        let at = self.trees.features[node.feature].index;
        let layout = self.layout();
        let Rows::Graph(rows) = &layout.rows else { panic!("a graph's") };
        let number = rows.paths.numbers.iter().find(|(value, _)| *value == at).expect("compared").1;
        self.compare(node, number as i64, self.inputs[at])
    }

    fn compare(&self, node: TreeNode, feature: i64, x: i64) -> Step {
        let TreeNode { name, threshold, right, .. } = node;
        let sign = i64::from(x >= threshold);
        let difference = x - threshold + (1 - sign) * OFFSET;
        Step { name, feature, threshold, right, sign, difference }
    }

    fn placed(&self, rows: &Layout, tree: usize) -> usize {
        placed(rows, &self.trees.trees[tree].nodes)
    }

    /// Everything that follows from the paths as they are said to be.
    fn run(&self) -> Run {
        let model = model(&self.shape, self.trees.clone());
        let layout = self.layout();
        let Rows::Graph(rows) = &layout.rows else { panic!("a graph's") };
        let shift = self.shape.shift_bits();
        let mut z = self.trees.bias.clone();
        for (tree, (_, leaf)) in self.trees.trees.iter().zip(&self.paths) {
            z[tree.output] += leaf;
        }
        z.iter_mut().zip(self.scores).for_each(|(z, more)| *z += more);
        let value = |z: i64| (z, (z >> shift).max(0));
        let scores: Vec<(i64, i64)> = z.into_iter().map(value).collect();
        let (a, b) = (scores[0].1, scores[1].1);
        let sums = [256 * a + 512 * b, -256 * a + 256 * b + (1 << 20)].map(value);
        let inputs = self.inputs.map(|x| (x << shift, x));
        let integers: Vec<_> = inputs.into_iter().chain(scores).chain(sums).collect();
        let honest = circuit::Witness::new(&layout, &model, &self.inputs, Fr::from(5));
        let mut witness = honest.expect("in range");
        for (word, (_, x)) in witness.instances[1..].iter_mut().zip(&integers[3..]) {
            *word = field(*x);
        }
        let mut first = FirstPhase::new(rows, &integers, &[], &[]);
        let (bits, limbs) = (self.shape.limb_bits, self.shape.value_limbs());
        for (tree, (steps, leaf)) in self.paths.iter().enumerate() {
            let placed = &rows.paths.trees[self.placed(rows, tree)];
            let lane = &mut first.paths.lanes[placed.lane];
            for (row, step) in (placed.first..).zip(steps) {
                lane.name[row] = field(step.name);
                lane.feature[row] = field(step.feature);
                lane.threshold[row] = field(step.threshold);
                lane.right[row] = field(step.right);
                let signs = if placed.lane == 0 { &mut first.cells } else { &mut lane.sign };
                signs[row] = field(step.sign);
                for limb in 0..limbs {
                    // What is too large stands in the last limb.
                    let rest = step.difference >> (bits as usize * limb);
                    let part = if limb + 1 == limbs { rest } else { rest & ((1 << bits) - 1) };
                    first.limbs[placed.lane * limbs + limb][row] = field(part);
                }
            }
            lane.name[placed.first + placed.depth] = field(*leaf);
        }
        self.count(rows, &mut first, &integers);
        witness.first = First::Graph(first);
        Run { layout, witness }
    }

    /// Counts what is looked up, wherever an entry answers.
    fn count(&self, rows: &Layout, first: &mut FirstPhase, integers: &[(i64, i64)]) {
        let paths = &mut first.paths;
        paths.counts.iter_mut().flatten().for_each(|count| *count = Fr::zero());
        for row in &rows.value_rows {
            paths.lanes[0].right[*row] = Fr::zero();
        }
        let told =
            (0..self.paths.len()).map(|tree| (self.placed(rows, tree), self.paths[tree].0.clone()));
        let mut steps: BTreeMap<usize, Vec<Step>> = told.collect();
        for (index, tree) in rows.paths.trees.iter().enumerate() {
            // A lane that no tree is left for waits at its root.
            steps.entry(index).or_insert_with(|| {
                let node = &tree.nodes[0];
                let x = integers[node.value].1;
                vec![self.compare(node_of(0), node.number as i64, x); tree.depth]
            });
        }
        for (index, steps) in steps {
            for step in steps {
                let x = step.threshold + step.difference - (1 - step.sign) * OFFSET;
                let read = rows.paths.numbers.iter().find(|(value, number)| {
                    *number as i64 == step.feature && integers[*value].1 == x
                });
                let tree = &rows.paths.trees[index];
                let entry = tree.nodes.iter().position(|node| {
                    let own = (node.name, node.number as i64, node.threshold, node.right);
                    own == (step.name, step.feature, step.threshold, step.right)
                });
                let fallback = self.counted_on;
                if let Some(row) = read.map(|read| rows.value_rows[read.0]).or(fallback) {
                    paths.lanes[0].right[row] += Fr::one();
                }
                if let Some(place) = entry.map(|place| tree.entry + place).or(fallback) {
                    paths.counts[place % 2][place / 2] += Fr::one();
                }
            }
        }
        let count = |limbs: &[Vec<Fr>], entry: u64| {
            let limbs = limbs.iter().flatten().filter(|limb| **limb == Fr::from(entry));
            Fr::from(limbs.count() as u64)
        };
        for (row, entry) in &rows.table {
            first.cells[*row] = count(&first.limbs, *entry);
        }
        let taken = rows.value_rows.iter().flat_map(|row| [*row, row + 1]);
        let taken: Fr = taken.chain(rows.paths.steps(1)).map(|row| first.cells[row]).sum();
        first.cells[rows.zero_row] = count(&first.limbs, 0) - taken;
    }

    fn refused(&self, what: &str) {
        let run = self.run();
        assert!(!run.accepts(), "{what}: {:?}", self.paths);
        // Nor if what no entry answers is counted where there is none, or on another.
        let rows = 1 << run.layout.k;
        for row in [0, 1, rows / 2, run.layout.active_rows() - 1] {
            let run = Self { counted_on: Some(row), ..self.clone() }.run();
            assert!(!mock_accepts(run.layout, run.witness, |_| {}), "{what}, counted on {row}");
        }
    }
}

/// Left and right, on thresholds and next to them; a leaf that waits.
const INPUTS: [[i64; 3]; 3] = [[500, 40_000, 99], [20_000, 6, 100], [499, 39_999, 300]];

/// These, and the first with paths side by side.
fn cases() -> impl Iterator<Item = (Shape, [i64; 3])> {
    let one = INPUTS.map(|inputs| (paths_shape(2, 1), inputs));
    one.into_iter().chain([(side_by_side(2, 1), INPUTS[0])])
}

#[test]
fn what_lies_are_made_from_is_honest_without_them() {
    for (shape, inputs) in cases() {
        let lies = Lies::new(shape, inputs);
        let (own, honest) = (lies.run(), Run::new(shape, &[inputs]));
        assert!(own.witness.first == honest.witness.first);
        assert_eq!(own.witness.instances, honest.witness.instances);
        assert!(own.accepts());
    }
}

#[test]
fn another_child_than_the_comparison_says_is_refused() {
    for (shape, inputs) in cases() {
        for tree in 0..4 {
            let honest = Lies::new(shape, inputs);
            let step = honest.paths[tree].0[0];
            let other = if step.sign == 1 { step.name + 1 } else { step.right };
            let mut lies = honest.clone();
            if trees().trees[tree].depth == 1 {
                lies.paths[tree].1 = other;
            } else if trees().trees[tree].find(other).is_some() {
                let (rest, leaf) = honest.from(tree, other, 1);
                lies.paths[tree] = (vec![step, rest[0]], leaf);
            }
            lies.refused("the other child");
            // The comparison turned round to fit: out of the limbs' range, or of another x.
            lies.paths[tree].0[0].sign = 1 - step.sign;
            lies.refused("the other sign");
            lies.paths[tree].0[0].difference += (2 * step.sign - 1) * OFFSET;
            lies.refused("the other sign and difference");
        }
    }
}

#[test]
fn a_leaf_of_another_tree_or_one_that_is_none_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        for tree in 0..4 {
            let (steps, leaf) = honest.paths[tree].clone();
            for other in [leaf + 1, leaf - 1, 0, 2 * leaf, 900, 5_000, 250_000, -9] {
                if other != leaf {
                    let mut lies = honest.clone();
                    lies.paths[tree] = (steps.clone(), other);
                    lies.refused("another leaf");
                }
            }
        }
        // The whole path of another tree, as long as this one's.
        for (tree, other) in [(0, 1), (1, 0), (0, 3), (3, 0)] {
            let mut lies = honest.clone();
            lies.paths[tree] = honest.paths[other].clone();
            lies.refused("another tree");
        }
    }
}

#[test]
fn a_feature_of_another_index_or_of_none_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        let node = trees().trees[0].nodes[0];
        let own = honest.paths[0].0[0].feature;
        for (feature, x) in [(1, inputs[0]), (2, inputs[0]), (3, inputs[0])]
            .into_iter()
            .chain([1, 2, 3].into_iter().flat_map(|f| inputs.map(|x| (f, x))))
            .chain([(0, inputs[2]), (0, 0), (4, inputs[2]), (-1, 0)])
        {
            let step = honest.compare(node, feature, x);
            if step == honest.paths[0].0[0] {
                continue;
            }
            let mut lies = honest.clone();
            let next = if step.sign == 1 { step.right } else { step.name + 1 };
            let (rest, leaf) = honest.from(0, next, 1);
            lies.paths[0] = (vec![step, rest[0]], leaf);
            lies.refused("another feature");
            // What the node compares, in the other's words.
            lies.paths[0].0[0] = Step { feature: own, ..step };
            if step.difference != honest.paths[0].0[0].difference {
                lies.refused("another feature's value");
            }
        }
    }
}

#[test]
fn a_threshold_of_another_node_or_off_by_one_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        for tree in 0..4 {
            let step = honest.paths[tree].0[0];
            let place = trees().trees[tree].find(0).expect("a root");
            let node = trees().trees[tree].nodes[place];
            let x = step.threshold + step.difference - (1 - step.sign) * OFFSET;
            for threshold in [node.threshold + 1, node.threshold - 1, 300, 20_000, 0] {
                let lied = honest.compare(TreeNode { threshold, ..node }, step.feature, x);
                let next = if lied.sign == 1 { lied.right } else { lied.name + 1 };
                let mut lies = honest.clone();
                lies.paths[tree].0[0] = lied;
                if let (2, Some(_)) = (lies.paths[tree].0.len(), trees().trees[tree].find(next)) {
                    let (rest, leaf) = honest.from(tree, next, 1);
                    (lies.paths[tree].0[1], lies.paths[tree].1) = (rest[0], leaf);
                } else {
                    lies.paths[tree].1 = next;
                }
                lies.refused("another threshold");
            }
        }
    }
}

#[test]
fn a_tree_left_out_or_counted_twice_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        for tree in 0..4 {
            let leaf = honest.paths[tree].1;
            for times in [-1, 1] {
                let mut lies = honest.clone();
                lies.scores[trees().trees[tree].output] = times * leaf;
                lies.refused("a score without a tree, or with one twice");
            }
            let mut lies = honest.clone();
            let none = Step { name: 0, feature: 0, threshold: 0, right: 0, sign: 0, difference: 0 };
            lies.paths[tree].0.fill(none);
            lies.paths[tree].1 = 0;
            lies.refused("no path");
        }
    }
}

#[test]
fn a_path_too_short_or_too_long_or_that_ends_at_an_inner_node_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        let wait = |name| honest.step(node(name, 0, 0, name));
        for tree in [0, 1, 3] {
            // Waits at the root, so that it ends at an inner node.
            let mut lies = honest.clone();
            let (first, name) = honest.from(tree, 0, 1);
            lies.paths[tree] = (vec![wait(0), first[0]], name);
            lies.refused("a step less");
            // Waits at an inner node.
            lies.paths[tree] = (vec![first[0], wait(name)], name);
            if trees().trees[tree].find(name).is_some() && name != 70_000 {
                lies.refused("an inner node");
            }
        }
        // A leaf that waits goes on instead.
        let mut lies = honest.clone();
        let on = honest.step(node(70_000, 1, 0, 5_000));
        let root = honest.from(1, 0, 1).0[0];
        lies.paths[1] = (vec![root, on], 5_000);
        lies.refused("a step more");
        // A path does not start at the root.
        let (rest, leaf) = honest.from(0, 1_000_000, 1);
        lies = honest.clone();
        lies.paths[0] = (vec![rest[0], wait(leaf)], leaf);
        lies.refused("another start");
    }
}

#[test]
fn an_input_that_changes_between_two_trees_is_refused() {
    for (shape, inputs) in cases() {
        let honest = Lies::new(shape, inputs);
        for tree in 0..4 {
            for input in 0..3 {
                for change in [1, -1, 1000] {
                    // The tree's path on other inputs than those that are committed.
                    let mut other = inputs;
                    other[input] += change;
                    let path = Lies::new(shape, other).paths[tree].clone();
                    if path.0 != honest.paths[tree].0 {
                        let mut lies = honest.clone();
                        lies.paths[tree] = path;
                        lies.refused("another input");
                    }
                }
            }
        }
    }
}

#[test]
fn a_score_credited_with_anothers_leaves_is_refused() {
    for (shape, inputs) in cases() {
        let mut lies = Lies::new(shape, inputs);
        let leaf = lies.paths[2].1;
        lies.scores = [-leaf, leaf];
        lies.refused("another score");
    }
}
