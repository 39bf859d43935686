//! Random constraint systems: the Rust verifier and the contract, compiled in every way, say the
//! same of good proofs, of mutated ones and of proofs of what does not hold.
//!
//! Half of them are systems that a generator makes: up to three phases, rotations of every
//! column, challenges, secret columns, degrees. The other half are the prover's own shapes: its
//! graph circuit with its arguments in every combination, and, a tenth each, decision trees and the
//! chain circuit. Of the former with up to two phases, halo2's own prover
//! makes a proof too, which snark-verifier checks: it knows nothing of linearisations and groups of
//! columns, but the same constraints have to hold.

use halo2_proofs::{
    plonk::{Circuit, create_proof, keygen_pk, keygen_vk},
    poly::kzg::{
        commitment::{KZGCommitmentScheme, ParamsKZG},
        multiopen::ProverSHPLONK,
    },
    transcript::{TranscriptReadBuffer, TranscriptWriterBuffer},
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::{Bdfg21, KzgAs, KzgDecidingKey},
    system::halo2::{Config, compile as compile_protocol, transcript::evm::EvmTranscript},
    verifier::{SnarkVerifier, plonk::PlonkVerifier},
};
use verdict_codegen::compile::Settings;
use verdict_kzg::protocol::Opening;
use verdict_prover::shape::Shape;

use crate::{
    dense::{dense_opened, small_shape},
    harness::{Proven, compile_with, prove, send},
    mutants::{Mutant, instance_mutants, proof_mutants},
    random::case,
    synthetic::{Spec, Synthetic},
    trees,
};

/// Rows of the systems that are made here.
const K: u32 = 6;
/// Mutants of a proof that are tried.
const MUTANTS: usize = 25;

/// With and without the optimizer, by way of Yul and not.
const SETTINGS: [Settings; 4] =
    [settings(true, false), settings(false, false), settings(true, true), settings(false, true)];

const fn settings(optimizer: bool, via_ir: bool) -> Settings {
    Settings { optimizer, via_ir, runs: 1_000_000 }
}

/// A few rotations, each once.
fn rotations(rng: &mut StdRng, most: usize) -> Vec<i32> {
    let mut all: Vec<i32> = (-5..=5).collect();
    all.shuffle(rng);
    let count = rng.gen_range(1..=most);
    all[..count].to_vec()
}

fn spec(rng: &mut StdRng) -> Spec {
    let inputs = rng.gen_range(1..=6);
    let fixed = rng.gen_range(1..=4);
    let secret = rng.gen_range(0..=fixed);
    let challenges = rng.gen_range(0..=3);
    Spec {
        inputs,
        results: rng.gen_range(1..=4),
        challenges,
        late_challenges: if challenges > 0 { rng.gen_range(0..=2) } else { 0 },
        fixed,
        secret,
        rotations: (0..inputs).map(|_| rotations(rng, 4)).collect(),
        // Secret columns are read where they are.
        fixed_rotations: if secret == fixed { vec![0] } else { rotations(rng, 3) },
        instance: match rng.gen_range(0..4) {
            0 => None,
            1 => Some(vec![]),
            _ => Some(rotations(rng, 3)),
        },
        degree: rng.gen_range(2..=5),
    }
}

/// Those that the planner chooses from, and pairs.
fn opening(rng: &mut StdRng) -> Opening {
    let folded = [2, 4, 8, 16].map(Opening::folded);
    *[&[Opening::COLUMNS][..], &folded].concat().choose(rng).expect("one of them")
}

/// Good proofs of a system, and bad ones that are whole proofs of something else.
struct Subject {
    name: String,
    good: Proven,
    lying: Option<Proven>,
}

