//! Lines whose floors step up where a staircase does.

use crate::{graph::Staircase, integer::Interval};

/// Most steps of an element that are told apart one by one.
const MAX_STEPS: i64 = 1 << 16;

/// An element's integers: x = start + unit·Z, Z being a multiple of the stride.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub(super) start: f64,
    pub(super) unit: f64,
    /// An input's integers are those of its grid's points, so many apart.
    pub(super) stride: i128,
    pub(super) bounds: Interval,
}

/// M and c.
pub(super) type Line = (i128, i128);

/// The greatest whole number that both are multiples of.
pub(super) fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The greatest number that both are whole multiples of, about.
pub(super) fn common_unit(a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a.max(b), a.min(b));
    let least = a * 1e-7;
    while b > least {
        // What is left of rounding is nothing.
        let mut rest = a % b;
        if b - rest < least {
            rest = 0.0;
        }
        (a, b) = (b, rest);
    }
    a
}

impl Grid {
    /// The real number that the integer stands for; as near as f64 has it where the grid is
    /// one of decimals.
    fn real(&self, z: i128) -> f64 {
        let per_unit = self.unit.recip().round();
        let first = (self.start / self.unit).round();
        let decimal = self.unit < 1.0
            && (per_unit * self.unit - 1.0).abs() < 1e-12
            && (first * self.unit - self.start).abs() < 1e-9 * self.unit;
        match decimal {
            true => (first + z as f64) / per_unit,
            false => self.start + z as f64 * self.unit,
        }
    }

