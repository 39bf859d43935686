//! `verdict attest`.

use alloy::primitives::{Address, B256};
use serde::Serialize;
use verdict::{
    AttestRequest, Attestation, Coverage, Error, PublicSetup, accept_signer, attest,
    check_writable, read_commitments, salts, write_attestation,
};

use super::chain::{connect, runtime, signer, wait};
use crate::{
    args::Attest,
    failure::{Failure, Outcome},
    inputs::read_input,
    ui::{Ui, table},
};

/// A statement, and the inputs that it is about.
#[derive(Serialize)]
struct Vouched<'a> {
    #[serde(flatten)]
    attestation: &'a Attestation,
    covered: &'a Coverage,
}

/// What an acceptance has come to.
#[derive(Serialize)]
struct Report {
    covered: Coverage,
    registry: Address,
    account: Address,
    index: u8,
    counts_from: u64,
    transaction: Option<B256>,
}

pub(crate) fn run(args: &Attest, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    if args.accept {
        return accept(args, &setup, ui);
    }
    let (Some(input), Some(subject), Some(out)) = (&args.input, args.subject, &args.out) else {
        return Err(Failure::usage("give --input, --subject and --out, or --accept"));
    };
    check_writable(out, false).map_err(Error::from)?;
    let sample = read_input(input, &setup.manifest().model.inputs, args.id.as_deref())?;
    let salt = match &args.commitment {
        Some(path) => salts(&setup, &[&sample.input], &read_commitments(path)?)?.pop(),
        None => None,
    };
    let key = signer(&args.chain)?;
    let request = AttestRequest {
        subject,
        input: &sample.input,
        salt,
        valid_for: args.valid_for,
        account: args.account,
        partial: args.partial,
    };
    let attestation = wait(&*runtime()?, attest(&setup, &request, &key))?;
    write_attestation(&attestation, out)?;
    let (statement, covered) = (&attestation.statement, Coverage::of(setup.manifest()));
    let human = table(&[
        ("signer", attestation.statement.signer.to_string()),
        ("subject", statement.subject.to_string()),
        ("registry", format!("{} on chain {}", statement.registry, statement.chain_id)),
        ("inputs", format!("sample {}, hash {}", sample.id, statement.inputs)),
        ("which covers", covered.to_string()),
        ("valid until", statement.valid_until.to_string()),
        ("attestation", out.display().to_string()),
    ]);
    ui.result(&Vouched { attestation: &attestation, covered: &covered }, &human)
}

fn accept(args: &Attest, setup: &PublicSetup, ui: &Ui) -> Outcome {
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, Some(&args.setup))?;
    let accepted = wait(&runtime, accept_signer(setup, &chain, ui))?;
    let covered = Coverage::of(setup.manifest());
    let human = table(&[
        ("registry", accepted.registry.to_string()),
        ("signer", format!("{}, number {}", accepted.account, accepted.index)),
        ("counts from", format!("{} (Unix time)", accepted.counts_from)),
        ("statements cover", covered.to_string()),
    ]);
    let report = Report {
        covered,
        registry: accepted.registry,
        account: accepted.account,
        index: accepted.index,
        counts_from: accepted.counts_from,
        transaction: accepted.receipt.map(|receipt| receipt.hash),
    };
    ui.result(&report, &human)
}
