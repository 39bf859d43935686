//! Whether a setup is that of a model: its key, made again from the ONNX file.
//!
//! A key that hides the weights is made again with what hides them, from the private part.
//! Ranges, shape and precision are taken from the setup, so that what comes out is the same
//! to the bit, on this version of the program.

use std::path::PathBuf;

use alloy::primitives::B256;
use serde::Serialize;
use thiserror::Error;
use verdict_engine::Options;
use verdict_prover::{figures::coarse, graph::Graph, keys::Keys, quantize::ErrorReport, srs::Srs};

use super::{
    KEY_PAYLOAD, MAX_KEY_BYTES, Manifest, PORTABLE_KEY, PublicSetup, VERIFIER_SOURCE, Weights,
    hidden, make::describe, part,
};
use crate::{
    error::Error,
    model::PlannedModel,
    progress::{Progress, step},
};

/// Largest relative difference between two measurements of one error: libraries of
/// different machines may round an exponential differently.
const SAME_ERROR: f64 = 1e-6;

/// A setup that is the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Always true: a setup that is another's is a [`CheckError`].
    pub equal: bool,
    /// Identifies the setup.
    pub setup_id: B256,
    /// SHA-256 of the ONNX file; salted with the private part of hidden weights.
    pub model_hash: B256,
    /// EXTCODEHASH of the key contract.
    pub key_hash: B256,
    /// True if whoever made the SRS can forge proofs.
    pub insecure_srs: bool,
}

/// Why a setup is not known to be a model's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The key hides the weights, and what hides them is not there.
    #[error(
        "{} hides its weights: without its private part its key cannot be made again from the \
         model, which is what hiding is for", .0.display()
    )]
    Hidden(PathBuf),
    /// Nobody noted which file it was made from.
    #[error("{} does not say which file it was made from", .0.display())]
    NoSource(PathBuf),
    /// The file it was made from is not there.
    #[error("{} was made from {}, where there is no file now", setup.display(), path.display())]
    SourceGone {
        /// The public part.
        setup: PathBuf,
        /// Where the model was.
        path: PathBuf,
    },
    /// Something is not as the model has it.
    #[error("{} is not the setup of this model: {}", folder.display(), differences.join("; "))]
    Differs {
        /// The public part.
        folder: PathBuf,
        /// What differs, in words.
        differences: Vec<String>,
    },
}

impl CheckError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Hidden(_) => Some(
                "whoever made it can check it; anyone can check a setup with --public-weights"
                    .into(),
            ),
            Self::NoSource(_) | Self::SourceGone { .. } => {
                Some("give the model with --model FILE".into())
            }
            Self::Differs { .. } => None,
        }
    }
}

