//! Keys equal halo2-axiom's, and bad input is refused by name.
#![allow(missing_docs)]

mod common;

use common::{Shape, Synthetic};
use halo2_proofs::SerdeFormat;
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    Advice, Circuit, Column, ConstraintSystem, Error, Fixed, Selector, keygen_pk, keygen_vk_custom,
};
use halo2_proofs::poly::Rotation;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer};
use halo2curves::bn256::{Bn256, Fr};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use verdict_engine::{Engine, EngineError, Options, Progress, Stage, WitnessSource};

fn params(k: u32) -> ParamsKZG<Bn256> {
    ParamsKZG::setup(k, StdRng::seed_from_u64(1))
}

fn shape() -> Shape {
    Shape { k: 6, data: 3, products: 2, degree: 3, weights: 2, permuted: 3, instances: 2 }
}

fn prove(options: Options, circuit: &Synthetic, instances: &[&[Fr]]) -> Result<(), EngineError> {
    let engine = Engine::new(&params(circuit.shape.k), options)?;
    let pk = engine.keygen(circuit, false)?;
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    engine.create_proof(&pk, circuit, instances, StdRng::seed_from_u64(2), &mut transcript)
}

fn good(options: Options) -> Result<(), EngineError> {
    let circuit = Synthetic::new(shape(), 3);
    let instances = circuit.instances();
    prove(options, &circuit, &[&instances[0]])
}

fn same_keys<C: Circuit<Fr>>(k: u32, circuit: &C) {
    let params = params(k);
    let engine = Engine::new(&params, Options::default()).expect("engine");
    for compress in [false, true] {
        let vk = keygen_vk_custom(&params, circuit, compress).expect("vk");
        let expected = keygen_pk(&params, vk, circuit).expect("pk");
        let key = engine.keygen(circuit, compress).expect("engine key");
        assert_eq!(key.get_vk().transcript_repr(), expected.get_vk().transcript_repr());
        let bytes = |key: &halo2_proofs::plonk::ProvingKey<_>| key.to_bytes(SerdeFormat::RawBytes);
        assert!(bytes(&key) == bytes(&expected), "compress = {compress}");
    }
}

#[test]
fn keys_equal_halo2s() {
    same_keys(6, &Synthetic::new(shape(), 3));
    same_keys(7, &Synthetic::new(Shape { k: 7, permuted: 0, ..shape() }, 4));
}

/// A circuit with selectors, constants and a filled table.
#[derive(Clone, Default)]
struct Selected;

impl Circuit<Fr> for Selected {
    type Config = (Column<Advice>, Column<Fixed>, [Selector; 3]);
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        let a = meta.advice_column();
        let f = meta.fixed_column();
        meta.enable_constant(f);
        meta.enable_equality(a);
        let selectors = [meta.selector(), meta.selector(), meta.complex_selector()];
        for selector in selectors {
            meta.create_gate("selected", |meta| {
                let s = meta.query_selector(selector);
                let a = meta.query_advice(a, Rotation::cur());
                let f = meta.query_fixed(f, Rotation::cur());
                vec![s * a.clone() * (a - f)]
            });
        }
        (a, f, selectors)
    }

    fn synthesize(
        &self,
        config: Self::Config,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        let (a, f, selectors) = config;
        layouter.assign_region(
            || "region",
            |mut region| {
                for (i, selector) in selectors.iter().enumerate() {
                    for row in (i..12).step_by(3) {
                        selector.enable(&mut region, row)?;
                        region.assign_fixed(f, row, Fr::from(row as u64));
                        region.assign_advice(a, row, Value::known(Fr::from(row as u64)));
                    }
                }
                Ok(())
            },
        )
    }
}

#[test]
fn keys_with_selectors_equal_halo2s() {
    same_keys(5, &Selected);
}

