//! How many jobs a second a service takes to the chain, and what a far node costs: `make bench-service`.

use std::time::{Duration, Instant};

use crate::{
    common::{
        Workplace,
        desk::Desk,
        local::{Local, small_setup},
        proxy::Proxy,
    },
    service::{config, order},
    service_troubles::{remote_key, signed_for},
};

/// Seconds until so many jobs were proved, and until they were in blocks, if each answer of the node
/// takes `delay` longer, and each of a remote signer, where there is one, so long.
fn pace(jobs: u64, delay: Duration, signs: Option<Duration>) -> (f64, f64) {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let signer = Proxy::start(chain.anvil.url(), move |_, ask| {
        std::thread::sleep(signs.unwrap_or_default());
        ask()
    });
    let node = Proxy::start(chain.anvil.url(), move |_, ask| {
        std::thread::sleep(delay);
        ask()
    });
    let (data, named) = (place.path("data"), format!("small={setup}"));
    let mut args = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let file = signs.map(|_| {
        let account = signed_for(&chain, &deployed);
        config(&place, &remote_key(&signer.url, &account))
    });
    if let Some(file) = &file {
        args.extend(["--config", file]);
    }
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    let start = Instant::now();
    for index in 0..jobs {
        desk.score(&order(&format!("0x{:040x}", 0xfeed_0000 + index)));
    }
    let until = |states: &[&str]| {
        while states.iter().map(|state| desk.count(state)).sum::<u64>() < jobs {
            assert!(start.elapsed() < Duration::from_secs(300), "{:#?}", desk.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        start.elapsed().as_secs_f64()
    };
    let proved = until(&["proved", "submitted", "included", "finalized"]);
    (proved, until(&["included", "finalized"]))
}

#[test]
fn a_far_node_does_not_hold_up_one_job_after_the_other() {
    let (_, included) = pace(32, Duration::from_millis(100), None);
    // With one job after the other, three were in blocks after thirty seconds.
    assert!(included < 20.0, "{included} s");
}

#[test]
fn a_far_signer_signs_nearly_all_the_time() {
    let (_, included) = pace(24, Duration::from_millis(300), Some(Duration::from_millis(400)));
    // The signer alone takes ten; with one look after the other it took forty.
    assert!(included < 33.0, "{included} s");
}

#[test]
#[ignore = "a measurement, a minute long"]
fn jobs_a_second_by_the_delay_of_a_node() {
    const JOBS: u64 = 128;
    println!("delay of the node   proved a second   included a second");
    for delay in [0, 100, 300] {
        let (proved, included) = pace(JOBS, Duration::from_millis(delay), None);
        let rate = |seconds: f64| JOBS as f64 / seconds;
        println!("{delay:>14} ms {:>17.1} {:>19.1}", rate(proved), rate(included));
    }
}
