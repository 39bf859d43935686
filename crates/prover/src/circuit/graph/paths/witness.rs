//! The paths of a run, and what the challenges make of them.

use ff::BatchInvert;
use halo2curves::bn256::Fr;

use super::{
    FEATURE, NAME, Paths, THRESHOLD, TREE, config::power_of_two, layout::inference_number,
};
use crate::{
    circuit::{
        field,
        graph::{Challenges, Layout},
    },
    shape::Shape,
};

/// The first-phase columns of paths; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathCells {
    /// Names of nodes and leaves.
    pub name: Vec<Fr>,
    /// Numbers of features.
    pub feature: Vec<Fr>,
    /// Thresholds.
    pub threshold: Vec<Fr>,
    /// Names of right children; on value rows, how often values are compared.
    pub right: Vec<Fr>,
    /// How often nodes are visited, by lane.
    pub counts: Vec<Vec<Fr>>,
}

/// The second-phase columns of paths; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathSums {
    /// 1 / (β + node) of each step.
    pub visited: Vec<Fr>,
    /// 1 / (β + feature) of each step, −count / (β + feature) of each value.
    pub compared: Vec<Fr>,
    /// count / (β + node) of the node table, by lane.
    pub offered: Vec<Vec<Fr>>,
}

impl PathCells {
    /// Walks all paths on the values of all inferences, those of a value one after the other.
    /// `step` is told the row, the sign and the limbs' sum of every step.
    pub(in crate::circuit::graph) fn new(
        layout: &Layout,
        integers: &[(i64, i64)],
        mut step: impl FnMut(usize, i64, u64),
    ) -> Self {
        let (shape, paths) = (&layout.shape, &layout.paths);
        let (lanes, batch, rows) = (shape.node_lanes(), shape.batch(), layout.active_rows());
        if lanes == 0 {
            return Self::default();
        }
        let column = || vec![Fr::zero(); rows];
        let mut cells = Self {
            // Names go on to the row after the last.
            name: vec![Fr::zero(); rows + 1],
            feature: column(),
            threshold: column(),
            right: column(),
            counts: vec![column(); lanes],
        };
        let offset = 1i64 << shape.value_bits();
        for tree in &paths.trees {
            for inference in 0..batch {
                let (mut row, mut name) = (tree.start(inference), 0);
                for _ in 0..tree.depth {
                    // A valid graph's paths end at no missing node.
                    let Some(place) = tree.find(name) else { break };
                    let node = &tree.nodes[place];
                    let (_, x) = integers[node.value * batch + inference];
                    let sign = i64::from(x >= node.threshold);
                    step(row, sign, (x - node.threshold + (1 - sign) * offset) as u64);
                    cells.name[row] = field(name);
                    cells.feature[row] = Fr::from(node.number);
                    cells.threshold[row] = field(node.threshold);
                    cells.right[row] = field(node.right);
                    let entry = tree.entry + place;
                    cells.counts[entry % lanes][entry / lanes] += Fr::one();
                    cells.right[layout.value_rows[node.value] + inference] += Fr::one();
                    name = if sign == 1 { node.right } else { name + 1 };
                    row += 1;
                }
                cells.name[row] = field(name);
            }
        }
        cells
    }

    /// The columns in the order of their index.
    pub(in crate::circuit) fn columns(&self) -> impl Iterator<Item = &Vec<Fr>> {
        let none = self.counts.is_empty();
        let cells = [&self.name, &self.feature, &self.threshold, &self.right];
        cells.into_iter().filter(move |_| !none).chain(&self.counts)
    }

