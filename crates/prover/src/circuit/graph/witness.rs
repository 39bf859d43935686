//! The advice columns: a run's integers in rows, then what the challenges make of them.

use ff::{BatchInvert, PrimeField};
use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::{
    committed::CommittedCells,
    curves::{CurveCells, CurveSums},
    layout::Layout,
    paths::{PathCells, PathSums},
};
use crate::{
    circuit::{field, small},
    shape::Shape,
};

/// The columns committed before the challenges, active rows only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstPhase {
    /// Limb columns.
    pub limbs: Vec<Vec<Fr>>,
    /// Values, signs, multiplicities.
    pub cells: Vec<Fr>,
    /// Paths of decision trees.
    pub paths: PathCells,
    /// Functions of one variable.
    pub curves: CurveCells,
    /// Hashes of committed inputs.
    pub committed: CommittedCells,
}

/// The columns that depend on the challenges: active rows and, but for `coefficient` and
/// `inverses`, one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondPhase {
    /// 1 / (γ + stripe).
    pub coefficient: Vec<Fr>,
    /// Sums of weights times coefficients.
    pub reading: Vec<Fr>,
    /// What all equations add up to.
    pub balance: Vec<Fr>,
    /// logUp accumulator.
    pub logup: Vec<Fr>,
    /// 1 / (β + limb) for every limb column but the first.
    pub inverses: Vec<Vec<Fr>>,
    /// Look-ups of paths.
    pub paths: PathSums,
    /// Look-ups of functions.
    pub curves: CurveSums,
}

/// The challenges of the graph circuit.
#[derive(Debug, Clone, Copy)]
pub struct Challenges {
    /// Of the range argument.
    pub beta: Fr,
    /// Separates stripes.
    pub gamma: Fr,
    /// Separates lanes.
    pub rho: Fr,
    /// Separates the inferences of a batch; 0 without one.
    pub sigma: Fr,
    /// Makes one number of what a path or a function looks up; 0 without these.
    pub delta: Fr,
}

impl Challenges {
    /// Those of a circuit, in their order; none if they are not as many.
    pub fn new(shape: &Shape, known: &[Fr]) -> Option<Self> {
        let [beta, gamma, rho, rest @ ..] = known else { return None };
        let mut rest = rest.iter().copied();
        let mut next = |there: bool| if there { rest.next() } else { Some(Fr::zero()) };
        let (sigma, delta) = (next(shape.batch() > 1)?, next(shape.compound_lookups())?);
        let all = rest.next().is_none();
        all.then_some(Self { beta: *beta, gamma: *gamma, rho: *rho, sigma, delta })
    }
}

impl FirstPhase {
    /// Fills the first-phase columns from every value's (z, x) and from the gaps of all windows,
    /// those of the inferences of a batch one after the other. `hashed` are the elements that
    /// each inference's hash is of, if inputs are committed.
    pub fn new(layout: &Layout, integers: &[(i64, i64)], gaps: &[i64], hashed: &[Vec<Fr>]) -> Self {
        let shape = &layout.shape;
        let (columns, active) = (shape.limb_columns(), layout.active_rows());
        let mask = shape.table_size() as u64 - 1;
        let mut limbs = vec![vec![0u32; active]; columns];
        let mut cells = vec![0i64; active];
        let mut elsewhere = 0i128;
        let batch = shape.batch();
        for (row, (z, x)) in layout.value_cells().zip(integers.iter().copied()) {
            let end = row + batch;
            // z + 2^B·(1 − s).
            let sign = i64::from(z >= 0);
            let mut magnitude = (z + ((1 - sign) << shape.accumulator_bits())) as u64;
            for limb in 0..shape.limbs {
                limbs[limb % columns][end - limb / columns * batch] = (magnitude & mask) as u32;
                magnitude >>= shape.limb_bits;
            }
            cells[row] = x;
            cells[end] = sign;
            elsewhere += i128::from(x) + i128::from(sign);
        }
        let mut placed = Vec::with_capacity(gaps.len());
        layout.place_gaps(
            gaps,
            |end| cells[end] == 1,
            |row, gap, open| placed.push((row, gap, open)),
        );
        for (row, mut gap, open) in placed {
            for limb in &mut limbs {
                limb[row] = (gap as u64 & mask) as u32;
                gap >>= shape.limb_bits;
            }
            cells[row] = i64::from(open);
            elsewhere += i128::from(open);
        }
        let paths = PathCells::new(layout, integers, |row, lane, sign, mut difference| {
            let own = lane * shape.value_limbs()..(lane + 1) * shape.value_limbs();
            for limb in &mut limbs[own] {
                limb[row] = (difference & mask) as u32;
                difference >>= shape.limb_bits;
            }
            if lane == 0 {
                cells[row] = sign;
                elsewhere += i128::from(sign);
            }
        });
        let curves = CurveCells::new(layout, integers, |row, mut x, result| {
            for limb in &mut limbs[..shape.value_limbs()] {
                limb[row] = (x as u64 & mask) as u32;
                x >>= shape.limb_bits;
            }
            cells[row] = result;
            elsewhere += i128::from(result);
        });
        let mut counts = vec![0i64; shape.table_size()];
        limbs.iter().flatten().for_each(|limb| counts[*limb as usize] += 1);
        for (row, entry) in &layout.table {
            cells[*row] = counts[*entry as usize];
        }
        let mut cells: Vec<Fr> = cells.into_par_iter().map(field).collect();
        // What stands on value and end rows, on steps and evaluations counts as multiplicity of
        // the entry 0.
        let zeros = i128::from(counts[0]) - elsewhere;
        let magnitude = Fr::from_u128(zeros.unsigned_abs());
        cells[layout.zero_row] = if zeros < 0 { -magnitude } else { magnitude };
        let limbs = limbs
            .into_par_iter()
            .map(|column| column.into_iter().map(|limb| Fr::from(u64::from(limb))).collect())
            .collect();
        let committed = CommittedCells::new(layout, hashed);
        Self { limbs, cells, paths, curves, committed }
    }

