//! What is asked of the chain about a proof, and how far the answers are believed.

use std::sync::Arc;

use verdict::{Chain, Deployment, Error, Settled, Submission};
use verdict_relayer::{JobState, SubmitRequest};

use super::refusal::{Refusal, is_answer};
use crate::{models::Models, store::Relay};

/// What is to be sent, or why not.
pub(super) type Asked = Option<Result<SubmitRequest, Refusal>>;

/// What the oracle holds of a proof.
pub(super) enum Judged {
    /// So many records that it states.
    Recorded(usize),
    /// These, in a block that may yet leave the chain.
    Passing,
    /// None of it.
    Missing,
    /// Something that bars it, or no answer.
    Refused(Refusal),
}

/// The chain, and where proofs go on it: questions outlive the look in which they were asked.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) chain: Chain,
    pub(super) models: Arc<Models>,
}

impl View {
    /// What the chain says of a proof that may be handed over; nothing where nobody knows its oracle
    /// any more.
    pub(super) async fn ask(&self, relay: &Relay) -> Asked {
        let deployment = self.deployment(relay)?;
        Some(match Submission::new(deployment, &relay.bundle, &relay.attestations) {
            Ok(submission) => match submission.transaction(&self.chain).await {
                Err(error) => Err(self.believed(&submission, error).await),
                Ok(transaction) => Ok(transaction),
            },
            Err(error) => Err(Refusal::Final(error)),
        })
    }

    /// What the oracle holds of a proof that the relayer is done with, in this state; nothing where
    /// nobody knows its oracle any more.
    pub(super) async fn judge(&self, relay: &Relay, state: &JobState) -> Option<Judged> {
        let deployment = self.deployment(relay)?;
        let submission = match Submission::new(deployment, &relay.bundle, &relay.attestations) {
            Ok(submission) => submission,
            Err(error) => return Some(Judged::Refused(Refusal::Final(error))),
        };
        Some(match submission.recorded(&self.chain).await {
            Ok(Some(records)) => {
                let lasts = *state == JobState::Finalized || self.lasts(&submission).await;
                if lasts { Judged::Recorded(records.len()) } else { Judged::Passing }
            }
            Ok(None) => Judged::Missing,
            Err(error) => Judged::Refused(self.believed(&submission, error).await),
        })
    }

    /// Where a proof goes. What was made for one deployment goes there, whatever is served under its
    /// model's name since; what is not on its way yet only while its model is served.
    pub(super) fn deployment<'a>(&'a self, relay: &'a Relay) -> Option<&'a Deployment> {
        let served = self.models.get(&relay.model).and_then(|model| model.deployment());
        let own = relay.deployment.as_ref().filter(|own| {
            (relay.sent || served.is_some()) && own.chain_id == self.chain.chain_id()
        });
        own.or(served)
    }

    /// Whether the records that a proof states are there for good.
    async fn lasts(&self, submission: &Submission<'_>) -> bool {
        matches!(submission.settled(&self.chain).await, Ok(Settled::Recorded(_)))
    }

    /// How far a refusal is to be believed: one by what stands on chain, if that is there for good.
    async fn believed(&self, submission: &Submission<'_>, error: Error) -> Refusal {
        match error {
            // An error of a contract's own is its answer.
            Error::Chain(chain) if !is_answer(&chain) => Refusal::NotYet(Error::Chain(chain)),
            Error::Submit(_) => match submission.settled(&self.chain).await {
                Ok(Settled::Recorded(_)) => Refusal::Recorded,
                Ok(Settled::Barred) => Refusal::Final(error),
                Ok(Settled::Open) => Refusal::NotYet(error),
                Err(error) => Refusal::NotYet(error),
            },
            _ => Refusal::Final(error),
        }
    }
}
