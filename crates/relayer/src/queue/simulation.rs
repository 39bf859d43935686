//! The queue by random schedules: a signer that refuses, is silent, slow or late, about some or all and
//! for a time or for ever; jobs that come, are cancelled, mined or replaced; a process that stops.

use std::collections::BTreeSet;

use super::*;

/// How long an answer of a signer that is well takes at most, milliseconds.
const SPEED: u64 = 400;
/// The lease, milliseconds, and how often its word is renewed.
const OWNED: u64 = 60_000;
const RENEWED: u64 = 10_000;
const EVER: u64 = u64::MAX;

/// Numbers that a seed gives.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }
}

/// What the signer does about a job, until a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Sign,
    Refuse {
        until: u64,
    },
    /// Nothing comes of a question that was asked before.
    Silence {
        until: u64,
    },
    /// It takes so long.
    Slow {
        ms: u64,
    },
}

#[derive(Debug, Clone)]
struct Job {
    comes: u64,
    does: Does,
    cancelled: Option<u64>,
    /// When its transaction is mined after it was signed, and whether it waits for its replacement.
    mined_after: u64,
    overdue: bool,
    // What became of it.
    admitted: Option<u64>,
    signed: Option<u64>,
    replaced: bool,
    over: bool,
}

/// What the signer does about everybody for a time.
#[derive(Clone, Copy, Debug)]
struct Outage {
    from: u64,
    to: u64,
    refuses: bool,
    /// Of how many questions it is one that fails.
    one_in: u64,
}

#[derive(Debug, Clone)]
struct Plan {
    jobs: Vec<Job>,
    places: usize,
    /// The time between two looks.
    look: u64,
    outage: Option<Outage>,
    /// When the process stops, and for how long.
    pause: Option<(u64, u64)>,
    ends: u64,
}

struct Asking {
    request: Request,
    /// When it is answered, and whether with a signature.
    answer: Option<(u64, bool)>,
    given_up: bool,
    nonce: Option<u64>,
}

/// One question and its end, as told to the assertions.
#[derive(Debug)]
struct Asked {
    request: Request,
    at: u64,
    first: bool,
    signed: bool,
}

struct World {
    plan: Plan,
    random: Random,
    base: Instant,
    queue: Queue,
    now: u64,
    asking: Vec<Asking>,
    log: Vec<Asked>,
    /// By request: the failures that count, and when the last one was.
    failed: HashMap<Request, (u32, u64)>,
    last_signed: Option<u64>,
    next_nonce: u64,
    word: u64,
}

fn id(index: usize) -> JobId {
    JobId(index as i64)
}

fn index(request: Request) -> usize {
    request.job.0 as usize
}