    /// M and c with which ⌊(M·Z + c) / 2^n⌋ is `stairs` − `lowest` for all Z in the bounds, if
    /// there are any; where `either`, one of the values that float32 may make of it.
    pub(super) fn line(
        &self,
        stairs: &Staircase,
        index: usize,
        (lowest, either): (f64, bool),
        one: i128,
    ) -> Option<Line> {
        let values = |at: i128| {
            let x = self.real(at * self.stride);
            let (low, high) = match either {
                true => stairs.either(index, x),
                false => (stairs.value(index, x), stairs.value(index, x)),
            };
            ((low - lowest) as i64, (high - lowest) as i64)
        };
        let first = self.bounds.0.div_euclid(self.stride)
            + i128::from(self.bounds.0.rem_euclid(self.stride) > 0);
        let last = self.bounds.1.div_euclid(self.stride).max(first);
        let (least, greatest) = (values(first).0, values(last).1);
        if least == greatest {
            return Some((0, i128::from(least) * one));
        }
        if greatest - least > MAX_STEPS {
            return None;
        }
        // The least Z at which what rises is reached, or the one behind the last.
        let reached = |from: i128, is: &dyn Fn(i128) -> bool| {
            let (mut below, mut above) = (from - 1, last + 1);
            while above - below > 1 {
                let middle = below + (above - below) / 2;
                if is(middle) { above = middle } else { below = middle }
            }
            above
        };
        // Of each value above the first: from where on it may be reached, and from where on it must
        // be. What is below 0 is cut at 0, and what is above the bound by whoever reads it.
        let mut steps = Vec::new();
        let mut from = first;
        for k in least + 1..=greatest {
            from = reached(from, &|at| values(at).1 >= k);
            let must = reached(from, &|at| values(at).0 >= k);
            steps.push((i128::from(k), from, must));
        }
        let ideal = stairs.rate(index) * self.unit * one as f64;
        // No weight of any circuit is as large.
        if ideal.is_nan() || ideal.abs() >= 2f64.powi(62) {
            return None;
        }
        let nearest = ideal.round() as i128;
        [0, 1, -1, 2, -2].into_iter().map(|by| nearest + by).find_map(|m| {
            let mut least_c = i128::MIN;
            let mut greatest_c = i128::MAX;
            for (k, may, must) in &steps {
                let raised = |z: i128| m.checked_mul(z)?.checked_mul(self.stride);
                if *must <= last {
                    least_c = least_c.max(k * one - raised(*must)?);
                }
                if *may > first {
                    greatest_c = greatest_c.min(k * one - 1 - raised(may - 1)?);
                }
            }
            // The lowest value is not negative, and may be the cut.
            if least > 0 || least_c == i128::MIN {
                let lowest = m.checked_mul(first)?.checked_mul(self.stride)?;
                least_c = least_c.max(i128::from(least) * one - lowest);
            }
            // In the middle, as far from both as it can be.
            (m > 0 && least_c <= greatest_c).then(|| {
                let middle = greatest_c.min(least_c.saturating_add(one));
                (m, least_c + (middle - least_c) / 2)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Rounding, Scale};

    fn check(grid: &Grid, stairs: &Staircase, shift_bits: u32, either: bool) -> bool {
        let one = 1i128 << shift_bits;
        let lowest = stairs.value(0, grid.real(grid.bounds.0));
        let Some((m, c)) = grid.line(stairs, 0, (lowest, either), one) else { return false };
        for z in (grid.bounds.0..=grid.bounds.1).filter(|z| z % grid.stride == 0) {
            let ours = (m * z + c).div_euclid(one).max(0) as f64 + lowest;
            let ours = ours.min(stairs.high);
            let x = grid.real(z);
            let (low, high) = match either {
                true => stairs.either(0, x),
                false => (stairs.value(0, x), stairs.value(0, x)),
            };
            assert!(low <= ours && ours <= high, "{stairs} at {z}: {ours}, not {low} to {high}");
            assert!(either || low == high);
        }
        true
    }

    #[test]
    fn a_line_steps_up_where_the_rounding_does() {
        let grid = Grid { start: -3.0, unit: 0.01, stride: 1, bounds: (0, 700) };
        // The same points, so many integers apart.
        let fine = Grid { unit: 0.01 / 1024.0, stride: 1024, bounds: (0, 700 * 1024), ..grid };
        for rounding in [Rounding::Floor, Rounding::Ceil, Rounding::HalfUp, Rounding::HalfDown] {
            for width in [0.123_456_7, 0.25, 1.0, 1.5, f64::from(0.137f32), f64::from(0.3217f32)] {
                for single in [false, true] {
                    let stairs = Staircase { single, ..Staircase::dividing(rounding, width) };
                    assert!(check(&grid, &stairs, 40, false), "{stairs}");
                    assert!(check(&fine, &stairs, 40, false), "{stairs}");
                }
            }
        }
    }

    #[test]
    fn sums_of_a_quantized_layer_are_requantized_exactly() {
        // 64 products of two bytes by a scale of 24 bits.
        for factor in [0.000_731_2f32, 0.001_9f32, 0.000_488_281_25f32] {
            let grid = Grid { start: 0.0, unit: 1.0, stride: 1, bounds: (-260_000, 260_000) };
            let scale = Scale::Multiply(vec![f64::from(factor)]);
            let stairs = Staircase {
                rounding: Rounding::HalfUp,
                ..Staircase::quantizing(scale, vec![3.0], (-128.0, 127.0))
            };
            // One rescale of 30 bits may be too coarse; two are not.
            assert!(check(&grid, &stairs, 44, false), "{factor}");
        }
    }

    #[test]
    fn what_float32_makes_of_near_halves_may_go_either_way() {
        // Of some scales a line steps where float32 does, of all of them where it may.
        let grid = Grid { start: 0.0, unit: 1.0, stride: 1, bounds: (-290_000, 290_000) };
        let mut exact = 0;
        for step in 0..24u8 {
            let factor = 0.000_431_7f32 + f32::from(step) * 1.37e-5;
            let scale = Scale::Multiply(vec![f64::from(factor)]);
            let stairs = Staircase::quantizing(scale, vec![0.0], (0.0, 255.0));
            assert!(check(&grid, &stairs, 44, true), "{factor}");
            exact += u8::from(check(&grid, &stairs, 44, false));
        }
        assert!(exact < 24, "float32 is no line for all scales");
        // Halves are what they are.
        let stairs = |by| Staircase { single: true, ..Staircase::dividing(Rounding::HalfEven, by) };
        assert_eq!(stairs(2.0).either(0, 5.0), (2.0, 2.0));
        let beside = 0.1f32.next_up();
        assert_eq!(stairs(f64::from(beside)).either(0, f64::from(0.1f32) * 2.5), (2.0, 3.0));
    }

    #[test]
    fn uneven_steps_are_no_line() {
        // 0.3 / 0.1 is below 3 in float64, 0.2 / 0.1 is 2.
        let grid = Grid { start: 0.0, unit: 0.01, stride: 1, bounds: (0, 700) };
        let stairs = Staircase::dividing(Rounding::Floor, 0.1);
        assert_eq!(grid.line(&stairs, 0, (0.0, false), 1 << 40), None);
        // Of halves, every second goes up.
        let grid = Grid { unit: 0.5, bounds: (0, 20), ..grid };
        assert_eq!(
            grid.line(&Staircase::plain(Rounding::HalfEven), 0, (0.0, false), 1 << 40),
            None
        );
        assert!(grid.line(&Staircase::plain(Rounding::HalfUp), 0, (0.0, false), 1 << 40).is_some());
    }

    #[test]
    fn too_few_bits_are_no_line() {
        let grid = Grid { start: 0.0, unit: 1.0, stride: 1, bounds: (-260_000, 260_000) };
        let stairs = Staircase {
            scale: Scale::Multiply(vec![f64::from(0.000_731_2f32)]),
            ..Staircase::plain(Rounding::HalfEven)
        };
        let one = 1i128 << 14;
        assert_eq!(grid.line(&stairs, 0, (stairs.value(0, -260_000.0), false), one), None);
    }

    #[test]
    fn common_units_are_found_through_rounding() {
        assert!((common_unit(0.3, 0.2) - 0.1).abs() < 1e-12);
        assert_eq!(common_unit(6.0, 4.0), 2.0);
        assert_eq!(common_unit(0.0, 4.0), 4.0);
    }
}
