//! A signer that refuses: it takes no place and no time of the jobs that it signs for, and no lease is
//! outlived by what it signs.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use verdict_relayer::{JobState, Relayer, clock::Clock};

use crate::{
    bench::{Bench, assert_finalized, call, nonces, submit_all},
    slow_signer::{ALL, Far, included, names, overdue, send, send_until},
};

/// Sends, watches and mines until so many jobs are final, for `seconds` at most.
async fn until_final(bench: &Bench, relayer: &Relayer, count: usize, seconds: u64) {
    let (start, mut done) = (Instant::now(), 0);
    while done < count {
        assert!(start.elapsed() < Duration::from_secs(seconds), "{done} of {count}");
        relayer.send().await.unwrap();
        for _ in 0..3 {
            bench.chain.state().mine();
        }
        let watched = relayer.watch().await.unwrap();
        done += watched.iter().filter(|(_, step)| matches!(step, Ok(JobState::Finalized))).count();
    }
}

#[tokio::test]
async fn more_refused_jobs_than_places_hold_up_nobody() {
    const PLACES: usize = 8;
    let mut bench = Bench::new();
    bench.config.max_in_flight = PLACES;
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let bad = names("bad", PLACES + 1);
    signer.refuses_for_ever(&bad);
    let refused = submit_all(&relayer, &bad).await;
    send(&relayer).await;
    assert!(refused.iter().all(|id| !relayer.takes_place(*id)));
    let good = submit_all(&relayer, &names("good", 91)).await;
    send(&relayer).await;
    let signed = nonces(&relayer, &good).await.iter().flatten().count();
    assert_eq!(signed, PLACES, "no more are signed than there are places");
    until_final(&bench, &relayer, good.len(), 10).await;
    assert_eq!(nonces(&relayer, &refused).await, [None; PLACES + 1]);
    for id in refused {
        relayer.cancel(id).await.unwrap();
    }
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (91, 91));
}

#[tokio::test]
async fn ten_refused_among_many_take_nobody_s_time_and_are_asked_about_ever_less() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let bad = names("bad", 10);
    signer.refuses_for_ever(&bad);
    submit_all(&relayer, &bad).await;
    let good = submit_all(&relayer, &names("good", 90)).await;
    let all = async || nonces(&relayer, &good).await.iter().all(Option::is_some);
    send_until(&relayer, 3, "the others are signed", all).await;
    // Now and then somebody comes.
    let asked = signer.asked();
    let start = Instant::now();
    for name in names("more", 20) {
        let id = relayer.submit(call(name)).await.unwrap();
        send(&relayer).await;
        assert!(relayer.status(id).await.unwrap().nonce.is_some(), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let more = signer.asked() - asked - 20;
    assert!((10..=50).contains(&more), "{more}");
}

#[tokio::test]
async fn a_throttled_signer_signs_for_all() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    signer.throttle.store(2, Ordering::Relaxed);
    let ids = submit_all(&relayer, &names("job", 100)).await;
    let most = async || nonces(&relayer, &ids).await.iter().flatten().count() > 90;
    send_until(&relayer, 10, "nearly all are signed", most).await;
    let mut given: Vec<u64> = nonces(&relayer, &ids).await.into_iter().flatten().collect();
    given.sort_unstable();
    assert!(given.iter().copied().eq(0..given.len() as u64), "{given:?}");
}

#[tokio::test]
async fn a_refused_replacement_waits_before_it_is_asked_for_again() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    overdue(&bench, &relayer).await;
    let asked = signer.asked();
    signer.refuses(true);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3500) {
        included(&relayer).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let more = signer.asked() - asked;
    assert!((4..=12).contains(&more), "{more}");
    signer.refuses(false);
    bench.chain.state().mined_from_tip = 0;
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 3);
}

#[tokio::test]
async fn what_is_cancelled_waits_for_nobody_s_replacement() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &names("job", 40)).await;
    bench.chain.state().mined_from_tip = u128::MAX;
    send(&relayer).await;
    bench.clock.sleep(Duration::from_secs(60)).await;
    signer.takes.lock().unwrap().insert(ALL, Duration::from_secs(600));
    included(&relayer).await;
    let asked = signer.asked();
    assert!((41..72).contains(&asked), "some are asked for: {asked}");
    // The signer answers about nothing but the transaction of no data.
    signer.takes.lock().unwrap().insert("", Duration::ZERO);
    relayer.cancel(ids[39]).await.unwrap();
    included(&relayer).await;
    let attempts = relayer.status(ids[39]).await.unwrap().attempts;
    assert_eq!(attempts.iter().map(|each| each.cancels).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn nothing_is_stored_or_sent_on_an_old_word() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("a", 1000)]);
    let relayer = signer.open(&bench).await;
    bench.chain.state().mined_from_tip = u128::MAX;
    let id = relayer.submit(call("a")).await.unwrap();
    let lease = Duration::from_secs(60);
    relayer.owned(relayer.moment(), lease);
    let (relayer, sending) = (relayer.clone(), tokio::spawn(async move { relayer.send().await }));
    // The process stops while the signer is asked, for half of the lease.
    tokio::time::sleep(Duration::from_millis(300)).await;
    bench.clock.sleep(lease / 2).await;
    let sent = sending.await.unwrap().unwrap();
    let refused = matches!(&sent[..], [(_, Err(error))] if error.is_transient());
    assert!(refused, "{sent:?}");
    let status = relayer.status(id).await.unwrap();
    assert!(status.attempts.is_empty() && bench.chain.state().sends.is_empty(), "{status:?}");
    // Its word is given again.
    signer.answers();
    relayer.owned(relayer.moment(), lease);
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &[id]).await, [Some(0)]);
    // What is stored is not broadcast on an old word, either.
    let sends = bench.chain.state().sends.len();
    bench.clock.sleep(lease).await;
    let _ = relayer.watch().await.unwrap();
    assert_eq!(bench.chain.state().sends.len(), sends);
    relayer.owned(relayer.moment(), lease);
    let _ = relayer.watch().await.unwrap();
    assert_eq!(bench.chain.state().sends.len(), sends + 1);
}
