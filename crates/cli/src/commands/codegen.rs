//! `verdict codegen`.

use serde::Serialize;
use verdict::{Contracts, Error, PublicSetup};

use crate::{
    args::Codegen,
    failure::Outcome,
    ui::{Ui, bytes, table},
};

/// What was written.
#[derive(Serialize)]
struct Report {
    contract: String,
    shape_id: String,
    source_bytes: usize,
    creation_bytes: usize,
    runtime_bytes: usize,
    key_bytes: usize,
}

pub(crate) fn run(args: &Codegen, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let contracts = ui.step("generate and compile the Solidity verifier", || {
        Ok(Contracts::new(&setup, args.solc.as_deref())?)
    })?;
    let source = contracts.write(args.out.as_deref().unwrap_or(setup.folder()))?;
    let report = Report {
        contract: contracts.name,
        shape_id: hex::encode(contracts.shape_id),
        source_bytes: contracts.source.len(),
        creation_bytes: contracts.verifier.creation.len(),
        runtime_bytes: contracts.verifier.runtime.len(),
        key_bytes: contracts.key.len(),
    };
    let human = table(&[
        ("contract", format!("{} in {}", report.contract, source.display())),
        ("runtime code", bytes(report.runtime_bytes)),
        ("key", bytes(report.key_bytes)),
    ]);
    ui.result(&report, &human)
}
