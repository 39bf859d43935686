//! Jobs come in once, in a bounded number, and are found again.

use verdict_service::{
    job::{Kind, State},
    store::{Filter, Intake, IntakeError, StoreError},
};

use crate::common::{MODEL, on_both, subject};

#[test]
fn a_job_is_stored_once_however_often_it_is_submitted() {
    on_both(async |place| {
        let intake = Intake::start(place.store.clone(), 1000);
        let mut job = place.job(1);
        job.idempotency_key = "client:a:k".into();
        // At the same moment, in one transaction of the writer.
        let again = (0..20).map(|_| {
            let mut again = job.clone();
            again.id = place.store.new_id();
            intake.submit(again)
        });
        let first = intake.submit(job.clone()).await.expect("stored");
        assert!(first.new);
        for answer in futures::future::join_all(again).await {
            let answer = answer.expect("the same");
            assert!(!answer.new && answer.job.id == first.job.id);
        }
        let mut other = job.clone();
        (other.id, other.fingerprint) = (place.store.new_id(), "another".into());
        let error = intake.submit(other).await.expect_err("another order");
        assert!(matches!(&error, IntakeError::Conflict { job, .. } if *job == first.job.id));
        assert_eq!(
            place.store.jobs(&Filter { limit: 9, ..Filter::default() }).await.expect("one").len(),
            1
        );
        assert_eq!(place.story(&first.job.id).await, ["queued"]);
    });
}

#[test]
fn a_queue_that_is_full_takes_no_more_and_goes_on_when_there_is_room() {
    on_both(async |place| {
        let intake = Intake::start(place.store.clone(), 2);
        let all = (1..=5).map(|index| intake.submit(place.job(index)));
        let all = futures::future::join_all(all).await;
        assert_eq!(all.iter().filter(|answer| answer.is_ok()).count(), 2);
        assert!(
            all.iter()
                .filter_map(|answer| answer.as_ref().err())
                .all(|e| matches!(e, IntakeError::Full))
        );
        // What is known is answered although there is no room.
        let known = all.into_iter().find_map(Result::ok).expect("one").job;
        let mut again = place.job(9);
        again.idempotency_key = known.idempotency_key.clone();
        assert_eq!(intake.submit(again).await.expect("known").job.id, known.id);
        assert_eq!(place.claim("w").await.len(), 1);
        intake.submit(place.job(8)).await.expect("there is room");
    });
}

#[test]
fn jobs_are_listed_by_page_and_filter_the_newest_first() {
    on_both(async |place| {
        let mut ids = vec![];
        for index in 1..=5 {
            place.clock.advance(1);
            ids.push(place.submit(place.job(index)).await);
        }
        ids.reverse();
        let list = async |filter: Filter| -> Vec<String> {
            place.store.jobs(&filter).await.expect("jobs").into_iter().map(|job| job.id).collect()
        };
        let all = Filter { limit: 2, ..Filter::default() };
        assert_eq!(list(all.clone()).await, ids[..2]);
        let next = Filter { before: Some(ids[1].clone()), limit: 9, ..Filter::default() };
        assert_eq!(list(next).await, ids[2..]);
        let about = Filter { subject: Some(subject(3)), limit: 9, ..Filter::default() };
        assert_eq!(list(about).await, [ids[2].clone()]);
        let none = Filter { state: Some(State::Proving), limit: 9, ..Filter::default() };
        assert_eq!(list(none).await, [""; 0]);
        let other = Filter { model: Some("x' OR 1=1 --".into()), limit: 9, ..Filter::default() };
        assert_eq!(list(other).await, [""; 0]);
        let counts = place.store.counts().await.expect("counts");
        assert!(counts.contains(&(Kind::Score, State::Queued, 5)));
        assert!(counts.contains(&(Kind::Proof, State::Proved, 0)));
        let error = place.store.job("no-such").await.expect_err("none");
        assert!(matches!(error, StoreError::NoJob(_)));
        let long = place.store.job(&"ä".repeat(5000)).await.expect_err("none").to_string();
        assert!(long.chars().count() < 150, "{long}");
    });
}

