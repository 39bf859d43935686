//! The paths of a run, and what the challenges make of them.

use ff::BatchInvert;
use halo2curves::bn256::Fr;

use super::{
    FEATURE, NAME, Paths, THRESHOLD, TREE, config::power_of_two, layout::inference_number,
};
use crate::{
    circuit::{
        field,
        graph::{Challenges, Layout, tables::offered},
    },
    shape::Shape,
};

/// The first-phase columns of paths; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathCells {
    /// Those of the paths side by side.
    pub lanes: Vec<LaneCells>,
    /// How often nodes are visited, by lane of the table.
    pub counts: Vec<Vec<Fr>>,
}

/// The first-phase columns of one of the paths side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneCells {
    /// Names of nodes and leaves.
    pub name: Vec<Fr>,
    /// Numbers of features.
    pub feature: Vec<Fr>,
    /// Thresholds.
    pub threshold: Vec<Fr>,
    /// Names of right children; in the first lane, on value rows, how often values are compared.
    pub right: Vec<Fr>,
    /// Signs; empty in the first lane, whose stand among values and signs.
    pub sign: Vec<Fr>,
}

/// The second-phase columns of paths; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathSums {
    /// For each path side by side 1 / (β + node) of each step, and 1 / (β + feature), which in
    /// the first lane is −count / (β + feature) of each value.
    pub looked_up: Vec<[Vec<Fr>; 2]>,
    /// count / (β + node) of the node table, by lane.
    pub offered: Vec<Vec<Fr>>,
}

impl LaneCells {
    fn columns(&self) -> impl Iterator<Item = &Vec<Fr>> {
        let sign = Some(&self.sign).filter(|sign| !sign.is_empty());
        [&self.name, &self.feature, &self.threshold, &self.right].into_iter().chain(sign)
    }
}

impl PathCells {
    /// Walks all paths on the values of all inferences, those of a value one after the other.
    /// `step` is told the row, the lane, the sign and the limbs' sum of every step.
    pub(in crate::circuit::graph) fn new(
        layout: &Layout,
        integers: &[(i64, i64)],
        mut step: impl FnMut(usize, usize, i64, u64),
    ) -> Self {
        let (shape, paths) = (&layout.shape, &layout.paths);
        let (lanes, batch, rows) = (shape.node_lanes(), shape.batch(), layout.active_rows());
        let column = |there: bool| vec![Fr::zero(); if there { rows } else { 0 }];
        let lane = |index: usize| LaneCells {
            // Names go on to the row after the last.
            name: vec![Fr::zero(); rows + 1],
            feature: column(true),
            threshold: column(true),
            right: column(true),
            sign: column(index > 0),
        };
        let mut cells = Self {
            lanes: (0..shape.path_lanes()).map(lane).collect(),
            counts: vec![column(true); lanes],
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
                    let difference = (x - node.threshold + (1 - sign) * offset) as u64;
                    step(row, tree.lane, sign, difference);
                    let lane = &mut cells.lanes[tree.lane];
                    lane.name[row] = field(name);
                    lane.feature[row] = Fr::from(node.number);
                    lane.threshold[row] = field(node.threshold);
                    lane.right[row] = field(node.right);
                    if let Some(cell) = lane.sign.get_mut(row) {
                        *cell = field(sign);
                    }
                    let entry = tree.entry + place;
                    cells.counts[entry % lanes][entry / lanes] += Fr::one();
                    let value_row = layout.value_rows[node.value] + inference;
                    cells.lanes[0].right[value_row] += Fr::one();
                    name = if sign == 1 { node.right } else { name + 1 };
                    row += 1;
                }
                cells.lanes[tree.lane].name[row] = field(name);
            }
        }
        cells
    }

    /// The columns in the order of their index.
    pub(in crate::circuit) fn columns(&self) -> impl Iterator<Item = &Vec<Fr>> {
        self.lanes.iter().flat_map(LaneCells::columns).chain(&self.counts)
    }

    /// Fills the second-phase columns, from the cells as they are, honest or not. `limbs` and
    /// `cells` are the circuit's limb columns and values and signs.
    pub(in crate::circuit::graph) fn sums(
        &self,
        layout: &Layout,
        limbs: &[Vec<Fr>],
        cells: &[Fr],
        challenges: &Challenges,
    ) -> PathSums {
        let (shape, paths) = (&layout.shape, &layout.paths);
        let Some(first) = self.lanes.first() else { return PathSums::default() };
        let (rows, batch) = (layout.active_rows(), shape.batch());
        let Challenges { beta, delta, .. } = *challenges;
        let (square, cube) = (delta.square(), delta.square() * delta);
        let mut looked_up =
            vec![[vec![Fr::zero(); rows], vec![Fr::zero(); rows]]; self.lanes.len()];
        let units = [TREE, FEATURE, THRESHOLD].map(power_of_two);
        let number = numbers(paths, layout, batch);
        for (index, tree) in paths.trees.iter().enumerate() {
            let fixed = paths.number(index) * units[0] + power_of_two(NAME) + beta + cube;
            let (lane, sums) = (&self.lanes[tree.lane], &mut looked_up[tree.lane]);
            let signs = if tree.lane == 0 { cells } else { &lane.sign };
            let own = tree.lane * shape.value_limbs()..(tree.lane + 1) * shape.value_limbs();
            for row in (0..batch).flat_map(|t| tree.start(t)..tree.start(t) + tree.depth) {
                sums[0][row] = fixed
                    + lane.name[row]
                    + lane.feature[row] * units[1]
                    + lane.threshold[row] * units[2]
                    + delta * lane.right[row];
                let difference = difference(shape, &limbs[own.clone()], signs[row], row);
                let x = lane.threshold[row] + difference;
                sums[1][row] = beta + square + number[row] + lane.feature[row] + delta * x;
            }
        }
        let offers: Vec<usize> = layout
            .value_rows
            .iter()
            .flat_map(|row| *row..row + batch)
            .filter(|row| first.right[*row] != Fr::zero())
            .collect();
        for row in &offers {
            looked_up[0][1][*row] = beta + square + number[*row] + delta * cells[*row];
        }
        looked_up.iter_mut().flatten().flatten().batch_invert();
        offers.iter().for_each(|row| looked_up[0][1][*row] *= -first.right[*row]);
        let entries = paths.table(self.counts.len());
        let entries = entries.map(|(row, lane, [node, right])| (row, lane, node + delta * right));
        let offered = offered(&self.counts, beta + cube, entries);
        PathSums { looked_up, offered }
    }
}

impl PathSums {
    /// What a row's paths add to the sum of all look-ups.
    pub(in crate::circuit::graph) fn step(&self, row: usize) -> Fr {
        let looked_up: Fr = self.looked_up.iter().flatten().map(|column| column[row]).sum();
        let offered: Fr = self.offered.iter().map(|column| column[row]).sum();
        looked_up - offered
    }

    /// The columns in the order of their index.
    pub(in crate::circuit::graph) fn into_columns(self) -> impl Iterator<Item = Vec<Fr>> {
        self.looked_up.into_iter().flatten().chain(self.offered)
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
                self.groups().flat_map(steps).for_each(|row| each(row, base));
            }
        }
    }
}

/// x − t of a step.
fn difference(shape: &Shape, limbs: &[Vec<Fr>], sign: Fr, row: usize) -> Fr {
    let base = Fr::from(shape.table_size() as u64);
    let sum = limbs.iter().rev().fold(Fr::zero(), |sum, limb| sum * base + limb[row]);
    sum + (sign - Fr::one()) * Fr::from(1u64 << shape.value_bits())
}
