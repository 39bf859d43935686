//! A proof's way to the relayer, and how far what stands in it is believed.

use verdict::{Deployment, Error, Settled, Submission};

use super::{
    Sender,
    refusal::{Refusal, is_answer, refusal},
};
use crate::{
    job::{Reason, ReasonCode, State},
    store::{Outcome, Relay, StoreError},
};

impl Sender {
    /// Hands a proof to the relayer, unless it has it or there is no use in it.
    pub(super) async fn start(
        &mut self,
        id: &str,
        spent: Option<&Reason>,
    ) -> Result<(), StoreError> {
        let Some(flight) = self.flights.get(id).filter(|flight| flight.job.is_none()) else {
            return Ok(());
        };
        let relay = &flight.relay;
        let now = self.store.now_ms() / 1000;
        let withdrawn = relay.sent && (flight.cancelled.is_some() || relay.deadline < now);
        if !relay.sent {
            if let Some(code) = flight.cancelled {
                let reason = Reason::new(code, "cancelled before it was sent");
                return self.end(id, State::Cancelled, reason).await;
            }
            if relay.deadline <= now {
                let reason = Reason::new(
                    ReasonCode::DeadlinePassed,
                    "its deadline passed before it was sent",
                );
                return self.end(id, State::Dropped, reason).await;
            }
            if let Some(reason) = spent {
                return self.hold(id, reason.clone()).await;
            }
        }
        let Some(deployment) = self.deployment(relay) else {
            let message = "its model is not served any more: it waits until it is, or its deadline";
            return self.hold(id, Reason::new(ReasonCode::UnknownModel, message)).await;
        };
        let transaction = match Submission::new(deployment, &relay.bundle, &relay.attestations) {
            Ok(submission) => match submission.transaction(&self.chain).await {
                Err(error) => Err(self.believed(&submission, error).await),
                transaction => transaction.map_err(Refusal::NotYet),
            },
            Err(error) => Err(Refusal::Final(error)),
        };
        let job = match transaction {
            // The relayer may have ended it already: submitted again, it would be sent again.
            Ok(transaction) if withdrawn => {
                match self.chain.relayer().find(&transaction.idempotency_key).await {
                    Ok(Some(job)) => Ok(job),
                    Ok(None) => return self.withdraw(id).await,
                    Err(error) => Err(error),
                }
            }
            Ok(transaction) => {
                // From now on it may be sent, whatever becomes of this process.
                self.store.handed(id).await?;
                self.chain.relayer().submit(transaction).await
            }
            Err(Refusal::Recorded) => {
                self.store.relayed(&self.name, id, &Outcome::Finalized(None)).await?;
                self.flights.remove(id);
                return Ok(());
            }
            Err(Refusal::NotYet(error)) => {
                self.trouble();
                return self.hold(id, Reason::new(ReasonCode::Chain, error.to_string())).await;
            }
            Err(Refusal::Final(error)) => {
                let (state, reason) = refusal(&error);
                return self.end(id, state, reason).await;
            }
        };
        match job {
            Ok(job) => {
                if let Some(flight) = self.flights.get_mut(id) {
                    (flight.job, flight.relay.sent) = (Some(job), true);
                }
                Ok(())
            }
            Err(error) => {
                self.trouble();
                self.hold(id, Reason::new(ReasonCode::Chain, error.to_string())).await
            }
        }
    }

    /// Ends a proof that is not wanted any more and that the relayer does not know.
    async fn withdraw(&mut self, id: &str) -> Result<(), StoreError> {
        let cancelled = self.flights.get(id).and_then(|flight| flight.cancelled);
        let (state, code, message) = match cancelled {
            Some(code) => (State::Cancelled, code, "cancelled before it was sent"),
            None => (
                State::Dropped,
                ReasonCode::DeadlinePassed,
                "its deadline passed before it was sent",
            ),
        };
        self.end(id, state, Reason::new(code, message)).await
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
    pub(super) async fn lasts(&self, submission: &Submission<'_>) -> bool {
        matches!(submission.settled(&self.chain).await, Ok(Settled::Recorded(_)))
    }

    /// How far a refusal is to be believed: one by what stands on chain, if that is there for good.
    pub(super) async fn believed(&self, submission: &Submission<'_>, error: Error) -> Refusal {
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
