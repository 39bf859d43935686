//! A step of queued jobs: prepared at once, signed for as the queue for the signer says, broadcast at
//! once.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    asking::{Place, Question},
    backend::RpcErrorKind,
    drive::{Core, Held, Result, Steps, within},
    error::RelayerError,
    job::{Attempt, JobId, JobState},
    line::{Line, Task},
    look::Look,
    nonce::Reservation,
    open::Open,
    prepare::{Offer, Prepared, Unsigned},
    queue::{Kind, Request},
    signer::{Signature, SignerError},
    storage::Job,
};

/// So many offers wait for the signer while the others that are half as old as they may be are looked
/// at again: while it signs for these, those are ready when it comes to them.
const AT_HAND: usize = 4;
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

impl Ready {
    pub(crate) const fn id(&self) -> JobId {
        self.held.job.id
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("job", &self.id()).finish_non_exhaustive()
    }
}

/// An offer that waits for its turn at the signer.
struct Waiting {
    held: Held,
    look: Arc<Look>,
    again: bool,
    offer: Offer,
}

/// A job that the signer is asked about. Until that is over, a nonce that was the next one is nobody
/// else's, and none above it is given away; given up, it is free: what was signed for it is nowhere.
pub(crate) struct Signing {
    held: Held,
    unsigned: Unsigned,
    turn: Option<Reservation>,
    /// The look that the offer is of.
    look: Arc<Look>,
    stage: Stage,
    /// Whether it was said that the signer does not answer.
    told: bool,
}

/// How far it is.
enum Stage {
    /// The signer is being asked.
    Asking(Question),
    /// It signed late, and the node is being asked whether that is of use still.
    Looking((B256, Bytes), BoxFuture<'static, Result<Prepared>>),
}

/// What came of it.
enum Answer {
    Signed((Instant, Signature)),
    Looked(Result<Prepared>),
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

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        match &mut self.stage {
            Stage::Asking(question) => question.poll(context).map(Answer::Signed),
            Stage::Looking(_, looking) => looking.poll_unpin(context).map(Answer::Looked),
        }
    }

    /// Until when its step waits for it.
    fn until(&self, patience: Duration) -> Option<Instant> {
        match &self.stage {
            Stage::Asking(question) => (Instant::now() + patience).checked_sub(question.waited()),
            Stage::Looking(..) => None,
        }
    }
}

/// The next of them that is answered.
async fn next_answer(signing: &mut [Signing]) -> (usize, Answer) {
    poll_fn(|context| {
        for (at, one) in signing.iter_mut().enumerate() {
            if let Poll::Ready(answer) = one.poll(context) {
                return Poll::Ready((at, answer));
            }
        }
        Poll::Pending
    })
    .await
}

/// What a queued job asks of the signer.
const fn request(job: &Job) -> Request {
    let kind = if job.nonce.is_some() { Kind::Transfer } else { Kind::First };
    Request { kind, job: job.id }
}

/// One step.
struct Step<'a> {
    core: &'a Arc<Core>,
    open: &'a Open,
    patience: Option<Duration>,
    look: Arc<Look>,
    waiting: BTreeMap<Request, Waiting>,
    signing: Vec<Signing>,
    over: Steps,
    /// Whether nothing more is asked for in this step.
    closed: bool,
}

impl Core {
    async fn ready(self: Arc<Self>, look: Arc<Look>, held: Held, again: bool) -> Ready {
        let prepared = self.prepare(&look, &held.job).await;
        Ready { held, look, again, prepared }
    }

