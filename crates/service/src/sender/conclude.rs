//! What ends a job: what the oracle holds of its proof when the relayer is done with it.

use verdict_relayer::{DropReason, JobState, JobStatus};

use super::{
    RoundError, Sender,
    refusal::{Refusal, is_refusal, refusal},
    view::Judged,
};
use crate::{
    job::{Reason, ReasonCode, State},
    store::Outcome,
};

impl Sender {
    /// The relayer is done with it: what the oracle holds decides.
    pub(super) async fn conclude(
        &mut self,
        id: &str,
        status: &JobStatus,
        judged: Judged,
    ) -> Result<(), RoundError> {
        let transaction = status.receipt.as_ref().map(|receipt| self.transaction(receipt));
        if let Some(transaction) = &transaction {
            self.paid(id, transaction).await?;
        }
        let Some(flight) = self.flights.get(id) else { return Ok(()) };
        let relay = &flight.relay;
        let (state, reason) = match judged {
            Judged::Passing => {
                let message = "it is recorded, and not for good yet";
                return Ok(self.hold(id, Reason::new(ReasonCode::Chain, message)).await?);
            }
            Judged::Recorded(records) => {
                self.metrics.recorded(&relay.model, records);
                self.metrics.paid(&relay.model, transaction.as_ref());
                self.store.relayed(&self.name, id, &Outcome::Finalized(transaction)).await?;
                self.flights.remove(id);
                return Ok(());
            }
            Judged::Missing => match &status.state {
                JobState::Finalized => return Ok(self.missed(id).await?),
                JobState::Dropped(DropReason::Cancelled) => match flight.cancelled {
                    Some(ReasonCode::DeadlinePassed) => {
                        let message = "its deadline passed before it was in a block";
                        (State::Dropped, Reason::new(ReasonCode::DeadlinePassed, message))
                    }
                    Some(_) => (State::Cancelled, Reason::new(ReasonCode::Cancelled, "cancelled")),
                    // It was cancelled for another job of the same proof.
                    None => {
                        let reason = Reason::new(
                            ReasonCode::Cancelled,
                            "its transaction was cancelled with another job of the same proof: it is \
                             sent again",
                        );
                        return self.try_again(id, reason).await;
                    }
                },
                JobState::Rejected(rejection) if !is_refusal(rejection) => {
                    let reason = Reason::new(ReasonCode::Chain, rejection.to_string());
                    return self.try_again(id, reason).await;
                }
                JobState::Rejected(rejection) => {
                    let expired = rejection.revert().is_some_and(|r| r.name == "DeadlineExpired");
                    let code =
                        if expired { ReasonCode::DeadlinePassed } else { ReasonCode::Refused };
                    (State::Rejected, Reason::new(code, rejection.to_string()))
                }
                state => (State::Dropped, Reason::new(ReasonCode::Chain, state.to_string())),
            },
            Judged::Refused(refused) => match refused {
                Refusal::NotYet(error) => {
                    self.trouble();
                    let reason = Reason::new(ReasonCode::Chain, error.to_string());
                    return Ok(self.hold(id, reason).await?);
                }
                Refusal::Final(error) => refusal(&error),
                Refusal::Recorded => {
                    self.metrics.paid(&relay.model, transaction.as_ref());
                    self.store.relayed(&self.name, id, &Outcome::Finalized(transaction)).await?;
                    self.flights.remove(id);
                    return Ok(());
                }
            },
        };
        self.metrics.paid(&relay.model, transaction.as_ref());
        Ok(self.end_by(id, state, reason, transaction).await?)
    }
}
