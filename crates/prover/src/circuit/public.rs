//! The public values of a proof: the context, the words that state public inputs, the
//! outputs. In a batch, each word of all inferences stands before the next word.
//!
//! Who says how many there are, in which order, and what a word of inputs is, says it here.

use halo2curves::{bn256::Fr, ff::PrimeField};

use super::{
    field,
    graph::committed::{first_element, poseidon2},
    interleave,
};
use crate::shape::{CELL_BITS, Shape};

/// What the public values of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicValues {
    /// Public inputs; 0 if inputs are private.
    inputs: usize,
    /// Inputs that one word states, the first in its lowest bits.
    per_word: usize,
    /// Bits of an input.
    bits: u32,
    /// Number of outputs, a word each.
    outputs: usize,
    /// Number of inferences that each word is stated of: all, or one that stands for all where
    /// outputs are totals.
    statements: usize,
    /// Number of inferences, of a hash of whose inputs there is one.
    hashed_together: usize,
    /// Whether a hash of the inputs' words is stated instead of them.
    committed: bool,
}

impl PublicValues {
    /// Those of a model of so many inputs, private ones not counted, and outputs an inference in
    /// a circuit's shape. The graph
    /// circuit puts as many inputs into a word as stay below half the modulus, the chain
    /// circuit one.
    pub fn new(shape: &Shape, inputs: usize, outputs: usize) -> Self {
        let bits = shape.value_bits();
        let per_word = if shape.graph.is_some() { CELL_BITS / bits as usize } else { 1 };
        let inputs = if shape.public_inputs { inputs } else { 0 };
        let (statements, committed) = (shape.statements(), shape.committed());
        let hashed_together = shape.batch() / statements;
        Self { inputs, per_word, bits, outputs, statements, hashed_together, committed }
    }

    /// Number of words that state the inputs of one inference.
    fn words_each(&self) -> usize {
        let packed = self.inputs.div_ceil(self.per_word);
        if self.committed { packed.min(1) } else { packed }
    }

    /// Number of words that state inputs.
    pub fn input_words(&self) -> usize {
        self.words_each().saturating_mul(self.statements)
    }

    /// Number of words that state outputs.
    pub fn output_words(&self) -> usize {
        self.outputs.saturating_mul(self.statements)
    }

    /// Number of instances, the context included.
    pub fn count(&self) -> usize {
        self.input_words().saturating_add(self.output_words()).saturating_add(1)
    }

    /// What each word after the context states of one inference: some of its `inputs`, then
    /// one of its `outputs`. A hash states nothing by itself.
    pub fn stated<T: Clone>(
        &self,
        inputs: &[T],
        outputs: impl IntoIterator<Item = T>,
    ) -> Vec<Vec<T>> {
        let inputs =
            if self.committed { vec![vec![]; self.words_each()] } else { self.packed(inputs) };
        inputs.into_iter().chain(outputs.into_iter().map(|output| vec![output])).collect()
    }

    /// The `inputs` of one inference that may be public, as many at a time as one word holds;
    /// none if inputs are private.
    pub fn packed<T: Clone>(&self, inputs: &[T]) -> Vec<Vec<T>> {
        inputs[..self.inputs.min(inputs.len())].chunks(self.per_word).map(<[T]>::to_vec).collect()
    }

    /// Number of inferences whose inputs one commitment is of.
    pub fn hashed_together(&self) -> usize {
        self.hashed_together
    }

    /// Of committed inputs, what their hash is of: what the salt is in, then their words. Of a
    /// list's inferences after the first, that first element is what the hash so far is.
    pub(super) fn hashed(&self, inputs: &[i64], salt: u128) -> Vec<Fr> {
        let words = self.words(inputs).into_iter();
        let first = first_element(self.inputs, self.hashed_together, salt);
        std::iter::once(first).chain(words).collect()
    }

    /// What commits with a salt to the inputs of as many inferences as one commitment is of.
    pub fn commitment(&self, inputs: &[impl AsRef<[i64]>], salt: u128) -> Fr {
        let first = first_element(self.inputs, self.hashed_together, salt);
        let words = inputs.iter().flat_map(|own| self.words(own.as_ref()));
        words.fold(first, poseidon2)
    }

    /// The words of the `inputs` of one inference that may be public, which state them or are
    /// hashed; none if inputs are private.
    pub fn words(&self, inputs: &[i64]) -> Vec<Fr> {
        let unit = Fr::from(1u64 << self.bits);
        let word = |values: &[i64]| {
            values.iter().rev().fold(Fr::zero(), |word, value| word * unit + field(*value))
        };
        self.packed(inputs).iter().map(|values| word(values)).collect()
    }

