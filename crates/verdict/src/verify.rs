//! Checking proofs. Everything that is checked against comes from the setup, nothing from
//! the bundle.

use alloy::primitives::B256;
use halo2curves::bn256::Fr;
use serde::Serialize;
use thiserror::Error;
use verdict_codegen::{ProofError, verify_evm_proof};
use verdict_contracts::{Parts, ProofBundle};
use verdict_kzg::transcript::{from_be_bytes, to_be_bytes};
use verdict_prover::{onnx::measure::Measure, quantize::OutputSchema};

use crate::{
    measure::Figures,
    setup::{Manifest, PublicSetup},
};

/// What a proof that holds says, in the words of the setup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Name of the model.
    pub model: String,
    /// SHA-256 of the ONNX file.
    pub model_hash: B256,
    /// The setup whose key the proof holds under.
    pub setup_id: B256,
    /// Inferences whose outputs the proof states; one where it states totals.
    pub batch: usize,
    /// Where it states totals, how many inferences each output is the sum of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals_of: Option<usize>,
    /// Where it states totals, what commits to the inputs of all inferences, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment: Option<B256>,
    /// Where it states how good the model is, how that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// And what it comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// The model's outputs; of a batch, each output of all inferences before the next
    /// ([`of_inference`](crate::of_inference)).
    pub outputs: Vec<f64>,
    /// Decimals of the outputs.
    pub decimals: u32,
    /// True if whoever made the SRS can forge such proofs.
    pub insecure_srs: bool,
}

/// Why a bundle is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bundle says something about its model that the setup says otherwise.
    #[error("the bundle says that {field} is {bundle}, but the setup's is {setup}")]
    Differs {
        /// What was compared.
        field: &'static str,
        /// The bundle's.
        bundle: String,
        /// The setup's.
        setup: String,
    },
    /// Not as many public values as the model has.
    #[error("the bundle has {got} {what}, the model {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// By the setup.
        expected: usize,
        /// In the bundle.
        got: usize,
    },
    /// A word that is no field element has a second form, which the circuit cannot see.
    #[error("public value {index} is not below the field's modulus")]
    NotCanonical {
        /// Index of the word.
        index: usize,
    },
    /// An output is not the one that the proof is about.
    #[error("output {index} is said to be {told}, but the proof is about {proven}")]
    Output {
        /// Index of the output.
        index: usize,
        /// In the bundle.
        told: String,
        /// By the public value.
        proven: String,
    },
    /// The proof does not hold.
    #[error("{0}")]
    Proof(#[from] ProofError),
}

/// Checks a bundle against a setup: that it is about this model and key, that it says of
/// them what the setup says, that its outputs are what its public values are, and that the
/// proof holds.
///
/// # Errors
/// [`VerifyError`] with the first difference.
pub fn verify(setup: &PublicSetup, bundle: &ProofBundle) -> Result<Verified, VerifyError> {
    let (instances, verified) = check_claims(setup, bundle)?;
    check_proof(setup, &instances, &bundle.evm_proof)?;
    Ok(verified)
}

/// Everything but the proof itself: what the bundle says of its model, and that its
/// outputs are what its public values are.
pub(crate) fn check_claims(
    setup: &PublicSetup,
    bundle: &ProofBundle,
) -> Result<(Vec<Fr>, Verified), VerifyError> {
    let manifest = setup.manifest();
    check_model(setup.id(), manifest, bundle)?;
    let layout = manifest.public_values();
    let instances = field_elements(&bundle.instances)?;
    let Some(parts) = layout.split(&instances) else {
        let (expected, got) = (layout.count(), instances.len());
        return Err(VerifyError::Count { what: "public values", expected, got });
    };
    let outputs = check_outputs(&manifest.output, &parts, bundle)?;
    let (batch, statements) = (manifest.shape.batch(), manifest.shape.statements());
    let requests = usize::from(bundle.request.is_some()) + bundle.requests.len();
    if requests != 0 && requests != statements {
        return Err(VerifyError::Count { what: "requests", expected: statements, got: requests });
    }
    let together = manifest.shape.totals() && manifest.shape.committed();
    let verified = Verified {
        model: manifest.model.name.clone(),
        model_hash: manifest.model.hash,
        setup_id: setup.id(),
        batch: statements,
        totals_of: manifest.shape.totals().then_some(batch),
        commitment: bundle.instances.get(1).copied().filter(|_| together),
        measure: manifest.model.measure.clone(),
        figures: manifest.figures(&outputs),
        outputs,
        decimals: manifest.output.decimals,
        insecure_srs: manifest.srs.insecure,
    };
    Ok((instances, verified))
}

