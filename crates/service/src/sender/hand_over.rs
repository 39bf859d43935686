//! A proof's way to the relayer, and how far what stands in it is believed.

use futures::{FutureExt, StreamExt, stream};
use tracing::Instrument;
use verdict::{Deployment, Error, Settled, Submission};
use verdict_relayer::SubmitRequest;

use super::{
    Sender,
    refusal::{Refusal, is_answer, refusal},
};
use crate::{
    job::{Reason, ReasonCode, State},
    store::{Outcome, Relay, StoreError},
};

/// What is to be sent, or why not.
type Asked = Option<Result<SubmitRequest, Refusal>>;

impl Sender {
    /// Hands proofs to the relayer, in their order, unless it has them or there is no use in them.
    pub(super) async fn start(
        &mut self,
        ids: &[String],
        spent: Option<&Reason>,
    ) -> Result<(), StoreError> {
        let mut ready = Vec::new();
        for id in ids {
            if self.may_start(id, spent).await? {
                ready.push(id);
            }
        }
        // The chain is asked about several at once; they are handed over one after the other, so that
        // nonces are given in their order.
        let this = &*self;
        let asking = ready.iter().map(|id| this.ask(id).boxed()).collect::<Vec<_>>();
        let asked: Vec<Asked> =
            stream::iter(asking).buffered(self.config.chain.concurrency).collect().await;
        for (id, asked) in ready.into_iter().zip(asked) {
            let span = self.span(id, |_| true, || tracing::info_span!("hand over"));
            self.hand_over(id, asked).instrument(span).await?;
        }
        Ok(())
    }

    /// Whether a proof is to be handed over now, as far as that is known without the chain. What is to
    /// be said of one that is not is said.
    async fn may_start(&mut self, id: &str, spent: Option<&Reason>) -> Result<bool, StoreError> {
        let Some(flight) = self.flights.get(id).filter(|flight| flight.job.is_none()) else {
            return Ok(false);
        };
        let relay = &flight.relay;
        if !relay.sent {
            if let Some(code) = flight.cancelled {
                let reason = Reason::new(code, "cancelled before it was sent");
                self.end(id, State::Cancelled, reason).await?;
                return Ok(false);
            }
            if relay.deadline <= self.store.now_ms() / 1000 {
                let reason = Reason::new(
                    ReasonCode::DeadlinePassed,
                    "its deadline passed before it was sent",
                );
                self.end(id, State::Dropped, reason).await?;
                return Ok(false);
            }
            if let Some(reason) = spent {
                self.hold(id, reason.clone()).await?;
                return Ok(false);
            }
        }
        if self.deployment(relay).is_none() {
            let message = "its model is not served any more: it waits until it is, or its deadline";
            self.hold(id, Reason::new(ReasonCode::UnknownModel, message)).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// What the chain says of a proof that may be handed over; nothing of one that is gone.
    async fn ask(&self, id: &str) -> Asked {
        let relay = &self.flights.get(id)?.relay;
        let deployment = self.deployment(relay)?;
        Some(match Submission::new(deployment, &relay.bundle, &relay.attestations) {
            Ok(submission) => match submission.transaction(&self.chain).await {
                Err(error) => Err(self.believed(&submission, error).await),
                Ok(transaction) => Ok(transaction),
            },
            Err(error) => Err(Refusal::Final(error)),
        })
    }

    async fn hand_over(&mut self, id: &str, asked: Asked) -> Result<(), StoreError> {
        let (Some(asked), Some(flight)) = (asked, self.flights.get(id)) else { return Ok(()) };
        let relay = &flight.relay;
        let now = self.store.now_ms() / 1000;
        let withdrawn = relay.sent && (flight.cancelled.is_some() || relay.deadline < now);
        let job = match asked {
            // The relayer may have ended it already: submitted again, it would be sent again.
            Ok(transaction) if withdrawn => {
                match self.chain.relayer().find(&transaction.idempotency_key).await {
                    Ok(Some(job)) => Ok(job),
                    Ok(None) => return self.withdraw(id).await,
                    Err(error) => Err(error),
                }
            }
            Ok(transaction) => {
                // From now on it may be sent, whatever becomes of this process. One that another key
                // took meanwhile is that one's.
                if !self.store.handed(&self.name, id).await? {
                    self.flights.remove(id);
                    return Ok(());
                }
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
