//! `verdict bench --dense`: generated models, proven by the engine and by halo2.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::OsRng, rngs::StdRng};
use serde::Serialize;
use verdict::SrsChoice;
use verdict_engine::{Engine, Options, Progress, Stage};
use verdict_prover::{
    graph::{ElementKind, Function, Graph, Linear, LinearMap, Node, Op, Tensor, TensorId},
    keys::{self, KeyError, Keys, protocol},
    plan::{Plan, PlanOptions},
    prove::{prove, prove_reference},
    quantize::Ranges,
    srs::Srs,
    verify::verify,
};

use super::{backend, median_of, peak_memory};
use crate::{
    args::{Bench, LayerSizes, Optimize},
    commands::setup::open_srs,
    failure::Outcome,
    ui::{Ui, bytes, grouped, seconds},
};

/// Halo2's prover is not run again when it has taken so long.
const REFERENCE_SECONDS: f64 = 20.0;

/// One model's figures.
#[derive(Serialize)]
struct Row {
    model: String,
    parameters: usize,
    k: u32,
    shape: String,
    opening: String,
    plan_seconds: f64,
    key_seconds: f64,
    proof_seconds_median: f64,
    /// Parts of the median proof, in order.
    stages: Vec<StageTime>,
    reference_seconds_median: f64,
    reference_runs: usize,
    proof_bytes: usize,
    largest_error: f64,
    /// Before halo2's prover ran.
    peak_memory_bytes: Option<u64>,
}

#[derive(Clone, Serialize)]
struct StageTime {
    stage: String,
    seconds: f64,
}

#[derive(Serialize)]
struct Report {
    threads: usize,
    backend: String,
    models: Vec<Row>,
}

/// Notes when each stage of a proof begins.
#[derive(Default)]
struct StageClock(Mutex<Vec<(String, Instant)>>);

impl StageClock {
    fn note(&self, name: &str) {
        if let Ok(mut noted) = self.0.lock() {
            noted.push((name.to_owned(), Instant::now()));
        }
    }

    /// Time of every stage since the last call; the last note ends the one before.
    fn take(&self) -> Vec<StageTime> {
        let noted = self.0.lock().map(|mut noted| std::mem::take(&mut *noted)).unwrap_or_default();
        let time = |pair: &[(String, Instant)]| match pair {
            [(name, from), (_, to)] => {
                Some(StageTime { stage: name.clone(), seconds: (*to - *from).as_secs_f64() })
            }
            _ => None,
        };
        noted.windows(2).filter_map(time).collect()
    }
}

impl Progress for StageClock {
    fn stage(&self, stage: Stage) {
        self.note(&stage.to_string());
    }
}

pub(super) fn run(args: &Bench, ui: &Ui) -> Outcome {
    let models: Outcome<Vec<_>> = args.dense.iter().map(|sizes| measure(args, sizes, ui)).collect();
    let models = models?;
    let threads = match args.computing.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let mut human = vec![format!("{threads} threads, {:?}, development SRS", backend(args))];
    for row in &models {
        human.push(format!(
            "{} ({} parameters, 2^{} rows, {}, {}): proof {}, halo2's own prover {} ({:.1} times; {} \
             runs), planned in {}, keys {}, {}, largest error {:.1e}{}",
            row.model,
            grouped(row.parameters as u64),
            row.k,
            row.shape,
            row.opening,
            seconds(Duration::from_secs_f64(row.proof_seconds_median)),
            seconds(Duration::from_secs_f64(row.reference_seconds_median)),
            row.reference_seconds_median / row.proof_seconds_median,
            row.reference_runs,
            seconds(Duration::from_secs_f64(row.plan_seconds)),
            seconds(Duration::from_secs_f64(row.key_seconds)),
            bytes(row.proof_bytes),
            row.largest_error,
            row.peak_memory_bytes.map_or_else(String::new, |peak| format!(
                ", peak memory of the process so far {}",
                bytes(peak as usize)
            )),
        ));
        for StageTime { stage, seconds: time } in &row.stages {
            let share = 100.0 * time / row.proof_seconds_median;
            human.push(format!("    {stage:<22} {:>9.1} ms {share:>5.1} %", time * 1e3));
        }
    }
    ui.result(&Report { threads, backend: format!("{:?}", backend(args)), models }, &human)
}

/// Dense layers with ReLU between them, weights uniform with variance 2 / inputs (He).
pub(super) fn model(sizes: &[usize]) -> Graph {
    let mut rng = StdRng::seed_from_u64(1);
    let mut ops = Vec::new();
    for (index, pair) in sizes.windows(2).enumerate() {
        let &[inputs, outputs] = pair else { continue };
        let bound = (6.0 / inputs as f64).sqrt();
        let mut uniform = |bound: f64, count: usize| -> Vec<f64> {
            // As a file would have it: float32.
            (0..count).map(|_| f64::from(rng.gen_range(-bound..bound) as f32)).collect()
        };
        if index > 0 {
            ops.push((format!("relu{index}"), inputs, Op::Function(Function::Relu)));
        }
        let (weights, bias) = (uniform(bound, inputs * outputs), uniform(0.1, outputs));
        let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
        ops.push((format!("dense{index}"), outputs, Op::Linear(Linear { maps, bias })));
    }
    let tensor = |name: &str, len: usize| Tensor {
        name: name.to_owned(),
        dims: vec![1, len],
        kind: ElementKind::Real,
    };
    let text: Vec<_> = sizes.iter().map(ToString::to_string).collect();
    let mut tensors = vec![tensor("x", sizes.first().copied().unwrap_or_default())];
    tensors.extend(ops.iter().map(|(name, len, _)| tensor(name, *len)));
    let nodes = ops.into_iter().enumerate().map(|(index, (name, _, op))| Node {
        name,
        op,
        inputs: vec![TensorId(index)],
        output: TensorId(index + 1),
    });
    Graph {
        name: text.join("-"),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        nodes: nodes.collect(),
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(tensors.len() - 1)],
        tensors,
    }
}

