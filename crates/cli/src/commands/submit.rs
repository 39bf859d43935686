//! `verdict submit`.

use alloy::primitives::B256;
use serde::Serialize;
use verdict::{Error, ProofBundle, PublicSetup, Record, read_attestation};

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
    model_id: u64,
    #[serde(flatten)]
    scores: Scores,
}

/// One score, or those of a batch.
#[derive(Serialize)]
#[serde(untagged)]
enum Scores {
    One(Score),
    Batch { records: Vec<Score> },
}

#[derive(Serialize)]
struct Score {
    /// The score as a number.
    score: f64,
    nonce: u64,
    record: Record,
}

pub(crate) fn run(args: &Submit, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let bundle = ProofBundle::read(&args.proof).map_err(Error::from)?;
    let attestations = args
        .attestation
        .iter()
        .map(|path| read_attestation(path))
        .collect::<Result<Vec<_>, _>>()?;
    // Before the node is asked anything.
    let deployment = setup.deployment().map_err(Error::from)?;
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, Some(&args.setup))?;
    let single = bundle.request.is_some() && args.with.is_empty();
    let (receipt, scores) = if args.with.is_empty() {
        let submitted =
            wait(&runtime, verdict::submit(&setup, &bundle, &attestations, &chain, ui))?;
        (submitted.receipt, scores(&setup, submitted.records))
    } else {
        let mut proofs = vec![(setup, bundle)];
        for pair in args.with.chunks(2) {
            let [setup, proof] = pair else { continue };
            let setup = PublicSetup::open(setup).map_err(Error::from)?;
            proofs.push((setup, ProofBundle::read(proof).map_err(Error::from)?));
        }
        let all = verdict::submit_together(&proofs, &attestations, &chain, ui);
        let all = wait(&runtime, all)?;
        let receipt = all.first().and_then(|submitted| submitted.receipt.clone());
        let each = proofs.iter().zip(all);
        let each = each.flat_map(|((setup, _), submitted)| scores(setup, submitted.records));
        (receipt, each.collect())
    };
    let list =
        |number: fn(&Score) -> String| scores.iter().map(number).collect::<Vec<_>>().join(", ");
    let transaction = receipt.as_ref().map_or_else(
        || "recorded, by one that no receipt is shown of or by somebody else's".to_owned(),
        |receipt| {
            let gas = grouped(receipt.gas_used);
            format!("{} in block {}, {gas} gas", receipt.hash, receipt.block_number)
        },
    );
    let mut rows = vec![
        ("transaction", transaction),
        ("score on chain", list(|score| score.score.to_string())),
        ("nonce", list(|score| score.nonce.to_string())),
    ];
    if deployment.attestations.is_some() {
        let signers = scores.iter().flat_map(|score| &score.record.signers);
        let signers: Vec<String> = signers.map(ToString::to_string).collect();
        rows.push(("vouched for by", signers.join(", ")));
    }
    let human = table(&rows);
    let report = Report {
        transaction: receipt.as_ref().map(|receipt| receipt.hash),
        block: receipt.as_ref().map(|receipt| receipt.block_number),
        gas: receipt.as_ref().map(|receipt| receipt.gas_used),
        model_id: deployment.model_id,
        scores: match <[Score; 1]>::try_from(scores) {
            Ok([score]) if single => Scores::One(score),
            Ok(one) => Scores::Batch { records: one.into() },
            Err(records) => Scores::Batch { records },
        },
    };
    ui.result(&report, &human)
}

/// Records as numbers.
fn scores(setup: &PublicSetup, records: Vec<Record>) -> Vec<Score> {
    let unit = 10f64.powi(setup.manifest().output.decimals as i32);
    let score =
        |record: Record| Score { score: record.score as f64 / unit, nonce: record.nonce, record };
    records.into_iter().map(score).collect()
}
