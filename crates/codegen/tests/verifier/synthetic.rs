//! A family of satisfiable circuits whose constraint systems can be chosen freely.
//!
//! Phase-1 columns `a` are random; each result column holds, on active rows, an
//! expression of the `a`s, fixed columns, instances and challenges, which a gate
//! checks. The same code evaluates the expression on values and on queries.

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    plonk::{
        Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
        Instance, SecondPhase, ThirdPhase,
    },
    poly::Rotation,
};
use halo2curves::{bn256::Fr, ff::Field};
use rand::{SeedableRng, rngs::StdRng};
use verdict_kzg::protocol::{Opening, Protocol};

/// What the constraint system looks like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Phase-1 columns.
    pub inputs: usize,
    /// Result columns; in phase 2 if there are challenges.
    pub results: usize,
    /// Challenges after phase 2. If there are any, there are challenges after phase 1 too, and a
    /// column in phase 3 for the results combined.
    pub late_challenges: usize,
    /// Challenges after phase 1.
    pub challenges: usize,
    /// Fixed columns beside the selector.
    pub fixed: usize,
    /// Of those, how many are secret: the last ones.
    pub secret: usize,
    /// Rotations of input column i; missing ones mean rotation 0 only.
    pub rotations: Vec<Vec<i32>>,
    /// Rotations of the first fixed column.
    pub fixed_rotations: Vec<i32>,
    /// Rotations of the instance column; `None`: no such column.
    pub instance: Option<Vec<i32>>,
    /// Degree of the gates, 2 or more.
    pub degree: usize,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: 2,
            results: 1,
            late_challenges: 0,
            challenges: 0,
            fixed: 1,
            secret: 0,
            rotations: Vec::new(),
            fixed_rotations: vec![0],
            instance: Some(vec![0]),
            degree: 3,
        }
    }
}

impl Spec {
    /// Indices of the secret columns; the selector is column 0.
    pub fn secret_columns(&self) -> Vec<usize> {
        (1 + self.fixed - self.secret..1 + self.fixed).collect()
    }

    fn input_rotations(&self, column: usize) -> Vec<i32> {
        self.rotations.get(column).cloned().unwrap_or_else(|| vec![0])
    }

    fn reach(&self) -> usize {
        let instance = self.instance.iter().flatten();
        let all = self.rotations.iter().flatten().chain(&self.fixed_rotations).chain(instance);
        all.map(|at| at.unsigned_abs() as usize).max().unwrap_or(0)
    }
}

/// Columns of a synthetic circuit.
#[derive(Debug, Clone)]
pub struct Columns {
    spec: Spec,
    inputs: Vec<Column<Advice>>,
    results: Vec<Column<Advice>>,
    challenges: Vec<Challenge>,
    late: Option<(Column<Advice>, Vec<Challenge>)>,
    selector: Column<Fixed>,
    fixed: Vec<Column<Fixed>>,
    instance: Option<Column<Instance>>,
}

/// Reads a cell: (kind, column, rotation).
#[derive(Debug, Clone, Copy)]
enum Cell {
    Input(usize, i32),
    Fixed(usize, i32),
    Instance(i32),
    Challenge(usize),
}

/// The value of result column `index`, over values or over queries.
fn result<T>(
    spec: &Spec,
    index: usize,
    constant: impl Fn(u64) -> T,
    read: &mut dyn FnMut(Cell) -> T,
) -> T
where
    T: Clone + std::ops::Add<Output = T> + std::ops::Mul<Output = T> + std::ops::Neg<Output = T>,
{
    // The selector takes one degree.
    let first = index % spec.inputs;
    let mut power = read(Cell::Input(first, spec.input_rotations(first)[0]));
    for factor in 1..spec.degree - 1 {
        let column = (index + factor) % spec.inputs;
        power = power * read(Cell::Input(column, spec.input_rotations(column)[0]));
    }
    let mut sum = power + constant(index as u64 + 7);
    for column in 0..spec.inputs {
        for at in spec.input_rotations(column) {
            sum = sum + -read(Cell::Input(column, at));
        }
    }
    for column in 0..spec.fixed {
        let rotations = if column == 0 { &spec.fixed_rotations[..] } else { &[0] };
        for at in rotations {
            sum = sum + read(Cell::Fixed(column, *at)) * constant(3);
        }
    }
    for challenge in 0..spec.challenges {
        sum = sum
            + -(read(Cell::Challenge(challenge))
                * (read(Cell::Input(0, spec.input_rotations(0)[0])) + constant(1)));
    }
    for at in spec.instance.iter().flatten() {
        sum = sum + read(Cell::Instance(*at)) * constant(index as u64 + 2);
    }
    sum
}