/// Checks the proof itself, in the form that the contract takes.
pub(crate) fn check_proof(
    setup: &PublicSetup,
    instances: &[Fr],
    evm_proof: &[u8],
) -> Result<(), ProofError> {
    let count = setup.manifest().public_values().count();
    verify_evm_proof(setup.tau_g2(), setup.key(), count, instances, evm_proof)
}

/// Words as field elements, each in its one form.
pub(crate) fn field_elements(words: &[B256]) -> Result<Vec<Fr>, VerifyError> {
    let element = |(index, word): (usize, &B256)| {
        from_be_bytes(&word.0).ok_or(VerifyError::NotCanonical { index })
    };
    words.iter().enumerate().map(element).collect()
}

/// What the bundle says of its model is what the setup says.
fn check_model(
    setup_id: B256,
    manifest: &Manifest,
    bundle: &ProofBundle,
) -> Result<(), VerifyError> {
    let (model, told) = (&manifest.model, &bundle.model);
    let hash = |field, bundle: B256, setup: B256| same(field, &bundle, &setup);
    hash("the key's hash", told.key_hash, manifest.verifier.key_hash)?;
    hash("the shape's id", told.shape_id, manifest.verifier.shape_id)?;
    hash("the model's hash", told.model_hash, model.hash)?;
    same("the model's name", &format!("{:?}", told.name), &format!("{:?}", model.name))?;
    hash("the SRS's fingerprint", bundle.srs.fingerprint, manifest.srs.fingerprint)?;
    same("`srs.insecure`", &bundle.srs.insecure, &manifest.srs.insecure)?;
    same("`decimals`", &u32::from(bundle.decimals), &manifest.output.decimals)?;
    hash("the setup's id", told.setup_id, setup_id)
}

fn same<T: PartialEq + ToString>(
    field: &'static str,
    bundle: &T,
    setup: &T,
) -> Result<(), VerifyError> {
    if bundle == setup {
        return Ok(());
    }
    Err(VerifyError::Differs { field, bundle: bundle.to_string(), setup: setup.to_string() })
}

/// Every output is the one that its public value is, within the model's range. Returns
/// them as numbers.
fn check_outputs(
    schema: &OutputSchema,
    parts: &Parts<'_, Fr>,
    bundle: &ProofBundle,
) -> Result<Vec<f64>, VerifyError> {
    let expected = parts.outputs.len();
    for (what, got) in
        [("outputs", bundle.outputs.len()), ("decoded outputs", bundle.decoded.len())]
    {
        if got != expected {
            return Err(VerifyError::Count { what, expected, got });
        }
    }
    let mut outputs = Vec::with_capacity(expected);
    let told = bundle.outputs.iter().zip(&bundle.decoded);
    for (index, (word, (told, decoded))) in parts.outputs.iter().zip(told).enumerate() {
        let differs = |told: String, proven: String| VerifyError::Output { index, told, proven };
        let Some(value) = value_of(schema, word) else {
            let range = format!("a word outside [{}, {}]", schema.min, schema.max);
            return Err(differs(told.to_string(), range));
        };
        if *told != i128::from(value) {
            return Err(differs(told.to_string(), value.to_string()));
        }
        let number = schema.decode(value.wrapping_sub(schema.min));
        if (number - decoded).abs() > 1e-9 * (1.0 + number.abs()) || !decoded.is_finite() {
            return Err(differs(decoded.to_string(), number.to_string()));
        }
        outputs.push(number);
    }
    Ok(outputs)
}

/// The output that a word stands for, or `None` if the model has no such output.
fn value_of(schema: &OutputSchema, word: &Fr) -> Option<i64> {
    let bytes = to_be_bytes(word);
    let (high, low) = bytes.split_last_chunk::<8>()?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    let value = i128::from(u64::from_be_bytes(*low)) + i128::from(schema.min);
    i64::try_from(value).ok().filter(|value| *value <= schema.max)
}
