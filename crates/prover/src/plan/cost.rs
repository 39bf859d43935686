//! What a shape costs: gas of a verification, time and memory of a proof.
//!
//! Proportions come from the constraint system. The constants are fitted: those of gas to
//! the generator's estimate, which an EVM confirms (a test compares them), those of time to
//! measurements on two cores with AVX-512 IFMA, which `verdict bench --dense … --shapes N`
//! repeats.

use serde::{Deserialize, Serialize};
use verdict_kzg::protocol::{Opening, Protocol, ProtocolError};

use super::{MOST_BALANCED_FOLD_K, Objective, srs_k};
use crate::{
    circuit::{PublicValues, constraint_system, secret_columns},
    graph::LinearMap,
    integer::{IntegerGraph, IntegerOp, Maxima},
    keys::protocol,
    shape::Shape,
};

/// Gas that every verification takes: the transaction, the pairing.
const GAS_BASE: f64 = 145_670.9;
/// Gas of a commitment that a verification multiplies: ecMul, ecAdd, calls.
const GAS_PER_MULTIPLICATION: f64 = 6_539.0;
/// Gas of a point of the proof: calldata, hashing, the curve's equation.
const GAS_PER_POINT: f64 = 951.4;
/// Gas of a value that is opened: calldata, hashing, gates, interpolation.
const GAS_PER_VALUE: f64 = 572.7;
/// Gas of an instance: calldata, its Lagrange term.
const GAS_PER_INSTANCE: f64 = 357.7;
/// Seconds that a proof takes whatever the circuit.
const SECONDS_BASE: f64 = 0.004;
/// Seconds a row: quotient and opening.
const SECONDS_PER_ROW: f64 = 7e-6;
/// Seconds a row and column of full-size values.
const SECONDS_PER_FULL: f64 = 1.2e-6;
/// Seconds a row and column of small values or of inverses of the table.
const SECONDS_PER_SMALL: f64 = 5e-7;
/// Seconds a row and fixed column.
const SECONDS_PER_FIXED: f64 = 1.5e-7;
/// Seconds a row and column of the largest group but its first: the opening's polynomials
/// are as much longer.
const SECONDS_PER_FOLD: f64 = 1e-6;
/// Well below this many seconds, the balance does not pay for time with gas.
const SHORT: f64 = 0.06;
/// In the balance, halving a long proof's time is worth a third more gas: (4/3)^2.4 ≈ 2.
const GAS_AGAINST_TIME: f64 = 2.4;
/// Gas that the balance does not exceed for time where columns may be folded, if it can: it
/// counts several times beyond.
const BALANCED_GAS: f64 = 410_000.0;
/// How often.
const BEYOND_BALANCE: f64 = 4.0;
/// Of the least gas, halving a long proof's time is worth 9 % more gas: 2^0.12 ≈ 1.09, …
const TIME_AGAINST_GAS: f64 = 0.12;
/// … and half of that where it is more than this, which counts twice beyond.
const LEAST_GAS: f64 = 260_000.0;

/// What a proof of a shape costs, about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// Of a verification.
    pub(super) gas: f64,
    /// Of a proof, on two cores.
    pub(super) seconds: f64,
}

impl Costs {
    pub(super) fn new(columns: &Columns, k: u32, public: &PublicValues) -> Self {
        let Columns { shape, protocol, advice, fixed } = columns;
        let gas = GAS_BASE
            + GAS_PER_MULTIPLICATION * protocol.multiplications() as f64
            + GAS_PER_POINT * protocol.num_points() as f64
            + GAS_PER_VALUE * protocol.num_evaluations() as f64
            + GAS_PER_INSTANCE * public.count() as f64;
        // Cells of paths are small, and most of them 0.
        let paths = (7 * shape.path_lanes()).saturating_sub(1) + 2 * shape.node_lanes();
        // So are those of functions, which stand on few rows.
        let curves = if shape.segment_lanes() > 0 { 3 } else { 0 } + 2 * shape.segment_lanes();
        let small = 2 * shape.limb_columns() + paths + curves;
        let full = advice.saturating_sub(small);
        let row = SECONDS_PER_ROW
            + SECONDS_PER_FULL * full as f64
            + SECONDS_PER_SMALL * small as f64
            + SECONDS_PER_FIXED * *fixed as f64
            + SECONDS_PER_FOLD * (protocol.max_fold() - 1) as f64;
        Self { gas, seconds: SECONDS_BASE + row * (1u64 << k) as f64 }
    }

