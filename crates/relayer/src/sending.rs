//! A step of queued jobs: prepared at once, signed for in their order, broadcast at once.

use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    backend::RpcErrorKind,
    drive::{Core, Held, Result, Steps, within},
    error::RelayerError,
    job::{Attempt, JobId, JobState},
    line::{Line, Task},
    look::Look,
    nonce::Reservation,
    open::Open,
    prepare::{Offer, Prepared, Unsigned},
    signer::{Signature, SignerError},
    signers::Signers,
    storage::Job,
};

/// How old an offer may be, in parts of the patience: what waits for its turn gets that old.
const OLD: u32 = 2;

/// A broadcast and its answer.
pub(crate) struct Sent {
    held: Held,
    attempt: Attempt,
    answer: Result<JobState>,
}

/// A queued job that was looked at.
pub(crate) struct Ready {
    held: Held,
    /// The look that it was part of.
    look: Arc<Look>,
    /// Whether an earlier answer was too old.
    again: bool,
    prepared: Result<Prepared>,
}

/// A question to the signer. Until it is over, the nonce is nobody else's, and none above it is given
/// away; given up, the nonce is free: what was signed for it is nowhere.
pub(crate) struct Signing {
    held: Held,
    unsigned: Unsigned,
    turn: Option<Reservation>,
    stage: Stage,
    since: Instant,
    /// Whether it was said that the signer does not answer.
    told: bool,
}

/// How far it is.
enum Stage {
    /// The signer is being asked.
    Asking(BoxFuture<'static, Signature>),
    /// It signed late, and the node is being asked whether that is of use still.
    Looking((B256, Bytes), BoxFuture<'static, Result<Prepared>>),
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing").field("job", &self.id()).finish_non_exhaustive()
    }
}

impl Signing {
    pub(crate) const fn id(&self) -> JobId {
        self.held.job.id
    }
}

/// What became of asking for a signature.
enum Asked {
    Stored(Held, Attempt),
    Over(Held, Result<JobState>),
    /// It is not there yet.
    Open(Signing),
}

impl Core {
    pub(crate) fn signers(&self) -> std::sync::MutexGuard<'_, Signers> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ready(self: Arc<Self>, look: Arc<Look>, held: Held, again: bool) -> Ready {
        let prepared = self.prepare(&look, &held.job).await;
        Ready { held, look, again, prepared }
    }

