//! What folded proofs tell: nothing that the key does not.

use super::common::polynomial::at;
use super::{K, N, Setup, small};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Fr, G1, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use verdict_kzg::field::{domain_generator, lagrange_basis, rotate};
use verdict_kzg::folding::{Remainder, read_folded};
use verdict_kzg::protocol::Commitment;
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::{Linearisation, VerifyError};

/// The column through the first n of these openings, if it explains the others too.
fn extract(openings: &[(Fr, Fr)]) -> Option<Vec<Fr>> {
    let (points, values): (Vec<Fr>, Vec<Fr>) = openings[..N].iter().copied().unzip();
    let polynomial = lagrange_interpolate(&points, &values);
    openings[N..]
        .iter()
        .all(|(point, value)| at(&polynomial, *point) == *value)
        .then_some(polynomial)
}

#[test]
fn four_hundred_folded_proofs_give_away_structural_columns_only() {
    let setup = small();
    let (folded, instances) = (setup.vk.protocol(), setup.instances());
    let proofs: Vec<_> = (0..400)
        .map(|seed| {
            let read = read_folded(&setup.vk, &instances, &setup.prove(seed)).expect("a proof");
            (read.x, read.values)
        })
        .collect();
    let secret = &folded.protocol().secret_columns;
    for group in folded.groups() {
        for (column, rotation) in
            group.columns.iter().flat_map(|c| group.rotations.iter().map(move |r| (c, *r)))
        {
            let index = folded.value_index(*column, rotation).expect("a value");
            let openings: Vec<_> = proofs
                .iter()
                .map(|(x, values)| (*x * rotate(domain_generator(K), K, rotation), values[index]))
                .collect();
            match (column, extract(&openings)) {
                (Commitment::Fixed(column), Some(found)) => {
                    assert!(!secret.contains(column));
                    assert_eq!(found[..], setup.pk.fixed_polys()[*column][..]);
                }
                (Commitment::Advice(_), None) => {}
                (column, _) => panic!("{column:?} at {rotation}"),
            }
        }
    }
}