    /// Relative cost of `2^k` rows; only comparable within one objective.
    pub(super) fn under(&self, objective: Objective, k: u32) -> f64 {
        let Self { gas, seconds } = self;
        let beyond = match k <= MOST_BALANCED_FOLD_K {
            true => BEYOND_BALANCE * (gas / BALANCED_GAS).ln().max(0.0),
            false => 0.0,
        };
        match objective {
            Objective::Balanced => GAS_AGAINST_TIME * (gas.ln() + beyond) + (SHORT + seconds).ln(),
            Objective::Gas => {
                let beyond = (gas / LEAST_GAS).ln().max(0.0);
                gas.ln() + beyond + TIME_AGAINST_GAS * (SHORT + seconds).ln()
            }
            Objective::Time => seconds + gas * 1e-12,
        }
    }
}

/// A shape's columns as they are committed to.
pub(super) struct Columns {
    shape: Shape,
    advice: usize,
    fixed: usize,
    protocol: Protocol,
}

impl Columns {
    /// The columns of a shape under each opening.
    pub(super) fn under(
        shape: &Shape,
        openings: &[Opening],
    ) -> Result<Vec<(Opening, Self)>, ProtocolError> {
        let (system, secret) = (constraint_system(shape), secret_columns(shape));
        let (advice, fixed) = (system.num_advice_columns(), system.num_fixed_columns());
        let under = |opening: &Opening| {
            let protocol = Protocol::outline(&system, &secret, *opening)?;
            Ok((*opening, Self { shape: *shape, advice, fixed, protocol }))
        };
        openings.iter().map(under).collect()
    }
}

/// Costs known before any key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows, 2^k.
    pub rows: usize,
    /// log2 of the number of powers of τ that the SRS must have.
    pub srs_k: u32,
    /// Advice and fixed columns.
    pub columns: usize,
    /// Commitments a verifier multiplies: proof, key and quotient pieces.
    pub commitments: usize,
    /// Instances, the context included.
    pub instances: usize,
    /// Bytes of a proof.
    pub proof_bytes: usize,
    /// Peak memory of a process that proves, bytes.
    pub memory_bytes: usize,
}

impl Estimate {
    /// What a model of this shape, opening and size costs.
    pub(super) fn new(
        (shape, opening): (&Shape, Opening),
        (k, graph): (u32, &IntegerGraph),
        public: &PublicValues,
    ) -> Result<Self, ProtocolError> {
        let rows = 1usize << k;
        let (protocol, system) = (protocol(shape, opening)?, constraint_system(shape));
        let columns = system.num_advice_columns() + system.num_fixed_columns();
        let kept = columns - shape.lanes.min(columns);
        let bases: usize = protocol.proof_folds().iter().sum();
        Ok(Self {
            rows,
            srs_k: srs_k(&protocol, k),
            columns,
            commitments: protocol.multiplications(),
            instances: public.count(),
            proof_bytes: protocol.proof_length(),
            // Values, coefficients and extension of every column, of weight lanes values only;
            // the SRS, its points with their images: powers, bases of groups; the model as it is
            // read and laid out; the program.
            memory_bytes: rows * (116 * kept + 32 * shape.lanes + 128 * bases)
                + 128 * protocol.powers_needed(k)
                + 60 * weights(graph)
                + (38 << 20),
        })
    }
}

/// Numbers that a graph's equations multiply by.
fn weights(graph: &IntegerGraph) -> usize {
    let of = |op: &IntegerOp| match op {
        IntegerOp::Linear(linear) | IntegerOp::Maxima(Maxima { linear, .. }) => {
            linear.maps.iter().map(LinearMap::coefficients).sum()
        }
        _ => 0,
    };
    graph.nodes.iter().map(|node| of(&node.op)).sum()
}
