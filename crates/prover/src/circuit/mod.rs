//! A model's run, checked by halo2.
//!
//! There are two circuits. The [`chain`] circuit proves chains of dense layers with the
//! fewest commitments, the [`graph`] circuit any graph of linear nodes, with several
//! weights a cell and several limbs a row. In each, `layout` turns a model into rows (the
//! fixed columns), `witness` turns a run of it into advice columns, and `config` states
//! the gates between them. This module is what the rest knows: columns by their index.

pub mod chain;
pub mod graph;
mod public;
#[cfg(test)]
mod tests;
mod usage;

use std::sync::Arc;

use ff::PrimeField;
use halo2_proofs::{
    circuit::{Layouter, Region, SimpleFloorPlanner, Value},
    plonk::{Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed},
};
use halo2curves::bn256::Fr;
use thiserror::Error;

use self::graph::{Claims, committed::salt_values};
pub use self::public::PublicValues;
pub use self::usage::Usage;
use crate::{
    integer::{IntegerError, IntegerGraph, Trace},
    shape::{Shape, ShapeError},
};

/// The highest degree of a gate.
pub const MAX_DEGREE: usize = 3;
/// log2 of the largest supported number of rows.
pub const MAX_K: u32 = 24;

/// Inputs that one commitment is of: their count has bits of its own in what is hashed.
const MAX_COMMITTED: usize = (1 << graph::committed::VERSION_BIT) - 1;

/// Why a graph cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// More rows than halo2's field supports.
    #[error("the model needs {rows} rows, the limit is 2^{limit}")]
    TooLarge {
        /// Rows needed.
        rows: usize,
        /// log2 of the limit.
        limit: u32,
    },
    /// The graph is for a circuit of other bits.
    #[error(transparent)]
    Graph(#[from] IntegerError),
    /// A graph in the shape of a chain circuit.
    #[error("the model is no chain of layers, and the circuit's shape is for chains only")]
    NoChain,
    /// A graph with trees in a shape whose circuit proves no paths.
    #[error("the model has decision trees, and the circuit's shape has no node table")]
    NoPaths,
    /// A graph with functions in a shape whose circuit proves none by tables.
    #[error("the model has functions by tables, and the circuit's shape has no segment table")]
    NoCurves,
    /// A value that two functions are of, or that is a maximum too.
    #[error(
        "value {value} is the argument of two functions or a maximum: functions are of values of their own"
    )]
    SharedArgument {
        /// The value, by number.
        value: usize,
    },
    /// A graph with maxima in a shape whose circuit does not prove them, or whose stripes
    /// hold too few equations.
    #[error(
        "the model takes maxima of {window} values; the circuit's shape must prove maxima and \
         have as many weights a row, it has {stripe}"
    )]
    NoWindows {
        /// Values of the widest window.
        window: usize,
        /// Weights that a row holds.
        stripe: usize,
    },
    /// More committed inputs than a commitment counts.
    #[error("{count} inputs are committed to together, a commitment is of {limit} at most")]
    TooManyCommitted {
        /// Inputs of all inferences that one hash is of.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// A graph with products in a shape whose circuit does not prove them.
    #[error("the model multiplies values, and the circuit's shape proves no products")]
    NoProducts,
    /// More trees than the node table tells apart.
    #[error("the model has {trees} decision trees, {limit} can be told apart at most")]
    TooManyTrees {
        /// Trees of all ensembles, and what fills up their rows.
        trees: usize,
        /// The most.
        limit: usize,
    },
    /// The shape is not supported.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// The claims of a graph, if shape and graph are for circuits of the same bits: more would
/// be proven of inputs out of range otherwise.
fn claims<'a>(graph: &'a IntegerGraph, shape: &Shape) -> Result<Claims<'a>, LayoutError> {
    shape.validate()?;
    graph.check_bits(shape.value_bits(), shape.shift_bits())?;
    let together = shape.batch() / shape.statements();
    let (count, limit) = (graph.stated_len().saturating_mul(together), MAX_COMMITTED);
    if shape.committed() && count > limit {
        return Err(LayoutError::TooManyCommitted { count, limit });
    }
    Ok(Claims::graph(graph, shape))
}

