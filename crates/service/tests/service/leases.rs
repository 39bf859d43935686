//! Workers hold jobs by leases: one each, not for ever, and never against a later one.

use verdict_service::{
    job::{Kind, Reason, ReasonCode, State},
    store::{AT_A_TIME, Claims, Intake, StoreError, Then},
};

use crate::common::{MODEL, claims, on_both, subject};

#[test]
fn jobs_about_one_subject_go_one_after_the_other() {
    on_both(async |place| {
        let first = place.submit(place.job(1)).await;
        place.clock.advance(1);
        let second = place.submit(place.job(1)).await;
        let other = place.submit(place.job(2)).await;
        let taken = place.claim("a").await;
        assert_eq!(taken[0].id, first);
        assert_eq!(place.claim("b").await[0].id, other, "the second has to wait");
        assert!(place.claim("c").await.is_empty());
        // Proven is not recorded: its nonce is still to be used.
        assert!(place.prove("a", taken).await);
        assert!(place.claim("c").await.is_empty());
        place.store.cancel(&second, "tester").await.expect("cancelled");
        assert_eq!(place.story(&second).await, ["queued", "cancelled"]);
    });
}

#[test]
fn what_is_urgent_goes_first_and_what_is_put_off_waits() {
    on_both(async |place| {
        let low = place.submit(place.job(1)).await;
        let mut urgent = place.job(2);
        urgent.priority = 5;
        let urgent = place.submit(urgent).await;
        let taken = place.claim("a").await;
        assert_eq!(taken[0].id, urgent);
        let reason = Reason::new(ReasonCode::Chain, "no node answers");
        place
            .store
            .give_back("a", &urgent, &reason, Then::Untried { after_ms: 5000 })
            .await
            .expect("given back");
        assert_eq!(place.claim("a").await[0].id, low);
        assert!(place.claim("a").await.is_empty());
        place.clock.advance(5000);
        assert_eq!(place.claim("a").await[0].id, urgent);
        assert_eq!(place.story(&urgent).await, ["queued", "proving", "queued", "proving"]);
    });
}

#[test]
fn a_batch_waits_for_its_jobs_and_goes_without_them_after_a_while() {
    on_both(async |place| {
        let claim =
            async || place.store.claim("a", &claims(3, 2000), 10_000).await.expect("claimed");
        for index in [1, 2, 1] {
            place.submit(place.job(index)).await;
            place.clock.advance(1);
        }
        assert!(claim().await.is_empty(), "two subjects are no three");
        place.submit(place.job(3)).await;
        let taken = claim().await;
        let about: Vec<_> = taken.iter().map(|job| job.subject).collect();
        assert_eq!(about, [1, 2, 3].map(|index| Some(subject(index))));
        assert!(place.prove("a", taken).await);
        // The second about subject 1 waits for the first one's end, then for company.
        assert!(claim().await.is_empty());
        place.store.take_relays("s", &[MODEL], 9).await.expect("taken");
        let (bundle, _) = place.store.own_relays("s").await.expect("one")[0].clone();
        let done = verdict_service::store::Outcome::Finalized(None);
        place.store.relayed("s", &bundle, &done).await.expect("done");
        assert!(claim().await.is_empty());
        place.clock.advance(2000);
        assert_eq!(claim().await.len(), 1);
    });
}

#[test]
fn scores_and_proofs_alone_are_not_mixed_in_one_proof() {
    on_both(async |place| {
        place.submit(place.job(1)).await;
        let mut alone = place.job(2);
        (alone.kind, alone.subject) = (Kind::Proof, None);
        place.submit(alone).await;
        place.clock.advance(5000);
        for kind in [Kind::Score, Kind::Proof] {
            let taken = place.store.claim("a", &claims(4, 1000), 10_000).await.expect("claimed");
            assert_eq!(taken.iter().map(|job| job.kind).collect::<Vec<_>>(), [kind]);
        }
    });
}