impl World {
    fn new(plan: Plan, seed: u64) -> Self {
        Self {
            queue: Queue::new(plan.places),
            plan,
            random: Random(seed),
            base: Instant::now(),
            now: 0,
            asking: vec![],
            log: vec![],
            failed: HashMap::new(),
            last_signed: None,
            next_nonce: 0,
            word: 0,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.base + Duration::from_millis(ms)
    }

    fn instant(&self) -> Instant {
        self.at(self.now)
    }

    fn in_flight(&self) -> usize {
        self.plan.jobs.iter().filter(|job| job.signed.is_some() && !job.over).count()
    }

    /// The signer's answer to what is asked now.
    fn answer(&mut self, request: Request) -> Option<(u64, bool)> {
        let took = self.random.within(SPEED / 4, SPEED);
        if let Some(outage) = self.plan.outage
            && (outage.from..outage.to).contains(&self.now)
            && self.random.one_in(outage.one_in)
        {
            return outage.refuses.then_some((self.now + took, false));
        }
        match self.plan.jobs[index(request)].does {
            Does::Refuse { until } if self.now < until => Some((self.now + took, false)),
            Does::Silence { until } if self.now < until => None,
            Does::Slow { ms } => Some((self.now + ms, true)),
            _ => Some((self.now + took, true)),
        }
    }

    fn ask(&mut self, request: Request) {
        let job = &self.plan.jobs[index(request)];
        assert!(!job.over && job.comes <= self.now, "{request:?} is over");
        if request.kind == Kind::First {
            assert!(job.cancelled.is_none_or(|at| at > self.now), "{request:?} is called off");
            assert!(self.in_flight() < self.plan.places, "no place");
            let firsts = self.asking.iter().filter(|own| !own.given_up && own.nonce.is_some());
            assert_eq!(firsts.count(), 0, "one nonce at a time");
        }
        if let Some((times, last)) = self.failed.get(&request) {
            let wait = 1000 * 2_u64.pow(times.saturating_sub(1).min(10));
            assert!(self.now >= last + wait.min(30_000), "{request:?} is asked too often");
        }
        let (answer, nonce) =
            (self.answer(request), (request.kind == Kind::First).then_some(self.next_nonce));
        self.asking.push(Asking { request, answer, given_up: false, nonce });
        let first = !self.failed.contains_key(&request);
        self.log.push(Asked { request, at: self.now, first, signed: false });
    }

    fn fail(&mut self, request: Request) {
        let own = self.failed.entry(request).or_insert((0, 0));
        if own.0 == 0 || self.last_signed.is_some_and(|at| at > own.1) {
            own.0 += 1;
        }
        own.1 = self.now;
    }

    fn call_off(&mut self, job: usize) {
        self.queue.call_off(id(job));
        self.asking.retain(|own| index(own.request) != job);
        self.failed.retain(|request, _| index(*request) != job);
    }

    /// An answer is there.
    fn answered(&mut self, own: Asking, signs: bool) {
        let (request, now) = (own.request, self.instant());
        if signs {
            self.last_signed = Some(self.now);
        }
        if own.given_up {
            return self.queue.late(request, signs, now);
        }
        if !signs {
            self.queue.refused(request, now);
            return self.fail(request);
        }
        let used = self.queue.signed(request, now);
        assert_eq!(used, Use::Keep, "{request:?}");
        self.failed.remove(&request);
        if !self.queue.may_send(now, self.now) {
            // It is asked again, by whoever has the key.
            return;
        }
        assert!(self.now - self.word < OWNED / 2, "{request:?} is stored on an old word");
        let at = self.now;
        let job = &mut self.plan.jobs[index(request)];
        match request.kind {
            Kind::First => {
                assert!(job.cancelled.is_none_or(|cancelled| cancelled > at), "called off");
                assert!(job.signed.is_none(), "signed twice");
                assert_eq!(own.nonce, Some(self.next_nonce), "gapless");
                self.next_nonce += 1;
                job.signed = Some(at);
            }
            Kind::Transfer => (job.replaced, job.mined_after) = (true, at - job.comes + 2000),
            Kind::Replacement => job.replaced = true,
        }
        assert!(self.in_flight() <= self.plan.places, "places");
        if let Some(asked) = self.log.iter_mut().rev().find(|asked| asked.request == request) {
            asked.signed = true;
        }
    }

    /// A question that is given up now.
    fn over(&self) -> Option<usize> {
        self.asking
            .iter()
            .position(|own| !own.given_up && self.queue.is_over(&own.request, self.instant()))
    }

    /// What happens to jobs by itself.
    fn chain(&mut self) {
        for job in 0..self.plan.jobs.len() {
            let now = self.now;
            let own = &mut self.plan.jobs[job];
            if own.over || own.comes > now {
                continue;
            }
            let cancelled = own.cancelled.is_some_and(|at| at <= now);
            match own.signed {
                None if cancelled => {
                    own.over = true;
                    self.call_off(job);
                }
                None => {}
                Some(at) if now >= at + own.mined_after && (!own.overdue || own.replaced) => {
                    own.over = true;
                    self.call_off(job);
                }
                Some(at) if (cancelled || own.overdue && now >= at + 1000) && !own.replaced => {
                    let kind = if cancelled { Kind::Transfer } else { Kind::Replacement };
                    self.queue.wait(Request { kind, job: id(job) });
                }
                Some(_) => {}
            }
        }
    }

    /// One moment: what happened, and what the queue decides.
    fn moment(&mut self, look: bool) {
        self.chain();
        let now = self.now;
        // After a pause, either may be seen first.
        let answers_first = !self.random.one_in(3);
        for part in 0..2 {
            if (part == 0) == answers_first {
                let there = |own: &Asking| own.answer.is_some_and(|(at, _)| at <= now);
                while let Some(at) = self.asking.iter().position(there) {
                    let own = self.asking.swap_remove(at);
                    let signs = own.answer.is_some_and(|(_, signs)| signs);
                    self.answered(own, signs);
                }
            } else {
                while let Some(at) = self.over() {
                    let mut own = self.asking.swap_remove(at);
                    let request = own.request;
                    if self.queue.silent(request, self.at(now)) {
                        own.given_up = true;
                        self.asking.retain(|older| older.request != request);
                        self.asking.push(own);
                    }
                    self.fail(request);
                }
            }
        }
        if look {
            if now >= self.word + RENEWED || now == 0 {
                self.word = now;
                self.queue.word(self.instant(), now, Duration::from_millis(OWNED));
            }
            self.admit();
            let is_waiting = |job: &&usize| {
                let own = &self.plan.jobs[**job];
                own.admitted.is_some() && own.signed.is_none() && !own.over
            };
            let all: Vec<usize> = (0..self.plan.jobs.len()).collect();
            let waiting: Vec<JobId> = all.iter().filter(is_waiting).map(|job| id(*job)).collect();
            self.queue.wait_first(&waiting, self.in_flight());
        }
        let at_hand: Vec<Request> = self.queue.may_be_next(self.instant()).into_iter().collect();
        while let Some(request) = self.queue.next(&at_hand, self.instant()) {
            self.ask(request);
        }
    }

    /// Jobs come as there are places.
    fn admit(&mut self) {
        let mut taken = 0;
        for job in 0..self.plan.jobs.len() {
            let own = &mut self.plan.jobs[job];
            if own.comes > self.now || own.over {
                continue;
            }
            if own.admitted.is_none() {
                if taken >= self.plan.places {
                    return;
                }
                own.admitted = Some(self.now);
            }
            taken += usize::from(own.signed.is_some() || self.queue.takes_place(id(job)));
        }
    }

    fn run(mut self) -> Self {
        let mut next_look = 0;
        while self.now < self.plan.ends && !self.plan.jobs.iter().all(|job| job.over) {
            let look = self.now >= next_look;
            if look {
                next_look = self.now + self.plan.look;
            }
            self.moment(look);
            let mut next = next_look;
            for own in &self.asking {
                next = next.min(own.answer.map_or(EVER, |(at, _)| at));
                if let Some(until) = self.queue.until(&own.request, self.instant()) {
                    let ms = until.saturating_duration_since(self.base).as_millis();
                    next = next.min(u64::try_from(ms).unwrap_or(EVER));
                }
            }
            self.now = next.max(self.now + 1);
            if let Some((at, lasts)) = self.plan.pause
                && (at..at + lasts).contains(&self.now)
            {
                self.now = at + lasts;
            }
        }
        self
    }

    /// Those that the signer fails for whenever it is asked.
    fn is_bad(job: &Job) -> bool {
        matches!(job.does, Does::Refuse { until: EVER } | Does::Silence { until: EVER })
    }

    /// The bound: from when it has a place until it is signed, a job that the signer never failed for
    /// waits, and a quarter more, for what is signed meanwhile and for the first question about each
    /// that fails, of twice the time that the signer takes; and for two of the longest questions. How
    /// many failed before does not matter.
    fn never_failed_are_signed_in_their_bound(&self) {
        let slowest = self.plan.jobs.iter().map(|job| match job.does {
            Does::Slow { ms } => ms,
            _ => SPEED,
        });
        let slowest = slowest.max().unwrap_or(SPEED);
        let first = 2000.max(2 * slowest);
        for (at, job) in self.plan.jobs.iter().enumerate() {
            if job.does != Does::Sign || job.cancelled.is_some() {
                continue;
            }
            let (Some(from), signed) = (job.admitted, job.signed) else { continue };
            let to = signed.unwrap_or(self.plan.ends);
            let meanwhile =
                |own: &&Asked| (from..=to).contains(&own.at) && index(own.request) != at;
            let firsts =
                || self.log.iter().filter(meanwhile).filter(|own| own.request.kind == Kind::First);
            let signed_for = firsts().filter(|own| own.signed).count() as u64 + 1;
            let failed = firsts().filter(|own| own.first && !own.signed).count() as u64;
            let longest = 2 * first.max(15_000) + 2 * self.plan.look;
            let bound = (signed_for * slowest + failed * first) * 5 / 4 + longest;
            let asked: Vec<&Asked> = firsts().collect();
            assert!(
                to - from <= bound,
                "job {at} from {from}, {} ms of {bound}: {asked:?}",
                to - from
            );
        }
    }
}

fn job(comes: u64, does: Does) -> Job {
    Job {
        comes,
        does,
        cancelled: None,
        mined_after: 500,
        overdue: false,
        admitted: None,
        signed: None,
        replaced: false,
        over: false,
    }
}

fn any_job(random: &mut Random, until: u64, slow: bool) -> Job {
    let comes = if random.one_in(2) { random.within(0, 2000) } else { random.within(0, until) };
    let ends = random.within(1000, until);
    let does = match random.within(0, if slow { 9 } else { 8 }) {
        0 => Does::Refuse { until: EVER },
        1 => Does::Refuse { until: ends },
        2 => Does::Silence { until: EVER },
        3 => Does::Silence { until: ends },
        9 => Does::Slow { ms: random.within(500, 40_000) },
        _ => Does::Sign,
    };
    let mut job = job(comes, does);
    if random.one_in(6) {
        job.cancelled = Some(comes + random.within(0, 20_000));
    }
    (job.mined_after, job.overdue) = (random.within(100, 12_000), random.one_in(5));
    job
}

fn any_plan(random: &mut Random) -> Plan {
    let until = random.within(10_000, 120_000);
    let count = random.within(1, 60);
    let slow = random.one_in(2);
    let mut jobs: Vec<Job> = (0..count).map(|_| any_job(random, until, slow)).collect();
    jobs.sort_by_key(|job| job.comes);
    Plan {
        jobs,
        places: if random.one_in(3) { 1000 } else { random.within(1, 32) as usize },
        look: random.within(200, 2000),
        outage: None,
        pause: None,
        ends: until + 150_000,
    }
}

#[test]
fn whatever_the_signer_does_to_others_those_it_never_failed_for_are_signed_in_their_bound() {
    for seed in 0..1000 {
        let mut random = Random(seed);
        let world = World::new(any_plan(&mut random), seed).run();
        // Otherwise they wait for places, too.
        if world.plan.places == 1000 {
            world.never_failed_are_signed_in_their_bound();
        }
    }
}

#[test]
fn how_many_are_refused_or_silent_for_ever_changes_nothing_for_those_that_come_then() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let bad = random.within(0, 100);
        let mut jobs: Vec<Job> = (0..bad)
            .map(|_| match random.one_in(4) {
                true => job(0, Does::Silence { until: EVER }),
                false => job(0, Does::Refuse { until: EVER }),
            })
            .collect();
        // By then the signer was asked about each.
        let comes = 300_000;
        let good = random.within(1, 60);
        jobs.extend((0..good).map(|_| job(comes, Does::Sign)));
        let places = random.within(1, 32) as usize;
        let plan =
            Plan { jobs, places, look: 500, outage: None, pause: None, ends: comes + 120_000 };
        let world = World::new(plan, seed).run();
        let last = world.plan.jobs.iter().filter(|job| job.does == Does::Sign);
        let last = last.map(|job| job.signed.expect("signed")).max().expect("one");
        // With one place, each is mined before the next.
        let each = SPEED + if places < 8 { 1500 } else { 0 };
        let bound = good * each * 5 / 4 + 17_000;
        assert!(last - comes <= bound, "{seed}: {bad} and {good}: {} ms", last - comes);
    }
}

