//! The queue for a key's signer: about what it is asked now, for how long, and what its answers mean.
//!
//! All that is known of a signer is here, and nothing is done here: it is told what happened, and says
//! what is to be done. The time is the caller's. Its rules:
//!
//! * One question at a time is about the next nonce, since no nonce above it may be given away before it
//!   is answered or given up. Where the nonce is given, several are asked at once, replacements in
//!   other places than self-transfers: what frees a nonce waits for nobody.
//! * Whatever never failed goes first, in its order: nobody waits for those that the signer refuses.
//! * What failed waits longer each time, and what it took of the signer's time in vain is left to the
//!   others [`SHARE`] times over: so it has its turns, and costs them a fifth of the time.
//! * A failure counts against a job only if the signer signed for somebody since its last one:
//!   otherwise it is the signer's own fault. Then one is tried after the other, so that each has its
//!   turn every [`CYCLE`], and with the first signature all go on.
//! * A first question is as long as twice what the signer takes, as far as one slow signature after the
//!   other tells: each doubles it at most, and a quick one ends that. It is twice as long each time that
//!   the signer was silent about the job alone, and as long as anybody can wait where nobody waits. What
//!   is given up is listened to: a late answer is thrown away, but tells how slow the signer is.
//! * A job has a place while it is signed, asked about, or was never asked about. One that failed gives
//!   its place up until it is signed for.
//! * While the signer signs for nobody, one more job a second is taken beyond those that have places: one
//!   of them may be one that it signs for, and the others are left to other keys.
//! * Nothing is kept that was signed when the last word of the lease was half over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use crate::job::JobId;

#[cfg(test)]
mod rules;
#[cfg(test)]
mod simulation;

/// The first question's time while nothing is known of the signer.
const FIRST: Duration = Duration::from_secs(2);
/// It is no shorter than this, however fast the signer is: it may pause.
const LEAST: Duration = Duration::from_secs(1);
/// The longest question while others wait, unless the signer takes longer for everybody.
const AMONG: Duration = Duration::from_secs(15);
/// The longest one: somebody may have to press a button.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);
/// So many times longer than what was asked in vain the others have the signer for themselves.
const SHARE: u32 = 4;
/// How long a job waits that failed, the first time and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The time in which each that failed is tried while the signer signs for nobody.
const CYCLE: Duration = Duration::from_secs(8);
/// So many failures in a row of what failed before say that it signs for nobody.
const IN_A_ROW: u32 = 3;
/// The time between two of these tries, at least and at most.
const GAP: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How many of those that failed are looked at again at once: while it signs for nobody, and otherwise.
const AGAIN: (usize, usize) = (4, 32);
/// So many questions of a kind are open at once where the nonce is given.
const PLACES: usize = 8;
/// How many failures are remembered.
const MOST: usize = 10_000;
/// So many times as many as there are places are held of jobs that the signer does not sign for.
const UNSIGNED: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A job's first transaction, at the next nonce.
    First,
    /// A self-transfer at a nonce that is given: in a call's place, or where one is missing.
    Transfer,
    /// The same call at a higher price.
    Replacement,
}

/// Something to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) job: JobId,
}

/// What is to be done with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is stored, and broadcast then.
    Keep,
    /// Nobody waits for it any more.
    ThrowAway,
}

/// That the signer failed for a request.
#[derive(Clone, Copy, Debug)]
struct Failures {
    /// Those that count.
    times: u32,
    /// Those of them in which it was silent.
    silences: u32,
    last: Instant,
}

impl Failures {
    /// When it may be asked again.
    fn over(&self) -> Instant {
        let (first, most) = BACKOFF;
        let doubled = 2_u32.saturating_pow(self.times.saturating_sub(1));
        self.last + first.saturating_mul(doubled).min(most)
    }
}

/// The word that the key is this process's.
#[derive(Clone, Copy, Debug)]
struct Lease {
    said: Instant,
    /// The same moment in milliseconds since 1970: a machine that sleeps stops the other clock.
    said_ms: u64,
    lasts: Duration,
}

