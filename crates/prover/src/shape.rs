//! The shape of a dense circuit: everything its constraint system depends on.
//!
//! Two models of one shape have the same gates, queries and rotations, whatever
//! their weights, layer sizes, number of rows or number of instances, and share
//! one deployed verifier contract.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Parameters of the dense constraint system.
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
}

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
        check((2..=4).contains(&self.shift_limbs), "shift_limbs", self.shift_limbs, "2 to 4")?;
        check(
            (self.shift_limbs + 1..=12).contains(&self.limbs),
            "limbs",
            self.limbs,
            "above shift_limbs and at most 12",
        )?;
        check(bits * self.limbs <= 62, "limb_bits × limbs", bits * self.limbs, "at most 62")?;
        check((1..=64).contains(&self.lanes), "lanes", self.lanes, "1 to 64")?;
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
        Self { limb_bits: 10, limbs: 5, shift_limbs: 2, lanes: 1, public_inputs: false }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dense-b{}-r{}-n{}-c{}{}",
            self.limb_bits,
            self.limbs,
            self.shift_limbs,
            self.lanes,
            if self.public_inputs { "-public" } else { "" }
        )
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
    fn public_inputs_need_a_single_lane() {
        let shape = Shape { lanes: 2, public_inputs: true, ..Shape::default() };
        assert!(shape.validate().is_err());
    }
}
