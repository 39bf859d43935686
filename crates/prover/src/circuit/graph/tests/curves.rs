//! Functions by tables: honest ones pass, and no other segment, function, argument or result does.

use super::*;
use crate::integer::{self, CurveTable, Segment};

fn curve_shape(columns: usize, lanes: usize, segment_lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { batch, segment_lanes, ..GraphShape::new(columns, 3) });
    Shape { graph, ..shape(columns, 3, lanes) }
}

/// Segments of 2^12: a bent function of all 16 numbers, and another of some.
fn tables() -> integer::Curves {
    let bent =
        |number: i64| Segment { base: 900 * (number - 7).pow(2) - 20_000, slope: (number - 7) % 3 };
    let bent = CurveTable { first: 0, segments: (0..16).map(bent).collect() };
    let other = |number: i64| Segment { base: 3000 * number, slope: -1 };
    let other = CurveTable { first: 0, segments: (0..9).map(other).collect() };
    integer::Curves { offset_bits: 12, tables: vec![bent, other], of: vec![0, 0, 1] }
}

/// Three inputs (0 to 2), two arguments made of them (3, 4), functions of these and of the
/// last input (5 to 7), and what an equation reads of them, and of an argument (8).
fn claims(curves: &integer::Curves) -> Claims<'_> {
    Claims {
        inputs: 3,
        nodes: vec![
            node(&[128, -300], vec![map(&[0, 1, 2], Terms::Dense(&[130, -20, 7, 95, 41, 0]))]),
            node(&[0, 0, 0], vec![]),
            node(&[1000], vec![map(&[5, 6, 7, 3], Terms::Dense(&[300, 50, -4, 11]))]),
        ],
        curves: vec![Curves { node: 1, values: vec![3, 4, 2], curves }],
        words: vec![vec![5], vec![6], vec![7], vec![8]],
        ..Claims::default()
    }
}

fn settings() -> Vec<Setting> {
    let curves = tables();
    [(4, 1, 1, 1), (6, 3, 2, 1), (5, 2, 3, 1), (4, 2, 1, 3), (6, 1, 4, 2)]
        .into_iter()
        .map(|(columns, lanes, segment_lanes, batch)| {
            let shape = curve_shape(columns, lanes, segment_lanes, batch);
            Setting::of(&claims(&curves), &inputs(batch), shape)
        })
        .collect()
}

impl Setting {
    /// The row of an evaluation, of the last inference.
    fn evaluation(&self, place: usize) -> usize {
        self.layout.evaluation_row(place) + self.layout.shape.batch() - 1
    }

    /// Uses a segment at an evaluation whatever its limbs say: base, slope, result; counted
    /// where `entry` is.
    fn use_segment(&mut self, place: usize, segment: Segment, from: usize, to: usize) {
        let row = self.evaluation(place);
        let lanes = self.layout.shape.segment_lanes();
        let limbs = &self.first.limbs[..self.layout.shape.value_limbs() - 1];
        let unit = Fr::from(self.layout.shape.table_size() as u64);
        let offset = limbs.iter().rev().fold(Fr::zero(), |sum, limb| sum * unit + limb[row]);
        let curves = &mut self.first.curves;
        curves.base[row] = field(segment.base);
        curves.slope[row] = field(segment.slope);
        curves.counts[from % lanes][from / lanes] -= Fr::one();
        curves.counts[to % lanes][to / lanes] += Fr::one();
        self.first.cells[row] = field(segment.base) + field(segment.slope) * offset;
    }

    /// Makes the function's value of the last inference follow what its evaluation says, and the
    /// word of it.
    fn follow(&mut self, place: usize, value: usize) {
        let row = self.evaluation(place);
        let batch = self.layout.shape.batch();
        let result = self.first.cells[row];
        let small = |x: &Fr| crate::circuit::small(x).map(|x| x as i64);
        let z = small(&result).or_else(|| small(&-result).map(|z| -z)).expect("small");
        self.set_in(batch - 1, value, z);
        self.instances[1 + (value - 5) * batch + batch - 1] = field((z >> 8).max(0));
    }

    /// The place in the segment table of what an evaluation looks up.
    fn entry(&self, place: usize) -> usize {
        let row = self.evaluation(place);
        let limb = &self.first.limbs[self.layout.shape.value_limbs() - 1][row];
        let number = crate::circuit::small(limb).expect("a limb");
        let (_, function) = self.layout.curves.evaluations[place];
        self.layout.curves.functions[function].entry + number
    }
}

#[test]
fn honest_functions_pass_in_every_kind_of_shape() {
    for setting in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
    }
}

