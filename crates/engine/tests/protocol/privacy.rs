//! What proofs tell: nothing that the key does not. halo2's own protocol, which opens every
//! column, gives a model away.

use super::common::polynomial::at;
use super::{K, N, OPENINGS, Setup, small};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use verdict_kzg::field::{domain_generator, lagrange_basis, powers, rotate};
use verdict_kzg::protocol::{ColumnId, Opening};
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::{Linearisation, Remainder, VerifyError, read_proof};

/// The column through the first n of these openings, if it explains the others too.
fn extract(openings: &[(Fr, Fr)]) -> Option<Vec<Fr>> {
    let (points, values): (Vec<Fr>, Vec<Fr>) = openings[..N].iter().copied().unzip();
    let polynomial = lagrange_interpolate(&points, &values);
    openings[N..]
        .iter()
        .all(|(point, value)| at(&polynomial, *point) == *value)
        .then_some(polynomial)
}

impl Setup {
    /// A proof in halo2's protocol, as x and the value of each fixed query.
    fn reference(&self, seed: u64) -> (Fr, Vec<Fr>) {
        let instances = self.instances();
        let mut transcript = KeccakTranscript::new(Vec::new());
        self.engine
            .create_proof(
                &self.pk,
                &self.circuit,
                &[&instances],
                StdRng::seed_from_u64(seed),
                &mut transcript,
            )
            .expect("a proof");
        let proof = transcript.finalize();
        let cs = self.pk.get_vk().cs();
        let mut transcript = KeccakTranscript::new(&proof[..]);
        transcript.common_scalar(self.pk.get_vk().transcript_repr()).expect("absorbed");
        instances.iter().for_each(|v| transcript.common_scalar(*v).expect("absorbed"));
        let mut draw = |points: usize, challenges: usize| {
            for _ in 0..points {
                transcript.read_point().expect("a point");
            }
            let mut last = Fr::ZERO;
            for _ in 0..challenges {
                let challenge: KeccakChallenge = transcript.squeeze_challenge();
                last = challenge.get_scalar();
            }
            last
        };
        draw(5, 1);
        draw(1, 3);
        draw(1, 1);
        let x = draw(cs.degree() - 1, 1);
        let mut scalars = |count: usize| -> Vec<Fr> {
            (0..count).map(|_| transcript.read_scalar().expect("a scalar")).collect()
        };
        scalars(cs.advice_queries().len());
        (x, scalars(cs.fixed_queries().len()))
    }
}

#[test]
fn the_reference_protocol_gives_a_model_away_after_as_many_proofs_as_rows() {
    let setup = small(Opening::COLUMNS);
    let secret = &setup.vk.protocol().secret_columns;
    let proofs: Vec<_> = (0..N as u64 + 4).map(|seed| setup.reference(seed)).collect();
    let queries = setup.pk.get_vk().cs().fixed_queries().clone();
    let mut found = 0;
    for (index, (column, rotation)) in queries.iter().enumerate() {
        let turn = rotate(domain_generator(K), K, rotation.0);
        let openings: Vec<_> =
            proofs.iter().map(|(x, values)| (*x * turn, values[index])).collect();
        let extracted = extract(&openings).expect("a fixed column is the same in every proof");
        assert_eq!(extracted[..], setup.pk.fixed_polys()[column.index()][..]);
        found += usize::from(secret.contains(&column.index()));
    }
    assert_eq!(found, secret.len());
}

