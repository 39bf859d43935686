//! Functions of one variable by tables of straight segments.
//!
//! **Rows.** An *evaluation* of a function at x stands on the row below the end row of x, one an
//! inference. The lowest limbs there are those of x once more, the highest of which is the number
//! of x's segment, the others how far into it x is; `base` and `slope` are the segment's; the cell
//! is p = base + slope·offset. The row's reading is the coefficient of the equation that p
//! belongs to, whose left side is that of the function's value: the balance counts r·(z − p).
//!
//! **Look-up**, in the sum of the range argument. Everything is committed before a challenge δ
//! makes one number of a segment:
//!
//! ```text
//! number + 2^16·function + δ·base + δ²·slope + δ⁴
//! ```
//!
//! An evaluation looks its segment up among those of the *segment table*, F a row, whose fixed
//! columns are secret and occur linearly, as does its sum: t·(β + entry) = count in a helper
//! column. Which function it is stands in a structural column.
//!
//! *Why an evaluation is what it says.* Its limbs are looked up in the range table and add up to
//! x, which is below 2^V, so there is one choice of them. What is looked up is, as a polynomial
//! in δ, an entry of the segment table: nothing else in the sum has a δ⁴. The number is one limb
//! and the function is fixed, so they are the entry's; hence so are base and slope, of which there
//! is one pair for each number of a function. A prover may choose nothing.
//!
//! **Size.** A circuit has 3 + 2·F advice columns more, and 2 + 3·F fixed ones, of which 3·F are
//! secret. The segments of all functions take ⌈segments / F⌉ rows, which are the same rows.

mod config;
mod layout;
mod witness;

pub use self::{
    config::CurveColumns,
    layout::{Curves, PlacedFunction},
    witness::{CurveCells, CurveSums},
};

/// Where a function's number starts.
const FUNCTION: u32 = 16;
