use super::*;
use ff::Field;
use group::Curve;
use group::prime::PrimeCurveAffine;
use halo2curves::msm::msm_parallel;
use rand::{Rng, SeedableRng, rngs::StdRng};

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

fn random_points(n: usize, rng: &mut StdRng) -> Vec<G1Affine> {
    let mut sum = G1::random(&mut *rng);
    let step = G1::random(&mut *rng);
    let points: Vec<G1> = (0..n)
        .map(|_| {
            sum += step;
            sum.double()
        })
        .collect();
    let mut affine = vec![G1Affine::identity(); n];
    G1::batch_normalize(&points, &mut affine);
    affine
}

fn check(points: &[G1Affine], scalars: &[Fr], what: &str) {
    let expected = msm_parallel(scalars, points);
    for backend in backends() {
        let bases = Bases::new(points, backend);
        assert_eq!(bases.msm(scalars), expected, "{what}, {} scalars, {backend:?}", scalars.len());
    }
}

#[test]
fn random_scalars_of_many_lengths_agree_with_halo2curves() {
    let mut rng = StdRng::seed_from_u64(3);
    let points = random_points(3000, &mut rng);
    let scalars: Vec<Fr> = (0..3000).map(|_| Fr::random(&mut rng)).collect();
    for n in [1, 2, 3, 4, 5, 7, 8, 31, 64, 100, 257, 1000, 3000] {
        check(&points[..n], &scalars[..n], "random");
    }
}

#[test]
fn no_scalars_sum_to_the_identity() {
    let mut rng = StdRng::seed_from_u64(4);
    let points = random_points(5, &mut rng);
    for backend in backends() {
        assert_eq!(Bases::new(&points, backend).msm(&[]), G1::identity());
        assert_eq!(Bases::new(&points, backend).msm(&[Fr::ZERO; 5]), G1::identity());
    }
}

#[test]
fn small_signed_and_edge_scalars_agree_with_halo2curves() {
    let mut rng = StdRng::seed_from_u64(5);
    let points = random_points(2000, &mut rng);
    let half = Fr::TWO_INV;
    let edge = [
        Fr::ZERO,
        Fr::ONE,
        -Fr::ONE,
        half,
        -half,
        half - Fr::ONE,
        Fr::from(u64::MAX),
        -Fr::from(u64::MAX),
        Fr::from(u64::MAX) + Fr::ONE,
        -Fr::from(u64::MAX) - Fr::ONE,
        Fr::from_raw([0, 1 << 63, 0, 0]),
    ];
    let mut make = |what: &str, f: &mut dyn FnMut(&mut StdRng) -> Fr| {
        for n in [9, 500, 2000] {
            let scalars: Vec<Fr> = (0..n).map(|_| f(&mut rng)).collect();
            check(&points[..n], &scalars, what);
        }
    };
    make("edge", &mut |rng| edge[rng.gen_range(0..edge.len())]);
    make("bits", &mut |rng| Fr::from(rng.gen_range(0..2)));
    make("16 bits signed", &mut |rng| {
        let value = Fr::from(rng.gen_range(0..1 << 16));
        if rng.r#gen() { value } else { -value }
    });
    make("mixed", &mut |rng| match rng.gen_range(0..10) {
        0 => Fr::random(rng),
        1 => -Fr::from(rng.r#gen::<u64>()),
        2 => edge[rng.gen_range(0..edge.len())],
        _ => Fr::from(rng.gen_range(0..1 << 8)),
    });
}

#[test]
fn all_equal_scalars_agree_with_halo2curves() {
    let mut rng = StdRng::seed_from_u64(6);
    let points = random_points(9000, &mut rng);
    for scalar in [Fr::ONE, -Fr::ONE, Fr::from(77), Fr::random(&mut rng)] {
        check(&points, &vec![scalar; 9000], "all equal");
    }
}

#[test]
fn equal_opposite_and_infinite_bases_agree_with_halo2curves() {
    let mut rng = StdRng::seed_from_u64(8);
    let distinct = random_points(3, &mut rng);
    let choices = [
        distinct[0],
        distinct[0],
        -distinct[0],
        distinct[1],
        -distinct[1],
        (distinct[0] + distinct[1]).to_affine(),
        G1Affine::identity(),
    ];
    for n in [2, 6, 40, 700] {
        for _ in 0..6 {
            let points: Vec<G1Affine> =
                (0..n).map(|_| choices[rng.gen_range(0..choices.len())]).collect();
            let few: Vec<Fr> = (0..n).map(|_| Fr::from(rng.gen_range(0..3))).collect();
            let signed: Vec<Fr> = few.iter().map(|s| if rng.r#gen() { *s } else { -*s }).collect();
            let random: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
            check(&points, &few, "degenerate bases");
            check(&points, &signed, "degenerate bases, signed");
            check(&points, &random, "degenerate bases, random");
        }
    }
    check(&vec![G1Affine::identity(); 50], &vec![Fr::from(9); 50], "only infinity");
    check(&vec![distinct[2]; 300], &vec![Fr::from(9); 300], "one point many times");
}

#[test]
fn digits_recompose_to_the_scalar() {
    let mut rng = StdRng::seed_from_u64(9);
    let mut scalars: Vec<Fr> = (0..50).map(|_| Fr::random(&mut rng)).collect();
    scalars.extend([Fr::ONE, -Fr::ONE, Fr::TWO_INV, -Fr::TWO_INV, Fr::from(u64::MAX)]);
    for backend in backends() {
        for c in 2..=16 {
            assert_eq!(crate::self_check::recomposed(backend, &scalars, c), scalars);
        }
        let (small, full) = classify(backend, &scalars, |_| false);
        for class in [small, full] {
            for (i, window) in (0..class.len()).flat_map(|i| [(i, 0), (i, 9)]) {
                assert!(class.digit(i, window, 13).unsigned_abs() <= 1 << 12);
            }
        }
    }
}

use ff::PrimeField;
