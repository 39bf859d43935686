//! Proofs of several inferences: what each of them states is bound to it alone.

use super::*;

/// Shapes of batches: pre-activations in one row to six.
fn batches() -> Vec<Setting> {
    [(1, 1, 1, 2), (2, 10, 1, 3), (3, 5, 3, 5), (6, 2, 2, 4)]
        .into_iter()
        .map(|(columns, packed, lanes, batch)| {
            Setting::new(batch_shape(columns, packed, lanes, batch))
        })
        .collect()
}

#[test]
fn honest_batches_pass_and_one_word_of_one_inference_is_bound() {
    for mut setting in batches() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
        for index in 1..setting.instances.len() {
            setting.instances[index] += Fr::one();
            assert!(!setting.accepts(), "{} word {index}", setting.layout.shape);
            setting.instances[index] -= Fr::one();
        }
        // Each inference's words are its own.
        setting.instances.swap(1, 2);
        assert!(!setting.accepts());
    }
}

#[test]
fn a_wrong_value_in_one_inference_of_a_batch_is_refused() {
    for setting in batches() {
        let batch = setting.layout.shape.batch();
        for (inference, value) in [(0, 3), (batch - 1, 5), (1, 9), (batch - 1, 12)] {
            let mut cheating = setting.clone();
            cheating.set_in(inference, value, setting.z_in(inference, value) + 256);
            assert!(!cheating.accepts(), "{} {inference} {value}", setting.layout.shape);
        }
        // Differences that cancel between two inferences, and results exchanged.
        let (first, second) = (setting.z_in(0, 8), setting.z_in(1, 8));
        for (a, b) in [(first + 1, second - 1), (first - 300, second + 300), (second, first)] {
            let mut cheating = setting.clone();
            cheating.set_in(0, 8, a);
            cheating.set_in(1, 8, b);
            assert!(!cheating.accepts(), "{}", setting.layout.shape);
        }
    }
}

#[test]
fn an_inference_left_out_of_the_sums_is_refused() {
    // Wrong values in one inference, whose rows the accumulators pass over: what they add
    // up to is right, but the sums are not the ones that the gates demand.
    let setting = Setting::new(batch_shape(2, 4, 2, 3));
    let rows: Vec<usize> = setting.layout.value_rows.clone();
    for inference in 0..3 {
        let mut cheating = setting.clone();
        cheating.set_in(inference, 9, setting.z_in(inference, 9) + 256);
        let (layout, first) = (cheating.layout.clone(), cheating.first.clone());
        assert_eq!(rows, layout.value_rows);
        let own = rows.clone();
        let instances = cheating.instances.clone();
        assert!(!cheating.verdict(move |second| {
            // All that the inference counts, out of the reading column and the balance.
            let active = layout.active_rows();
            let mut used = vec![false; active];
            for row in &own {
                used[row + inference] = true;
                used[row + inference + 3] = true;
            }
            (0..active).filter(|row| used[*row]).for_each(|row| second.reading[row] = Fr::zero());
            let honest = first.balance(&layout, &instances, &second.reading);
            second.balance = honest;
        }));
    }
}
