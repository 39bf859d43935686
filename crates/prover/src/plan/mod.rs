//! Chooses a circuit shape for a model, before any key is made.
//!
//! Candidates differ in the size of a limb, the number of limbs and the number of
//! weight lanes. What does not depend on them is decided once, by the quantizer; for
//! each number of bits the model is quantized and its error against the float model
//! measured, and those that miss the error target are dropped. Of the rest the cheapest
//! is taken; what gas and time depend on is in `cost`.

mod cost;
mod error;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;

use serde::{Deserialize, Serialize};
use verdict_kzg::protocol::{Protocol, ProtocolError};

use self::cost::{Columns, Costs};
pub use self::{cost::Estimate, error::PlanError};
use crate::{
    circuit::{Layout, LayoutError, PublicValues},
    figures::coarse,
    graph::{Graph, Node, Op},
    quantize::{
        Arguments, Comparisons, ErrorReport, Functions, Halves, OutputSchema, Precision,
        QuantizeError, Quantized, Quantizer, Ranges,
    },
    shape::{GraphShape, Shape},
};
pub use verdict_kzg::protocol::Opening;

/// (bits of a limb, limbs dropped by the rescale, limbs) of the candidates.
const FORMATS: [(u32, usize, usize); 11] = [
    (8, 3, 7),
    (9, 2, 4),
    (9, 2, 5),
    (10, 2, 4),
    (10, 2, 5),
    (10, 2, 6),
    (11, 2, 5),
    (12, 2, 4),
    (12, 2, 5),
    (14, 2, 4),
    (15, 2, 4),
];
/// Lane counts of the candidates.
const LANES: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64];
/// How columns may be committed to: each, or so many at most together.
pub const OPENINGS: [Opening; 4] =
    [Opening::COLUMNS, Opening::folded(4), Opening::folded(8), Opening::folded(16)];
/// Lanes of the candidates' node tables, for trees whose paths are proven.
const NODE_LANES: [usize; 8] = [1, 2, 3, 4, 6, 8, 12, 16];
/// Paths side by side; more than two are for batches, whose steps are most of the rows.
const PATH_LANES: [usize; 3] = [1, 2, 3];
/// An ensemble of more comparisons is proven by its paths if it can be: as decisions and leaves
/// it would take several times the rows.
const MOST_DECISIONS: usize = 2048;
/// Lanes of the candidates' segment tables, for functions that are proven by tables.
const SEGMENT_LANES: [usize; 3] = [1, 2, 4];
/// So few evaluations of functions of one variable are proven by ReLUs at knots, …
const LEAST_TABLED: usize = 12;
/// … and more than so many by tables: hundreds of ReLUs each would take several times the rows.
const MOST_KNOTTED: usize = 128;
/// The most rows, as 2^k, of which a balance folds columns: beyond, preparing an SRS for it,
/// once, takes many seconds.
const MOST_BALANCED_FOLD_K: u32 = 14;
/// The error target of those who name none …
const DEFAULT_TARGET: f64 = 1e-4;
/// … how far it gives way for models whose outputs may be large …
const LARGEST_DEFAULT_TARGET: f64 = 1e-2;
/// … and, as a part of each output tensor's largest value, for models that round: what is next to a
/// half goes to either side, and an output with it.
const LARGEST_DEFAULT_STEP: f64 = 0.05;
/// The part of the target that functions may use up; the rest is for rounding. Next to
/// a point of inflection a function's error is half as much again.
const FUNCTIONS_SHARE: f64 = 0.45;
/// What a format costs that takes some distances for others, or some numbers next to a half for those
/// beyond it, which is more than all that one costs that does not.
const INEXACT: f64 = 1e9;
/// The target that says how close the circuits come at all.
const FINEST_TARGET: f64 = 1e-7;

impl Precision {
    /// The largest output error that it was chosen for.
    pub fn target_error(&self) -> f64 {
        self.function_tolerance / FUNCTIONS_SHARE
    }
}

/// What to optimize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// A balance: halving a long proof's time is worth a third more gas.
    #[default]
    Balanced,
    /// The least gas, but for a few percent where they make a long proof several times shorter.
    Gas,
    /// The least time, whatever the gas.
    Time,
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balanced => "balanced",
            Self::Gas => "gas",
            Self::Time => "time",
        })
    }
}

