//! Several questions at once, of which none holds the others up.
//!
//! Whoever stands in a [`Line`] is served in its order. One that has no answer after the line's
//! patience loses its place, those behind it are served, and its question goes on: what it brings is
//! served when it is there, in this look at the chain or a later one. Nothing is asked twice at once,
//! and nothing is given up because it is slow.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fmt,
    future::Future,
    hash::Hash,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, MaybeDone, maybe_done},
    stream::FuturesUnordered,
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::Instant,
};

/// How long an answer is waited for in its place: far above what a look takes with a node that is far
/// away (a second, at 300 ms an answer), far below the ten seconds after which a request counts as
/// lost. Otherwise one question that stalls would hold up all jobs of a key for that long.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// So many keys are remembered whose last question was slow.
const MOST_SLOW: usize = 10_000;

/// A question about something with a key.
struct Question<K, T> {
    number: usize,
    key: K,
    since: Instant,
    asking: MaybeDone<BoxFuture<'static, T>>,
}

impl<K: Clone + Unpin, T> Future for Question<K, T> {
    type Output = (usize, K, Instant, T);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.asking.poll_unpin(context).is_pending() {
            return Poll::Pending;
        }
        match Pin::new(&mut self.asking).take_output() {
            Some(answer) => Poll::Ready((self.number, self.key.clone(), self.since, answer)),
            None => Poll::Pending,
        }
    }
}

