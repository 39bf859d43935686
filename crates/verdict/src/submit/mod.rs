//! Taking a proof to its oracle.
//!
//! A submission is done when the record on chain is the one that the proof states: its
//! subject, model, nonce and output; of a batch, when each record is. Whatever else stands
//! there is a failure that says so, also when the transaction succeeded or the contract answers
//! that it has the request.

mod error;
mod stated;
mod submission;

use alloy::primitives::{Address, keccak256};
use serde::Serialize;
use verdict_contracts::{
    ProofBundle,
    attestation::{Attestation, Statement, inference, verify_inferences_calldata},
};
use verdict_relayer::{Effect, SubmitRequest, TxReceipt};

use self::{
    stated::Stated,
    submission::{check_model, requests_for},
};
use crate::{
    attest::{check_source, indexed},
    chain::{Chain, ChainReader},
    deployment::Deployment,
    error::{Error, Kind},
    progress::{Progress, step, step_async},
    setup::PublicSetup,
    verify::verify,
};

pub use self::{
    error::SubmitError,
    submission::{Settled, Submission},
};

/// Records on chain, and what brought them there.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The records, which are those that the proof states: one, or those of a batch in the order
    /// of its requests. Of a subject that is in a batch twice there is the last one only.
    pub records: Vec<Record>,
    /// The transaction that recorded them; `None` if somebody else's did, or an earlier one
    /// that this database does not know.
    pub receipt: Option<TxReceipt>,
}

/// What an oracle holds about a subject and a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Whom it is about.
    pub subject: Address,
    /// The model that made the score.
    pub model_id: u64,
    /// Nonce of the request; 0 if there is no record.
    pub nonce: u64,
    /// First output of the model, in units of its last decimal.
    pub score: i64,
    /// Time of recording, seconds since 1970.
    pub updated_at: u64,
    /// The data providers who vouched for the inputs.
    pub signers: Vec<Address>,
}

impl Record {
    fn words(&self) -> String {
        format!("output {} of model {} for request {}", self.score, self.model_id, self.nonce)
    }
}

/// Checks a bundle and takes it to its oracle, unless it is recorded there already, with the
/// attestations that the model's approval demands.
///
/// # Errors
/// The bundle is not of this setup or does not verify; the deployment is another setup's; the
/// attestations are too few or about something else; the chain refuses; or the record on chain
/// is not the one that the proof states.
pub async fn submit(
    setup: &PublicSetup,
    bundle: &ProofBundle,
    attestations: &[Attestation],
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Submitted, Error> {
    let deployment = setup.deployment()?;
    requests_for(&deployment, bundle)?;
    step(progress, "check the proof", || verify(setup, bundle))?;
    let submission = Submission::new(&deployment, bundle, attestations)?;
    chain.expect(deployment.chain_id)?;
    let transaction = submission.transaction(chain).await?;
    let title = "submit and wait until final";
    let sent = step_async(progress, title, chain.send(transaction)).await;
    let sent = match sent {
        Err(error) if matches!(error.kind(), Kind::Pending | Kind::Unreachable) => {
            return Err(error.into());
        }
        sent => sent,
    };
    // Whatever became of the transaction, what the chain holds decides.
    match submission.recorded(chain).await? {
        Some(records) => Ok(Submitted { records, receipt: sent.unwrap_or_default() }),
        None => {
            sent?;
            Err(SubmitError::NoRecord { subject: submission.stated().subject() }.into())
        }
    }
}

/// Takes proofs of any models of one oracle to it in one transaction, which pairs once for all of
/// them; those that are recorded already are left out. What each gets is in the order given.
///
/// # Errors
/// As [`submit()`], of any of them: then none is recorded. The proofs are for several oracles, or one
/// of them is of a batch.
pub async fn submit_together(
    proofs: &[(PublicSetup, ProofBundle)],
    attestations: &[Attestation],
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Vec<Submitted>, Error> {
    let mut deployments = Vec::with_capacity(proofs.len());
    for (setup, bundle) in proofs {
        let deployment = setup.deployment()?;
        requests_for(&deployment, bundle)?;
        step(progress, "check a proof", || verify(setup, bundle))?;
        chain.expect(deployment.chain_id)?;
        let about = bundle.answered().first().map(|request| request.subject);
        let policy = deployment.attestations.as_ref();
        let own = |given: &&Attestation| {
            let Statement { subject, schema, .. } = &given.statement;
            Some(*subject) == about && policy.is_some_and(|policy| policy.schema == *schema)
        };
        let own: Vec<Attestation> = attestations.iter().filter(own).cloned().collect();
        deployments.push((deployment, own));
    }
    let oracles = |(deployment, _): &(Deployment, _)| deployment.oracle;
    if let Some(first) = deployments.first().map(oracles)
        && let Some(other) = deployments.iter().map(oracles).find(|oracle| *oracle != first)
    {
        return Err(SubmitError::SeveralOracles { first, other }.into());
    }
    let pairs = deployments.iter().zip(proofs);
    let submissions = pairs
        .map(|((deployment, own), (_, bundle))| Submission::new(deployment, bundle, own))
        .collect::<Result<Vec<_>, _>>()?;
    let mut missing = Vec::with_capacity(submissions.len());
    for submission in &submissions {
        if submission.recorded(chain).await?.is_none() {
            missing.push(*submission);
        }
    }
    let receipt = match together(&missing, chain).await? {
        Some(transaction) => {
            let title = "submit together and wait until final";
            step_async(progress, title, chain.send(transaction)).await?
        }
        None => None,
    };
    let mut all = Vec::with_capacity(submissions.len());
    for submission in &submissions {
        let records = submission.recorded(chain).await?;
        let subject = submission.stated().subject();
        let records = records.ok_or(SubmitError::NoRecord { subject })?;
        all.push(Submitted { records, receipt: receipt.clone() });
    }
    Ok(all)
}

/// The transaction of several proofs of one oracle; none of none.
async fn together(
    submissions: &[Submission<'_>],
    chain: &ChainReader,
) -> Result<Option<SubmitRequest>, Error> {
    let Some(first) = submissions.first() else { return Ok(None) };
    let (mut inferences, mut effects) = (vec![], vec![]);
    for Submission { deployment, bundle, attestations } in submissions {
        check_source(chain, deployment, bundle).await?;
        let attested = match &deployment.attestations {
            Some(policy) => Some(indexed(chain, policy, attestations).await?),
            None => None,
        };
        inferences.push(inference(bundle, attested.as_deref())?);
        effects.push(Stated::new(deployment, bundle).effect());
    }
    let (oracle, chain_id) = (first.deployment.oracle, first.deployment.chain_id);
    let calldata = verify_inferences_calldata(inferences);
    let key = format!("together:{chain_id}:{oracle}:{}", keccak256(&calldata));
    let request = SubmitRequest::call(oracle, calldata, key).with_effect(Effect::All { effects });
    Ok(Some(SubmitRequest { label: "verifyInferences".into(), ..request }))
}

/// What an oracle holds about the subjects of a bundle, in the order of [`Submitted::records`].
///
/// # Errors
/// The node does not answer, or has no oracle there.
pub async fn recorded(
    chain: &ChainReader,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Result<Vec<Record>, Error> {
    check_model(deployment, requests_for(deployment, bundle)?)?;
    Ok(Stated::new(deployment, bundle).read(chain).await?)
}