/// What the user may choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Largest output error against the float model; 1e-4 if not given, or what the
    /// circuits reach, should none reach that.
    pub target_error: Option<f64>,
    /// Whether inputs are instances: those that are not declared private.
    pub public_inputs: bool,
    /// Whether a commitment to these inputs is stated instead of them.
    #[serde(default)]
    pub committed: bool,
    /// What to optimize.
    pub objective: Objective,
    /// Decimals of the outputs; the most that fit, 6 at most, if not given.
    pub decimals: Option<u32>,
    /// Inferences that one proof is of; one if not given.
    pub batch: Option<usize>,
    /// Whether sums of the outputs over the batch are stated instead of them.
    #[serde(default)]
    pub totals: bool,
}

/// A model with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The chosen shape.
    pub shape: Shape,
    /// How its columns are committed to.
    pub opening: Opening,
    /// log2 of the rows.
    pub k: u32,
    /// How it was quantized.
    pub precision: Precision,
    /// The error target that it has instead of the default, which no circuit reaches; none where
    /// the default does, or one was asked for.
    pub relaxed: Option<f64>,
    /// The quantized model.
    pub quantized: Quantized,
    /// Its measured error.
    pub error: ErrorReport,
    /// How comparisons came out that are not known to be the file's; none if all are.
    pub comparisons: Option<Comparisons>,
    /// What it will cost.
    pub estimate: Estimate,
    /// Every candidate that met the target, cheapest first.
    pub considered: Vec<Candidate>,
}

impl Plan {
    /// How the words of outputs that a proof states are read: those of each inference, or the
    /// totals of all.
    pub fn output(&self) -> OutputSchema {
        let own = &self.quantized.output;
        let terms = (self.shape.batch() / self.shape.statements()) as i64;
        let (min, max) = (own.min.saturating_mul(terms), own.max.saturating_mul(terms));
        OutputSchema { min, max, ..own.clone() }
    }
}

/// A shape that would do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The shape.
    pub shape: Shape,
    /// The cheapest way to commit to its columns.
    pub opening: Opening,
    /// log2 of the rows.
    pub k: u32,
    /// Measured error.
    pub error: f64,
    /// About the gas of a verification.
    pub gas: f64,
    /// About the time of a proof on two cores, in seconds.
    pub seconds: f64,
    /// Its cost under the objective; only comparable within one plan.
    pub cost: f64,
}

impl Candidate {
    /// The cheapest of the openings.
    fn new(
        shape: Shape,
        openings: &[Opening],
        (k, error): (u32, f64),
        public: &PublicValues,
        objective: Objective,
    ) -> Result<Option<Self>, ProtocolError> {
        let columns = Columns::under(&shape, openings)?.into_iter();
        let candidates = columns.map(|(opening, columns)| {
            let costs = Costs::new(&columns, k, public);
            let Costs { gas, seconds } = costs;
            Self { shape, opening, k, error, gas, seconds, cost: costs.under(objective, k) }
        });
        // Of equals the first, whose groups are smaller.
        Ok(candidates.min_by(|a, b| a.cost.total_cmp(&b.cost)))
    }
}

impl Candidate {
    /// Whether this, with paths, takes no more columns than another shape and no more rows.
    fn outdoes(&self, other: &Shape, k: u32) -> bool {
        let tables = self.shape.node_lanes() > 0 && self.shape.node_lanes() <= other.node_lanes();
        tables
            && self.k <= k
            && self.shape.lanes <= other.lanes
            && self.shape.path_lanes() <= other.path_lanes()
            && self.shape.limb_columns() <= other.limb_columns()
    }
}

impl Objective {
    /// The openings that it chooses from for `2^k` rows: time takes the quickest, a balance
    /// does not fold where preparing the SRS for it takes long.
    fn openings(self, k: u32) -> &'static [Opening] {
        match self {
            Self::Balanced if k <= MOST_BALANCED_FOLD_K => &OPENINGS,
            Self::Time | Self::Balanced => &OPENINGS[..1],
            Self::Gas => &OPENINGS,
        }
    }
}

/// What the candidates of one target came to.
#[derive(Debug)]
struct Search {
    precision: Precision,
    /// The cheapest: its place among the formats, the quantized model, its error.
    best: Option<(Candidate, usize, Quantized, ErrorReport)>,
    candidates: Vec<(Candidate, usize)>,
    /// The smallest error of any format.
    error: f64,
    failure: Option<PlanError>,
}

