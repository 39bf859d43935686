//! Questions on whose answers truth or money depends.
//!
//! One endpoint is believed, because there is nobody else to ask. Of several, each is asked,
//! and those that answer have to say the same; an endpoint that lies is found out as long as
//! an honest one answers. A quorum says how many have to answer. "The newest block" is another one at each endpoint, so that it is
//! replaced by the lowest head of them all, on which they can agree. What differs for a
//! moment, as in a reorganization, is asked again for a while.

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    sync::PoisonError,
    task::Poll,
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    providers::{Provider, RootProvider},
    transports::TransportResult,
};
use tokio::time::Instant;

use super::{Endpoint, Node};
use crate::backend::{BlockRef, RpcError, RpcErrorKind};

/// How far heads may be apart: on fast chains, a node lags by many blocks for a moment.
const HEADS_APART: u64 = 64;
/// Time between two looks at endpoints that disagree.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// How long an endpoint that did not answer is left alone while others do.
const REST: Duration = Duration::from_secs(60);
/// Most characters of an answer that an error shows.
const SHOWN: usize = 100;

/// An answer with its endpoint's name.
pub(super) type Told<'a, T> = (&'a str, T);

/// Two answers that do not go together.
pub(super) struct Apart<'a, T>(Box<[Told<'a, T>; 2]>);

impl<'a, T> Apart<'a, T> {
    pub(super) fn new(one: Told<'a, T>, other: Told<'a, T>) -> Self {
        Self(Box::new([one, other]))
    }
}

/// What the endpoints that answer say, at least one.
pub(super) struct Answers<'a, T> {
    pub(super) first: Told<'a, T>,
    others: Vec<Told<'a, T>>,
}

impl<'a, T> IntoIterator for Answers<'a, T> {
    type Item = Told<'a, T>;
    type IntoIter = std::iter::Chain<std::iter::Once<Self::Item>, std::vec::IntoIter<Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.others)
    }
}

impl<'a, T: Clone> Answers<'a, T> {
    /// The answer that all give.
    pub(super) fn same(&self) -> Result<T, Apart<'a, T>>
    where
        T: PartialEq,
    {
        match self.others.iter().find(|other| other.1 != self.first.1) {
            Some(other) => Err(Apart::new(self.first.clone(), other.clone())),
            None => Ok(self.first.1.clone()),
        }
    }

    /// The smallest and the largest answer.
    pub(super) fn ends(&self) -> (Told<'a, T>, Told<'a, T>)
    where
        T: Ord,
    {
        let (mut low, mut high) = (&self.first, &self.first);
        for told in &self.others {
            low = if told.1 < low.1 { told } else { low };
            high = if told.1 > high.1 { told } else { high };
        }
        (low.clone(), high.clone())
    }
}

/// The smallest and the largest of numbers that must not be further apart than `limit`.
pub(super) fn near<'a>(
    answers: &Answers<'a, u64>,
    limit: u64,
) -> Result<(u64, u64), Apart<'a, u64>> {
    let (low, high) = answers.ends();
    if high.1 - low.1 > limit {
        return Err(Apart::new(low, high));
    }
    Ok((low.1, high.1))
}

impl Node {
    /// Whether there is anybody to compare with.
    pub(super) fn several(&self) -> bool {
        self.endpoints.len() > 1
    }

    /// The answer of all endpoints that give one, which has to be the same.
    pub(super) async fn agree<T, F, Fut>(
        &self,
        method: &'static str,
        request: F,
    ) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: PartialEq + Clone + Debug + Send,
    {
        if !self.several() {
            return self.ask(method, request).await;
        }
        self.gather(method, request, |answers| answers.same()).await
    }

