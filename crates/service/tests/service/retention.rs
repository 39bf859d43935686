//! What is long over is forgotten, and nothing else.

use std::collections::BTreeMap;

use verdict_service::{
    job::{Kind, State},
    store::{Outcome, StoreError},
};

use crate::common::on_both;

const LONG_AGO: u64 = 1_000_000;

#[test]
fn ended_jobs_are_deleted_after_their_time_with_all_they_left() {
    on_both(async |place| {
        // One recorded, one cancelled, one that only proves; and one of each that is not over.
        let recorded = place.submit(place.job(1)).await;
        let taken = place.claim("a").await;
        assert!(place.prove("a", taken).await);
        let bundle = place.store.job(&recorded).await.expect("stored").bundle.expect("proven");
        place.store.take_relays("k", &["credit"], 9).await.expect("taken");
        let end = Outcome::Finalized(None);
        place.store.relayed("k", &bundle, &end).await.expect("recorded");
        let cancelled = place.submit(place.job(2)).await;
        place.store.cancel(&cancelled, "tester").await.expect("cancelled");
        let mut alone = place.job(3);
        (alone.kind, alone.subject, alone.keep_input) = (Kind::Proof, None, true);
        let alone = place.submit(alone).await;
        let taken = place.claim("a").await;
        assert!(place.prove("a", taken).await);
        let told = {
            let mut job = place.job(4);
            job.webhook = Some("https://hooks.example/".into());
            let id = place.submit(job).await;
            place.store.cancel(&id, "tester").await.expect("cancelled");
            id
        };
        let proved = place.submit(place.job(5)).await;
        let taken = place.claim("a").await;
        assert!(place.prove("a", taken).await);
        let queued = place.submit(place.job(6)).await;

        let before = place.store.now_ms();
        assert_eq!(place.store.forget(before, 100).await.expect("looked"), 0, "not yet");
        place.clock.advance(LONG_AGO);
        let fresh = place.submit(place.job(7)).await;
        place.store.cancel(&fresh, "tester").await.expect("cancelled");
        let before = place.store.now_ms();
        assert_eq!(place.store.forget(before, 2).await.expect("deleted"), 2, "so many at a time");
        assert_eq!(place.store.forget(before, 100).await.expect("deleted"), 1);
        for id in [&recorded, &cancelled, &alone] {
            let gone = place.store.job(id).await;
            assert!(matches!(gone, Err(StoreError::NoJob(_))), "{gone:?}");
            assert!(place.store.events(id, 0).await.expect("looked").is_empty());
        }
        assert_eq!(place.store.bundle(&bundle).await.expect("looked"), None);
        for (id, state) in [
            (&told, State::Cancelled),
            (&proved, State::Proved),
            (&queued, State::Queued),
            (&fresh, State::Cancelled),
        ] {
            assert_eq!(place.store.job(id).await.expect("kept").state, state);
        }
        // Announced, it is over.
        let due = place.store.due_deliveries(9, &BTreeMap::new(), 0).await.expect("due");
        place.store.delivered(&due[0].id, None, None).await.expect("written");
        assert_eq!(place.store.forget(before, 100).await.expect("deleted"), 1);
    });
}

#[test]
fn a_proof_stays_as_long_as_one_of_its_jobs() {
    on_both(async |place| {
        for about in [1, 2] {
            place.submit(place.job(about)).await;
        }
        let claims = crate::common::claims(2, 0);
        let taken = place.store.claim("a", &claims, 10_000).await.expect("claimed");
        let ids: Vec<String> = taken.iter().map(|job| job.id.clone()).collect();
        assert!(place.prove("a", taken).await);
        let bundle = place.store.job(&ids[0]).await.expect("stored").bundle.expect("proven");
        place.store.take_relays("k", &["credit"], 9).await.expect("taken");
        let end = Outcome::Finalized(None);
        place.store.relayed("k", &bundle, &end).await.expect("recorded");
        place.clock.advance(LONG_AGO);
        let before = place.store.now_ms();
        assert_eq!(place.store.forget(before, 1).await.expect("deleted"), 1);
        assert!(place.store.bundle(&bundle).await.expect("looked").is_some());
        assert_eq!(place.store.forget(before, 1).await.expect("deleted"), 1);
        assert!(place.store.bundle(&bundle).await.expect("looked").is_none());
    });
}
