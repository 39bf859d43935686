//! `verdict inspect`.

use std::collections::BTreeMap;

use verdict::{Inspection, Plan, PlannedModel, Progress, Reading};
use verdict_prover::{
    costs::Costs,
    quantize::{ErrorReport, Halves, InputSchema, Quantized, Steps},
};

use crate::{
    args::Inspect,
    failure::Outcome,
    inputs,
    ui::{Ui, bytes, columns, grouped, table},
};

/// Errors of scores that labels are chosen by, which are told from here on.
const LEAST_TOLD: f64 = 1e-5;
/// Nodes that a person is shown at most; `--json` has them all.
const SHOWN_NODES: usize = 60;

pub(crate) fn run(args: &Inspect, ui: &Ui) -> Outcome {
    let planned = ui.step("plan the circuit", || inputs::plan(&args.model, &args.options))?;
    warn_of_error(&planned, ui);
    let found = ui.step("lay it out", || Ok(Inspection::of(&planned)?))?;
    let mut human = summary(&planned, &found);
    human.extend(node_lines(&found.costs));
    ui.result(&found, &human)
}

/// Warns of an error target that gave way, and of what the error printed leaves out.
pub(crate) fn warn_of_error(planned: &PlannedModel, ui: &Ui) {
    let Quantized { input, scaled, halves, .. } = &planned.plan().quantized;
    // What cannot be run here could not be planned either.
    let steps = verdict::steps(planned).ok().flatten();
    let step = steps.as_ref().map_or_else(|| "a step of its scale".into(), step);
    if planned.model().rounds_shares() {
        ui.warn(&format!(
            "a tensor is quantized by its own spread: float32 takes what is exactly halfway between \
             two integers to either, the circuit what is next to it, {step} beside the output error \
             printed"
        ));
    }
    match halves {
        Halves::Same => {}
        Halves::Either => ui.warn(&format!(
            "the model rounds to integers what float32 adds up or divides, whose own rounding decides \
             next to a half (about a millionth of it): there an integer may be either neighbour, {step} \
             beside the output error printed"
        )),
        Halves::Coarse => ui.warn(&format!(
            "the model rounds to integers at places that the circuit's bits do not tell apart: next to \
             a half an integer may be either neighbour, {step} beside the output error printed"
        )),
    }
    if *scaled {
        ui.warn(
            "a normalization divides by what may be far larger than its epsilon: a row far smaller than \
             its declared ranges allow, by a hundredth or less, has few digits of its own, and the output \
             error printed is not of such; declare ranges as narrow as inputs are",
        );
    }
    if planned.model().rounds_again(|element| input.grid(element).is_some()) {
        ui.warn(&format!(
            "the model rounds to integers what stands on no grid: next to a half that may go to the other \
             side than in float32, {step} beside the output error printed; inputs whose decimals are \
             declared stand on one"
        ));
    }
    let scores = steps.and_then(|own| own.scores).filter(|scores| *scores > LEAST_TOLD);
    if let Some(scores) = scores {
        ui.warn(&format!(
            "labels are chosen by scores that are up to {scores:.0e} off, and more by steps: where two \
             scores are less than {:.0e} apart a label may be the other one's",
            2.0 * scores
        ));
    }
    let why = match planned.model().rounds() {
        true => format!(
            "the model rounds to integers, and where one goes to the other side of a half, {step} comes \
             beside it"
        ),
        false => "narrower ranges bring it closer".into(),
    };
    if let Some(target) = planned.plan().relaxed {
        ui.warn(&format!(
            "no circuit comes as close to the float model as 1e-4, the default: this one may err by \
             {target:.0e}; {why}, --target-error says what is accepted"
        ));
    }
}

/// What a step of an integer is, for a person.
fn step(steps: &Steps) -> String {
    let what = if steps.scores.is_some() { "a score" } else { "an output" };
    let all =
        steps.halfway.map(|error| format!(" ({error:.0e} where all inputs are next to halves)"));
    format!("a step of up to {:.0e} of {what}{}", steps.one, all.unwrap_or_default())
}

/// How a model's reading was checked, for a person.
pub(crate) fn reading(reading: &Reading) -> String {
    match reading {
        Reading::Checked(difference) => format!(
            "agrees with tract's on {} samples; largest difference {:.1e}, at most {:.1} % of what \
             float32's rounding allows",
            difference.samples,
            difference.largest,
            100.0 * difference.of_rounding
        ),
        Reading::Unchecked { reason } => format!("NOT checked from outside: {reason}"),
    }
}

/// A measured error, for a person.
pub(crate) fn error(error: &ErrorReport) -> String {
    format!(
        "{:.1e} was the largest, {:.1e} the mean, measured against the float model on {} inputs: \
         samples and corners of the ranges",
        error.largest, error.mean, error.samples
    )
}

/// How the order of distances to known points is proven.
fn neighbours(apart: f64) -> String {
    match apart {
        0.0 => "exactly in the order of their distances".into(),
        _ => format!(
            "may change places where their distances, squared, are less than {apart:.1e} apart; \
             fewer decimals or narrower ranges tell them apart"
        ),
    }
}