/// Every value times every challenge, summed up; over values or over queries.
fn combined<T>(challenges: &[T], values: &[T]) -> T
where
    T: Clone + std::ops::Add<Output = T> + std::ops::Mul<Output = T>,
{
    let products = challenges
        .iter()
        .flat_map(|challenge| values.iter().map(|value| challenge.clone() * value.clone()));
    products.reduce(|sum, product| sum + product).expect("a challenge and a value")
}

/// A circuit with random contents.
#[derive(Debug, Clone)]
pub struct Synthetic {
    spec: Spec,
    instances: Vec<Fr>,
    rows: usize,
    inputs: Vec<Vec<Fr>>,
    fixed: Vec<Vec<Fr>>,
    /// Leaves the last fixed column empty, so that its commitment is infinity.
    pub empty_fixed: bool,
}

impl Synthetic {
    /// With 2^k rows.
    pub fn new(spec: &Spec, k: u32, instances: Vec<Fr>, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut meta = ConstraintSystem::default();
        Columns::configure(&mut meta, spec);
        let protocol = Protocol::new(&meta, &[], Opening::COLUMNS).expect("a supported circuit");
        let rows = (1 << k) - protocol.unusable_rows;
        let mut column = |_| (0..rows).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
        let inputs = (0..spec.inputs).map(&mut column).collect();
        let fixed = (0..spec.fixed).map(&mut column).collect();
        Self { spec: spec.clone(), instances, rows, inputs, fixed, empty_fixed: false }
    }

    /// Another witness for the same fixed columns.
    pub fn with_witness(mut self, seed: u64, instances: Vec<Fr>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        self.inputs.iter_mut().flatten().for_each(|value| *value = Fr::random(&mut rng));
        self.instances = instances;
        self
    }

    fn fixed_value(&self, column: usize, row: usize) -> Fr {
        if self.empty_fixed && column + 1 == self.spec.fixed {
            Fr::zero()
        } else {
            self.fixed[column][row]
        }
    }

    fn value(&self, index: usize, row: usize, challenges: &[Fr]) -> Fr {
        let at = |rotation: i32| (row as i64 + i64::from(rotation)) as usize;
        result(&self.spec, index, Fr::from, &mut |cell| match cell {
            Cell::Input(column, rotation) => self.inputs[column][at(rotation)],
            Cell::Fixed(column, rotation) => self.fixed_value(column, at(rotation)),
            Cell::Instance(rotation) => {
                self.instances.get(at(rotation)).copied().unwrap_or_default()
            }
            Cell::Challenge(challenge) => challenges[challenge],
        })
    }
}

