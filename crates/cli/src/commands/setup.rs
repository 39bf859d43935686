//! `verdict setup`.

use std::path::Path;

use verdict::{
    INSECURE, ModelFile, Progress, PublicSetup, Srs, SrsChoice, Weights, check_writable,
};
use verdict_prover::onnx::LoadOptions;

use super::inspect;
use crate::{
    args::Setup,
    failure::{Failure, Outcome},
    inputs,
    ui::{Ui, table},
};

pub(crate) fn run(args: &Setup, ui: &Ui) -> Outcome {
    let out = match (&args.out, &args.check) {
        (_, Some(setup)) => return check(args, setup, ui),
        (Some(out), None) => out,
        (None, None) => return Err(Failure::usage("give --out FOLDER, or --check SETUP")),
    };
    check_writable(out, true).map_err(verdict::Error::from)?;
    let planned = ui.step("plan the circuit", || inputs::plan(&args.model, &args.options))?;
    inspect::warn_of_error(&planned, ui);
    let weights = if args.public_weights { Weights::Public } else { Weights::Hidden };
    let planned = planned.with_weights(weights);
    let k = planned.plan().estimate.srs_k;
    let choice =
        SrsChoice::new(args.srs.srs.clone(), args.dev_srs, k).map_err(verdict::Error::from)?;
    let srs = open_srs(&choice, k, ui)?;
    let report = verdict::setup(&planned, &srs, out, args.computing.options(), ui)?;
    let mut rows = vec![
        ("folder", report.folder.display().to_string()),
        ("setup id", report.setup_id.to_string()),
        ("shape id", report.shape_id.to_string()),
        ("key hash", report.key_hash.to_string()),
        ("reading", inspect::reading(&report.reading)),
        ("output error", inspect::error(&report.error)),
        ("weights", report.weights.to_string()),
    ];
    let comparisons = report.comparisons.as_ref();
    rows.extend(comparisons.map(|own| ("comparisons", own.to_string())));
    rows.extend(report.schema.map(|schema| ("schema", schema.to_string())));
    let human = table(&rows);
    ui.result(&report, &human)
}

/// Makes the key of a setup again.
fn check(args: &Setup, setup: &Path, ui: &Ui) -> Outcome {
    let public = PublicSetup::open(setup).map_err(verdict::Error::from)?;
    let measure = public.manifest().model.measure.clone();
    let outputs = args.options.outputs().filter(|_| measure.is_none());
    let load = LoadOptions { outputs, dims: args.options.dims()?, measure };
    let model = ModelFile::open(&args.model, &load)?;
    let k = public.srs_k();
    let choice =
        SrsChoice::new(args.srs.srs.clone(), args.dev_srs, k).map_err(verdict::Error::from)?;
    let srs = open_srs(&choice, k, ui)?;
    let checked = verdict::check(model.graph(), &public, &srs, args.computing.options(), ui)?;
    let human = table(&[
        ("equal", "yes".into()),
        ("setup id", checked.setup_id.to_string()),
        ("model hash", checked.model_hash.to_string()),
        ("key hash", checked.key_hash.to_string()),
    ]);
    ui.result(&checked, &human)
}

/// Reads or makes an SRS, and warns of one that is not secure.
pub(crate) fn open_srs(choice: &SrsChoice, k: u32, ui: &Ui) -> Outcome<Srs> {
    let title = match choice {
        SrsChoice::File(_) => "read the SRS".to_owned(),
        SrsChoice::Development => format!("get a development SRS of 2^{k} powers"),
    };
    let srs = ui.step(&title, || Ok(choice.open(k)?))?;
    if srs.is_development() {
        ui.warn(INSECURE);
    }
    Ok(srs)
}