    /// The inputs of one inference that some words state; `None` if no inputs have these words.
    pub fn unpack(&self, words: &[Fr]) -> Option<Vec<i64>> {
        let mask = (1i64 << self.bits) - 1;
        let mut inputs = Vec::with_capacity(self.inputs);
        for word in words {
            let bytes = word.to_repr();
            let bit = |at: usize| i64::from(bytes[at / 8] >> (at % 8) & 1);
            for index in 0..self.per_word.min(self.inputs - inputs.len()) {
                let low = index * self.bits as usize;
                let integer = (0..self.bits as usize).map(|at| bit(low + at) << at).sum::<i64>();
                inputs.push(integer & mask);
            }
        }
        // What does not fit, or is too much, has other words.
        (inputs.len() == self.inputs && self.words(&inputs) == words).then_some(inputs)
    }

    /// All instances of a run on the inputs of each inference, whose commitments have the `salts`,
    /// if there are any. `outputs` are those of all
    /// inferences, each output of all before the next, or totals.
    pub fn instances(
        &self,
        context: Fr,
        inputs: &[impl AsRef<[i64]>],
        salts: &[u128],
        outputs: &[i64],
    ) -> Vec<Fr> {
        let words = |(index, inputs): (usize, &[_])| match (salts.get(index), inputs) {
            (Some(salt), _) if self.committed => vec![self.commitment(inputs, *salt)],
            (_, [inputs]) => self.words(AsRef::as_ref(inputs)),
            // Of several, nothing but a commitment is stated.
            _ => vec![],
        };
        let words: Vec<_> = inputs.chunks(self.hashed_together).enumerate().map(words).collect();
        let outputs = outputs.iter().map(|output| field(*output));
        std::iter::once(context).chain(interleave(&words)).chain(outputs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::GraphShape;

    #[test]
    fn inputs_share_words_in_the_graph_circuit_only_and_the_first_is_lowest() {
        // Values of 30 bits: eight a word.
        let chain = Shape { public_inputs: true, ..Shape::default() };
        let graph = Shape { graph: Some(GraphShape::new(1, 1)), ..chain };
        let inputs: Vec<i64> = (1..=17).collect();
        for (shape, words) in
            [(chain, 17), (graph, 3), (Shape { public_inputs: false, ..graph }, 0)]
        {
            let public = PublicValues::new(&shape, 17, 2);
            assert_eq!((public.input_words(), public.count()), (words, 1 + words + 2), "{shape}");
            let instances = public.instances(Fr::from(9), &[&inputs], &[], &[5, -6]);
            assert_eq!(instances.len(), public.count());
            assert_eq!(instances[1 + words..], [Fr::from(5), -Fr::from(6)]);
            let stated = public.stated(&inputs, [5, -6]);
            assert_eq!(stated.len(), words + 2);
            assert_eq!(stated[words..], [[5], [-6]]);
        }
        let words = PublicValues::new(&graph, 17, 2).words(&inputs);
        assert_eq!(words[2], Fr::from(17));
        let expected =
            (0..8).fold(Fr::zero(), |word, i| word * Fr::from(1 << 30) + Fr::from(8 - i));
        assert_eq!(words[0], expected);
        for shape in [chain, graph] {
            let public = PublicValues::new(&shape, 17, 2);
            let mut words = public.words(&inputs);
            assert_eq!(public.unpack(&words).as_ref(), Some(&inputs));
            assert_eq!(public.unpack(&words[1..]), None, "a word less");
            // Above what the last word states there is nothing.
            *words.last_mut().expect("words") += Fr::from(1 << 30);
            assert_eq!(public.unpack(&words), None, "a word that no inputs have");
        }
    }

    #[test]
    fn a_word_of_all_inferences_stands_before_the_next() {
        let graph = Some(GraphShape { batch: 2, ..GraphShape::new(1, 1) });
        let shape = Shape { public_inputs: true, graph, ..Shape::default() };
        let inputs: [Vec<i64>; 2] = [(0..9).collect(), (100..109).collect()];
        let public = PublicValues::new(&shape, 9, 1);
        assert_eq!((public.input_words(), public.output_words(), public.count()), (4, 2, 7));
        let instances = public.instances(Fr::zero(), &inputs, &[], &[5, 6]);
        assert_eq!(instances.len(), public.count());
        assert_eq!(instances[3..], [8, 108, 5, 6].map(Fr::from));
        assert_eq!(instances[1..3], [public.words(&inputs[0])[0], public.words(&inputs[1])[0]]);
    }
}
