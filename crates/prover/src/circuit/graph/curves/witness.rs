//! The evaluations of a run, and what the challenges make of them.

use ff::BatchInvert;
use halo2curves::bn256::Fr;

use super::{Curves, layout::number};
use crate::circuit::{
    field,
    graph::{Challenges, Layout, tables::offered},
};

/// The first-phase columns of evaluations; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurveCells {
    /// Bases.
    pub base: Vec<Fr>,
    /// Slopes.
    pub slope: Vec<Fr>,
    /// How often segments are looked up, by lane of the table.
    pub counts: Vec<Vec<Fr>>,
}

/// The second-phase columns of evaluations; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurveSums {
    /// 1 / (β + segment) of each evaluation.
    pub looked_up: Vec<Fr>,
    /// count / (β + segment) of the segment table, by lane.
    pub offered: Vec<Vec<Fr>>,
}

impl CurveCells {
    /// Evaluates all functions at the values of all inferences, those of a value one after the
    /// other. `evaluation` is told row, x and result of each.
    pub(in crate::circuit::graph) fn new(
        layout: &Layout,
        integers: &[(i64, i64)],
        mut evaluation: impl FnMut(usize, i64, i64),
    ) -> Self {
        let (shape, rows) = (&layout.shape, layout.active_rows());
        let (lanes, batch) = (shape.segment_lanes(), shape.batch());
        if lanes == 0 {
            return Self::default();
        }
        let column = || vec![Fr::zero(); rows];
        let counts = vec![column(); lanes];
        let mut cells = Self { base: column(), slope: column(), counts };
        let offset_bits = shape.offset_bits();
        for (place, (value, function)) in layout.curves.evaluations.iter().enumerate() {
            let function = &layout.curves.functions[*function];
            for inference in 0..batch {
                let row = layout.evaluation_row(place) + inference;
                let (_, x) = integers[value * batch + inference];
                let (segment, offset) = (x as u64 >> offset_bits, x & ((1 << offset_bits) - 1));
                // A valid graph's values have segments.
                let Some(found) = function.table.segment(segment) else { continue };
                cells.base[row] = field(found.base);
                cells.slope[row] = field(found.slope);
                let entry = function.entry + (segment - function.table.first) as usize;
                cells.counts[entry % lanes][entry / lanes] += Fr::one();
                evaluation(row, x, found.base + found.slope * offset);
            }
        }
        cells
    }

    /// The columns in the order of their index.
    pub(in crate::circuit) fn columns(&self) -> impl Iterator<Item = &Vec<Fr>> {
        let own = (!self.counts.is_empty()).then_some([&self.base, &self.slope]);
        own.into_iter().flatten().chain(&self.counts)
    }

    /// Fills the second-phase columns, from the cells as they are, honest or not. `limbs` are
    /// the circuit's limb columns.
    pub(in crate::circuit::graph) fn sums(
        &self,
        layout: &Layout,
        limbs: &[Vec<Fr>],
        challenges: &Challenges,
    ) -> CurveSums {
        if self.counts.is_empty() {
            return CurveSums::default();
        }
        let (rows, batch) = (layout.active_rows(), layout.shape.batch());
        let Challenges { beta, delta, .. } = *challenges;
        let square = delta.square();
        let tagged = beta + square.square();
        let mut looked_up = vec![Fr::zero(); rows];
        let highest = &limbs[layout.shape.value_limbs() - 1];
        for (place, (_, function)) in layout.curves.evaluations.iter().enumerate() {
            let first = layout.evaluation_row(place);
            for row in first..first + batch {
                let number = number(*function, 0) + highest[row];
                looked_up[row] =
                    tagged + number + delta * self.base[row] + square * self.slope[row];
            }
        }
        looked_up.batch_invert();
        let entries = layout.curves.table(self.counts.len());
        let entries = entries.map(|(row, lane, [number, base, slope])| {
            (row, lane, number + delta * base + square * slope)
        });
        let offered = offered(&self.counts, tagged, entries);
        CurveSums { looked_up, offered }
    }
}

impl CurveSums {
    /// What a row adds to the sum of all look-ups.
    pub(in crate::circuit::graph) fn step(&self, row: usize) -> Fr {
        let looked_up = self.looked_up.get(row).copied().unwrap_or(Fr::zero());
        looked_up - self.offered.iter().map(|column| column[row]).sum::<Fr>()
    }

    /// The columns in the order of their index.
    pub(in crate::circuit::graph) fn into_columns(self) -> impl Iterator<Item = Vec<Fr>> {
        let own = (!self.offered.is_empty()).then_some(self.looked_up);
        own.into_iter().chain(self.offered)
    }
}

impl Layout {
    /// The row of an evaluation, of the first inference.
    pub fn evaluation_row(&self, place: usize) -> usize {
        self.value_rows[self.curves.evaluations[place].0] + 2 * self.shape.batch()
    }

    /// The rows of all evaluations, of the first inference.
    pub fn evaluations(&self) -> impl Iterator<Item = usize> {
        (0..self.curves.evaluations.len()).map(|place| self.evaluation_row(place))
    }
}

impl Curves {
    /// Calls `each` with (row of the first inference, function) of every evaluation.
    pub(in crate::circuit::graph) fn for_each_evaluation(
        &self,
        layout: &Layout,
        mut each: impl FnMut(usize, usize),
    ) {
        let evaluations = layout.evaluations().zip(&self.evaluations);
        evaluations.for_each(|(row, (_, function))| each(row, *function));
    }
}
