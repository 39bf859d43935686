//! Committed inputs: honest hashes pass, and no other hash, input, salt or state does.

use super::{
    super::committed::{CommittedCells, poseidon::SBOXES},
    *,
};

fn hash_shape(columns: usize, lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { batch, committed: true, ..GraphShape::new(columns, 3) });
    Shape { graph, public_inputs: true, ..shape(columns, 3, lanes) }
}

/// Three inputs (0 to 2), a salt of two values (3, 4) and what an equation reads (5): two of the
/// inputs and the third are hashed by two words.
fn claims() -> Claims<'static> {
    let node = node(&[9000], vec![map(&[0, 1, 2], Terms::Dense(&[130, -20, 7]))]);
    Claims {
        inputs: 5,
        nodes: vec![node],
        commitment: Some(Commitment {
            count: 3,
            salt: vec![3, 4],
            words: vec![vec![0, 1], vec![2]],
        }),
        words: vec![vec![], vec![5]],
        ..Claims::default()
    }
}

fn with_salt(batch: usize) -> Vec<Vec<i64>> {
    let mut inputs = inputs(batch);
    inputs.iter_mut().for_each(|own| own.extend([31_000, 44_444]));
    inputs
}

fn settings() -> Vec<Setting> {
    [(1, 1, 1), (3, 2, 1), (6, 4, 2)]
        .into_iter()
        .map(|(columns, lanes, batch)| {
            Setting::of(&claims(), &with_salt(batch), hash_shape(columns, lanes, batch))
        })
        .collect()
}

impl Setting {
    /// The last inference's link row before a permutation.
    fn link(&self, word: usize) -> usize {
        let batch = self.layout.shape.batch();
        self.layout.committed.link(word, batch) + batch - 1
    }

    /// Hashes other elements in the last inference, and states their hash.
    fn hash(&mut self, elements: &[Fr]) {
        let batch = self.layout.shape.batch();
        let mut all = vec![vec![]; batch];
        all[batch - 1] = elements.to_vec();
        let made = CommittedCells::new(&self.layout, &all);
        let own = &mut self.first.committed.columns;
        for (own, made) in own.iter_mut().zip(made.columns) {
            for (row, cell) in made.into_iter().enumerate() {
                let first = self.layout.committed.first;
                let mine = row >= first && (row - first) % batch == batch - 1;
                if mine && row < self.layout.committed.link(2, batch) + 2 * batch {
                    own[row] = cell;
                }
            }
        }
        self.instances[batch] = elements.iter().copied().reduce(poseidon2).expect("some");
    }

    fn elements(&self) -> Vec<Fr> {
        let batch = self.layout.shape.batch();
        let integers = run(&claims(), &with_salt(batch)[batch - 1], &self.layout.shape);
        hashed(&claims(), &integers, &self.layout.shape)
    }
}

#[test]
fn honest_hashes_pass_and_take_82_rows_a_word() {
    for setting in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
        assert_eq!(setting.layout.committed.rows(), 2 * 82 + 2);
    }
}

#[test]
fn a_hash_other_than_that_of_the_inputs_is_refused() {
    for setting in settings() {
        let batch = setting.layout.shape.batch();
        let mut cheating = setting.clone();
        cheating.instances[batch] += Fr::one();
        assert!(!cheating.accepts());
        for changed in 0..3 {
            let mut elements = setting.elements();
            let mut again = setting.clone();
            again.hash(&elements);
            assert!(again.accepts(), "the same hash");
            // Another salt, count, or input, hashed as it should be.
            for by in [Fr::one(), -Fr::one(), salt_unit(), Fr::from(1 << 16)] {
                elements[changed] += by;
                let mut cheating = setting.clone();
                cheating.hash(&elements);
                assert!(!cheating.accepts(), "{} element {changed}", setting.layout.shape);
                elements[changed] -= by;
            }
        }
        // Two words exchanged.
        let mut elements = setting.elements();
        elements.swap(1, 2);
        let mut cheating = setting.clone();
        cheating.hash(&elements);
        assert!(!cheating.accepts());
    }
}

#[test]
fn a_value_other_than_the_one_hashed_is_refused() {
    for setting in settings() {
        let last = setting.layout.shape.batch() - 1;
        for value in 0..5 {
            let mut cheating = setting.clone();
            let z = (with_salt(last + 1)[last][value] + 1) << 8;
            cheating.set_in(last, value, z);
            assert!(!cheating.accepts(), "{} value {value}", setting.layout.shape);
        }
    }
}

#[test]
fn every_cell_of_a_state_is_bound() {
    let setting = settings().remove(1);
    for word in 0..2 {
        for row in (0..=SBOXES + 1).step_by(7).chain([1, 2, 3, 80, 81]) {
            let at = setting.link(word) + row;
            for column in 0..5 {
                let mut cheating = setting.clone();
                cheating.first.committed.columns[column][at] += Fr::one();
                // What stands beside a hash, behind a permutation, is told by the last S-box;
                // beside the first element, and behind the last hash, nothing is.
                let is_link = row == 0 || row == SBOXES + 1;
                let beside = is_link && (column > 2 || column > 0 && word == 0 && row == 0);
                assert_eq!(cheating.accepts(), beside, "word {word} row {row} column {column}");
            }
        }
    }
}

#[test]
fn a_permutation_that_starts_elsewhere_than_the_last_ended_is_refused() {
    for setting in settings() {
        // The second permutation as if the first had given another hash.
        let elements = setting.elements();
        let mut cheating = setting.clone();
        let other = poseidon2(elements[0] + Fr::one(), elements[1]);
        let batch = setting.layout.shape.batch();
        let mut made = setting.clone();
        made.hash(&[elements[0] + Fr::one(), elements[1], elements[2]]);
        for row in setting.link(1) + batch..=setting.link(2) + batch {
            for column in 0..5 {
                cheating.first.committed.columns[column][row] =
                    made.first.committed.columns[column][row];
            }
        }
        cheating.instances[batch] = poseidon2(other, elements[2]);
        assert!(!cheating.accepts(), "{}", setting.layout.shape);
    }
}
