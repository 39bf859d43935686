//! Proofs go to the chain with one key each, and what the chain says is written down once.

use alloy::primitives::{Address, B256};
use verdict_service::{
    job::{Reason, ReasonCode, State, Transaction},
    sender::keep_key,
    store::{Outcome, StoreError},
};

use crate::common::{MODEL, Place, claims, on_both};

fn transaction(block: u64) -> Transaction {
    let (hash, sender) = (B256::repeat_byte(block as u8), Address::repeat_byte(9));
    Transaction { hash, sender, block, gas_used: 270_000, fee_wei: "5".into() }
}

/// A job with its proof, in the hands of a sender.
async fn proven(place: &Place, about: u8, sender: &str) -> (String, String) {
    let id = place.submit(place.job(about)).await;
    let jobs = place.claim("w").await;
    assert!(place.prove("w", jobs).await);
    place.store.take_relays(sender, &[MODEL], 1).await.expect("taken");
    let bundle = place.store.job(&id).await.expect("a job").bundle.expect("a proof");
    (id, bundle)
}

#[test]
fn a_proof_is_one_sender_s() {
    on_both(async |place| {
        for index in 1..=4 {
            place.submit(place.job(index)).await;
            let jobs = place.claim("w").await;
            assert!(place.prove("w", jobs).await);
        }
        assert!(place.store.own_sender("a", "one", 60_000).await.expect("its key"));
        place.store.take_relays("a", &["another"], 3).await.expect("none");
        assert!(place.store.own_relays("a").await.expect("none").is_empty(), "of its models only");
        place.store.take_relays("a", &[MODEL, "another"], 3).await.expect("taken");
        place.store.take_relays("b", &[MODEL], 9).await.expect("taken");
        let (a, b) = (place.store.own_relays("a").await, place.store.own_relays("b").await);
        let (a, b) = (a.expect("three"), b.expect("one"));
        assert_eq!((a.len(), b.len()), (3, 1));
        let relay = place.store.relay(&a[0].0).await.expect("read").expect("it is there");
        assert!(!relay.sent && relay.bundle.requests.len() == 1);
        // Another's word changes nothing.
        place.store.relayed("b", &a[0].0, &Outcome::Submitted).await.expect("ignored");
        assert!(!place.store.relay(&a[0].0).await.expect("read").expect("there").sent);
        // From the moment that a relayer has it, it may be sent.
        assert!(!place.store.handed("b", &a[0].0).await.expect("not its own"));
        assert!(place.store.handed("a", &a[0].0).await.expect("noted"));
        assert!(place.store.relay(&a[0].0).await.expect("read").expect("there").sent);
    });
}

#[test]
fn a_job_follows_its_transaction_through_a_reorganization() {
    on_both(async |place| {
        let (id, bundle) = proven(&place, 1, "s").await;
        let tell = async |outcome: Outcome| {
            place.store.relayed("s", &bundle, &outcome).await.expect("noted");
        };
        tell(Outcome::Submitted).await;
        tell(Outcome::Submitted).await;
        tell(Outcome::Included(transaction(5))).await;
        tell(Outcome::Submitted).await;
        tell(Outcome::Included(transaction(6))).await;
        tell(Outcome::Finalized(Some(transaction(6)))).await;
        let told = [
            "queued",
            "proving",
            "proved",
            "submitted",
            "included",
            "submitted",
            "included",
            "finalized",
        ];
        assert_eq!(place.story(&id).await, told, "nothing twice");
        let job = place.store.job(&id).await.expect("a job");
        assert_eq!(job.transaction, Some(transaction(6)));
        assert_eq!((job.nonce, job.score.as_deref()), (Some(7), Some("500")));
        // It is over: nothing is said of it any more.
        tell(Outcome::Ended(State::Dropped, Reason::new(ReasonCode::Chain, "late"), None)).await;
        assert_eq!(place.state(&id).await, "finalized");
        // The next one about the subject may go.
        let next = place.submit(place.job(1)).await;
        assert_eq!(place.claim("w").await[0].id, next);
    });
}

#[test]
fn what_holds_a_proof_up_is_told_and_forgotten() {
    on_both(async |place| {
        let (id, bundle) = proven(&place, 1, "s").await;
        let reason = Reason::new(ReasonCode::Chain, "no funds");
        place.store.hold(&bundle, Some(&reason)).await.expect("told");
        assert_eq!(place.store.job(&id).await.expect("a job").reason, Some(reason));
        place.store.relayed("s", &bundle, &Outcome::Submitted).await.expect("noted");
        assert_eq!(place.store.job(&id).await.expect("a job").reason, None);
    });
}

