//! What a model's inputs and outputs mean in integers.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grid::Grid;
use crate::graph::{ElementKind, Graph, Tensor};

/// What is declared of the inputs: a range, [lo, hi], for each element of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// [lo, hi] of each element, one input after the other.
    pub input: Vec<[f64; 2]>,
    /// The grid of each element that has one; none of them where this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grids: Vec<Option<Grid>>,
    /// Positions of inputs that stay private where inputs are public; in order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<usize>,
}

/// How inputs become integers: affinely, so that the declared range is exactly the
/// integers of the proven range, both ends included. What stands on a grid becomes integers
/// exactly; its range is proven up to the next power of two of its width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSchema {
    /// The model's inputs, in its order.
    pub tensors: Vec<InputTensor>,
    /// [lo, hi] of each element, one input after the other; lo is the integer 0, or the second
    /// point where the first stands for a missing value.
    pub ranges: Vec<[f64; 2]>,
    /// Bits of an input integer.
    pub bits: u32,
    /// The grid of each element that has one; none of them where this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grids: Vec<Option<Grid>>,
    /// Positions of inputs that stay private where inputs are public; in order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<usize>,
}

/// An input of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputTensor {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Whether it takes integers only.
    pub integer: bool,
}

/// How output words are read: value = (word + min) / 10^decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSchema {
    /// The model's outputs, in its order; words are theirs, one output after the other.
    pub tensors: Vec<OutputTensor>,
    /// Number of words.
    pub count: usize,
    /// Decimals of a fixed-point output.
    pub decimals: u32,
    /// Smallest value, in units of 10^−decimals.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

/// An output of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTensor {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
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
    /// A private input that is none.
    #[error("private input {index} is not one of the model's {count} inputs, or named twice")]
    Private {
        /// Its position.
        index: usize,
        /// Inputs of the model.
        count: usize,
    },
    /// A range that is empty, a single point, or not finite.
    #[error(
        "the range of input {index} is [{}, {}]: both ends must be finite and the first below \
         the second",
        short(*lo), short(*hi)
    )]
    Range {
        /// Index of the input.
        index: usize,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
    /// Infinite, or NaN where none may be missing.
    #[error("{element} is {value}, which is not a finite number")]
    NotFinite {
        /// The element: its input's name and its indices.
        element: String,
        /// The value.
        value: f64,
    },
    /// Missing in every sample of a calibration.
    #[error("input {index} is missing in every sample, which says nothing of its range")]
    AlwaysMissing {
        /// Index of the input.
        index: usize,
    },
    /// Decimals where the model takes integers.
    #[error("{element} is declared with {decimals} decimals, the model takes integers there")]
    NoDecimals {
        /// The element: its input's name and its indices.
        element: String,
        /// The decimals.
        decimals: u32,
    },
    /// Not an integer where the model takes integers.
    #[error("{element} is {value}, the model takes integers there")]
    NotInteger {
        /// The element: its input's name and its indices.
        element: String,
        /// The value.
        value: f64,
    },
    /// Not on the declared grid.
    #[error("{element} is {value}, which has more than its declared {decimals} decimals")]
    NotOnGrid {
        /// The element, `x[0][3]`.
        element: String,
        /// The value.
        value: f64,
        /// Decimals declared.
        decimals: u32,
    },
    /// A grid of too many points.
    #[error(
        "{element} has {decimals} decimals from {} to {}: at most {most} decimals and \
         2^53 values are possible; declare fewer decimals or a narrower range",
        short(*lo), short(*hi),
        most = super::grid::MAX_DECIMALS
    )]
    Grid {
        /// The element, `x[0][3]`.
        element: String,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
        /// Decimals declared.
        decimals: u32,
    },
    /// A grid of more points than an input of the circuit can be.
    #[error(
        "{element} has {decimals} decimals from {} to {}, more values than the 2^{bits} that an \
         input of this circuit may have; declare fewer decimals or a narrower range",
        short(*lo), short(*hi)
    )]
    TooFine {
        /// The element, `x[0][3]`.
        element: String,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
        /// Decimals declared.
        decimals: u32,
        /// Bits of an input.
        bits: u32,
    },
    /// A declaration that something may be missing that cannot.
    #[error(
        "{element} takes integers or names, which are never missing; of integers declare names and their \
         numbers, {{\"categories\": {{\"none\": -1, \"20\": 20}}}}, or make it one of floats"
    )]
    NeverMissing {
        /// The element, `x[0][3]`.
        element: String,
    },
    /// A missing value would be computed with.
    #[error(
        "{element} may be missing, but node {node} computes with it; only trees, comparisons and \
         an Imputer take a missing value"
    )]
    MissingComputed {
        /// The element, `x[0][3]`.
        element: String,
        /// The node.
        node: String,
    },
    /// Outside the declared range.
    #[error(
        "{element} is {}, outside its declared range [{lo}, {hi}]; correct the input, or \
         set the model up again with a wider range", short(*value)
    )]
    OutOfRange {
        /// The element: its input's name and its indices.
        element: String,
        /// The value.
        value: f64,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
}

