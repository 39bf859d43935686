//! `verdict verify`.

use std::path::Path;

use halo2curves::bn256::Fr;
use serde::Serialize;
use verdict_codegen::verify_evm_proof;
use verdict_contracts::ProofBundle;
use verdict_kzg::transcript::from_be_bytes;
use verdict_prover::artifact::Manifest;

use super::{prove::outputs, srs::INSECURE};
use crate::{
    args::Verify,
    failure::{Failure, Outcome},
    ui::{Ui, table},
};

/// The verdict.
#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    model: &'a str,
    outputs: &'a [f64],
    insecure_srs: bool,
}

pub(crate) fn run(args: &Verify, ui: &Ui) -> Outcome {
    let bundle = ProofBundle::read(&args.proof)?;
    ui.step("check the proof", || check(&args.setup, &bundle))?;
    if bundle.srs.insecure {
        ui.warn(INSECURE);
    }
    let report = Report {
        valid: true,
        model: &bundle.model.name,
        outputs: &bundle.decoded,
        insecure_srs: bundle.srs.insecure,
    };
    let human = table(&[
        ("valid", "yes".into()),
        ("model", bundle.model.name.clone()),
        ("output", outputs(&bundle)),
    ]);
    ui.result(&report, &human)
}

/// Checks a bundle against a setup: that it is about this model, that its outputs are
/// what its public values say, and that the proof holds.
pub(crate) fn check(folder: &Path, bundle: &ProofBundle) -> Outcome {
    let manifest = Manifest::read(folder)?;
    let ours = manifest.verifier.as_ref().map(|info| info.key_hash.as_str());
    let theirs = hex::encode(bundle.model.key_hash);
    if ours != Some(theirs.as_str()) {
        return Err(Failure::new(format!(
            "the proof was made with another key (hash {theirs}) than this setup's"
        ))
        .hint("verify it with the setup folder it was made with"));
    }
    let instances: Option<Vec<Fr>> =
        bundle.instances.iter().map(|word| from_be_bytes(&word.0)).collect();
    let instances =
        instances.ok_or_else(|| Failure::new("a public value is not below the field's modulus"))?;
    let params = manifest.verifier_params(folder)?;
    let key = manifest.verifying_key(folder)?;
    verify_evm_proof(&params, &key, manifest.instances, &instances, &bundle.evm_proof)?;
    let words = instances.iter().skip(instances.len().saturating_sub(manifest.output.count));
    let schema = &manifest.output;
    for (index, (word, output)) in words.zip(&bundle.outputs).enumerate() {
        let value = output - i128::from(schema.min);
        let in_range = *output <= i128::from(schema.max) && value >= 0;
        if !in_range || u64::try_from(value).map(Fr::from) != Ok(*word) {
            return Err(Failure::new(format!(
                "output {index} is said to be {output}, but the proof is about another value"
            )));
        }
    }
    let told = bundle.outputs.iter().zip(&bundle.decoded);
    let unit = 10f64.powi(schema.decimals as i32);
    if u32::from(bundle.decimals) != schema.decimals
        || told.into_iter().any(|(output, decoded)| (*output as f64 / unit - decoded).abs() > 1e-9)
    {
        return Err(Failure::new("the decoded outputs do not agree with the proven ones"));
    }
    Ok(())
}
