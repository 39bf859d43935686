//! `verdict commit`.

use alloy::primitives::B256;
use serde::Serialize;
use verdict::{Error, PublicSetup, Salt, check_writable, commit, write_commitments};

use crate::{
    args::Commit,
    failure::{Failure, Outcome},
    inputs::{read_input, read_inputs},
    ui::{Ui, table},
};

/// What is told: the salts too, unless they are in a file.
#[derive(Serialize)]
struct Report {
    commitments: Vec<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salts: Option<Vec<Salt>>,
}

pub(crate) fn run(args: &Commit, ui: &Ui) -> Outcome {
    if let Some(out) = &args.out {
        check_writable(out, false).map_err(Error::from)?;
    }
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let tensors = &setup.manifest().model.inputs;
    let samples = match (&args.batch, &args.input) {
        (Some(path), _) => read_inputs(path, tensors)?,
        (None, Some(path)) => vec![read_input(path, tensors, args.id.as_deref())?],
        (None, None) => return Err(Failure::usage("give --input or --batch")),
    };
    let inputs: Vec<_> = samples.iter().map(|sample| &sample.input).collect();
    let made = commit(&setup, &inputs)?;
    let commitments: Vec<B256> = made.iter().map(|own| own.commitment).collect();
    let told = commitments.iter().zip(&samples).map(|(own, sample)| match commitments.len() {
        1 if samples.len() > 1 => format!("{own} to all {} samples", samples.len()),
        _ => format!("{own} to sample {}", sample.id),
    });
    let mut rows = vec![("commitment", told.collect::<Vec<_>>().join(", "))];
    let salts = match &args.out {
        Some(out) => {
            write_commitments(&made, out)?;
            rows.push(("with its salt", format!("{}, as secret as the input", out.display())));
            None
        }
        None => {
            let salts: Vec<Salt> = made.iter().map(|own| own.salt).collect();
            let shown: Vec<String> = salts.iter().map(|salt| salt.reveal()).collect();
            rows.push(("salt, as secret as the input", shown.join(", ")));
            Some(salts)
        }
    };
    ui.result(&Report { commitments, salts }, &table(&rows))
}