#[test]
fn proofs_give_away_structural_columns_only() {
    for setup in OPENINGS.map(small) {
        let (protocol, instances) = (setup.vk.protocol(), setup.instances());
        let proofs: Vec<_> = (0..N as u64 + 64)
            .map(|seed| {
                let proof = setup.prove(seed);
                let read = read_proof(&setup.vk, &instances, &proof).expect("a proof");
                (read.challenges.x, read.values)
            })
            .collect();
        let secret = &protocol.secret_columns;
        for group in protocol.groups() {
            for (column, rotation) in
                group.columns.iter().flat_map(|c| group.rotations.iter().map(move |r| (c, *r)))
            {
                let index = protocol.value_index(*column, rotation).expect("a value");
                let turn = rotate(domain_generator(K), K, rotation);
                let openings: Vec<_> =
                    proofs.iter().map(|(x, values)| (*x * turn, values[index])).collect();
                // Every word that is the same polynomial in all proofs is a structural column.
                match (column, extract(&openings)) {
                    (ColumnId::Fixed(column, turn), Some(found)) => {
                        assert!(!secret.contains(column));
                        let back = rotate(domain_generator(K), K, -turn);
                        let straight: Vec<Fr> = found
                            .iter()
                            .zip(powers(Fr::ONE, back, N))
                            .map(|(c, p)| c * p)
                            .collect();
                        assert_eq!(straight[..], setup.pk.fixed_polys()[*column][..]);
                    }
                    (ColumnId::Advice(_), None) => {}
                    (column, _) => panic!("{column:?} at {rotation}"),
                }
            }
        }
    }
}

/// A proof from the key and τ alone: no model, no input. Everything it shows is uniform
/// or determined, as in a real proof.
fn simulate(setup: &Setup, tau: Fr, mut rng: StdRng) -> Vec<u8> {
    let (vk, protocol) = (&setup.vk, setup.vk.protocol());
    let instances = setup.instances();
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
    // Advice at τ·ω^rotation: random. A single column's commitment is its value at τ, that
    // of a group depends on values elsewhere.
    let mut at_tau: HashMap<(usize, i32), Fr> = HashMap::new();
    for query in &protocol.advice_queries {
        at_tau.insert(*query, Fr::random(&mut rng));
    }
    let mut groups: Vec<G1> = Vec::new();
    for phase in &protocol.phases {
        for group in &phase.groups {
            let known = match group.columns[..] {
                [ColumnId::Advice(column)] => at_tau.get(&(column, 0)).copied(),
                _ => None,
            };
            let value = known.unwrap_or_else(|| Fr::random(&mut rng));
            groups.push(G1Affine::generator() * value);
            transcript.write_point(groups[groups.len() - 1].to_affine()).expect("written");
        }
        for challenge in &phase.challenges {
            challenges[*challenge] = squeeze(&mut transcript);
        }
    }
    groups.extend(vk.groups().iter().map(|point| G1::from(*point)));
    let y = squeeze(&mut transcript);

    // The quotient at τ: N(τ)/(τ^n − 1), from the key's secret columns. Of several pieces
    // all but the last are random.
    let advice: Vec<Fr> = protocol.advice_queries.iter().map(|query| at_tau[query]).collect();
    let fixed: Vec<Fr> =
        protocol.fixed_queries.iter().map(|(c, at)| fixed_at(*c, point(tau, *at))).collect();
    let linear = Linearisation::new(protocol, &challenges, y, [&advice, &fixed, &instance_at(tau)]);
    let secret = |linear: &Linearisation| -> G1 {
        linear.secret.iter().zip(vk.secret()).map(|((_, b), point)| *point * b).sum()
    };
    let numerator = G1Affine::generator() * linear.constant + secret(&linear);
    let vanishing = tau.pow_vartime([N as u64]) - Fr::ONE;
    let mut rest = numerator * vanishing.invert().expect("τ is outside the domain");
    let (mut pieces, mut power) = (Vec::new(), Fr::ONE);
    for _ in 1..protocol.quotient_pieces {
        let piece = G1Affine::generator() * Fr::random(&mut rng);
        rest -= piece * power;
        power *= tau.pow_vartime([N as u64 - 1]);
        pieces.push(piece);
    }
    pieces.push(rest * power.invert().expect("τ is not zero"));
    for piece in &pieces {
        transcript.write_point(piece.to_affine()).expect("written");
    }
    let x = squeeze(&mut transcript);

    let mut values = Vec::new();
    for group in protocol.groups() {
        for column in &group.columns {
            values.extend(group.rotations.iter().map(|rotation| match column {
                ColumnId::Fixed(column, turn) => fixed_at(*column, point(x, *rotation + turn)),
                ColumnId::Advice(_) => Fr::random(&mut rng),
            }));
        }
    }
    values.iter().for_each(|value| transcript.write_scalar(*value).expect("written"));
    let [advice, fixed] = protocol.query_values(&values);
    let linear = Linearisation::new(protocol, &challenges, y, [&advice, &fixed, &instance_at(x)]);
    let (mut linearisation, mut factor) = (secret(&linear), Fr::ONE - x.pow_vartime([N as u64]));
    for piece in &pieces {
        linearisation += *piece * factor;
        factor *= x.pow_vartime([N as u64 - 1]);
    }

    // SHPLONK with τ: divide instead of proving divisibility.
    let v = squeeze(&mut transcript);
    let before = |index: usize| -> usize {
        protocol.groups().take(index).map(|group| group.num_values()).sum()
    };
    // (F, R, Z) at a point, in the order of the opening.
    let at_point = |z: Fr| -> Vec<(G1, Fr, Fr)> {
        let mut opened = Vec::new();
        for class in &protocol.classes {
            let remainder = Remainder::new(class, |rotation| point(x, rotation), z);
            for index in &class.groups {
                let own = &values[before(*index)..before(index + 1)];
                let low = remainder.at_u(own).expect("distinct points");
                opened.push((groups[*index], low, remainder.vanishing()));
            }
        }
        opened.push((linearisation, -linear.constant, z - x));
        opened
    };
    let combined = |z: Fr| -> G1 {
        let (mut sum, mut power) = (G1::default(), Fr::ONE);
        for (group, low, vanishing) in at_point(z) {
            let inverse = vanishing.invert().expect("no opening point");
            sum += (group - G1Affine::generator() * low) * (power * inverse);
            power *= v;
        }
        sum
    };
    let w = combined(tau);
    transcript.write_point(w.to_affine()).expect("written");
    let u = squeeze(&mut transcript);
    let w_prime = (combined(u) - w) * (tau - u).invert().expect("u is not τ");
    transcript.write_point(w_prime.to_affine()).expect("written");
    transcript.finalize()
}

