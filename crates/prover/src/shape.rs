//! The shape of a circuit: everything its constraint system depends on.
//!
//! Two models of one shape have the same gates, queries and rotations, whatever
//! their weights, layer sizes, number of rows or number of instances, and share
//! one deployed verifier contract.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Parameters of the constraint system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Bits of a limb, b: the range table holds [0, 2^b).
    pub limb_bits: u32,
    /// Limbs of a pre-activation, R: its magnitude is below 2^(b·R).
    pub limbs: usize,
    /// Limbs dropped by the rescale: a value is its pre-activation divided by
    /// 2^(b·shift_limbs).
    pub shift_limbs: usize,
    /// Weight columns, C: a row consumes C weights.
    pub lanes: usize,
    /// Whether the inputs are instances.
    pub public_inputs: bool,
    /// The parameters of a graph circuit; none for the chain circuit, which proves chains
    /// of dense layers with the fewest commitments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphShape>,
}

/// What a graph circuit's constraint system depends on besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphShape {
    /// Limb columns, M: a pre-activation takes ⌈R / M⌉ rows.
    pub limb_columns: usize,
    /// Weights in one cell, E. Only the layout depends on it, not the contract.
    pub packed: usize,
    /// Inferences that one proof is of, T: weights are read once for all of them.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub batch: usize,
    /// Lanes of the node table of decision trees whose paths are proven, W: a row holds W
    /// nodes. 0 without such trees.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub node_lanes: usize,
    /// Paths side by side, P, where there are any.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub path_lanes: usize,
    /// Whether maxima over windows of pre-activations are proven. A pre-activation's limbs
    /// stand in one row then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub windows: bool,
    /// Lanes of the segment table of functions of one variable, F: a row holds F segments. 0
    /// where functions are made of ReLUs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub segment_lanes: usize,
    /// Whether what is stated of public inputs is a hash of their words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub committed: bool,
    /// Whether products of two values are proven.
    #[serde(default, skip_serializing_if = "is_false")]
    pub products: bool,
    /// Whether the outputs that are stated are sums over all inferences of the batch, and inputs,
    /// if they are committed, one list. Only the layout depends on it, not the contract.
    #[serde(default, skip_serializing_if = "is_false")]
    pub totals: bool,
}