/// A question that goes on by itself, until nobody wants its answer.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Task<T> {
    async fn answer(mut self) -> T {
        match (&mut self.0).await.map_err(JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Nobody aborts it who waits for it; at the end of the runtime nobody waits.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

/// Questions that lost their place, from one line to the next.
pub struct Late<K, T> {
    open: Mutex<Vec<Question<K, T>>>,
    /// Whose last answer took longer than a line's patience: asked last, and without a place.
    slow: Mutex<HashSet<K>>,
}

impl<K, T> Default for Late<K, T> {
    fn default() -> Self {
        Self { open: Mutex::default(), slow: Mutex::default() }
    }
}

impl<K, T> fmt::Debug for Late<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

impl<K, T> Late<K, T> {
    fn open(&self) -> MutexGuard<'_, Vec<Question<K, T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slow(&self) -> MutexGuard<'_, HashSet<K>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up what is open.
    pub fn clear(&self) {
        // Not under the lock: whatever a question holds goes with it.
        let open = std::mem::take(&mut *self.open());
        drop(open);
    }
}

impl<K: Eq, T> Late<K, T> {
    /// Gives up the question about a key.
    pub fn forget(&self, key: &K) {
        let mut open = self.open();
        let at = open.iter().position(|question| question.key == *key);
        let question = at.map(|at| open.swap_remove(at));
        drop(open);
        drop(question);
    }

    /// Whether a question about a key is open.
    pub fn holds(&self, key: &K) -> bool {
        self.open().iter().any(|question| question.key == *key)
    }
}

/// What stands at its place in a line: a question, or its answer.
type Place<K, T> = (Instant, Option<(K, T)>);

/// Questions that are asked at once and served in their order.
pub struct Line<'a, K, T> {
    late: &'a Late<K, T>,
    most: usize,
    patience: Option<Duration>,
    waiting: VecDeque<(K, BoxFuture<'static, T>)>,
    /// Whose last answer was slow.
    last: VecDeque<(K, BoxFuture<'static, T>)>,
    running: FuturesUnordered<Question<K, T>>,
    places: BTreeMap<usize, Place<K, T>>,
    /// Answers without a place.
    ready: VecDeque<(K, T)>,
    begun: usize,
}

impl<K, T> fmt::Debug for Line<'_, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

impl<'a, K: Clone + Eq + Hash + Unpin, T: Send + 'static> Line<'a, K, T> {
    /// A line that asks `most` questions at a time and waits for each for `patience`, with those
    /// that are late from the last one. With patience, it needs Tokio's runtime: questions are tasks
    /// of their own, which end when the line, or what is late, is dropped.
    pub fn new(late: &'a Late<K, T>, most: usize, patience: Option<Duration>) -> Self {
        let mut open = std::mem::take(&mut *late.open());
        open.sort_by_key(|question| question.number);
        let (mut begun, mut ready, running) = (0, VecDeque::new(), FuturesUnordered::new());
        for mut question in open {
            question.number = begun;
            begun += 1;
            match question.now_or_never_ref() {
                Some((_, key, since, answer)) => {
                    note(late, patience, &key, since);
                    ready.push_back((key, answer));
                }
                None => running.push(question),
            }
        }
        Self {
            late,
            most: most.max(1),
            patience,
            waiting: VecDeque::new(),
            last: VecDeque::new(),
            running,
            places: BTreeMap::new(),
            ready,
            begun,
        }
    }

    /// Puts a question at the line's end; last of all, and without a place, if the last one about the
    /// key was slow.
    pub fn push(&mut self, key: K, question: impl Future<Output = T> + Send + 'static) {
        let slow = self.patience.is_some() && self.late.slow().contains(&key);
        let line = if slow { &mut self.last } else { &mut self.waiting };
        line.push_back((key, question.boxed()));
    }

    fn begin(&mut self, key: K, question: BoxFuture<'static, T>) -> usize {
        let number = self.begun;
        self.begun += 1;
        // What may be late must not depend on anybody who looks at it: it may hold what others need.
        let question = match self.patience {
            Some(_) => Task(tokio::spawn(question)).answer().boxed(),
            None => question,
        };
        let (since, asking) = (Instant::now(), maybe_done(question));
        self.running.push(Question { number, key, since, asking });
        number
    }

    /// Begins what may be asked now.
    fn fill(&mut self) {
        let asked = |line: &Self| line.places.values().filter(|place| place.1.is_none()).count();
        loop {
            let asked = asked(self);
            // Those that are late are asked, too, and leave room for others.
            let late = self.running.len().saturating_sub(asked);
            let room = self.most.saturating_sub(late).max(self.most.div_ceil(4));
            if asked < room
                && let Some((key, question)) = self.waiting.pop_front()
            {
                let number = self.begin(key, question);
                self.places.insert(number, (Instant::now(), None));
            } else if self.waiting.is_empty()
                && late < self.most
                && let Some((key, question)) = self.last.pop_front()
            {
                self.begin(key, question);
            } else {
                return;
            }
        }
    }

    /// Serves an answer, or keeps it until it is its turn.
    fn answered(&mut self, (number, key, since, answer): (usize, K, Instant, T)) {
        note(self.late, self.patience, &key, since);
        match self.places.get_mut(&number) {
            Some(place) => place.1 = Some((key, answer)),
            None => self.ready.push_back((key, answer)),
        }
    }

    /// The next answer; none when nobody stands in the line any more. What is late then goes on in the
    /// next line.
    pub async fn next(&mut self) -> Option<(K, T)> {
        loop {
            self.fill();
            if let Some(answer) = self.ready.pop_front() {
                return Some(answer);
            }
            let Some(mut first) = self.places.first_entry() else {
                // Everybody is late: what is there by now is served.
                match self.running.next().now_or_never() {
                    Some(Some(answer)) => self.answered(answer),
                    _ => {
                        self.late.open().extend(std::mem::take(&mut self.running));
                        return None;
                    }
                }
                continue;
            };
            if let Some(answer) = first.get_mut().1.take() {
                first.remove();
                return Some(answer);
            }
            let until = self.patience.map(|patience| first.get().0 + patience);
            let number = *first.key();
            let impatient = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(answer) = self.running.next() => self.answered(answer),
                () = impatient => {
                    self.places.remove(&number);
                    tracing::debug!(number, "a question is late: others go on");
                }
            }
        }
    }

    /// Begins questions and keeps answers while something else is done.
    pub async fn beside<F: Future>(&mut self, other: F) -> F::Output {
        let mut other = pin!(other);
        loop {
            self.fill();
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(answer) = self.running.next() => self.answered(answer),
            }
        }
    }

    /// Whether nobody stands in the line.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
            && self.places.is_empty()
            && self.waiting.is_empty()
            && self.last.is_empty()
    }
}

impl<K: Clone + Unpin, T> Question<K, T> {
    /// Its answer, if that is there.
    fn now_or_never_ref(&mut self) -> Option<(usize, K, Instant, T)> {
        self.now_or_never()
    }
}

/// Remembers whether an answer took long.
fn note<K: Clone + Eq + Hash, T>(
    late: &Late<K, T>,
    patience: Option<Duration>,
    key: &K,
    since: Instant,
) {
    let Some(patience) = patience else { return };
    let mut slow = late.slow();
    if since.elapsed() < patience {
        slow.remove(key);
    } else {
        if slow.len() >= MOST_SLOW {
            slow.clear();
        }
        slow.insert(key.clone());
    }
}