#[test]
fn once_a_signer_that_was_out_of_order_signs_everything_is_signed_within_seconds() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let (from, lasts) = (random.within(0, 5000), random.within(1000, 90_000));
        let (good, bad) = (random.within(1, 60), random.within(0, 40));
        let mut jobs: Vec<Job> =
            (0..good).map(|_| job(random.within(0, from + lasts), Does::Sign)).collect();
        jobs.extend(
            (0..bad).map(|_| job(random.within(0, from + lasts), Does::Refuse { until: EVER })),
        );
        jobs.sort_by_key(|job| job.comes);
        let (refuses, to) = (random.one_in(2), from + lasts);
        let outage = Some(Outage { from, to, refuses, one_in: 1 });
        let look = random.within(200, 1000);
        let ends = to + 120_000;
        let plan = Plan { jobs, places: 1000, look, outage, pause: None, ends };
        let world = World::new(plan, seed).run();
        // Each of those that failed is tried once a cycle until one is signed, and once more then.
        let failed = good + bad;
        let bound = 8000.max(failed * SPEED) + 5000 + failed * SPEED * 5 / 4 + 6 * look;
        for own in world.plan.jobs.iter().filter(|job| job.does == Does::Sign) {
            let signed = own.signed.unwrap_or(EVER);
            assert!(
                signed < to + bound,
                "{seed}: {} after {to}, {bound}: {good} {bad} {refuses} {look}",
                signed.saturating_sub(to)
            );
        }
    }
}

