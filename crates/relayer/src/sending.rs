//! A step of queued jobs: prepared at once, signed for in their order, broadcast at once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    backend::RpcErrorKind,
    drive::{Core, Held, Open, Result, Steps, within},
    error::RelayerError,
    job::{Attempt, JobId, JobState},
    line::{Line, Task},
    look::Look,
    nonce::Reservation,
    prepare::{Offer, Prepared, Unsigned},
    signer::SignerError,
};

/// How many jobs are remembered for which the signer did not answer.
const MOST_STALLED: usize = 10_000;
/// So many times longer than before it is waited for a signature that did not come.
const LONGER: u32 = 4;
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
    asking: BoxFuture<'static, std::result::Result<(B256, Bytes), SignerError>>,
    since: Instant,
    /// When it is given up, so that others have their turn.
    until: Option<Instant>,
    /// Whether it was said that the signer does not answer.
    told: bool,
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

/// What is known of the signer.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    /// By job, how often it did not answer in time, and when last.
    stalled: HashMap<JobId, (u32, Instant)>,
    /// When it signed last, and how long that took.
    signed: Option<Instant>,
    took: Duration,
}

/// What became of asking for a signature.
enum Asked {
    Stored(Held, Attempt),
    Over(Held, Result<JobState>),
    /// It is not there yet.
    Open(Signing),
}

impl Core {
    fn signers(&self) -> std::sync::MutexGuard<'_, Signers> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the signer did not answer about a job.
    fn stalled(&self, id: JobId) -> u32 {
        self.signers().stalled.get(&id).map_or(0, |(times, _)| *times)
    }

    /// Whether the others had as long as a job will have that the signer did not answer about. It is
    /// not waited for that if the signer answers about nobody.
    fn is_due(&self, id: JobId, patience: Duration) -> bool {
        let (last, signed) = {
            let signers = self.signers();
            (signers.stalled.get(&id).map(|(_, last)| *last), signers.signed)
        };
        let Some(last) = last else { return true };
        signed.is_none_or(|signed| signed < last)
            || last.elapsed() >= self.signer_s_time(id, patience)
    }

    async fn ready(self: Arc<Self>, look: Arc<Look>, held: Held, again: bool) -> Ready {
        let prepared = self.prepare(&look, &held.job).await;
        Ready { held, look, again, prepared }
    }

