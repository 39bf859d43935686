//! `verdict setup`.

use verdict::{INSECURE, Progress, Srs, SrsChoice};

use super::inspect;
use crate::{
    args::Setup,
    failure::Outcome,
    inputs,
    ui::{Ui, table},
};

pub(crate) fn run(args: &Setup, ui: &Ui) -> Outcome {
    let planned = ui.step("plan the circuit", || inputs::plan(&args.model, &args.options))?;
    let k = planned.plan().k;
    let choice =
        SrsChoice::new(args.srs.srs.clone(), args.dev_srs, k).map_err(verdict::Error::from)?;
    let srs = open_srs(&choice, k, ui)?;
    let report = verdict::setup(&planned, &srs, &args.out, args.computing.options(), ui)?;
    let human = table(&[
        ("folder", report.folder.display().to_string()),
        ("setup id", report.setup_id.to_string()),
        ("shape id", report.shape_id.to_string()),
        ("key hash", report.key_hash.to_string()),
        ("reading", inspect::reading(&report.reading)),
        ("output error", inspect::error(&report.error)),
    ]);
    ui.result(&report, &human)
}

/// Reads or makes an SRS, and warns of one that is not secure.
pub(crate) fn open_srs(choice: &SrsChoice, k: u32, ui: &Ui) -> Outcome<Srs> {
    let title = match choice {
        SrsChoice::File(_) => "read the SRS".to_owned(),
        SrsChoice::Development => format!("get a development SRS for 2^{k} rows"),
    };
    let srs = ui.step(&title, || Ok(choice.open(k)?))?;
    if srs.is_development() {
        ui.warn(INSECURE);
    }
    Ok(srs)
}
