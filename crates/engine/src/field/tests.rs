use super::*;
use ff::{Field, PrimeField};
use halo2curves::bn256::{Fq, Fr};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Every operation on every pair, in groups of `W` lanes; results one after another.
#[inline(always)]
unsafe fn operations<M: Modulus, L: Lanes<M>>(
    _: Mark<L>,
    a: &[Words],
    b: &[Words],
    out: &mut [Vec<Words>],
) {
    let lift = |w: Words| to_words::<M>(&raised::<M>(from_words::<M>(w), L::SHIFT));
    for i in 0..a.len() / L::W {
        let at = i * L::W;
        let raised: Vec<Words> = b[at..at + L::W].iter().map(|w| lift(*w)).collect();
        // SAFETY: run through `dispatch!`; all indices are in bounds.
        unsafe {
            let x = L::load(|l| &a[at + l]);
            let y = L::load(|l| &b[at + l]);
            let y_const = L::load(|l| &raised[l]);
            let y_raised = y.raise();
            let mut put = |row: usize, v: L| {
                let row = out[row].as_mut_ptr();
                v.store(|l| row.add(at + l))
            };
            put(0, x.mul(&y_const));
            put(1, x.mul(&y_raised));
            put(2, x.add(y).tidy());
            put(3, x.sub(y).tidy());
            put(4, x.sub(y).carried().mul(&y_raised));
            put(
                5,
                x.add(y)
                    .carried()
                    .mul(&x.add(y).carried())
                    .mul(&L::splat(&lift(lift(to_words::<M>(&M::Field::ONE))))),
            );
            put(6, x.sub(y).sub(y).sub(y).tidy());
            put(7, x.mul(&y.raise()).add(x).add(x).add(y).tidy().tidy());
            put(8, x.negate_where(0b0101));
            let mut loose = [[0; 4]; 8];
            let target = loose.as_mut_ptr();
            x.sub(y).tidy().store_loose(|l| target.add(l));
            put(
                9,
                L::load(|l| &loose[l])
                    .square()
                    .mul(&L::splat(&lift(lift(to_words::<M>(&M::Field::ONE))))),
            );
        }
    }
}

dispatch! { fn base_operations[](a: &[Words], b: &[Words], out: &mut [Vec<Words>]) = operations, Base }
dispatch! { fn scalar_operations[](a: &[Words], b: &[Words], out: &mut [Vec<Words>]) = operations, Scalar }

type Operations = fn(Backend, &[Words], &[Words], &mut [Vec<Words>]);

fn check<M: Modulus>(run: Operations) {
    let mut rng = StdRng::seed_from_u64(7);
    let edge = [
        M::Field::ZERO,
        M::Field::ONE,
        -M::Field::ONE,
        M::Field::from(2),
        -M::Field::from(2),
        M::Field::TWO_INV,
        from_words::<M>([1, 0, 0, 0]),
        from_words::<M>(core::array::from_fn(|i| M::P[i] - u64::from(i == 0))),
        from_words::<M>([u64::MAX, 0, u64::MAX, 0]),
        from_words::<M>([0, u64::MAX, 0, 0]),
    ];
    let mut a = Vec::new();
    let mut b = Vec::new();
    for x in edge {
        for y in edge {
            a.push(x);
            b.push(y);
        }
    }
    while a.len() < 2000 {
        let pick = |rng: &mut StdRng| match rng.gen_range(0..4) {
            0 => edge[rng.gen_range(0..edge.len())],
            _ => M::Field::random(rng),
        };
        a.push(pick(&mut rng));
        b.push(pick(&mut rng));
    }
    for backend in Backend::ALL {
        if !backend.is_available() {
            continue;
        }
        let mut out = vec![vec![[0; 4]; a.len()]; 10];
        run(backend, words::<M>(&a), words::<M>(&b), &mut out);
        let lanes = match backend {
            Backend::Portable => 1,
            Backend::Avx2 => 4,
            Backend::Ifma | Backend::IfmaEmulated => 8,
        };
        for i in 0..a.len() {
            let (x, y) = (a[i], b[i]);
            let negated = if 0b0101 >> (i % lanes) & 1 == 1 { -x } else { x };
            let expected = [
                x * y,
                x * y,
                x + y,
                x - y,
                (x - y) * y,
                (x + y).square(),
                x - y - y - y,
                x * y + x + x + y,
                negated,
                (x - y).square(),
            ];
            for (row, expected) in expected.iter().enumerate() {
                assert_eq!(
                    out[row][i],
                    to_words::<M>(expected),
                    "operation {row} of {x:?} and {y:?} with {backend:?}"
                );
            }
        }
    }
}

#[test]
fn base_field_lanes_agree_with_halo2curves() {
    check::<Base>(base_operations);
}

#[test]
fn scalar_field_lanes_agree_with_halo2curves() {
    check::<Scalar>(scalar_operations);
}

#[test]
fn words_are_the_raw_montgomery_limbs_of_halo2curves() {
    use halo2curves::serde::SerdeObject;
    let mut rng = StdRng::seed_from_u64(1);
    let (x, y) = (Fr::random(&mut rng), Fq::random(&mut rng));
    let raw = |words: Words| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
    assert_eq!(raw(to_words::<Scalar>(&x)), x.to_raw_bytes());
    assert_eq!(raw(to_words::<Base>(&y)), y.to_raw_bytes());
    assert_eq!(from_words::<Scalar>(to_words::<Scalar>(&x)), x);
    assert_eq!(from_words::<Base>(to_words::<Base>(&y)), y);
}
