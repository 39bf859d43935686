//! What is made of one element, operation by operation, each rounded as the file rounds it.

use crate::graph::{Curve, Test};

/// An operation on a float, and the type of its result.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::onnx) struct Step {
    pub(in crate::onnx) does: Does,
    /// Whether the result is a float64 (or an integer) rather than a float32.
    pub(in crate::onnx) wide: bool,
    /// Of an integer: the ends of its type, beyond which it would wrap.
    pub(in crate::onnx) fits: Option<[f64; 2]>,
}

/// One of two things that are made of x.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::onnx) struct Choice {
    pub(super) test: Test,
    /// Whether the test holds where x is missing.
    pub(super) missing_holds: bool,
    /// What is made of x where the test holds …
    pub(super) holds: Vec<Step>,
    /// … and where it does not.
    pub(super) fails: Vec<Step>,
}

impl Choice {
    /// What is made of x.
    pub(super) fn side(&self, x: f64) -> &[Step] {
        match self.test.holds(x) || x.is_nan() && self.missing_holds {
            true => &self.holds,
            false => &self.fails,
        }
    }

    /// Whether what either side makes is of a type: float64 if it is wide.
    pub(super) fn makes(&self, wide: bool) -> bool {
        [&self.holds, &self.fails]
            .into_iter()
            .flat_map(|by| by.last())
            .all(|last| last.wide == wide)
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.holds.iter().chain(&self.fails)
    }
}

/// What is done to x.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::onnx) enum Does {
    Nothing,
    /// x + c.
    Add(f64),
    /// c − x.
    From(f64),
    /// x·c.
    Times(f64),
    /// x / c.
    Over(f64),
    /// c / x.
    Under(f64),
    /// (x − offset)·scale, both rounded; in float64 until the end if `wide`.
    Scale {
        offset: f64,
        scale: f64,
        wide: bool,
    },
    Abs,
    /// min(max(x, low), high).
    Clip(f64, f64),
    /// x, or slope·x where x is negative.
    Leaky(f64),
    Root,
    Square,
    /// x²·x; onnxruntime rounds x³ of a single element once, of several twice.
    Cube,
    /// The other value for this one.
    Replace(f64, f64),
    /// x, or this where x is missing.
    Impute(f64),
    Truncate,
    Floor,
    Ceil,
    Round,
    /// A function that runtimes approximate, each in its own way.
    Curve(Curve),
    /// A number, whatever x is.
    Constant(f64),
    /// Where.
    Choose(Box<Choice>),
}

/// Where a step rises or falls throughout.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) ends: [f64; 2],
    pub(super) falls: bool,
}

const LEAST: f64 = f64::NEG_INFINITY;
const MOST: f64 = f64::INFINITY;

impl Step {
    fn round(&self, x: f64) -> f64 {
        if self.wide { x } else { f64::from(x as f32) }
    }

    /// The step of x, a missing value (NaN) included.
    pub(super) fn apply(&self, x: f64) -> f64 {
        match &self.does {
            Does::Impute(value) if x.is_nan() => return self.round(*value),
            Does::Constant(value) => return self.round(*value),
            Does::Choose(choice) => {
                return choice.side(x).iter().fold(x, |x, step| step.apply(x));
            }
            _ if x.is_nan() => return x,
            _ => {}
        }
        // float64 holds sums, products, quotients and roots of float32 well enough that rounding
        // them again gives what rounding once does.
        self.round(match self.does {
            Does::Nothing | Does::Impute(_) | Does::Constant(_) | Does::Choose(_) => x,
            Does::Add(c) => x + c,
            Does::From(c) => c - x,
            Does::Times(c) => x * c,
            Does::Over(c) => x / c,
            Does::Under(c) => c / x,
            Does::Scale { offset, scale, wide: true } => (x - offset) * scale,
            Does::Scale { offset, scale, wide: false } => f64::from((x - offset) as f32) * scale,
            Does::Abs => x.abs(),
            Does::Clip(low, high) => x.max(low).min(high) + 0.0,
            Does::Leaky(slope) if x < 0.0 => slope * x,
            Does::Leaky(_) => x,
            Does::Root => x.sqrt(),
            Does::Square => x * x,
            Does::Cube => self.round(x * x) * x,
            Does::Replace(value, other) if x == value => other,
            Does::Replace(..) => x,
            Does::Truncate => x.trunc(),
            Does::Floor => x.floor(),
            Does::Ceil => x.ceil(),
            Does::Round => x.round_ties_even(),
            Does::Curve(curve) => curve.value(x),
        })
    }

    /// The same of a number that is not replaced.
    pub(super) fn along(&self, x: f64) -> f64 {
        match self.does {
            Does::Replace(..) => self.round(x),
            _ => self.apply(x),
        }
    }

    /// Its pieces; where there is none, it is not defined. Of what it replaces, as if it did not.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let whole = |falls| vec![Piece { ends: [LEAST, MOST], falls }];
        let from_zero = || vec![Piece { ends: [-0.0, MOST], falls: false }];
        let halves = |left, right| {
            vec![
                Piece { ends: [LEAST, -0.0], falls: left },
                Piece { ends: [0.0, MOST], falls: right },
            ]
        };
        match self.does {
            Does::From(_) => whole(true),
            Does::Times(c) | Does::Over(c) | Does::Scale { scale: c, .. } => whole(c < 0.0),
            Does::Under(c) => halves(c > 0.0, c > 0.0),
            Does::Abs | Does::Square => halves(true, false),
            Does::Leaky(slope) => halves(slope < 0.0, false),
            Does::Root | Does::Curve(Curve::Log | Curve::Power(_)) => from_zero(),
            Does::Nothing
            | Does::Add(_)
            | Does::Clip(..)
            | Does::Cube
            | Does::Replace(..)
            | Does::Impute(_)
            | Does::Truncate
            | Does::Floor
            | Does::Ceil
            | Does::Round
            | Does::Constant(_)
            | Does::Choose(_)
            | Does::Curve(_) => whole(false),
        }
    }

    /// Whether it is not defined for negative numbers.
    pub(super) fn is_partial(&self) -> bool {
        matches!(self.does, Does::Root | Does::Curve(Curve::Log | Curve::Power(_)))
    }

    /// The value that it replaces, and by what.
    pub(super) fn replaces(&self) -> Option<(f64, f64)> {
        match self.does {
            Does::Replace(value, other) => Some((value, self.round(other))),
            _ => None,
        }
    }

    /// Whether every runtime computes the same.
    pub(super) fn is_exact(&self) -> bool {
        match &self.does {
            Does::Choose(choice) => choice.steps().all(Self::is_exact),
            does => !matches!(does, Does::Curve(_) | Does::Cube),
        }
    }

    /// Whether it can be followed back: its constants are finite, and it is no constant itself.
    pub(super) fn is_sound(&self) -> bool {
        match &self.does {
            Does::Add(c) | Does::From(c) => c.is_finite(),
            Does::Times(c) | Does::Over(c) | Does::Under(c) => c.is_finite() && *c != 0.0,
            Does::Scale { offset, scale, .. } => {
                offset.is_finite() && scale.is_finite() && *scale != 0.0
            }
            Does::Leaky(slope) => slope.is_finite(),
            Does::Replace(a, b) => a.is_finite() && b.is_finite(),
            Does::Impute(value) | Does::Constant(value) => value.is_finite(),
            Does::Choose(choice) => choice.steps().all(Self::is_sound),
            _ => true,
        }
    }
}
