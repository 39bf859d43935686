//! Runs the standard's operator tests, written as folders by scripts/conformance, through
//! reading, quantizing and the integer run, and through halo2's mock prover where the circuit is
//! small enough; prints a line of JSON for each.
//!
//! ```text
//! conformance FOLDER [LARGEST_K]
//! ```

use std::{
    error::Error,
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Instant,
};

use rayon::prelude::*;
use serde::Serialize;

use self::case::{Failure, Variant, run};

#[path = "../tests/prover/conformance/case.rs"]
mod case;

/// Rows of the largest circuits that are checked, as 2^k.
const LARGEST_K: u32 = 14;
#[derive(Serialize, Default)]
struct Outcome {
    case: String,
    /// passed, refused, failed or panicked.
    outcome: &'static str,
    /// Where it stopped, or why it is refused.
    detail: String,
    /// Inputs that were left to the proof.
    kept: Vec<String>,
    /// Largest difference from what is expected, as a part of what is allowed.
    error: f64,
    /// The circuit, as 2^k rows; 0 where none was made.
    k: u32,
    /// Whether the circuit was checked.
    circuit: bool,
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: conformance FOLDER [LARGEST_K]")?;
    let largest = arguments.next().map_or(Ok(LARGEST_K), |k| k.parse())?;
    let mut cases: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    cases.retain(|path| path.join("case.json").exists());
    cases.sort();
    std::panic::set_hook(Box::new(|_| {}));
    cases.par_iter().for_each(|case| {
        let started = Instant::now();
        let run = || first_that_runs(case, largest);
        let mut outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let detail = text.unwrap_or_default();
            Outcome { outcome: "panicked", detail, ..Outcome::default() }
        });
        outcome.case = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        outcome.seconds = started.elapsed().as_secs_f64();
        if let Ok(line) = serde_json::to_string(&outcome) {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    });
    Ok(())
}

/// The first variant that is read and planned, with the fewest constants.
fn first_that_runs(case: &Path, largest: u32) -> Outcome {
    let read = || -> Result<Vec<Variant>, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(case.join("case.json"))?)?)
    };
    let variants = match read() {
        Ok(variants) => variants,
        Err(error) => {
            return Outcome { outcome: "failed", detail: error.to_string(), ..Outcome::default() };
        }
    };
    let mut first = None;
    for variant in variants {
        match run(case, &variant, largest) {
            Ok((error, k, circuit)) => {
                let kept = variant.kept;
                return Outcome {
                    outcome: "passed",
                    kept,
                    error,
                    k,
                    circuit,
                    ..Outcome::default()
                };
            }
            Err(Failure::Refused(detail)) => {
                first.get_or_insert(detail);
            }
            Err(Failure::Failed(detail)) => {
                let kept = variant.kept;
                return Outcome { outcome: "failed", detail, kept, ..Outcome::default() };
            }
        }
    }
    Outcome { outcome: "refused", detail: first.unwrap_or_default(), ..Outcome::default() }
}
