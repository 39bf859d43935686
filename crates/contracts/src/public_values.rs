//! The order of a proof's public values: the context, the public inputs, the outputs. In a proof
//! of a batch of inferences, each input word and each output is there once for every inference,
//! one after the other ([`of_inference`]).
//!
//! The oracle puts them together in this order, the circuit has them on the first rows of
//! its instance column, and everything that takes them apart does so here.

/// How many public values a model has, and which is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicValues {
    /// Public input words, of all inferences; zero when the inputs are private.
    pub inputs: usize,
    /// Outputs, of all inferences.
    pub outputs: usize,
}

/// Public values taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a, T> {
    /// The request that the proof answers.
    pub context: &'a T,
    /// The public inputs.
    pub inputs: &'a [T],
    /// The outputs.
    pub outputs: &'a [T],
}

impl PublicValues {
    /// Number of all public values.
    pub const fn count(self) -> usize {
        self.inputs.saturating_add(self.outputs).saturating_add(1)
    }

    /// The parts of `values`, or `None` unless there are exactly [`count`](Self::count).
    pub fn split<T>(self, values: &[T]) -> Option<Parts<'_, T>> {
        if values.len() != self.count() {
            return None;
        }
        let (context, rest) = values.split_first()?;
        let (inputs, outputs) = rest.split_at_checked(self.inputs)?;
        Some(Parts { context, inputs, outputs })
    }
}

/// Those of inputs or outputs that are inference `index`'s of a batch of `batch`.
pub fn of_inference<T: Clone>(values: &[T], batch: usize, index: usize) -> Vec<T> {
    values.iter().skip(index).step_by(batch.max(1)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_one_inference_are_a_batch_apart() {
        let values = [10, 20, 30, 11, 21, 31];
        assert_eq!(of_inference(&values, 3, 0), [10, 11]);
        assert_eq!(of_inference(&values, 3, 2), [30, 31]);
        assert_eq!(of_inference(&values, 1, 0), values);
        assert_eq!(of_inference(&values, 0, 0), values);
    }

    #[test]
    fn values_are_split_in_the_order_of_the_oracle() {
        let layout = PublicValues { inputs: 2, outputs: 1 };
        let parts = layout.split(&[9, 1, 2, 7]).map(|p| (*p.context, p.inputs, p.outputs));
        assert_eq!(parts, Some((9, &[1, 2][..], &[7][..])));
    }

    #[test]
    fn another_number_of_values_is_never_split() {
        let layout = PublicValues { inputs: 0, outputs: 2 };
        assert_eq!(layout.count(), 3);
        for values in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4]] {
            assert_eq!(layout.split(values), None);
        }
        assert_eq!(PublicValues { inputs: usize::MAX, outputs: 3 }.split(&[1]), None);
    }
}
