//! Circuits of any shape with a satisfying witness, for tests and benchmarks.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod polynomial;

use ff::Field;
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    Advice, Assigned, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase,
    Fixed, Instance, SecondPhase,
};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::Arc;

/// What a circuit looks like.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub k: u32,
    /// Columns of small integers.
    pub data: usize,
    /// Columns that are products of `degree - 1` rotated data cells.
    pub products: usize,
    /// Degree of the product gates, the selector included.
    pub degree: usize,
    /// Weight columns of a running sum in the second phase; 0 for one phase only.
    pub weights: usize,
    /// Data columns under the permutation argument.
    pub permuted: usize,
    /// Public values; 0 for no instance column.
    pub instances: usize,
}

#[derive(Clone)]
pub struct Config {
    shape: Shape,
    data: Vec<Column<Advice>>,
    products: Vec<Column<Advice>>,
    active: Column<Fixed>,
    public: Column<Fixed>,
    weights: Vec<Column<Fixed>>,
    sum: Option<(Column<Advice>, Challenge)>,
    instance: Option<Column<Instance>>,
}

#[derive(Clone)]
pub struct Synthetic {
    pub shape: Shape,
    pub seed: u64,
    /// Whether advice values are known.
    pub known: bool,
    /// Data and product columns: made once, so that benchmarks measure the prover.
    pub columns: Arc<[Vec<Vec<Fr>>; 2]>,
}

/// Data column and rotation of factor `i` of product `j`.
fn factor(shape: &Shape, j: usize, i: usize) -> (usize, i32) {
    ((j + 2 * i) % shape.data, [0, 1, -1, -3, 2][(j + i) % 5])
}

impl Synthetic {
    pub fn new(shape: Shape, seed: u64) -> Self {
        let mut circuit = Self { shape, seed, known: true, columns: Arc::default() };
        let data = circuit.make_data();
        let products = circuit.make_products(&data);
        circuit.columns = Arc::new([data, products]);
        circuit
    }

    /// Values of the data columns.
    pub fn data(&self) -> &[Vec<Fr>] {
        &self.columns[0]
    }

    /// Values of the product columns.
    pub fn products(&self) -> &[Vec<Fr>] {
        &self.columns[1]
    }

    fn make_data(&self) -> Vec<Vec<Fr>> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let rows = (1usize << self.shape.k) - 16;
        let mut data: Vec<Vec<Fr>> = (0..self.shape.data)
            .map(|_| {
                (0..rows)
                    .map(|_| {
                        let value = Fr::from(rng.gen_range(0..1u64 << 14));
                        if rng.gen_ratio(1, 20) { -value } else { value }
                    })
                    .collect()
            })
            .collect();
        for (to, from, row) in self.copies() {
            data[to][row] = data[from][row / 2];
        }
        data
    }

    /// Equal cells: (column, from column, row), equal to row / 2 of the latter.
    fn copies(&self) -> Vec<(usize, usize, usize)> {
        let rows = (1usize << self.shape.k) - 16;
        (1..self.shape.permuted)
            .flat_map(|to| (rows / 2..rows).step_by(3).map(move |row| (to, to - 1, row)))
            .collect()
    }

    pub fn instances(&self) -> Vec<Vec<Fr>> {
        if self.shape.instances == 0 {
            return Vec::new();
        }
        vec![self.data()[0][..self.shape.instances].to_vec()]
    }

    fn active_rows(&self) -> std::ops::Range<usize> {
        4..(1usize << self.shape.k) - 24
    }

    fn make_products(&self, data: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
        (0..self.shape.products)
            .map(|j| {
                let mut column = vec![Fr::ZERO; data[0].len()];
                for row in self.active_rows() {
                    column[row] = (0..self.shape.degree - 1).fold(Fr::ONE, |product, i| {
                        let (from, rotation) = factor(&self.shape, j, i);
                        product * data[from][(row as i32 + rotation) as usize]
                    });
                }
                column
            })
            .collect()
    }

    fn weight(&self, column: usize, row: usize) -> Fr {
        let value = Fr::from((row * 7 + column * 13) as u64 % 256);
        if (row + column).is_multiple_of(2) { value } else { -value }
    }

    /// Values of the second phase's column.
    pub fn sum(&self, data: &[Vec<Fr>], challenge: Fr) -> Vec<Fr> {
        let mut column = vec![Fr::ZERO; data[0].len()];
        for row in self.active_rows() {
            let mut power = Fr::ONE;
            let mut weight = Fr::ZERO;
            for w in 0..self.shape.weights {
                weight += power * self.weight(w, row);
                power *= challenge;
            }
            column[row + 1] = column[row] + weight * data[0][row];
        }
        column
    }
}

impl Circuit<Fr> for Synthetic {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn without_witnesses(&self) -> Self {
        Self { known: false, ..self.clone() }
    }