    /// A step of queued jobs: they are prepared at once, signed for as it is their turn, and broadcast
    /// at once. None is waited for longer than `patience`, nor is all the signing: what the signer is
    /// asked for then goes on, and offers that wait for it are kept as long as they are new.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut held: Vec<Held>,
        open: &Open,
        patience: Option<Duration>,
    ) -> Steps {
        let most = self.config.concurrency;
        let look = Arc::new(Look::new(self));
        let mut preparing = Line::new(&open.prepares, most, patience);
        let mut sending = Line::new(&open.sends, most, patience);
        let mut step = Step {
            core: self,
            open,
            patience,
            look: Arc::clone(&look),
            waiting: BTreeMap::new(),
            signing: open.take_signing(),
            over: Vec::new(),
            closed: false,
        };
        let mut kept = open.take_ready();
        if patience.is_some() {
            let may_be_next = {
                let mut queue = self.queue();
                let given = held.iter().chain(kept.iter().map(|ready| &ready.held));
                for one in given.filter(|one| one.job.nonce.is_some()) {
                    queue.wait(request(&one.job));
                }
                queue.may_be_next(Instant::now())
            };
            held.retain(|one| may_be_next.contains(&request(&one.job)));
            kept.retain(|one| may_be_next.contains(&request(&one.held.job)));
        }
        if held.iter().any(|one| one.job.nonce.is_none()) {
            // Before the head, at which effects are looked for: what is mined in between is seen then.
            // A failure is that of each job.
            let _ = within(patience, look.counts()).await;
        }
        let mut first_looks = held.len();
        for held in held {
            let (core, look) = (Arc::clone(self), Arc::clone(&look));
            preparing.push(held.job.id, core.ready(look, held, false));
        }
        for ready in kept {
            if let Some((held, look)) = step.prepared(ready).await {
                let core = Arc::clone(self);
                preparing.push_again(held.job.id, core.ready(look, held, true));
            }
        }
        let (mut refused, mut prepared_all) = (Vec::new(), false);
        // For so long the signer is asked in this step, whatever else takes long.
        let (mut left, mut asks, mut last) = (patience, false, Instant::now());
        loop {
            let now = Instant::now();
            if asks {
                left = left.map(|left| left.saturating_sub(now - last));
            }
            last = now;
            let ends = left.map(|left| now + left);
            step.closed |= left.is_some_and(|left| left.is_zero());
            while let Some((at, answer)) = next_answer(&mut step.signing).now_or_never() {
                if let Some((held, attempt)) = step.answered(at, answer).await {
                    sending.push(held.job.id, self.clone().sent_off(held, attempt));
                }
            }
            step.give_up(now).await;
            step.ask().await;
            asks = !step.signing.is_empty();
            for (held, look) in step.aging() {
                let core = Arc::clone(self);
                preparing.push_again(held.job.id, core.ready(look, held, true));
                prepared_all = false;
            }
            let wakes = step.wakes(ends, now);
            // What was looked at once is not waited for while nothing more may be asked.
            let prepared = prepared_all || step.closed && first_looks == 0;
            if prepared && sending.is_empty() && (step.signing.is_empty() || wakes.is_none()) {
                break;
            }
            let wake = async {
                match wakes.filter(|_| patience.is_some()) {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let looks = wakes.is_some();
            tokio::select! {
                biased;
                sent = sending.next(), if !sending.is_empty() => {
                    if let Some((_, sent)) = sent {
                        self.sent(sent, &mut step.over, &mut refused).await;
                    }
                }
                next = preparing.next(), if !prepared_all => match next {
                    Some((_, ready)) => {
                        first_looks -= usize::from(!ready.again).min(first_looks);
                        if let Some((held, look)) = step.prepared(ready).await {
                            let core = Arc::clone(self);
                            preparing.push_again(held.job.id, core.ready(look, held, true));
                        }
                    }
                    None => (prepared_all, first_looks) = (true, 0),
                },
                (at, answer) = next_answer(&mut step.signing), if looks => {
                    if let Some((held, attempt)) = step.answered(at, answer).await {
                        sending.push(held.job.id, self.clone().sent_off(held, attempt));
                    }
                }
                () = wake, if looks => {}
            }
        }
        // What is late goes on.
        while let Some((_, sent)) = sending.next().await {
            self.sent(sent, &mut step.over, &mut refused).await;
        }
        while let Some(Some((_, ready))) = preparing.next().now_or_never() {
            step.prepared(ready).await;
        }
        preparing.leave();
        let mut over = step.end().await;
        self.offer_again(refused, patience, &mut over).await;
        over
    }

    async fn sent_off(self: Arc<Self>, held: Held, attempt: Attempt) -> Sent {
        let answer = self.broadcast(&held.job, &attempt, true).await;
        Sent { held, attempt, answer }
    }

    /// Writes down what was signed.
    async fn store_signature(
        &self,
        job: &Job,
        unsigned: Unsigned,
        (hash, raw): (B256, Bytes),
    ) -> Result<Attempt> {
        let attempt = self.store_signed(job, unsigned, hash, raw).await?;
        self.note_tip(job, unsigned.offer.tip).await?;
        Ok(attempt)
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

impl Step<'_> {
    fn silent(&self) -> RelayerError {
        SignerError::Silent { address: self.core.scope.sender }.into()
    }

    async fn is_over(&mut self, held: Held, step: Result<JobState>) {
        self.over.push(self.core.stepped(held, step).await);
    }

    fn is_old(&self, look: &Look) -> bool {
        self.patience.is_some_and(|patience| look.age() > patience * OLD)
    }

    /// A job was looked at: it waits for its turn at the signer. One whose offer is too old, as the call
    /// may revert by now, is looked at again; one that is old once more is taken as it is.
    async fn prepared(&mut self, ready: Ready) -> Option<(Held, Arc<Look>)> {
        let Ready { held, look, again, prepared } = ready;
        match prepared {
            Ok(Prepared::Offer(_)) if !again && self.is_old(&look) => {
                return Some((held, Arc::clone(&self.look)));
            }
            Ok(Prepared::Offer(offer)) => {
                let waiting = Waiting { held, look, again, offer };
                self.waiting.insert(request(&waiting.held.job), waiting);
            }
            Ok(Prepared::Over(state)) => self.is_over(held, Ok(state)).await,
            Err(error) => self.is_over(held, Err(error)).await,
        }
        None
    }

    /// Those that will be too old when it is their turn.
    fn aging(&mut self) -> Vec<(Held, Arc<Look>)> {
        let (Some(patience), false) = (self.patience, self.closed || self.signing.is_empty())
        else {
            return vec![];
        };
        let mut at = 0;
        let aging = self.waiting.extract_if(.., |_, waiting| {
            at += 1;
            at > AT_HAND && waiting.look.age() > patience * OLD / 2
        });
        let aging: Vec<Held> = aging.map(|(_, waiting)| waiting.held).collect();
        if aging.is_empty() {
            return vec![];
        }
        let look = Arc::new(Look::new(self.core));
        aging.into_iter().map(|held| (held, Arc::clone(&look))).collect()
    }

    /// Asks the signer as the queue says.
    async fn ask(&mut self) {
        while !self.closed {
            let is_free = self.signing.iter().all(|signing| signing.turn.is_none());
            let may_be_asked = |request: &&Request| is_free || request.kind != Kind::First;
            let at_hand: Vec<Request> = self.waiting.keys().filter(may_be_asked).copied().collect();
            let next = match self.patience {
                Some(_) => self.core.queue().next(&at_hand, Instant::now()),
                // Whoever waits for one job has it asked about.
                None => {
                    let first = at_hand.first().copied();
                    first.inspect(|first| self.core.queue().ask(*first, Instant::now()))
                }
            };
            let Some(next) = next else { return };
            let place = Place::of(Arc::clone(self.core), next);
            let Some(waiting) = self.waiting.remove(&next) else { return };
            self.begin(place, waiting).await;
        }
    }

    /// Asks for the signature of a job's first transaction, at the next nonce if none is given.
    async fn begin(&mut self, place: Place, waiting: Waiting) {
        let Waiting { held, mut look, offer, .. } = waiting;
        let (nonce, turn) = match held.job.nonce {
            Some(nonce) => (nonce, None),
            None => {
                if self.is_old(&look) {
                    look = Arc::clone(&self.look);
                }
                if within(self.patience, look.counts()).await.is_none() {
                    self.closed = true;
                    return self.is_over(held, Ok(JobState::Queued)).await;
                }
                match self.core.waits_for_others(&look, &held.job).await {
                    Ok(false) => {}
                    Ok(true) => return self.is_over(held, Ok(JobState::Queued)).await,
                    Err(error) => return self.is_over(held, Err(error)).await,
                }
                match self.core.reserve(&look).await {
                    Ok(turn) => (turn.nonce(), Some(turn)),
                    Err(error) => return self.is_over(held, Err(error)).await,
                }
            }
        };
        let unsigned = Unsigned { nonce, offer, cancels: false };
        let tx = self.core.transaction(&held.job, &unsigned);
        let stage = Stage::Asking(Question::ask(place, tx, self.patience.is_some()));
        self.signing.push(Signing { held, unsigned, turn, look, stage, told: false });
    }

    /// Gives up what the queue says is over.
    async fn give_up(&mut self, now: Instant) {
        if self.patience.is_none() {
            return;
        }
        // It may tell that the signer is slow.
        self.open.listening.hear();
        let core = self.core;
        let is_over = |signing: &mut Signing| match &signing.stage {
            Stage::Asking(question) => core.queue().is_over(&question.request(), now),
            Stage::Looking(..) => false,
        };
        let over: Vec<Signing> = self.signing.extract_if(.., is_over).collect();
        for Signing { held, turn, stage, .. } in over {
            if let Stage::Asking(question) = stage {
                self.open.listening.give_up(question);
            }
            drop(turn);
            let silent = self.silent();
            let step = match self.core.note(&held.job, silent.to_string()).await {
                Ok(()) => silent,
                Err(error) => error,
            };
            self.is_over(held, Err(step)).await;
        }
    }

    /// When what is asked has to be looked at again, or what is waited for is over; none if nothing is
    /// waited for.
    fn wakes(&self, ends: Option<Instant>, now: Instant) -> Option<Instant> {
        let (Some(ends), Some(patience)) = (ends, self.patience) else {
            return (!self.signing.is_empty()).then_some(now);
        };
        let until = |signing: &Signing| match &signing.stage {
            Stage::Asking(question) => {
                let over = self.core.queue().until(&question.request(), now)?;
                Some(over.min(signing.until(patience)?))
            }
            Stage::Looking(..) => Some(ends),
        };
        let next = self.signing.iter().filter_map(until).filter(|at| *at > now).min()?;
        (ends > now).then(|| next.min(ends))
    }

    /// What came of a question: what is to be broadcast.
    async fn answered(&mut self, at: usize, answer: Answer) -> Option<(Held, Attempt)> {
        let Signing { held, unsigned, turn, look, stage, told } = self.signing.swap_remove(at);
        let signed = match (answer, stage) {
            (Answer::Signed(answer), Stage::Asking(question)) => match question.answered(answer)? {
                Ok(signed) if self.is_old(&look) => {
                    let (core, look) = (Arc::clone(self.core), Arc::clone(&self.look));
                    let (job, nonce) = (held.job.clone(), unsigned.nonce);
                    let looking = async move { core.prepare_again(&look, &job, nonce).await };
                    let stage = Stage::Looking(signed, Task::begin(looking).answer().boxed());
                    self.signing.push(Signing {
                        held,
                        unsigned,
                        turn,
                        look: Arc::clone(&self.look),
                        stage,
                        told,
                    });
                    return None;
                }
                Ok(signed) => signed,
                Err(error) => {
                    self.is_over(held, Err(error.into())).await;
                    return None;
                }
            },
            (Answer::Looked(looked), Stage::Looking(signed, _)) => match looked {
                Ok(Prepared::Offer(_)) => signed,
                Ok(Prepared::Over(state)) => {
                    self.is_over(held, Ok(state)).await;
                    return None;
                }
                Err(error) => {
                    self.is_over(held, Err(error)).await;
                    return None;
                }
            },
            _ => return None,
        };
        let stored = self.core.store_signature(&held.job, unsigned, signed).await;
        // Not before it is stored.
        drop(turn);
        match stored {
            Ok(attempt) => Some((held, attempt)),
            Err(error) => {
                self.is_over(held, Err(error)).await;
                None
            }
        }
    }

    /// The end of the step: what is asked goes on, and those whom the signer does not answer say so.
    async fn end(mut self) -> Steps {
        let Some(patience) = self.patience else { return self.over };
        let mut asked = Vec::new();
        for mut signing in std::mem::take(&mut self.signing) {
            if let Stage::Asking(question) = &signing.stage
                && question.waited() >= patience / 2
            {
                let silent = self.silent();
                if !std::mem::replace(&mut signing.told, true)
                    && let Err(error) = self.core.note(&signing.held.job, silent.to_string()).await
                {
                    self.is_over(signing.held, Err(error)).await;
                    continue;
                }
                self.over.push((signing.id(), Err(silent)));
            }
            asked.push(signing);
        }
        self.open.keep_signing(asked);
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let kept = waiting.filter(|waiting| !waiting.again || !self.is_old(&waiting.look));
        let kept = kept.map(|Waiting { held, look, again, offer }| Ready {
            held,
            look,
            again,
            prepared: Ok(Prepared::Offer(offer)),
        });
        self.open.keep_ready(kept.collect::<Vec<_>>());
        self.over
    }
}
