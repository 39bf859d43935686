//! A proof's way to the relayer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::Instrument;
use verdict_relayer::{
    JobState, RelayerError,
    line::{Line, PATIENCE},
};

use super::{
    RoundError, Sender,
    budget::Allowance,
    flight::Flight,
    refusal::{Refusal, refusal},
    view::Asked,
};
use crate::{
    job::{Reason, ReasonCode, State},
    store::{Outcome, StoreError},
};

/// For how long after the first answer others are waited for, before what was answered is signed. Each
/// such part asks the node some things anew, and a process that is killed signs no more of the others.
const PART: Duration = Duration::from_millis(250);

/// For how long the relayer signs in one look, part by part, as long as there is something to sign.
const AGAIN: Duration = Duration::from_secs(4);

impl Sender {
    /// Hands proofs to the relayer, in their order, unless it has them or there is no use in them, and
    /// has it send what it has. The chain is asked about several at once; whoever is answered is
    /// handed over, signed and sent while others are asked about.
    pub(super) async fn start(
        &mut self,
        ids: &[String],
        mut room: Allowance,
    ) -> Result<(), RoundError> {
        let asking = Arc::clone(&self.asking);
        // Of these the answer is late, and comes by itself; unless nobody wants it any more.
        let wanted = |id: &&String| asking.holds(id) && !self.is_over_unsent(id);
        let (late, ids): (Vec<&String>, Vec<&String>) = ids.iter().partition(wanted);
        ids.iter().for_each(|id| asking.forget(id));
        // What is healed later is signed for as far as there is money then.
        self.chain.relayer().allow(room.left());
        let placed = self.unsigned_flights().filter(|flight| self.takes_place(flight)).count();
        room.take(late.len() + placed);
        let mut ready = Vec::new();
        for id in ids {
            if self.may_start(id, &mut room).await? {
                ready.push(id);
            }
        }
        let mut line = Line::new(&asking, self.config.chain.concurrency, Some(PATIENCE));
        for id in ready {
            let Some(flight) = self.flights.get(id) else { continue };
            let (view, relay) = (self.view(), flight.relay.clone());
            line.push(id.clone(), async move { view.ask(&relay).await });
        }
        // What the relayer has from before is sent also where nothing is handed over.
        let (mut over, mut first, mut goes_on) = (false, true, false);
        let began = Instant::now();
        while !over || goes_on {
            let busy = self.unsigned() > 0 && self.may_send();
            let mut next = match over {
                true => None,
                // The signer does not wait for long while others are asked about.
                false if busy => match tokio::time::timeout(PART, line.next()).await {
                    Ok(next) => {
                        over = next.is_none();
                        next
                    }
                    Err(_) => None,
                },
                false => {
                    let next = line.next().await;
                    over = next.is_none();
                    next
                }
            };
            if over && !first && !goes_on {
                break;
            }
            first = false;
            let until = tokio::time::Instant::now() + PART;
            while let Some((id, asked)) = next {
                let span = self.span(&id, |_| true, || tracing::info_span!("hand over"));
                self.hand_over(&id, asked).instrument(span).await?;
                let then = tokio::time::timeout_at(until, line.next()).await;
                over = matches!(then, Ok(None));
                next = then.ok().flatten();
            }
            // Asking may have taken long.
            if !self.owns().await? {
                return Ok(());
            }
            self.own().await?;
            self.call_off().await?;
            let relayer = self.chain.relayer().clone();
            let sent = line.beside(relayer.send()).await?;
            let is_sent =
                |step: &Result<JobState, RelayerError>| matches!(step, Ok(JobState::Submitted));
            let any = sent.iter().any(|(_, step)| is_sent(step));
            self.follow_all(sent).await?;
            goes_on = any && self.unsigned() > 0 && began.elapsed() < AGAIN;
        }
        Ok(())
    }

    /// Whether a proof that nobody may have sent is cancelled, or too late.
    fn is_over_unsent(&self, id: &str) -> bool {
        let now = self.store.now_ms() / 1000;
        let over = |flight: &Flight| flight.cancelled.is_some() || flight.relay.deadline <= now;
        self.flights.get(id).is_some_and(|flight| !flight.relay.sent && over(flight))
    }

    /// How many proofs the relayer was given and has not signed for.
    pub(super) fn unsigned(&self) -> usize {
        self.unsigned_flights().count()
    }

    pub(super) fn unsigned_flights(&self) -> impl Iterator<Item = &Flight> {
        self.flights.values().filter(|flight| flight.job.is_some() && flight.seen.is_none())
    }

    /// Whether a proof is to be handed over now, as far as that is known without the chain. What is to
    /// be said of one that is not is said.
    async fn may_start(&mut self, id: &str, room: &mut Allowance) -> Result<bool, StoreError> {
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
        }
        let (sent, known) = (relay.sent, self.view().deployment(relay).is_some());
        if !sent && let Some(reason) = room.refused() {
            self.hold(id, reason).await?;
            return Ok(false);
        }
        if !known {
            let message = "its model is not served any more: it waits until it is, or its deadline";
            self.hold(id, Reason::new(ReasonCode::UnknownModel, message)).await?;
            return Ok(false);
        }
        if !sent {
            room.take(1);
        }
        Ok(true)
    }

    async fn hand_over(&mut self, id: &str, asked: Asked) -> Result<(), StoreError> {
        let (Some(asked), Some(flight)) = (asked, self.flights.get(id)) else { return Ok(()) };
        // It may have been cancelled, or become too late, while it was asked about.
        if self.is_over_unsent(id) {
            return self.withdraw(id).await;
        }
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
}
