//! The Poseidon permutation of three elements over BN254's scalar field with circomlib's
//! parameters: x^5, 8 full and 57 partial rounds.
//!
//! Constants and matrix are drawn as the paper's reference does (Grassi, Khovratovich,
//! Rechberger, Roy, Schofnegger, eprint 2019/458, supplement F): by the Grain LFSR.

use std::sync::LazyLock;

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;

/// Elements of the state.
pub(in crate::circuit) const WIDTH: usize = 3;
/// Full rounds, half of them before the partial ones.
const FULL: usize = 8;
/// Partial rounds, in which the first element alone is raised.
const PARTIAL: usize = 57;
/// Rows of a permutation: an S-box each.
pub(in crate::circuit) const SBOXES: usize = FULL * WIDTH + PARTIAL;

/// A permutation as a sequence of S-boxes on the first element, a row each.
#[derive(Debug)]
pub(in crate::circuit) struct Permutation {
    /// What is mixed after a full round, and after a partial one.
    pub(in crate::circuit) matrix: [[Fr; WIDTH]; WIDTH],
    /// The rows.
    pub(in crate::circuit) rows: Vec<Row>,
}

/// What a row does to the state (a, b, c), with y = (a + constant)^5.
#[derive(Debug, Clone, Copy)]
pub(in crate::circuit) struct Row {
    /// Added to the first element.
    pub(in crate::circuit) constant: Fr,
    /// What becomes of the state.
    pub(in crate::circuit) kind: Kind,
}

/// What becomes of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::circuit) enum Kind {
    /// (b, c, y): the next element of a full round comes first.
    Turn,
    /// M·(b, c, y), the end of a full round.
    Full,
    /// M·(y, b, c), a partial round.
    Partial,
}

impl Row {
    /// The state after the row.
    pub(in crate::circuit) fn step(
        &self,
        matrix: &[[Fr; WIDTH]; WIDTH],
        [a, b, c]: State,
    ) -> State {
        let raised = (a + self.constant).pow_vartime([5]);
        match self.kind {
            Kind::Turn => [b, c, raised],
            Kind::Full => mix(matrix, [b, c, raised]),
            Kind::Partial => mix(matrix, [raised, b, c]),
        }
    }
}

/// A state.
pub(in crate::circuit) type State = [Fr; WIDTH];

/// M·state.
fn mix(matrix: &[[Fr; WIDTH]; WIDTH], state: State) -> State {
    matrix.map(|row| row.iter().zip(&state).map(|(factor, element)| *factor * element).sum())
}

/// The permutation, made once.
pub(in crate::circuit) fn permutation() -> &'static Permutation {
    static PERMUTATION: LazyLock<Permutation> = LazyLock::new(Permutation::new);
    &PERMUTATION
}

/// Poseidon of two elements, as circomlib's `Poseidon(2)` and the usual JavaScript packages
/// compute it.
pub fn poseidon2(a: Fr, b: Fr) -> Fr {
    let Permutation { matrix, rows } = permutation();
    rows.iter().fold([Fr::ZERO, a, b], |state, row| row.step(matrix, state))[0]
}

impl Permutation {
    fn new() -> Self {
        let mut grain = Grain::new();
        let drawn: Vec<State> =
            (0..FULL + PARTIAL).map(|_| [(); WIDTH].map(|()| grain.constant())).collect();
        let (x, y): (State, State) =
            ([(); WIDTH].map(|()| grain.element()), [(); WIDTH].map(|()| grain.element()));
        let entry = |x: Fr, y: Fr| Option::from((x + y).invert()).unwrap_or(Fr::ZERO);
        let matrix = x.map(|x| y.map(|y| entry(x, y)));
        let mut rows = Vec::with_capacity(SBOXES);
        // What still has to be added to each element: constants of elements that are not raised
        // wait until they are.
        let mut due = [Fr::ZERO; WIDTH];
        for (round, constants) in drawn.into_iter().enumerate() {
            due.iter_mut().zip(constants).for_each(|(due, constant)| *due += constant);
            if (FULL / 2..FULL / 2 + PARTIAL).contains(&round) {
                let [constant, b, c] = due;
                rows.push(Row { constant, kind: Kind::Partial });
                due = mix(&matrix, [Fr::ZERO, b, c]);
                continue;
            }
            for (index, constant) in due.into_iter().enumerate() {
                let kind = if index + 1 == WIDTH { Kind::Full } else { Kind::Turn };
                rows.push(Row { constant, kind });
            }
            due = [Fr::ZERO; WIDTH];
        }
        Self { matrix, rows }
    }
}

/// The Grain LFSR in self-shrinking mode.
struct Grain {
    /// The last 80 bits, the oldest first.
    state: [bool; 80],
}

/// Bits of a field element.
const FIELD_BITS: usize = 254;

impl Grain {
    fn new() -> Self {
        let mut state = [true; 80];
        let mut at = 0;
        // A prime field, x^alpha; its bits; the state's size; full and partial rounds.
        for (value, bits) in
            [(1, 2), (0, 4), (FIELD_BITS, 12), (WIDTH, 12), (FULL, 10), (PARTIAL, 10)]
        {
            for bit in (0..bits).rev() {
                state[at] = value >> bit & 1 == 1;
                at += 1;
            }
        }
        let mut grain = Self { state };
        (0..160).for_each(|_| {
            grain.shift();
        });
        grain
    }

    fn shift(&mut self) -> bool {
        let new = [62, 51, 38, 23, 13, 0].iter().fold(false, |bit, tap| bit ^ self.state[*tap]);
        self.state.rotate_left(1);
        self.state[79] = new;
        new
    }

    /// The second of the first pair of bits that begins with a 1.
    fn bit(&mut self) -> bool {
        loop {
            let (chosen, bit) = (self.shift(), self.shift());
            if chosen {
                return bit;
            }
        }
    }

    /// As many bits as an element has, the highest first, and whether they are one.
    fn draw(&mut self) -> (Fr, bool) {
        let mut repr = [0u8; 32];
        for at in (0..FIELD_BITS).rev() {
            repr[at / 8] |= u8::from(self.bit()) << (at % 8);
        }
        match Option::from(Fr::from_repr(repr)) {
            Some(element) => (element, true),
            None => (reduced(&repr), false),
        }
    }

    /// An element, drawn again until it is one.
    fn constant(&mut self) -> Fr {
        loop {
            if let (element, true) = self.draw() {
                return element;
            }
        }
    }

    /// An element, taken modulo the field's order.
    fn element(&mut self) -> Fr {
        self.draw().0
    }
}

/// A number modulo the field's order.
fn reduced(repr: &[u8; 32]) -> Fr {
    let byte = Fr::from(256);
    repr.iter().rev().fold(Fr::ZERO, |sum, next| sum * byte + Fr::from(u64::from(*next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of 1 and 2 that circomlib's documentation and packages give.
    #[test]
    fn the_hash_is_circomlibs() {
        let expected =
            "7853200120776062878684798364095072458815029376092732009249414926327459813530";
        assert_eq!(
            poseidon2(Fr::ONE, Fr::from(2)),
            Fr::from_str_vartime(expected).expect("a number")
        );
    }
}
