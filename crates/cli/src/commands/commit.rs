//! `verdict commit`.

use alloy::primitives::B256;
use serde::Serialize;
use verdict::{Error, PublicSetup, check_writable, commit, write_commitments};

use crate::{
    args::Commit,
    failure::{Failure, Outcome},
    inputs::{read_input, read_inputs},
    ui::{Ui, table},
};

/// What is told: the salts are in the file alone.
#[derive(Serialize)]
struct Report {
    commitments: Vec<B256>,
}

pub(crate) fn run(args: &Commit, ui: &Ui) -> Outcome {
    check_writable(&args.out, false).map_err(Error::from)?;
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let tensors = &setup.manifest().model.inputs;
    let samples = match (&args.batch, &args.input) {
        (Some(path), _) => read_inputs(path, tensors)?,
        (None, Some(path)) => vec![read_input(path, tensors, args.id.as_deref())?],
        (None, None) => return Err(Failure::usage("give --input or --batch")),
    };
    let inputs: Vec<_> = samples.iter().map(|sample| &sample.input).collect();
    let made = commit(&setup, &inputs)?;
    write_commitments(&made, &args.out)?;
    let commitments: Vec<B256> = made.iter().map(|own| own.commitment).collect();
    let told = commitments.iter().zip(&samples);
    let told = told.map(|(own, sample)| format!("{own} to sample {}", sample.id));
    let human = table(&[
        ("commitment", told.collect::<Vec<_>>().join(", ")),
        ("with its salt", format!("{}, as secret as the input", args.out.display())),
    ]);
    ui.result(&Report { commitments }, &human)
}
