//! Sets of floats as intervals, and what of them a step takes into a set.
//!
//! The order of floats is that of integers, their keys, among which a place is found by bisection
//! in as many tries as a float has bits.

use super::steps::{Choice, Does, Step};
use crate::graph::Test;

/// The test of a number that holds where one does of what steps make of it, or would make if it
/// were missing: `missing` says where that goes. `wide`: whether it is a float64. Nothing if that
/// falls apart into too many intervals.
pub(super) fn moved(by: &[Step], test: &Test, missing: bool, wide: bool) -> Option<Test> {
    let most = MAX_SPLIT * (test.constants().len() + 1);
    let set = Floats { wide: by.last().map_or(wide, |step| step.wide) }.of_test(test);
    let undefined = test.holds(f64::NAN) || missing;
    Some(Floats { wide }.test(&Floats { wide }.back(by, set, undefined, most)?))
}

/// How many times the constants of a test a set's intervals may be; what falls apart into more is
/// left as it is.
const MAX_SPLIT: usize = 8;

/// Closed intervals, in order, that neither meet nor touch.
type Set = Vec<[f64; 2]>;

/// All floats of a type: float32, or float64 if it is wide.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Floats {
    wide: bool,
}

impl Floats {
    fn value(self, key: i64) -> f64 {
        match self.wide {
            true => f64::from_bits(if key < 0 { !key as u64 | 1 << 63 } else { key as u64 }),
            false => {
                let key = key as i32;
                f64::from(f32::from_bits(if key < 0 { !key as u32 | 1 << 31 } else { key as u32 }))
            }
        }
    }

    /// The key of a float of the type.
    fn key(self, x: f64) -> i64 {
        let negative = x.is_sign_negative();
        match self.wide {
            true if negative => !((x.to_bits() & !(1 << 63)) as i64),
            true => x.to_bits() as i64,
            false => {
                let bits = (x as f32).to_bits();
                i64::from(if negative { !((bits & !(1 << 31)) as i32) } else { bits as i32 })
            }
        }
    }

    /// The keys between two floats at which a property begins to hold: the first one; the one
    /// behind the last if it never does.
    fn first(self, [from, to]: [f64; 2], property: impl Fn(f64) -> bool) -> i128 {
        let (mut before, mut behind) =
            (i128::from(self.key(from)) - 1, i128::from(self.key(to)) + 1);
        while behind - before > 1 {
            let middle = before + (behind - before) / 2;
            if property(self.value(middle as i64)) { behind = middle } else { before = middle }
        }
        behind
    }

    /// Where a test holds.
    fn of_test(self, test: &Test) -> Set {
        let all = [f64::NEG_INFINITY, f64::INFINITY];
        let end = i128::from(self.key(f64::INFINITY));
        let start = i128::from(self.key(f64::NEG_INFINITY));
        let from = |t: f64| self.first(all, |x| x >= t);
        let behind = |t: f64| self.first(all, |x| x > t);
        let mut keys: Vec<[i128; 2]> = match test {
            Test::AtMost(t) => vec![[start, behind(*t) - 1]],
            Test::Below(t) => vec![[start, from(*t) - 1]],
            Test::AtLeast(t) => vec![[from(*t), end]],
            Test::Above(t) => vec![[behind(*t), end]],
            Test::Equal(t) => vec![[from(*t), behind(*t) - 1]],
            Test::NotEqual(t) => vec![[start, from(*t) - 1], [behind(*t), end]],
            Test::Member(set) => set.iter().map(|t| [from(*t), behind(*t) - 1]).collect(),
            Test::Within(ends) => {
                ends.chunks_exact(2).map(|ends| [from(ends[0]), behind(ends[1]) - 1]).collect()
            }
        };
        keys.retain(|[from, to]| from <= to);
        self.set(keys)
    }

    /// The test that holds in a set. Of the two zeros, an input is the one that is not negative.
    fn test(self, set: &Set) -> Test {
        let below = self.value(self.key(-0.0) - 1);
        let end = |to: f64| if to == 0.0 && to.is_sign_negative() { below } else { to };
        let set: Set = set.iter().map(|[from, to]| [*from, end(*to)]).collect();
        let set: Set = set.into_iter().filter(|[from, to]| from <= to).collect();
        match set[..] {
            [] => Test::Member(Vec::new()),
            [[f64::NEG_INFINITY, to]] if to < f64::INFINITY => Test::AtMost(to),
            [[from, f64::INFINITY]] if from > f64::NEG_INFINITY => Test::AtLeast(from),
            [[from, to]] if from == to => Test::Equal(from),
            _ => Test::Within(set.iter().flatten().copied().collect()),
        }
    }

    /// What steps take into a set of their results. `undefined`: whether NaN is in it.
    fn back(self, by: &[Step], results: Set, undefined: bool, most: usize) -> Option<Set> {
        let mut set = results.clone();
        for (at, step) in by.iter().enumerate().rev() {
            let wide = at.checked_sub(1).map_or(self.wide, |before| by[before].wide);
            let made = by[at + 1..].iter().fold(f64::NAN, |x, step| step.apply(x));
            let undefined = match made.is_nan() {
                true => undefined,
                false => results.iter().any(|[from, to]| (*from..=*to).contains(&made)),
            };
            set = Floats { wide }.before(step, &set, undefined, most)?;
        }
        Some(set)
    }