    /// Fills the second-phase columns, from the cells as they are, honest or not. `limbs` and
    /// `signs` are the circuit's limb columns and cells.
    pub(in crate::circuit::graph) fn sums(
        &self,
        layout: &Layout,
        limbs: &[Vec<Fr>],
        signs: &[Fr],
        challenges: &Challenges,
    ) -> PathSums {
        let (shape, paths) = (&layout.shape, &layout.paths);
        if self.counts.is_empty() {
            return PathSums::default();
        }
        let (rows, batch) = (layout.active_rows(), shape.batch());
        let Challenges { beta, delta, .. } = *challenges;
        let (square, cube) = (delta.square(), delta.square() * delta);
        let mut visited = vec![Fr::zero(); rows];
        let mut compared = vec![Fr::zero(); rows];
        let units = [TREE, FEATURE, THRESHOLD].map(power_of_two);
        let number = numbers(paths, layout, batch);
        for (index, tree) in paths.trees.iter().enumerate() {
            let fixed = Fr::from(index as u64 + 1) * units[0] + power_of_two(NAME) + beta + cube;
            for row in (0..batch).flat_map(|t| tree.start(t)..tree.start(t) + tree.depth) {
                visited[row] = fixed
                    + self.name[row]
                    + self.feature[row] * units[1]
                    + self.threshold[row] * units[2]
                    + delta * self.right[row];
                let x = self.threshold[row] + difference(shape, limbs, signs[row], row);
                compared[row] = beta + square + number[row] + self.feature[row] + delta * x;
            }
        }
        let offers: Vec<usize> = layout
            .value_rows
            .iter()
            .flat_map(|row| *row..row + batch)
            .filter(|row| self.right[*row] != Fr::zero())
            .collect();
        for row in &offers {
            compared[*row] = beta + square + number[*row] + delta * signs[*row];
        }
        visited.iter_mut().chain(&mut compared).batch_invert();
        offers.iter().for_each(|row| compared[*row] *= -self.right[*row]);
        let mut offered = vec![vec![Fr::zero(); rows]; self.counts.len()];
        // Entries that are none can be counted by a cheating prover only.
        for (lane, counts) in self.counts.iter().enumerate() {
            let counted = counts.iter().enumerate().filter(|(_, count)| **count != Fr::zero());
            counted.for_each(|(row, _)| offered[lane][row] = beta + cube);
        }
        for (row, lane, [node, right]) in paths.table(self.counts.len()) {
            if self.counts[lane][row] != Fr::zero() {
                offered[lane][row] += node + delta * right;
            }
        }
        offered.iter_mut().flatten().batch_invert();
        for (offered, counts) in offered.iter_mut().zip(&self.counts) {
            offered.iter_mut().zip(counts).for_each(|(sum, count)| *sum *= count);
        }
        PathSums { visited, compared, offered }
    }
}

impl PathSums {
    /// What a row's paths add to the sum of all look-ups.
    pub(in crate::circuit::graph) fn step(&self, row: usize) -> Fr {
        if self.offered.is_empty() {
            return Fr::zero();
        }
        let offered: Fr = self.offered.iter().map(|column| column[row]).sum();
        self.visited[row] + self.compared[row] - offered
    }

    /// The columns in the order of their index.
    pub(in crate::circuit::graph) fn into_columns(self) -> impl Iterator<Item = Vec<Fr>> {
        let none = self.offered.is_empty();
        [self.visited, self.compared].into_iter().filter(move |_| !none).chain(self.offered)
    }
}

/// The fixed column of numbers.
fn numbers(paths: &Paths, layout: &Layout, batch: usize) -> Vec<Fr> {
    let mut numbers = vec![Fr::zero(); layout.active_rows()];
    paths.for_each_number(&layout.value_rows, batch, |row, number| {
        numbers[row] = Fr::from(number);
    });
    numbers
}

impl Paths {
    /// (row, number) wherever a feature's number, or an inference's, stands.
    pub(in crate::circuit::graph) fn for_each_number(
        &self,
        value_rows: &[usize],
        batch: usize,
        mut each: impl FnMut(usize, u64),
    ) {
        for inference in 0..batch {
            let base = inference_number(inference);
            for (value, number) in &self.numbers {
                each(value_rows[*value] + inference, base + number);
            }
            if inference > 0 {
                let steps = |tree: &super::PlacedTree| {
                    tree.start(inference)..tree.start(inference) + tree.depth
                };
                self.trees.iter().flat_map(steps).for_each(|row| each(row, base));
            }
        }
    }
}

/// x − t of a step.
fn difference(shape: &Shape, limbs: &[Vec<Fr>], sign: Fr, row: usize) -> Fr {
    let base = Fr::from(shape.table_size() as u64);
    let value = limbs[..shape.value_limbs()].iter().rev();
    let sum = value.fold(Fr::zero(), |sum, limb| sum * base + limb[row]);
    sum + (sign - Fr::one()) * Fr::from(1u64 << shape.value_bits())
}