#[test]
fn options_out_of_range_are_named() {
    let error = |options| match good(options) {
        Err(EngineError::InvalidOption { field, .. }) => field,
        other => panic!("expected an invalid option, got {other:?}"),
    };
    assert_eq!(error(Options { threads: 5000, ..Options::default() }), "threads");
    assert_eq!(error(Options { memory_budget: Some(0), ..Options::default() }), "memory_budget");
}

#[test]
fn a_memory_budget_too_small_is_refused_and_a_large_one_is_not() {
    let tiny = Options { memory_budget: Some(1000), ..Options::default() };
    assert!(matches!(good(tiny), Err(EngineError::MemoryBudget { budget: 1000, .. })));
    good(Options { memory_budget: Some(1 << 30), ..Options::default() }).expect("enough memory");
}

struct Recorder(Mutex<Vec<Stage>>, Option<(Stage, Arc<AtomicBool>)>);

impl Progress for Recorder {
    fn stage(&self, stage: Stage) {
        if let Some((at, cancel)) = &self.1
            && *at == stage
        {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        self.0.lock().expect("lock").push(stage);
    }
}

#[test]
fn every_stage_is_reported_in_order() {
    let recorder = Arc::new(Recorder(Mutex::default(), None));
    good(Options { progress: Some(recorder.clone()), ..Options::default() }).expect("proof");
    let stages = recorder.0.lock().expect("lock").clone();
    assert_eq!(
        stages,
        [
            Stage::Witness(0),
            Stage::Advice(0),
            Stage::Witness(1),
            Stage::Advice(1),
            Stage::Permutation,
            Stage::Blinding,
            Stage::Quotient,
            Stage::QuotientCommitments,
            Stage::Evaluations,
            Stage::Opening,
        ]
    );
}

#[test]
fn cancellation_stops_before_the_next_stage() {
    let cancel = Arc::new(AtomicBool::new(false));
    let recorder = Arc::new(Recorder(Mutex::default(), Some((Stage::Quotient, cancel.clone()))));
    let options =
        Options { progress: Some(recorder.clone()), cancel: Some(cancel), ..Options::default() };
    assert!(matches!(good(options), Err(EngineError::Cancelled)));
    assert_eq!(recorder.0.lock().expect("lock").last(), Some(&Stage::Quotient));
}

#[test]
fn wrong_instances_are_refused() {
    let circuit = Synthetic::new(shape(), 3);
    let none = prove(Options::default(), &circuit, &[]);
    assert!(matches!(none, Err(EngineError::InstanceColumns { expected: 1, got: 0 })));
    let long = vec![Fr::from(1); 64];
    let long = prove(Options::default(), &circuit, &[&long]);
    assert!(matches!(long, Err(EngineError::InstanceTooLong { column: 0, got: 64, .. })));
}

#[test]
fn a_circuit_without_its_witness_is_refused() {
    let circuit = Synthetic { known: false, ..Synthetic::new(shape(), 3) };
    let instances = circuit.instances();
    let result = prove(Options::default(), &circuit, &[&instances[0]]);
    assert!(matches!(result, Err(EngineError::UnknownValue { .. })), "{result:?}");
}

#[test]
fn a_key_of_another_size_is_refused() {
    let circuit = Synthetic::new(shape(), 3);
    let small = Engine::new(&params(6), Options::default()).expect("engine");
    let large = Engine::new(&params(7), Options::default()).expect("engine");
    let pk = small.keygen(&circuit, false).expect("key");
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    let instances = circuit.instances();
    let rng = StdRng::seed_from_u64(2);
    let result = large.create_proof(&pk, &circuit, &[&instances[0]], rng, &mut transcript);
    assert!(matches!(result, Err(EngineError::SizeMismatch { params: 7, key: 6 })));
}

#[test]
fn a_circuit_too_large_for_the_parameters_is_refused() {
    let engine = Engine::new(&params(5), Options::default()).expect("engine");
    let result = engine.keygen(&Synthetic::new(shape(), 3), false);
    assert!(matches!(result, Err(EngineError::RowOutOfRange { .. })), "{:?}", result.err());
}

struct Broken(usize);

impl WitnessSource for Broken {
    fn phase(
        &mut self,
        _: u8,
        _: &[Option<Fr>],
    ) -> Result<Vec<Vec<Fr>>, Box<dyn std::error::Error + Send + Sync>> {
        match self.0 {
            0 => Err("out of paper".into()),
            1 => Ok(vec![Vec::new()]),
            _ => Ok(vec![vec![Fr::from(1); 63]; 5]),
        }
    }
}

#[test]
fn a_witness_source_that_fails_or_misbehaves_is_named() {
    let circuit = Synthetic::new(shape(), 3);
    let engine = Engine::new(&params(6), Options::default()).expect("engine");
    let pk = engine.keygen(&circuit, false).expect("key");
    let instances = circuit.instances();
    let run = |kind| {
        let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
        let rng = StdRng::seed_from_u64(2);
        engine.create_proof_from(&pk, &mut Broken(kind), &[&instances[0]], rng, &mut transcript)
    };
    let failed = run(0).expect_err("a failing source");
    assert_eq!(failed.to_string(), "witness of phase 0: out of paper");
    assert!(matches!(run(1), Err(EngineError::AdviceColumns { phase: 0, expected: 5, got: 1 })));
    assert!(matches!(run(2), Err(EngineError::RowOutOfRange { column: 0, row: 62, .. })));
}

#[derive(Clone, Default)]
struct WithLookup;

impl Circuit<Fr> for WithLookup {
    type Config = Column<Advice>;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        let a = meta.advice_column();
        let f = meta.fixed_column();
        meta.lookup_any("range", |meta| {
            vec![(meta.query_advice(a, Rotation::cur()), meta.query_fixed(f, Rotation::cur()))]
        });
        a
    }