#[test]
fn a_dead_worker_s_job_returns_and_its_late_proof_is_refused() {
    on_both(async |place| {
        let id = place.submit(place.job(1)).await;
        let late = place.claim("dead").await;
        assert_eq!(place.store.expire_leases(5).await.expect("looked"), 0);
        place.clock.advance(6000);
        assert_eq!(place.store.renew("dead", 10_000).await.expect("renewed"), 1);
        place.clock.advance(9999);
        assert_eq!(place.store.expire_leases(5).await.expect("looked"), 0, "it was renewed");
        place.clock.advance(2);
        assert_eq!(place.store.expire_leases(5).await.expect("looked"), 1);
        let job = place.store.job(&id).await.expect("a job");
        let reason = job.reason.expect("a reason");
        assert_eq!((reason.code, job.attempts), (ReasonCode::LeaseExpired, 1));
        assert!(reason.message.contains("dead"), "it is visible whose: {}", reason.message);

        let jobs = place.claim("alive").await;
        assert_eq!(jobs[0].id, id);
        assert!(!place.prove("dead", late.clone()).await, "somebody else has the job");
        assert_eq!(place.store.renew("dead", 10_000).await.expect("none"), 0);
        let reason = Reason::new(ReasonCode::Prover, "failed");
        let end = Then::End(State::Dropped);
        place.store.give_back("dead", &id, &reason, end).await.expect("nothing is done");
        assert_eq!(place.state(&id).await, "proving");
        assert!(place.prove("alive", jobs).await);
        assert!(!place.prove("dead", late).await, "it is proven");
        assert_eq!(place.story(&id).await, ["queued", "proving", "queued", "proving", "proved"]);
    });
}

#[test]
fn a_proof_of_a_batch_is_stored_whole_or_not_at_all() {
    on_both(async |place| {
        let ids = [place.submit(place.job(1)).await, place.submit(place.job(2)).await];
        let taken = place.store.claim("a", &claims(2, 0), 10_000).await.expect("claimed");
        assert_eq!(taken.len(), 2);
        place.store.cancel(&ids[1], "tester").await.expect("cancelled");
        assert!(!place.prove("a", taken).await, "one of them is not wanted any more");
        assert_eq!(place.state(&ids[0]).await, "proving");
        // The cancelled one is over, whatever its worker says of it now.
        let reason = Reason::new(ReasonCode::Prover, "given back");
        for id in &ids {
            let untried = Then::Untried { after_ms: 0 };
            place.store.give_back("a", id, &reason, untried).await.expect("heard");
        }
        assert_eq!(place.state(&ids[0]).await, "queued");
        assert_eq!(place.story(&ids[1]).await, ["queued", "proving", "cancelled"]);
        assert!(place.store.own_relays("s").await.expect("none").is_empty());
        place.store.take_relays("s", &[MODEL], 9).await.expect("none");
        assert!(place.store.own_relays("s").await.expect("none").is_empty());
    });
}

#[test]
fn what_failed_in_a_batch_is_tried_alone() {
    on_both(async |place| {
        for index in 1..=3 {
            place.submit(place.job(index)).await;
        }
        let claim = async |batch| {
            place.store.claim("a", &claims(batch, 60_000), 10_000).await.expect("jobs")
        };
        let reason = Reason::new(ReasonCode::Prover, "failed");
        for job in claim(3).await {
            let again = Then::Again { most: 9, after_ms: 0 };
            place.store.give_back("a", &job.id, &reason, again).await.expect("given back");
        }
        place.submit(place.job(4)).await;
        for _ in 1..=3 {
            assert_eq!(claim(3).await.len(), 1, "without waiting for others");
        }
        assert!(claim(3).await.is_empty(), "the new one waits");
    });
}

#[test]
fn a_job_that_ends_its_workers_is_dropped_after_a_few() {
    on_both(async |place| {
        let id = place.submit(place.job(1)).await;
        for worker in ["a", "b", "c"] {
            assert_eq!(place.claim(worker).await.len(), 1);
            place.clock.advance(10_001);
            assert_eq!(place.store.expire_leases(3).await.expect("looked"), 1);
        }
        assert_eq!(place.state(&id).await, "dropped");
        assert!(place.claim("d").await.is_empty());
        let error = place.store.retry(&id, "tester").await.expect_err("no input is left");
        assert!(matches!(error, StoreError::WrongState { .. }), "{error}");
    });
}

