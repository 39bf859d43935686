//! What a model's inputs and outputs mean in integers.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Declared ranges of the inputs, one [lo, hi] for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// [lo, hi] of each input.
    pub input: Vec<[f64; 2]>,
}

/// How inputs become integers: affinely, so that the declared range is exactly the
/// integers of the proven range, both ends included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSchema {
    /// [lo, hi] of each input; lo is the integer 0, hi the integer 2^bits − 1.
    pub ranges: Vec<[f64; 2]>,
    /// Bits of an input integer.
    pub bits: u32,
}

/// How output words are read: value = (word + min) / 10^decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSchema {
    /// Number of outputs.
    pub count: usize,
    /// Decimals of a fixed-point output.
    pub decimals: u32,
    /// Smallest value, in units of 10^−decimals.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

/// An input that is not one.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Wrong number of inputs or ranges.
    #[error("expected {expected} {what}, got {got}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// The model's number.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// A range that is empty, a single point, or not finite.
    #[error(
        "the range of input {index} is [{lo}, {hi}]: both ends must be finite and the first below \
         the second"
    )]
    Range {
        /// Index of the input.
        index: usize,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
    /// NaN or infinite.
    #[error("input {index} is {value}, which is not a finite number")]
    NotFinite {
        /// Index of the input.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Outside the declared range.
    #[error(
        "input {index} is {value}, outside its declared range [{lo}, {hi}]; correct the input, or \
         set the model up again with a wider range"
    )]
    OutOfRange {
        /// Index of the input.
        index: usize,
        /// The value.
        value: f64,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
}

impl Ranges {
    /// The same range for every input.
    pub fn uniform(inputs: usize, lo: f64, hi: f64) -> Self {
        Self { input: vec![[lo, hi]; inputs] }
    }

    /// Ranges that contain every sample, widened by a tenth of their width on both
    /// sides; a constant input gets a width of 1.
    pub fn from_samples(samples: &[Vec<f64>], inputs: usize) -> Result<Self, SchemaError> {
        let mut input = vec![[f64::INFINITY, f64::NEG_INFINITY]; inputs];
        for sample in samples {
            check_length("inputs in a calibration sample", inputs, sample.len())?;
            for (index, (range, &value)) in input.iter_mut().zip(sample).enumerate() {
                if !value.is_finite() {
                    return Err(SchemaError::NotFinite { index, value });
                }
                *range = [range[0].min(value), range[1].max(value)];
            }
        }
        check_length("calibration samples", 1, samples.len().min(1))?;
        for range in &mut input {
            let margin = if range[0] < range[1] { (range[1] - range[0]) / 10.0 } else { 0.5 };
            *range = [range[0] - margin, range[1] + margin];
        }
        Ok(Self { input })
    }

    /// Checks that there is a range for each of `inputs` inputs, and that it is one.
    pub fn validate(&self, inputs: usize) -> Result<(), SchemaError> {
        check_length("input ranges", inputs, self.input.len())?;
        for (index, [lo, hi]) in self.input.iter().copied().enumerate() {
            if !(lo.is_finite() && hi.is_finite() && lo < hi && (hi - lo).is_finite()) {
                return Err(SchemaError::Range { index, lo, hi });
            }
        }
        Ok(())
    }
}

fn check_length(what: &'static str, expected: usize, got: usize) -> Result<(), SchemaError> {
    if expected == got { Ok(()) } else { Err(SchemaError::Length { what, expected, got }) }
}

impl InputSchema {
    /// The real value of one unit of input `index`.
    pub fn unit(&self, index: usize) -> f64 {
        let [lo, hi] = self.ranges[index];
        (hi - lo) / self.largest()
    }

    fn largest(&self) -> f64 {
        ((1u64 << self.bits) - 1) as f64
    }

    /// Rounds real inputs to integers.
    pub fn encode(&self, inputs: &[f64]) -> Result<Vec<i64>, SchemaError> {
        check_length("inputs", self.ranges.len(), inputs.len())?;
        let encode = |(index, (&value, &[lo, hi])): (usize, (&f64, &[f64; 2]))| {
            if !value.is_finite() {
                return Err(SchemaError::NotFinite { index, value });
            }
            if value < lo || value > hi {
                return Err(SchemaError::OutOfRange { index, value, lo, hi });
            }
            let unit = (value - lo) / (hi - lo);
            Ok((unit * self.largest()).round().clamp(0.0, self.largest()) as i64)
        };
        inputs.iter().zip(&self.ranges).enumerate().map(encode).collect()
    }
}

impl OutputSchema {
    /// A word as a fixed-point integer.
    pub fn value(&self, word: i64) -> i64 {
        word + self.min
    }

    /// A word as a real number.
    pub fn decode(&self, word: i64) -> f64 {
        self.value(word) as f64 / 10f64.powi(self.decimals as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> InputSchema {
        InputSchema { ranges: vec![[-1.0, 3.0], [0.0, 1e9]], bits: 30 }
    }

    #[test]
    fn both_ends_of_a_range_are_integers_of_the_proven_range() {
        assert_eq!(schema().encode(&[-1.0, 0.0]), Ok(vec![0, 0]));
        assert_eq!(schema().encode(&[3.0, 1e9]), Ok(vec![(1 << 30) - 1, (1 << 30) - 1]));
    }

    #[test]
    fn an_input_outside_its_range_or_not_finite_is_refused() {
        let out = schema().encode(&[3.0000001, 0.0]).expect_err("above");
        assert!(matches!(out, SchemaError::OutOfRange { index: 0, .. }));
        for value in [f64::NAN, f64::INFINITY] {
            let error = schema().encode(&[0.0, value]).expect_err("not finite");
            assert!(matches!(error, SchemaError::NotFinite { index: 1, .. }));
        }
        assert!(matches!(schema().encode(&[0.0]), Err(SchemaError::Length { .. })));
    }

    #[test]
    fn a_range_of_one_point_is_refused() {
        for (lo, hi) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(Ranges::uniform(2, lo, hi).validate(2).is_err());
        }
        assert!(Ranges::uniform(2, 0.0, 1.0).validate(3).is_err());
    }

    #[test]
    fn calibration_ranges_contain_their_samples() {
        let ranges = Ranges::from_samples(&[vec![1.0, 5.0], vec![2.0, 5.0]], 2).expect("two");
        assert_eq!(ranges.input, vec![[0.9, 2.1], [4.5, 5.5]]);
        assert!(Ranges::from_samples(&[], 2).is_err());
    }
}
