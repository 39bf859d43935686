//! Real numbers made whole: rounding, and quantizing as ONNX defines it.

use std::fmt;

/// How a number becomes a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// The greatest whole number that is not above it.
    Floor,
    /// The least whole number that is not below it.
    Ceil,
    /// The nearest whole number, of two the even one.
    HalfEven,
    /// The nearest whole number, of two the greater one.
    HalfUp,
    /// The nearest whole number, of two the lesser one.
    HalfDown,
}

/// What a number is brought to the scale of whole numbers by: one factor, or one an element.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// x / width.
    Divide(Vec<f64>),
    /// x·factor.
    Multiply(Vec<f64>),
    /// n·factor of x = n·unit, n being whole: what integer arithmetic computes. As many factors as
    /// units.
    Whole {
        /// What x are multiples of.
        units: Vec<f64>,
        /// What the whole numbers are multiplied by.
        factors: Vec<f64>,
    },
}

impl Scale {
    /// How many elements it tells apart; 1 where all have one.
    fn count(&self) -> usize {
        let (Self::Divide(numbers)
        | Self::Multiply(numbers)
        | Self::Whole { factors: numbers, .. }) = self;
        numbers.len()
    }

    /// Whether integers are scaled, which is defined to the last bit.
    pub(crate) fn is_of_integers(&self) -> bool {
        matches!(self, Self::Multiply(_) | Self::Whole { .. })
    }
}

/// y = min(max(round(scale(x)) + zero, low), high).
#[derive(Debug, Clone, PartialEq)]
pub struct Staircase {
    /// How it is rounded.
    pub rounding: Rounding,
    /// The scale; its numbers are positive.
    pub scale: Scale,
    /// Whether the scaling is rounded to float32, as files say that compute with it.
    pub single: bool,
    /// Whole numbers: one, or one an element.
    pub zeros: Vec<f64>,
    /// Lower bound, whole; may be infinite.
    pub low: f64,
    /// Upper bound, whole; may be infinite.
    pub high: f64,
}

impl Staircase {
    /// Rounding to multiples of 1, as it is.
    pub fn plain(rounding: Rounding) -> Self {
        Self::dividing(rounding, 1.0)
    }

    /// round(x / width).
    pub fn dividing(rounding: Rounding, width: f64) -> Self {
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        let (scale, zeros) = (Scale::Divide(vec![width]), vec![0.0]);
        Self { rounding, scale, single: false, zeros, low, high }
    }

    /// round(scale(x)) + zero in float32, halves to even, between bounds, as quantizing is.
    pub fn quantizing(scale: Scale, zeros: Vec<f64>, (low, high): (f64, f64)) -> Self {
        Self { rounding: Rounding::HalfEven, scale, single: true, zeros, low, high }
    }

    /// x in the scale of whole numbers.
    fn scaled(&self, index: usize, x: f64) -> f64 {
        self.scaled_in(self.single, index, x)
    }

    /// The same, rounded to float32 or not.
    fn scaled_in(&self, single: bool, index: usize, x: f64) -> f64 {
        let own = |numbers: &[f64]| numbers.get(index).or(numbers.first()).copied().unwrap_or(1.0);
        match (&self.scale, single) {
            (Scale::Divide(widths), false) => x / own(widths),
            (Scale::Multiply(factors), false) => x * own(factors),
            (Scale::Divide(widths), true) => f64::from(x as f32 / own(widths) as f32),
            (Scale::Multiply(factors), true) => f64::from(x as f32 * own(factors) as f32),
            (Scale::Whole { units, factors }, single) => {
                let whole = (x / own(units)).round();
                match single {
                    true => f64::from(whole as f32 * own(factors) as f32),
                    false => whole * own(factors),
                }
            }
        }
    }

    /// The value for element `index`, which rises with x.
    pub fn value(&self, index: usize, x: f64) -> f64 {
        self.made(index, self.scaled(index, x))
    }

    /// The least and the greatest value that arithmetic in float32 may make of x. They differ where
    /// it may take what is next to a half for one, or for what is beyond it; a half itself is one.
    pub(crate) fn either(&self, index: usize, x: f64) -> (f64, f64) {
        let value = self.value(index, x);
        let exact = self.scaled_in(false, index, x);
        let half = exact.floor() + 0.5;
        let beside = (exact - half).abs();
        match self.single && beside > 0.0 && beside <= half.abs() * 2f64.powi(-23) {
            true => (self.made(index, half - 0.25), self.made(index, half + 0.25)),
            false => (value, value),
        }
    }

    /// The value of a number in the scale of whole numbers.
    fn made(&self, index: usize, scaled: f64) -> f64 {
        let whole = match self.rounding {
            Rounding::Floor => scaled.floor(),
            Rounding::Ceil => scaled.ceil(),
            Rounding::HalfEven => scaled.round_ties_even(),
            Rounding::HalfUp => {
                scaled.floor() + f64::from(u8::from(scaled - scaled.floor() >= 0.5))
            }
            Rounding::HalfDown => {
                scaled.floor() + f64::from(u8::from(scaled - scaled.floor() > 0.5))
            }
        };
        // No zero with a sign.
        (whole + self.zero(index)).max(self.low).min(self.high) + 0.0
    }

