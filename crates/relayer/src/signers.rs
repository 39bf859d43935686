//! What is known of a key's signer, and about whom it is asked next.
//!
//! It may be silent or refuse, about one job or about all. Whoever it did not sign for lets the others
//! go first; where it signs for nobody, that is its own fault and no job's. The time is the caller's.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::job::JobId;

/// How many jobs are remembered for which it did not sign.
const MOST: usize = 10_000;
/// So many times longer than before it is waited for a signature that did not come.
const LONGER: u32 = 4;
/// Longest time that it has for one.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);
/// So many times longer the others have while they wait.
const SHARE: u32 = 8;
/// How long a job waits that it refused, the first time and at most.
const REFUSED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// So many jobs in a row are all jobs.
const ALL: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Silent,
    Refused,
}

/// That it did not sign for a job.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    failure: Failure,
    times: u32,
    last: Instant,
}

/// What is known of a signer.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    troubles: HashMap<JobId, Trouble>,
    /// Since it signed last, for how many jobs it failed for the first time.
    silent: u32,
    refused: u32,
    /// When it failed last.
    silent_at: Option<Instant>,
    refused_at: Option<Instant>,
    /// How long its last signature took.
    took: Duration,
}

impl Signers {
    /// It signed for a job.
    pub(crate) fn signed(&mut self, id: JobId, took: Duration) {
        if self.refuses_all() {
            // It was out of order.
            self.troubles.retain(|_, trouble| trouble.failure != Failure::Refused);
        }
        if self.silent >= ALL {
            // Of those that it was silent about, one may be asked about at once.
            self.silent_at = None;
        }
        self.troubles.remove(&id);
        (self.silent, self.refused, self.took) = (0, 0, took);
    }

    /// It did not answer in the time that it had for a job.
    pub(crate) fn was_silent(&mut self, id: JobId, now: Instant) {
        self.silent_at = Some(now);
        if self.failed(id, Failure::Silent, now) {
            self.silent = self.silent.saturating_add(1);
        }
    }

    /// It answered that it does not sign.
    pub(crate) fn refused(&mut self, id: JobId, now: Instant) {
        self.refused_at = Some(now);
        if self.failed(id, Failure::Refused, now) {
            self.refused = self.refused.saturating_add(1);
        }
    }

    /// Whether it is the first time for the job.
    fn failed(&mut self, id: JobId, failure: Failure, now: Instant) -> bool {
        if self.troubles.len() >= MOST {
            self.troubles.clear();
        }
        let before = self.troubles.get(&id).filter(|trouble| trouble.failure == failure);
        let times = before.map_or(0, |trouble| trouble.times);
        self.troubles.insert(id, Trouble { failure, times: times.saturating_add(1), last: now });
        times == 0
    }

    /// A job is cancelled or queued again.
    pub(crate) fn forget(&mut self, id: JobId) {
        self.troubles.remove(&id);
    }

    /// How often it failed for a job: the others go first.
    pub(crate) fn times(&self, id: JobId) -> u32 {
        self.troubles.get(&id).map_or(0, |trouble| trouble.times)
    }

    /// How often it was silent about a job.
    fn silences(&self, id: JobId) -> u32 {
        let silent = |trouble: &&Trouble| trouble.failure == Failure::Silent;
        self.troubles.get(&id).filter(silent).map_or(0, |trouble| trouble.times)
    }

    fn refuses_all(&self) -> bool {
        self.refused >= ALL
    }

    /// Whether it is to be asked about a job while `others` wait, or none.
    pub(crate) fn is_due(&self, id: JobId, others: bool, patience: Duration, now: Instant) -> bool {
        if self.refuses_all() {
            // One question tells whether it does still.
            let waited = self.refused_at.map(|at| now.saturating_duration_since(at));
            return waited.is_none_or(|waited| waited >= REFUSED.0);
        }
        let Some(trouble) = self.troubles.get(&id) else { return true };
        match trouble.failure {
            Failure::Silent => !others || self.has_share(id, patience, now),
            Failure::Refused => {
                let (first, most) = REFUSED;
                let wait = first
                    .saturating_mul(2_u32.saturating_pow(trouble.times.saturating_sub(1)))
                    .min(most);
                now.saturating_duration_since(trouble.last) >= wait
            }
        }
    }

    /// How long it has for a job that it is asked about since `since`.
    pub(crate) fn window(
        &self,
        id: JobId,
        others: bool,
        patience: Duration,
        since: Instant,
    ) -> Duration {
        match others && self.silences(id) > 0 {
            false => self.alone(id, patience),
            true if self.has_share(id, patience, since) => self.among(id, patience),
            true => self.least(patience),
        }
    }

    /// The time that it has for everybody.
    fn least(&self, patience: Duration) -> Duration {
        patience.max(self.took.saturating_mul(2)).min(LONGEST)
    }

    /// The time that it has while nobody waits, and for whom it did not fail yet: longer each time that
    /// it was silent, so that whoever has to press a button can.
    fn alone(&self, id: JobId, patience: Duration) -> Duration {
        let times = self.silences(id).max(self.silent);
        self.least(patience).saturating_mul(LONGER.saturating_pow(times)).min(LONGEST)
    }

