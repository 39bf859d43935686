//! Real proofs: honest ones are accepted by both verifiers, cheating ones refused.

use std::path::Path;

use halo2_proofs::{
    SerdeFormat,
    plonk::{ProvingKey, keygen_pk, keygen_vk},
    poly::{
        commitment::{Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
    transcript::TranscriptReadBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use verdict_engine::{Engine, Options, SrsPoints};
use verdict_kzg::{key, protocol::Opening};
use verdict_prover::{
    circuit::{Layout, ModelCircuit, PublicValues, secret_columns},
    integer::IntegerGraph,
    keys::{KeyError, Keys, protocol, read_verifying_key},
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions, srs_k},
    prove::{Proof, prove, prove_reference},
    quantize::{Grid, Precision, Quantized, Ranges},
    shape::{GraphShape, Shape},
    verify::{VerifyError, verify, verify_reference},
};

const CONTEXT: [u8; 32] = [7; 32];

fn shape() -> Shape {
    Shape { limb_bits: 6, limbs: 5, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

fn model(weight: i64) -> IntegerGraph {
    let layers = [
        (vec![weight, -400, 300, 900, -20, 7], vec![2048, 90_000, 2048]),
        (vec![1000, -1000, 500], vec![40_000_000]),
    ];
    IntegerGraph::chain(18, 12, 2, layers)
}

fn columns() -> (Shape, Opening) {
    (shape(), Opening::COLUMNS)
}

fn of(shape: &Shape) -> (&Shape, Opening) {
    (shape, Opening::COLUMNS)
}

struct Setup {
    params: ParamsKZG<Bn256>,
    engine: Engine,
    keys: Keys,
}

impl Setup {
    fn new(graph: IntegerGraph, shape: Shape) -> Self {
        Self::opened(graph, shape, Opening::COLUMNS)
    }

    fn opened(graph: IntegerGraph, shape: Shape, opening: Opening) -> Self {
        let k = Layout::required_k(&graph, shape).expect("small");
        let protocol = protocol(&shape, opening).expect("supported");
        // The same τ for every size.
        let params = |k| ParamsKZG::<Bn256>::setup(k, StdRng::seed_from_u64(1));
        let string = params(srs_k(&protocol, k));
        let points = SrsPoints::new(string.get_g(), k, &protocol).expect("long enough");
        let engine = Engine::from_points(&points, Options::default()).expect("engine");
        let (params, rng) = (params(k), StdRng::seed_from_u64(3));
        let keys = Keys::new(&engine, graph, (shape, opening), rng).expect("keys");
        Self { params, engine, keys }
    }

    fn prove(&self, inputs: &[i64]) -> Proof {
        let rng = StdRng::seed_from_u64(2);
        prove(&self.engine, &self.keys, inputs, &CONTEXT, rng).expect("proof")
    }

    fn reference(&self, inputs: &[i64]) -> Proof {
        let rng = StdRng::seed_from_u64(2);
        let keys = (&self.keys, &self.halo2());
        prove_reference(&self.params, keys, inputs, &CONTEXT, rng).expect("proof")
    }

    fn halo2(&self) -> ProvingKey<G1Affine> {
        self.keys.halo2(&self.engine).expect("of its engine")
    }

    fn verify(&self, instances: &[Fr], proof: &[u8]) -> Result<(), VerifyError> {
        let count = self.keys.layout.instances;
        verify(&self.params.s_g2(), self.keys.verifying(), count, instances, proof)
    }
}

#[test]
fn a_proof_is_accepted_and_its_outputs_are_the_reference_run() {
    let chain = shape();
    let graph = |limb_columns, packed| Some(GraphShape::new(limb_columns, packed));
    for shape in [
        Shape { lanes: 3, ..chain },
        Shape { lanes: 1, public_inputs: true, ..chain },
        Shape { graph: graph(1, 1), ..chain },
        Shape { graph: graph(2, 8), public_inputs: true, ..chain },
        Shape { graph: graph(5, 4), lanes: 1, ..chain },
    ] {
        let setup = Setup::new(model(777), shape);
        let reference = setup.keys.graph.run(&[100_000, 262_143]).expect("in range");
        let inputs = [100_000, 262_143];
        let (ours, halo2s) = (setup.prove(&inputs), setup.reference(&inputs));
        for proof in [&ours, &halo2s] {
            assert_eq!(proof.outputs, reference.outputs);
            assert_eq!(proof.instances.len(), PublicValues::new(&shape, 2, 1).count());
        }
        setup.verify(&ours.instances, &ours.bytes).expect("accepted");
        let pk = setup.halo2();
        verify_reference(&setup.params, pk.get_vk(), &halo2s.instances, &halo2s.bytes)
            .expect("accepted");
        assert!(setup.verify(&halo2s.instances, &halo2s.bytes).is_err(), "another protocol");
    }
}

#[test]
fn another_context_output_or_number_of_instances_is_refused() {
    let setup = Setup::new(model(777), shape());
    let proof = setup.prove(&[5, 6]);
    for index in 0..proof.instances.len() {
        let mut instances = proof.instances.clone();
        instances[index] += Fr::one();
        let error = setup.verify(&instances, &proof.bytes).expect_err("changed");
        assert!(matches!(error, VerifyError::Invalid(_)), "{error}");
    }
    let mut padded = proof.instances.clone();
    padded.push(Fr::zero());
    for instances in [&padded[..], &proof.instances[..1]] {
        let error = setup.verify(instances, &proof.bytes).expect_err("count");
        assert!(matches!(error, VerifyError::Instances { .. }), "{error}");
    }
}

#[test]
fn every_changed_truncated_or_extended_proof_is_refused() {
    let setup = Setup::new(model(777), shape());
    let proof = setup.prove(&[5, 6]);
    for word in 0..proof.bytes.len() / 32 {
        let mut bytes = proof.bytes.clone();
        bytes[32 * word + 31] ^= 1;
        assert!(setup.verify(&proof.instances, &bytes).is_err(), "word {word}");
    }
    let mut longer = proof.bytes.clone();
    longer.push(0);
    let error = setup.verify(&proof.instances, &longer).expect_err("longer");
    assert!(matches!(error, VerifyError::Invalid(_)), "{error}");
    for length in [0, 1, 63, proof.bytes.len() - 1] {
        assert!(setup.verify(&proof.instances, &proof.bytes[..length]).is_err());
    }
}

#[test]
fn a_proof_for_another_model_of_the_same_shape_is_refused() {
    let (ours, theirs) = (Setup::new(model(777), shape()), Setup::new(model(778), shape()));
    let proof = theirs.prove(&[5, 6]);
    assert!(ours.verify(&proof.instances, &proof.bytes).is_err());
}

#[test]
fn two_proofs_of_one_statement_differ() {
    let setup = Setup::new(model(777), shape());
    let prove_with = |seed| {
        let rng = StdRng::seed_from_u64(seed);
        prove(&setup.engine, &setup.keys, &[5, 6], &[0; 32], rng).expect("proof")
    };
    let (first, second) = (prove_with(1), prove_with(2));
    assert_eq!(first.instances, second.instances);
    assert!(first.bytes.chunks(64).zip(second.bytes.chunks(64)).all(|(a, b)| a != b));
}

/// Circuit and witness are the same, whatever the opening.
#[test]
fn a_folded_proof_states_the_same_in_fewer_commitments() {
    let columns = Setup::new(model(777), shape());
    let expected = columns.prove(&[5, 6]);
    for max_fold in [1, 3, 8] {
        let opening = Opening::folded(max_fold);
        let setup = Setup::opened(model(777), shape(), opening);
        let proof = setup.prove(&[5, 6]);
        setup.verify(&proof.instances, &proof.bytes).expect("accepted");
        assert_eq!(proof.instances, expected.instances);
        assert!(setup.verify(&proof.instances, &expected.bytes).is_err());
        let mut changed = proof.instances.clone();
        changed[1] += Fr::one();
        assert!(setup.verify(&changed, &proof.bytes).is_err());
        let points = |setup: &Setup| setup.keys.verifying().protocol().num_points();
        assert!(points(&setup) < points(&columns));
        // Keys are restored from what is stored.
        let (blinding, bytes) = (setup.keys.blinding.to_bytes(), setup.keys.verifying().to_bytes());
        let k = setup.keys.layout.k;
        let key = read_verifying_key(&bytes, (&shape(), opening), k).expect("own key");
        // As many points may be read as a key of single columns, but not as the same key.
        if let Ok(other) = read_verifying_key(&bytes, of(&shape()), k) {
            assert_eq!(max_fold, 1);
            assert_ne!(other.digest(), key.digest());
        }
        let graph = setup.keys.graph.clone();
        let restored = Keys::restore(&setup.engine, graph, shape(), Some(&blinding), key);
        let setup = Setup { keys: restored.expect("restored"), ..setup };
        let again = setup.prove(&[5, 6]);
        setup.verify(&again.instances, &again.bytes).expect("accepted");
    }
}

#[test]
fn keys_are_those_that_halo2_makes_of_the_circuit() {
    let setup = Setup::new(model(777), shape());
    let public = Keys::public(&setup.engine, model(777), columns()).expect("keys");
    let circuit = ModelCircuit::new(public.layout.clone());
    let vk = keygen_vk(&setup.params, &circuit).expect("halo2's key");
    let pk = keygen_pk(&setup.params, vk, &circuit).expect("halo2's key");
    let bytes = |key: &ProvingKey<G1Affine>| key.to_bytes(SerdeFormat::RawBytes);
    let halo2 = |keys: &Keys| bytes(&keys.halo2(&setup.engine).expect("of its engine"));
    assert!(bytes(&pk) == halo2(&public));
    for keys in [&public, &setup.keys] {
        let (blinding, vk) = (keys.blinding.to_bytes(), keys.verifying().clone());
        let restored = Keys::restore(&setup.engine, model(777), shape(), Some(&blinding), vk);
        assert!(halo2(keys) == halo2(&restored.expect("restored")));
    }
}

#[test]
fn keys_survive_storage_and_foreign_ones_are_refused() {
    let setup = Setup::new(model(777), shape());
    let k = setup.params.k();
    let bytes = setup.keys.verifying().to_bytes();
    let key = read_verifying_key(&bytes, of(&shape()), k).expect("own key");
    let blinding = setup.keys.blinding.to_bytes();
    let restore = |blinding: &[u8]| {
        Keys::restore(&setup.engine, model(777), shape(), Some(blinding), key.clone())
    };
    let keys = restore(&blinding).expect("restored");
    let rng = StdRng::seed_from_u64(2);
    let proof = prove(&setup.engine, &keys, &[5, 6], &[0; 32], rng.clone()).expect("proof");
    assert!(matches!(restore(&blinding[1..]), Err(KeyError::Blinding(_))));
    assert!(matches!(restore(&vec![0xff; blinding.len()]), Err(KeyError::Blinding(_))));
    // Without its blinding, or with another, the model makes no proof.
    let mut other = blinding.clone();
    other[31] ^= 1;
    for wrong in [&vec![0; blinding.len()], &other] {
        let keys = restore(wrong).expect("well-formed");
        let proof = prove(&setup.engine, &keys, &[5, 6], &[0; 32], rng.clone()).expect("proof");
        assert!(setup.verify(&proof.instances, &proof.bytes).is_err());
    }
    setup.verify(&proof.instances, &proof.bytes).expect("the same key");

    for length in 0..bytes.len() {
        assert!(read_verifying_key(&bytes[..length], of(&shape()), k).is_err(), "{length} bytes");
    }
    let wider = Shape { lanes: 3, ..shape() };
    assert!(matches!(
        read_verifying_key(&bytes, of(&wider), k),
        Err(KeyError::Verifying(key::KeyError::Foreign { .. }))
    ));
    assert!(matches!(
        read_verifying_key(&bytes, of(&shape()), k + 1),
        Err(KeyError::Verifying(key::KeyError::Foreign { .. }))
    ));
    let mut off_curve = bytes.clone();
    off_curve[20] ^= 1;
    assert!(matches!(
        read_verifying_key(&off_curve, of(&shape()), k),
        Err(KeyError::Verifying(key::KeyError::Point(_)))
    ));
    let larger = ParamsKZG::setup(k + 1, StdRng::seed_from_u64(1));
    let larger = Engine::new(&larger, Options::default()).expect("engine");
    let error = Keys::new(&larger, model(777), columns(), rng).expect_err("another size");
    assert!(matches!(error, KeyError::SrsSize { .. }), "{error}");
}

#[test]
fn snark_verifier_accepts_the_same_proof_and_refuses_a_changed_one() {
    use snark_verifier::{
        loader::native::NativeLoader,
        pcs::kzg::{Bdfg21, KzgAs, KzgDecidingKey},
        system::halo2::{Config, compile, transcript::evm::EvmTranscript},
        verifier::{SnarkVerifier, plonk::PlonkVerifier},
    };

    type Scheme = KzgAs<Bn256, Bdfg21>;

    let setup = Setup::new(model(777), shape());
    let proof = setup.reference(&[5, 6]);
    let config = Config::kzg().with_num_instance(vec![setup.keys.layout.instances]);
    let protocol = compile(&setup.params, setup.halo2().get_vk(), config);
    let deciding =
        KzgDecidingKey::<Bn256>::new(G1Affine::generator(), setup.params.g2(), setup.params.s_g2());
    let accepts = |bytes: &[u8], instances: &[Fr]| {
        let instances = [instances.to_vec()];
        let mut transcript =
            <EvmTranscript<G1Affine, NativeLoader, &[u8], Vec<u8>> as TranscriptReadBuffer<
                &[u8],
                G1Affine,
                _,
            >>::init(bytes);
        PlonkVerifier::<Scheme>::read_proof(&deciding, &protocol, &instances, &mut transcript)
            .is_ok_and(|read| {
                PlonkVerifier::<Scheme>::verify(&deciding, &protocol, &instances, &read).is_ok()
            })
    };
    assert!(accepts(&proof.bytes, &proof.instances));
    let mut changed = proof.instances.clone();
    changed[1] += Fr::one();
    assert!(!accepts(&proof.bytes, &changed));
    let mut bytes = proof.bytes.clone();
    bytes[700] ^= 1;
    assert!(!accepts(&bytes, &proof.instances));
}

#[test]
fn keys_of_one_model_hide_it_and_public_ones_can_be_computed_again() {
    let setup = Setup::new(model(777), shape());
    let key = |seed| {
        let rng = StdRng::seed_from_u64(seed);
        Keys::new(&setup.engine, model(777), columns(), rng).expect("keys")
    };
    let public = |weight| Keys::public(&setup.engine, model(weight), columns()).expect("keys");
    let (first, second, open) = (key(1), key(2), public(777));
    assert_eq!(first.verifying().secret().len(), secret_columns(&shape()).len());
    for (index, commitment) in first.verifying().secret().iter().enumerate() {
        assert_ne!(*commitment, second.verifying().secret()[index]);
        assert_ne!(*commitment, open.verifying().secret()[index]);
    }
    assert_eq!(first.verifying().groups(), second.verifying().groups());
    assert_eq!(first.verifying().groups(), open.verifying().groups());
    assert_eq!(open.verifying().to_bytes(), public(777).verifying().to_bytes());
    assert!(open.blinding.is_none() && !first.blinding.is_none());
    assert_ne!(open.verifying().to_bytes(), public(778).verifying().to_bytes());
}

#[test]
fn models_that_multiply_and_divide_what_depends_on_the_input_are_planned_and_proven() {
    for name in ["36-gated", "45c-attention", "67-layernormalization"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
        let graph = onnx::load(&folder.join(format!("{name}.onnx")), &LoadOptions::default());
        let graph = graph.expect("it is read");
        let ranges = Ranges::uniform(graph.input_len(), -1.0, 1.0);
        let options = PlanOptions { target_error: Some(1e-2), ..PlanOptions::default() };
        let plan = Plan::new(&graph, &ranges, &options).expect("a shape holds it");
        assert!(plan.shape.products(), "{name}: {}", plan.shape);
        println!("{name}: {} 2^{}, error {:?}", plan.shape, plan.k, plan.error.largest);
        let quantized = &plan.quantized;
        let setup = Setup::opened(quantized.graph.clone(), plan.shape, plan.opening);
        let input: Vec<f64> =
            (0..graph.input_len()).map(|at| (at as f64 * 0.7 + 0.3).sin()).collect();
        let mut proof = setup.prove(&quantized.input.encode(&input).expect("in range"));
        let float = graph.run(&graph.split(&input)).expect("runs").concat();
        for (word, float) in proof.outputs.iter().zip(&float) {
            let got = quantized.output.decode(*word);
            assert!((got - float).abs() < 1e-2, "{name}: {got}, not {float}");
        }
        setup.verify(&proof.instances, &proof.bytes).expect("accepted");
        let last = proof.instances.len() - 1;
        proof.instances[last] += Fr::one();
        assert!(setup.verify(&proof.instances, &proof.bytes).is_err(), "{name}");
    }
}

/// Everything that a proof shows, of applicants who go other ways through a forest to the same label:
/// nothing is fixed or of another size for one of them, and of a label, nothing else is told.
#[test]
fn proofs_of_other_inputs_have_one_form_and_share_nothing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trees");
    let options = LoadOptions { outputs: Some(vec!["label".into()]), ..LoadOptions::default() };
    let graph = onnx::load(&path.join("sklearn_forest.onnx"), &options).expect("it is read");
    let applicants = [
        [-0.77, 8.0, 9.0, -3.432],
        [-0.83, 42.0, 19.6, 4.27],
        [-0.65, 38.0, 1.5, -1.83],
        [0.5, 0.0, 11.7, -0.363],
    ];
    let decimals =
        [2, 0, 1, 3].map(|decimals| Some(Grid { decimals, exact: true, missing: false }));
    let input = vec![[-1.0, 1.0], [0.0, 100.0], [0.0, 20.0], [-5.0, 5.0]];
    let ranges = Ranges { input, grids: decimals.into(), private: vec![] };
    // By paths, and as it is planned.
    let of = |node_lanes: usize| Shape {
        limb_bits: 12,
        limbs: 4,
        shift_limbs: 2,
        lanes: 4,
        public_inputs: false,
        graph: Some(GraphShape { node_lanes, ..GraphShape::new(4, 1) }),
    };
    let plan = Plan::new(&graph, &ranges, &PlanOptions::default()).expect("a shape holds it");
    let cases = [(of(1), Opening::COLUMNS), (plan.shape, plan.opening)];
    for (shape, opening) in cases {
        let quantized = Quantized::new(&graph, &ranges, &shape, &Precision::default());
        let quantized = quantized.expect("fits");
        let setup = Setup::opened(quantized.graph.clone(), shape, opening);
        let proven = |seed: u64, values: &[f64; 4]| {
            let inputs = quantized.input.encode(values).expect("in range");
            let rng = StdRng::seed_from_u64(seed);
            let proof = prove(&setup.engine, &setup.keys, &inputs, &CONTEXT, rng).expect("proof");
            setup.verify(&proof.instances, &proof.bytes).expect("accepted");
            proof
        };
        // The first of them twice: what two proofs of one input have in common, others have too.
        let again = proven(90, &applicants[0]);
        let words = |proof: &Proof| proof.bytes.chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let common = |a: &Proof, b: &Proof| {
            let (a, b) = (words(a), words(b));
            a.iter().filter(|word| b.contains(word)).count()
        };
        let first = proven(91, &applicants[0]);
        assert_eq!(common(&first, &again), 0, "{shape}");
        for (seed, values) in (92..).zip(&applicants[1..]) {
            let other = proven(seed, values);
            assert_eq!(other.bytes.len(), first.bytes.len(), "{shape}");
            assert_eq!(other.instances, first.instances, "{shape}: the label and the context");
            assert_eq!(other.outputs, first.outputs);
            assert_eq!(common(&first, &other), 0, "{shape}");
        }
    }
}
