//! `verdict submit`.

use alloy::primitives::{B256, U256};
use serde::Serialize;
use verdict_contracts::{
    ProofBundle,
    bindings::InferenceOracle::{ScoreRecord, scoreOfCall},
    idempotency_key, verify_inference_calldata,
};
use verdict_relayer::{SubmitRequest, TxReceipt};

use super::{chain::Chain, deploy::Deployment, verify::check};
use crate::{
    args::Submit,
    failure::{Failure, Outcome},
    ui::{Ui, grouped, table},
};

/// What the chain recorded.
#[derive(Serialize)]
struct Report {
    transaction: Option<B256>,
    block: Option<u64>,
    gas: Option<u64>,
    score: f64,
    nonce: u64,
    model_id: u32,
}

pub(crate) fn run(args: &Submit, ui: &Ui) -> Outcome {
    let bundle = ProofBundle::read(&args.proof)?;
    let deployment = Deployment::read(&args.setup)?;
    ui.step("check the proof", || check(&args.setup, &bundle))?;
    let chain = Chain::connect(&args.chain, &args.setup)?;
    if chain.chain_id() != deployment.chain_id {
        return Err(Failure::new(format!(
            "the node is on chain {}, the setup is deployed on chain {}",
            chain.chain_id(),
            deployment.chain_id
        ))
        .hint("give the right node with --rpc-url"));
    }
    let receipt =
        ui.step("submit and wait until final", || submit(&chain, &deployment, &bundle))?;
    let record = recorded(&chain, &deployment, &bundle)?;
    let unit = 10f64.powi(i32::from(bundle.decimals));
    let report = Report {
        transaction: receipt.as_ref().map(|receipt| receipt.hash),
        block: receipt.as_ref().map(|receipt| receipt.block_number),
        gas: receipt.as_ref().map(|receipt| receipt.gas_used),
        score: record.score as f64 / unit,
        nonce: record.nonce,
        model_id: record.modelId,
    };
    let transaction = receipt.as_ref().map_or_else(
        || "it was recorded already".to_owned(),
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

/// Takes a bundle to its oracle. `None`: it was recorded before.
pub(crate) fn submit(
    chain: &Chain,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Outcome<Option<TxReceipt>> {
    let model_id = U256::from(deployment.model_id);
    let (Some(request), Some(commitment)) = (&bundle.request, bundle.input_commitment) else {
        return Err(Failure::new("the proof answers no request, so no oracle can record it")
            .hint("prove with --subject, after `verdict deploy`"));
    };
    if request.oracle != deployment.oracle || request.chain_id != deployment.chain_id {
        return Err(Failure::new(format!(
            "the proof is for oracle {} on chain {}, the setup is deployed at {} on chain {}",
            request.oracle, request.chain_id, deployment.oracle, deployment.chain_id
        )));
    }
    let calldata = verify_inference_calldata(bundle, model_id)?;
    let key = idempotency_key(request.chain_id, request.oracle, model_id, commitment);
    let request = SubmitRequest {
        label: "verifyInference".into(),
        ..SubmitRequest::call(request.oracle, calldata, key.to_string())
    };
    chain.send(request)
}

/// What the oracle holds about the bundle's subject.
pub(crate) fn recorded(
    chain: &Chain,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Outcome<ScoreRecord> {
    let request = bundle.request.as_ref();
    let subject = request.map(|request| request.subject).unwrap_or_default();
    Ok(chain.call(deployment.oracle, &scoreOfCall { subject })?)
}
