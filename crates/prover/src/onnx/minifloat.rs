//! Floats of eight and four bits, and integers of four and two, as constants hold them.

use super::dtype::DType;

/// Sign, exponent and fraction of a type of few bits.
struct Format {
    exponent: u32,
    fraction: u32,
    bias: i32,
    /// Whether the greatest exponent is that of numbers, too.
    finite: bool,
    /// Whether there is no negative zero, whose place is taken by NaN.
    unsigned_zero: bool,
}

impl Format {
    fn of(dtype: DType) -> Option<Self> {
        let format = |exponent, fraction, bias, finite, unsigned_zero| {
            Some(Self { exponent, fraction, bias, finite, unsigned_zero })
        };
        match dtype {
            DType::Float8E4M3Fn => format(4, 3, 7, true, false),
            DType::Float8E4M3FnUz => format(4, 3, 8, true, true),
            DType::Float8E5M2 => format(5, 2, 15, false, false),
            DType::Float8E5M2FnUz => format(5, 2, 16, true, true),
            DType::Float4E2M1 => format(2, 1, 1, true, false),
            _ => None,
        }
    }

    fn value(&self, bits: u8) -> f64 {
        let all = 1 + self.exponent + self.fraction;
        let negative = bits >> (all - 1) & 1 == 1;
        let exponent = i32::from(bits >> self.fraction & ((1 << self.exponent) - 1) as u8);
        let fraction = f64::from(bits & ((1 << self.fraction) - 1) as u8);
        let unit = 2f64.powi(-(self.fraction as i32));
        let last = exponent == (1 << self.exponent) - 1;
        let size = match exponent {
            _ if last && !self.finite && fraction > 0.0 => f64::NAN,
            _ if last && !self.finite => f64::INFINITY,
            // E4M3FN has one NaN, of all ones; E2M1 has none.
            _ if last
                && self.exponent == 4
                && !self.unsigned_zero
                && fraction == f64::from((1u32 << self.fraction) - 1) =>
            {
                f64::NAN
            }
            0 if negative && fraction == 0.0 && self.unsigned_zero => f64::NAN,
            0 => fraction * unit * 2f64.powi(1 - self.bias),
            exponent => (1.0 + fraction * unit) * 2f64.powi(exponent - self.bias),
        };
        if negative { -size } else { size }
    }
}

impl Format {
    /// The greatest finite value.
    fn greatest(&self) -> f64 {
        let all = (1u32 << (self.exponent + self.fraction)) - 1;
        let sizes = (0..=all).rev().map(|bits| self.value(bits as u8));
        sizes.into_iter().find(|size| size.is_finite()).unwrap_or(0.0)
    }

    /// The nearest value, of two as near the one with an even fraction. What is beyond the
    /// greatest is that where it saturates, and else infinite, or no number where there is no
    /// infinity.
    fn nearest(&self, value: f64, saturates: bool) -> f64 {
        let exponent = value.abs().log2().floor().max(f64::from(1 - self.bias));
        let step = 2f64.powi(exponent as i32 - self.fraction as i32);
        let rounded = match value.is_finite() {
            true => (value / step).round_ties_even() * step,
            false => value,
        };
        let greatest = self.greatest();
        match rounded.abs() > greatest {
            // E2M1 has nothing else.
            true if saturates || self.exponent == 2 => greatest.copysign(value),
            true if !self.finite => f64::INFINITY.copysign(value),
            true => f64::NAN,
            false if rounded == 0.0 => 0.0,
            false => rounded,
        }
    }
}

/// A number rounded to a float of eight bits or fewer; none for a type of powers of two.
pub(super) fn nearest(dtype: DType, value: f64, saturates: bool) -> Option<f64> {
    Format::of(dtype).map(|format| format.nearest(value, saturates))
}

/// The value of a float of eight bits or fewer.
pub(super) fn float(dtype: DType, bits: u8) -> Option<f64> {
    match dtype {
        // A power of two and nothing else.
        DType::Float8E8M0 if bits == u8::MAX => Some(f64::NAN),
        DType::Float8E8M0 => Some(2f64.powi(i32::from(bits) - 127)),
        dtype => Format::of(dtype).map(|format| format.value(bits)),
    }
}

