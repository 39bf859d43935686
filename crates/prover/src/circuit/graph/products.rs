//! Products of two values, and what stands on them: quotients and roots.
//!
//! A product is a value like any other, read by any equation with any weight, but made in
//! another way. Its equation is `z = a + 2^n·b`, a below 2^n and b below 2^(B − n), so that the
//! limbs of z are those of a and of b, side by side. On the end row of a value that is rescaled a
//! gate says `x = s·⌊z / 2^n⌋`; on that of a product it says
//!
//! ```text
//! x = (z mod 2^n)·⌊z / 2^n⌋ = a·b,      s = 1,
//! ```
//!
//! both factors being linear in the limbs that stand there anyway. x is not looked up in the
//! range table: it is an integer below 2^B because a and b are. Sums of products, with factors
//! of the model and with terms of a and b (which take back what keeps these from being
//! negative), join the equations that read them. So no column of the witness is added, no
//! challenge, and one structural column, `product`; no gate is above degree 3.
//!
//! *Why a and b are what they should be.* That the operands fit n and B − n bits is known from
//! the intervals of all values ([`IntegerGraph::validate`](crate::integer::IntegerGraph)), so z
//! has the two as its digits, and the equation holds exactly, as every equation does.
//!
//! **Checks.** The gate forces s = 1, which says that z is not negative: an equation of a
//! product whose x nobody reads is a range check of anything that is linear. A value that no
//! equation gives is in [0, 2^(B − n)), as inputs are. Of the two, quotients and roots are made:
//!
//! ```text
//! q = ⌊N / D⌋:    p = D·q,  N − p ≥ 0,  D − 1 − N + p ≥ 0
//! s = ⌊√N⌋:       2^n − 1 − s ≥ 0,  p = s·s,  N − p ≥ 0,  2s − N + p ≥ 0
//! ```
//!
//! With D > 0 there is one q and one s. Intervals of these equations are over every q and s that
//! fit their limbs, not over those of an honest run, as packing demands.

use std::borrow::Cow;

use super::claims::{Making, Map, Node, Rows};
use crate::{
    graph::SparseRows,
    integer::{Affine, Division},
};

/// A row of an equation: its terms, by value, and its constant.
type Equation = (Vec<(u32, i64)>, i64);

/// a·b of values: z = a + 2^n·b.
pub(super) fn products(
    shift_bits: u32,
    factors: impl ExactSizeIterator<Item = [u32; 2]>,
) -> Node<'static> {
    let unit = 1i64 << shift_bits;
    node(factors.map(|[a, b]| (vec![(a, 1), (b, unit)], 0)).collect())
}

/// ⌊N / D⌋ + lift: the quotients, which are numbered from `first` on, their products with the
/// divisors, and the two checks of each.
pub(super) fn quotients<'a>(
    shift_bits: u32,
    divisions: &[Division],
    first: u32,
    value: impl Fn(&crate::integer::Selected) -> u32,
) -> [Node<'a>; 4] {
    let count = divisions.len() as u32;
    let all = || (first..).zip(divisions);
    let factors: Vec<[u32; 2]> = all().map(|(q, own)| [value(&own.divisor), q]).collect();
    // N − (q − lift)·(b + offset), q·b being the value numbered `count` after q.
    let remainder = |(q, own): (u32, &Division)| -> Equation {
        let Division { numerator, divisor, offset, lift } = own;
        let terms = vec![
            (value(&numerator.of), numerator.weight),
            (q + count, -1),
            (q, -offset),
            (value(divisor), *lift),
        ];
        (terms, numerator.constant + lift * offset)
    };
    let slack = |(q, own): (u32, &Division)| -> Equation {
        let (mut terms, constant) = remainder((q, own));
        terms.iter_mut().for_each(|(_, weight)| *weight = -*weight);
        terms.push((value(&own.divisor), 1));
        (terms, own.offset - 1 - constant)
    };
    [
        given(divisions.len()),
        products(shift_bits, factors.into_iter()),
        node(all().map(remainder).collect()),
        node(all().map(slack).collect()),
    ]
}

/// ⌊√N⌋: the roots, which are numbered from `first` on, the check that they fit n bits, their
/// squares, and the two checks of each.
pub(super) fn roots<'a>(
    shift_bits: u32,
    radicands: &[Affine],
    first: u32,
    value: impl Fn(&crate::integer::Selected) -> u32,
) -> [Node<'a>; 5] {
    let count = radicands.len() as u32;
    let all = || (first..).zip(radicands);
    let most = (1i64 << shift_bits) - 1;
    let squares: Vec<[u32; 2]> = all().map(|(s, _)| [s, s]).collect();
    // N − s², the square being numbered twice `count` after s.
    let remainder = |(s, own): (u32, &Affine)| -> Equation {
        (vec![(value(&own.of), own.weight), (s + 2 * count, -1)], own.constant)
    };
    let slack = |(s, own): (u32, &Affine)| -> Equation {
        let terms = vec![(value(&own.of), -own.weight), (s + 2 * count, 1), (s, 2)];
        (terms, -own.constant)
    };
    [
        given(radicands.len()),
        node(all().map(|(s, _)| (vec![(s, -1)], most)).collect()),
        products(shift_bits, squares.into_iter()),
        node(all().map(remainder).collect()),
        node(all().map(slack).collect()),
    ]
}

/// Values that no equation gives.
fn given(count: usize) -> Node<'static> {
    Node { making: Making::Given(count), ..node(Vec::new()) }
}

/// Values that are products, one an equation.
fn node(equations: Vec<Equation>) -> Node<'static> {
    let mut values: Vec<u32> =
        equations.iter().flat_map(|(terms, _)| terms.iter().map(|term| term.0)).collect();
    values.sort_unstable();
    values.dedup();
    let column = |value: u32| values.binary_search(&value).unwrap_or_default();
    let rows = SparseRows::from_rows(
        equations.iter().map(|(terms, _)| terms.iter().map(|(v, w)| (column(*v), *w))),
    );
    let bias: Vec<i64> = equations.iter().map(|(_, constant)| *constant).collect();
    let maps = vec![Map { values, rows: Rows::Sparse(Cow::Owned(rows)) }];
    let (windows, order) = (None, None);
    Node { making: Making::Multiplied, bias: Cow::Owned(bias), maps, windows, order, alike: 1 }
}
