//! Totals over a batch: a word states the sum of all inferences, and one hash all their inputs.

use super::{super::committed::CommittedCells, *};

fn totals_shape(columns: usize, lanes: usize, batch: usize, committed: bool) -> Shape {
    let graph = GraphShape { batch, committed, totals: true, ..GraphShape::new(columns, 3) };
    Shape { graph: Some(graph), public_inputs: committed, ..shape(columns, 3, lanes) }
}

/// Three inputs (0 to 2), a salt of two values (3, 4), what two equations make of the inputs (5,
/// 6), and copies of these (7, 8), which are totalled. The second word is of one of them, the
/// third of both, the first in the lowest bits.
fn claims(committed: bool) -> Claims<'static> {
    let dense: &'static [i64] = &[130, -20, 7, 3, 90, -1];
    let salt = if committed { 2 } else { 0 };
    let made = 3 + salt;
    let node = node(&[9000, 400], vec![map(&[0, 1, 2], Terms::Dense(dense))]);
    let commitment = Commitment { count: 3, salt: vec![3, 4], words: vec![vec![0, 1], vec![2]] };
    Claims {
        inputs: 3 + salt as usize,
        nodes: vec![node, Node::copy(&[made, made + 1, made + 1], 8)],
        commitment: committed.then_some(commitment),
        words: [vec![]]
            .into_iter()
            .filter(|_| committed)
            .chain([vec![made + 2], vec![made + 3, made + 4]])
            .collect(),
        ..Claims::default()
    }
}

/// The inputs of each inference, with a salt in the first.
fn with_salt(batch: usize, committed: bool) -> Vec<Vec<i64>> {
    let mut inputs = inputs(batch);
    for (index, own) in inputs.iter_mut().enumerate().filter(|_| committed) {
        own.extend(if index == 0 { [31_000, 44_444] } else { [0, 0] });
    }
    inputs
}

fn settings() -> Vec<(Setting, bool)> {
    [(1, 1, 2, true), (3, 2, 3, true), (6, 4, 5, true), (2, 3, 2, false), (6, 1, 4, false)]
        .into_iter()
        .map(|(columns, lanes, batch, committed)| {
            let shape = totals_shape(columns, lanes, batch, committed);
            let inputs = with_salt(batch, committed);
            (Setting::of(&claims(committed), &inputs, shape), committed)
        })
        .collect()
}

impl Setting {
    /// z of a value of an honest run.
    fn honest(&self, inference: usize, value: usize, committed: bool) -> i64 {
        let shape = &self.layout.shape;
        let inputs = with_salt(shape.batch(), committed);
        run(&claims(committed), &inputs[inference], shape)[value].0
    }

    /// What the hash is of, all inferences one after the other.
    fn all_elements(&self) -> Vec<Vec<Fr>> {
        let shape = &self.layout.shape;
        let inputs = with_salt(shape.batch(), true);
        let elements =
            |own: &Vec<i64>| hashed(&claims(true), &run(&claims(true), own, shape), shape);
        inputs.iter().map(elements).collect()
    }

    /// Hashes other elements, and states their hash.
    fn hash_all(&mut self, elements: &[Vec<Fr>]) {
        self.first.committed = CommittedCells::new(&self.layout, elements);
        let linked = elements.iter().enumerate().flat_map(|(t, own)| own.iter().skip(t.min(1)));
        self.instances[1] = linked.copied().reduce(poseidon2).expect("some");
    }
}

#[test]
fn honest_totals_pass_and_state_a_word_once() {
    for (setting, committed) in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
        assert_eq!(setting.instances.len(), 3 + usize::from(committed));
        let total = &setting.instances[setting.instances.len() - 2];
        let value = if committed { 5 } else { 3 };
        let batch = setting.layout.shape.batch();
        let honest = |t| setting.honest(t, value, committed) >> 8;
        assert_eq!(*total, field((0..batch).map(honest).sum()));
    }
}

