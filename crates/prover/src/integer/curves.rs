//! Functions of one variable, by tables of straight segments.
//!
//! A value x lies in the segment t = ⌊x / 2^w⌋ of its function's table, which says
//!
//! ```text
//! z = base_t + slope_t·(x mod 2^w),      x' = max(0, ⌊z / 2^n⌋)
//! ```

use serde::{Deserialize, Serialize};

use super::Interval;

/// Bases and slopes lie between −2^62 and 2^62.
const SEGMENT_BITS: u32 = 62;
/// Most segments of all tables of a node.
const MAX_SEGMENTS: usize = 1 << 24;
/// Segments have numbers of so many bits at most: those of a limb.
pub const MAX_NUMBER_BITS: u32 = 16;

/// Functions of the elements of a node's only input, one each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curves {
    /// w.
    pub offset_bits: u32,
    /// The functions.
    pub tables: Vec<CurveTable>,
    /// For each element, by index in `tables`, its function.
    pub of: Vec<usize>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CurveTable {
    /// The number of the first segment.
    pub first: u64,
    /// The segments, one after the other.
    pub segments: Vec<Segment>,
}

/// base + slope·offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// z where the segment begins.
    pub base: i64,
    /// What a unit of x adds to it.
    pub slope: i64,
}

impl CurveTable {
    /// The segment of this number.
    pub fn segment(&self, number: u64) -> Option<&Segment> {
        self.segments.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

impl Curves {
    /// The number of the segment of x, and how far into it x is.
    pub fn place(&self, x: i64) -> (u64, i64) {
        ((x >> self.offset_bits) as u64, x & ((1 << self.offset_bits) - 1))
    }

    /// z of every element. Those of a valid graph have a segment.
    pub(super) fn run(&self, values: &[i64]) -> Vec<i64> {
        let z = |(x, of): (&i64, &usize)| {
            let (number, offset) = self.place(*x);
            let segment = self.tables[*of].segment(number);
            segment.map_or(0, |s| s.base.wrapping_add(s.slope.wrapping_mul(offset)))
        };
        values.iter().zip(&self.of).map(z).collect()
    }

    /// Bounds of every z, from those of the values; none where a value may have no segment.
    pub(crate) fn bounds(&self, values: &[Interval]) -> Vec<Option<Interval>> {
        // Many elements have the same function and the same bounds.
        let mut last: Option<(usize, Interval, Option<Interval>)> = None;
        let mut of_element = |(x, of): (&Interval, &usize)| match last {
            Some((table, bounds, z)) if (table, bounds) == (*of, *x) => z,
            _ => {
                let z = self.table_bounds(&self.tables[*of], *x);
                last = Some((*of, *x, z));
                z
            }
        };
        values.iter().zip(&self.of).map(&mut of_element).collect()
    }

    fn table_bounds(&self, table: &CurveTable, (lo, hi): Interval) -> Option<Interval> {
        let number = |x: i128| u64::try_from(x >> self.offset_bits).ok();
        let (first, last) = (number(lo)?, number(hi)?);
        (table.segment(first).is_some() && table.segment(last).is_some()).then_some(())?;
        let width = 1i128 << self.offset_bits;
        let ends = (first..=last).filter_map(|number| {
            let segment = table.segment(number)?;
            let start = i128::from(number) << self.offset_bits;
            let at = |x: i128| i128::from(segment.base) + i128::from(segment.slope) * (x - start);
            let ends = (at(lo.max(start)), at(hi.min(start + width - 1)));
            Some((ends.0.min(ends.1), ends.0.max(ends.1)))
        });
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Why it does not make `outputs` elements of inputs of these lengths.
    pub(super) fn misfit(&self, bits: u32, inputs: &[usize], outputs: usize) -> Option<String> {
        if inputs != [outputs] || self.of.len() != outputs {
            return Some(format!("{} functions for {outputs} outputs", self.of.len()));
        }
        if self.offset_bits >= bits || bits - self.offset_bits > MAX_NUMBER_BITS {
            return Some(format!(
                "segments of 2^{} for values of {bits} bits; they must have numbers of 1 to \
                 {MAX_NUMBER_BITS} bits",
                self.offset_bits
            ));
        }
        if let Some(index) = self.of.iter().position(|of| *of >= self.tables.len()) {
            return Some(format!("element {index} has function {}, which is none", self.of[index]));
        }
        let segments = self.segments();
        if segments > MAX_SEGMENTS {
            return Some(format!("{segments} segments, at most {MAX_SEGMENTS}"));
        }
        let last = 1u64 << (bits - self.offset_bits);
        let small = |number: i64| number.unsigned_abs() < 1 << SEGMENT_BITS;
        self.tables.iter().enumerate().find_map(|(index, table)| {
            let end = table.first.checked_add(table.segments.len() as u64);
            if end.is_none_or(|end| end > last) {
                return Some(format!("function {index} has segments beyond the last, {last}"));
            }
            let wrong = |s: &Segment| !small(s.base) || !small(s.slope);
            let segment = table.segments.iter().position(wrong)?;
            Some(format!("function {index}, segment {segment}: 2^{SEGMENT_BITS} or more"))
        })
    }

    /// Segments of all functions.
    pub(crate) fn segments(&self) -> usize {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.segments.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(base: i64, slope: i64) -> Segment {
        Segment { base, slope }
    }

    /// |x − 8| of x from 4 to 11, and a constant.
    fn curves() -> Curves {
        let v = CurveTable { first: 1, segments: vec![segment(4, -1), segment(0, 1)] };
        let flat = CurveTable { first: 0, segments: vec![segment(-7, 0)] };
        Curves { offset_bits: 2, tables: vec![v, flat], of: vec![0, 1, 0] }
    }

    #[test]
    fn a_value_is_read_off_the_straight_segment_that_it_lies_in() {
        assert_eq!(curves().run(&[4, 0, 11]), [4, -7, 3]);
        assert_eq!(curves().run(&[7, 3, 8]), [1, -7, 0]);
    }

    #[test]
    fn bounds_are_those_of_the_segments_that_may_be_met() {
        let bounds = curves().bounds(&[(4, 11), (0, 3), (9, 10)]);
        assert_eq!(bounds, [Some((0, 4)), Some((-7, -7)), Some((1, 2))]);
        // 3 lies before the first segment, 12 behind the last.
        assert_eq!(curves().bounds(&[(3, 11), (0, 4), (4, 12)]), [None; 3]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(curves().misfit(4, &[3], 3), None);
        let misfit = |change: &dyn Fn(&mut Curves)| {
            let mut curves = curves();
            change(&mut curves);
            curves.misfit(4, &[3], 3).expect("a misfit")
        };
        assert!(misfit(&|c| c.of.truncate(2)).contains("2 functions for 3 outputs"));
        assert!(misfit(&|c| c.of[1] = 2).contains("element 1 has function 2"));
        assert!(misfit(&|c| c.offset_bits = 4).contains("segments of 2^4"));
        assert!(misfit(&|c| c.tables[0].first = 3).contains("beyond the last, 4"));
        assert!(misfit(&|c| c.tables[1].first = u64::MAX).contains("beyond the last"));
        assert!(misfit(&|c| c.tables[0].segments[1].slope = i64::MIN).contains("segment 1: 2^62"));
        assert!(curves().misfit(4, &[3, 3], 3).is_some(), "two inputs");
        assert!(curves().misfit(40, &[3], 3).is_some(), "numbers of 38 bits");
    }
}
