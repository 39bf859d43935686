//! `verdict codegen`.

use serde::Serialize;
use verdict::{Contracts, Error, GasReport, PublicSetup};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    gas: Option<GasReport>,
}

pub(crate) fn run(args: &Codegen, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let contracts = ui.step("generate and compile the Solidity verifier", || {
        Ok(Contracts::new(&setup, args.solc.as_deref())?)
    })?;
    let source = contracts.write(args.out.as_deref().unwrap_or(setup.folder()))?;
    let gas = match args.explain {
        true => Some(ui.step("run a verification in an EVM", || {
            Ok(verdict::explain(&setup, &contracts.verifier)?)
        })?),
        false => None,
    };
    let report = Report {
        contract: contracts.name,
        shape_id: hex::encode(contracts.shape_id),
        source_bytes: contracts.source.len(),
        creation_bytes: contracts.verifier.creation.len(),
        runtime_bytes: contracts.verifier.runtime.len(),
        key_bytes: contracts.key.len(),
        gas,
    };
    let mut human = table(&[
        ("contract", format!("{} in {}", report.contract, source.display())),
        ("runtime code", bytes(report.runtime_bytes)),
        ("key", bytes(report.key_bytes)),
    ]);
    if let Some(gas) = &report.gas {
        human.push(String::new());
        human.extend(gas.to_string().lines().map(|line| format!("  {line}")));
    }
    ui.result(&report, &human)
}