/// A number without its hundreds of zeros.
fn short(value: f64) -> String {
    let plain = value == 0.0 || (1e-6..1e15).contains(&value.abs()) || !value.is_finite();
    if plain { value.to_string() } else { format!("{value:e}") }
}

impl Ranges {
    /// The same range for every input.
    pub fn uniform(inputs: usize, lo: f64, hi: f64) -> Self {
        Self { input: vec![[lo, hi]; inputs], grids: Vec::new(), private: Vec::new() }
    }

    /// Checks that there is a range for each of `inputs` inputs, and that it is one.
    pub fn validate(&self, inputs: usize) -> Result<(), SchemaError> {
        check_length("input ranges", inputs, self.input.len())?;
        if !self.grids.is_empty() {
            check_length("grids", inputs, self.grids.len())?;
        }
        for (index, [lo, hi]) in self.input.iter().copied().enumerate() {
            if !(lo.is_finite() && hi.is_finite() && lo < hi && (hi - lo).is_finite()) {
                return Err(SchemaError::Range { index, lo, hi });
            }
        }
        Ok(())
    }

    /// The corner of the ranges that `high` describes.
    pub(crate) fn corner(&self, high: impl Fn(usize) -> bool) -> Vec<f64> {
        self.input.iter().enumerate().map(|(i, [lo, hi])| if high(i) { *hi } else { *lo }).collect()
    }
}

pub(super) fn check_length(
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), SchemaError> {
    if expected == got { Ok(()) } else { Err(SchemaError::Length { what, expected, got }) }
}

/// Positions must be of inputs, each once and in order.
fn check_private(private: &[usize], count: usize) -> Result<(), SchemaError> {
    let mut next = 0;
    for index in private.iter().copied() {
        if index < next || index >= count {
            return Err(SchemaError::Private { index, count });
        }
        next = index + 1;
    }
    Ok(())
}

impl InputSchema {
    /// The schema of a model's inputs within `ranges`.
    ///
    /// # Errors
    /// Ranges that are none; on a grid: ends that are none, or too far apart.
    pub fn new(graph: &Graph, ranges: &Ranges, bits: u32) -> Result<Self, SchemaError> {
        let tensors = InputTensor::of(graph);
        ranges.validate(tensors.iter().map(InputTensor::len).sum())?;
        let ranges = ranges.resolve(graph)?;
        let gridded = ranges.grids.iter().any(Option::is_some);
        let grids = if gridded { ranges.grids.clone() } else { Vec::new() };
        let private = ranges.private.clone();
        check_private(&private, tensors.len())?;
        let schema = Self { tensors, ranges: ranges.input, bits, grids, private };
        for (index, [lo, hi]) in schema.ranges.iter().copied().enumerate() {
            if let Some(grid) = schema.grid(index)
                && grid.nearest(hi) - grid.nearest(lo) + grid.before() as f64 > schema.largest()
            {
                let (element, decimals) = (schema.element(index), grid.decimals);
                return Err(SchemaError::TooFine { element, lo, hi, decimals, bits });
            }
        }
        Ok(schema)
    }

    /// Element `index` for a message, `x[0][3]`.
    fn element(&self, index: usize) -> String {
        InputTensor::element(&self.tensors, index)
    }

    /// Of the elements of all inputs, those that are stated where inputs are public.
    pub fn stated<T: Copy>(&self, elements: &[T]) -> Vec<T> {
        let mut rest = elements;
        let mut stated = Vec::with_capacity(elements.len());
        for (index, tensor) in self.tensors.iter().enumerate() {
            let (own, others) = rest.split_at(tensor.len().min(rest.len()));
            if !self.private.contains(&index) {
                stated.extend_from_slice(own);
            }
            rest = others;
        }
        stated
    }

    /// The grid of element `index`, if it has one.
    pub fn grid(&self, index: usize) -> Option<Grid> {
        self.grids.get(index).copied().flatten()
    }

    /// Bits of an input integer below a step of its grid: a point k from the lower end is
    /// the integer k·2^shift. The most with which the range still fits.
    pub(super) fn shift(&self, index: usize, grid: Grid) -> u32 {
        let [lo, hi] = self.ranges[index];
        let points = grid.nearest(hi) - grid.nearest(lo) + grid.before() as f64;
        self.bits.saturating_sub(64 - (points as u64).leading_zeros())
    }

