//! Maxima: x = max(0, ⌊y / 2^n⌋), y being the greatest of the z of some equations, a *window*.
//!
//! Of the z only y is written down as a pre-activation is, and rescaled. The others are
//! y − g: below the end row of y stands a *gap row* for each equation of the window, whose
//! limbs are g. What is looked up in the range table is not negative, so no z is above y.
//! In the balance, equation w counts r_w·(y − g_w): r_w·y on the end row, whose reading is the
//! sum of the coefficients of the window, −r_w·g_w on the gap row.
//!
//! And y is one of the z, or it does not matter. The cells of the gap rows say whether one is
//! still to be found: they start from the sign on the end row, change only on rows whose gap
//! is 0, and end with 0. So if y is not negative, one of the gaps is 0. If y is negative, all z
//! are, and x is 0 whatever y is.
//!
//! No column of the witness is added, and one structural column.

mod config;
mod witness;