    fn params(&self) -> Shape {
        self.shape.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Config {
        unreachable!("configured with parameters")
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Config {
        let data: Vec<_> = (0..shape.data).map(|_| meta.advice_column()).collect();
        let products: Vec<_> = (0..shape.products).map(|_| meta.advice_column()).collect();
        let active = meta.fixed_column();
        let public = meta.fixed_column();
        let weights: Vec<_> = (0..shape.weights).map(|_| meta.fixed_column()).collect();
        let instance = (shape.instances > 0).then(|| meta.instance_column());
        for column in &data[..shape.permuted] {
            meta.enable_equality(*column);
        }
        for (j, column) in products.iter().enumerate() {
            meta.create_gate("product", |meta| {
                let product = (0..shape.degree - 1)
                    .map(|i| {
                        let (from, rotation) = factor(&shape, j, i);
                        meta.query_advice(data[from], Rotation(rotation))
                    })
                    .reduce(|a, b| a * b)
                    .unwrap_or(Expression::Constant(Fr::ONE));
                let active = meta.query_fixed(active, Rotation::cur());
                vec![active * (meta.query_advice(*column, Rotation::cur()) - product)]
            });
        }
        if let Some(instance) = instance {
            meta.create_gate("public", |meta| {
                // The second says nothing new: it reads a structural column on another row.
                let next = meta.query_fixed(public, Rotation::next());
                let public = meta.query_fixed(public, Rotation::cur());
                let data = meta.query_advice(data[0], Rotation::cur());
                let equal = public * (data - meta.query_instance(instance, Rotation::cur()));
                vec![equal.clone(), equal * next]
            });
        }
        let sum = (shape.weights > 0).then(|| {
            let challenge = meta.challenge_usable_after(FirstPhase);
            let sum = meta.advice_column_in(SecondPhase);
            meta.create_gate("sum", |meta| {
                let rho = meta.query_challenge(challenge);
                let active = meta.query_fixed(active, Rotation::cur());
                let weight = weights.iter().rev().fold(Expression::Constant(Fr::ZERO), |acc, w| {
                    acc * rho.clone() + meta.query_fixed(*w, Rotation::cur())
                });
                let next = meta.query_advice(sum, Rotation::next());
                let step = next - meta.query_advice(sum, Rotation::cur());
                let data = meta.query_advice(data[0], Rotation::cur());
                vec![
                    active.clone() * (step - weight * data * Fr::ONE),
                    active.clone() * active.clone() - active,
                ]
            });
            (sum, challenge)
        });
        Config { shape, data, products, active, public, weights, sum, instance }
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let known = |value: Fr| if self.known { Value::known(value) } else { Value::unknown() };
        let (data, products) = (self.data(), self.products());
        layouter.assign_region(
            || "all",
            |mut region| {
                let mut cells = Vec::new();
                for (column, values) in config.data.iter().zip(data) {
                    let mut column_cells = Vec::new();
                    for (row, value) in values.iter().enumerate() {
                        // Some as fractions, to exercise the deferred inversion.
                        let value = if row % 5 == 3 {
                            Assigned::Rational(*value * Fr::from(row as u64), Fr::from(row as u64))
                        } else {
                            Assigned::Trivial(*value)
                        };
                        let value = if self.known { Value::known(value) } else { Value::unknown() };
                        let cell = region.assign_advice(*column, row, value);
                        column_cells.push(cell.cell());
                    }
                    cells.push(column_cells);
                }
                for (column, values) in config.products.iter().zip(products) {
                    for (row, value) in values.iter().enumerate() {
                        region.assign_advice(*column, row, known(*value));
                    }
                }
                for row in self.active_rows() {
                    region.assign_fixed(config.active, row, Fr::ONE);
                    for (i, weight) in config.weights.iter().enumerate() {
                        region.assign_fixed(*weight, row, self.weight(i, row));
                    }
                }
                for row in 0..self.shape.instances {
                    region.assign_fixed(config.public, row, Fr::ONE);
                }
                for (to, from, row) in self.copies() {
                    region.constrain_equal(cells[to][row], cells[from][row / 2]);
                }
                if let Some((sum, challenge)) = config.sum {
                    region.next_phase();
                    let mut values = vec![Value::unknown(); data[0].len()];
                    region.get_challenge(challenge).map(|challenge| {
                        values = self.sum(data, challenge).into_iter().map(known).collect();
                    });
                    for (row, value) in values.into_iter().enumerate() {
                        region.assign_advice(sum, row, value);
                    }
                }
                Ok(())
            },
        )
    }
}

/// The circuit's constraint system, which has no selectors.
pub fn constraint_system(circuit: &Synthetic) -> ConstraintSystem<Fr> {
    let mut cs = ConstraintSystem::default();
    Synthetic::configure_with_params(&mut cs, circuit.shape.clone());
    cs
}