    /// Asks all endpoints and decides on what those that answer say, again for a while if
    /// that does not go together.
    pub(super) async fn gather<T, R, F, Fut, D>(
        &self,
        method: &'static str,
        request: F,
        decide: D,
    ) -> Result<R, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Debug + Send,
        D: for<'a> Fn(Answers<'a, T>) -> Result<R, Apart<'a, T>> + Send + Sync,
    {
        let start = Instant::now();
        let mut round = 0;
        loop {
            let error = match self.ask_all(method, &request).await {
                Ok(answers) => match decide(answers) {
                    Ok(decided) => return Ok(decided),
                    Err(apart) => disagreement(method, apart),
                },
                Err(error) => error,
            };
            let again = match error.kind {
                RpcErrorKind::Disagreement => start.elapsed() < self.options.agreement_time,
                RpcErrorKind::Unreachable | RpcErrorKind::RateLimited => {
                    round += 1;
                    round <= self.options.retries && start.elapsed() < self.options.rpc_deadline
                }
                _ => false,
            };
            if !again {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The answers of all endpoints, asked at once, or the first one's error if none answers.
    /// One that did not answer lately, or serves another chain, is asked only if there are too few others.
    async fn ask_all<T, F, Fut>(
        &self,
        method: &'static str,
        request: &F,
    ) -> Result<Answers<'_, T>, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        let now = Instant::now();
        let usable = |endpoint: &&Endpoint| !endpoint.rests(now) && !self.is_foreign(endpoint);
        let mut asked: Vec<&Endpoint> = self.endpoints.iter().filter(usable).collect();
        if asked.len() < self.options.quorum {
            asked.clear();
            asked.extend(&self.endpoints);
        }
        let limit = self.options.rpc_timeout;
        let asking = asked.into_iter().map(|endpoint| async move {
            let answer = tokio::time::timeout(limit, self.ask_one(endpoint, method, request));
            (endpoint, answer.await.unwrap_or_else(|_| Err(late(endpoint, method, limit))))
        });
        let (mut answers, mut errors) = (Vec::new(), Errors::default());
        for (endpoint, answer) in all(asking.collect()).await {
            endpoint.note(&answer, now);
            match answer {
                Ok(answer) => answers.push((endpoint.name.as_str(), answer)),
                Err(error) => {
                    tracing::warn!(endpoint = %endpoint.name, %error, "no answer to compare");
                    errors.push(error);
                }
            }
        }
        let heard = if answers.is_empty() { errors.refusals.len() } else { answers.len() };
        if (1..self.options.quorum).contains(&heard) {
            let why = errors.faults.first().or(errors.refusals.first());
            return Err(self.too_few(method, heard, why));
        }
        let mut answers = answers.into_iter();
        match answers.next() {
            Some(first) => Ok(Answers { first, others: answers.collect() }),
            None => {
                let error = errors.of_a_question();
                Err(error.unwrap_or_else(|| self.malformed(method, "there is no endpoint")))
            }
        }
    }

    /// The error of a quorum that is not met, with why one of the others did not answer.
    pub(super) fn too_few(
        &self,
        method: &'static str,
        heard: usize,
        fault: Option<&RpcError>,
    ) -> RpcError {
        let quorum = self.options.quorum;
        // Not the whole error: it ends in a hint, as this one does.
        let why = fault.map(|fault| format!(": {} says: {}", fault.endpoint, fault.message));
        let why = why.unwrap_or_default();
        let message = format!("{heard} of the {quorum} endpoints of a quorum answered{why}");
        RpcError::new(RpcErrorKind::Unreachable, "the node", method, &message)
    }

    /// Of what all endpoints are asked for and need not say the same, the one in the middle by
    /// `key`, the lower one of two: no single endpoint makes it larger than an honest one says.
    pub(super) async fn middle<T, K, F, Fut>(
        &self,
        method: &'static str,
        request: F,
        key: impl Fn(&T) -> K + Send + Sync,
    ) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Debug + Clone + Send,
        K: Ord,
    {
        self.gather(method, request, |answers| {
            let first = answers.first.1.clone();
            let mut told: Vec<T> = answers.into_iter().map(|(_, answer)| answer).collect();
            told.sort_by_key(&key);
            let middle = told.len().saturating_sub(1) / 2;
            Ok(told.into_iter().nth(middle).unwrap_or(first))
        })
        .await
    }

    /// Whether an endpoint is known to serve another chain.
    fn is_foreign(&self, endpoint: &Endpoint) -> bool {
        endpoint.chain_id.get().is_some_and(|found| self.chain_id.get() != Some(found))
    }

    /// The head on which all endpoints can agree: the lowest one.
    pub(super) async fn common_head(&self) -> Result<u64, RpcError> {
        let ask = |provider: RootProvider| async move { provider.get_block_number().await };
        // Far behind, everything would seem not to have happened.
        let lowest = self.gather("eth_blockNumber", ask, |answers| near(&answers, HEADS_APART));
        Ok(lowest.await?.0)
    }

    /// The lowest block that all endpoints call final.
    pub(super) async fn common_final(&self) -> Result<Option<u64>, RpcError> {
        let ask = |provider: RootProvider| async move {
            let block = provider.get_block_by_number(BlockNumberOrTag::Finalized).await?;
            Ok(block.map(|block| block.header.number))
        };
        // `None` is below every number.
        self.gather("eth_getBlockByNumber", ask, |answers| Ok(answers.ends().0.1)).await
    }

    /// The newest block as one that all endpoints have.
    pub(super) async fn pin(&self, block: BlockRef) -> Result<BlockRef, RpcError> {
        match block {
            BlockRef::Latest if self.several() => Ok(BlockRef::Number(self.common_head().await?)),
            other => Ok(other),
        }
    }
}

impl Endpoint {
    pub(super) fn rests(&self, now: Instant) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }

    fn note<T>(&self, answer: &Result<T, RpcError>, now: Instant) {
        let silent = answer.as_ref().is_err_and(|error| {
            matches!(error.kind, RpcErrorKind::Unreachable | RpcErrorKind::TimedOut)
        });
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = silent.then(|| now + REST);
    }
}

/// What went wrong at endpoints, in their order.
#[derive(Default)]
pub(super) struct Errors {
    /// Of endpoints that answered, about what was asked.
    pub(super) refusals: Vec<RpcError>,
    /// Of endpoints that are at fault themselves.
    pub(super) faults: Vec<RpcError>,
}

impl Errors {
    pub(super) fn push(&mut self, error: RpcError) {
        let at_fault = error.kind.is_endpoint_fault();
        if at_fault { self.faults.push(error) } else { self.refusals.push(error) }
    }

    /// The error of a question that nobody answers. That it takes too much gas may end a job, and
    /// is the error only if all that say something say so.
    fn of_a_question(self) -> Option<RpcError> {
        let ends = |error: &RpcError| error.kind == RpcErrorKind::GasAboveLimit;
        let milder = self.refusals.iter().find(|error| !ends(error)).cloned();
        let others = || self.refusals.into_iter().chain(self.faults).next();
        milder.or_else(others)
    }
}

fn disagreement<T: Debug>(method: &'static str, apart: Apart<'_, T>) -> RpcError {
    let [(one, a), (other, b)] = *apart.0;
    let short = |answer: T| -> String { format!("{answer:?}").chars().take(SHOWN).collect() };
    let message = format!("it says {}, and {other} says {}", short(a), short(b));
    RpcError::new(RpcErrorKind::Disagreement, one, method, &message)
}

pub(super) fn late(endpoint: &Endpoint, method: &'static str, limit: Duration) -> RpcError {
    let message = format!("no answer within {limit:?}");
    RpcError::new(RpcErrorKind::TimedOut, &endpoint.name, method, &message)
}

/// Runs futures at once and returns what each gives, in their order.
pub(super) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut open = false;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => open = true,
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
