//! A question to the signer, as the queue has it asked.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use alloy::consensus::TxEip1559;
use futures::{FutureExt, future::BoxFuture};

use crate::{
    drive::Core,
    job::JobId,
    line::Task,
    queue::{LONGEST, Queue, Request, Use},
    signer::Signature,
};

impl Core {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its place in the queue, given back when nobody wants the answer any more.
pub(crate) struct Place {
    core: Arc<Core>,
    request: Request,
    /// Whether the queue has it as asked.
    open: bool,
}

impl Place {
    /// The place of what the queue said is to be asked.
    pub(crate) const fn of(core: Arc<Core>, request: Request) -> Self {
        Self { core, request, open: true }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.open {
            self.core.queue().dropped(self.request);
        }
    }
}

/// A question to the signer.
pub(crate) struct Question {
    place: Place,
    since: Instant,
    /// Brings when it came, too: it may be looked at long after.
    answer: BoxFuture<'static, (Instant, Signature)>,
}

impl Question {
    /// Asks for a signature; `beside` what waits for it, with Tokio's runtime.
    pub(crate) fn ask(place: Place, tx: TxEip1559, beside: bool) -> Self {
        let signer = place.core.signer.clone();
        let asking = async move {
            let answer = signer.sign(tx).await;
            (Instant::now(), answer)
        };
        let answer = if beside { Task::begin(asking).answer().boxed() } else { asking.boxed() };
        Self { place, since: Instant::now(), answer }
    }

    pub(crate) const fn request(&self) -> Request {
        self.place.request
    }

    pub(crate) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Instant, Signature)> {
        self.answer.poll_unpin(context)
    }

    pub(crate) async fn answer(&mut self) -> (Instant, Signature) {
        (&mut self.answer).await
    }

    pub(crate) fn now_or_never(&mut self) -> Option<(Instant, Signature)> {
        (&mut self.answer).now_or_never()
    }

    /// Tells the queue what the signer answered: what it signed, if that is to be kept.
    pub(crate) fn answered(mut self, (at, answer): (Instant, Signature)) -> Option<Signature> {
        let (request, mut queue) = (self.request(), self.place.core.queue());
        self.place.open = false;
        match &answer {
            Ok(_) if queue.signed(request, at) == Use::ThrowAway => return None,
            Ok(_) => {}
            Err(_) => queue.refused(request, at),
        }
        drop(queue);
        Some(answer)
    }
}

/// Questions that were given up and may still be answered.
#[derive(Default)]
pub(crate) struct Listening(Mutex<Vec<Question>>);

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

impl Listening {
    fn open(&self) -> MutexGuard<'_, Vec<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a question up: its answer is thrown away, and tells how slow the signer is.
    pub(crate) fn give_up(&self, mut question: Question) {
        let request = question.request();
        let listens = question.place.core.queue().silent(request, Instant::now());
        question.place.open = false;
        if listens {
            let mut open = self.open();
            let older: Vec<_> = open.extract_if(.., |own| own.request() == request).collect();
            open.push(question);
            drop(open);
            drop(older);
        }
    }

    /// Takes what was answered by now.
    pub(crate) fn hear(&self) {
        let mut open = self.open();
        let is_over = |question: &mut Question| {
            if let Some((at, answer)) = question.now_or_never() {
                let request = question.request();
                question.place.core.queue().late(request, answer.is_ok(), at);
                return true;
            }
            question.waited() >= LONGEST
        };
        let over: Vec<_> = open.extract_if(.., is_over).collect();
        drop(open);
        drop(over);
    }

    pub(crate) fn forget(&self, job: JobId) {
        let forgotten: Vec<_> =
            self.open().extract_if(.., |own| own.request().job == job).collect();
        drop(forgotten);
    }

    pub(crate) fn clear(&self) {
        let open = std::mem::take(&mut *self.open());
        drop(open);
    }
}