    fn synthesize(&self, _: Self::Config, _: impl Layouter<Fr>) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn builtin_lookups_are_refused() {
    let engine = Engine::new(&params(5), Options::default()).expect("engine");
    let pk = engine.keygen(&WithLookup, false).expect("key");
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
    let rng = StdRng::seed_from_u64(2);
    let result = engine.create_proof(&pk, &WithLookup, &[], rng, &mut transcript);
    assert!(matches!(result, Err(EngineError::UnsupportedLookups(1))));
}

#[test]
fn keys_from_columns_that_do_not_fit_are_refused() {
    let params = ParamsKZG::<Bn256>::setup(6, StdRng::seed_from_u64(1));
    let engine = Engine::new(&params, Options::default()).expect("engine");
    let system = |fixed: usize| {
        let mut cs = ConstraintSystem::<Fr>::default();
        let a = cs.advice_column();
        let columns: Vec<_> = (0..fixed).map(|_| cs.fixed_column()).collect();
        cs.create_gate("all", |meta| {
            let a = meta.query_advice(a, Rotation::cur());
            columns
                .iter()
                .map(|column| a.clone() * meta.query_fixed(*column, Rotation::cur()))
                .collect::<Vec<_>>()
        });
        cs
    };
    let key = |cs, fixed| engine.keygen_from(cs, fixed).map(|_| ());
    assert!(key(system(2), vec![vec![Fr::from(1)], vec![]]).is_ok());
    let error = key(system(2), vec![vec![]]).expect_err("a column is missing");
    assert!(matches!(error, EngineError::FixedColumns { expected: 2, got: 1 }), "{error}");
    let error = key(system(1), vec![vec![Fr::from(1); 60]]).expect_err("blinded rows");
    assert!(matches!(error, EngineError::RowOutOfRange { column: 0, row: 59, .. }), "{error}");
    let mut permuted = system(1);
    let b = permuted.advice_column();
    permuted.enable_equality(b);
    let error = key(permuted, vec![vec![]]).expect_err("copies");
    assert!(matches!(error, EngineError::NotOnlyColumns { selectors: 0, copies: 1 }), "{error}");
}
