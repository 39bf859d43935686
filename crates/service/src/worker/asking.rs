//! Questions to a node, each model's apart.

use std::{future::Future, sync::Arc, time::Duration};

use alloy::primitives::Address;
use tokio::{task::JoinSet, time::Instant};

use super::{Lease, NotNow};
use crate::store::{Claimed, Claims};

/// How long no nonces of a model are asked for after there was no answer.
const REST: Duration = Duration::from_secs(3);

/// The nonces of jobs' subjects, or why they are not known.
pub(super) type Nonces = Result<Vec<(Address, u64)>, NotNow>;

/// Jobs whose nonces a node was asked for: their lease, they, and the nonces of their subjects.
pub(super) type Asked = (Lease, Vec<Claimed>, Nonces);

/// A model in its worker's turns.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) claims: Claims,
    /// Whether no queued job says any more that it waits for the node, as far as is known.
    pub(super) told: bool,
    /// Each of its questions holds another one of these.
    open: Arc<()>,
    rests_until: Option<Instant>,
    /// The last question had no answer: one at a time, until one has.
    doubted: bool,
}

impl Turn {
    pub(super) fn new(claims: Claims) -> Self {
        // What an earlier process told the queue may stand there still.
        Self { claims, told: false, open: Arc::default(), rests_until: None, doubted: false }
    }

    /// Whether nonces may be asked for now: while there is `room`, and one question in any case, so that
    /// no other model's take all the room.
    pub(super) fn may_ask(&self, room: bool) -> bool {
        let idle = Arc::strong_count(&self.open) == 1;
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        !rests && (idle || room && !self.doubted)
    }

    /// There was no answer.
    pub(super) fn failed(&mut self) {
        (self.doubted, self.told) = (true, false);
        self.rests_until = Some(Instant::now() + REST);
    }

    /// There was one. Whether queued jobs may say still that they wait for it.
    pub(super) fn succeeded(&mut self) -> bool {
        self.doubted = false;
        !self.told
    }
}

/// Questions to a node. One that panics leaves its jobs to whoever comes when their lease is over.
#[derive(Debug, Default)]
pub(super) struct Asking {
    running: JoinSet<(Arc<()>, Asked)>,
    last: Option<Asked>,
}

impl Asking {
    /// How many there are, those included whose answer nobody took.
    pub(super) fn len(&self) -> usize {
        self.running.len() + usize::from(self.last.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks for a model.
    pub(super) fn ask(
        &mut self,
        turn: &Turn,
        question: impl Future<Output = Asked> + Send + 'static,
    ) {
        let open = turn.open.clone();
        self.running.spawn(async move { (open, question.await) });
    }

    /// An answer that is there.
    pub(super) fn answered(&mut self) -> Option<Asked> {
        let ended = || self.running.try_join_next();
        let answer = || std::iter::from_fn(ended).find_map(Result::ok);
        self.last.take().or_else(|| answer().map(|(_, asked)| asked))
    }

    /// Returns when an answer is there, or nothing is asked.
    pub(super) async fn wait(&mut self) {
        if self.last.is_none() {
            self.last = self.next().await;
        }
    }

    /// The next answer; none if nothing is asked.
    pub(super) async fn next(&mut self) -> Option<Asked> {
        if let Some(last) = self.last.take() {
            return Some(last);
        }
        loop {
            if let Ok((_, answer)) = self.running.join_next().await? {
                return Some(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn() -> Turn {
        Turn::new(Claims { model: "a".into(), batch: 1, wait_ms: 0, node: true })
    }

    #[tokio::test]
    async fn a_model_without_an_answer_rests_and_asks_one_thing_at_a_time() {
        let (mut one, other) = (turn(), turn());
        let mut asking = Asking::default();
        for _ in 0..3 {
            assert!(one.may_ask(true) && other.may_ask(true));
            asking.ask(&one, std::future::pending());
        }
        assert_eq!(asking.len(), 3);
        assert!(!one.may_ask(false) && other.may_ask(false), "of each model one in any case");
        one.failed();
        assert!(!one.may_ask(true) && other.may_ask(true), "it is one model's trouble");
        one.rests_until = Some(Instant::now());
        assert!(!one.may_ask(true), "it has asked already");
        asking.running.shutdown().await;
        assert!(one.may_ask(true), "what was given up is over");
        let mut asking = Asking::default();
        asking.ask(&one, std::future::pending());
        assert!(!one.may_ask(true));
        assert!(one.succeeded() && one.may_ask(true));
    }
}