/// How inputs are taken: exactly with so many decimals, rounded to so many, or as finely as
/// the circuit can.
fn grids(schema: &InputSchema) -> String {
    let mut kinds: BTreeMap<Option<(u32, bool)>, usize> = BTreeMap::new();
    for index in 0..schema.ranges.len() {
        let grid = schema.grid(index).map(|grid| (grid.decimals, grid.exact));
        *kinds.entry(grid).or_default() += 1;
    }
    let describe = |(kind, count): (&Option<(u32, bool)>, &usize)| match kind {
        None => format!("{count} as fine as the circuit is"),
        Some((0, true)) => format!("{count} integers, exact"),
        Some((decimals, true)) => format!("{count} of {decimals} decimals, exact"),
        Some((decimals, false)) => {
            format!(
                "{count} compared by trees, rounded to {decimals} decimals as none are declared"
            )
        }
    };
    let missing = (0..schema.ranges.len())
        .filter(|index| schema.grid(*index).is_some_and(|grid| grid.missing))
        .count();
    let missing = (missing > 0).then(|| format!("{missing} may be missing"));
    kinds.iter().map(describe).chain(missing).collect::<Vec<_>>().join("; ")
}

/// How inputs are stated.
fn stated(plan: &Plan) -> &'static str {
    if plan.shape.committed() { "committed inputs" } else { "public inputs" }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// A model and its circuit for a person.
pub(crate) fn summary(planned: &PlannedModel, found: &Inspection) -> Vec<String> {
    let (model, plan) = (planned.model(), planned.plan());
    let estimate = &plan.estimate;
    let output = plan.output();
    let unit = 10f64.powi(output.decimals as i32);
    let mut rows = vec![
        ("model", format!("{}, {} parameters", model.name, grouped(model.parameters() as u64))),
        ("reading", reading(planned.reading())),
        ("inputs", grids(&plan.quantized.input)),
        (stated(plan), listed(&found.public_inputs)),
        (
            "outputs",
            format!(
                "{}, {} decimals, from {} to {}",
                output.count,
                output.decimals,
                output.min as f64 / unit,
                output.max as f64 / unit
            ),
        ),
        ("output error", error(&plan.error)),
    ];
    rows.extend(plan.comparisons.as_ref().map(|own| ("comparisons", own.to_string())));
    let sums = model.float32_sums();
    let beyond = (sums > plan.error.largest).then(|| {
        format!(
            "runtimes add the leaves' weights in float32, which may be {sums:.1e} off by itself"
        )
    });
    rows.extend(beyond.map(|text| ("float32 sums", text)));
    rows.extend(found.apart.map(|apart| ("neighbours", neighbours(apart))));
    rows.extend([
        (
            "circuit",
            format!(
                "2^{} = {} rows, {} columns, {} commitments ({})",
                plan.k,
                grouped(estimate.rows as u64),
                estimate.columns,
                estimate.commitments,
                plan.shape
            ),
        ),
        ("proof", bytes(estimate.proof_bytes)),
        ("memory", format!("about {}", bytes(estimate.memory_bytes))),
        ("verification", format!("about {} gas", grouped(found.verification_gas))),
    ]);
    let mut lines = table(&rows);
    let others = plan.considered.iter().skip(1).take(3);
    lines.extend(others.map(|candidate| {
        format!(
            "    also possible: {} with 2^{} rows, error {:.1e}",
            candidate.shape, candidate.k, candidate.error
        )
    }));
    lines
}

/// The graph as it is proven, a line a node, and what dominates.
fn node_lines(costs: &Costs) -> Vec<String> {
    let row = |rows: usize| grouped(rows as u64);
    let header = ["node", "operator", "proven as", "shape", "unit", "rows", "share"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(costs.nodes.iter().take(SHOWN_NODES).map(|node| {
        let shape: Vec<String> = node.shape.iter().map(usize::to_string).collect();
        let [low, high] = node.unit;
        let unit =
            if low == high { format!("{low:.1e}") } else { format!("{low:.1e} to {high:.1e}") };
        [
            clipped(&node.name),
            clipped(&node.operator),
            clipped(&node.form),
            shape.join("×"),
            unit,
            row(node.rows),
            format!("{:.0} %", 100.0 * costs.share(node)),
        ]
    }));
    let mut lines = vec![String::new()];
    lines.extend(columns(&rows));
    if costs.nodes.len() > SHOWN_NODES {
        lines.push(format!("  … {} more; --json lists all", costs.nodes.len() - SHOWN_NODES));
    }
    lines.push(format!(
        "  rows: {} of {} taken, {} by public values and biases; the range table shares them and \
         needs {}",
        row(costs.taken()),
        row(costs.rows),
        row(costs.shared_rows),
        row(costs.table_rows)
    ));
    lines.push(format!("  dominated by {}", costs.dominant()));
    lines
}

/// A name for a column.
fn clipped(text: &str) -> String {
    const WIDTH: usize = 44;
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