/// Not as many inferences as a circuit is of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the circuit is of {expected} inferences at once, got inputs of {got}")]
pub struct WrongBatch {
    /// The circuit's.
    pub expected: usize,
    /// How many were given.
    pub got: usize,
}

/// The fixed part of a circuit: a model in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The constraint system's shape.
    pub shape: Shape,
    /// log2 of the number of rows.
    pub k: u32,
    /// Number of instances, the context included.
    pub instances: usize,
    rows: Rows,
}

/// A model in the rows of one of the circuits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rows {
    Chain(Box<chain::Layout>),
    Graph(Box<graph::Layout>),
}

impl Layout {
    /// Lays a graph out in the fewest rows of `shape`, a power of two. It must have been
    /// validated for the shape's bits: the circuits rely on its intervals.
    ///
    /// # Errors
    /// A shape that is none, or not the graph's; too many rows; a graph that is no chain in
    /// a shape of the chain circuit.
    pub fn new(graph: &IntegerGraph, shape: Shape) -> Result<Self, LayoutError> {
        let claims = claims(graph, &shape)?;
        if shape.graph.is_some() {
            return Self::from_claims(&claims, shape);
        }
        let layout = chain::Layout::new(&claims, shape)?;
        Ok(Self {
            shape,
            k: layout.k,
            instances: layout.instances,
            rows: Rows::Chain(Box::new(layout)),
        })
    }

    /// log2 of the rows the graph needs, without laying it out.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn required_k(graph: &IntegerGraph, shape: Shape) -> Result<u32, LayoutError> {
        let claims = claims(graph, &shape)?;
        match shape.graph {
            Some(_) => graph::Layout::required_k(&claims, shape),
            None => chain::Layout::required_k(&claims, shape),
        }
    }

    fn from_claims(claims: &Claims<'_>, shape: Shape) -> Result<Self, LayoutError> {
        let layout = graph::Layout::new(claims, shape)?;
        Ok(Self {
            shape,
            k: layout.k,
            instances: layout.instances,
            rows: Rows::Graph(Box::new(layout)),
        })
    }

    /// Rows on which the gates apply: 0 to `active_rows` − 1.
    pub fn active_rows(&self) -> usize {
        match &self.rows {
            Rows::Chain(layout) => layout.active_rows(),
            Rows::Graph(layout) => layout.active_rows(),
        }
    }
}

/// A proof's public part and first-phase witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Context, public inputs, outputs.
    pub instances: Vec<Fr>,
    /// What the graph gives; in a batch, each output of all inferences before the next, or its
    /// total.
    pub outputs: Vec<i64>,
    first: First,
}

/// The first-phase columns of one of the circuits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum First {
    Chain(chain::FirstPhase),
    Graph(graph::FirstPhase),
}

impl Witness {
    /// Runs the graph that `layout` is of on `inputs`, which are not committed, and fills the
    /// first-phase columns.
    ///
    /// # Errors
    /// As [`Self::batch`], of one inference.
    pub fn new(
        layout: &Layout,
        graph: &IntegerGraph,
        inputs: &[i64],
        context: Fr,
    ) -> Result<Self, IntegerError> {
        Self::batch(layout, graph, &[inputs], &[], context)
    }