    /// The zero point of element `index`.
    pub fn zero(&self, index: usize) -> f64 {
        self.zeros.get(index).or(self.zeros.first()).copied().unwrap_or(0.0)
    }

    /// Steps for a unit of x, of element `index`.
    pub fn rate(&self, index: usize) -> f64 {
        let own = |numbers: &[f64]| numbers.get(index).or(numbers.first()).copied().unwrap_or(1.0);
        match &self.scale {
            Scale::Divide(widths) => own(widths).recip(),
            Scale::Multiply(factors) => own(factors),
            Scale::Whole { units, factors } => own(factors) / own(units),
        }
    }

    /// What an error of x adds to the value, between bounds, about.
    pub(crate) fn slope(&self, index: usize, x: f64) -> f64 {
        let value = self.value(index, x);
        if value > self.low && value < self.high { self.rate(index) } else { 0.0 }
    }

    /// Whether all elements have one scale and zero.
    pub(crate) fn is_uniform(&self) -> bool {
        self.scale.count() == 1 && self.zeros.len() == 1
    }

    /// Why it does not fit `len` elements.
    pub(super) fn misfit(&self, len: usize) -> Option<String> {
        let positive = |numbers: &[f64]| numbers.iter().all(|n| *n > 0.0 && n.is_finite());
        let fits = |count: usize| count == 1 || count == len;
        let positive = match &self.scale {
            Scale::Divide(numbers) | Scale::Multiply(numbers) => positive(numbers),
            Scale::Whole { units, factors } => {
                positive(units) && positive(factors) && units.len() == factors.len()
            }
        };
        let whole = |v: &f64| v.fract() == 0.0 || v.is_infinite();
        let bounds = self.low <= self.high && whole(&self.low) && whole(&self.high);
        let zeros = self.zeros.iter().all(|zero| zero.fract() == 0.0);
        (!fits(self.scale.count()) || !fits(self.zeros.len()) || !positive || !bounds || !zeros)
            .then(|| {
                let (scales, zeros) = (self.scale.count(), self.zeros.len());
                format!("a staircase of {scales} scales and {zeros} zeros for {len} elements")
            })
    }
}

impl fmt::Display for Staircase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rounding {
            Rounding::Floor => "floor",
            Rounding::Ceil => "ceil",
            Rounding::HalfEven => "round",
            Rounding::HalfUp => "round half up",
            Rounding::HalfDown => "round half down",
        })?;
        match &self.scale {
            Scale::Divide(widths) if widths[..] == [1.0] => Ok(()),
            Scale::Divide(widths) if widths.len() == 1 => write!(f, " of x / {}", widths[0]),
            Scale::Multiply(factors) if factors.len() == 1 => write!(f, " of x·{}", factors[0]),
            Scale::Whole { factors, .. } if factors.len() == 1 => {
                write!(f, " of integers·{}", factors[0])
            }
            own => write!(f, " by {} scales", own.count()),
        }?;
        match (self.low.is_finite(), self.high.is_finite()) {
            (false, false) => Ok(()),
            _ => write!(f, ", {} to {}", self.low, self.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantizing_rounds_halves_to_even_and_saturates() {
        let stairs = Staircase::quantizing(Scale::Divide(vec![2.0]), vec![128.0], (0.0, 255.0));
        // The standard's own example of QuantizeLinear.
        let x = [0.0, 2.0, 3.0, 1000.0, -254.0, -1000.0, 1.0, -1.0];
        let y = x.map(|x| stairs.value(0, x));
        assert_eq!(y, [128.0, 129.0, 130.0, 255.0, 1.0, 0.0, 128.0, 128.0]);
    }

    #[test]
    fn the_scaling_is_rounded_where_the_file_rounds_it() {
        let stairs = |single| Staircase {
            scale: Scale::Multiply(vec![f64::from(0.1f32)]),
            single,
            ..Staircase::plain(Rounding::Floor)
        };
        // 30·0.1f32 is above 3 exactly, and 3 in float32.
        assert_eq!([stairs(true).value(0, 30.0), stairs(false).value(0, 30.0)], [3.0, 3.0]);
        let x = 16_777_217.0;
        assert_eq!(stairs(true).value(0, x), f64::from(x as f32 * 0.1f32).floor());
    }

    #[test]
    fn halves_go_where_the_rounding_says() {
        let at =
            |rounding| [-1.5, -0.5, 0.5, 1.5, 1.4].map(|x| Staircase::plain(rounding).value(0, x));
        assert_eq!(at(Rounding::HalfEven), [-2.0, 0.0, 0.0, 2.0, 1.0]);
        assert_eq!(at(Rounding::HalfUp), [-1.0, 0.0, 1.0, 2.0, 1.0]);
        assert_eq!(at(Rounding::HalfDown), [-2.0, -1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let stairs = Staircase::dividing(Rounding::Floor, -1.0);
        assert!(stairs.misfit(3).is_some());
        let stairs = Staircase { zeros: vec![0.0; 2], ..Staircase::plain(Rounding::Ceil) };
        assert!(stairs.misfit(3).is_some() && stairs.misfit(2).is_none());
    }
}