/// What generated models are planned for.
pub(super) fn plan_options(args: &Bench) -> PlanOptions {
    let objective = args.optimize.map(Optimize::objective).unwrap_or_default();
    PlanOptions { objective, ..PlanOptions::default() }
}

/// A development SRS and an engine for a plan. Bases are not kept: this measures proofs.
pub(super) fn engine_of(plan: &Plan, options: Options, ui: &Ui) -> Outcome<(Srs, Engine)> {
    let srs = open_srs(&SrsChoice::Development, plan.estimate.srs_k, ui)?;
    let protocol = protocol(&plan.shape, plan.opening).map_err(KeyError::from)?;
    let engine = ui.step("prepare the SRS", || {
        Ok(keys::engine(&srs, &protocol, plan.k, &protocol.folds(), None, options)?)
    })?;
    Ok((srs, engine))
}

fn measure(args: &Bench, LayerSizes(sizes): &LayerSizes, ui: &Ui) -> Outcome<Row> {
    let model = model(sizes);
    ui.heading(&model.name);
    let ranges = Ranges::uniform(model.input_len(), -1.0, 1.0);
    let (plan, plan_time) =
        ui.timed_step("plan the circuit", || Ok(Plan::new(&model, &ranges, &plan_options(args))?))?;
    let clock = Arc::new(StageClock::default());
    let mut options = args.computing.options();
    options.progress = Some(clock.clone());
    let (srs, engine) = engine_of(&plan, options, ui)?;
    let (keys, key_time) = ui.timed_step("make the keys", || {
        let shape = (plan.shape, plan.opening);
        Ok(Keys::new(&engine, plan.quantized.graph.clone(), shape, OsRng)?)
    })?;
    let input = ranges.samples(1).pop().unwrap_or_default();
    let inputs = plan.quantized.input.encode(&input)?;

    let (mut runs, mut proof_bytes) = (Vec::new(), 0);
    clock.take();
    for _ in 0..=args.runs.max(1) {
        let (proof, time) = ui.timed_step("prove with the engine", || {
            clock.note("integer run");
            let proof = prove(&engine, &keys, &inputs, &[0; 32], OsRng)?;
            clock.note("end");
            Ok(proof)
        })?;
        let count = keys.layout.instances;
        verify(&srs.s_g2(), keys.verifying(), count, &proof.instances, &proof.bytes)?;
        proof_bytes = proof.bytes.len();
        runs.push((time, clock.take()));
    }
    // The first run warms up.
    runs.remove(0);
    runs.sort_by_key(|run| run.0);
    let (proof_time, stages) = runs.swap_remove(runs.len() / 2);
    let peak_memory_bytes = peak_memory();

    let mut reference = Vec::new();
    let own = srs.truncated(plan.k)?;
    own.params();
    let pk = keys.halo2(&engine)?;
    while reference.len() < args.runs.max(1) {
        let ((), time) = ui.timed_step("prove with halo2's own prover", || {
            prove_reference(own.params(), (&keys, &pk), &inputs, &[0; 32], OsRng)?;
            Ok(())
        })?;
        reference.push(time);
        if reference.iter().sum::<Duration>().as_secs_f64() > REFERENCE_SECONDS {
            break;
        }
    }
    Ok(Row {
        model: model.name.clone(),
        parameters: model.parameters(),
        k: plan.k,
        shape: plan.shape.to_string(),
        opening: plan.opening.to_string(),
        plan_seconds: plan_time.as_secs_f64(),
        key_seconds: key_time.as_secs_f64(),
        proof_seconds_median: proof_time.as_secs_f64(),
        stages,
        reference_runs: reference.len(),
        reference_seconds_median: median_of(reference).as_secs_f64(),
        proof_bytes,
        largest_error: plan.error.largest,
        peak_memory_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_models_have_the_sizes_asked_for() {
        let model = model(&[5, 3, 2]);
        model.check().expect("the layers fit");
        assert_eq!((model.parameters(), model.name.as_str()), (5 * 3 + 3 + 3 * 2 + 2, "5-3-2"));
        assert_eq!(model.run(&[[0.5; 5]]).expect("runs")[0].len(), 2);
    }

    #[test]
    fn stages_are_timed_from_note_to_note() {
        let clock = StageClock::default();
        clock.note("first");
        clock.stage(Stage::Quotient);
        clock.note("end");
        let names: Vec<_> = clock.take().into_iter().map(|time| time.stage).collect();
        assert_eq!(names, ["first", "quotient"]);
        assert!(clock.take().is_empty());
    }
}