    /// Runs the graph that `layout` is of on the inputs of each inference and fills the
    /// first-phase columns.
    ///
    /// # Errors
    /// Not as many inferences as the layout's batch; inputs that are out of range or not as
    /// many as the graph's; if inputs are committed, not as many salts as commitments, else any.
    pub fn batch(
        layout: &Layout,
        graph: &IntegerGraph,
        inputs: &[impl AsRef<[i64]>],
        salts: &[u128],
        context: Fr,
    ) -> Result<Self, IntegerError> {
        let shape = &layout.shape;
        let (expected, got) = (shape.batch(), inputs.len());
        if expected != got {
            return Err(WrongBatch { expected, got }.into());
        }
        let statements = shape.statements();
        let (salted, got) = (if shape.committed() { statements } else { 0 }, salts.len());
        if salted != got {
            return Err(IntegerError::Salts { expected: salted, got });
        }
        let mut values = Vec::with_capacity(expected);
        let mut gaps = Vec::with_capacity(expected);
        let mut outputs = Vec::with_capacity(expected);
        let salt_of = |index: usize| salts.get(index).copied().unwrap_or_default();
        for (index, inputs) in inputs.iter().enumerate() {
            let inputs = inputs.as_ref();
            let trace = graph.run(inputs)?;
            values.push(integers(graph, shape, inputs, salt_of(index), &trace));
            gaps.push(trace.gaps);
            outputs.push(trace.outputs);
        }
        let count = outputs.first().map_or(0, Vec::len);
        let outputs = match shape.totals() {
            true => (0..count).map(|at| outputs.iter().map(|own| own[at]).sum()).collect(),
            false => interleave(&outputs),
        };
        let integers = interleave(&values);
        let public = PublicValues::new(shape, graph.stated_len(), count);
        let stated: Vec<_> = inputs.iter().map(|inputs| graph.stated(inputs.as_ref())).collect();
        let first = match &layout.rows {
            Rows::Chain(rows) => First::Chain(chain::FirstPhase::new(rows, &integers)),
            Rows::Graph(rows) => {
                // Of a list only the first inference's element has the salt.
                let hash = |(index, own): (usize, &Vec<i64>)| public.hashed(own, salt_of(index));
                let hashed: Vec<_> = match shape.committed() {
                    true => stated.iter().enumerate().map(hash).collect(),
                    false => Vec::new(),
                };
                let gaps = interleave(&gaps);
                First::Graph(graph::FirstPhase::new(rows, &integers, &gaps, &hashed))
            }
        };
        let instances = public.instances(context, &stated, salts, &outputs);
        Ok(Self { instances, outputs, first })
    }

    /// The columns of a phase, in the order of their index: those committed before the
    /// challenges, or those that depend on them. None if there is no such phase, or as many
    /// challenges as the circuit has are not known.
    pub fn columns(&self, layout: &Layout, phase: u8, challenges: &[Fr]) -> Option<Vec<Vec<Fr>>> {
        match (phase, &self.first, &layout.rows, challenges) {
            (0, First::Chain(first), ..) => Some(vec![first.limbs.clone(), first.signs.clone()]),
            (0, First::Graph(first), ..) => {
                let cells = first.limbs.iter().chain([&first.cells]);
                let compound = first.paths.columns().chain(first.curves.columns());
                let compound = compound.chain(first.committed.columns());
                Some(cells.chain(compound).cloned().collect())
            }
            (1, First::Chain(first), Rows::Chain(rows), [beta, rho]) => {
                Some(first.second_phase(rows, &self.instances, *beta, *rho).into_columns())
            }
            (1, First::Graph(first), Rows::Graph(rows), known) => {
                let challenges = graph::Challenges::new(&layout.shape, known)?;
                Some(first.second_phase(rows, &self.instances, challenges).into_columns())
            }
            _ => None,
        }
    }
}

/// The columns of a circuit.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The advice columns of each phase.
    pub advice: Vec<Vec<Column<Advice>>>,
    /// The fixed columns.
    pub fixed: Vec<Column<Fixed>>,
    /// Those of the fixed columns that hold the model.
    pub secret: Vec<Column<Fixed>>,
    /// The challenges.
    pub challenges: Vec<Challenge>,
}

impl Columns {
    /// Adds the columns and gates of `shape` to a constraint system.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, shape: &Shape) -> Self {
        if shape.graph.is_some() {
            graph::Columns::configure(meta, shape).by_index()
        } else {
            chain::Columns::configure(meta, shape).by_index()
        }
    }
}

