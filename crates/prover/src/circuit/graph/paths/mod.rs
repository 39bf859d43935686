//! Decision trees by the paths that are taken, not by their nodes.
//!
//! **Rows.** A path of a tree of depth D stands on D rows, a step each, and a row that holds
//! its leaf. A step's row has the node's name, the number of the feature that is compared, the
//! threshold, the name of the right child; the sign s of x − t in `cells`; and x − t + 2^V·(1 − s)
//! in the limb columns, V being the bits of a value, so that x is linear in the cells. The
//! next row's name is name + 1 if s = 0, else that of the right child; a name that follows no
//! step is 0, which is the root's. The leaf's row is a swap: the tree's equation, times
//! 1 + the name there, joins the balance, and its bias takes the 1 back. P paths of trees of one
//! equation and one depth stand side by side, in columns and limb columns of their own; their
//! leaves add up. Which P trees they are follows from the row's number, in the column of
//! stripes, since steps have no weights.
//!
//! **Look-ups**, all in the sum of the range argument. After everything is committed, a
//! challenge δ makes one number of each of
//!
//! ```text
//! a node:     (name + 2^62) + 2^64·tree + 2^88·feature + 2^130·threshold + δ·right + δ³
//! a feature:  number + δ·x + δ²
//! ```
//!
//! A step looks its node up among those of the *node table*, W a row, whose fixed columns are
//! secret and occur linearly, as does its sum: t·(β + entry) = count in a helper column. It
//! looks (feature, x) up among the values that are compared: a value row offers its value with
//! a number that stands in a fixed column, as often as the cell of `right` there says. In a
//! batch, both numbers count 2^28 an inference.
//!
//! *Why a path is what it says.* The δ-polynomials of limbs, nodes and features differ in
//! degree, so that none passes for another; all cells are committed before δ and β, so that
//! each look-up equals an entry as a polynomial in δ, but for a probability below (rows ·
//! (limbs + W + 4·P) · 3) / p. From (feature, x): the feature's number is one of those below 2^28,
//! counted from its own inference's, and x is that value, so that the threshold
//! x − a + 2^V·(1 − s) is an integer below 2^63. From (node, right): by induction along the path the
//! name is one of the table's, of 62 bits; `tree` is fixed; a feature's cell that names another
//! inference's value is less than 2^12 · 2^28 away from a number, well within its 42 bits, and no node
//! has it. So the number before δ is one of less
//! than 2^200, of digits that do not overlap, and equal to the table's digit by digit: name,
//! tree, feature and threshold are an entry's, and there is one entry of each name of a tree.
//! s says whether x ≥ threshold, and the name after D steps is the leaf's. What a prover
//! may choose is nothing; which path it was stands in committed cells only.
//!
//! **Size.** T·(D + 1) rows for P trees, and ⌈nodes / W⌉ rows, which are the same rows: the table
//! has columns of its own. So 100 trees of depth 6 take 700 rows of paths, and 6,300 nodes
//! 3,150 rows at W = 2: 2^12 in all. Of a batch of 64, 44,800 rows, and a third of that with three
//! side by side. A circuit has 7·P − 1 + 2·W advice columns more, and 2 + 2·W fixed ones, of which
//! 2·W are secret.

mod config;
mod layout;
mod witness;

use crate::shape::MAX_BATCH;

pub(in crate::circuit::graph) use self::layout::Extent;
pub use self::{
    config::{PathColumns, PathLane},
    layout::{Paths, PlacedNode, PlacedTree},
    witness::{LaneCells, PathCells, PathSums},
};

/// 2^NAME makes names positive.
const NAME: u32 = 62;
/// Where the tree's number starts.
const TREE: u32 = 64;
/// Where the feature's number starts.
const FEATURE: u32 = 88;
/// Where the threshold starts.
const THRESHOLD: u32 = 130;
/// What an inference of a batch counts among numbers of features, as a power of two.
const INFERENCE: u32 = 28;

// A feature's cell is its number and what inferences are apart: less than the digits it has, so that
// no number of nodes is taken for another's.
const _: () = assert!(
    (MAX_BATCH as u64) < 1 << (THRESHOLD - FEATURE - INFERENCE),
    "the inferences of a batch do not fit between a feature's number and a threshold"
);