    /// Fills the second-phase columns. They follow the gates row by row, so they satisfy
    /// all of them but those that compare an accumulator with its end; for an honest first
    /// phase, these too.
    pub fn second_phase(
        &self,
        layout: &Layout,
        instances: &[Fr],
        challenges: Challenges,
    ) -> SecondPhase {
        let coefficient = coefficients(layout, challenges.gamma);
        let reading = readings(layout, &coefficient, challenges);
        let balance = self.balance(layout, instances, &reading);
        let looked_up = self.inverses(layout, challenges.beta);
        let paths = self.paths.sums(layout, &self.limbs, &self.cells, &challenges);
        let curves = self.curves.sums(layout, &self.limbs, &challenges);
        let compound = |row| paths.step(row) + curves.step(row);
        let logup = self.logup(layout, &looked_up, compound, challenges.beta);
        let inverses = looked_up.into_iter().skip(1).collect();
        SecondPhase { coefficient, reading, balance, logup, inverses, paths, curves }
    }

    /// z of the pre-activation that ends on `end`, from its limbs and sign.
    fn pre_activation(&self, shape: &Shape, end: usize) -> Fr {
        let offset = Fr::from(1u64 << shape.accumulator_bits());
        self.magnitude(shape, end) + (self.cells[end] - Fr::one()) * offset
    }

    /// What the limbs that end on a row come to.
    fn magnitude(&self, shape: &Shape, end: usize) -> Fr {
        let base = Fr::from(shape.table_size() as u64);
        let columns = self.limbs.len();
        (0..shape.limbs).rev().fold(Fr::zero(), |sum, limb| {
            sum * base + self.limbs[limb % columns][end - limb / columns * shape.batch()]
        })
    }

    pub(super) fn balance(&self, layout: &Layout, instances: &[Fr], reading: &[Fr]) -> Vec<Fr> {
        let mut step = vec![Fr::zero(); layout.active_rows()];
        for row in layout.value_cells() {
            step[row] -= reading[row] * self.cells[row];
            let end = row + layout.shape.batch();
            step[end] += reading[end] * self.pre_activation(&layout.shape, end);
        }
        for row in layout.gaps().flat_map(|row| row..row + layout.shape.batch()) {
            step[row] -= reading[row] * self.magnitude(&layout.shape, row);
        }
        for row in layout.evaluations().flat_map(|row| row..row + layout.shape.batch()) {
            step[row] -= reading[row] * self.cells[row];
        }
        for row in layout.committed.used(layout.shape.batch()) {
            for row in row..row + layout.shape.batch() {
                step[row] += reading[row] * self.committed.element(layout, row);
            }
        }
        for row in &layout.swaps {
            let leaves: Fr = self.paths.lanes.iter().map(|lane| lane.name[*row]).sum();
            step[*row] += reading[*row] * (Fr::one() + leaves);
        }
        for (row, instance) in instances.iter().enumerate() {
            step[row] += reading[row] * instance;
        }
        running_sum(step)
    }