#[test]
fn an_input_is_gone_when_its_proof_is_stored_unless_it_is_to_be_kept() {
    on_both(async |place| {
        let (mut kept, mut alone) = (place.job(1), place.job(2));
        kept.keep_input = true;
        (alone.kind, alone.subject) = (Kind::Proof, None);
        let ids =
            [place.submit(kept).await, place.submit(alone).await, place.submit(place.job(3)).await];
        for _ in &ids {
            let jobs = place.claim("w").await;
            assert_eq!(jobs[0].input, "sealed");
            assert!(place.prove("w", jobs).await);
        }
        for id in &ids {
            // What ended the job, a refusal here, leaves no more than its client asked for.
            let job = place.store.job(id).await.expect("a job");
            assert_eq!(job.outputs, Some(vec![0.5]));
            assert_eq!(job.proof_ms, Some(25));
        }
        // Only the first one could be proven again.
        for (id, possible) in ids.iter().zip([true, false, false]) {
            place.clock.advance(4_000_000);
            let bundle = place.store.job(id).await.expect("a job").bundle.expect("a proof");
            place.store.take_relays("s", &[MODEL], 9).await.expect("taken");
            let reason = verdict_service::job::Reason::new(
                verdict_service::job::ReasonCode::Refused,
                "refused",
            );
            let ended = verdict_service::store::Outcome::Ended(State::Rejected, reason, None);
            place.store.relayed("s", &bundle, &ended).await.expect("ended");
            let retried = place.store.retry(id, "tester").await;
            assert_eq!(retried.is_ok(), possible, "{retried:?}");
        }
        assert_eq!(place.state(&ids[0]).await, "queued");
    });
}

#[test]
fn a_database_that_is_killed_and_comes_back_has_lost_nothing() {
    let mut server = crate::postgres::Postgres::start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = runtime.block_on(async {
        let clock = crate::common::TestClock::new();
        let url = crate::common::database(&server).await;
        let store = verdict_service::store::Store::postgres(&url, clock.clone()).await;
        crate::common::Place { store: store.expect("PostgreSQL"), clock }
    });
    let (id, taken) = runtime.block_on(async {
        let id = place.submit(place.job(1)).await;
        (id, place.claim("a").await)
    });
    server.restart();
    runtime.block_on(async {
        // Connections that broke are found to be so, once each.
        for _ in 0..20 {
            if place.store.ping().await.is_ok() {
                break;
            }
        }
        assert_eq!(place.state(&id).await, "proving");
        assert!(place.prove("a", taken).await);
        assert_eq!(place.story(&id).await, ["queued", "proving", "proved"]);
    });
}

#[test]
fn several_processes_that_store_one_key_at_once_make_one_job_and_fail_nobody_else() {
    on_both(async |place| {
        // A writer each, as every process has.
        let writers: Vec<_> = (0..4).map(|_| Intake::start(place.store.clone(), 1000)).collect();
        let jobs = (0..40).map(|index| {
            let mut job = place.job(index);
            if index % 2 == 0 {
                (job.subject, job.idempotency_key) = (Some(subject(1)), "client:a:same".into());
            }
            writers[usize::from(index) % 4].submit(job)
        });
        let mut ids: Vec<String> = vec![];
        for answer in futures::future::join_all(jobs).await {
            ids.push(answer.expect("stored, or known").job.id);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 21, "twenty of their own, and one");
    });
}

#[test]
fn a_deadline_that_its_client_chose_outlives_a_retry() {
    on_both(async |place| {
        let (mut given, mut free) = (place.job(1), place.job(2));
        given.deadline = Some(place.store.now_ms() / 1000 + 60);
        (given.keep_input, free.keep_input) = (true, true);
        let chosen = given.deadline;
        for (job, expected) in [(given, chosen), (free, None)] {
            let id = place.submit(job).await;
            place.store.cancel(&id, "tester").await.expect("cancelled");
            let again = place.store.retry(&id, "tester").await.expect("its input was kept");
            assert_eq!((again.state, again.deadline), (State::Queued, expected));
            place.store.cancel(&id, "tester").await.expect("cancelled");
            place.clock.advance(61_000);
            assert_eq!(place.store.retry(&id, "tester").await.is_err(), expected.is_some());
        }
    });
}

#[test]
fn two_processes_that_store_the_same_keys_in_opposite_orders_wait_for_each_other_and_not_for_ever()
{
    on_both(async |place| {
        const KEYS: usize = 120;
        for round in 0..4 {
            let writers = [0, 1].map(|_| Intake::start(place.store.clone(), 10_000));
            let submit = |writer: usize, index: usize| {
                let mut job = place.job(1);
                job.idempotency_key = format!("client:a:{round}:{index:03}");
                writers[writer].submit(job)
            };
            let up = futures::future::join_all((0..KEYS).map(|index| submit(0, index)));
            let down = futures::future::join_all((0..KEYS).rev().map(|index| submit(1, index)));
            let (up, mut down) = futures::future::join(up, down).await;
            down.reverse();
            for (index, (one, other)) in up.into_iter().zip(down).enumerate() {
                let (one, other) = (one.expect("stored"), other.expect("stored"));
                assert_eq!(one.job.id, other.job.id, "one job of each key");
                let key = format!("client:a:{round}:{index:03}");
                assert_eq!(one.job.idempotency_key, key, "an answer is its own order's");
                assert!(one.new != other.new);
            }
        }
    });
}
