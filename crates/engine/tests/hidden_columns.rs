//! Secret columns: read out of the reference protocol's proofs, hidden by ours.
#![allow(missing_docs)]

mod common;

use common::{Shape, Synthetic};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::plonk::ProvingKey;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine, G2Affine};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::sync::Arc;
use verdict_engine::{Engine, Options};
use verdict_kzg::blinding::Blinding;
use verdict_kzg::field::{domain_generator, interpolate, lagrange_basis, powers, rotate};
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::{Commitment, Evaluation, Protocol};
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::{Linearisation, VerifyError, read_proof, verify};

const K: u32 = 5;
const N: usize = 1 << K;
/// Fixed columns of the circuit: active, public, then the weights.
const SECRET: [usize; 2] = [2, 3];

struct Setup {
    params: ParamsKZG<Bn256>,
    engine: Engine,
    circuit: Synthetic,
    pk: ProvingKey<G1Affine>,
    vk: VerifyingKey,
}

fn setup() -> Setup {
    let shape =
        Shape { k: K, data: 2, products: 1, degree: 3, weights: 2, instances: 1, permuted: 0 };
    let params = ParamsKZG::setup(K, StdRng::seed_from_u64(1));
    let engine =
        Engine::new(&params, Options { threads: 1, ..Options::default() }).expect("engine");
    let circuit = Synthetic::new(shape, 2);
    let unblinded = engine.keygen(&circuit, false).expect("keys");
    let cs = unblinded.get_vk().cs();
    let protocol = Arc::new(Protocol::new(cs, &SECRET).expect("linear"));
    let limit = N - protocol.unusable_rows;
    let mut fixed: Vec<Vec<Fr>> =
        unblinded.fixed_values().iter().map(|column| column[..][..limit].to_vec()).collect();
    Blinding::random(&protocol, StdRng::seed_from_u64(5))
        .apply(&protocol, K, limit, &mut fixed)
        .expect("a free row");
    let pk = engine.keygen_from(cs.clone(), fixed).expect("keys");
    let vk = VerifyingKey::new(protocol, K, pk.get_vk().fixed_commitments().clone()).expect("key");
    Setup { params, engine, circuit, pk, vk }
}

impl Setup {
    fn instances(&self) -> Vec<Fr> {
        self.circuit.instances().concat()
    }

    fn prove(&self, seed: u64) -> Vec<u8> {
        let rng = StdRng::seed_from_u64(seed);
        let instances = self.instances();
        self.engine
            .prove_circuit(&self.vk, &self.pk, &self.circuit, &instances, rng)
            .expect("a proof")
    }

    fn verify(&self, proof: &[u8]) -> Result<(), VerifyError> {
        verify(&self.vk, &self.params.s_g2(), &self.instances(), proof)
    }

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
        transcript.common_scalar(instances[0]).expect("absorbed");
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
        draw(3, 1);
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

/// The column through the first n of these openings, if it explains the others too.
fn extract(openings: &[(Fr, Fr)]) -> Option<Vec<Fr>> {
    let (points, values): (Vec<Fr>, Vec<Fr>) = openings[..N].iter().copied().unzip();
    let polynomial = lagrange_interpolate(&points, &values);
    let at = |point: &Fr| polynomial.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c);
    let explained = openings[N..].iter().all(|(point, value)| at(point) == *value);
    explained.then(|| powers(Fr::ONE, domain_generator(K), N).iter().map(at).collect())
}

#[test]
fn the_reference_protocol_gives_a_model_away_after_as_many_proofs_as_rows() {
    let setup = setup();
    let proofs: Vec<_> = (0..N as u64 + 4).map(|seed| setup.reference(seed)).collect();
    let queries = setup.pk.get_vk().cs().fixed_queries().clone();
    let mut found = 0;
    for (index, (column, _)) in queries.iter().enumerate() {
        let openings: Vec<_> = proofs.iter().map(|(x, values)| (*x, values[index])).collect();
        let extracted = extract(&openings).expect("a fixed column is the same in every proof");
        assert_eq!(extracted[..], setup.pk.fixed_values()[column.index()][..]);
        found += usize::from(SECRET.contains(&column.index()));
    }
    assert_eq!(found, SECRET.len());
}

