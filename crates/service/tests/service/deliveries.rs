//! The end of a job is announced once, to whom asked for it, until it arrives.

use verdict_service::{job::Kind, store::Outcome};

use crate::common::{MODEL, on_both};

#[test]
fn an_end_is_announced_with_the_job_as_it_is_then() {
    on_both(async |place| {
        let mut job = place.job(1);
        job.webhook = Some("https://hooks.example/a".into());
        let id = place.submit(job).await;
        let mut alone = place.job(2);
        (alone.kind, alone.subject) = (Kind::Proof, None);
        alone.webhook = Some("https://hooks.example/b".into());
        place.submit(alone).await;
        place.submit(place.job(3)).await;
        for _ in 0..3 {
            let jobs = place.claim("w").await;
            assert!(place.prove("w", jobs).await);
        }
        // A proof alone is done; a score is not.
        let due = place.store.due_deliveries(9, 1000).await.expect("due");
        assert_eq!(due.len(), 1);
        assert!(due[0].url.ends_with("/b") && due[0].body.contains("\"proved\""), "{due:?}");
        assert!(!due[0].body.contains("sealed"), "no input");
        assert!(place.store.due_deliveries(9, 1000).await.expect("put off").is_empty());
        place.store.delivered(&due[0].id, None, None).await.expect("noted");

        let bundle = place.store.job(&id).await.expect("a job").bundle.expect("a proof");
        place.store.take_relays("s", &[MODEL], 9).await.expect("taken");
        place.store.relayed("s", &bundle, &Outcome::Finalized(None)).await.expect("done");
        let due = place.store.due_deliveries(9, 1000).await.expect("due");
        assert_eq!(due.len(), 1);
        assert!(due[0].body.contains("\"finalized\"") && due[0].body.contains(&id));
        // It fails: it is due again later, the same one.
        let later = place.store.now_ms() + 5000;
        place.store.delivered(&due[0].id, Some("500"), Some(later)).await.expect("noted");
        assert!(place.store.due_deliveries(9, 1000).await.expect("none").is_empty());
        place.clock.advance(5000);
        let again = place.store.due_deliveries(9, 1000).await.expect("due");
        assert_eq!((again[0].id.as_str(), again[0].attempts), (due[0].id.as_str(), 1));
        place.store.delivered(&again[0].id, Some("500"), None).await.expect("given up");
        place.clock.advance(1_000_000);
        assert!(place.store.due_deliveries(9, 1000).await.expect("none").is_empty());
    });
}
