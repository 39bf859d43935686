//! `verdict verify`.

use serde::Serialize;
use verdict::{
    Answers, Figures, INSECURE, Progress, ProofBundle, PublicSetup, Verified, of_inference,
};

use super::prove::outputs;
use crate::{
    args::Verify,
    failure::{Failure, Outcome},
    ui::{Ui, table},
};

/// The verdict.
#[derive(Serialize)]
struct Report {
    valid: bool,
    #[serde(flatten)]
    verified: Verified,
    /// Of a batch, the outputs of each inference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inferences: Vec<Vec<f64>>,
}

pub(crate) fn run(args: &Verify, ui: &Ui) -> Outcome {
    let verified = ui.step("check the proof", || {
        let setup = PublicSetup::open(&args.setup).map_err(verdict::Error::from)?;
        let bundle = ProofBundle::read(&args.proof).map_err(verdict::Error::from)?;
        Ok(verdict::verify(&setup, &bundle).map_err(verdict::Error::from)?)
    })?;
    if verified.insecure_srs {
        ui.warn(INSECURE);
    }
    if let Some(expected) = args.commitment
        && verified.commitment != Some(expected)
    {
        let failure = match verified.commitment {
            Some(found) => {
                format!("the proof is of other samples: it states the commitment {found}")
            }
            None => "the proof states no commitment to samples".to_owned(),
        };
        return Err(Failure::new(failure));
    }
    let mut rows = vec![("valid", "yes".into()), ("model", verified.model.clone())];
    rows.extend(verified.measure.as_ref().map(|measure| ("measured", measure.to_string())));
    if let Some(samples) = verified.totals_of {
        let committed = match verified.commitment {
            Some(commitment) => format!("committed to by {commitment}"),
            None => "NOT committed to: whoever made the proof chose them".to_owned(),
        };
        rows.push(("samples", format!("{samples}, {committed}")));
    }
    let output = outputs(&verified.outputs, verified.batch, verified.decimals);
    match (&verified.figures, verified.totals_of) {
        (Some(figures), _) => rows.extend(told(figures)),
        (None, Some(samples)) => rows.push(("output", format!("{output}, of {samples} together"))),
        (None, None) => rows.push(("output", output)),
    }
    let batch = if verified.batch > 1 { verified.batch } else { 0 };
    let inferences =
        (0..batch).map(|index| of_inference(&verified.outputs, batch, index)).collect();
    ui.result(&Report { valid: true, verified, inferences }, &table(&rows))
}

/// A model's figures for a person.
fn told(figures: &Figures) -> Vec<(&'static str, String)> {
    let percent = |part: f64| format!("{:.1} %", 100.0 * part);
    let samples = figures.samples;
    let mut rows = vec![match figures.answers {
        Answers::Classes { right, accuracy } => {
            ("right", format!("{right} of {samples} samples, {}", percent(accuracy)))
        }
        Answers::Numbers { mean_error } => {
            ("mean error", format!("{mean_error:.6} over {samples} samples"))
        }
    }];
    let Some(groups) = figures.groups else { return rows };
    let rates = groups.rates().into_iter().zip(groups.members.iter().zip(&groups.approved));
    let group = |(index, (rate, (members, approved))): (usize, (Option<f64>, (&u64, &u64)))| {
        let rate = rate.map_or_else(String::new, |rate| format!(", {}", percent(rate)));
        format!("{approved} of {members} of group {index}{rate}")
    };
    rows.push(("approved", rates.enumerate().map(group).collect::<Vec<_>>().join("; ")));
    if let Some(difference) = groups.difference {
        rows.push(("difference", format!("{:+.1} percentage points", 100.0 * difference)));
    }
    rows
}