#[test]
fn a_signer_that_refuses_every_second_request_signs_for_all_of_them() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let count = random.within(1, 160);
        let jobs = (0..count).map(|_| job(0, Does::Sign)).collect();
        let (refuses, look) = (random.one_in(2), random.within(100, 500));
        let one_in = if refuses { 2 } else { 8 };
        let outage = Some(Outage { from: 0, to: EVER, refuses, one_in });
        let plan = Plan { jobs, places: 1000, look, outage, pause: None, ends: 900_000 };
        let world = World::new(plan, seed).run();
        let mut signed: Vec<u64> =
            world.plan.jobs.iter().map(|job| job.signed.expect("all of them")).collect();
        signed.sort_unstable();
        // Twice as many questions; those that fail again and again wait for their turns.
        let (most, bound) = (signed[signed.len() * 3 / 4], count * (SPEED * 5 / 2) + 30_000);
        assert!(most <= bound, "{seed}: {count} {refuses}: {most} ms of {bound}");
    }
}

#[test]
fn a_signer_that_is_slow_for_everybody_signs_at_its_speed() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (count, ms) = (random.within(1, 20), random.within(500, 60_000));
        let jobs = (0..count).map(|_| job(0, Does::Slow { ms })).collect();
        let ends = 4_000_000;
        let plan = Plan { jobs, places: 1000, look: 200, outage: None, pause: None, ends };
        let world = World::new(plan, seed).run();
        let last = world.plan.jobs.iter().map(|job| job.signed.unwrap_or(EVER)).max();
        let last = last.expect("a job");
        // Two are late, whose answers tell how slow it is; meanwhile some are asked in vain.
        let bound = (count + 3) * (ms + 200) + 60_000;
        assert!(last <= bound, "{seed}: {count} of {ms}: {last} ms of {bound}");
    }
}