    /// A step of queued jobs: they are prepared at once, each is signed for when its turn comes, in
    /// their order, and broadcast at once. None is waited for longer than `patience`; once the signer
    /// does not answer, nothing more is signed in this step.
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
        let late = self.late_signature(&look, open, patience, &mut over).await;
        let mut silent = open.is_signing();
        if let Some((held, attempt)) = late {
            sending.push(held.job.id, self.clone().sent_off(held, attempt));
        }
        if silent {
            held.clear();
        }
        if held.iter().any(|one| one.job.nonce.is_none()) {
            // Before the head, at which effects are looked for: what is mined in between is seen then.
            // A failure is that of each job.
            let _ = within(patience, look.counts()).await;
        }
        // Whoever the signer did not answer about waits for the others.
        let due = |id| patience.is_none_or(|patience| self.is_due(id, patience));
        held.retain(|one| due(one.job.id));
        held.sort_by_cached_key(|one| self.stalled(one.job.id));
        let mut preparing = Line::new(&open.prepares, most, patience);
        for held in held {
            let (core, look) = (Arc::clone(self), Arc::clone(&look));
            preparing.push(held.job.id, core.ready(look, held, false));
        }
        let mut refused = Vec::new();
        let mut prepared_all = false;
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
            // What was late was prepared for an earlier look.
            let early = !Arc::ptr_eq(&of, &look);
            let asked = match prepared {
                Ok(Prepared::Offer(_)) if silent || !due(held.job.id) => {
                    Asked::Over(held, Ok(JobState::Queued))
                }
                Ok(Prepared::Offer(_))
                    if early && !again && patience.is_some_and(|p| of.age() > p * OLD) =>
                {
                    // The call may revert by now. One that is old once more is taken as it is.
                    let (core, look) = (Arc::clone(self), Arc::clone(&look));
                    preparing.push_again(held.job.id, core.ready(look, held, true));
                    continue;
                }
                Ok(Prepared::Offer(offer)) => match within(patience, look.counts()).await {
                    Some(_) => self.sign_offer(&look, held, offer, early, patience).await,
                    None => Asked::Over(held, Ok(JobState::Queued)),
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
                    silent = true;
                    self.keep_asking(signing, open, &mut over).await;
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

    /// Asks for the signature of a job's first transaction, at the next nonce if none is given. An
    /// `early` offer is of an earlier look.
    async fn sign_offer(
        self: &Arc<Self>,
        look: &Look,
        held: Held,
        offer: Offer,
        early: bool,
        patience: Option<Duration>,
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
        let asking = match patience {
            Some(_) => Task::begin(asking).answer().boxed(),
            None => asking.boxed(),
        };
        let since = Instant::now();
        let until = patience.map(|patience| since + self.signer_s_time(held.job.id, patience));
        let mut signing = Signing { held, unsigned, turn, asking, since, until, told: false };
        match within(patience, &mut signing.asking).await {
            Some(answer) => self.store_signature(signing, answer).await,
            None => Asked::Open(signing),
        }
    }

    /// How long the signer has for a job while others wait: longer each time that it did not answer, so
    /// that whoever has to press a button can, and longer than it took last.
    fn signer_s_time(&self, id: JobId, patience: Duration) -> Duration {
        let times = self.stalled(id);
        let longer = patience.saturating_mul(LONGER.saturating_pow(times));
        longer.max(self.signers().took.saturating_mul(2))
    }

    /// Writes down what was signed.
    async fn store_signature(
        &self,
        signing: Signing,
        answer: std::result::Result<(B256, Bytes), SignerError>,
    ) -> Asked {
        let Signing { held, unsigned, turn, since, .. } = signing;
        let (hash, raw) = match answer {
            Ok(signed) => signed,
            Err(error) => {
                self.stalls(held.job.id);
                return Asked::Over(held, Err(error.into()));
            }
        };
        {
            let mut signers = self.signers();
            (signers.signed, signers.took) = (Some(Instant::now()), since.elapsed());
            signers.stalled.remove(&held.job.id);
        }
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

    /// The signer did not sign for a job.
    fn stalls(&self, id: JobId) {
        let mut signers = self.signers();
        if signers.stalled.len() >= MOST_STALLED {
            signers.stalled.clear();
        }
        let (times, last) = signers.stalled.entry(id).or_insert((0, Instant::now()));
        (*times, *last) = (times.saturating_add(1), Instant::now());
    }

    /// A question to the signer goes on beside the steps while it has time; then it is given up.
    async fn keep_asking(&self, mut signing: Signing, open: &Open, over: &mut Steps) {
        let id = signing.id();
        let silent = || SignerError::Silent { address: self.scope.sender };
        if !std::mem::replace(&mut signing.told, true)
            && let Err(error) = self.note(&signing.held.job, silent().to_string()).await
        {
            over.push(self.stepped(signing.held, Err(error)).await);
            return;
        }
        if signing.until.is_none_or(|until| Instant::now() < until) {
            over.push((id, Err(silent().into())));
            open.sign(signing);
        } else {
            self.stalls(id);
            let Signing { held, turn, asking, .. } = signing;
            drop((asking, turn));
            over.push(self.stepped(held, Err(silent().into())).await);
        }
    }

    /// What the signer signed since the last step, if it is of use still: its nonce is the next one,
    /// and the job is to be sent as the chain is now.
    async fn late_signature(
        self: &Arc<Self>,
        look: &Look,
        open: &Open,
        patience: Option<Duration>,
        over: &mut Steps,
    ) -> Option<(Held, Attempt)> {
        let mut signing = open.take_signing()?;
        let Some(answer) = (&mut signing.asking).now_or_never() else {
            self.keep_asking(signing, open, over).await;
            return None;
        };
        let job = &signing.held.job;
        let looking = async {
            // Before the head, as for the others.
            if job.nonce.is_none() && self.next_nonce(look).await? != signing.unsigned.nonce {
                return Ok(Prepared::Over(JobState::Queued));
            }
            self.prepare(look, job).await
        };
        let step = match within(patience, looking).await {
            Some(Ok(Prepared::Offer(_))) => match self.store_signature(signing, answer).await {
                Asked::Stored(held, attempt) => return Some((held, attempt)),
                Asked::Over(held, step) => (held, step),
                Asked::Open(signing) => (signing.held, Ok(JobState::Queued)),
            },
            Some(Ok(Prepared::Over(state))) => (signing.held, Ok(state)),
            Some(Err(error)) => (signing.held, Err(error)),
            None => (signing.held, Ok(JobState::Queued)),
        };
        over.push(self.stepped(step.0, step.1).await);
        None
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
