//! `verdict bench --dense … --shapes N`: what the planner expects of shapes, and what they
//! take, beside halo2's own protocol.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rand::rngs::OsRng;
use serde::Serialize;
use verdict_engine::Engine;
use verdict_prover::{
    keys::{Halo2Key, KeyError, Keys, protocol},
    plan::{Candidate, OPENINGS, Opening, Plan},
    prove::{prove, prove_opened},
    quantize::Ranges,
    shape::Shape,
};

use super::{
    dense::{engine_of, model, plan_options},
    median_of,
};
use crate::{
    args::{Bench, LayerSizes},
    failure::Outcome,
    ui::{Ui, seconds},
};

/// A shape's figures.
#[derive(Serialize)]
struct Row {
    model: String,
    shape: String,
    opening: String,
    k: u32,
    expected_gas: f64,
    expected_seconds: f64,
    seconds_median: f64,
    seconds_least: f64,
    /// Median of the ratios, run by run, to a proof that opens the secret columns.
    to_opened: f64,
}

#[derive(Serialize)]
struct Report {
    shapes: Vec<Row>,
}

/// A model ready to be proven in one shape.
struct Contender {
    candidate: Candidate,
    inputs: Vec<i64>,
    engine: Engine,
    keys: Keys,
    pk: Halo2Key,
    times: Vec<Duration>,
    to_opened: Vec<f64>,
}

pub(super) fn run(args: &Bench, shapes: usize, ui: &Ui) -> Outcome {
    let mut rows = Vec::new();
    for LayerSizes(sizes) in &args.dense {
        rows.extend(measure(args, sizes, shapes, ui)?);
    }
    let line = |row: &Row| {
        format!(
            "{:<20} {:<34} {:<46} 2^{:<2} {:>9.0} gas, expected {:>9}, median {:>9}, least {:>9}, \
             {:.3} of one that opens secret columns",
            row.model,
            row.shape,
            row.opening,
            row.k,
            row.expected_gas,
            seconds(Duration::from_secs_f64(row.expected_seconds)),
            seconds(Duration::from_secs_f64(row.seconds_median)),
            seconds(Duration::from_secs_f64(row.seconds_least)),
            row.to_opened,
        )
    };
    let human: Vec<_> = rows.iter().map(line).collect();
    ui.result(&Report { shapes: rows }, &human)
}

/// The planner's choice, and after it the cheapest shape of each kind, number of rows and
/// limb columns.
fn chosen(considered: &[Candidate], count: usize) -> Vec<Candidate> {
    let mut kinds = BTreeSet::new();
    let kind = |candidate: &Candidate| {
        (candidate.shape.graph.is_some(), candidate.k, candidate.shape.limb_columns())
    };
    let first = considered.iter().filter(|candidate| kinds.insert(kind(candidate)));
    first.take(count).copied().collect()
}

/// The openings that group a shape's columns differently.
fn openings(shape: &Shape) -> Outcome<Vec<Opening>> {
    let mut found: Vec<(Opening, [u8; 32])> = Vec::new();
    for opening in OPENINGS {
        let id = protocol(shape, opening).map_err(KeyError::from)?.shape_id();
        if found.iter().all(|(_, known)| *known != id) {
            found.push((opening, id));
        }
    }
    Ok(found.into_iter().map(|(opening, _)| opening).collect())
}

fn measure(args: &Bench, sizes: &[usize], shapes: usize, ui: &Ui) -> Outcome<Vec<Row>> {
    let model = model(sizes);
    ui.heading(&model.name);
    let ranges = Ranges::uniform(model.input_len(), -1.0, 1.0);
    let plan =
        ui.step("plan the circuit", || Ok(Plan::new(&model, &ranges, &plan_options(args))?))?;
    let sample = ranges.samples(1).pop().unwrap_or_default();
    let mut contenders = Vec::new();
    for Candidate { shape, .. } in chosen(&plan.considered, shapes) {
        for opening in openings(&shape)? {
            let of = (shape, opening);
            let plan = Plan::with_shape(&model, &ranges, of, &plan.precision)?;
            let (_, engine) = engine_of(&plan, args.computing.options(), ui)?;
            let inputs = plan.quantized.input.encode(&sample)?;
            let keys = ui.step(&format!("keys of {shape}, {opening}"), || {
                Ok(Keys::new(&engine, plan.quantized.graph, of, OsRng)?)
            })?;
            let pk = keys.halo2(&engine)?;
            let (times, to_opened) = (Vec::new(), Vec::new());
            contenders.extend(plan.considered.first().map(|candidate| Contender {
                candidate: *candidate,
                inputs,
                engine,
                keys,
                pk,
                times,
                to_opened,
            }));
        }
    }
    // In turn, so that a machine that slows down slows all of them down.
    for run in 0..=args.runs.max(1) {
        for Contender { inputs, engine, keys, pk, times, to_opened, .. } in &mut contenders {
            let start = Instant::now();
            prove(engine, keys, inputs, &[0; 32], OsRng)?;
            let time = start.elapsed();
            let start = Instant::now();
            prove_opened(engine, (keys, pk), inputs, &[0; 32], OsRng)?;
            let opened = start.elapsed();
            // The first run warms up.
            if run > 0 {
                times.push(time);
                to_opened.push(time.as_secs_f64() / opened.as_secs_f64());
            }
        }
    }
    let row = |mut contender: Contender| Row {
        model: model.name.clone(),
        shape: contender.candidate.shape.to_string(),
        opening: contender.candidate.opening.to_string(),
        k: contender.candidate.k,
        expected_gas: contender.candidate.gas,
        expected_seconds: contender.candidate.seconds,
        seconds_least: contender.times.iter().min().map_or(0.0, Duration::as_secs_f64),
        seconds_median: median_of(contender.times).as_secs_f64(),
        to_opened: {
            contender.to_opened.sort_by(f64::total_cmp);
            contender.to_opened.get(contender.to_opened.len() / 2).copied().unwrap_or(0.0)
        },
    };
    Ok(contenders.into_iter().map(row).collect())
}