    /// 1 / (β + limb) for every limb.
    fn inverses(&self, layout: &Layout, beta: Fr) -> Vec<Vec<Fr>> {
        let table = table(layout, beta);
        let inverse = |limb: &Fr| {
            let known = small(limb).and_then(|index| table.get(index)).copied();
            // Only a dishonest limb is outside the table.
            known.unwrap_or_else(|| Option::from((beta + limb).invert()).unwrap_or(Fr::zero()))
        };
        self.limbs.iter().map(|column| column.par_iter().map(inverse).collect()).collect()
    }

    fn logup(
        &self,
        layout: &Layout,
        looked_up: &[Vec<Fr>],
        compound: impl Fn(usize) -> Fr + Sync,
        beta: Fr,
    ) -> Vec<Fr> {
        let inverses = table(layout, beta);
        let mut entries = vec![0; layout.active_rows()];
        for (row, entry) in &layout.table {
            entries[*row] = *entry as usize;
        }
        let step = (0..entries.len())
            .into_par_iter()
            .map(|row| {
                let limbs: Fr = looked_up.iter().map(|column| column[row]).sum();
                limbs + compound(row) - inverses[entries[row]] * self.cells[row]
            })
            .collect();
        running_sum(step)
    }
}

impl SecondPhase {
    /// The columns in the order of their index.
    pub fn into_columns(self) -> Vec<Vec<Fr>> {
        let columns = [self.coefficient, self.reading, self.balance, self.logup];
        let columns = columns.into_iter().chain(self.inverses);
        columns.chain(self.paths.into_columns()).chain(self.curves.into_columns()).collect()
    }
}

/// 1 / (β + entry) for every entry of the table.
fn table(layout: &Layout, beta: Fr) -> Vec<Fr> {
    let entries = 0..layout.shape.table_size() as u64;
    let mut inverses: Vec<Fr> = entries.map(|entry| beta + Fr::from(entry)).collect();
    inverses.iter_mut().batch_invert();
    inverses
}

/// 1 / (γ + stripe) on every active row.
fn coefficients(layout: &Layout, gamma: Fr) -> Vec<Fr> {
    let stripes = layout.stripes.iter().max().map_or(1, |last| u64::from(*last) + 1);
    let mut of_stripe: Vec<Fr> = (0..stripes).map(|stripe| gamma + Fr::from(stripe)).collect();
    of_stripe.iter_mut().batch_invert();
    (0..layout.active_rows())
        .map(|row| of_stripe[layout.stripes.get(row).map_or(0, |stripe| *stripe as usize)])
        .collect()
}

fn readings(layout: &Layout, coefficient: &[Fr], challenges: Challenges) -> Vec<Fr> {
    let Challenges { rho, sigma, .. } = challenges;
    let step: Vec<Fr> = coefficient
        .par_iter()
        .enumerate()
        .map(|(row, coefficient)| {
            let weights = layout.weights.iter().rev();
            let sum = weights.fold(Fr::zero(), |sum, lane| {
                sum * rho + lane.get(row).copied().unwrap_or(Fr::zero())
            });
            sum * coefficient
        })
        .collect();
    // What of the sum is kept: nothing where it was used, unless another inference uses it.
    let mut kept = vec![Fr::one(); step.len()];
    let batch = layout.shape.batch();
    let used = layout.value_rows.iter().flat_map(|row| *row..row + 2 * batch);
    let gaps = layout.gaps().flat_map(|row| row..row + batch);
    let evaluations = layout.evaluations().flat_map(|row| row..row + batch);
    let hashed = layout.committed.used(batch).flat_map(|row| row..row + batch);
    let used = used.chain(gaps).chain(evaluations).chain(hashed);
    used.chain(layout.swaps.iter().copied()).for_each(|row| kept[row] = Fr::zero());
    layout.steps().for_each(|row| kept[row] = sigma);
    let mut sum = Fr::zero();
    let mut column = Vec::with_capacity(step.len() + 1);
    column.push(sum);
    for (step, kept) in step.into_iter().zip(kept) {
        sum = sum * kept + step;
        column.push(sum);
    }
    column
}

/// 0, then the sums of the first 1, 2, … steps.
fn running_sum(steps: Vec<Fr>) -> Vec<Fr> {
    let mut sum = Fr::zero();
    let mut column = Vec::with_capacity(steps.len() + 1);
    column.push(sum);
    for step in steps {
        sum += step;
        column.push(sum);
    }
    column
}
