//! The end of a job is announced once, to whom asked for it, until it arrives.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use verdict_service::{job::Kind, metrics::Metrics, store::Outcome, webhook::Webhooks};

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
        let due = place.store.due_deliveries(9, &BTreeMap::new(), 1000).await.expect("due");
        assert_eq!(due.len(), 1);
        assert!(due[0].url.ends_with("/b") && due[0].body.contains("\"proved\""), "{due:?}");
        assert!(!due[0].body.contains("sealed"), "no input");
        assert!(
            place
                .store
                .due_deliveries(9, &BTreeMap::new(), 1000)
                .await
                .expect("put off")
                .is_empty()
        );
        place.store.delivered(&due[0].id, None, None).await.expect("noted");

        let bundle = place.store.job(&id).await.expect("a job").bundle.expect("a proof");
        place.store.take_relays("s", &[MODEL], 9).await.expect("taken");
        place.store.relayed("s", &bundle, &Outcome::Finalized(None)).await.expect("done");
        let due = place.store.due_deliveries(9, &BTreeMap::new(), 1000).await.expect("due");
        assert_eq!(due.len(), 1);
        assert!(due[0].body.contains("\"finalized\"") && due[0].body.contains(&id));
        // It fails: it is due again later, the same one.
        let later = place.store.now_ms() + 5000;
        place.store.delivered(&due[0].id, Some("500"), Some(later)).await.expect("noted");
        assert!(
            place.store.due_deliveries(9, &BTreeMap::new(), 1000).await.expect("none").is_empty()
        );
        place.clock.advance(5000);
        let again = place.store.due_deliveries(9, &BTreeMap::new(), 1000).await.expect("due");
        assert_eq!((again[0].id.as_str(), again[0].attempts), (due[0].id.as_str(), 1));
        place.store.delivered(&again[0].id, Some("500"), None).await.expect("given up");
        place.clock.advance(1_000_000);
        assert!(
            place.store.due_deliveries(9, &BTreeMap::new(), 1000).await.expect("none").is_empty()
        );
    });
}

/// A receiver that takes connections and answers none. How many it has taken.
fn hangs() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let taken = Arc::new(AtomicUsize::new(0));
    let own = taken.clone();
    std::thread::spawn(move || {
        let mut kept = vec![];
        for socket in listener.incoming().map_while(Result::ok) {
            own.fetch_add(1, Ordering::Relaxed);
            kept.push(socket);
        }
    });
    (origin, taken)
}

/// A receiver that answers, and tells what it hears.
fn answers() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut part = [0; 4096];
            let _ = socket.read(&mut part);
            let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = socket.write_all(ok.as_bytes());
            if told.send(()).is_err() {
                break;
            }
        }
    });
    (origin, heard)
}

#[test]
fn a_receiver_that_hangs_holds_up_its_own_announcements_only() {
    on_both(async |place| {
        let ((dead, taken), (alive, heard)) = (hangs(), answers());
        let told = async |about: u8, origin: &str| {
            let mut job = place.job(about);
            job.webhook = Some(format!("{origin}/ended"));
            let id = place.submit(job).await;
            place.store.cancel(&id, "tester").await.expect("cancelled");
        };
        for about in 0..100 {
            told(about, &dead).await;
        }
        let store = place.store.clone();
        let webhooks = Webhooks::new(store, Metrics::default(), "secret".into()).expect("a client");
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let running = tokio::spawn(webhooks.run(stopping));
        while taken.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let start = std::time::Instant::now();
        for about in 100..120 {
            told(about, &alive).await;
        }
        for _ in 100..120 {
            while heard.try_recv().is_err() {
                assert!(start.elapsed() < Duration::from_secs(5), "it is held up");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert!(taken.load(Ordering::Relaxed) <= 4, "a few at a time");
        stop.send_replace(true);
        running.await.expect("it ends");
        assert!(start.elapsed() < Duration::from_secs(9), "without waiting for the one that hangs");
    });
}