impl Plan {
    /// Plans `graph` for inputs within `ranges`.
    ///
    /// # Errors
    /// A model that no candidate holds, or none as precisely as asked for.
    pub fn new(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Self, PlanError> {
        let mut plan = Self::searched(graph, ranges, options).map_err(|error| match error {
            PlanError::Imprecise { best, target, .. } => {
                let ordered = graph.nodes.iter().any(|node| matches!(node.op, Op::Leading(_)));
                PlanError::Imprecise { best, target, behind: graph.doubts(), ordered }
            }
            error => error,
        })?;
        plan.comparisons = plan.quantized.comparisons(graph, ranges, &plan.error)?;
        Ok(plan)
    }

    fn searched(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Self, PlanError> {
        // Decimals that are asked for are meant, and what rounding to them costs is accepted.
        let power = |decimals| -i32::try_from(decimals).unwrap_or(i32::MAX);
        let rounding = options.decimals.map_or(0.0, |decimals| 0.5 * 10f64.powi(power(decimals)));
        let target = options.target_error.unwrap_or(DEFAULT_TARGET + rounding);
        if !(target > 0.0 && target.is_finite()) {
            return Err(PlanError::Target { target });
        }
        if let Some(decimals) = options.decimals.filter(|_| rounding > target) {
            return Err(PlanError::Decimals { decimals, rounding, target });
        }
        let quantizers = &quantizers(graph, ranges, options.batch.unwrap_or(1))?[..];
        let search = Search::new(quantizers, options, target, target);
        if search.best.is_some() || !search.error.is_finite() {
            return search.finish(target);
        }
        // Functions approximated for this target say little about what can be had.
        let finest = Search::new(quantizers, options, FINEST_TARGET, target);
        if finest.best.is_some() {
            return finest.finish(target);
        }
        let most = match (graph.rounds(), quantizers.first()) {
            (true, Some(quantizer)) => LARGEST_DEFAULT_STEP * quantizer.magnitude(),
            _ => 0.0,
        };
        if options.target_error.is_some() {
            return finest.finish(target);
        }
        let most = most.max(LARGEST_DEFAULT_TARGET);
        // Other branches of trees are not those that rounding takes.
        let limit = if graph.doubts().is_empty() { most } else { most / 2.0 };
        if finest.error <= limit {
            // To a digit: what functions may err by is told, also of hidden models.
            let [twice, reached] = [2.0, 1.0].map(|times| coarse(times * finest.error));
            let mut reached = if twice <= most { twice } else { reached };
            loop {
                let search = Search::new(quantizers, options, reached, reached);
                // What rounds may go to other sides of halves by coarser functions.
                let next = coarse(search.error.max(1.01 * reached));
                if search.best.is_some() || next > most || !next.is_finite() {
                    return Ok(Self { relaxed: Some(reached), ..search.finish(reached)? });
                }
                reached = next;
            }
        }
        finest.finish(limit)
    }

    /// Uses a shape and an opening of the caller's choice.
    ///
    /// # Errors
    /// A shape that is none, or does not hold the model.
    pub fn with_shape(
        graph: &Graph,
        ranges: &Ranges,
        (shape, opening): (Shape, Opening),
        precision: &Precision,
    ) -> Result<Self, PlanError> {
        shape.validate()?;
        let quantizer = Quantizer::suited(graph, ranges, &shape)?;
        let quantized = quantizer.quantize(&shape, &quantizer.functions(precision))?;
        let error = quantizer.compare(&quantized)?;
        let k = Layout::required_k(&quantized.graph, shape)?;
        let public = public_values(&shape, &quantized);
        let estimate = Estimate::new((&shape, opening), (k, &quantized.graph), &public)?;
        let size = (k, error.largest);
        let candidate = Candidate::new(shape, &[opening], size, &public, Objective::default())?;
        let (precision, considered) = (*precision, candidate.into_iter().collect());
        let comparisons = quantized.comparisons(graph, ranges, &error)?;
        Ok(Self {
            shape,
            opening,
            k,
            precision,
            relaxed: None,
            quantized,
            error,
            comparisons,
            estimate,
            considered,
        })
    }
}

/// log2 of the number of powers of τ that keys and proofs of a protocol on `2^k` rows take.
pub fn srs_k(protocol: &Protocol, k: u32) -> u32 {
    protocol.powers_needed(k).next_power_of_two().ilog2()
}

impl Search {
    /// Tries every format with each quantizer, functions approximated for `functions_target`,
    /// and keeps those whose error is at most `target`.
    fn new(
        quantizers: &[Quantizer<'_>],
        options: &PlanOptions,
        functions_target: f64,
        target: f64,
    ) -> Self {
        let precision = Precision {
            decimals: options.decimals,
            function_tolerance: FUNCTIONS_SHARE * functions_target.max(1e-12),
        };
        let functions: Vec<Functions> =
            quantizers.iter().map(|quantizer| quantizer.functions(&precision)).collect();
        let tried: Vec<_> = FORMATS
            .iter()
            .flat_map(|format| quantizers.iter().zip(&functions).map(move |q| (*format, q)))
            .collect();
        let search = Mutex::new(Self {
            precision,
            best: None,
            candidates: Vec::new(),
            error: f64::INFINITY,
            failure: None,
        });
        tried.into_par_iter().enumerate().for_each(|(index, (format, (quantizer, functions)))| {
            let (limb_bits, shift_limbs, limbs) = format;
            let format = Shape {
                limb_bits,
                limbs,
                shift_limbs,
                lanes: 1,
                public_inputs: options.public_inputs || options.committed,
                graph: None,
            };
            let measured = quantizer
                .quantize(&format, functions)
                .and_then(|quantized| Ok((quantizer.compare(&quantized)?, quantized)));
            let lock = || search.lock().unwrap_or_else(PoisonError::into_inner);
            let (error, quantized) = match measured {
                Ok(measured) => measured,
                Err(error) => {
                    lock().fail(error.into());
                    return;
                }
            };
            if error.largest > target {
                let mut search = lock();
                search.error = search.error.min(error.largest);
                return;
            }
            let mut candidates: Vec<(Candidate, usize)> = Vec::new();
            let mut failure = None;
            let confused = quantized.apart.is_some_and(|apart| apart > 0.0)
                || quantized.halves == Halves::Coarse;
            let confused = if confused { INEXACT } else { 0.0 };
            for shape in shapes_of(&format, options, quantizer) {
                match Layout::required_k(&quantized.graph, shape) {
                    // Tables are of many sizes: more columns than others for as many rows.
                    Ok(k) if candidates.iter().any(|(other, _)| other.outdoes(&shape, k)) => {}
                    Ok(k) => {
                        let public = public_values(&shape, &quantized);
                        let (size, objective) = ((k, error.largest), options.objective);
                        let openings = objective.openings(k);
                        match Candidate::new(shape, openings, size, &public, objective) {
                            Ok(candidate) => {
                                let mut candidate = candidate;
                                candidate.iter_mut().for_each(|one| one.cost += confused);
                                candidates.extend(candidate.map(|candidate| (candidate, index)));
                            }
                            Err(error) => failure = Some(error.into()),
                        }
                    }
                    Err(error) => failure = Some(error.into()),
                }
            }
            let mut search = lock();
            search.error = search.error.min(error.largest);
            failure.into_iter().for_each(|error: PlanError| search.fail(error));
            let cheapest = candidates.iter().min_by(|(a, _), (b, _)| a.cost.total_cmp(&b.cost));
            if let Some((candidate, _)) = cheapest {
                // Formats come in any order: ties are decided by theirs.
                let better = search
                    .best
                    .as_ref()
                    .is_none_or(|(best, place, ..)| (candidate.cost, index) < (best.cost, *place));
                if better {
                    search.best = Some((*candidate, index, quantized, error));
                }
            }
            search.candidates.extend(candidates);
        });
        search.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why a format is no candidate; too many rows tell more than a shape that does
    /// not suit.
    fn fail(&mut self, error: PlanError) {
        if !matches!(self.failure, Some(PlanError::Layout(LayoutError::TooLarge { .. }))) {
            self.failure = Some(error);
        }
    }

    fn finish(self, target: f64) -> Result<Plan, PlanError> {
        let Some((best, _, quantized, error)) = self.best else {
            return Err(match self.failure {
                Some(failure) if self.error.is_infinite() || self.error <= target => failure,
                _ => PlanError::Imprecise {
                    best: self.error,
                    target,
                    behind: Vec::new(),
                    ordered: false,
                },
            });
        };
        let mut candidates = self.candidates;
        candidates.sort_by(|(a, i), (b, j)| a.cost.total_cmp(&b.cost).then(i.cmp(j)));
        let considered = candidates.into_iter().map(|(candidate, _)| candidate).collect();
        let Candidate { shape, opening, k, .. } = best;
        let public = public_values(&shape, &quantized);
        let estimate = Estimate::new((&shape, opening), (k, &quantized.graph), &public)?;
        let precision = self.precision;
        let comparisons = None;
        Ok(Plan {
            shape,
            opening,
            k,
            precision,
            relaxed: None,
            quantized,
            error,
            comparisons,
            estimate,
            considered,
        })
    }
}

fn public_values(shape: &Shape, quantized: &Quantized) -> PublicValues {
    PublicValues::new(shape, quantized.graph.stated_len(), quantized.output.count)
}

/// How a graph may be quantized for a circuit of so many inferences: ensembles of trees by their
/// paths, and by their decisions; functions by tables, and by ReLUs.
fn quantizers<'a>(
    graph: &'a Graph,
    ranges: &Ranges,
    batch: usize,
) -> Result<Vec<Quantizer<'a>>, QuantizeError> {
    let branches = |node: &Node| match &node.op {
        Op::Trees(trees) => trees.branches.len(),
        _ => 0,
    };
    let branches = graph.nodes.iter().map(branches).max().unwrap_or(0);
    let curves = |node: &&Node| matches!(&node.op, Op::Function(function) if function.is_curve());
    let curves = graph.nodes.iter().filter(curves);
    let evaluations: usize = curves.map(|node| graph.tensors[node.output.0].len()).sum();
    let tables = match evaluations.saturating_mul(batch) {
        0..LEAST_TABLED => &[false][..],
        LEAST_TABLED..=MOST_KNOTTED => &[true, false],
        _ => &[true],
    };
    let mut quantizers = Vec::new();
    for tables in tables {
        let arguments = Arguments { windows: true, tables: *tables, paths: branches > 0 };
        let first = Quantizer::with(graph, ranges, arguments)?;
        let decisions = first.has_paths() && branches <= MOST_DECISIONS;
        quantizers.push(first);
        if decisions {
            let arguments = Arguments { paths: false, ..arguments };
            quantizers.push(Quantizer::with(graph, ranges, arguments)?);
        }
    }
    Ok(quantizers)
}

/// The chain circuit's and the graph circuit's shapes of a format, with what a quantizer's
/// models need.
fn shapes_of(format: &Shape, options: &PlanOptions, quantizer: &Quantizer<'_>) -> Vec<Shape> {
    let (batch, committed) = (options.batch.unwrap_or(1), options.committed);
    let totals = options.totals;
    let (has_paths, windows) = (quantizer.has_paths(), quantizer.has_windows());
    let (has_tables, products) = (quantizer.has_tables(), quantizer.has_products());
    let more = has_paths || windows || has_tables || products || committed;
    let chain = match (batch, format.public_inputs, more) {
        (1, true, false) => &LANES[..1],
        (1, false, false) => &LANES[..],
        // The chain circuit is of one inference, and has linear nodes only.
        _ => &[],
    };
    let chain = chain.iter().map(|lanes| Shape { lanes: *lanes, ..*format });
    // As many weights in a cell as it holds; limbs in as few rows as a column more saves.
    let most = GraphShape { windows, committed, totals, ..GraphShape::new(format.limbs, 1) };
    let packed = Shape { graph: Some(most), ..*format }.most_packed();
    let tables: Vec<(usize, usize)> = match has_paths {
        true => {
            let most = if batch > 1 { PATH_LANES.len() } else { 2 };
            NODE_LANES.iter().flat_map(|w| PATH_LANES[..most].iter().map(|p| (*w, *p))).collect()
        }
        false => vec![(0, 1)],
    };
    let segments = if has_tables { &SEGMENT_LANES[..] } else { &[0] };
    let tables = tables.into_iter().flat_map(|own| segments.iter().map(move |f| (own, *f)));
    let graph = tables.flat_map(|((node_lanes, path_lanes), segment_lanes)| {
        let compared = if has_paths { path_lanes * format.value_limbs() } else { 1 };
        let evaluated = if has_tables { format.value_limbs() } else { 1 };
        // The limbs of a gap stand in one row.
        let together = if windows { format.limbs } else { 1 };
        let least = compared.max(evaluated).max(together);
        let columns = (least..=format.limbs.max(least)).filter(move |m| {
            *m == least || format.limbs.div_ceil(*m) < format.limbs.div_ceil(m - 1)
        });
        columns.flat_map(move |limb_columns| {
            let tables = GraphShape { node_lanes, path_lanes, segment_lanes, products, ..most };
            let graph = Some(GraphShape { limb_columns, packed, batch, ..tables });
            LANES.iter().map(move |lanes| Shape { lanes: *lanes, graph, ..*format })
        })
    });
    chain.chain(graph).collect()
}

#[cfg(test)]
mod tests;