    /// The real value of one unit of element `index`.
    pub fn unit(&self, index: usize) -> f64 {
        let [lo, hi] = self.ranges[index];
        match self.grid(index) {
            Some(grid) => grid.value(1.0) / (1u64 << self.shift(index, grid)) as f64,
            None => (hi - lo) / self.largest(),
        }
    }

    /// What the integer 0 means: the lower end of a range, or what follows below it where that
    /// stands for a missing value.
    pub(super) fn lowest(&self, index: usize) -> f64 {
        let [lo, _] = self.ranges[index];
        match self.grid(index).filter(|grid| grid.missing) {
            Some(grid) => grid.value(grid.nearest(lo) - 1.0),
            None => lo,
        }
    }

    fn largest(&self) -> f64 {
        ((1u64 << self.bits) - 1) as f64
    }

    /// The real values of integers, as [`Self::encode`] makes them; on a grid its points, NaN
    /// for a missing value.
    pub fn decode(&self, integers: &[i64]) -> Vec<f64> {
        let value = |(index, &integer): (usize, &i64)| {
            let [lo, _] = self.ranges.get(index).copied().unwrap_or_default();
            match self.grid(index) {
                Some(grid) if grid.missing && integer == 0 => f64::NAN,
                Some(grid) => {
                    let points = (integer >> self.shift(index, grid)) - grid.before();
                    grid.value(grid.nearest(lo) + points as f64)
                }
                None => lo + integer as f64 * self.unit(index),
            }
        };
        integers.iter().take(self.ranges.len()).enumerate().map(value).collect()
    }

    /// Rounds real inputs, one input after the other, to integers; NaN is a missing value,
    /// where one is declared.
    pub fn encode(&self, inputs: &[f64]) -> Result<Vec<i64>, SchemaError> {
        check_length("inputs", self.ranges.len(), inputs.len())?;
        let encode = |(index, (&value, &[lo, hi])): (usize, (&f64, &[f64; 2]))| {
            if value.is_nan() && self.grid(index).is_some_and(|grid| grid.missing) {
                return Ok(0);
            }
            if !value.is_finite() {
                return Err(SchemaError::NotFinite { element: self.element(index), value });
            }
            // The float32 of a point is that point: an end of the range, too.
            let held = self.grid(index).filter(|grid| grid.holds(value));
            let point = held.map_or(value, |grid| grid.value(grid.nearest(value)));
            if point < lo || point > hi {
                return Err(SchemaError::OutOfRange {
                    element: self.element(index),
                    value,
                    lo,
                    hi,
                });
            }
            let word = match self.grid(index) {
                Some(grid) if grid.exact && !grid.holds(value) => {
                    return Err(match grid {
                        Grid::INTEGERS => {
                            SchemaError::NotInteger { element: self.element(index), value }
                        }
                        Grid { decimals, .. } => {
                            let element = self.element(index);
                            SchemaError::NotOnGrid { element, value, decimals }
                        }
                    });
                }
                Some(grid) => {
                    let points = grid.nearest(value) - grid.nearest(lo) + grid.before() as f64;
                    points * (1u64 << self.shift(index, grid)) as f64
                }
                None => (value - lo) / (hi - lo) * self.largest(),
            };
            Ok(word.round().clamp(0.0, self.largest()) as i64)
        };
        inputs.iter().zip(&self.ranges).enumerate().map(encode).collect()
    }
}

impl InputTensor {
    /// Number of elements.
    #[expect(clippy::len_without_is_empty, reason = "a tensor of a model is never empty")]
    pub fn len(&self) -> usize {
        self.dims.iter().fold(1, |len: usize, dim| len.saturating_mul(*dim))
    }

    /// Those of a model's inputs.
    pub(super) fn of(graph: &Graph) -> Vec<Self> {
        let tensors = graph.inputs.iter().map(|tensor| &graph.tensors[tensor.0]);
        let describe = |tensor: &Tensor| Self {
            name: tensor.name.clone(),
            dims: tensor.dims.clone(),
            integer: tensor.kind != ElementKind::Real,
        };
        tensors.map(describe).collect()
    }

    /// Element `index` of all `tensors` together for a message, `x[0][3]`.
    pub(super) fn element(tensors: &[Self], index: usize) -> String {
        element(tensors.iter().map(|tensor| (&*tensor.name, &*tensor.dims)), index)
    }
}

