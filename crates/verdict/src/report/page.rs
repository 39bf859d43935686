//! A report as one HTML page: no scripts, nothing from elsewhere.

use std::time::Duration;

use askama::Template;
use verdict_prover::onnx::crosscheck::Reading;

use super::{Layer, Measured, Report, chart};
use crate::{
    error::Error,
    explain::GasReport,
    figures::{bytes, grouped, seconds},
};

/// Nodes that are shown; JSON has all.
const SHOWN_NODES: usize = 200;
/// Elements of the worst input that are shown; JSON has all.
const SHOWN_ELEMENTS: usize = 64;

/// A figure that is seen first.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

/// A line of the table of layers: the tensors that one node is made of.
#[derive(Clone)]
struct LayerLine {
    name: String,
    operator: String,
    form: String,
    class: String,
    shape: String,
    unit: String,
    rows: String,
    /// Part of all rows that are taken, in percent.
    share: String,
    largest: String,
    relative: String,
    /// Part of the largest relative error, in percent.
    part: String,
}

/// Gas of one group of a verification's parts.
struct GasLine {
    group: &'static str,
    gas: String,
    /// Part of all of it, in percent.
    part: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    tiles: Vec<Tile>,
    reading: String,
    distribution: String,
    worst_input: String,
    rows: String,
    legend: Vec<(&'static str, String, String)>,
    layers: Vec<LayerLine>,
    more_layers: usize,
    gas: Vec<GasLine>,
    gas_rows: Vec<(String, String, String)>,
    circuits: String,
}

pub(super) fn page(report: &Report) -> Result<String, Error> {
    let (legend, layers) = (chart::purposes(&report.rows), layers(&report.layers));
    let page = Page {
        report,
        tiles: tiles(report),
        reading: match &report.reading {
            Reading::Checked(checked) => format!(
                "agrees with tract's on {} samples, to {:.1e}",
                checked.samples, checked.largest
            ),
            Reading::Unchecked { reason } => format!("not checked from outside: {reason}"),
        },
        distribution: chart::distribution(&report.accuracy),
        worst_input: shown(&report.accuracy.worst.input),
        rows: chart::rows(&report.rows),
        legend: legend
            .into_iter()
            .map(|(name, class, rows)| (name, class, grouped(rows as u64)))
            .collect(),
        more_layers: layers.len().saturating_sub(SHOWN_NODES),
        layers: layers.into_iter().take(SHOWN_NODES).collect(),
        gas: report.gas.value().map(groups).unwrap_or_default(),
        gas_rows: report.gas.value().map(totals).unwrap_or_default(),
        circuits: chart::circuits(report),
    };
    page.render().map_err(Error::Page)
}

/// The first elements of an input.
fn shown(input: &[f64]) -> String {
    let first = input.iter().take(SHOWN_ELEMENTS).map(f64::to_string).collect::<Vec<_>>();
    let more = if input.len() > SHOWN_ELEMENTS { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

fn tiles(report: &Report) -> Vec<Tile> {
    let accuracy = &report.accuracy;
    let changed: usize = report.decisions.iter().map(|own| own.changed_count).sum();
    let made: usize = report.decisions.iter().map(|own| own.same + own.changed_count).sum();
    // A proof of a batch, and its transaction, are of several inferences.
    let of = |what: &str, inferences: usize| match inferences {
        0 | 1 => String::new(),
        several => format!("{what} of {several} inferences; "),
    };
    let mut tiles = vec![Tile {
        name: "largest output error",
        value: format!("{:.1e}", accuracy.largest),
        note: format!("mean {:.1e}, {} samples", accuracy.mean, grouped(accuracy.samples as u64)),
    }];
    if made > 0 {
        tiles.push(Tile {
            name: "decisions that differ",
            value: grouped(changed as u64),
            note: format!("of {}", grouped(made as u64)),
        });
    }
    tiles.push(match &report.proof {
        Measured::Value(proof) => Tile {
            name: "time of a proof",
            value: seconds(Duration::from_secs_f64(proof.seconds)),
            note: format!(
                "{}{} cores, {}; keys are read in {}",
                of("one", proof.inferences),
                proof.cores,
                proof.backend,
                seconds(Duration::from_secs_f64(proof.open_seconds))
            ),
        },
        Measured::Missing(_) => Tile {
            name: "time of a proof",
            value: seconds(Duration::from_secs_f64(report.expected.seconds.max(0.0))),
            note: "expected on two cores, not measured".into(),
        },
    });
    tiles.push(Tile {
        name: "memory of a proof",
        value: bytes(report.estimate.memory_bytes),
        note: format!("about; the proof has {}", bytes(report.estimate.proof_bytes)),
    });
    tiles.push(match &report.gas {
        Measured::Value(gas) => Tile {
            name: "gas of a score on chain",
            value: grouped(gas.later.today),
            note: format!(
                "{}first of a subject {}",
                of("one transaction", gas.inferences),
                grouped(gas.first.today)
            ),
        },
        Measured::Missing(_) => Tile {
            name: "gas of a verification",
            value: grouped(report.expected.gas as u64),
            note: "expected, not measured".into(),
        },
    });
    if let Measured::Value(gas) = &report.gas {
        tiles.push(Tile {
            name: "gas of deployment",
            value: grouped(gas.verifier_created.today + gas.key_created.today),
            note: format!("of it the model's own key {}", grouped(gas.key_created.today)),
        });
    }
    tiles
}

/// A line for each node in turn, however many tensors it is made of.
fn layers(layers: &[Layer]) -> Vec<LayerLine> {
    let worst = layers.iter().filter_map(|layer| layer.relative_error).fold(0.0, f64::max);
    let line = |own: &[Layer]| {
        let largest = |of: fn(&Layer) -> Option<f64>| own.iter().filter_map(of).reduce(f64::max);
        let figure = |value: Option<f64>| match value {
            None => "·".into(),
            Some(0.0) => "0".into(),
            Some(value) => format!("{value:.1e}"),
        };
        let relative = largest(|layer| layer.relative_error);
        let part = relative.map_or(0.0, |own| 100.0 * own / worst.max(1e-300));
        let wider = |[low, high]: [f64; 2], layer: &Layer| {
            [low.min(layer.cost.unit[0]), high.max(layer.cost.unit[1])]
        };
        let [low, high] = own.iter().fold([f64::INFINITY, 0.0], wider);
        // What has most of the rows stands for all.
        let most = own.iter().max_by_key(|layer| layer.cost.rows).map(|layer| &layer.cost);
        let (form, more) = (most.map_or("", |cost| &cost.form), own.len() - 1);
        let dims = own.last().map(|layer| &layer.cost.shape).into_iter().flatten();
        let dims: Vec<String> = dims.map(usize::to_string).collect();
        let rows: usize = own.iter().map(|layer| layer.cost.rows).sum();
        LayerLine {
            name: own[0].cost.name.clone(),
            operator: own[0].cost.operator.clone(),
            form: match more {
                0 => form.to_owned(),
                more => format!("{form}, and {more} more"),
            },
            class: format!("kind-{}", most.map_or(0, |cost| cost.kind as usize)),
            shape: dims.join("×"),
            unit: match low == high {
                true => format!("{low:.1e}"),
                false => format!("{low:.1e} to {high:.1e}"),
            },
            rows: grouped(rows as u64),
            share: format!("{:.1}", 100.0 * own.iter().map(|layer| layer.share).sum::<f64>()),
            largest: figure(largest(|layer| layer.largest_error)),
            relative: figure(relative),
            part: format!("{part:.1}"),
        }
    };
    layers.chunk_by(|a, b| a.cost.name == b.cost.name).map(line).collect()
}

/// Gas of a later score by what it is for, in the order of the parts.
fn groups(gas: &GasReport) -> Vec<GasLine> {
    let mut groups: Vec<(&'static str, u64)> = Vec::new();
    for part in &gas.parts {
        match groups.iter_mut().find(|(group, _)| *group == part.group) {
            Some((_, sum)) => *sum += part.gas.today,
            None => groups.push((part.group, part.gas.today)),
        }
    }
    let all = gas.later.today.max(1) as f64;
    let line = |(group, gas): (&'static str, u64)| GasLine {
        group,
        gas: grouped(gas),
        part: format!("{:.1}", 100.0 * gas as f64 / all),
    };
    groups.into_iter().map(line).collect()
}

/// Gas of whole transactions by both rules.
fn totals(gas: &GasReport) -> Vec<(String, String, String)> {
    let (later, first) = match gas.inferences {
        1 => ("a later score of a subject".to_owned(), "its first score".to_owned()),
        count => (format!("later scores of {count} subjects"), "their first scores".to_owned()),
    };
    [
        (later, gas.later),
        (first, gas.first),
        ("a call of the verifier alone".into(), gas.verifier_alone),
        ("creating the verifier, once a shape".into(), gas.verifier_created),
        ("creating the key, once a model".into(), gas.key_created),
    ]
    .into_iter()
    .map(|(name, gas)| (name, grouped(gas.today), grouped(gas.announced)))
    .collect()
}
