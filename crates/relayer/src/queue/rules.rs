//! Rules of the queue that no schedule is needed for.

use super::*;

#[test]
fn one_signature_that_took_long_makes_no_first_question_long() {
    let (mut queue, start) = (Queue::new(10), Instant::now());
    let late = Request { kind: Kind::Replacement, job: JobId(1) };
    queue.wait(late);
    assert_eq!(queue.next(&[late], start), Some(late));
    let now = start + Duration::from_secs(60);
    assert_eq!(queue.signed(late, now), Use::Keep);
    queue.wait_first(&[JobId(2), JobId(3)], 1);
    let first = Request { kind: Kind::First, job: JobId(2) };
    assert_eq!(queue.next(&[first], now), Some(first));
    assert!(!queue.is_over(&first, now + FIRST));
    assert!(queue.is_over(&first, now + FIRST * 2));
}

#[test]
fn a_word_is_old_by_whichever_clock_says_so() {
    let (mut queue, now) = (Queue::new(1), Instant::now());
    assert!(queue.may_send(now, 0), "nobody gave it a lease");
    queue.word(now, 1000, Duration::from_secs(60));
    assert!(queue.may_send(now + Duration::from_secs(29), 30_000));
    assert!(!queue.may_send(now + Duration::from_secs(30), 2000));
    assert!(!queue.may_send(now, 31_000));
}

#[test]
fn a_self_transfer_waits_for_no_replacement_and_for_no_call() {
    let (mut queue, now) = (Queue::new(10), Instant::now());
    let request = |kind, job| Request { kind, job: JobId(job) };
    queue.wait_first(&[JobId(0)], 0);
    assert!(queue.next(&[request(Kind::First, 0)], now).is_some());
    for job in 1..100 {
        let own = request(Kind::Replacement, job);
        queue.wait(own);
        assert_eq!(queue.next(&[own], now).is_some(), job <= PLACES as i64);
    }
    let own = request(Kind::Transfer, 100);
    queue.wait(own);
    assert_eq!(queue.next(&[own], now), Some(own));
    // Those that wait have the silent ones' places within seconds.
    let one = request(Kind::Replacement, 1);
    assert!(queue.is_over(&one, now + FIRST));
    // A late answer is thrown away, and its job asked again.
    queue.silent(one, now + FIRST);
    assert_eq!(queue.signed(one, now + FIRST), Use::ThrowAway);
    queue.call_off(JobId(2));
    assert_eq!(queue.signed(request(Kind::Replacement, 2), now + FIRST), Use::ThrowAway);
}

#[test]
fn no_more_is_signed_than_there_is_money_for() {
    let (mut queue, now) = (Queue::new(10), Instant::now());
    let jobs: Vec<JobId> = (0..4).map(JobId).collect();
    let firsts: Vec<Request> =
        jobs.iter().map(|job| Request { kind: Kind::First, job: *job }).collect();
    queue.wait_first(&jobs, 0);
    queue.allow(Some(2));
    // What is refused costs nothing.
    assert_eq!(queue.next(&firsts, now), Some(firsts[0]));
    queue.refused(firsts[0], now);
    for own in &firsts[1..3] {
        assert_eq!(queue.next(&firsts, now), Some(*own));
        assert_eq!(queue.signed(*own, now), Use::Keep);
    }
    let later = now + LONGEST;
    assert_eq!(queue.next(&firsts, later), None);
    // What is final makes room, but no money.
    queue.wait_first(&[jobs[0], jobs[3]], 0);
    assert_eq!(queue.next(&firsts, later), None);
    queue.allow(Some(1));
    assert!(queue.next(&firsts, later).is_some());
}

#[test]
fn a_signer_that_signs_for_nobody_is_given_one_more_job_a_second() {
    let (mut queue, now) = (Queue::new(4), Instant::now());
    let first = |job| Request { kind: Kind::First, job: JobId(job) };
    let jobs: Vec<JobId> = (0..100).map(JobId).collect();
    queue.wait_first(&jobs, 0);
    for job in 0..4 {
        assert_eq!(queue.most_unsigned(now), 4 * UNSIGNED);
        assert_eq!(queue.next(&[first(job)], now), Some(first(job)));
        queue.refused(first(job), now);
    }
    let seconds = |count| now + Duration::from_secs(count);
    let held = [0, 1, 10, 1000].map(|count| queue.most_unsigned(seconds(count)));
    assert_eq!(held, [4, 5, 14, 4 * UNSIGNED]);
    // One signature, and it is given as many as before.
    assert_eq!(queue.next(&[first(4)], seconds(1)), Some(first(4)));
    assert_eq!(queue.signed(first(4), seconds(1)), Use::Keep);
    assert_eq!(queue.most_unsigned(seconds(2)), 4 * UNSIGNED);
}

#[test]
fn of_very_many_failures_the_oldest_is_forgotten() {
    let (mut queue, start) = (Queue::new(10), Instant::now());
    let first = |job| Request { kind: Kind::First, job: JobId(job) };
    let fail = |queue: &mut Queue, job: i64, now| {
        queue.ask(first(job), now);
        queue.refused(first(job), now);
    };
    for job in 0..MOST as i64 {
        fail(&mut queue, job, start + Duration::from_millis(job as u64));
    }
    let later = start + Duration::from_secs(100);
    fail(&mut queue, 5, later);
    assert!(!queue.takes_place(JobId(0)) && !queue.takes_place(JobId(5)));
    fail(&mut queue, MOST as i64, later);
    assert!(queue.takes_place(JobId(0)));
    assert!(!queue.takes_place(JobId(1)) && !queue.takes_place(JobId(MOST as i64)));
}
