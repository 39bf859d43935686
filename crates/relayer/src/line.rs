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

/// Once so many behind it have their answers, a place is kept for a part of the patience only: whoever
/// is that far behind the others stalls.
const MANY: usize = 16;
/// The part, as a divisor.
const LESS: u32 = 4;

/// So many keys are remembered whose last question was slow.
const MOST_SLOW: usize = 10_000;

/// A question about something with a key.
struct Question<K, T> {
    number: usize,
    key: K,
    /// Brings how long it took, too: it may be looked at long after.
    asking: MaybeDone<BoxFuture<'static, (Duration, T)>>,
}

impl<K: Clone + Unpin, T> Future for Question<K, T> {
    type Output = (usize, K, Duration, T);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.asking.poll_unpin(context).is_pending() {
            return Poll::Pending;
        }
        match Pin::new(&mut self.asking).take_output() {
            Some((took, answer)) => Poll::Ready((self.number, self.key.clone(), took, answer)),
            None => Poll::Pending,
        }
    }
}

/// A question that goes on by itself, until nobody wants its answer.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Task<T> {
    pub(crate) fn begin(question: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(question))
    }

    pub(crate) async fn answer(mut self) -> T {
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

    /// Whether a question is open about such a key.
    pub fn any(&self, is: impl Fn(&K) -> bool) -> bool {
        self.open().iter().any(|question| is(&question.key))
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
                Some((_, key, took, answer)) => {
                    note(late, patience, &key, took);
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

    /// Puts a question at the line's end with a place, though the last one about the key was slow.
    pub fn push_again(&mut self, key: K, question: impl Future<Output = T> + Send + 'static) {
        self.waiting.push_back((key, question.boxed()));
    }

    fn begin(&mut self, key: K, question: BoxFuture<'static, T>) -> usize {
        let number = self.begun;
        self.begun += 1;
        let since = Instant::now();
        let timed = question.map(move |answer| (since.elapsed(), answer));
        // What may be late must not depend on anybody who looks at it: it may hold what others need.
        let question = match self.patience {
            Some(_) => Task::begin(timed).answer().boxed(),
            None => timed.boxed(),
        };
        let asking = maybe_done(question);
        self.running.push(Question { number, key, asking });
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
    fn answered(&mut self, (number, key, took, answer): (usize, K, Duration, T)) {
        note(self.late, self.patience, &key, took);
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
            let (since, number) = (first.get().0, *first.key());
            let answered = self.places.values().filter(|place| place.1.is_some()).count();
            let less = if answered >= MANY { LESS } else { 1 };
            let until = self.patience.map(|patience| since + patience / less);
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

    /// Leaves what is asked to the next line; those that were not begun are nobody's.
    pub(crate) fn leave(mut self) {
        self.late.open().extend(std::mem::take(&mut self.running));
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
    fn now_or_never_ref(&mut self) -> Option<(usize, K, Duration, T)> {
        self.now_or_never()
    }
}

/// Remembers whether an answer took long.
fn note<K: Clone + Eq + Hash, T>(
    late: &Late<K, T>,
    patience: Option<Duration>,
    key: &K,
    took: Duration,
) {
    let Some(patience) = patience else { return };
    let mut slow = late.slow();
    if took < patience {
        slow.remove(key);
    } else {
        if slow.len() >= MOST_SLOW {
            slow.clear();
        }
        slow.insert(key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    async fn after(ms: u64, answer: usize) -> usize {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        answer
    }

    async fn all(line: &mut Line<'_, usize, usize>) -> Vec<usize> {
        let mut answers = Vec::new();
        while let Some((key, answer)) = line.next().await {
            assert_eq!(key, answer);
            answers.push(answer);
        }
        answers
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_line_and_who_is_late_in_a_later_line() {
        let late = Late::default();
        let mut line = Line::new(&late, 2, Some(SHORT));
        for (key, ms) in [30, 5, 800, 1, 1].into_iter().enumerate() {
            line.push(key, after(ms, key));
        }
        assert_eq!(all(&mut line).await, [0, 1, 3, 4]);
        assert!(late.holds(&2));
        // Whoever is late holds nobody up, and is asked once.
        let start = Instant::now();
        let mut line = Line::new(&late, 2, Some(SHORT));
        line.push(5, after(1, 5));
        assert_eq!(all(&mut line).await, [5]);
        assert!(start.elapsed() < SHORT / 2);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut line = Line::new(&late, 2, Some(SHORT));
        line.push(6, after(1, 6));
        assert_eq!(all(&mut line).await, [2, 6]);
        // It was slow: from now on it has no place, until it is not.
        let mut line = Line::new(&late, 2, Some(SHORT));
        line.push(2, after(100, 2));
        line.push(7, after(1, 7));
        assert_eq!(all(&mut line).await, [7]);
        // However long after it is looked at.
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(all(&mut Line::new(&late, 2, Some(SHORT))).await, [2]);
        let mut line = Line::new(&late, 2, Some(SHORT));
        line.push(2, after(100, 2));
        line.push(8, after(1, 8));
        assert_eq!(all(&mut line).await, [2, 8]);
    }

    #[tokio::test]
    async fn whoever_is_far_behind_the_others_loses_its_place_sooner() {
        let late = Late::default();
        let mut line = Line::new(&late, 32, Some(SHORT * 10));
        line.push(0, after(60_000, 0));
        for key in 1..=MANY {
            line.push(key, after(1, key));
        }
        let start = Instant::now();
        assert_eq!(all(&mut line).await, (1..=MANY).collect::<Vec<_>>());
        assert!(start.elapsed() < SHORT * 5, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_question_that_nobody_wants_answered_ends() {
        let late = Late::default();
        let (told, mut heard) = tokio::sync::oneshot::channel::<()>();
        let mut line = Line::new(&late, 1, Some(Duration::from_millis(50)));
        line.push(0, async move {
            let _told = told;
            std::future::pending::<usize>().await
        });
        assert_eq!(all(&mut line).await, Vec::<usize>::new());
        assert!(
            heard.try_recv().is_err_and(|e| e == tokio::sync::oneshot::error::TryRecvError::Empty)
        );
        late.forget(&0);
        assert!(!late.holds(&0));
        let ended = tokio::time::timeout(Duration::from_secs(5), heard).await;
        ended.expect("it ends").expect_err("its end is dropped");
    }

    #[tokio::test]
    async fn without_patience_everybody_is_waited_for() {
        let late = Late::default();
        let mut line = Line::new(&late, 2, None);
        for (key, ms) in [300, 5, 1].into_iter().enumerate() {
            line.push(key, after(ms, key));
        }
        assert_eq!(all(&mut line).await, [0, 1, 2]);
    }
}