/// A proof from the key and τ alone: no model, no input. Everything it shows is uniform
/// or determined, as in a real proof.
fn simulate(setup: &Setup, tau: Fr, mut rng: StdRng) -> Vec<u8> {
    let (vk, folded) = (&setup.vk, setup.vk.protocol());
    let (protocol, instances) = (folded.protocol(), setup.instances());
    let point = |x: Fr, rotation: i32| x * rotate(domain_generator(K), K, rotation);
    // Structural columns and instances are public.
    let fixed_at = |column: usize, x: Fr| {
        assert!(!protocol.secret_columns.contains(&column));
        at(&setup.pk.fixed_polys()[column].to_vec(), x)
    };
    let instance_at = |x: Fr| -> Vec<Fr> {
        let value = |rotation: &i32| {
            let basis = lagrange_basis(K, point(x, *rotation));
            instances.iter().zip(basis).map(|(value, weight)| *value * weight).sum()
        };
        protocol.instance_queries.iter().map(value).collect()
    };
    let mut transcript = KeccakTranscript::new(Vec::new());
    let squeeze = |transcript: &mut KeccakTranscript<Vec<u8>>| -> Fr {
        let challenge: KeccakChallenge = transcript.squeeze_challenge();
        challenge.get_scalar()
    };
    transcript.common_scalar(vk.digest()).expect("absorbed");
    instances.iter().for_each(|value| transcript.common_scalar(*value).expect("absorbed"));
    let mut challenges = vec![Fr::ZERO; protocol.phases.iter().map(|p| p.challenges.len()).sum()];
    let mut groups: Vec<G1> = Vec::new();
    for (phase, of_phase) in protocol.phases.iter().zip(folded.phases()) {
        for _ in of_phase {
            groups.push(G1Affine::generator() * Fr::random(&mut rng));
            transcript.write_point(groups[groups.len() - 1].to_affine()).expect("written");
        }
        for challenge in &phase.challenges {
            challenges[*challenge] = squeeze(&mut transcript);
        }
    }
    groups.extend(vk.groups().iter().map(|point| G1::from(*point)));
    let y = squeeze(&mut transcript);

    // The quotient at τ follows from random values at τ·ω^rotation.
    let advice: Vec<Fr> = protocol.advice_queries.iter().map(|_| Fr::random(&mut rng)).collect();
    let fixed: Vec<Fr> =
        protocol.fixed_queries.iter().map(|(c, at)| fixed_at(*c, point(tau, *at))).collect();
    let linear = Linearisation::new(protocol, &challenges, y, [&advice, &fixed, &instance_at(tau)]);
    let secret = |linear: &Linearisation| -> G1 {
        linear.secret.iter().zip(vk.secret()).map(|((_, b), point)| *point * b).sum()
    };
    let numerator = G1Affine::generator() * linear.constant + secret(&linear);
    let vanishing = tau.pow_vartime([N as u64]) - Fr::ONE;
    let quotient = numerator * vanishing.invert().expect("τ is outside the domain");
    transcript.write_point(quotient.to_affine()).expect("written");
    let x = squeeze(&mut transcript);

    let mut values = Vec::new();
    for group in folded.groups() {
        for column in &group.columns {
            values.extend(group.rotations.iter().map(|rotation| match column {
                Commitment::Fixed(column) => fixed_at(*column, point(x, *rotation)),
                _ => Fr::random(&mut rng),
            }));
        }
    }
    values.iter().for_each(|value| transcript.write_scalar(*value).expect("written"));
    let [advice, fixed] = folded.query_values(&values);
    let linear = Linearisation::new(protocol, &challenges, y, [&advice, &fixed, &instance_at(x)]);
    groups.push(secret(&linear) + quotient * (Fr::ONE - x.pow_vartime([N as u64])));

    // SHPLONK with τ: divide instead of proving divisibility.
    let v = squeeze(&mut transcript);
    // (R_g, Z_g) at a point.
    let at_point = |z: Fr| -> Vec<(Fr, Fr)> {
        let mut rest = &values[..];
        let mut pairs: Vec<_> = folded
            .groups()
            .map(|group| {
                let (own, behind) = rest.split_at(group.num_values());
                rest = behind;
                let remainder = Remainder::new(group, |rotation| point(x, rotation), z);
                (remainder.at_u(own).expect("distinct points"), remainder.vanishing())
            })
            .collect();
        pairs.push((-linear.constant, z - x));
        pairs
    };
    let (mut w, mut power) = (G1::default(), Fr::ONE);
    for (group, (low, vanishing)) in groups.iter().zip(at_point(tau)) {
        let inverse = vanishing.invert().expect("τ is no opening point");
        w += (*group - G1Affine::generator() * low) * (power * inverse);
        power *= v;
    }
    transcript.write_point(w.to_affine()).expect("written");
    let u = squeeze(&mut transcript);
    let at_u = at_point(u);
    let first = at_u[0].1;
    let (mut w_prime, mut power) = (w * -first, Fr::ONE);
    for (group, (low, vanishing)) in groups.iter().zip(at_u) {
        let weight = power * first * vanishing.invert().expect("u is no opening point");
        w_prime += (*group - G1Affine::generator() * low) * weight;
        power *= v;
    }
    let w_prime = w_prime * (tau - u).invert().expect("u is not τ");
    transcript.write_point(w_prime.to_affine()).expect("written");
    transcript.finalize()
}

/// Zero knowledge for inputs and model: who knows τ needs neither.
#[test]
fn a_folded_proof_simulated_from_the_key_and_tau_alone_is_accepted() {
    let setup = small();
    for seed in 0..3 {
        let proof = simulate(&setup, setup.tau, StdRng::seed_from_u64(seed));
        setup.verify(&proof).expect("accepted");
    }
    let wrong = simulate(&setup, setup.tau + Fr::ONE, StdRng::seed_from_u64(0));
    assert!(matches!(setup.verify(&wrong), Err(VerifyError::Rejected)));
}

#[test]
fn every_column_has_as_many_random_rows_as_a_folded_proof_shows_values() {
    let setup = small();
    let folded = setup.vk.protocol();
    for group in folded.phases().iter().flatten() {
        for column in &group.columns {
            let Commitment::Advice(index) = column else { panic!("advice only") };
            let queries = folded.protocol().advice_queries.iter();
            let own = queries.filter(|query| query.0 == *index).count();
            let shown = group.rotations.len() + own + usize::from(group.fold() > 1);
            assert!(folded.unusable_rows() >= shown);
        }
    }
}