/// Zero knowledge for inputs and model: who knows τ needs neither to make proofs that look
/// like real ones.
#[test]
fn a_proof_simulated_from_the_key_and_tau_alone_is_accepted() {
    for setup in OPENINGS.map(small) {
        assert_eq!((G2Affine::generator() * setup.tau).to_affine(), setup.params.s_g2());
        for seed in 0..3 {
            let proof = simulate(&setup, setup.tau, StdRng::seed_from_u64(seed));
            assert_eq!(proof.len(), setup.prove(0).len());
            setup.verify(&proof).expect("accepted");
        }
        let wrong = simulate(&setup, setup.tau + Fr::ONE, StdRng::seed_from_u64(0));
        assert!(matches!(setup.verify(&wrong), Err(VerifyError::Rejected)));
    }
}

#[test]
fn every_column_has_as_many_random_rows_as_a_proof_shows_values() {
    for setup in OPENINGS.map(small) {
        let protocol = setup.vk.protocol();
        for group in protocol.phases.iter().flat_map(|phase| &phase.groups) {
            for column in &group.columns {
                let ColumnId::Advice(index) = column else { panic!("advice only") };
                let own = protocol.advice_queries.iter().filter(|query| query.0 == *index);
                let (own, at_row) = (own.clone().count(), own.clone().any(|query| query.1 == 0));
                let committed = group.fold() > 1 || !at_row;
                let shown = group.rotations.len() + own + usize::from(committed);
                assert!(protocol.unusable_rows >= shown);
            }
        }
    }
}