#[test]
fn two_workers_never_have_one_job() {
    on_both(async |place| {
        for index in 0..60 {
            place.submit(place.job(index % 40)).await;
        }
        let workers = (0..6).map(|index| {
            let store = place.store.clone();
            tokio::spawn(async move {
                let (name, mut mine) = (format!("w{index}"), vec![]);
                for _ in 0..40 {
                    // Of two that want one subject's lane, one is told that it is taken.
                    if let Ok(taken) = store.claim(&name, &claims(1, 0), 60_000).await {
                        mine.extend(taken.into_iter().map(|job| (job.id, job.subject)));
                    }
                }
                mine
            })
        });
        let mut all = vec![];
        for worker in futures::future::join_all(workers).await {
            all.extend(worker.expect("it works"));
        }
        let count = all.len();
        for index in [0, 1] {
            let mut keys: Vec<String> = all
                .iter()
                .map(|(id, subject)| if index == 0 { id.clone() } else { format!("{subject:?}") })
                .collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), count, "a job, and a subject, is one worker's");
        }
        assert_eq!(count, 40, "of every subject one");
    });
}

#[test]
fn a_job_whose_deadline_passes_in_the_queue_is_dropped() {
    on_both(async |place| {
        let mut job = place.job(1);
        job.deadline = Some(place.store.now_ms() / 1000 + 60);
        let id = place.submit(job).await;
        assert_eq!(place.store.drop_overdue().await.expect("looked"), 0);
        place.clock.advance(60_000);
        assert_eq!(place.store.drop_overdue().await.expect("looked"), 1);
        let job = place.store.job(&id).await.expect("a job");
        assert_eq!(job.reason.expect("a reason").code, ReasonCode::DeadlinePassed);
    });
}

#[test]
fn a_proof_that_fails_is_tried_again_a_few_times() {
    on_both(async |place| {
        let id = place.submit(place.job(1)).await;
        let reason = Reason::new(ReasonCode::Prover, "out of memory");
        // What was not tried does not count.
        for _ in 0..5 {
            assert_eq!(place.claim("a").await.len(), 1);
            let untried = Then::Untried { after_ms: 0 };
            place.store.give_back("a", &id, &reason, untried).await.expect("given back");
        }
        for left in [1, 0] {
            assert_eq!(place.claim("a").await.len(), 1);
            let again = Then::Again { most: 2, after_ms: 0 };
            place.store.give_back("a", &id, &reason, again).await.expect("given back");
            assert_eq!(place.state(&id).await, if left == 1 { "queued" } else { "dropped" });
        }
    });
}

#[test]
fn of_many_workers_at_once_one_has_a_job() {
    on_both(async |place| {
        const JOBS: usize = 60;
        for about in 0..JOBS {
            // Twenty subjects: three jobs of each, one after the other.
            place.submit(place.job((about % 20) as u8)).await;
        }
        let workers = (0..8).map(|worker| {
            let (store, name) = (place.store.clone(), format!("w{worker}"));
            tokio::spawn(async move {
                let (mut mine, mut idle) = (vec![], 0);
                while idle < 20 {
                    // Two may want one subject's lane: one gets it, the other an error or nothing.
                    let taken = store.claim(&name, &claims(2, 0), 10_000).await.unwrap_or_default();
                    idle = if taken.is_empty() { idle + 1 } else { 0 };
                    mine.extend(taken.into_iter().map(|job| (job.id, job.subject)));
                    tokio::task::yield_now().await;
                }
                mine
            })
        });
        let mut taken = vec![];
        for worker in workers.collect::<Vec<_>>() {
            taken.extend(worker.await.expect("ended"));
        }
        // Nobody proves, so a subject's later jobs wait for its first.
        assert_eq!(taken.len(), 20, "{taken:?}");
        taken.sort_by_key(|(_, subject)| *subject);
        taken.dedup_by_key(|(_, subject)| *subject);
        assert_eq!(taken.len(), 20);
        for (id, _) in &taken {
            assert_eq!(place.story(id).await, ["queued", "proving"]);
        }
    });
}

