//! Curves: functions of one variable that are approximated by straight pieces, each defined
//! once with where it is defined, where it ends, and where it turns.

use std::f64::consts::{FRAC_2_SQRT_PI, FRAC_PI_2, LN_2, PI, SQRT_2};
use std::fmt;

/// A curved function of one variable.
///
/// The *rest* of an activation is what it lacks to max(x, 0); it falls to 0 at both ends, so
/// that a table of it is as long as it bends, however far x may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// exp(x).
    Exp,
    /// The natural logarithm, of positive numbers.
    Log,
    /// The quantile of the normal distribution, of numbers between 0 and 1, as onnxruntime
    /// approximates it: √2·erf⁻¹(2x − 1) by Winitzki's formula.
    Probit,
    /// x to a constant power: of any number if that is a whole number from 0, of numbers other
    /// than 0 if it is a negative one, else of positive numbers.
    Power(f64),
    /// ln(1 + exp(−|x|)), which is softplus without its straight part: ln(exp(a) + exp(b)) is
    /// max(a, b) and this of a − b.
    SoftplusRest,
    /// The error function, 2/√π·∫₀ˣ exp(−t²) dt.
    Erf,
    /// The rest of x·Φ(x), Φ being the normal distribution: −|x|·Φ(−|x|).
    GeluRest,
    /// The rest of x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    TanhGeluRest,
    /// The rest of x/(1 + exp(−x)).
    SiluRest,
    /// The rest of x·tanh(ln(1 + exp(x))).
    MishRest,
    /// The rest of x·min(max(x/6 + 1/2, 0), 1): 0 beyond ±3.
    HardSwishRest,
    /// x / (1 + |x|).
    Softsign,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent, between two of its poles.
    Tan,
    /// Arcsine, from −1 to 1.
    Asin,
    /// Arccosine, from −1 to 1.
    Acos,
    /// Arctangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine, from 1.
    Acosh,
    /// Inverse hyperbolic tangent, between −1 and 1.
    Atanh,
}

/// Where the rests turn, found by minimizing their definitions.
const GELU_TURNS: f64 = 0.751_791_524;
const TANH_GELU_TURNS: f64 = 0.752_461_425;
const SILU_TURNS: f64 = 1.278_464_536;
const MISH_TURNS: [f64; 2] = [-1.192_431_191, 0.795_768_596];

