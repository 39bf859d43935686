//! Real proofs: honest ones are accepted by both verifiers, cheating ones refused.

use halo2_proofs::{
    SerdeFormat,
    plonk::{ProvingKey, keygen_pk, keygen_vk},
    poly::{commitment::Params, kzg::commitment::ParamsKZG},
    transcript::TranscriptReadBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use verdict_engine::{Engine, Options};
use verdict_prover::{
    circuit::{Layout, ModelCircuit},
    integer::IntegerGraph,
    keys::{KeyError, Keys, read_verifying_key, verifying_key_bytes},
    prove::{Backend, Proof, prove},
    shape::{GraphShape, Shape},
    verify::{VerifyError, verify},
};

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

struct Setup {
    params: ParamsKZG<Bn256>,
    engine: Engine,
    keys: Keys,
}

impl Setup {
    fn new(graph: IntegerGraph, shape: Shape) -> Self {
        let k = Layout::required_k(&graph, shape).expect("small");
        let params = ParamsKZG::setup(k, StdRng::seed_from_u64(1));
        let engine = Engine::new(&params, Options::default()).expect("engine");
        let keys = Keys::new(&engine, graph, shape).expect("keys");
        Self { params, engine, keys }
    }

    fn prove(&self, inputs: &[i64]) -> Proof {
        self.prove_by(Backend::Engine(&self.engine), inputs)
    }

    fn prove_by(&self, backend: Backend<'_>, inputs: &[i64]) -> Proof {
        let mut context = [0; 32];
        context[31] = 9;
        prove(backend, &self.keys, inputs, &context, StdRng::seed_from_u64(2)).expect("proof")
    }

    fn verify(&self, instances: &[Fr], proof: &[u8]) -> Result<(), VerifyError> {
        let count = self.keys.layout.instances;
        verify(&self.params, self.keys.verifying(), count, instances, proof)
    }
}

#[test]
fn a_proof_is_accepted_and_its_outputs_are_the_reference_run() {
    let chain = shape();
    let graph = |limb_columns, packed| Some(GraphShape { limb_columns, packed });
    for shape in [
        Shape { lanes: 3, ..chain },
        Shape { lanes: 1, public_inputs: true, ..chain },
        Shape { graph: graph(1, 1), ..chain },
        Shape { graph: graph(2, 8), public_inputs: true, ..chain },
        Shape { graph: graph(5, 4), lanes: 1, ..chain },
    ] {
        let setup = Setup::new(model(777), shape);
        let reference = setup.keys.graph.run(&[100_000, 262_143]).expect("in range");
        for backend in [Backend::Engine(&setup.engine), Backend::Reference(&setup.params)] {
            let proof = setup.prove_by(backend, &[100_000, 262_143]);
            assert_eq!(proof.outputs, reference.outputs);
            assert_eq!(proof.instances.len(), 1 + shape.input_words(2) + 1);
            setup.verify(&proof.instances, &proof.bytes).expect("accepted");
        }
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
    assert!(matches!(error, VerifyError::TrailingBytes(1)), "{error}");
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
        let backend = Backend::Engine(&setup.engine);
        prove(backend, &setup.keys, &[5, 6], &[0; 32], StdRng::seed_from_u64(seed)).expect("proof")
    };
    let (first, second) = (prove_with(1), prove_with(2));
    assert_eq!(first.instances, second.instances);
    assert!(first.bytes.chunks(64).zip(second.bytes.chunks(64)).all(|(a, b)| a != b));
}

#[test]
fn keys_are_those_that_halo2_makes_of_the_circuit() {
    let setup = Setup::new(model(777), shape());
    let circuit = ModelCircuit::new(setup.keys.layout.clone());
    let vk = keygen_vk(&setup.params, &circuit).expect("halo2's key");
    let pk = keygen_pk(&setup.params, vk, &circuit).expect("halo2's key");
    let bytes = |key: &ProvingKey<G1Affine>| key.to_bytes(SerdeFormat::RawBytes);
    assert!(bytes(&pk) == bytes(&setup.keys.proving));
    let restored =
        Keys::restore(&setup.engine, model(777), shape(), pk.get_vk().clone()).expect("restored");
    assert!(bytes(&pk) == bytes(&restored.proving));
}

#[test]
fn keys_survive_storage_and_foreign_ones_are_refused() {
    let setup = Setup::new(model(777), shape());
    let k = setup.params.k();
    let bytes = verifying_key_bytes(setup.keys.verifying());
    let key = read_verifying_key(&bytes, &shape(), k).expect("own key");
    let keys = Keys::restore(&setup.engine, model(777), shape(), key).expect("restored");
    let backend = Backend::Engine(&setup.engine);
    let proof = prove(backend, &keys, &[5, 6], &[0; 32], StdRng::seed_from_u64(2)).expect("proof");
    setup.verify(&proof.instances, &proof.bytes).expect("the same key");

    for length in 0..bytes.len() {
        assert!(read_verifying_key(&bytes[..length], &shape(), k).is_err(), "{length} bytes");
    }
    let wider = Shape { lanes: 3, ..shape() };
    assert!(matches!(read_verifying_key(&bytes, &wider, k), Err(KeyError::Foreign { .. })));
    assert!(matches!(read_verifying_key(&bytes, &shape(), k + 1), Err(KeyError::Foreign { .. })));
    let mut off_curve = bytes.clone();
    off_curve[20] ^= 1;
    assert!(matches!(read_verifying_key(&off_curve, &shape(), k), Err(KeyError::Malformed(_))));
    let larger = ParamsKZG::setup(k + 1, StdRng::seed_from_u64(1));
    let larger = Engine::new(&larger, Options::default()).expect("engine");
    let error = Keys::new(&larger, model(777), shape()).expect_err("another size");
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
    let proof = setup.prove(&[5, 6]);
    let config = Config::kzg().with_num_instance(vec![setup.keys.layout.instances]);
    let protocol = compile(&setup.params, setup.keys.verifying(), config);
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