    /// What either side of a choice takes into a set, where that side is taken.
    fn chosen(self, choice: &Choice, set: &Set, undefined: bool, most: usize) -> Option<Set> {
        let ends = |set: &Set| -> Vec<[i128; 2]> {
            set.iter().map(|ends| ends.map(|end| i128::from(self.key(end)))).collect()
        };
        let holds = ends(&self.of_test(&choice.test));
        let [least, greatest] =
            [f64::NEG_INFINITY, f64::INFINITY].map(|end| i128::from(self.key(end)));
        let from = std::iter::once(least).chain(holds.iter().map(|[_, to]| to + 1));
        let to = holds.iter().map(|[from, _]| from - 1).chain([greatest]);
        let fails: Vec<[i128; 2]> = from.zip(to).map(|(from, to)| [from, to]).collect();
        let mut keys = Vec::new();
        for (by, where_taken) in [(&choice.holds, &holds), (&choice.fails, &fails)] {
            let own = ends(&self.back(by, set.clone(), undefined, most)?);
            let meet = |[a, b]: [i128; 2], [c, d]: [i128; 2]| [a.max(c), b.min(d)];
            keys.extend(own.iter().flat_map(|a| where_taken.iter().map(move |b| meet(*a, *b))));
        }
        keys.retain(|[from, to]| from <= to);
        let set = self.set(keys);
        (set.len() <= most).then_some(set)
    }

    /// What a step takes into a set, which is of the step's results; nothing if that is more than
    /// so many intervals. `undefined`: whether that is so of numbers that it is not defined for.
    fn before(self, step: &Step, set: &Set, undefined: bool, most: usize) -> Option<Set> {
        if let Does::Choose(choice) = &step.does {
            return self.chosen(choice, set, undefined, most);
        }
        let mut keys = Vec::new();
        for piece in step.pieces() {
            for [low, high] in set {
                // −0 is before 0: a quotient by it is another one.
                let reaches = |x: f64| step.along(x).total_cmp(low).is_ge();
                let exceeds = |x: f64| step.along(x).total_cmp(high).is_gt();
                let [from, behind] = match piece.falls {
                    false => [self.first(piece.ends, reaches), self.first(piece.ends, exceeds)],
                    true => [
                        self.first(piece.ends, |x| !exceeds(x)),
                        self.first(piece.ends, |x| !reaches(x)),
                    ],
                };
                keys.push([from, behind - 1]);
            }
        }
        if undefined && step.is_partial() {
            let ends = [f64::NEG_INFINITY, -0.0].map(|end| i128::from(self.key(end)));
            keys.push([ends[0], ends[1] - 1]);
        }
        // A value that is replaced goes where the other does.
        if let Some((value, other)) = step.replaces() {
            let (at, last) = match self.of_test(&Test::Equal(value))[..] {
                [[from, to]] => (i128::from(self.key(from)), i128::from(self.key(to))),
                _ => (0, -1),
            };
            let apart = |[from, to]: [i128; 2]| [[from, to.min(at - 1)], [from.max(last + 1), to]];
            if at <= last {
                keys = keys.into_iter().flat_map(apart).collect();
                if set.iter().any(|[from, to]| (*from..=*to).contains(&other)) {
                    keys.push([at, last]);
                }
            }
        }
        keys.retain(|[from, to]| from <= to);
        let set = self.set(keys);
        (set.len() <= most).then_some(set)
    }

    fn set(self, mut keys: Vec<[i128; 2]>) -> Set {
        keys.sort_unstable();
        let mut joined: Vec<[i128; 2]> = Vec::with_capacity(keys.len());
        for [from, to] in keys {
            match joined.last_mut() {
                Some([_, last]) if from <= *last + 1 => *last = to.max(*last),
                _ => joined.push([from, to]),
            }
        }
        joined.into_iter().map(|ends| ends.map(|key| self.value(key as i64))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_a_set_of_floats() {
        for wide in [false, true] {
            let floats = Floats { wide };
            let next = |t: f64| match wide {
                true => t.next_up(),
                false => f64::from((t as f32).next_up()),
            };
            for t in [0.1f32, -0.1, 1e-40, -1e-40, 3e38, -3e38, 1.0].map(f64::from) {
                assert_eq!(floats.of_test(&Test::AtLeast(t)), [[t, f64::INFINITY]]);
                assert_eq!(floats.of_test(&Test::Above(t)), [[next(t), f64::INFINITY]]);
                assert_eq!(floats.of_test(&Test::Equal(t)), [[t, t]]);
                assert_eq!(floats.test(&floats.of_test(&Test::Below(next(t)))), Test::AtMost(t));
            }
            // No float32 is 0.1; 0 has two.
            assert_eq!(floats.of_test(&Test::Equal(0.1)).len(), usize::from(wide));
            let zero = floats.of_test(&Test::Equal(0.0));
            assert!(matches!(zero[..], [[from, to]] if from.is_sign_negative() && to == 0.0));
            assert_eq!(floats.test(&floats.of_test(&Test::NotEqual(0.0))).constants().len(), 4);
        }
    }
}