/// How many elements share a byte.
pub(super) fn per_byte(dtype: DType) -> usize {
    match dtype {
        DType::Float4E2M1 | DType::Int4 | DType::UInt4 => 2,
        DType::Int2 | DType::UInt2 => 4,
        _ => 1,
    }
}

/// The bits of each of `count` elements, the first in the lowest bits of a byte.
pub(super) fn unpack(dtype: DType, bytes: &[u8], count: usize) -> Vec<u8> {
    let each = per_byte(dtype);
    let width = 8 / each;
    let mask = ((1u16 << width) - 1) as u8;
    let all = bytes.iter().flat_map(|byte| (0..each).map(move |at| byte >> (at * width) & mask));
    all.take(count).collect()
}

/// The value of an integer of four or two bits.
pub(super) fn integer(dtype: DType, bits: u8) -> i64 {
    let width = 8 / per_byte(dtype) as u32;
    let value = i64::from(bits);
    let signed = matches!(dtype, DType::Int4 | DType::Int2);
    if signed && value >> (width - 1) & 1 == 1 { value - (1 << width) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_few_bits_are_what_their_formats_say() {
        for (dtype, bits, value) in [
            (DType::Float8E4M3Fn, 0x38, 1.0),
            (DType::Float8E4M3Fn, 0x7e, 448.0),
            (DType::Float8E4M3Fn, 0x01, 2f64.powi(-9)),
            (DType::Float8E4M3FnUz, 0x7f, 240.0),
            (DType::Float8E5M2, 0x7b, 57344.0),
            (DType::Float8E5M2, 0xfc, f64::NEG_INFINITY),
            (DType::Float8E5M2FnUz, 0x7f, 57344.0),
            (DType::Float4E2M1, 0x7, 6.0),
            (DType::Float4E2M1, 0x9, -0.5),
            (DType::Float8E8M0, 128, 2.0),
        ] {
            assert_eq!(float(dtype, bits), Some(value), "{dtype:?} {bits:#x}");
        }
        for (dtype, bits) in
            [(DType::Float8E4M3Fn, 0x7f), (DType::Float8E4M3FnUz, 0x80), (DType::Float8E5M2, 0x7d)]
        {
            assert!(float(dtype, bits).is_some_and(f64::is_nan), "{dtype:?} {bits:#x}");
        }
        assert_eq!(float(DType::Float32, 0), None);
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_of_few_bits() {
        for (dtype, value, saturates, made) in [
            (DType::Float8E4M3Fn, 1.05, true, 1.0),
            (DType::Float8E4M3Fn, 1.0625, true, 1.0),
            (DType::Float8E4M3Fn, 1.1875, true, 1.25),
            (DType::Float8E4M3Fn, -1e6, true, -448.0),
            (DType::Float8E4M3Fn, 463.0, false, 448.0),
            (DType::Float8E5M2, 1e6, false, f64::INFINITY),
            (DType::Float8E5M2, f64::NEG_INFINITY, true, -57344.0),
            (DType::Float8E4M3FnUz, 1e-7, true, 0.0),
            (DType::Float8E4M3Fn, 2f64.powi(-9), true, 2f64.powi(-9)),
            (DType::Float4E2M1, -9.0, false, -6.0),
            (DType::Float4E2M1, 2.5, true, 2.0),
        ] {
            assert_eq!(nearest(dtype, value, saturates), Some(made), "{dtype:?} {value}");
        }
        assert!(nearest(DType::Float8E4M3Fn, 500.0, false).is_some_and(f64::is_nan));
        assert!(nearest(DType::Float8E4M3FnUz, f64::NAN, true).is_some_and(f64::is_nan));
        assert_eq!(nearest(DType::Float8E8M0, 2.0, true), None);
    }

    #[test]
    fn small_integers_stand_side_by_side() {
        assert_eq!(unpack(DType::Int4, &[0x7f, 0x08], 3), [0xf, 0x7, 0x8]);
        assert_eq!([0xf, 0x7, 0x8].map(|b| integer(DType::Int4, b)), [-1, 7, -8]);
        assert_eq!(unpack(DType::UInt2, &[0b1101_1000], 4), [0, 2, 1, 3]);
        assert_eq!(integer(DType::Int2, 2), -2);
    }
}