impl Columns {
    /// Adds the columns and gates of `spec`.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, spec: &Spec) -> Self {
        let inputs: Vec<_> = (0..spec.inputs).map(|_| meta.advice_column_in(FirstPhase)).collect();
        let challenges: Vec<_> =
            (0..spec.challenges).map(|_| meta.challenge_usable_after(FirstPhase)).collect();
        let results: Vec<_> = (0..spec.results)
            .map(|_| match spec.challenges {
                0 => meta.advice_column_in(FirstPhase),
                _ => meta.advice_column_in(SecondPhase),
            })
            .collect();
        let late = (spec.late_challenges > 0).then(|| {
            let challenge = |_| meta.challenge_usable_after(SecondPhase);
            let challenges: Vec<_> = (0..spec.late_challenges).map(challenge).collect();
            (meta.advice_column_in(ThirdPhase), challenges)
        });
        let selector = meta.fixed_column();
        let fixed: Vec<_> = (0..spec.fixed).map(|_| meta.fixed_column()).collect();
        let instance = spec.instance.as_ref().map(|_| meta.instance_column());
        for (index, column) in results.iter().enumerate() {
            meta.create_gate("a result is what its expression says", |meta| {
                let expected = result(
                    spec,
                    index,
                    |value| Expression::Constant(Fr::from(value)),
                    &mut |cell| match cell {
                        Cell::Input(column, at) => meta.query_advice(inputs[column], Rotation(at)),
                        Cell::Fixed(column, at) => meta.query_fixed(fixed[column], Rotation(at)),
                        Cell::Instance(at) => {
                            meta.query_instance(instance.expect("queried"), Rotation(at))
                        }
                        Cell::Challenge(challenge) => meta.query_challenge(challenges[challenge]),
                    },
                );
                let actual = meta.query_advice(*column, Rotation::cur());
                vec![meta.query_fixed(selector, Rotation::cur()) * (actual - expected)]
            });
        }
        if let Some((column, challenges)) = &late {
            meta.create_gate("results are combined", |meta| {
                let powers: Vec<_> =
                    challenges.iter().map(|challenge| meta.query_challenge(*challenge)).collect();
                let values: Vec<_> = results
                    .iter()
                    .map(|result| meta.query_advice(*result, Rotation::cur()))
                    .collect();
                let actual = meta.query_advice(*column, Rotation::cur());
                let expected = combined(&powers, &values);
                vec![meta.query_fixed(selector, Rotation::cur()) * (actual - expected)]
            });
        }
        Self { spec: spec.clone(), inputs, results, challenges, late, selector, fixed, instance }
    }
}

/// `Spec` as a circuit parameter; halo2 asks for a default.
impl Circuit<Fr> for Synthetic {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Spec;

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn params(&self) -> Spec {
        self.spec.clone()
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, spec: Spec) -> Columns {
        Columns::configure(meta, &spec)
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        Columns::configure(meta, &Spec::default())
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let reach = columns.spec.reach();
        let active = reach..self.rows - reach;
        layouter.assign_region(
            || "synthetic",
            |mut region| {
                for (index, column) in columns.fixed.iter().enumerate() {
                    for row in 0..self.rows {
                        region.assign_fixed(*column, row, self.fixed_value(index, row));
                    }
                }
                for row in active.clone() {
                    region.assign_fixed(columns.selector, row, Fr::one());
                }
                for (column, values) in columns.inputs.iter().zip(&self.inputs) {
                    for (row, value) in values.iter().enumerate() {
                        region.assign_advice(*column, row, Value::known(*value));
                    }
                }
                let mut challenges = Vec::new();
                if !columns.challenges.is_empty() {
                    region.next_phase();
                    for challenge in &columns.challenges {
                        region.get_challenge(*challenge).map(|value| challenges.push(value));
                    }
                }
                // Without challenges (keygen) there is nothing to compute.
                let known = challenges.len() == columns.challenges.len();
                for (index, column) in columns.results.iter().enumerate().filter(|_| known) {
                    for row in active.clone() {
                        let value = self.value(index, row, &challenges);
                        region.assign_advice(*column, row, Value::known(value));
                    }
                }
                let Some((column, late)) = &columns.late else { return Ok(()) };
                region.next_phase();
                let mut powers = Vec::new();
                for challenge in late {
                    region.get_challenge(*challenge).map(|value| powers.push(value));
                }
                for row in active.clone().filter(|_| known && powers.len() == late.len()) {
                    let results = 0..self.spec.results;
                    let values: Vec<_> =
                        results.map(|index| self.value(index, row, &challenges)).collect();
                    region.assign_advice(*column, row, Value::known(combined(&powers, &values)));
                }
                let _ = columns.instance;
                Ok(())
            },
        )
    }
}