#[test]
fn cancelling_is_possible_until_a_block_has_it() {
    on_both(async |place| {
        let (id, bundle) = proven(&place, 1, "s").await;
        place.store.cancel(&id, "tester").await.expect("asked for");
        assert_eq!(place.store.own_relays("s").await.expect("one"), [(bundle.clone(), true)]);
        assert_eq!(place.state(&id).await, "proved", "the sender decides");
        place.store.relayed("s", &bundle, &Outcome::Included(transaction(5))).await.expect("noted");
        let error = place.store.cancel(&id, "tester").await.expect_err("too late");
        assert!(matches!(&error, StoreError::WrongState { why, .. } if why.contains("block")));
        let end = Outcome::Finalized(Some(transaction(5)));
        place.store.relayed("s", &bundle, &end).await.expect("noted");
        let error = place.store.cancel(&id, "tester").await.expect_err("done");
        assert!(matches!(error, StoreError::WrongState { .. }));
        assert!(place.store.retry(&id, "tester").await.is_err(), "it is recorded");
    });
}

#[test]
fn a_refused_proof_is_sent_again_on_request_while_it_may_be_recorded() {
    on_both(async |place| {
        let (id, bundle) = proven(&place, 1, "s").await;
        let reason = Reason::new(ReasonCode::Refused, "OraclePaused()");
        let end = Outcome::Ended(State::Rejected, reason.clone(), Some(transaction(5)));
        place.store.relayed("s", &bundle, &end).await.expect("ended");
        let job = place.store.job(&id).await.expect("a job");
        assert_eq!((job.state, job.reason), (State::Rejected, Some(reason)));
        assert!(place.store.own_relays("s").await.expect("none").is_empty());
        let job = place.store.retry(&id, "tester").await.expect("again");
        assert_eq!(job.state, State::Proved);
        // Whichever key is served now takes it, not the one that had it alone.
        place.store.take_relays("t", &[MODEL], 1).await.expect("taken");
        assert!(place.store.own_relays("s").await.expect("none").is_empty());
        assert_eq!(place.store.own_relays("t").await.expect("one"), [(bundle, false)]);
    });
}

#[test]
fn a_key_is_one_process_s_until_it_leaves_or_is_silent() {
    on_both(async |place| {
        let own = async |owner| place.store.own_sender("0xa", owner, 1000).await.expect("asked");
        assert!(own("a").await);
        assert!(own("a").await, "it stays");
        assert!(!own("b").await);
        place.clock.advance(1001);
        assert!(own("b").await, "the other one is silent");
        assert!(!own("a").await);
        place.store.leave_sender("0xa", "a").await.expect("nothing");
        assert!(!own("a").await);
        place.store.leave_sender("0xa", "b").await.expect("left");
        assert!(own("a").await);
    });
}

#[test]
fn a_proof_that_no_sender_takes_ends_with_its_deadline_or_when_it_is_cancelled() {
    on_both(async |place| {
        let mut ids = vec![];
        for index in 1..=2 {
            ids.push(place.submit(place.job(index)).await);
            let jobs = place.claim("w").await;
            assert!(place.prove("w", jobs).await);
        }
        place.store.cancel(&ids[0], "tester").await.expect("asked for");
        assert_eq!(place.store.drop_overdue().await.expect("looked"), 1);
        assert_eq!(
            (place.state(&ids[0]).await, place.state(&ids[1]).await),
            ("cancelled", "proved")
        );
        place.clock.advance(3_601_000);
        assert_eq!(place.store.drop_overdue().await.expect("looked"), 1);
        assert_eq!(place.state(&ids[1]).await, "dropped");
    });
}

#[test]
fn a_key_of_nobody_s_choice_is_free_again_when_its_job_ended_without_a_record() {
    on_both(async |place| {
        for (key, again) in [("request:a:1", true), ("client:a:mine", false)] {
            let mut job = place.job(1);
            job.idempotency_key = key.into();
            let id = place.submit(job.clone()).await;
            place.store.cancel(&id, "tester").await.expect("cancelled");
            job.id = place.store.new_id();
            assert_eq!(place.submit(job).await != id, again, "{key}");
            for job in place.claim("w").await {
                place.store.cancel(&job.id, "tester").await.expect("cancelled");
            }
        }
    });
}

