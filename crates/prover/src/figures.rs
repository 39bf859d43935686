//! Figures that may be told of a model that stays hidden.

/// Rounds a positive number up to one significant digit: an exact figure that anyone can compute
/// from a model would tell a right guess of it.
pub fn coarse(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return value;
    }
    let power = value.log10().floor() as i32;
    // From its decimal form, so that it prints as it should.
    let digit = (value / 10f64.powi(power)).ceil().max(1.0);
    format!("{digit}e{power}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_up_to_a_digit() {
        for (value, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (1.000001e-5, 2e-5),
            (9.2e-5, 1e-4),
            (4.7e-3, 5e-3),
            (123.0, 200.0),
            (5e-324, 5e-324),
        ] {
            assert_eq!(coarse(value), expected, "{value}");
        }
        assert!(coarse(f64::NAN).is_nan());
    }
}
