//! Fuzzes field and curve kernels of every backend the CPU has (and the emulated IFMA
//! lanes) against halo2curves' arithmetic, on seeded inputs biased to the edges:
//! `cargo run --release -p verdict-engine --example fuzz_kernels -- <seconds> [seed]`.
//! Fails with the seed that shows a mismatch.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use verdict_engine::{Backend, differential_trial};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (seconds, first) = match (arguments.next(), arguments.next()) {
        (Some(Ok(seconds)), None) => (seconds, 0),
        (Some(Ok(seconds)), Some(Ok(seed))) => (seconds, seed),
        _ => {
            eprintln!("usage: fuzz_kernels <seconds> [first seed]");
            return ExitCode::FAILURE;
        }
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let backends: Vec<Backend> =
        Backend::ALL.into_iter().filter(|backend| backend.is_available()).collect();
    let mut seed = first;
    loop {
        for backend in &backends {
            if let Err(mismatch) = differential_trial(*backend, seed) {
                eprintln!("seed {seed}: {mismatch}");
                return ExitCode::FAILURE;
            }
        }
        seed += 1;
        if Instant::now() >= end {
            break;
        }
    }
    println!("{} trials of each of {backends:?} agree with halo2curves", seed - first);
    ExitCode::SUCCESS
}
