use super::*;
use crate::self_check::edge_elements;
use ff::{Field, PrimeField};
use halo2curves::bn256::{Fq, Fr};
use rand::{SeedableRng, rngs::StdRng};

/// Pairs with all pairs of edge cases among them, a multiple of eight.
fn pairs<M: Modulus>() -> [Vec<M::Field>; 2] {
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
    let mut pairs = [Vec::new(), Vec::new()];
    for x in edge {
        for y in edge {
            pairs[0].push(x);
            pairs[1].push(y);
        }
    }
    for side in &mut pairs {
        side.extend(edge_elements::<M>(&mut rng, 2000 - side.len()));
    }
    pairs
}

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

#[test]
fn base_field_lanes_agree_with_halo2curves() {
    let [a, b] = pairs::<Base>();
    for backend in backends() {
        assert_eq!(operations::check_base(backend, &a, &b), Ok(()));
    }
}

#[test]
fn scalar_field_lanes_agree_with_halo2curves() {
    let [a, b] = pairs::<Scalar>();
    for backend in backends() {
        assert_eq!(operations::check_scalar(backend, &a, &b), Ok(()));
    }
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
