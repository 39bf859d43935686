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