/// Makes the key of `model` again as the setup says it was made, and compares everything.
///
/// # Errors
/// [`CheckError`] if something differs, or the key hides its weights and the private part is
/// missing; the SRS is not the setup's; the engine fails.
pub fn check(
    model: &Graph,
    setup: &PublicSetup,
    srs: &Srs,
    options: Options,
    progress: &dyn Progress,
) -> Result<Checked, Error> {
    let manifest = setup.manifest();
    let blinding = setup.blinding()?;
    manifest.check_srs(srs)?;
    let mut differences = Differences(Vec::new());
    let hash = hidden::model_hash(model.sha256, blinding.as_deref());
    differences.compare("the hash of the model's file", &manifest.model.hash, &hash);
    let plan = step(progress, "plan the circuit as the setup says", || manifest.plan(model));
    match plan {
        Err(error) => differences.0.push(format!("the setup's circuit does not hold it: {error}")),
        Ok(plan) if plan.k != manifest.k => {
            differences.compare("log2 of the rows", &manifest.k, &plan.k)
        }
        Ok(plan) => {
            let planned = PlannedModel::new(model.clone(), plan)
                .with_weights(manifest.weights)
                .with_categories(&manifest.model.inputs);
            let keys = step(progress, "make the key again", || {
                planned.make_keys_again(srs, options, blinding.as_deref())
            })?;
            let made = describe(&planned, srs, &keys)?;
            differences.of_manifests(manifest, &made.manifest);
            differences.of_errors(manifest, &planned.plan().error);
            differences.of_keys(setup, &keys);
            let payload = hex::encode(made.payload).into_bytes();
            let mut files =
                vec![(VERIFIER_SOURCE, made.source.into_bytes()), (KEY_PAYLOAD, payload)];
            // Setups were made without it.
            if manifest.files.contains_key(PORTABLE_KEY) {
                files.push((PORTABLE_KEY, made.portable));
            }
            for (name, expected) in files {
                let found = part::read(setup.folder(), name, &manifest.files, MAX_KEY_BYTES)?;
                differences.same(&format!("the contents of {name}"), &found, &expected);
            }
        }
    }
    if !differences.0.is_empty() {
        let (folder, differences) = (setup.folder().to_owned(), differences.0);
        return Err(CheckError::Differs { folder, differences }.into());
    }
    Ok(Checked {
        equal: true,
        setup_id: setup.id(),
        model_hash: manifest.model.hash,
        key_hash: manifest.verifier.key_hash,
        insecure_srs: setup.is_insecure(),
    })
}

struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + ToString>(&mut self, what: &str, setup: &T, model: &T) {
        if setup != model {
            let (setup, model) = (setup.to_string(), model.to_string());
            self.0.push(format!("{what} is {model}, the setup has {setup}"));
        }
    }

    /// For what is too long to print.
    fn same<T: PartialEq>(&mut self, what: &str, setup: &T, model: &T) {
        if setup != model {
            self.0.push(format!("{what} are not the setup's"));
        }
    }

    fn of_manifests(&mut self, setup: &Manifest, made: &Manifest) {
        self.compare("the number of parameters", &setup.model.parameters, &made.model.parameters);
        self.same("the model's inputs", &setup.model.inputs, &made.model.inputs);
        self.compare("the model's output", &setup.model.output, &made.model.output);
        self.same("inputs as integers", &setup.input, &made.input);
        self.same("the outputs' decimals and bounds", &setup.output, &made.output);
        // How many differ may depend on the machine's functions.
        if setup.comparisons.is_none() && made.comparisons.is_some() {
            self.0.push("the setup does not say that comparisons are not exact".to_owned());
        }
    }

    /// The measured errors; of hidden weights as they are told, which a difference in the last
    /// place may round to another digit.
    fn of_errors(&mut self, setup: &Manifest, ours: &ErrorReport) {
        let theirs = &setup.error;
        let same = |ours: f64, theirs: f64| match setup.weights {
            Weights::Public => (ours - theirs).abs() <= SAME_ERROR * ours.abs().max(theirs.abs()),
            Weights::Hidden => {
                [1.0 - SAME_ERROR, 1.0 + SAME_ERROR].iter().any(|by| coarse(by * ours) == theirs)
            }
        };
        if !same(ours.largest, theirs.largest) || !same(ours.mean, theirs.mean) {
            let (got, expected) = (ours.largest, theirs.largest);
            self.0.push(format!("the largest error is {got:.1e}, the setup has {expected:.1e}"));
        }
    }

    /// The key, commitment by commitment.
    fn of_keys(&mut self, setup: &PublicSetup, keys: &Keys) {
        let (theirs, ours) = (setup.key(), keys.verifying());
        let pairs = theirs.secret().iter().zip(ours.secret());
        let (count, all) = (pairs.filter(|(a, b)| a != b).count(), ours.secret().len());
        if count > 0 {
            self.0.push(format!(
                "the key commits to other weights, or hides them: {count} of {all} columns differ"
            ));
        }
        if theirs.groups() != ours.groups() {
            self.0.push("the key is of another architecture".to_owned());
        }
    }
}