/// The queue for one key's signer.
#[derive(Debug)]
pub(crate) struct Queue {
    /// How many jobs may be signed and not final.
    places: usize,
    taken: usize,
    /// How many more first transactions may be signed, if that is limited.
    allowed: Option<usize>,
    waiting: BTreeSet<Request>,
    /// The questions, and since when they are asked.
    open: BTreeMap<Request, Instant>,
    /// Those given up that may still be answered, the oldest of each request.
    late: BTreeMap<Request, Instant>,
    failures: HashMap<Request, Failures>,
    /// How long a first question is while others wait.
    first: Duration,
    signed_at: Option<Instant>,
    /// How often it failed since it signed last, and when that began.
    failing: Option<(usize, Instant)>,
    /// How often it failed again for something since it signed last, and when it did last.
    failed: u32,
    failed_at: Option<Instant>,
    /// Until when the signer is left to those that never failed.
    rest: Option<Instant>,
    lease: Option<Lease>,
}

impl Queue {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places,
            taken: 0,
            allowed: None,
            waiting: BTreeSet::new(),
            open: BTreeMap::new(),
            late: BTreeMap::new(),
            failures: HashMap::new(),
            first: FIRST,
            signed_at: None,
            failing: None,
            failed: 0,
            failed_at: None,
            rest: None,
            lease: None,
        }
    }

    /// No more than so many first transactions are signed from now on, as far as money goes.
    pub(crate) fn allow(&mut self, more: Option<usize>) {
        self.allowed = more;
    }

    /// How many jobs are held that the signer does not sign for.
    pub(crate) fn most_unsigned(&self, now: Instant) -> usize {
        let most = self.places.saturating_mul(UNSIGNED);
        match self.failing {
            Some((times, since)) if times >= self.places => {
                let seconds = now.saturating_duration_since(since).as_secs();
                self.places.saturating_add(seconds as usize).min(most)
            }
            _ => most,
        }
    }

    /// The jobs that wait for their first transaction, and how many are signed and not final.
    pub(crate) fn wait_first(&mut self, jobs: &[JobId], signed: usize) {
        let first = |job: &JobId| Request { kind: Kind::First, job: *job };
        self.waiting.retain(|request| request.kind != Kind::First);
        self.waiting.extend(jobs.iter().map(first));
        let waiting = &self.waiting;
        self.failures.retain(|request, _| request.kind != Kind::First || waiting.contains(request));
        self.taken = signed;
    }

    /// Something waits to be signed at a nonce that is given.
    pub(crate) fn wait(&mut self, request: Request) {
        self.waiting.insert(request);
    }

    /// The key is this process's for so long, which it asked for at `said`.
    pub(crate) fn word(&mut self, said: Instant, said_ms: u64, lasts: Duration) {
        self.lease = Some(Lease { said, said_ms, lasts });
    }

    /// Whether something may be stored, or broadcast: not on an old word, by whichever clock.
    pub(crate) fn may_send(&self, now: Instant, now_ms: u64) -> bool {
        self.lease.is_none_or(|lease| {
            let slept = Duration::from_millis(now_ms.saturating_sub(lease.said_ms));
            now.saturating_duration_since(lease.said).max(slept) < lease.lasts / 2
        })
    }

    /// What the node is to be asked about, since it may be signed now.
    pub(crate) fn may_be_next(&self, now: Instant) -> BTreeSet<Request> {
        let (again, mut next): (BTreeSet<Request>, BTreeSet<Request>) =
            self.waiting.iter().partition(|request| self.failures.contains_key(request));
        let may_be_tried = self.may_be_tried(now);
        let mut again: Vec<Request> = again.into_iter().filter(may_be_tried).collect();
        again.sort_by_key(|request| self.turn(request));
        let most = if self.failed >= IN_A_ROW { AGAIN.0 } else { AGAIN.1 };
        next.extend(again.into_iter().take(most));
        next
    }

    /// What the signer is asked for now, of what is `at_hand`. It is asked from then on.
    pub(crate) fn next(&mut self, at_hand: &[Request], now: Instant) -> Option<Request> {
        let next = self.first_of(at_hand, now)?;
        self.ask(next, now);
        Some(next)
    }

    fn first_of(&self, at_hand: &[Request], now: Instant) -> Option<Request> {
        let waits = |request: &Request| {
            self.has_place(request.kind)
                && self.waiting.contains(request)
                && !self.open.contains_key(request)
        };
        let (again, never): (Vec<Request>, Vec<Request>) = at_hand
            .iter()
            .filter(|request| waits(request))
            .partition(|request| self.failures.contains_key(request));
        let again = again.into_iter().filter(self.may_be_tried(now));
        again.min_by_key(|request| self.turn(request)).or_else(|| never.into_iter().min())
    }

    /// The signer is asked, though it may be nobody's turn: by whoever waits for one job.
    pub(crate) fn ask(&mut self, request: Request, now: Instant) {
        self.open.insert(request, now);
    }

    /// Whether the signer may be asked now for what waits to be signed at a nonce that is given.
    pub(crate) fn may_ask(&self, request: &Request, now: Instant) -> bool {
        let failed = self.failures.contains_key(request);
        self.has_place(request.kind) && (!failed || self.may_be_tried(now)(request))
    }

    /// Whether it is the turn of something that failed.
    fn may_be_tried(&self, now: Instant) -> impl Fn(&Request) -> bool {
        let (may_try, has_rested) = (self.may_try(now), self.has_rested(now));
        move |request| {
            may_try && self.is_due(request, now) && (has_rested || request.kind != Kind::First)
        }
    }

    /// Whether one more of a kind may be asked for.
    fn has_place(&self, kind: Kind) -> bool {
        let open = self.open.keys().filter(|request| request.kind == kind).count();
        match kind {
            Kind::First => open == 0 && self.taken < self.places && self.allowed != Some(0),
            Kind::Transfer | Kind::Replacement => open < PLACES,
        }
    }

    /// Those that failed least go first, then those that were not tried for longest.
    fn turn(&self, request: &Request) -> (u32, Option<Instant>) {
        let failures = self.failures.get(request);
        (failures.map_or(0, |own| own.times), failures.map(|own| own.last))
    }

    fn is_due(&self, request: &Request, now: Instant) -> bool {
        self.failures.get(request).is_none_or(|own| now >= own.over())
    }

    /// Whether what failed may be tried, though the signer signs for nobody.
    fn may_try(&self, now: Instant) -> bool {
        let each = CYCLE / u32::try_from(self.failures.len().max(1)).unwrap_or(u32::MAX);
        let is_over = |at| now >= at + each.clamp(GAP.0, GAP.1);
        self.failed < IN_A_ROW || self.failed_at.is_none_or(is_over)
    }

    /// Whether those that failed have paid for the time that they took from those that never did.
    fn has_rested(&self, now: Instant) -> bool {
        let never =
            |request: &Request| request.kind == Kind::First && !self.failures.contains_key(request);
        self.rest.is_none_or(|until| now >= until) || !self.waiting.iter().any(never)
    }

    /// Whether a question is over without an answer: it is given up.
    pub(crate) fn is_over(&self, request: &Request, now: Instant) -> bool {
        self.until(request, now).is_some_and(|until| now >= until)
    }

    /// Until when a question is asked, as things stand; none where it is not.
    pub(crate) fn until(&self, request: &Request, now: Instant) -> Option<Instant> {
        self.open.get(request).map(|since| *since + self.time(request, now))
    }

    /// How long it may be asked.
    fn time(&self, request: &Request, now: Instant) -> Duration {
        let kind = request.kind;
        let waits = |other: &Request| {
            other.kind == kind && !self.open.contains_key(other) && self.is_due(other, now)
        };
        let full = kind == Kind::First || !self.has_place(kind);
        if !full || !self.waiting.iter().any(waits) {
            return LONGEST;
        }
        let silences = self.failures.get(request).map_or(0, |own| own.silences);
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(silences));
        doubled.min(self.first.max(AMONG))
    }

    /// The signer did not answer in time. Whether the question is listened to from now on, instead of
    /// an older one that is: not while that may be answered, since whoever is asked again and again
    /// would never show how slow the signer is.
    pub(crate) fn silent(&mut self, request: Request, now: Instant) -> bool {
        let Some(since) = self.open.remove(&request) else { return false };
        self.failed(request, since, true, now);
        let older = self.late.get(&request);
        let listens = older.is_none_or(|older| now.saturating_duration_since(*older) >= LONGEST);
        if listens {
            self.late.insert(request, since);
        }
        listens
    }

    /// The signer answered that it does not sign.
    pub(crate) fn refused(&mut self, request: Request, now: Instant) {
        if let Some(since) = self.open.remove(&request) {
            self.failed(request, since, false, now);
        }
    }

    fn failed(&mut self, request: Request, since: Instant, silent: bool, now: Instant) {
        if self.failures.len() >= MOST && !self.failures.contains_key(&request) {
            let oldest = self.failures.iter().min_by_key(|(_, own)| own.last);
            let oldest = oldest.map(|(request, _)| *request);
            oldest.and_then(|oldest| self.failures.remove(&oldest));
        }
        let (times, began) = self.failing.unwrap_or((0, now));
        self.failing = Some((times.saturating_add(1), began));
        let signed = |then| self.signed_at.is_some_and(|at| at > then);
        let before = self.failures.get(&request).copied();
        let mut own = before.unwrap_or(Failures { times: 0, silences: 0, last: now });
        if before.is_none_or(|own| signed(own.last)) {
            own.times = own.times.saturating_add(1);
            own.silences = own.silences.saturating_add(u32::from(silent));
        }
        own.last = now;
        self.failures.insert(request, own);
        if before.is_some() {
            (self.failed, self.failed_at) = (self.failed.saturating_add(1), Some(now));
            if request.kind == Kind::First {
                self.rest = Some(now + now.saturating_duration_since(since).saturating_mul(SHARE));
            }
        }
    }

    /// The signer signed.
    pub(crate) fn signed(&mut self, request: Request, now: Instant) -> Use {
        let Some(since) = self.open.remove(&request) else { return Use::ThrowAway };
        self.works(since, now);
        self.failures.remove(&request);
        self.waiting.remove(&request);
        if request.kind == Kind::First {
            self.taken += 1;
            self.allowed = self.allowed.map(|more| more.saturating_sub(1));
        }
        Use::Keep
    }

    /// The signer answered what it is only listened to about, and signed or not.
    pub(crate) fn late(&mut self, request: Request, signed: bool, now: Instant) {
        if let Some(since) = self.late.remove(&request)
            && signed
        {
            self.works(since, now);
        }
    }

    fn works(&mut self, since: Instant, now: Instant) {
        let twice = now.saturating_duration_since(since).saturating_mul(2);
        self.first = twice.clamp(LEAST, LONGEST).min(self.first.saturating_mul(2));
        (self.signed_at, self.failed, self.failing) = (Some(now), 0, None);
    }

    /// Nobody asks any more.
    pub(crate) fn dropped(&mut self, request: Request) {
        self.open.remove(&request);
    }

    /// A job is cancelled, queued again, in a block, or over.
    pub(crate) fn call_off(&mut self, job: JobId) {
        for kind in [Kind::First, Kind::Transfer, Kind::Replacement] {
            let request = Request { kind, job };
            self.open.remove(&request);
            self.late.remove(&request);
            self.waiting.remove(&request);
            self.failures.remove(&request);
        }
    }

    /// Whether a job that is not signed takes one of the places: not after the signer failed for it.
    pub(crate) fn takes_place(&self, job: JobId) -> bool {
        let first = Request { kind: Kind::First, job };
        !self.failures.contains_key(&first) || self.open.contains_key(&first)
    }
}
