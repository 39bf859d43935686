//! Maxima over windows: honest ones pass, and no other value does.

use super::*;

fn window_shape(packed: usize, lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { batch, windows: true, ..GraphShape::new(6, packed) });
    Shape { graph, ..shape(6, packed, lanes) }
}

/// Three inputs (0 to 2); the greatest of each of three windows of six equations (3 to 5), one
/// of which is in two windows and one in none; what two equations read of them (6, 7).
fn claims() -> Claims<'static> {
    let dense: &'static [i64] =
        &[30, -20, 7, -5, 11, 0, 1, 1, -100, 9, -8, 3, -4, -4, -4, -1, -30, 2, 50, 60, 70];
    let windows = vec![vec![0, 1, 2], vec![3, 1], vec![4, 5]];
    Claims {
        inputs: 3,
        nodes: vec![
            Node {
                windows: Some(Cow::Owned(windows)),
                order: Some(vec![2, 0, 1]),
                ..node(
                    &[128, -300, 128, 5000, 128, 900, 0],
                    vec![map(&[0, 1, 2], Terms::Dense(dense))],
                )
            },
            node(
                &[1000, 2000],
                vec![
                    map(&[3, 4, 5], Terms::Dense(&[300, 50, 4, 90, 517, 60])),
                    map(&[0], sparse(&[&[(0, 100)], &[]])),
                ],
            ),
        ],
        words: vec![vec![3], vec![4], vec![5], vec![6], vec![7]],
        ..Claims::default()
    }
}

fn settings() -> Vec<Setting> {
    [(1, 3, 1), (9, 1, 1), (4, 2, 1), (2, 5, 1), (1, 4, 2), (5, 1, 3)]
        .into_iter()
        .map(|(packed, lanes, batch)| {
            Setting::of(&claims(), &inputs(batch), window_shape(packed, lanes, batch))
        })
        .collect()
}

impl Setting {
    /// The rows of a value's gaps, of the last inference.
    fn gap_rows(&self, value: usize) -> Vec<usize> {
        let batch = self.layout.shape.batch();
        let window = self.layout.windows.iter().find(|(maximum, _)| *maximum == value);
        let (_, members) = window.expect("a maximum");
        let row = |gap| self.layout.value_rows[value] + (2 + gap) * batch + batch - 1;
        (0..*members).map(row).collect()
    }

    fn set_gap(&mut self, row: usize, gap: i64) {
        let shape = self.layout.shape;
        let mask = shape.table_size() as i64 - 1;
        for (limb, column) in self.first.limbs.iter_mut().enumerate() {
            let part = gap >> (shape.limb_bits as usize * limb);
            // A gap below 0 has no limbs: the highest takes what is left.
            let part = if limb + 1 < shape.limbs { part & mask } else { part };
            column[row] = field(part);
        }
    }

    /// A maximum of the last inference and its gaps, consistently, that they are `by` more; the
    /// words say so.
    fn raise(&mut self, value: usize, by: i64) {
        let batch = self.layout.shape.batch();
        let claims = claims();
        let own = &inputs(batch)[batch - 1];
        let shape = self.layout.shape;
        let integers = run(&claims, own, &shape);
        let z = integers[value].0 + by;
        let mut lied = integers;
        lied[value] = (z, (z >> shape.shift_bits()).max(0));
        let gaps = gaps(&claims, &lied);
        let before: usize = (3..value).map(|value| self.gap_rows(value).len()).sum();
        self.set_in(batch - 1, value, z);
        for (row, gap) in self.gap_rows(value).into_iter().zip(&gaps[before..]) {
            self.set_gap(row, *gap);
        }
        self.instances[1 + (value - 3) * batch + batch - 1] = field(lied[value].1);
        self.recount();
    }

    fn open(&mut self, value: usize, cells: &[u64]) {
        for (row, cell) in self.gap_rows(value).into_iter().zip(cells) {
            self.first.cells[row] = Fr::from(*cell);
        }
        self.recount();
    }
}

#[test]
fn honest_maxima_pass_in_every_kind_of_shape() {
    let integers = run(&claims(), &inputs(1)[0], &window_shape(1, 3, 1));
    assert!(integers[3].0 > 0 && integers[4].0 > 0 && integers[5].0 < 0, "both signs");
    for setting in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
    }
}

#[test]
fn a_word_other_than_a_maximum_is_refused() {
    refuses_other_words(settings());
}

