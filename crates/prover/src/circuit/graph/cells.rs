//! The cells that hold weights, being written.

use ff::FromUniformBytes;
use halo2curves::bn256::Fr;

use super::schedule::{NONE, Place, Weight};

/// Weight lanes and the stripe of every row.
pub(super) struct Cells {
    pub(super) weights: Vec<Vec<Fr>>,
    pub(super) stripes: Vec<u32>,
}

impl Cells {
    pub(super) fn new(lanes: usize, rows: usize) -> Self {
        let weights = (0..lanes).map(|_| Vec::with_capacity(rows)).collect();
        Self { weights, stripes: Vec::with_capacity(rows) }
    }

    pub(super) fn add(&mut self, row: usize, place: Place, weight: Fr) {
        let column = &mut self.weights[place.lane];
        if column.len() <= row {
            column.resize(row + 1, Fr::zero());
        }
        column[row] += weight;
        self.number(row, place.stripe);
    }

    /// Steps of paths, which have no weights, have their group's number instead of a stripe.
    pub(super) fn number(&mut self, row: usize, number: u32) {
        if self.stripes.len() <= row {
            self.stripes.resize(row + 1, 0);
        }
        self.stripes[row] = number;
    }
}

/// Terms of equations, which come stripe by stripe, on the rows of the values that they read. The
/// E weights of a cell are added up as integers: that takes a tenth of the time of field elements.
pub(super) struct Readings {
    /// Of each value the row that its next stripe takes.
    next: Vec<usize>,
    lanes: usize,
    /// Bits of S.
    bits: u32,
    stripe: u32,
    /// Of each value the stripe that last read it, and its place among those of that stripe.
    last: Vec<(u32, u32)>,
    /// Rows of this stripe, and a sum for each lane of each.
    rows: Vec<usize>,
    sums: Vec<Sum>,
}

impl Readings {
    pub(super) fn new(first: Vec<usize>, lanes: usize, bits: u32) -> Self {
        let last = vec![(NONE, 0); first.len()];
        Self { next: first, lanes, bits, stripe: NONE, last, rows: Vec::new(), sums: Vec::new() }
    }

    pub(super) fn add(&mut self, cells: &mut Cells, value: u32, place: Place, weight: Weight) {
        if place.stripe != self.stripe {
            self.write(cells);
            self.stripe = place.stripe;
        }
        let value = value as usize;
        let (last, slot) = &mut self.last[value];
        if *last != place.stripe {
            (*last, *slot) = (place.stripe, self.rows.len() as u32);
            self.rows.push(self.next[value]);
            self.next[value] += 1;
            self.sums.resize(self.rows.len() * self.lanes, Sum::default());
        }
        let slot = *slot as usize;
        match weight {
            Weight::Whole(weight) => {
                let shift = self.bits * place.packed as u32;
                self.sums[slot * self.lanes + place.lane].add(weight, shift);
            }
            Weight::Element(weight) => cells.add(self.rows[slot], place, weight),
        }
    }

    /// Writes what is left of the last stripe.
    pub(super) fn write(&mut self, cells: &mut Cells) {
        for (row, sums) in self.rows.drain(..).zip(self.sums.chunks_exact(self.lanes.max(1))) {
            for (lane, sum) in sums.iter().enumerate().filter(|(_, sum)| !sum.is_zero()) {
                cells.add(row, Place { stripe: self.stripe, lane, packed: 0 }, sum.element());
            }
        }
        self.sums.clear();
    }
}

/// An integer in two's complement, the lowest word first. Terms are below 2^316, so no number of
/// them that a machine can hold overflows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum([u64; 7]);

impl Sum {
    /// Adds weight·2^shift; shift is at most 252.
    fn add(&mut self, weight: i64, shift: u32) {
        let term = i128::from(weight) << (shift % 64);
        let sign = (term >> 127) as u64;
        let words = [term as u64, (term >> 64) as u64].into_iter().chain(std::iter::repeat(sign));
        let mut carry = false;
        for (own, word) in self.0[(shift / 64) as usize..].iter_mut().zip(words) {
            (*own, carry) = add(*own, word, carry);
        }
    }

    fn is_zero(&self) -> bool {
        self.0 == [0; 7]
    }

    fn element(&self) -> Fr {
        let negative = self.0[6] >> 63 == 1;
        let (mut words, mut carry) = (self.0, negative);
        for word in &mut words {
            (*word, carry) = add(if negative { !*word } else { *word }, 0, carry);
        }
        let magnitude = match words {
            // Packed weights are below 2^252.
            [a, b, c, d, 0, 0, 0] if d < 1 << 61 => Fr::from_raw([a, b, c, d]),
            _ => {
                let mut bytes = [0; 64];
                for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
                    bytes.copy_from_slice(&word.to_le_bytes());
                }
                Fr::from_uniform_bytes(&bytes)
            }
        };
        if negative { -magnitude } else { magnitude }
    }
}

fn add(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}

#[cfg(test)]
mod tests {
    use ff::Field;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::circuit::field;

    #[test]
    fn sums_of_shifted_weights_are_those_of_field_elements() {
        let mut rng = StdRng::seed_from_u64(1);
        for round in 0..2_000 {
            let (mut sum, mut expected) = (Sum::default(), Fr::zero());
            for _ in 0..rng.gen_range(0..40) {
                let weight = match rng.gen_range(0..6) {
                    0 => i64::MIN,
                    1 => i64::MAX,
                    2 => -1,
                    _ => rng.r#gen::<i64>() >> rng.gen_range(0..64),
                };
                let shift =
                    if round % 2 == 0 { rng.gen_range(0..=252) } else { 36 * rng.gen_range(0..7) };
                sum.add(weight, shift);
                expected += field(weight) * Fr::from(2).pow_vartime([u64::from(shift)]);
            }
            assert_eq!(sum.element(), expected);
            let mut negated = sum;
            negated.0.iter_mut().for_each(|word| *word = !*word);
            negated.add(1, 0);
            assert_eq!(negated.element(), -expected);
        }
        let mut none = Sum::default();
        none.add(i64::MIN, 252);
        assert!(!none.is_zero());
        none.add(i64::MAX, 252);
        none.add(1, 252);
        assert!(none.is_zero());
    }
}
