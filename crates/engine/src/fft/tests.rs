use super::*;
use halo2curves::fft::best_fft;
use rand::{SeedableRng, rngs::StdRng};

fn domains(k: u32) -> impl Iterator<Item = Domain> {
    Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_available())
        .map(move |backend| Domain::new(k, backend))
}

fn inputs(n: usize) -> Vec<Vec<Fr>> {
    let mut rng = StdRng::seed_from_u64(11);
    let mut last = vec![Fr::ZERO; n];
    last[n - 1] = Fr::ONE;
    vec![
        (0..n).map(|_| Fr::random(&mut rng)).collect(),
        vec![Fr::ZERO; n],
        vec![-Fr::ONE; n],
        last,
        (0..n).map(|i| -Fr::from(i as u64)).collect(),
    ]
}

#[test]
fn forward_agrees_with_halo2curves() {
    for k in 0..=14 {
        for domain in domains(k) {
            for input in inputs(1 << k) {
                let mut expected = input.clone();
                if k > 0 {
                    best_fft(&mut expected, domain.omega(), k);
                }
                let mut got = input;
                domain.forward(&mut got, &mut Vec::new());
                assert!(got == expected, "k = {k}, {:?}", domain.backend);
            }
        }
    }
}

#[test]
fn inverse_undoes_forward() {
    for k in 0..=13 {
        for domain in domains(k) {
            for input in inputs(1 << k) {
                let mut data = input.clone();
                let mut scratch = Vec::new();
                domain.forward(&mut data, &mut scratch);
                domain.inverse(&mut data, &mut scratch);
                assert!(data == input, "k = {k}, {:?}", domain.backend);
            }
        }
    }
}

#[test]
fn coset_values_are_evaluations() {
    let shift = Fr::from(7).square();
    for k in [0, 1, 2, 3, 4, 5, 8, 9] {
        for domain in domains(k) {
            let twiddles = domain.coset(shift);
            for input in inputs(1 << k) {
                let mut values = vec![Fr::ZERO; 1 << k];
                domain.forward_on_coset(&twiddles, &input, &mut values, &mut Vec::new());
                let mut point = shift;
                for value in values {
                    let expected = input.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c);
                    assert_eq!(value, expected, "k = {k}, {:?}", domain.backend);
                    point *= domain.omega();
                }
            }
        }
    }
}
