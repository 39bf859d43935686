//! `verdict srs`.

use std::path::Path;

use serde::Serialize;
use verdict::{Error, INSECURE, Progress, check_writable};
use verdict_prover::srs::{Import, Srs};

use crate::{
    args::SrsCommand,
    failure::Outcome,
    ui::{Ui, table},
};

/// What an SRS is.
#[derive(Serialize)]
struct Report {
    k: u32,
    origin: String,
    insecure: bool,
    fingerprint: String,
}

pub(crate) fn run(command: &SrsCommand, ui: &Ui) -> Outcome {
    let srs = match command {
        SrsCommand::Dev { k, out } => {
            check_writable(out, false).map_err(Error::from)?;
            let srs = ui.step("make a development SRS", || Ok(Srs::development(*k)?))?;
            save(&srs, out, ui)?;
            srs
        }
        SrsCommand::Import { file, k, out, allow_unknown } => {
            check_writable(out, false).map_err(Error::from)?;
            let import = Import { k: *k, allow_unknown: *allow_unknown, ..Import::default() };
            let is_ptau = starts_with(file, b"ptau")?;
            let srs = ui.step("import and check the powers of tau", || {
                Ok(if is_ptau {
                    Srs::import_ptau(file, &import)?
                } else {
                    Srs::import_halo2(file, &import)?
                })
            })?;
            save(&srs, out, ui)?;
            srs
        }
        SrsCommand::Check { file } => {
            let srs = ui.step("read the SRS", || Ok(Srs::load(file, None)?))?;
            ui.step("check points, powers and Lagrange basis", || Ok(srs.check()?))?;
            srs
        }
    };
    if srs.is_development() {
        ui.warn(INSECURE);
    }
    let report = Report {
        k: srs.k(),
        origin: format!("{:?}", srs.origin()).to_lowercase(),
        insecure: srs.is_development(),
        fingerprint: hex::encode(srs.fingerprint()),
    };
    let human = table(&[
        ("rows", format!("2^{}", report.k)),
        ("origin", report.origin.clone()),
        ("fingerprint", report.fingerprint.clone()),
    ]);
    ui.result(&report, &human)
}

fn save(srs: &Srs, out: &Path, ui: &Ui) -> Outcome {
    ui.step(&format!("write {}", out.display()), || Ok(srs.save(out)?))
}

fn starts_with(path: &Path, magic: &[u8]) -> Outcome<bool> {
    use std::io::Read;
    let mut head = vec![0; magic.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head));
    let length = read.map_err(|error| {
        crate::failure::Failure::new(format!("cannot read {}: {error}", path.display()))
    })?;
    Ok(head[..length] == *magic)
}