impl Curve {
    /// The value at x; NaN or infinite where it is not defined.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Probit => probit(x),
            Self::Power(-1.0) => x.recip(),
            Self::Power(0.5) => x.sqrt(),
            Self::Power(2.0) => x * x,
            Self::Power(exponent) => x.powf(exponent),
            Self::SoftplusRest => (-x.abs()).exp().ln_1p(),
            Self::Erf => libm::erf(x),
            Self::GeluRest => -0.5 * x.abs() * libm::erfc(x.abs() / SQRT_2),
            Self::TanhGeluRest => {
                // x/2·(1 + tanh(u)) = x·sigmoid(2u), and the rest is even.
                let x = x.abs();
                let u = (FRAC_2_SQRT_PI / SQRT_2) * (x + 0.044715 * x * x * x);
                -x * sigmoid(-2.0 * u)
            }
            Self::SiluRest => -x.abs() * sigmoid(-x.abs()),
            Self::MishRest => {
                // tanh(ln(1 + e)) = 1 − 2 / ((1 + e)² + 1), e = exp(x).
                let e = x.min(40.0).exp();
                let lacks = 2.0 / ((1.0 + e) * (1.0 + e) + 1.0);
                if x < 0.0 { x * (1.0 - lacks) } else { -x * lacks }
            }
            Self::HardSwishRest => {
                let x = x.abs().min(3.0);
                x * (x / 6.0 - 0.5)
            }
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Asin => x.asin(),
            Self::Acos => x.acos(),
            Self::Atan => x.atan(),
            Self::Sinh => x.sinh(),
            Self::Cosh => x.cosh(),
            Self::Asinh => x.asinh(),
            Self::Acosh => x.acosh(),
            Self::Atanh => x.atanh(),
        }
    }

    /// The derivative at x.
    pub fn slope(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x) * sigmoid(-x),
            Self::Exp => x.exp(),
            Self::Log => x.recip(),
            // The reciprocal of the normal density there.
            Self::Probit => (probit(x).powi(2) / 2.0).exp() * (2.0 * PI).sqrt(),
            Self::Power(exponent) => exponent * x.powf(exponent - 1.0),
            Self::SoftplusRest => -x.signum() * sigmoid(-x.abs()),
            Self::Erf => FRAC_2_SQRT_PI * (-x * x).exp(),
            Self::GeluRest
            | Self::TanhGeluRest
            | Self::SiluRest
            | Self::MishRest
            | Self::HardSwishRest => {
                // To the side that x is on: they bend at 0.
                let step = if x < 0.0 { -1e-6 } else { 1e-6 };
                (self.value(x + step) - self.value(x)) / step
            }
            Self::Softsign => (1.0 + x.abs()).powi(-2),
            Self::Sin => x.cos(),
            Self::Cos => -x.sin(),
            Self::Tan => x.cos().powi(-2),
            Self::Asin => (1.0 - x * x).sqrt().recip(),
            Self::Acos => -(1.0 - x * x).sqrt().recip(),
            Self::Atan => (1.0 + x * x).recip(),
            Self::Sinh => x.cosh(),
            Self::Cosh => x.sinh(),
            Self::Asinh => (1.0 + x * x).sqrt().recip(),
            Self::Acosh => (x * x - 1.0).sqrt().recip(),
            Self::Atanh => (1.0 - x * x).recip(),
        }
    }

    /// Whether no error of x grows in it.
    pub fn is_gentle(self) -> bool {
        use Curve::{
            Asinh, Atan, Cos, GeluRest, HardSwishRest, MishRest, Sigmoid, SiluRest, Sin,
            SoftplusRest, Softsign, TanhGeluRest,
        };
        matches!(
            self,
            Sigmoid
                | SoftplusRest
                | GeluRest
                | TanhGeluRest
                | SiluRest
                | MishRest
                | HardSwishRest
                | Softsign
                | Sin
                | Cos
                | Atan
                | Asinh
        )
    }

    /// Whether f(x) ≤ f(y) for all x ≤ y.
    pub fn rises(self) -> bool {
        use Curve::{Asinh, Atan, Erf, Exp, Sigmoid, Sinh, Softsign};
        matches!(self, Sigmoid | Exp | Erf | Softsign | Atan | Sinh | Asinh)
    }

    /// Where it is within a tolerance of its limits, beyond these ends; infinite where it has
    /// none.
    pub fn ends(self, tolerance: f64) -> (f64, f64) {
        let log = (1.0 / tolerance).ln();
        // x·exp(−x) is below the tolerance a little further out.
        let wide = log + log.max(1.0).ln() + LN_2;
        match self {
            Self::Sigmoid | Self::SoftplusRest => (-log, log),
            Self::Exp => (-log, f64::INFINITY),
            // exp(−x²) is.
            Self::Erf => (-log.sqrt(), log.sqrt()),
            Self::GeluRest => (-(2.0 * log).sqrt(), (2.0 * log).sqrt()),
            // Its argument grows with the cube, but the linear part alone ends it.
            Self::TanhGeluRest => (-(2.0 * log).sqrt() - 0.5, (2.0 * log).sqrt() + 0.5),
            Self::SiluRest | Self::MishRest => (-wide, wide),
            Self::HardSwishRest => (-3.0, 3.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Least and greatest value between lo and hi; everything where it is not defined
    /// in between.
    pub fn bounds(self, lo: f64, hi: f64) -> (f64, f64) {
        let everything = (f64::NEG_INFINITY, f64::INFINITY);
        let (low, high) = (self.value(lo), self.value(hi));
        if low.is_nan() || high.is_nan() || !self.is_defined(lo, hi) {
            return everything;
        }
        let turns = self.turns(lo, hi);
        let inside = turns.into_iter().filter(|at| *at > lo && *at < hi);
        let values = inside.map(|at| self.value(at)).chain([low, high]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
    }

    fn is_defined(self, lo: f64, hi: f64) -> bool {
        match self {
            Self::Power(exponent) if exponent < 0.0 => lo > 0.0 || hi < 0.0,
            // No pole, which is where the cosine is 0, in between.
            Self::Tan => {
                let period = |x: f64| ((x - FRAC_PI_2) / PI).floor();
                period(lo) == period(hi)
            }
            _ => true,
        }
    }

    /// Where its greatest and least values may be, other than at the ends.
    fn turns(self, lo: f64, hi: f64) -> Vec<f64> {
        match self {
            Self::Power(_) | Self::SoftplusRest | Self::Cosh => vec![0.0],
            Self::GeluRest => vec![-GELU_TURNS, 0.0, GELU_TURNS],
            Self::TanhGeluRest => vec![-TANH_GELU_TURNS, 0.0, TANH_GELU_TURNS],
            Self::SiluRest => vec![-SILU_TURNS, 0.0, SILU_TURNS],
            Self::HardSwishRest => vec![-1.5, 0.0, 1.5],
            Self::MishRest => vec![MISH_TURNS[0], 0.0, MISH_TURNS[1]],
            Self::Sin | Self::Cos => {
                let first = if self == Self::Sin { FRAC_PI_2 } else { 0.0 };
                // Both turns of a period are enough, wherever they are.
                let from = ((lo - first) / PI).ceil();
                let next = (0..3).map(|n| first + (from + f64::from(n)) * PI);
                next.filter(|at| *at <= hi).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Power(exponent) => return write!(f, "power {exponent}"),
            Self::Sigmoid => "sigmoid",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Probit => "probit",
            Self::SoftplusRest => "log(1 + exp(-|x|))",
            Self::Erf => "erf",
            Self::GeluRest => "gelu - relu",
            Self::TanhGeluRest => "gelu by tanh - relu",
            Self::SiluRest => "silu - relu",
            Self::MishRest => "mish - relu",
            Self::HardSwishRest => "hard swish - relu",
            Self::Softsign => "softsign",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Sinh => "sinh",
            Self::Cosh => "cosh",
            Self::Asinh => "asinh",
            Self::Acosh => "acosh",
            Self::Atanh => "atanh",
        })
    }
}

/// The logistic function; 0 and 1 far out, never NaN for a number.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// √2·erf⁻¹(2x − 1), Winitzki's approximation with the constants of onnxruntime; NaN outside
/// of 0 to 1.
#[expect(clippy::approx_constant, reason = "onnxruntime computes with this value")]
fn probit(x: f64) -> f64 {
    let (y, a) = (2.0 * x - 1.0, 0.147);
    let log = ((1.0 - y) * (1.0 + y)).ln();
    let v = 2.0 / (3.14159 * a) + 0.5 * log;
    let root = ((v * v - log / a).sqrt() - v).sqrt();
    SQRT_2 * root.copysign(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every curve, and an interval that it is defined on.
    fn all() -> Vec<(Curve, f64, f64)> {
        use Curve::*;
        let anywhere = [
            Sigmoid,
            Exp,
            SoftplusRest,
            Erf,
            GeluRest,
            TanhGeluRest,
            SiluRest,
            MishRest,
            HardSwishRest,
            Softsign,
            Sin,
            Cos,
            Atan,
            Sinh,
            Cosh,
            Asinh,
            Power(2.0),
            Power(3.0),
        ];
        let somewhere = [
            (Log, 0.1, 5.0),
            (Probit, 0.01, 0.99),
            (Power(-1.0), 0.1, 4.0),
            (Power(0.5), 0.0, 4.0),
            (Tan, -1.5, 1.5),
            (Asin, -0.99, 0.99),
            (Acos, -0.99, 0.99),
            (Acosh, 1.01, 5.0),
            (Atanh, -0.99, 0.99),
        ];
        anywhere.into_iter().map(|curve| (curve, -7.0, 6.5)).chain(somewhere).collect()
    }

    #[test]
    fn bounds_hold_and_are_reached() {
        for (curve, lo, hi) in all() {
            for (from, to) in [(0.0, 1.0), (0.1, 0.45), (0.4, 0.6), (0.55, 0.97)] {
                let (a, b) = (lo + (hi - lo) * from, lo + (hi - lo) * to);
                let (low, high) = curve.bounds(a, b);
                let at = |i: u32| curve.value(a + (b - a) * f64::from(i) / 4000.0);
                let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
                (0..=4000).map(at).for_each(|v| (least, most) = (least.min(v), most.max(v)));
                // A turn may be between two samples.
                let slack = 4e-3 * high.abs().max(low.abs()).max(1.0);
                assert!(low <= least + 1e-12 && high >= most - 1e-12, "{curve} {a} {b}");
                assert!(
                    least - low < slack && high - most < slack,
                    "{curve} {a} {b}: {low} {high}"
                );
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        for (curve, lo, hi) in all() {
            for i in 1..40 {
                let x = lo + (hi - lo) * (f64::from(i) + 0.37) / 41.0;
                let h = 1e-6;
                let near = (curve.value(x + h) - curve.value(x - h)) / (2.0 * h);
                let slope = curve.slope(x);
                // Winitzki's formula is an approximation, and its slope the quantile's.
                let allowed = if curve == Curve::Probit { 0.01 } else { 1e-4 };
                assert!((slope - near).abs() < allowed * near.abs().max(1.0), "{curve} at {x}");
                if curve.is_gentle() {
                    assert!(slope.abs() <= 1.13, "{curve} at {x}: {slope}");
                }
                if curve.rises() {
                    assert!(slope >= 0.0, "{curve} at {x}");
                }
            }
        }
    }

    #[test]
    fn beyond_its_ends_a_curve_is_its_limit() {
        for (curve, _, _) in all() {
            let (first, last) = curve.ends(1e-6);
            for far in [0.0, 1.0, 10.0, 1000.0] {
                if last.is_finite() {
                    let limit = curve.value(1e9);
                    assert!((curve.value(last + far) - limit).abs() < 2e-6, "{curve} {last}");
                }
                if first.is_finite() {
                    let limit = curve.value(-1e9);
                    assert!((curve.value(first - far) - limit).abs() < 2e-6, "{curve} {first}");
                }
            }
        }
    }

    #[test]
    fn a_pole_in_between_leaves_no_bounds() {
        let everything = (f64::NEG_INFINITY, f64::INFINITY);
        for (curve, lo, hi) in [
            (Curve::Power(-1.0), -1.0, 1.0),
            (Curve::Power(-2.0), -1.0, 0.0),
            (Curve::Tan, 1.0, 2.0),
            (Curve::Tan, 1.0, 5.0),
            (Curve::Log, -1.0, 1.0),
            (Curve::Asin, 0.0, 1.5),
            (Curve::Acosh, 0.5, 2.0),
        ] {
            let bounds = curve.bounds(lo, hi);
            assert!(bounds == everything, "{curve}: {bounds:?}");
        }
    }
}
