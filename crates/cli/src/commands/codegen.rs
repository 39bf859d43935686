//! `verdict codegen`.

use std::path::Path;

use serde::Serialize;
use verdict_codegen::{
    compile::{Bytecode, Settings, Solc},
    key_payload, shape_verifier,
};
use verdict_prover::artifact::{Manifest, write_file};

use super::setup::{KEY, VERIFIER_SOURCE};
use crate::{
    args::Codegen,
    failure::Outcome,
    ui::{Ui, bytes, table},
};

/// Name of the verifier's creation code, hexadecimal.
const VERIFIER_CODE: &str = "Verifier.bin";

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

/// A setup's contracts as bytes.
pub(crate) struct Contracts {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) shape_id: [u8; 32],
    pub(crate) verifier: Bytecode,
    pub(crate) key: Vec<u8>,
}

impl Contracts {
    /// Generates a setup's verifier and key, and compiles the verifier.
    pub(crate) fn new(folder: &Path, manifest: &Manifest, solc: Option<&Path>) -> Outcome<Self> {
        let solc = Solc::find(solc)?;
        let key = manifest.verifying_key(folder)?;
        let params = manifest.verifier_params(folder)?;
        let verifier = shape_verifier(key.cs())?;
        let payload = key_payload(&key, params.g2(), params.s_g2(), manifest.instances)?;
        let code = solc.compile(&verifier.source, &verifier.contract_name, Settings::default())?;
        Ok(Self {
            name: verifier.contract_name,
            source: verifier.source,
            shape_id: verifier.shape_id,
            verifier: code,
            key: payload,
        })
    }
}

pub(crate) fn run(args: &Codegen, ui: &Ui) -> Outcome {
    let manifest = Manifest::read(&args.setup)?;
    let contracts = ui.step("generate and compile the Solidity verifier", || {
        Contracts::new(&args.setup, &manifest, args.solc.as_deref())
    })?;
    let folder = args.out.as_deref().unwrap_or(&args.setup);
    std::fs::create_dir_all(folder)?;
    write_file(&folder.join(VERIFIER_SOURCE), contracts.source.as_bytes())?;
    write_file(&folder.join(KEY), hex::encode(&contracts.key).as_bytes())?;
    write_file(&folder.join(VERIFIER_CODE), hex::encode(&contracts.verifier.creation).as_bytes())?;
    let report = Report {
        contract: contracts.name,
        shape_id: hex::encode(contracts.shape_id),
        source_bytes: contracts.source.len(),
        creation_bytes: contracts.verifier.creation.len(),
        runtime_bytes: contracts.verifier.runtime.len(),
        key_bytes: contracts.key.len(),
    };
    let human = table(&[
        ("contract", format!("{} in {}", report.contract, folder.join(VERIFIER_SOURCE).display())),
        ("runtime code", bytes(report.runtime_bytes)),
        ("key", bytes(report.key_bytes)),
    ]);
    ui.result(&report, &human)
}