    /// The time that it has for a job that it was silent about, while others wait.
    fn among(&self, id: JobId, patience: Duration) -> Duration {
        self.alone(id, patience).min(self.least(patience).max(LONGEST / SHARE))
    }

    /// Whether the others had their share since it was silent.
    fn has_share(&self, id: JobId, patience: Duration, now: Instant) -> bool {
        let share = self.among(id, patience).saturating_mul(SHARE).min(LONGEST);
        self.silent_at.is_none_or(|at| now.saturating_duration_since(at) >= share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn job(number: i64) -> JobId {
        JobId(number)
    }

    #[test]
    fn a_job_that_is_refused_waits_longer_each_time_and_half_a_minute_at_most() {
        let (mut signers, start) = (Signers::default(), Instant::now());
        let mut now = start;
        for wait in [1, 2, 4, 8, 16, 30, 30, 30] {
            signers.refused(job(1), now);
            signers.signed(job(2), Duration::ZERO);
            let due = |after| signers.is_due(job(1), false, PATIENCE, now + after);
            assert!(!due(seconds(wait) - Duration::from_millis(1)) && due(seconds(wait)), "{wait}");
            now += seconds(wait);
        }
        for _ in 0..100 {
            signers.refused(job(1), now);
        }
        assert!(signers.is_due(job(1), true, PATIENCE, now + seconds(30)));
        assert_eq!(signers.window(job(1), false, PATIENCE, now), PATIENCE, "it does answer");
        // Whoever is cancelled or queued again begins anew.
        signers.forget(job(1));
        assert!(signers.is_due(job(1), true, PATIENCE, now));
    }

    #[test]
    fn one_that_refuses_all_is_asked_once_a_second_until_it_signs_and_then_nobody_waits() {
        let (mut signers, start) = (Signers::default(), Instant::now());
        let mut now = start;
        for number in 0..2 {
            assert!(signers.is_due(job(number), true, PATIENCE, now));
            signers.refused(job(number), now);
        }
        for _ in 0..1000 {
            // Those that it was not asked about, too.
            assert!(!signers.is_due(job(9), true, PATIENCE, now + Duration::from_millis(999)));
            now += seconds(1);
            assert!(signers.is_due(job(0), true, PATIENCE, now));
            signers.refused(job(0), now);
        }
        now += seconds(1);
        signers.signed(job(7), Duration::ZERO);
        for number in 0..10 {
            assert!(signers.is_due(job(number), true, PATIENCE, now));
            assert_eq!(signers.times(job(number)), 0);
        }
    }

    #[test]
    fn one_that_is_slow_for_everybody_gets_as_long_as_it_takes() {
        let (mut signers, now) = (Signers::default(), Instant::now());
        for (number, wait) in [2, 8, 32, 120, 120].into_iter().enumerate() {
            let id = job(number as i64);
            assert_eq!(signers.window(id, true, PATIENCE, now), seconds(wait));
            signers.was_silent(id, now);
        }
        signers.signed(job(9), seconds(20));
        assert_eq!(signers.window(job(10), true, PATIENCE, now), seconds(40));
        signers.signed(job(10), Duration::from_millis(3));
        assert_eq!(signers.window(job(11), true, PATIENCE, now), PATIENCE);
    }

    #[test]
    fn those_that_it_is_silent_about_take_a_small_part_of_the_others_time() {
        let (mut signers, start) = (Signers::default(), Instant::now());
        let (mut now, mut taken) = (start, Duration::ZERO);
        // Four such jobs, for an hour; in between it signs for others.
        while now < start + seconds(3600) {
            let due = |number: &i64| signers.is_due(job(*number), true, PATIENCE, now);
            let asked = (0..4).find(due);
            if let Some(number) = asked {
                let window = signers.window(job(number), true, PATIENCE, now);
                assert!(window <= LONGEST / SHARE);
                now += window;
                taken += window;
                signers.was_silent(job(number), now);
            }
            signers.signed(job(100), Duration::from_millis(100));
            now += Duration::from_millis(100);
        }
        assert!(taken < seconds(3600 / 8), "{taken:?}");
        assert!(taken > seconds(3600 / 20), "they have their turns: {taken:?}");
        // While nobody waits, it has all the time, and none of what others come for.
        assert!(signers.is_due(job(0), false, PATIENCE, now));
        assert_eq!(signers.window(job(0), false, PATIENCE, now), LONGEST);
        assert_eq!(signers.window(job(0), true, PATIENCE, now), PATIENCE);
    }

    #[test]
    fn after_it_was_silent_about_all_one_of_them_is_tried_at_once() {
        let (mut signers, now) = (Signers::default(), Instant::now());
        signers.was_silent(job(0), now);
        assert!(!signers.is_due(job(0), true, PATIENCE, now + seconds(1)));
        signers.was_silent(job(1), now);
        signers.signed(job(2), Duration::ZERO);
        assert!(signers.is_due(job(0), true, PATIENCE, now));
        signers.was_silent(job(0), now);
        assert!(!signers.is_due(job(1), true, PATIENCE, now));
    }
}