#[test]
fn a_maximum_above_all_of_its_window_is_refused() {
    for setting in settings() {
        let last = setting.layout.shape.batch() - 1;
        let integers = run(&claims(), &inputs(last + 1)[last], &setting.layout.shape);
        for (value, by) in [(3, 1), (3, 256), (4, 1 << 12)] {
            let mut cheating = setting.clone();
            cheating.raise(value, by);
            // None of the gaps is 0, and the cells say that one is: found at once, on the last
            // row, never, or as what is neither.
            let count = setting.gap_rows(value).len() as u64;
            for cells in [[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 0], [2, 0, 0]] {
                let mut cells = cells;
                if count == 2 {
                    cells = [cells[0], cells[2], 0];
                }
                cheating.open(value, &cells);
                assert!(!cheating.accepts(), "{} {value} {cells:?}", setting.layout.shape);
            }
        }
        // A maximum below 0 must not become one that is not.
        let mut cheating = setting.clone();
        assert!(integers[5].0 < 0);
        cheating.raise(5, 300 - integers[5].0);
        for cells in [[0, 0], [1, 1], [1, 0]] {
            cheating.open(5, &cells);
            assert!(!cheating.accepts(), "{}", setting.layout.shape);
        }
    }
}

#[test]
fn below_zero_any_bound_gives_the_same_value() {
    for mut setting in settings() {
        setting.raise(5, 7);
        assert!(setting.accepts(), "{}", setting.layout.shape);
    }
}

#[test]
fn a_maximum_below_one_of_its_window_is_refused() {
    for setting in settings() {
        let last = setting.layout.shape.batch() - 1;
        let claims = claims();
        let integers = run(&claims, &inputs(last + 1)[last], &setting.layout.shape);
        let gaps = gaps(&claims, &integers);
        for (value, own) in [(3, 0..3), (4, 3..5)] {
            // The second greatest, the greatest's gap being negative.
            let second = gaps[own.clone()].iter().filter(|gap| **gap > 0).min().expect("one");
            let mut cheating = setting.clone();
            cheating.raise(value, -second);
            let found: Vec<u64> = gaps[own]
                .iter()
                .scan(1, |open, gap| {
                    *open *= u64::from(gap != second);
                    Some(*open)
                })
                .collect();
            cheating.open(value, &found);
            assert!(!cheating.accepts(), "{} {value}", setting.layout.shape);
        }
    }
}

#[test]
fn a_gap_of_another_equation_is_refused() {
    for setting in settings() {
        for value in [3, 4, 5] {
            let rows = setting.gap_rows(value);
            let mut cheating = setting.clone();
            for column in &mut cheating.first.limbs {
                column.swap(rows[0], rows[1]);
            }
            let first = cheating.first.limbs.iter().all(|column| column[rows[0]] == Fr::zero());
            // Found on the row that has the gap of 0 now; a maximum below 0 needs none.
            let open = u64::from(value != 5 && !first);
            let cells = [open, 0, 0];
            cheating.open(value, &cells);
            assert!(!cheating.accepts(), "{} {value}", setting.layout.shape);
            // And one that is made up: a position left out.
            for row in rows {
                let mut cheating = setting.clone();
                cheating.first.limbs[1][row] += Fr::one();
                if cheating.first.limbs[1][row] == Fr::from(16) {
                    cheating.first.limbs[1][row] = Fr::zero();
                }
                cheating.recount();
                assert!(!cheating.accepts(), "{} {value}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn every_second_phase_cell_is_bound_where_maxima_are() {
    for setting in [&settings()[2], &settings()[4]] {
        let batch = setting.layout.shape.batch();
        let rows: Vec<usize> = setting.layout.gaps().flat_map(|row| row..row + batch).collect();
        for row in rows {
            let add = |column: fn(&mut SecondPhase) -> &mut Vec<Fr>| {
                setting.verdict(move |second| column(second)[row] += Fr::one())
            };
            assert!(!add(|second| &mut second.reading), "reading {row}");
            assert!(!add(|second| &mut second.balance), "balance {row}");
            assert!(!add(|second| &mut second.logup), "logup {row}");
            assert!(!add(|second| &mut second.coefficient), "coefficient {row}");
        }
    }
}

#[test]
fn windows_that_no_row_holds_and_shapes_that_prove_none_are_refused() {
    let narrow = Layout::new(&claims(), window_shape(1, 2, 1));
    assert_eq!(narrow, Err(circuit::LayoutError::NoWindows { window: 3, stripe: 2 }));
    let none = Layout::new(&claims(), shape(6, 2, 2));
    assert_eq!(none, Err(circuit::LayoutError::NoWindows { window: 3, stripe: 4 }));
}
