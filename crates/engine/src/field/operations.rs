//! Every operation of [`Lanes`] on pairs of elements, with what it must give: shared
//! by the tests, the fuzzer and the trial of a backend before its first use.

use super::{
    Backend, Base, Lanes, Mark, Modulus, Scalar, Words, dispatch, from_words, raised, to_words,
    words,
};
use ff::Field;

/// Number of operations.
const OPERATIONS: usize = 11;

/// Lanes that `negate_where` negates, by their number modulo eight.
const NEGATED: u32 = 0b1010_0101;

/// What the operations on a pair must give.
fn expected<M: Modulus>(x: M::Field, y: M::Field, negated: bool) -> [M::Field; OPERATIONS] {
    [
        x * y,
        x * y,
        x + y,
        x - y,
        (x - y) * y,
        (x + y).square(),
        x - y - y - y,
        x * y + x + x + y,
        if negated { -x } else { x },
        (x - y).square(),
        if negated { (-x - y) * y } else { (x + y) * y },
    ]
}

/// Every operation on every pair, in groups of lanes; results one after another.
///
/// # Safety
///
/// Under [`dispatch!`]; slices are of equal length, a multiple of [`Lanes::W`].
#[inline(always)]
unsafe fn operations<M: Modulus, L: Lanes<M>>(
    _: Mark<L>,
    a: &[Words],
    b: &[Words],
    out: &mut [Vec<Words>],
) {
    let lift = |w: Words| to_words::<M>(&raised::<M>(from_words::<M>(w), L::SHIFT));
    // Squares of unraised factors are divided by 2^SHIFT too often: this repairs them.
    let repair = lift(lift(to_words::<M>(&M::Field::ONE)));
    for i in 0..a.len() / L::W {
        let at = i * L::W;
        let constants: [Words; 8] = core::array::from_fn(|l| lift(b[at + l % L::W]));
        // SAFETY: run through `dispatch!`; all indices are in bounds.
        unsafe {
            let x = L::load(|l| &a[at + l]);
            let y = L::load(|l| &b[at + l]);
            let constant = L::load(|l| &constants[l]);
            let raised = y.raise();
            let repair = L::splat(&repair);
            let sum = x.add(y).carried();
            let mut loose = [[0; 4]; 8];
            let target = loose.as_mut_ptr();
            x.sub(y).tidy().store_loose(|l| target.add(l));
            let mut put = |row: usize, v: L| {
                let row = out[row].as_mut_ptr();
                v.store(|l| row.add(at + l))
            };
            put(0, x.mul(&constant));
            put(1, x.mul(&raised));
            put(2, x.add(y).tidy());
            put(3, x.sub(y).tidy());
            put(4, x.sub(y).carried().mul(&raised));
            put(5, sum.mul(&sum).mul(&repair));
            put(6, x.sub(y).sub(y).sub(y).tidy());
            put(7, x.mul(&y.raise()).add(x).add(x).add(y).tidy().tidy());
            put(8, x.negate_where(NEGATED >> (at % 8)).tidy());
            put(9, L::load(|l| &loose[l]).square().mul(&repair));
            let negated = NEGATED >> (at % 8);
            let sum = x.negate_where(negated).add(y.negate_where(negated));
            put(10, sum.carried().mul(&constant));
        }
    }
}

dispatch! { fn base_operations[](a: &[Words], b: &[Words], out: &mut [Vec<Words>]) = operations, Base }
dispatch! { fn scalar_operations[](a: &[Words], b: &[Words], out: &mut [Vec<Words>]) = operations, Scalar }

type Operations = fn(Backend, &[Words], &[Words], &mut [Vec<Words>]);

/// Checks pairs of a multiple of eight base field elements; names the first mismatch.
pub(crate) fn check_base(
    backend: Backend,
    a: &[<Base as Modulus>::Field],
    b: &[<Base as Modulus>::Field],
) -> Result<(), String> {
    check::<Base>(base_operations, backend, a, b)
}

/// Checks pairs of a multiple of eight scalars; names the first mismatch.
pub(crate) fn check_scalar(
    backend: Backend,
    a: &[<Scalar as Modulus>::Field],
    b: &[<Scalar as Modulus>::Field],
) -> Result<(), String> {
    check::<Scalar>(scalar_operations, backend, a, b)
}

fn check<M: Modulus>(
    run: Operations,
    backend: Backend,
    a: &[M::Field],
    b: &[M::Field],
) -> Result<(), String> {
    assert!(a.len() == b.len() && a.len().is_multiple_of(8), "whole vectors of pairs");
    let mut out = vec![vec![[0; 4]; a.len()]; OPERATIONS];
    run(backend, words::<M>(a), words::<M>(b), &mut out);
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        let expected = expected::<M>(*x, *y, NEGATED >> (i % 8) & 1 == 1);
        for (operation, (got, expected)) in out.iter().zip(&expected).enumerate() {
            if got[i] != to_words::<M>(expected) {
                return Err(format!("operation {operation} of {x:?} and {y:?} with {backend:?}"));
            }
        }
    }
    Ok(())
}