    /// A step of queued jobs: they are prepared at once, each is signed for when its turn comes, in
    /// their order, and broadcast at once. None is waited for longer than `patience`, nor is all the
    /// signing; once that is over, nothing more is signed in this step.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut held: Vec<Held>,
        open: &Open,
        patience: Option<Duration>,
    ) -> Steps {
        let most = self.config.concurrency;
        let look = Arc::new(Look::new(self));
        let mut over = Vec::new();
        let mut sending = Line::new(&open.sends, most, patience);
        // Whoever the signer did not sign for waits for the others.
        let others = {
            let signers = self.signers();
            let is_other = |id| signers.times(id) == 0;
            held.iter().any(|one| is_other(one.job.id)) || open.prepares.any(|id| is_other(*id))
        };
        if let Some((held, attempt)) =
            self.late_signature(&look, open, others, patience, &mut over).await
        {
            sending.push(held.job.id, self.clone().sent_off(held, attempt));
        }
        let mut closed = open.is_signing();
        if closed {
            held.clear();
        }
        let due = |id| {
            patience
                .is_none_or(|patience| self.signers().is_due(id, others, patience, Instant::now()))
        };
        held.retain(|one| due(one.job.id));
        held.sort_by_cached_key(|one| self.signers().times(one.job.id));
        if held.iter().any(|one| one.job.nonce.is_none()) {
            // Before the head, at which effects are looked for: what is mined in between is seen then.
            // A failure is that of each job.
            let _ = within(patience, look.counts()).await;
        }
        let mut preparing = Line::new(&open.prepares, most, patience);
        for held in held {
            let (core, look) = (Arc::clone(self), Arc::clone(&look));
            preparing.push(held.job.id, core.ready(look, held, false));
        }
        let mut refused = Vec::new();
        let mut prepared_all = false;
        let mut left = patience;
        loop {
            let Ready { held, look: of, again, prepared } = tokio::select! {
                biased;
                next = sending.next(), if prepared_all || !sending.is_empty() => match next {
                    Some((_, sent)) => {
                        self.sent(sent, &mut over, &mut refused).await;
                        continue;
                    }
                    None if prepared_all => break,
                    None => continue,
                },
                next = preparing.next(), if !prepared_all => match next {
                    Some((_, ready)) => ready,
                    None => {
                        prepared_all = true;
                        continue;
                    }
                },
            };
            let asked = match prepared {
                Ok(Prepared::Offer(_)) if closed || !due(held.job.id) => {
                    // Nothing is new: what was said of it last holds.
                    drop(held);
                    continue;
                }
                Ok(Prepared::Offer(_))
                    if !again && patience.is_some_and(|p| of.age() > p * OLD) =>
                {
                    // The call may revert by now. One that is old once more is taken as it is.
                    let (core, look) = (Arc::clone(self), Arc::clone(&look));
                    preparing.push_again(held.job.id, core.ready(look, held, true));
                    continue;
                }
                Ok(Prepared::Offer(offer)) => match within(patience, look.counts()).await {
                    Some(_) => {
                        // What was late was prepared for an earlier look.
                        let early = !Arc::ptr_eq(&of, &look);
                        let since = Instant::now();
                        let asked = self.sign_offer(&look, held, offer, early, left).await;
                        left = left.map(|left| left.saturating_sub(since.elapsed()));
                        closed |= left.is_some_and(|left| left.is_zero());
                        asked
                    }
                    None => {
                        closed = true;
                        Asked::Over(held, Ok(JobState::Queued))
                    }
                },
                Ok(Prepared::Over(state)) => Asked::Over(held, Ok(state)),
                Err(error) => Asked::Over(held, Err(error)),
            };
            match asked {
                Asked::Stored(held, attempt) => {
                    sending.push(held.job.id, self.clone().sent_off(held, attempt));
                }
                Asked::Over(held, step) => over.push(self.stepped(held, step).await),
                Asked::Open(signing) => {
                    closed = true;
                    self.keep_asking(signing, open, others, patience, &mut over).await;
                }
            }
        }
        self.offer_again(refused, patience, &mut over).await;
        over
    }

    async fn sent_off(self: Arc<Self>, held: Held, attempt: Attempt) -> Sent {
        let answer = self.broadcast(&held.job, &attempt, true).await;
        Sent { held, attempt, answer }
    }

    /// Asks for the signature of a job's first transaction, at the next nonce if none is given, and waits
    /// for it as long as is `left`. An `early` offer is of an earlier look.
    async fn sign_offer(
        self: &Arc<Self>,
        look: &Look,
        held: Held,
        offer: Offer,
        early: bool,
        left: Option<Duration>,
    ) -> Asked {
        let (nonce, turn) = match held.job.nonce {
            Some(nonce) => (nonce, None),
            None => {
                let waits = match early {
                    true => self.waits_for_others(look, &held.job).await,
                    false => Ok(false),
                };
                match waits {
                    Ok(false) => {}
                    Ok(true) => return Asked::Over(held, Ok(JobState::Queued)),
                    Err(error) => return Asked::Over(held, Err(error)),
                }
                match self.reserve(look).await {
                    Ok(turn) => (turn.nonce(), Some(turn)),
                    Err(error) => return Asked::Over(held, Err(error)),
                }
            }
        };
        let unsigned = Unsigned { nonce, offer, cancels: false };
        let (signer, tx) = (self.signer.clone(), self.transaction(&held.job, &unsigned));
        let asking = async move { signer.sign(tx).await };
        let mut asking = match left {
            Some(_) => Task::begin(asking).answer().boxed(),
            None => asking.boxed(),
        };
        let since = Instant::now();
        let answer = within(left, &mut asking).await;
        let signing =
            Signing { held, unsigned, turn, stage: Stage::Asking(asking), since, told: false };
        match answer.map(|answer| self.signed(&signing, answer)) {
            Some(Ok(signed)) => self.store_signature(signing, signed).await,
            Some(Err(error)) => Asked::Over(signing.held, Err(error)),
            None => Asked::Open(signing),
        }
    }

    /// What the signer answered tells of it, too.
    fn signed(&self, signing: &Signing, answer: Signature) -> Result<(B256, Bytes)> {
        let (id, mut signers) = (signing.id(), self.signers());
        match &answer {
            Ok(_) => signers.signed(id, signing.since.elapsed()),
            Err(_) => signers.refused(id, Instant::now()),
        }
        Ok(answer?)
    }

    /// Writes down what was signed.
    async fn store_signature(&self, signing: Signing, (hash, raw): (B256, Bytes)) -> Asked {
        let Signing { held, unsigned, turn, .. } = signing;
        let tip = unsigned.offer.tip;
        let attempt = self.store_signed(&held.job, unsigned, hash, raw).await;
        // Not before it is stored.
        drop(turn);
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(error) => return Asked::Over(held, Err(error)),
        };
        match self.note_tip(&held.job, tip).await {
            Ok(()) => Asked::Stored(held, attempt),
            Err(error) => Asked::Over(held, Err(error)),
        }
    }

    /// A question to the signer goes on beside the steps while it has time; then it is given up.
    async fn keep_asking(
        &self,
        mut signing: Signing,
        open: &Open,
        others: bool,
        patience: Option<Duration>,
        over: &mut Steps,
    ) {
        let (id, asked) = (signing.id(), signing.since.elapsed());
        let silent = || SignerError::Silent { address: self.scope.sender };
        // Where others took most of the step's time, it may have been asked just now.
        if patience.is_some_and(|patience| asked >= patience / 2)
            && !std::mem::replace(&mut signing.told, true)
            && let Err(error) = self.note(&signing.held.job, silent().to_string()).await
        {
            over.push(self.stepped(signing.held, Err(error)).await);
            return;
        }
        let window = |patience| self.signers().window(id, others, patience, signing.since);
        if patience.is_none_or(|patience| asked < window(patience)) {
            if signing.told {
                over.push((id, Err(silent().into())));
            }
            open.sign(signing);
        } else {
            self.signers().was_silent(id, Instant::now());
            let Signing { held, turn, stage, .. } = signing;
            drop((stage, turn));
            over.push(self.stepped(held, Err(silent().into())).await);
        }
    }

    /// What the signer signed since the last step, if it is of use still: its nonce is the next one,
    /// and the job is to be sent as the chain is now. Until the node says so, it is kept.
    async fn late_signature(
        self: &Arc<Self>,
        look: &Arc<Look>,
        open: &Open,
        others: bool,
        patience: Option<Duration>,
        over: &mut Steps,
    ) -> Option<(Held, Attempt)> {
        let mut signing = open.take_signing()?;
        if let Stage::Asking(asking) = &mut signing.stage {
            let Some(answer) = asking.now_or_never() else {
                self.keep_asking(signing, open, others, patience, over).await;
                return None;
            };
            let signed = match self.signed(&signing, answer) {
                Ok(signed) => signed,
                Err(error) => {
                    over.push(self.stepped(signing.held, Err(error)).await);
                    return None;
                }
            };
            let (core, look) = (Arc::clone(self), Arc::clone(look));
            let (job, nonce) = (signing.held.job.clone(), signing.unsigned.nonce);
            let looking = async move { core.prepare_again(&look, &job, nonce).await };
            signing.stage = Stage::Looking(signed, Task::begin(looking).answer().boxed());
        }
        let Stage::Looking(signed, looking) = &mut signing.stage else { return None };
        let Some(looked) = within(patience, looking).await else {
            open.sign(signing);
            return None;
        };
        let (held, step) = match looked {
            Ok(Prepared::Offer(_)) => {
                let signed = signed.clone();
                match self.store_signature(signing, signed).await {
                    Asked::Stored(held, attempt) => return Some((held, attempt)),
                    Asked::Over(held, step) => (held, step),
                    Asked::Open(signing) => (signing.held, Ok(JobState::Queued)),
                }
            }
            Ok(Prepared::Over(state)) => (signing.held, Ok(state)),
            Err(error) => (signing.held, Err(error)),
        };
        over.push(self.stepped(held, step).await);
        None
    }

    /// Whether a job is to be sent as the chain is now, at a nonce that is kept for it.
    async fn prepare_again(&self, look: &Look, job: &Job, nonce: u64) -> Result<Prepared> {
        // Before the head, as for the others.
        if job.nonce.is_none() && self.next_nonce(look).await? != nonce {
            return Ok(Prepared::Over(JobState::Queued));
        }
        self.prepare(look, job).await
    }

    /// What became of a broadcast.
    async fn sent(&self, sent: Sent, over: &mut Steps, refused: &mut Vec<Sent>) {
        match &sent.answer {
            Err(RelayerError::Rpc(error)) if error.kind == RpcErrorKind::NonceTooHigh => {
                refused.push(sent);
            }
            _ => over.push(self.stepped(sent.held, sent.answer).await),
        }
    }

    /// Some nodes take no nonce before the one below it, which is there by now.
    async fn offer_again(
        &self,
        mut refused: Vec<Sent>,
        patience: Option<Duration>,
        over: &mut Steps,
    ) {
        refused.sort_by_key(|sent| sent.attempt.nonce);
        let mut silent = false;
        for Sent { held, attempt, answer } in refused {
            // What is stored and was not taken is offered with the next look.
            let step = match silent {
                true => answer,
                false => match within(patience, self.broadcast(&held.job, &attempt, true)).await {
                    Some(step) => step,
                    None => {
                        silent = true;
                        answer
                    }
                },
            };
            over.push(self.stepped(held, step).await);
        }
    }
}