#[test]
fn whoever_is_in_a_hurry_makes_nobody_else_late() {
    on_both(async |place| {
        let claim = async || place.store.claim("a", &claims(4, 0), 10_000).await.expect("claimed");
        let now = place.store.now_ms() / 1000;
        let patient = place.submit(place.job(1)).await;
        let mut hurried = place.job(2);
        hurried.deadline = Some(now + 31);
        let hurried = place.submit(hurried).await;
        let mut chosen = place.job(3);
        chosen.deadline = Some(now + 3000);
        let chosen = place.submit(chosen).await;
        let ids = |taken: &[verdict_service::store::Claimed]| -> Vec<String> {
            taken.iter().map(|job| job.id.clone()).collect()
        };
        assert_eq!(ids(&claim().await), [patient, chosen]);
        assert_eq!(ids(&claim().await), [hurried]);
    });
}

#[test]
fn without_a_node_jobs_that_need_none_are_taken() {
    on_both(async |place| {
        let asks = place.submit(place.job(1)).await;
        let (mut chosen, mut alone) = (place.job(2), place.job(3));
        chosen.nonce = Some(4);
        (alone.kind, alone.subject) = (Kind::Proof, None);
        let (chosen, alone) = (place.submit(chosen).await, place.submit(alone).await);
        let without = Claims { node: false, ..claims(1, 0) };
        for expected in [&chosen, &alone] {
            let taken = place.store.claim("w", &without, 1000).await.expect("claimed");
            assert_eq!(taken.iter().map(|job| &job.id).collect::<Vec<_>>(), [expected]);
        }
        assert!(place.store.claim("w", &without, 1000).await.expect("looked").is_empty());
        let taken = place.claim("w").await;
        assert_eq!(taken.iter().map(|job| &job.id).collect::<Vec<_>>(), [&asks]);
    });
}

#[test]
fn what_is_overdue_is_dropped_a_few_at_a_time() {
    on_both(async |place| {
        const MANY: usize = AT_A_TIME + 150;
        let intake = Intake::start(place.store.clone(), 10_000);
        let jobs = (0..MANY).map(|_| {
            let mut job = place.job(1);
            job.deadline = Some(place.store.now_ms() / 1000 + 60);
            intake.submit(job)
        });
        for job in futures::future::join_all(jobs).await {
            job.expect("stored");
        }
        place.clock.advance(61_000);
        let drop = async || place.store.drop_overdue().await.expect("looked");
        assert_eq!((drop().await, drop().await, drop().await), (AT_A_TIME, 150, 0));
    });
}

#[test]
fn leases_that_ran_out_are_taken_back_a_few_at_a_time() {
    on_both(async |place| {
        const MANY: usize = AT_A_TIME + 20;
        let intake = Intake::start(place.store.clone(), 10_000);
        let jobs = (0..MANY).map(|_| {
            let mut job = place.job(1);
            (job.kind, job.subject) = (Kind::Proof, None);
            intake.submit(job)
        });
        futures::future::join_all(jobs).await;
        while !place.store.claim("w", &claims(512, 0), 1000).await.expect("claimed").is_empty() {}
        place.clock.advance(1001);
        let expire = async || place.store.expire_leases(5).await.expect("looked");
        assert_eq!((expire().await, expire().await, expire().await), (AT_A_TIME, 20, 0));
    });
}

#[test]
fn those_that_wait_for_a_node_say_so_while_they_do() {
    on_both(async |place| {
        let waits = place.submit(place.job(1)).await;
        let (mut chosen, mut alone, mut other) = (place.job(2), place.job(3), place.job(4));
        chosen.nonce = Some(4);
        (alone.kind, alone.subject) = (Kind::Proof, None);
        other.model = "another".into();
        let mut silent = vec![];
        for job in [chosen, alone, other] {
            silent.push(place.submit(job).await);
        }
        let told = async |id: &str| place.store.job(id).await.expect("a job").reason;
        let reason = Reason::new(ReasonCode::Chain, "no oracle answers");
        let tell = async |why: Option<&Reason>| {
            place.store.waits_for_node(MODEL, why).await.expect("told")
        };
        assert_eq!((tell(Some(&reason)).await, tell(Some(&reason)).await), (1, 0));
        assert_eq!(told(&waits).await, Some(reason));
        for id in &silent {
            assert_eq!(told(id).await, None);
        }
        assert_eq!((tell(None).await, told(&waits).await), (1, None));
        assert_eq!(tell(None).await, 0);
    });
}
