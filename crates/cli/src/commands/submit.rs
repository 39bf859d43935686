//! `verdict submit`.

use alloy::primitives::B256;
use serde::Serialize;
use verdict::{Error, ProofBundle, PublicSetup, Record};

use super::chain::{connect, runtime, wait};
use crate::{
    args::Submit,
    failure::Outcome,
    ui::{Ui, grouped, table},
};

/// What the chain recorded.
#[derive(Serialize)]
struct Report {
    transaction: Option<B256>,
    block: Option<u64>,
    gas: Option<u64>,
    /// The score as a number.
    score: f64,
    nonce: u64,
    model_id: u64,
    record: Record,
}

pub(crate) fn run(args: &Submit, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let bundle = ProofBundle::read(&args.proof).map_err(Error::from)?;
    // Before the node is asked anything.
    setup.deployment().map_err(Error::from)?;
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, Some(&args.setup))?;
    let submitted = wait(&runtime, verdict::submit(&setup, &bundle, &chain, ui))?;
    let (record, receipt) = (submitted.record, submitted.receipt);
    let unit = 10f64.powi(setup.manifest().output.decimals as i32);
    let report = Report {
        transaction: receipt.as_ref().map(|receipt| receipt.hash),
        block: receipt.as_ref().map(|receipt| receipt.block_number),
        gas: receipt.as_ref().map(|receipt| receipt.gas_used),
        score: record.score as f64 / unit,
        nonce: record.nonce,
        model_id: record.model_id,
        record,
    };
    let transaction = receipt.as_ref().map_or_else(
        || "recorded, by one that no receipt is shown of or by somebody else's".to_owned(),
        |receipt| {
            let gas = grouped(receipt.gas_used);
            format!("{} in block {}, {gas} gas", receipt.hash, receipt.block_number)
        },
    );
    let human = table(&[
        ("transaction", transaction),
        ("score on chain", report.score.to_string()),
        ("nonce", report.nonce.to_string()),
    ]);
    ui.result(&report, &human)
}