#[test]
fn another_total_is_refused() {
    let settings = settings();
    refuses_other_words(settings.iter().map(|(setting, _)| setting.clone()).collect());
    // A value added to one inference and taken off another's copy still adds up: refused by
    // what each of them says of its own inputs.
    for (setting, committed) in settings {
        let batch = setting.layout.shape.batch();
        let first = if committed { 7 } else { 5 };
        for value in [first - 2, first] {
            for (t, other) in [(0, batch - 1), (batch - 1, 0)] {
                let mut cheating = setting.clone();
                cheating.set_in(t, value, setting.honest(t, value, committed) + 256);
                assert!(!cheating.accepts(), "{} value {value} alone", setting.layout.shape);
                cheating.set_in(other, value, setting.honest(other, value, committed) - 256);
                assert!(!cheating.accepts(), "{} value {value}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn a_total_with_an_inference_left_out_or_counted_twice_is_refused() {
    for (setting, committed) in settings() {
        let (batch, last) = (setting.layout.shape.batch(), setting.instances.len() - 2);
        let value = if committed { 5 } else { 3 };
        for t in 0..batch {
            let own = field(setting.honest(t, value, committed) >> 8);
            for changed in [setting.instances[last] - own, setting.instances[last] + own] {
                let mut cheating = setting.clone();
                cheating.instances[last] = changed;
                assert!(!cheating.accepts(), "{} inference {t}", setting.layout.shape);
            }
            // The inference's copy, which is what is added up, said to be 0, or twice as much.
            for copy in [0, 2 * (setting.honest(t, value, committed) >> 8)] {
                let mut cheating = setting.clone();
                cheating.set_in(t, value + 2, copy << 8);
                cheating.instances[last] += field(copy) - own;
                assert!(!cheating.accepts(), "{} inference {t}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn a_hash_of_other_inputs_of_any_inference_is_refused() {
    for (setting, _) in settings().into_iter().filter(|(_, committed)| *committed) {
        let elements = setting.all_elements();
        let mut again = setting.clone();
        again.hash_all(&elements);
        assert!(again.accepts(), "the same hash");
        for (t, own) in elements.iter().enumerate() {
            for changed in usize::from(t > 0)..own.len() {
                for by in [Fr::one(), -Fr::one(), Fr::from(1 << 16), salt_unit()] {
                    let mut elements = elements.clone();
                    elements[t][changed] += by;
                    let mut cheating = setting.clone();
                    cheating.hash_all(&elements);
                    assert!(!cheating.accepts(), "{} {t} {changed}", setting.layout.shape);
                }
            }
        }
        // Two inferences' inputs exchanged.
        let mut exchanged = elements.clone();
        for at in 1..3 {
            let [a, b] = [elements[0][at], elements[1][at]];
            (exchanged[0][at], exchanged[1][at]) = (b, a);
        }
        let mut cheating = setting.clone();
        cheating.hash_all(&exchanged);
        assert!(!cheating.accepts());
    }
}

#[test]
fn a_hash_that_starts_anew_within_the_list_is_refused() {
    for (setting, _) in settings().into_iter().filter(|(_, committed)| *committed) {
        let batch = setting.layout.shape.batch();
        let elements = setting.all_elements();
        for t in 1..batch {
            // What the inferences before were is not in the hash that is stated.
            for start in [elements[0][0], Fr::zero(), Fr::from(12345)] {
                let mut states = setting.first.committed.clone();
                let mut hash = start;
                for (own, words) in elements.iter().enumerate().skip(t) {
                    let mut single = vec![vec![]; batch];
                    single[own] = [&[hash], &words[1..]].concat();
                    // As if it were an inference of its own.
                    let mut layout = setting.layout.clone();
                    if let Some(graph) = &mut layout.shape.graph {
                        graph.totals = false;
                    }
                    let made = CommittedCells::new(&layout, &single);
                    let first = setting.layout.committed.first;
                    let end = setting.layout.committed.link(words.len() - 1, batch) + 2 * batch;
                    for (column, made) in states.columns.iter_mut().zip(made.columns) {
                        for row in (first..end).filter(|row| (row - first) % batch == own) {
                            column[row] = made[row];
                        }
                    }
                    hash = words[1..].iter().copied().fold(hash, poseidon2);
                }
                let mut cheating = setting.clone();
                cheating.first.committed = states;
                cheating.instances[1] = hash;
                assert!(!cheating.accepts(), "{} from {t}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn a_salt_stands_in_the_first_inference_alone() {
    for (setting, _) in settings().into_iter().filter(|(_, committed)| *committed) {
        for value in [3, 4] {
            let mut cheating = setting.clone();
            cheating.set_in(0, value, setting.honest(0, value, true) + 256);
            assert!(!cheating.accepts(), "{}", setting.layout.shape);
            // What stands in its place in others is in nothing.
            let mut other = setting.clone();
            other.set_in(setting.layout.shape.batch() - 1, value, 77 << 8);
            assert!(other.accepts(), "{}", setting.layout.shape);
        }
    }
}