impl GraphShape {
    /// The parameters of a circuit of one inference.
    pub fn new(limb_columns: usize, packed: usize) -> Self {
        Self {
            limb_columns,
            packed,
            batch: 1,
            node_lanes: 0,
            path_lanes: 1,
            windows: false,
            segment_lanes: 0,
            committed: false,
            products: false,
            totals: false,
        }
    }
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(batch: &usize) -> bool {
    *batch == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(there: &bool) -> bool {
    !there
}

/// Most inferences of one proof.
pub const MAX_BATCH: usize = 4096;

/// Bits of a field element that packed integers may use: p/2 is above 2^252.
pub(crate) const CELL_BITS: usize = 252;

/// A shape outside the supported limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported circuit shape: {field} is {value}, must be {constraint}")]
pub struct ShapeError {
    field: &'static str,
    value: usize,
    constraint: &'static str,
}

impl Shape {
    /// Checks the limits within which the constraint system is sound and the
    /// integer reference cannot overflow 64 bits.
    pub fn validate(&self) -> Result<(), ShapeError> {
        let check = |holds: bool, field, value, constraint| {
            if holds { Ok(()) } else { Err(ShapeError { field, value, constraint }) }
        };
        let bits = self.limb_bits as usize;
        check((4..=16).contains(&bits), "limb_bits", bits, "4 to 16")?;
        let least = if self.graph.is_some() { 1 } else { 2 };
        check(
            (least..=4).contains(&self.shift_limbs),
            "shift_limbs",
            self.shift_limbs,
            "2 to 4, or 1 to 4 in a graph circuit",
        )?;
        check(
            (self.shift_limbs + 1..=12).contains(&self.limbs),
            "limbs",
            self.limbs,
            "above shift_limbs and at most 12",
        )?;
        check(bits * self.limbs <= 62, "limb_bits × limbs", bits * self.limbs, "at most 62")?;
        check((1..=64).contains(&self.lanes), "lanes", self.lanes, "1 to 64")?;
        if let Some(graph) = &self.graph {
            check((1..=MAX_BATCH).contains(&graph.batch), "batch", graph.batch, "from 1 to 4096")?;
            let lanes = graph.node_lanes;
            check(lanes <= 64, "node_lanes", lanes, "at most 64")?;
            let paths = graph.path_lanes;
            check((1..=16).contains(&paths), "path_lanes", paths, "1 to 16")?;
            if graph.committed && !self.public_inputs {
                let (field, value, constraint) =
                    ("committed", 1, "0 where no inputs are stated: set public_inputs");
                return Err(ShapeError { field, value, constraint });
            }
            if graph.totals {
                check(graph.batch > 1, "batch", graph.batch, "at least 2 where totals are stated")?;
                check(
                    graph.committed || !self.public_inputs,
                    "public_inputs",
                    usize::from(self.public_inputs),
                    "0 where totals are stated, or inputs committed",
                )?;
            }
            let segments = graph.segment_lanes;
            check(segments <= 64, "segment_lanes", segments, "at most 64")?;
            // More than a pre-activation has limbs only where paths compare with them.
            let evaluated = if segments == 0 { 1 } else { self.value_limbs() };
            let compared = if lanes == 0 { 1 } else { paths * self.value_limbs() };
            let compared = compared.max(evaluated);
            check(
                (compared..=self.limbs.max(compared)).contains(&graph.limb_columns),
                "limb_columns",
                graph.limb_columns,
                "as many as functions and paths side by side compare with, and no more than that \
                 and the number of limbs",
            )?;
            check(
                !graph.windows || graph.limb_columns == self.limbs,
                "limb_columns",
                graph.limb_columns,
                "the number of limbs where maxima over windows are proven",
            )?;
            return check(
                (1..=self.most_packed()).contains(&graph.packed),
                "packed",
                graph.packed,
                "at least 1, and packed × (accumulator bits + 1, or + 2 with windows) at most 252",
            );
        }
        check(
            !self.public_inputs || self.lanes == 1,
            "lanes",
            self.lanes,
            "1 when the inputs are public",
        )
    }

    /// n: a value is its pre-activation divided by 2^n, rounded down.
    pub fn shift_bits(&self) -> u32 {
        self.limb_bits * self.shift_limbs as u32
    }

    /// Bits of a value after the rescale.
    pub fn value_bits(&self) -> u32 {
        self.limb_bits * (self.limbs - self.shift_limbs) as u32
    }

    /// Bits of the magnitude of a pre-activation.
    pub fn accumulator_bits(&self) -> u32 {
        self.limb_bits * self.limbs as u32
    }

    /// Limb columns, M.
    pub fn limb_columns(&self) -> usize {
        self.graph.map_or(1, |graph| graph.limb_columns)
    }

    /// Weights in one cell, E.
    pub fn packed(&self) -> usize {
        self.graph.map_or(1, |graph| graph.packed)
    }

    /// Inferences that one proof is of, T.
    pub fn batch(&self) -> usize {
        self.graph.map_or(1, |graph| graph.batch)
    }

    /// Whether outputs are stated as sums over all inferences.
    pub fn totals(&self) -> bool {
        self.graph.is_some_and(|graph| graph.totals)
    }

    /// How often public words are stated: once for each inference, or once for all of them.
    pub fn statements(&self) -> usize {
        if self.totals() { 1 } else { self.batch() }
    }

    /// Lanes of the node table, W; 0 in circuits that prove no paths of trees.
    pub fn node_lanes(&self) -> usize {
        self.graph.map_or(0, |graph| graph.node_lanes)
    }

    /// Paths side by side, P; 0 in circuits that prove no paths of trees.
    pub fn path_lanes(&self) -> usize {
        self.graph.filter(|graph| graph.node_lanes > 0).map_or(0, |graph| graph.path_lanes)
    }

    /// Whether maxima over windows of pre-activations are proven.
    pub fn windows(&self) -> bool {
        self.graph.is_some_and(|graph| graph.windows)
    }

    /// Lanes of the segment table, F; 0 in circuits that prove no functions.
    pub fn segment_lanes(&self) -> usize {
        self.graph.map_or(0, |graph| graph.segment_lanes)
    }

    /// Whether public inputs are stated by a hash of their words.
    pub fn committed(&self) -> bool {
        self.graph.is_some_and(|graph| graph.committed)
    }

    /// Bits of how far a value is into its segment: all but the highest limb's.
    pub fn offset_bits(&self) -> u32 {
        self.value_bits() - self.limb_bits
    }

    /// Whether look-ups are of several numbers that a challenge makes one of.
    pub(crate) fn compound_lookups(&self) -> bool {
        self.node_lanes() + self.segment_lanes() > 0
    }

    /// Whether products of two values are proven.
    pub fn products(&self) -> bool {
        self.graph.is_some_and(|graph| graph.products)
    }

    /// Bits of the difference between both sides of an equation: a pre-activation's and one
    /// more, and another where the left side is a maximum less a gap.
    pub(crate) fn difference_bits(&self) -> u32 {
        self.accumulator_bits() + 1 + u32::from(self.windows())
    }

    /// Limbs of a value after the rescale.
    pub fn value_limbs(&self) -> usize {
        self.limbs - self.shift_limbs
    }

    /// Fixed columns that hold the model: weights, two a lane of the node table, three a lane
    /// of the segment table.
    pub fn secret_columns(&self) -> usize {
        self.lanes + 2 * self.node_lanes() + 3 * self.segment_lanes()
    }

    /// The most weights that one cell holds: below p/2 with the differences of their
    /// outputs.
    pub fn most_packed(&self) -> usize {
        CELL_BITS / self.difference_bits() as usize
    }

    /// Rows that a pre-activation's limbs take.
    pub fn value_rows(&self) -> usize {
        self.limbs.div_ceil(self.limb_columns())
    }

    /// Entries of the range table.
    pub fn table_size(&self) -> usize {
        1 << self.limb_bits
    }

    /// Rows that a list of `length` weights occupies.
    pub(crate) fn weight_rows(&self, length: usize) -> usize {
        length.div_ceil(self.lanes)
    }
}

/// The shape of a model this small that any choice would do; halo2 wants a default.
impl Default for Shape {
    fn default() -> Self {
        Self {
            limb_bits: 10,
            limbs: 5,
            shift_limbs: 2,
            lanes: 1,
            public_inputs: false,
            graph: None,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limb_bits, limbs, shift_limbs, lanes, public_inputs, graph } = self;
        let kind = if graph.is_some() { "graph" } else { "dense" };
        write!(f, "{kind}-b{limb_bits}-r{limbs}-n{shift_limbs}-c{lanes}")?;
        if let Some(graph) = graph {
            let GraphShape { limb_columns, packed, batch, node_lanes, path_lanes, .. } = graph;
            let GraphShape { windows, segment_lanes, products, totals, .. } = graph;
            write!(f, "-m{limb_columns}-e{packed}")?;
            if *batch > 1 {
                write!(f, "-t{batch}")?;
            }
            if *node_lanes > 0 {
                write!(f, "-w{node_lanes}")?;
            }
            if *path_lanes > 1 {
                write!(f, "-p{path_lanes}")?;
            }
            if *windows {
                f.write_str("-max")?;
            }
            if *segment_lanes > 0 {
                write!(f, "-f{segment_lanes}")?;
            }
            if *products {
                f.write_str("-mul")?;
            }
            if *totals {
                f.write_str("-sum")?;
            }
        }
        match (public_inputs, self.committed()) {
            (true, true) => f.write_str("-committed"),
            (true, false) => f.write_str("-public"),
            (false, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_whose_accumulator_exceeds_62_bits_is_refused() {
        let shape = Shape { limb_bits: 16, limbs: 4, ..Shape::default() };
        assert_eq!(shape.validate().expect_err("64 bits").field, "limb_bits × limbs");
    }

    #[test]
    fn packed_weights_stay_below_half_the_modulus() {
        // 50 bits of pre-activations: a difference takes 51, and 4·51 ≤ 252 < 5·51.
        for (packed, valid) in [(0, false), (1, true), (4, true), (5, false)] {
            let graph = Some(GraphShape::new(2, packed));
            assert_eq!(Shape { graph, ..Shape::default() }.validate().is_ok(), valid, "{packed}");
        }
    }

    #[test]
    fn public_inputs_need_a_single_lane() {
        let shape = Shape { lanes: 2, public_inputs: true, ..Shape::default() };
        assert!(shape.validate().is_err());
    }
}
