//! Committed inputs: their words are hashed, and the hash alone is stated.
//!
//! ```text
//! e_0 = count + 2^24·version + 2^32·salt,     e_1 … e_K  the words that public inputs have
//! h_1 = poseidon2(e_0, e_1),                  h_k = poseidon2(h_(k−1), e_k)
//! ```
//!
//! h_K is the public word. Where a batch states totals, one hash is of the inputs of all its
//! inferences: e_0 of each but the first is h_K of the one before, and the last h_K is the public
//! word. `count` is the number of inputs, of all inferences together; version 1 is of one
//! inference, 2 of several; the salt makes a guess of the inputs
//! useless. It is proven as values of its own, which nothing else reads: so it is bounded, and
//! the count below it is a count.
//!
//! **Rows.** A permutation takes a *link* row, on which h stands in the first element of the
//! state, and a row for each S-box: the first of these starts from (0, h, e). After the last
//! permutation comes a link row more, with the hash. Each row raises the first element:
//! q = (a + c)², r = q², y = r·(a + c), and turns or mixes the state (see [`poseidon`]). In a
//! batch every row stands T times, an inference each.
//!
//! The elements and the hash are left sides of equations, as instances are: a row's reading is
//! the coefficient of e_0's equation on the first link row, of e_k's on the row after each but the
//! last, and of the stated word's on the last.
//!
//! Hashes of several inferences are linked by an equation too, e_0 of inference t + 1 being h_K of
//! inference t, which counts σ^t times: so where it stands, the first inference's row is passed over.
//!
//! *Why the word is the hash.* The gates leave the state no choice but a and e of each
//! permutation; these are what their equations say, by the balance, as the integers that the
//! values are. Two inputs, or salts, of one word would be a collision of Poseidon.
//!
//! **Size.** 82·K + 2 rows: 248 for 20 inputs of 28 bits, nine to a word. Five advice columns, five structural ones.

mod config;
mod layout;
pub mod poseidon;
mod witness;

pub use self::layout::Commitment;
pub use self::{
    config::CommittedColumns, layout::Committed, poseidon::poseidon2, witness::CommittedCells,
};
pub(in crate::circuit) use self::{
    layout::{element_zero, salt_unit, salt_values},
    witness::first_element,
};

/// What the first element says about how the others are made: of one inference, or of several.
const VERSIONS: [u64; 2] = [1, 2];
/// Where the version starts, above the count.
pub(in crate::circuit) const VERSION_BIT: u32 = 24;
/// Where the salt starts.
const SALT_BIT: u32 = 32;
/// Bits of a salt.
pub const SALT_BITS: u32 = 128;