/// Element `index` of all tensors together, given by their names and dimensions.
fn element<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize])>, index: usize) -> String {
    let mut at = index;
    for (name, dims) in tensors {
        let mut step = dims.iter().fold(1, |len: usize, dim| len.saturating_mul(*dim));
        if at >= step {
            at -= step;
            continue;
        }
        let place = |dim: &usize| {
            step /= (*dim).max(1);
            format!("[{}]", at / step.max(1) % (*dim).max(1))
        };
        return format!("{name}{}", dims.iter().map(place).collect::<String>());
    }
    format!("number {index}")
}

impl OutputSchema {
    /// Element `index` of all outputs together for a message, `scores[0][3]`.
    pub fn element(&self, index: usize) -> String {
        element(self.tensors.iter().map(|tensor| (&*tensor.name, &*tensor.dims)), index)
    }

    /// A word as a fixed-point integer.
    pub fn value(&self, word: i64) -> i64 {
        word.saturating_add(self.min)
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
        InputSchema {
            tensors: vec![InputTensor { name: "x".into(), dims: vec![1, 2], integer: false }],
            ranges: vec![[-1.0, 3.0], [0.0, 1e9]],
            bits: 30,
            grids: Vec::new(),
            private: Vec::new(),
        }
    }

    #[test]
    fn integers_are_exact_and_nothing_else_is_taken_for_one() {
        let mut schema = schema();
        schema.tensors[0].integer = true;
        schema.grids = vec![Some(Grid::INTEGERS); 2];
        schema.ranges = vec![[-1.0, 3.0], [5.0, 1005.0]];
        for (value, index) in [(-1.0, 0), (2.0, 0), (3.0, 0), (5.0, 1), (777.0, 1), (1005.0, 1)] {
            let mut inputs = [0.0, 5.0];
            inputs[index] = value;
            let word = schema.encode(&inputs).expect("in range")[index];
            assert!(word >> schema.bits == 0);
            let [lo, _] = schema.ranges[index];
            assert_eq!(word as f64 * schema.unit(index) + lo, value);
        }
        let error = schema.encode(&[0.5, 5.0]);
        assert!(
            matches!(error, Err(SchemaError::NotInteger { element, .. }) if element == "x[0][0]")
        );
    }

    #[test]
    fn decimals_are_exact_and_more_of_them_are_refused_or_rounded() {
        let mut schema = schema();
        schema.ranges = vec![[-0.5, 12.75], [0.0, 1000.0]];
        schema.grids =
            [true, false].map(|exact| Some(Grid { decimals: 2, exact, missing: false })).to_vec();
        for value in [-0.5, 0.29, 7.01, 12.75] {
            let word = schema.encode(&[value, 0.0]).expect("in range")[0];
            // 1326 points take 11 of the 30 bits.
            assert_eq!(word % (1 << 19), 0);
            assert!((word as f64 * schema.unit(0) - 0.5 - value).abs() < 1e-12);
        }
        let error = schema.encode(&[0.295, 0.0]);
        assert!(matches!(error, Err(SchemaError::NotOnGrid { decimals: 2, .. })));
        assert_eq!(schema.encode(&[0.0, 0.297]), schema.encode(&[0.0, 0.3]));
    }

    /// 7.9 in float32 is 7.900000095: above the range's end as a number, the end as a point.
    #[test]
    fn the_float32_of_a_ranges_end_is_its_end() {
        let mut schema = schema();
        schema.ranges = vec![[0.1, 7.9], [0.0, 1000.0]];
        schema.grids = vec![Some(Grid { decimals: 1, exact: true, missing: false }), None];
        assert!(f64::from(7.9_f32) > 7.9);
        for end in [0.1, 7.9] {
            let float32 = f64::from(end as f32);
            assert_eq!(schema.encode(&[float32, 0.0]), schema.encode(&[end, 0.0]));
        }
        for beyond in [0.0, 0.099, 7.901, 8.0] {
            assert!(schema.encode(&[beyond, 0.0]).is_err(), "{beyond}");
        }
    }

    #[test]
    fn both_ends_of_a_range_are_integers_of_the_proven_range() {
        assert_eq!(schema().encode(&[-1.0, 0.0]), Ok(vec![0, 0]));
        assert_eq!(schema().encode(&[3.0, 1e9]), Ok(vec![(1 << 30) - 1, (1 << 30) - 1]));
    }

    #[test]
    fn an_input_outside_its_range_or_not_finite_is_refused() {
        let out = schema().encode(&[3.0000001, 0.0]).expect_err("above");
        assert!(matches!(out, SchemaError::OutOfRange { element, .. } if element == "x[0][0]"));
        for value in [f64::NAN, f64::INFINITY] {
            let error = schema().encode(&[0.0, value]).expect_err("not finite");
            assert!(
                matches!(error, SchemaError::NotFinite { element, .. } if element == "x[0][1]")
            );
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
}