/// A laid-out model, with the witness of one inference when proving.
#[derive(Clone)]
pub struct ModelCircuit {
    layout: Arc<Layout>,
    witness: Option<Arc<Witness>>,
    /// How a cheating prover changes the second-phase columns.
    #[cfg(test)]
    tamper: Option<tests::Tamper>,
}

impl ModelCircuit {
    /// The circuit of a model, for making keys.
    pub fn new(layout: Arc<Layout>) -> Self {
        Self {
            layout,
            witness: None,
            #[cfg(test)]
            tamper: None,
        }
    }

    /// The circuit with a witness, for proving.
    pub fn with_witness(layout: Arc<Layout>, witness: Arc<Witness>) -> Self {
        Self { witness: Some(witness), ..Self::new(layout) }
    }

    fn assign(&self, columns: &Columns, region: &mut Region<'_, Fr>) -> Result<(), Error> {
        for (column, values) in columns.fixed.iter().zip(fixed_columns(&self.layout).1) {
            for (row, value) in values.iter().enumerate().filter(|(_, v)| **v != Fr::zero()) {
                region.assign_fixed(*column, row, *value);
            }
        }
        let Some(witness) = &self.witness else { return Ok(()) };
        for (phase, advice) in columns.advice.iter().enumerate() {
            if phase > 0 {
                region.next_phase();
            }
            let mut known = Value::known(Vec::new());
            for challenge in columns.challenges.iter().filter(|_| phase > 0) {
                known = known.zip(region.get_challenge(*challenge)).map(|(mut known, new)| {
                    known.push(new);
                    known
                });
            }
            known.map(|challenges| {
                let values = witness.columns(&self.layout, phase as u8, &challenges);
                #[cfg_attr(not(test), expect(unused_mut, reason = "only tests tamper"))]
                let mut values = values.unwrap_or_default();
                #[cfg(test)]
                if let Some(tamper) = self.tamper.as_ref().filter(|_| phase > 0) {
                    tamper(&mut values);
                }
                for (column, values) in advice.iter().zip(&values) {
                    for (row, value) in values.iter().enumerate() {
                        region.assign_advice(*column, row, Value::known(*value));
                    }
                }
            });
        }
        Ok(())
    }
}

impl Circuit<Fr> for ModelCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn without_witnesses(&self) -> Self {
        Self::new(self.layout.clone())
    }

    fn params(&self) -> Shape {
        self.layout.shape
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Columns {
        Columns::configure(meta, &shape)
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        Columns::configure(meta, &Shape::default())
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(|| "model", |mut region| self.assign(&columns, &mut region))
    }
}

/// The constraint system of a shape, without any model.
pub fn constraint_system(shape: &Shape) -> ConstraintSystem<Fr> {
    let mut meta = ConstraintSystem::default();
    Columns::configure(&mut meta, shape);
    meta
}

/// Indices of the fixed columns that hold a model: its weights and biases.
///
/// They are *secret*: every gate is linear in them, so that a protocol never needs to
/// open them. The other fixed columns are *structural*: they show a model's architecture
/// only.
pub fn secret_columns(shape: &Shape) -> Vec<usize> {
    let columns = Columns::configure(&mut ConstraintSystem::default(), shape);
    columns.secret.iter().map(Column::index).collect()
}

/// The constraint system of a layout's shape, and the layout's fixed columns.
pub fn fixed_columns(layout: &Layout) -> (ConstraintSystem<Fr>, Vec<Vec<Fr>>) {
    let weights = match &layout.rows {
        Rows::Chain(_) => Vec::new(),
        Rows::Graph(rows) => rows.weights.iter().map(|lane| lane.to_vec()).collect(),
    };
    layout.fixed_columns(weights)
}