fn subject(seed: u64) -> Subject {
    let mut rng = StdRng::seed_from_u64(seed);
    let opening = opening(&mut rng);
    match seed % 10 {
        7 => {
            // The chain circuit states its inputs with one lane only.
            let public_inputs = rng.r#gen();
            let lanes = if public_inputs { 1 } else { rng.gen_range(1..=4) };
            let shape = Shape { lanes, public_inputs, ..small_shape() };
            let good = dense_opened(shape, rng.gen_range(1..=40), opening);
            return Subject { name: format!("{shape}, {opening}"), good, lying: None };
        }
        9 => {
            let (shape, good, lying) = trees::random(&mut rng, opening);
            return Subject { name: format!("{shape}, {opening}"), good, lying: Some(lying) };
        }
        _ => {}
    }
    if seed % 2 == 1 {
        let of = || case(seed / 2, 2 + (seed / 2) as usize % 4);
        let (honest, shape) = (of(), of().shape);
        let lying = Some(of().lying().prove(opening));
        return Subject { name: format!("{shape}, {opening}"), good: honest.prove(opening), lying };
    }
    let spec = spec(&mut rng);
    let count = if spec.instance.is_some() { rng.gen_range(0..8) } else { 0 };
    let instances: Vec<Fr> = (0..count).map(|_| Fr::from(rng.r#gen::<u64>())).collect();
    let circuit = Synthetic::new(&spec, K, instances.clone(), seed);
    // halo2's prover panics at the end of a third phase, and where no gate is above degree 2 it
    // makes more pieces of the quotient than snark-verifier reads.
    if spec.late_challenges == 0 && spec.degree > 2 {
        foreign_verifier_agrees(&circuit, &instances, spec.instance.is_some());
    }
    let good = prove(K, &circuit, (&spec.secret_columns(), opening), &instances);
    Subject { name: format!("{spec:?}, {opening}"), good, lying: None }
}

/// halo2's own proof of the circuit, by snark-verifier.
fn foreign_verifier_agrees(circuit: &Synthetic, instances: &[Fr], has_instances: bool) {
    type Scheme = KzgAs<Bn256, Bdfg21>;
    let params = ParamsKZG::<Bn256>::setup(K, StdRng::seed_from_u64(1));
    let vk = keygen_vk(&params, circuit).expect("a key");
    let pk = keygen_pk(&params, vk, circuit).expect("a key");
    let columns = if has_instances { vec![instances.to_vec()] } else { vec![] };
    let given: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
    let mut transcript = EvmTranscript::<G1Affine, NativeLoader, Vec<u8>, Vec<u8>>::init(vec![]);
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &params,
        &pk,
        &[circuit.without_witnesses()],
        &[&given[..]],
        StdRng::seed_from_u64(2),
        &mut transcript,
    )
    .expect("satisfied");
    let proof = transcript.finalize();
    let lengths = columns.iter().map(Vec::len).collect();
    let protocol = compile_protocol(&params, pk.get_vk(), Config::kzg().with_num_instance(lengths));
    let deciding = KzgDecidingKey::<Bn256>::new(G1Affine::generator(), params.g2(), params.s_g2());
    let accepts = |proof: &[u8], columns: &[Vec<Fr>]| {
        let mut transcript =
            <EvmTranscript<G1Affine, NativeLoader, &[u8], Vec<u8>> as TranscriptReadBuffer<
                &[u8],
                G1Affine,
                _,
            >>::init(proof);
        PlonkVerifier::<Scheme>::read_proof(&deciding, &protocol, columns, &mut transcript)
            .is_ok_and(|read| {
                PlonkVerifier::<Scheme>::verify(&deciding, &protocol, columns, &read).is_ok()
            })
    };
    assert!(accepts(&proof, &columns), "snark-verifier refuses a good proof");
    for at in (0..proof.len()).step_by(proof.len() / 5) {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        assert!(!accepts(&changed, &columns), "snark-verifier accepts byte {at} changed");
    }
    if let Some(first) = columns.first().and_then(|column| column.first()) {
        let mut changed = columns.clone();
        changed[0][0] = *first + Fr::one();
        assert!(!accepts(&proof, &changed), "snark-verifier accepts another instance");
    }
}

/// Rust and every contract agree on a subject's proofs and on some mutants of them.
fn assert_agreement(subject: &Subject, settings: &[Settings]) {
    let Subject { name, good, lying } = subject;
    let verifier = good.verifier();
    let compiled = settings.iter().map(|way| (way, compile_with(&verifier, *way)));
    let codes: Vec<_> =
        compiled.filter_map(|(way, code)| code.map(|code| (code.runtime, way))).collect();
    let left_out = settings.len() - codes.len();
    if left_out > 0 {
        println!("{name}: too large for a chain when compiled in {left_out} of these ways");
    }
    let mut mutants = proof_mutants(good);
    mutants.extend(instance_mutants(good));
    let step = (mutants.len() / MUTANTS).max(1);
    let tried = mutants.into_iter().step_by(step);
    let whole = lying.iter().map(|proven| ("a proof of another output".to_owned(), proven));
    let whole = whole.chain([("the proof".to_owned(), good)]);
    let whole = whole.map(|(name, proven)| Mutant { name, call: proven.call.clone() });
    for Mutant { name: what, call } in tried.chain(whole) {
        let same = call.proof == good.call.proof && call.instances == good.call.instances;
        assert_eq!(good.accepts(&call), same, "{name}: Rust on {what}");
        for (code, way) in &codes {
            let outcome = send(code, &call);
            assert_eq!(outcome.accepted(), same, "{name}: {way:?} on {what}: {outcome:?}");
        }
    }
}

#[test]
fn verifiers_agree_on_a_sample_of_random_systems() {
    for (seed, way) in [(0, 1), (1, 2), (2, 3), (23, 0), (6, 2), (31, 0), (7, 3), (9, 2)] {
        assert_agreement(&subject(seed), &SETTINGS[way..=way]);
    }
}

/// A hundred systems, four contracts each: scripts/differential runs it.
#[test]
#[ignore = "a quarter of an hour"]
fn verifiers_agree_on_a_hundred_random_systems() {
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= 100 {
                        return;
                    }
                    let subject = subject(seed);
                    println!("{seed}: {}", subject.name);
                    assert_agreement(&subject, &SETTINGS);
                }
            });
        }
    });
}
