//! Structured reference strings of ceremonies.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use alloy::hex;
use pyo3::prelude::*;
use verdict_prover::srs::{Import, Srs};

use crate::{
    error::{Failure, Outcome},
    model::json,
    work,
};

/// How a file of powers of tau begins; other files are halo2's.
const PTAU: [u8; 4] = *b"ptau";

/// What an SRS is.
#[derive(serde::Serialize)]
struct Imported {
    k: u32,
    origin: String,
    insecure: bool,
    fingerprint: String,
}

/// Imports and checks a ceremony's powers, of 2^k rows or of all that the file has, and writes them.
/// Returns what they are, as JSON.
#[pyfunction]
#[pyo3(signature = (file, out, k=None, allow_unknown=false, progress=None))]
pub(crate) fn import_srs(
    py: Python<'_>,
    file: PathBuf,
    out: PathBuf,
    k: Option<u32>,
    allow_unknown: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    work::run_pooled(py, progress, move |task| {
        verdict::check_writable(&out, false).map_err(verdict::Error::from)?;
        let is_ptau = starts_with_magic(&file)?;
        let srs = verdict::step(task, "import and check the powers of tau", || {
            let import = Import { k, allow_unknown, ..Import::default() };
            let read = if is_ptau {
                Srs::import_ptau(&file, &import)
            } else {
                Srs::import_halo2(&file, &import)
            };
            read.map_err(verdict::Error::from)
        })?;
        task.go_on()?;
        verdict::step(task, &format!("write {}", out.display()), || {
            srs.save(&out).map_err(verdict::Error::from)
        })?;
        json(&Imported {
            k: srs.k(),
            origin: format!("{:?}", srs.origin()).to_lowercase(),
            insecure: srs.is_development(),
            fingerprint: hex::encode(srs.fingerprint()),
        })
    })
}

fn starts_with_magic(path: &Path) -> Outcome<bool> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PTAU.len() as u64).read_to_end(&mut head))
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(head == PTAU)
}