impl Layout {
    /// The same, with the weights themselves in the columns: until they are given back by
    /// [`Self::share_weights`], nothing is proven with the layout.
    pub(crate) fn take_fixed_columns(&mut self) -> (ConstraintSystem<Fr>, Vec<Vec<Fr>>) {
        let weights = match &mut self.rows {
            Rows::Chain(_) => Vec::new(),
            Rows::Graph(rows) => std::mem::take(&mut rows.weights),
        };
        self.fixed_columns(weights.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// Has the weights in common with fixed columns, of which `values` gives those of an index.
    pub(crate) fn share_weights(&mut self, values: impl Fn(usize) -> Arc<Vec<Fr>>) {
        if let Rows::Graph(rows) = &mut self.rows {
            let columns = graph::Columns::configure(&mut ConstraintSystem::default(), &self.shape);
            let lanes = columns.weights.iter().map(|column| values(column.index()));
            rows.weights = lanes.collect();
        }
    }

    /// The fixed columns, of which the weights of the graph circuit's lanes are given.
    fn fixed_columns(&self, weights: Vec<Vec<Fr>>) -> (ConstraintSystem<Fr>, Vec<Vec<Fr>>) {
        let mut meta = ConstraintSystem::default();
        let active = self.active_rows();
        let mut fixed = Vec::new();
        match &self.rows {
            Rows::Chain(rows) => {
                let columns = chain::Columns::configure(&mut meta, &self.shape);
                fixed.resize(meta.num_fixed_columns(), vec![Fr::zero(); active]);
                rows.fixed_cells(&columns, |column, row, value| fixed[column.index()][row] = value);
            }
            Rows::Graph(rows) => {
                let columns = graph::Columns::configure(&mut meta, &self.shape);
                fixed.resize(meta.num_fixed_columns(), Vec::new());
                for (column, weights) in columns.weights.iter().zip(weights) {
                    fixed[column.index()] = weights;
                }
                fixed.iter_mut().for_each(|column| column.resize(active, Fr::zero()));
                rows.fixed_cells(&columns, |column, row, value| fixed[column.index()][row] = value);
            }
        }
        (meta, fixed)
    }
}

/// (z, x) of every value of a run, numbered as in the claims.
fn integers(
    graph: &IntegerGraph,
    shape: &Shape,
    inputs: &[i64],
    salt: u128,
    trace: &Trace,
) -> Vec<(i64, i64)> {
    let bits = shape.value_bits();
    let limb = |index: usize| salt.checked_shr(index as u32 * bits).unwrap_or(0) as i64;
    let salt = (0..salt_values(shape)).map(|index| limb(index) & ((1i64 << bits) - 1));
    let given = inputs.iter().copied().chain(salt).map(|x| (x << shape.shift_bits(), x));
    let nodes = graph.nodes.iter().zip(&trace.accumulators);
    let shift = shape.shift_bits();
    let made = nodes.flat_map(|(node, z)| {
        // What follows the output's elements are products, or checks in their form.
        let own: &[i64] = if node.op.makes_values() { &trace.values[node.output.0] } else { &[] };
        let value = move |(index, z): (usize, &i64)| match own.get(index) {
            Some(x) => (*z, *x),
            None => (*z, (z & ((1 << shift) - 1)).wrapping_mul(z >> shift)),
        };
        z.iter().enumerate().map(value)
    });
    let totals = trace.outputs.iter().filter(|_| shape.totals()).map(|x| (x << shift, *x));
    given.chain(made).chain(totals).collect()
}

/// The first element of every list, then the second of every list, and so on; all lists are
/// of one length.
fn interleave<T: Copy>(lists: &[Vec<T>]) -> Vec<T> {
    let length = lists.first().map_or(0, Vec::len);
    (0..length).flat_map(|index| lists.iter().map(move |list| list[index])).collect()
}

/// An integer that may be negative, as a field element.
pub(crate) fn field(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

/// A field element as an index, if it is one.
fn small(value: &Fr) -> Option<usize> {
    let bytes = value.to_repr();
    if bytes[4..].iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}
