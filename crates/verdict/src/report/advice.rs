//! What would lower errors and costs.

use serde::Serialize;
use verdict_prover::plan::Objective;

use super::{OtherCircuit, Report};
use crate::figures::grouped;

/// What is not worth mentioning: a fiftieth less.
const WORTH: f64 = 0.98;

/// What would lower something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it lowers.
    pub lowers: &'static str,
    /// How.
    pub text: String,
}

pub(super) fn advice(report: &Report) -> Vec<Advice> {
    let of = |lowers: &'static str| move |text: String| Advice { lowers, text };
    let mut made: Vec<Advice> = Vec::new();
    made.extend(errors(report).map(of("error")));
    made.extend(refusals(report).map(of("refusals")));
    made.extend(other(report, Objective::Gas, |own| own.gas).map(of("gas")));
    made.extend(public_inputs(report).map(of("gas")));
    made.extend(other(report, Objective::Time, |own| own.seconds).map(of("time")));
    made.extend(rows(report).map(of("rows and memory")));
    made.extend(deployment(report).map(of("deployment")));
    made
}

/// Rounding of the outputs, or of a layer.
fn errors(report: &Report) -> Option<String> {
    let decimals = report.decimals;
    let rounding = 0.5 * 10f64.powi(-(decimals as i32));
    let largest = report.accuracy.largest;
    let changed: usize = report.decisions.iter().map(|own| own.changed_count).sum();
    if largest == 0.0 && changed == 0 {
        return None;
    }
    if largest <= 2.0 * rounding && changed == 0 && decimals > 0 {
        return Some(format!(
            "outputs are rounded to {decimals} decimals, which alone may be {rounding:.1e} of the \
             largest error of {largest:.1e}: more decimals (`--decimals {}`) show more of what is \
             computed",
            decimals + 1
        ));
    }
    let layers = report.layers.iter().filter_map(|layer| Some((layer, layer.relative_error?)));
    let worst = layers.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let worst = worst.map_or(String::new(), |(layer, error)| {
        format!("; of all layers {} is furthest off, by {error:.1e} of its values", layer.cost.name)
    });
    let mut why = match changed {
        0 => String::new(),
        count => format!(" ({count} decisions differ)"),
    };
    if largest > report.target_error {
        let target = report.target_error;
        why.push_str(&format!(
            "; on this data {largest:.1e} is more than the {target:.1e} that the planner measured \
             on drawn inputs"
        ));
    }
    let finer = report.others.iter().find_map(|own| Some((own, own.target_error?)));
    Some(match finer {
        Some((other, target)) => format!(
            "`--target-error {target:.0e}` takes {}{why}{worst}",
            beside(other, &report.expected)
        ),
        None => format!("the planner finds no circuit ten times as exact{why}{worst}"),
    })
}

/// Samples outside of what is declared.
fn refusals(report: &Report) -> Option<String> {
    let count = report.accuracy.refused_count;
    (count > 0).then(|| {
        format!(
            "of {count} samples no proof can be made: set the model up with wider ranges, or \
             correct the data"
        )
    })
}

/// The circuit that a planner chooses for an objective, if it is better by that.
fn other(
    report: &Report,
    objective: Objective,
    by: impl Fn(&OtherCircuit) -> f64,
) -> Option<String> {
    let own = &report.expected;
    let chosen =
        |other: &&OtherCircuit| other.objective == Some(objective) && other.target_error.is_none();
    let other = report.others.iter().find(chosen)?;
    let better = by(other) <= WORTH * by(own);
    better.then(|| format!("`--optimize {objective}` chooses {}", beside(other, own)))
}

/// A circuit, and what is expected of it beside the setup's own.
fn beside(other: &OtherCircuit, own: &OtherCircuit) -> String {
    format!(
        "2^{} rows ({}): about {} gas ({:+.0} %), {:.2} times the time of a proof",
        other.k,
        other.shape,
        grouped(other.gas as u64),
        100.0 * (other.gas / own.gas - 1.0),
        other.seconds / own.seconds
    )
}

/// Public inputs, where they cost more than a commitment to them.
fn public_inputs(report: &Report) -> Option<String> {
    const A_COMMITMENT: usize = 32;
    let instances = report.estimate.instances;
    (instances > A_COMMITMENT).then(|| {
        format!(
            "a proof states {instances} values: inputs that nobody needs to see can stay private, \
             or be committed to in one value (`--commit-inputs`); outputs that nobody reads can be \
             left out (`--output`)"
        )
    })
}

/// What fills the circuit.
fn rows(report: &Report) -> Option<String> {
    let rows = &report.rows;
    let taken = rows.all - rows.free - rows.tables_only;
    let part = 100.0 * taken as f64 / rows.all as f64;
    let needed = 100.0 * (taken + rows.tables_only) as f64 / rows.all as f64;
    Some(format!(
        "dominated by {}: {part:.0} % of 2^{} rows are taken, {needed:.0} % needed; below 50 % the \
         next smaller circuit would do",
        rows.dominated_by, rows.k
    ))
}

/// What is paid once.
fn deployment(report: &Report) -> Option<String> {
    let gas = report.gas.value()?;
    Some(format!(
        "the verifier ({} gas) is shared by all models of the shape: a further one costs its key \
         only, {} gas",
        grouped(gas.verifier_created.today),
        grouped(gas.key_created.today)
    ))
}