#[test]
fn a_word_other_than_a_functions_value_is_refused() {
    refuses_other_words(settings());
}

#[test]
fn another_segment_of_the_function_or_one_of_another_is_refused() {
    // Evaluations in the order of values: of input 2 (function 1, value 7), of 3 and 4
    // (function 0, values 5 and 6). What reads them is not made to follow.
    for setting in settings() {
        for (place, value) in [(0, 7), (1, 5), (2, 6)] {
            let from = setting.entry(place);
            let all: Vec<Segment> =
                tables().tables.iter().flat_map(|table| table.segments.clone()).collect();
            for to in [(from + 1) % all.len(), (from + 20) % all.len(), 16] {
                if to == from {
                    continue;
                }
                let mut cheating = setting.clone();
                cheating.use_segment(place, all[to], from, to);
                cheating.follow(place, value);
                assert!(!cheating.accepts(), "{} {place}: {to}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn a_slope_or_base_that_no_segment_has_is_refused() {
    for setting in settings() {
        for (place, value) in [(0, 7), (1, 5)] {
            let from = setting.entry(place);
            let all: Vec<Segment> =
                tables().tables.iter().flat_map(|table| table.segments.clone()).collect();
            let Segment { base, slope } = all[from];
            // Also the slope of another segment with this one's base.
            for lie in [(base + 1, slope), (base, slope + 1), (base, all[(from + 1) % 16].slope)] {
                if lie == (base, slope) {
                    continue;
                }
                let mut cheating = setting.clone();
                let segment = Segment { base: lie.0, slope: lie.1 };
                cheating.use_segment(place, segment, from, from);
                cheating.follow(place, value);
                assert!(!cheating.accepts(), "{} {lie:?}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn an_evaluation_elsewhere_than_at_its_argument_is_refused() {
    for setting in settings() {
        for (place, value) in [(0, 7), (1, 5), (2, 6)] {
            for limb in 0..setting.layout.shape.value_limbs() {
                let row = setting.evaluation(place);
                let own = setting.first.limbs[limb][row];
                let other = if own == Fr::zero() { Fr::one() } else { own - Fr::one() };
                let mut cheating = setting.clone();
                let from = cheating.entry(place);
                cheating.first.limbs[limb][row] = other;
                let to = cheating.entry(place);
                let (_, function) = cheating.layout.curves.evaluations[place];
                let placed = &cheating.layout.curves.functions[function];
                let Some(segment) = placed.table.segments.get(to - placed.entry).copied() else {
                    continue;
                };
                cheating.use_segment(place, segment, from, to);
                cheating.follow(place, value);
                assert!(!cheating.accepts(), "{} limb {limb}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn a_result_other_than_base_and_slope_say_is_refused() {
    for setting in settings() {
        for (place, value) in [(0, 7), (1, 5), (2, 6)] {
            let mut cheating = setting.clone();
            let row = cheating.evaluation(place);
            cheating.first.cells[row] += Fr::from(256);
            cheating.follow(place, value);
            assert!(!cheating.accepts(), "{}", setting.layout.shape);
        }
    }
}

#[test]
fn a_segment_counted_too_often_or_where_there_is_none_is_refused() {
    for setting in settings() {
        let rows = setting.layout.active_rows();
        for row in [0, 1, rows - 1] {
            let mut cheating = setting.clone();
            cheating.first.curves.counts[0][row] += Fr::one();
            assert!(!cheating.accepts(), "{} row {row}", setting.layout.shape);
        }
    }
}

#[test]
fn every_sum_of_look_ups_is_bound() {
    for setting in settings() {
        let rows = [0, 1, setting.evaluation(0), setting.evaluation(2)];
        let lanes = setting.layout.shape.segment_lanes();
        for row in rows {
            for column in 0..=lanes {
                let inverses = setting.layout.shape.limb_columns() - 1;
                assert!(
                    !setting.verdict(move |second| {
                        // They are read as inverses: those behind the range argument's.
                        second.inverses[inverses + column][row] += Fr::one();
                    }),
                    "{} column {column} row {row}",
                    setting.layout.shape
                );
            }
        }
    }
}

#[test]
fn what_the_shape_cannot_prove_is_refused() {
    let curves = tables();
    let plain = shape(6, 3, 2);
    assert_eq!(Layout::new(&claims(&curves), plain), Err(circuit::LayoutError::NoCurves));
    let mut shared = claims(&curves);
    shared.curves[0].values = vec![3, 3, 2];
    let refused = Layout::new(&shared, curve_shape(6, 2, 1, 1));
    assert_eq!(refused, Err(circuit::LayoutError::SharedArgument { value: 3 }));
}