#[test]
fn two_thousand_proofs_give_away_structural_columns_only() {
    let setup = setup();
    let protocol = setup.vk.protocol();
    let instances = setup.instances();
    let proofs: Vec<(Fr, Vec<Fr>)> = (0..2_000)
        .map(|seed| {
            let proof = setup.prove(seed);
            if seed < 3 {
                setup.verify(&proof).expect("accepted");
            }
            let read = read_proof(&setup.vk, &instances, &proof).expect("a proof");
            (read.challenges.x, [read.advice_values, read.fixed_values].concat())
        })
        .collect();
    let advice = protocol.advice_queries.len();
    for index in 0..protocol.num_evaluations() {
        let openings: Vec<_> = proofs.iter().map(|(x, values)| (*x, values[index])).collect();
        let column = extract(&openings);
        match index.checked_sub(advice) {
            // Every word that is the same polynomial in all proofs is a structural column.
            Some(fixed) => {
                let (structural, rotation) = protocol.fixed_queries[fixed];
                assert!(!SECRET.contains(&structural) && rotation == 0);
                assert_eq!(column.as_deref(), Some(&setup.pk.fixed_values()[structural][..]));
            }
            None => assert_eq!(column, None, "advice query {index} is blinded"),
        }
    }
}

/// Makes a proof from the key and τ alone: no model, no input. Everything it shows is
/// uniform or determined, as in a real proof.
fn simulate(setup: &Setup, tau: Fr, mut rng: impl RngCore) -> Vec<u8> {
    let (vk, protocol) = (&setup.vk, setup.vk.protocol());
    let instances = setup.instances();
    let omega = domain_generator(K);
    let point = |x: Fr, rotation: i32| x * rotate(omega, K, rotation);
    // Structural columns and instances are public.
    let fixed_at = |x: Fr| -> Vec<Fr> {
        let value = |(column, rotation): &(usize, i32)| {
            assert!(!SECRET.contains(column));
            let basis = lagrange_basis(K, point(x, *rotation));
            let column = &setup.pk.fixed_values()[*column];
            column.iter().zip(basis).map(|(value, weight)| *value * weight).sum()
        };
        protocol.fixed_queries.iter().map(value).collect()
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

    // Advice at τ·ω^rotation: random.
    let mut at_tau: HashMap<(usize, i32), Fr> = HashMap::new();
    for column in 0..protocol.num_advice_columns() {
        at_tau.insert((column, 0), Fr::random(&mut rng));
    }
    for query in &protocol.advice_queries {
        at_tau.entry(*query).or_insert_with(|| Fr::random(&mut rng));
    }
    let advice: Vec<G1> = (0..protocol.num_advice_columns())
        .map(|c| G1Affine::generator() * at_tau[&(c, 0)])
        .collect();
    let mut challenges = vec![Fr::ZERO; 1];
    for phase in &protocol.phases {
        for column in &phase.columns {
            transcript.write_point(advice[*column].to_affine()).expect("written");
        }
        for challenge in &phase.challenges {
            challenges[*challenge] = squeeze(&mut transcript);
        }
    }
    let y = squeeze(&mut transcript);

    // The quotient at τ follows from the identity.
    let advice_tau: Vec<Fr> = protocol.advice_queries.iter().map(|query| at_tau[query]).collect();
    let values = [&advice_tau[..], &fixed_at(tau), &instance_at(tau)];
    let linear = Linearisation::new(protocol, &challenges, y, values);
    let secret = |linear: &Linearisation| -> G1 {
        linear.secret.iter().map(|(column, b)| vk.fixed_commitments()[*column] * b).sum()
    };
    let numerator = G1Affine::generator() * linear.constant + secret(&linear);
    let vanishing = tau.pow_vartime([N as u64]) - Fr::ONE;
    let mut rest = numerator * vanishing.invert().expect("τ is outside the domain");
    let step = tau.pow_vartime([N as u64 - 1]);
    let mut pieces = vec![G1::generator(); protocol.quotient_pieces];
    let mut power = step;
    for piece in &mut pieces[1..] {
        *piece = G1Affine::generator() * Fr::random(&mut rng);
        rest -= *piece * power;
        power *= step;
    }
    pieces[0] = rest;
    for piece in &pieces {
        transcript.write_point(piece.to_affine()).expect("written");
    }
    let x = squeeze(&mut transcript);

    let advice_x: Vec<Fr> = protocol.advice_queries.iter().map(|_| Fr::random(&mut rng)).collect();
    let fixed_x = fixed_at(x);
    for value in advice_x.iter().chain(&fixed_x) {
        transcript.write_scalar(*value).expect("written");
    }
    let linear =
        Linearisation::new(protocol, &challenges, y, [&advice_x, &fixed_x, &instance_at(x)]);
    let mut linearisation = secret(&linear);
    let mut factor = Fr::ONE - x.pow_vartime([N as u64]);
    for piece in &pieces {
        linearisation += *piece * factor;
        factor *= x.pow_vartime([N as u64 - 1]);
    }

    // SHPLONK with τ: divide instead of proving divisibility.
    let (opening_y, v) = (squeeze(&mut transcript), squeeze(&mut transcript));
    let evaluate = |low: &[Fr], at: Fr| low.iter().rev().fold(Fr::ZERO, |sum, c| sum * at + c);
    let mut sets = Vec::new();
    for set in &protocol.sets {
        let points: Vec<Fr> = set.rotations.iter().map(|at| point(x, *at)).collect();
        let (mut sum, mut values, mut power) =
            (G1::default(), vec![Fr::ZERO; points.len()], Fr::ONE);
        for member in &set.members {
            let commitment: G1 = match member.commitment {
                Commitment::Advice(column) => advice[column],
                Commitment::Fixed(column) => vk.fixed_commitments()[column].into(),
                Commitment::Linearisation => linearisation,
            };
            sum += commitment * power;
            for (value, evaluation) in values.iter_mut().zip(&member.evaluations) {
                *value += power
                    * match evaluation {
                        Evaluation::Advice(query) => advice_x[*query],
                        Evaluation::Fixed(query) => fixed_x[*query],
                        Evaluation::Linearisation => -linear.constant,
                    };
            }
            power *= opening_y;
        }
        let low = interpolate(&points, &values).expect("distinct points");
        sets.push((points, sum, low));
    }
    let vanishing =
        |points: &[Fr], at: Fr| points.iter().fold(Fr::ONE, |product, p| product * (at - p));
    let (mut w, mut power) = (G1::default(), Fr::ONE);
    for (points, sum, low) in &sets {
        let inverse = vanishing(points, tau).invert().expect("τ is no opening point");
        w += (*sum - G1Affine::generator() * evaluate(low, tau)) * (power * inverse);
        power *= v;
    }
    transcript.write_point(w.to_affine()).expect("written");
    let u = squeeze(&mut transcript);
    let first = vanishing(&sets[0].0, u);
    let (mut w_prime, mut power) = (w * -first, Fr::ONE);
    for (points, sum, low) in &sets {
        let weight = power * first * vanishing(points, u).invert().expect("u is no opening point");
        w_prime += (*sum - G1Affine::generator() * evaluate(low, u)) * weight;
        power *= v;
    }
    let w_prime = w_prime * (tau - u).invert().expect("u is not τ");
    transcript.write_point(w_prime.to_affine()).expect("written");
    transcript.finalize()
}

/// Zero knowledge for inputs and model: who knows τ needs neither to make proofs that look
/// like real ones.
#[test]
fn a_proof_simulated_from_the_key_and_tau_alone_is_accepted() {
    let setup = setup();
    let tau = Fr::random(StdRng::seed_from_u64(1));
    assert_eq!((G2Affine::generator() * tau).to_affine(), setup.params.s_g2());
    for seed in 0..3 {
        let proof = simulate(&setup, tau, StdRng::seed_from_u64(seed));
        assert_eq!(proof.len(), setup.prove(0).len());
        setup.verify(&proof).expect("accepted");
    }
    let wrong = simulate(&setup, tau + Fr::ONE, StdRng::seed_from_u64(0));
    assert!(matches!(setup.verify(&wrong), Err(VerifyError::Rejected)));
}

#[test]
fn every_column_has_as_many_random_rows_as_its_proof_shows_values() {
    let setup = setup();
    let protocol = setup.vk.protocol();
    // Data columns are read at up to five rotations.
    let most = (0..protocol.num_advice_columns())
        .map(|column| protocol.advice_queries.iter().filter(|query| query.0 == column).count())
        .max();
    assert!(protocol.blinding_rows() >= 2 * most.expect("columns"));
    assert!(protocol.unusable_rows >= protocol.blinding_rows());
}