#[test]
fn nothing_is_kept_on_an_old_word_whenever_the_process_stops() {
    let mut seen = BTreeSet::new();
    for seed in 0..1000 {
        let mut random = Random(seed);
        let mut plan = any_plan(&mut random);
        plan.pause = Some((random.within(0, 60_000), random.within(1000, 200_000)));
        let from = random.within(0, 60_000);
        let (to, refuses) = (from + random.within(0, 60_000), random.one_in(2));
        plan.outage = Some(Outage { from, to, refuses, one_in: random.within(1, 3) });
        // The assertions are in the world.
        let world = World::new(plan, seed).run();
        seen.extend(world.log.iter().map(|own| own.request.kind));
    }
    assert_eq!(seen.len(), 3, "of each kind");
}

#[test]
fn what_is_refused_for_ever_is_asked_twice_a_minute_at_most_and_takes_no_place() {
    let mut jobs: Vec<Job> = (0..600).map(|at| job(at * 1000, Does::Sign)).collect();
    jobs.insert(0, job(0, Does::Refuse { until: EVER }));
    let plan = Plan { jobs, places: 1, look: 50, outage: None, pause: None, ends: 600_000 };
    let world = World::new(plan, 1).run();
    let asked = world.log.iter().filter(|own| index(own.request) == 0).count();
    assert!((20..=6 + 20).contains(&asked), "{asked}");
    assert!(!world.queue.takes_place(id(0)));
    assert!(World::is_bad(&world.plan.jobs[0]));
    assert!(world.next_nonce > 550, "{}", world.next_nonce);
}