#[test]
fn a_job_that_is_tried_again_has_its_key_again_unless_another_one_has_it() {
    on_both(async |place| {
        let mut job = place.job(1);
        (job.idempotency_key, job.keep_input) = ("request:a:1".into(), true);
        let id = place.submit(job.clone()).await;
        place.store.cancel(&id, "tester").await.expect("cancelled");
        place.store.retry(&id, "tester").await.expect("tried again");
        job.id = place.store.new_id();
        assert_eq!(place.submit(job.clone()).await, id, "the same order is the same job");
        // Ended again, ordered again: now it is the second job's.
        place.store.cancel(&id, "tester").await.expect("cancelled");
        let second = place.submit(job).await;
        assert_ne!(second, id);
        let refused = place.store.retry(&id, "tester").await.expect_err("it would be done twice");
        assert!(refused.to_string().contains("another job"), "{refused}");
        place.store.cancel(&second, "tester").await.expect("cancelled");
        place.store.retry(&id, "tester").await.expect("nobody else has it");
    });
}

#[test]
fn jobs_are_cancelled_while_they_are_dropped() {
    on_both(async |place| {
        let mut ids = vec![];
        for index in 1..=40 {
            ids.push(place.submit(place.job(index)).await);
            let jobs = place.claim("w").await;
            assert!(place.prove("w", jobs).await);
        }
        place.clock.advance(3_601_000);
        let cancelled = ids.iter().map(|id| place.store.cancel(id, "tester"));
        let dropping = async {
            for _ in 0..10 {
                place.store.drop_overdue().await.expect("whoever came first");
            }
        };
        let (cancelled, ()) =
            futures::future::join(futures::future::join_all(cancelled), dropping).await;
        for answer in cancelled {
            // It may be over already; nobody waits for anybody who waits for him.
            assert!(!matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
        }
        place.store.drop_overdue().await.expect("the rest");
        for id in &ids {
            let state = place.state(id).await;
            assert!(["dropped", "cancelled"].contains(&state), "{state}");
        }
    });
}

#[test]
fn a_day_s_fees_are_those_of_every_transaction_once() {
    on_both(async |place| {
        let sender = transaction(1).sender.to_string();
        let spent = async || place.store.spent(&sender, 86_400_000).await.expect("summed");
        assert_eq!(spent().await, 0);
        // One of them is seen twice, as before and after a reorganization.
        for block in [1, 2, 2] {
            place.store.paid(&transaction(block), 172_800_000).await.expect("noted");
        }
        assert_eq!(spent().await, 10);
        place.clock.advance(86_400_000);
        assert_eq!(spent().await, 0);
        place.store.paid(&transaction(3), 172_800_000).await.expect("noted");
        assert_eq!(spent().await, 5);
    });
}

#[test]
fn a_key_is_kept_through_a_long_look_at_the_chain_and_let_go_when_it_is_another_s() {
    on_both(async |place| {
        let owns =
            async |owner: &str| place.store.own_sender("key", owner, 60_000).await.expect("asked");
        assert!(owns("a").await);
        let store = place.store.clone();
        let keeping = keep_key(place.store.clone(), move || {
            let store = store.clone();
            async move { store.own_sender("key", "a", 60_000).await }
        });
        let keeping = tokio::spawn(keeping);
        for _ in 0..5 {
            place.clock.advance(50_000);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            assert!(!owns("b").await, "five minutes, and still a's");
        }
        assert!(!keeping.is_finished());
        // As after a pause of the process: its word ran out, and another took the key.
        place.store.leave_sender("key", "a").await.expect("left");
        assert!(owns("b").await || !keeping.is_finished());
        if owns("b").await {
            let ended = tokio::time::timeout(std::time::Duration::from_secs(5), keeping).await;
            ended.expect("it lets go").expect("ended");
        }
    });
}

/// Two jobs with one proof, which ended without a record.
async fn refused_batch(place: &Place) -> ([String; 2], String) {
    let ids = [place.submit(place.job(1)).await, place.submit(place.job(2)).await];
    let taken = place.store.claim("w", &claims(2, 0), 10_000).await.expect("claimed");
    assert_eq!(taken.len(), 2);
    assert!(place.prove("w", taken).await);
    place.store.take_relays("s", &[MODEL], 1).await.expect("taken");
    let bundle = place.store.job(&ids[0]).await.expect("a job").bundle.expect("a proof");
    let reason = Reason::new(ReasonCode::Refused, "OraclePaused()");
    let end = Outcome::Ended(State::Rejected, reason, None);
    place.store.relayed("s", &bundle, &end).await.expect("ended");
    (ids, bundle)
}

#[test]
fn the_jobs_of_a_batch_are_tried_again_together_and_their_stories_say_so() {
    on_both(async |place| {
        let (ids, bundle) = refused_batch(&place).await;
        place.store.retry(&ids[1], "tester").await.expect("again");
        for id in &ids {
            let job = place.store.job(id).await.expect("a job");
            assert_eq!((job.state, job.reason, job.attempts), (State::Proved, None, 0));
            let story = place.store.events(id, 0).await.expect("events");
            let last = story.last().expect("an event");
            let reason = last.reason.clone().expect("why");
            assert_eq!((last.state, reason.code), (State::Proved, ReasonCode::Retried));
            assert_eq!(last.by.as_deref(), Some("tester"));
            assert_eq!(reason.message.contains(&ids[1]), *id == ids[0], "{reason:?}");
        }
        place.store.take_relays("s", &[MODEL], 1).await.expect("taken again");
        assert_eq!(place.store.own_relays("s").await.expect("one"), [(bundle.clone(), false)]);
        // Their subjects have no other job meanwhile.
        place.submit(place.job(1)).await;
        assert!(place.claim("w").await.is_empty());
        let error = place.store.retry(&ids[0], "tester").await.expect_err("it is under way");
        assert!(error.to_string().contains("only what was rejected"), "{error}");
    });
}

#[test]
fn a_batch_is_not_tried_again_over_a_later_order_of_another_of_its_subjects() {
    on_both(async |place| {
        let (ids, bundle) = refused_batch(&place).await;
        let later = place.submit(place.job(2)).await;
        for id in &ids {
            let error = place.store.retry(id, "tester").await.expect_err("it would be done twice");
            assert!(error.to_string().contains("later order"), "{error}");
        }
        for id in &ids {
            assert_eq!(place.state(id).await, "rejected");
        }
        // A later order that came to nothing is in nobody's way.
        place.store.cancel(&later, "tester").await.expect("cancelled");
        place.store.retry(&ids[0], "tester").await.expect("again");
        let end = Outcome::Finalized(Some(transaction(5)));
        place.store.take_relays("s", &[MODEL], 1).await.expect("taken again");
        place.store.relayed("s", &bundle, &end).await.expect("recorded");
        for id in &ids {
            assert_eq!(place.state(id).await, "finalized");
        }
    });
}

#[test]
fn a_job_whose_input_was_kept_leaves_a_batch_that_cannot_be_tried_again() {
    on_both(async |place| {
        let mut kept = place.job(1);
        kept.keep_input = true;
        let ids = [place.submit(kept).await, place.submit(place.job(2)).await];
        let taken = place.store.claim("w", &claims(2, 0), 10_000).await.expect("claimed");
        assert!(place.prove("w", taken).await);
        place.store.take_relays("s", &[MODEL], 1).await.expect("taken");
        let bundle = place.store.job(&ids[0]).await.expect("a job").bundle.expect("a proof");
        let reason = Reason::new(ReasonCode::Refused, "OraclePaused()");
        let end = Outcome::Ended(State::Rejected, reason, None);
        place.store.relayed("s", &bundle, &end).await.expect("ended");
        place.submit(place.job(2)).await;
        let job = place.store.retry(&ids[0], "tester").await.expect("by itself");
        assert_eq!((job.state, job.bundle), (State::Queued, None));
        assert_eq!(place.state(&ids[1]).await, "rejected");
        // What is left of the batch is not all that its proof is about.
        let error = place.store.retry(&ids[1], "tester").await.expect_err("not whole");
        assert!(error.to_string().contains("by itself"), "{error}");
    });
}

#[test]
fn what_a_key_that_is_gone_took_and_gave_no_relayer_is_another_s_and_nothing_else() {
    on_both(async |place| {
        assert!(place.store.own_sender("gone", "one", 60_000).await.expect("its key"));
        let (_, given) = proven(&place, 1, "gone").await;
        let (_, kept) = proven(&place, 2, "gone").await;
        assert!(place.store.handed("gone", &given).await.expect("given to its relayer"));
        assert_eq!(place.store.take_relays("b", &[MODEL], 9).await.expect("it has its key"), 0);
        place.store.leave_sender("gone", "one").await.expect("it ends");
        assert_eq!(place.store.take_relays("b", &[MODEL], 9).await.expect("taken"), 1);
        assert_eq!(place.store.own_relays("b").await.expect("one"), [(kept.clone(), false)]);
        assert!(!place.store.handed("gone", &kept).await.expect("too late"), "it may not send it");
        let own = place.store.own_relays("gone").await.expect("one");
        assert_eq!(own, [(given, false)], "what may be sent already stays");
    });
}

#[test]
fn a_proof_that_no_sender_has_room_for_says_what_it_waits_for_until_it_is_taken() {
    on_both(async |place| {
        let (taken, _) = proven(&place, 1, "s").await;
        let waiting = place.submit(place.job(2)).await;
        let jobs = place.claim("w").await;
        assert!(place.prove("w", jobs).await);
        let reason = Reason::new(ReasonCode::Chain, "32 are under way");
        place.store.say_untaken(&[MODEL], &reason).await.expect("told");
        assert_eq!(place.store.job(&waiting).await.expect("a job").reason, Some(reason));
        assert_eq!(place.store.job(&taken).await.expect("a job").reason, None);
    });
}

#[test]
fn a_proof_that_a_silent_key_was_given_says_whom_it_waits_for() {
    on_both(async |place| {
        assert!(place.store.own_sender("silent", "one", 60_000).await.expect("its key"));
        let (given, bundle) = proven(&place, 1, "silent").await;
        let (kept, _) = proven(&place, 2, "silent").await;
        assert!(place.store.handed("silent", &bundle).await.expect("given to its relayer"));
        let reason = async |id: &str| place.store.job(id).await.expect("a job").reason;
        place.store.say_stranded("b").await.expect("nothing");
        assert_eq!(reason(&given).await, None, "its process is heard of");
        place.clock.advance(60_001);
        place.store.say_stranded("silent").await.expect("nothing");
        assert_eq!(reason(&given).await, None, "it is its own");
        place.store.say_stranded("b").await.expect("told");
        let told = reason(&given).await.expect("why");
        assert!(told.message.contains("key silent"), "{told:?}");
        assert_eq!(reason(&kept).await, None, "whoever comes takes it");
        // Told once, and forgotten when it goes on.
        place.store.relayed("silent", &bundle, &Outcome::Submitted).await.expect("noted");
        assert_eq!(reason(&given).await, None);
    });
}

#[test]
fn a_job_whose_final_transaction_is_undone_is_under_way_again_and_ends_once_more() {
    on_both(async |place| {
        let (id, bundle) = proven(&place, 1, "s").await;
        let (other, second) = proven(&place, 2, "s").await;
        assert!(place.store.handed("s", &bundle).await.expect("given to its relayer"));
        for (bundle, block) in [(&bundle, 5), (&second, 6)] {
            let end = Outcome::Finalized(Some(transaction(block)));
            place.store.relayed("s", bundle, &end).await.expect("noted");
        }
        let gone = [transaction(5).hash, transaction(9).hash].into_iter().collect();
        assert_eq!(place.store.undone("t", &gone).await.expect("not its own"), 0);
        assert_eq!(place.store.undone("s", &gone).await.expect("taken up"), 1);
        assert_eq!(place.store.undone("s", &gone).await.expect("once"), 0);
        let job = place.store.job(&id).await.expect("a job");
        assert_eq!((job.state, &job.transaction), (State::Submitted, &None));
        assert!(job.reason.expect("why").message.contains("block 5"));
        assert_eq!(place.state(&other).await, "finalized");
        assert_eq!(place.store.own_relays("s").await.expect("one"), [(bundle.clone(), false)]);
        assert!(place.store.relay(&bundle).await.expect("read").expect("there").sent);
        let end = Outcome::Finalized(Some(transaction(7)));
        place.store.relayed("s", &bundle, &Outcome::Submitted).await.expect("noted");
        place.store.relayed("s", &bundle, &end).await.expect("noted");
        let told = ["queued", "proving", "proved", "finalized", "submitted", "finalized"];
        assert_eq!(place.story(&id).await, told);
        assert!(place.store.own_relays("s").await.expect("none").is_empty());
    });
}

#[test]
fn a_key_s_last_price_is_the_most_of_its_newest_transactions() {
    on_both(async |place| {
        let sender = transaction(1).sender.to_string();
        assert_eq!(place.store.last_price(&sender).await.expect("none"), None);
        for (block, wei) in (1..=20).zip([900, 7, 3].into_iter().chain(std::iter::repeat(5))) {
            let fee = Transaction { fee_wei: wei.to_string(), ..transaction(block) };
            place.store.paid(&fee, 172_800_000).await.expect("noted");
            place.clock.advance(1);
        }
        assert_eq!(place.store.last_price(&sender).await.expect("read"), Some(5));
    });
}
