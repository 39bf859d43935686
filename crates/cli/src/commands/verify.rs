//! `verdict verify`.

use serde::Serialize;
use verdict::{INSECURE, Progress, ProofBundle, PublicSetup, Verified};

use super::prove::outputs;
use crate::{
    args::Verify,
    failure::Outcome,
    ui::{Ui, table},
};

/// The verdict.
#[derive(Serialize)]
struct Report {
    valid: bool,
    #[serde(flatten)]
    verified: Verified,
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
    let human = table(&[
        ("valid", "yes".into()),
        ("model", verified.model.clone()),
        ("output", outputs(&verified.outputs, verified.batch, verified.decimals)),
    ]);
    ui.result(&Report { valid: true, verified }, &human)
}
