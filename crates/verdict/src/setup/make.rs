//! Making a setup.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use alloy::primitives::B256;
use serde::Serialize;
use verdict_codegen::{CodegenError, key_hash, key_payload, shape_verifier};
use verdict_contracts::MAX_INSTANCES;
use verdict_engine::{EngineError, Options};
use verdict_kzg::portable::PortableKey;
use verdict_prover::{
    bounded::read_bounded,
    graph::{Graph, TensorId},
    keys::Keys,
    onnx::crosscheck::Reading,
    quantize::{Comparisons, ErrorReport},
    srs::Srs,
};

use super::{
    COLUMNS, DEPLOYMENT, DEVELOPMENT_SRS, FORMAT_VERSION, KEY_PAYLOAD, MANIFEST,
    MAX_DEPLOYMENT_BYTES, Manifest, ModelInfo, PORTABLE_KEY, PRIVATE, PUBLIC, PrivatePart,
    PublicSetup, SetupError, Source, SrsInfo, VERIFIER_SOURCE, VERIFYING_KEY, VerifierInfo,
    Weights, hidden, part,
};
use crate::{
    error::Error,
    files::{self, Access},
    model::PlannedModel,
    progress::{Progress, step, timed_step},
};

/// A finished setup.
#[derive(Debug, Clone, Serialize)]
pub struct SetupReport {
    /// The folder with both parts.
    pub folder: PathBuf,
    /// Identifies the setup.
    pub setup_id: B256,
    /// Identifies the shape's verifier.
    pub shape_id: B256,
    /// EXTCODEHASH of the key contract.
    pub key_hash: B256,
    /// What public input words mean, see [`Manifest::schema_id`]; none if inputs are private.
    pub schema: Option<B256>,
    /// How the reading of the model's file was checked from outside.
    pub reading: Reading,
    /// Measured error against the float model.
    pub error: ErrorReport,
    /// How comparisons came out that are not known to be the file's; none if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparisons: Option<Comparisons>,
    /// Whether the key hides the weights.
    pub weights: Weights,
    /// True if whoever made the SRS can forge proofs.
    pub insecure_srs: bool,
    /// Time that making the keys took, in seconds.
    pub key_seconds: f64,
    /// Bytes of every file written, by its path in the folder.
    pub files: BTreeMap<String, u64>,
    /// Where the deployment of the setup that was here before has been kept.
    pub replaced_deployment: Option<PathBuf>,
}

/// Makes a model's keys and Solidity verifier, and writes the setup folder.
///
/// A setup that is in the folder already is replaced. Its `deployment.json` stays if the
/// new setup is the same one; otherwise it is renamed, so that nothing is ever sent to
/// contracts of another model.
///
/// # Errors
/// The SRS has other rows than the plan, the engine fails, or the folder cannot be
/// written; a folder of an older format is refused. Cancelled, nothing is written.
pub fn setup(
    planned: &PlannedModel,
    srs: &Srs,
    folder: &Path,
    options: Options,
    progress: &dyn Progress,
) -> Result<SetupReport, Error> {
    refuse_older(folder)?;
    if let Reading::Unchecked { reason } = planned.reading() {
        progress.warn(&format!("the reading of the model was not checked from outside: {reason}"));
    }
    let count = planned.public_values().count();
    if count > MAX_INSTANCES {
        return Err(SetupError::TooManyValues { count }.into());
    }
    let blinding = kept_blinding(folder, planned, srs);
    let cancel = options.cancel.clone();
    let (keys, key_time) = timed_step(progress, "make the keys", || {
        planned.make_keys_again(srs, options, blinding.as_deref())
    })?;
    let described =
        step(progress, "generate the Solidity verifier", || describe(planned, srs, &keys))?;
    // What was given up leaves nothing behind.
    if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
        return Err(EngineError::Cancelled.into());
    }
    let written = step(progress, "write the setup folder", || {
        let (keys, model) = (&keys, planned.source());
        Writing { folder, described, keys, srs, model }.run()
    })?;
    if let Some(kept) = &written.replaced_deployment {
        progress.warn(&format!(
            "the folder held the deployment of another setup; it is kept as {}",
            kept.display()
        ));
    }
    Ok(SetupReport { key_seconds: key_time.as_secs_f64(), ..written })
}

/// What a setup's public part says.
pub(super) struct Described {
    pub(super) manifest: Manifest,
    pub(super) source: String,
    pub(super) payload: Vec<u8>,
    pub(super) portable: Vec<u8>,
}

/// Describes the setup of a model and its keys.
pub(super) fn describe(planned: &PlannedModel, srs: &Srs, keys: &Keys) -> Result<Described, Error> {
    let verifier = shape_verifier(keys.verifying().protocol())?;
    let instances = planned.public_values().count();
    let payload = key_payload(keys.verifying(), srs.g2(), srs.s_g2(), instances)
        .map_err(CodegenError::from)?;
    let portable = PortableKey::new(keys.verifying().clone(), srs.s_g2(), instances)
        .map_err(CodegenError::from)?
        .to_bytes();
    let info =
        VerifierInfo { shape_id: verifier.shape_id.into(), key_hash: key_hash(&payload).into() };
    let manifest = settled(manifest(planned, srs, keys, info))?;
    Ok(Described { manifest, source: verifier.source, payload, portable })
}

/// The blinding of a setup in the folder that is of the same graph, shape and SRS: made
/// with it again, the key stays what it is, and so does what was deployed.
fn kept_blinding(folder: &Path, planned: &PlannedModel, srs: &Srs) -> Option<Vec<u8>> {
    let public = PublicSetup::open(folder).ok()?;
    let private = PrivatePart::open(&public).ok()?;
    let (manifest, plan) = (public.manifest(), planned.plan());
    let same = (manifest.weights, planned.weights()) == (Weights::Hidden, Weights::Hidden)
        && (manifest.shape, manifest.opening) == (plan.shape, plan.opening)
        && manifest.k == plan.k
        && manifest.check_srs(srs).is_ok()
        && private.graph().ok()? == plan.quantized.graph;
    if same { private.blinding().ok() } else { None }
}

fn manifest(planned: &PlannedModel, srs: &Srs, keys: &Keys, verifier: VerifierInfo) -> Manifest {
    let (model, plan) = (planned.model(), planned.plan());
    let blinding = (!keys.blinding.is_none()).then(|| keys.blinding.to_bytes());
    let (mut error, mut reading) = (plan.error, planned.reading().clone());
    let mut comparisons = plan.comparisons.clone();
    if planned.weights() == Weights::Hidden {
        (error, reading) = (hidden::coarse_error(error), hidden::coarse_reading(reading));
        comparisons.iter_mut().for_each(|own| own.behind.clear());
    }
    Manifest {
        format_version: FORMAT_VERSION,
        written_by: format!("verdict {}", env!("CARGO_PKG_VERSION")),
        model: ModelInfo {
            name: model.name.clone(),
            hash: hidden::model_hash(model.sha256, blinding.as_deref()),
            inputs: planned.inputs().to_vec(),
            output: names(model, &model.outputs),
            measure: planned.measure().cloned(),
            parameters: model.parameters(),
        },
        shape: plan.shape,
        opening: plan.opening,
        k: plan.k,
        weights: planned.weights(),
        input: plan.quantized.input.clone(),
        output: plan.output(),
        precision: plan.precision,
        error,
        comparisons,
        reading,
        srs: SrsInfo::new(srs),
        verifier,
        files: BTreeMap::new(),
    }
}

/// The tensors' names, in the model's order.
fn names(model: &Graph, tensors: &[TensorId]) -> String {
    let names = tensors.iter().map(|tensor| model.tensors[tensor.0].name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// The manifest as it will be read: JSON numbers may come back one unit of the last place
/// beside what was written, which would change the setup's id from now to later.
fn settled(mut manifest: Manifest) -> Result<Manifest, Error> {
    for _ in 0..8 {
        let bytes = serde_json::to_vec(&manifest).map_err(Error::json)?;
        let read: Manifest = serde_json::from_slice(&bytes).map_err(Error::json)?;
        if read == manifest {
            break;
        }
        manifest = read;
    }
    Ok(manifest)
}

fn refuse_older(folder: &Path) -> Result<(), SetupError> {
    match PublicSetup::open(folder) {
        Err(error @ SetupError::Version { got, .. }) if got < u64::from(FORMAT_VERSION) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

struct Writing<'a> {
    folder: &'a Path,
    described: Described,
    keys: &'a Keys,
    srs: &'a Srs,
    model: Option<&'a Source>,
}

impl Writing<'_> {
    fn run(self) -> Result<SetupReport, Error> {
        let Described { mut manifest, source, payload, portable } = self.described;
        let (public, private) = (self.folder.join(PUBLIC), self.folder.join(PRIVATE));
        files::create_folder(&public, Access::Public).map_err(SetupError::from)?;
        files::create_folder(&private, Access::Private).map_err(SetupError::from)?;
        // From here to the end this is no setup.
        files::remove(&public.join(MANIFEST)).map_err(SetupError::from)?;
        let setup_id = manifest.setup_id();
        let replaced_deployment = set_aside(&public, setup_id)?;

        let srs_file = private.join(DEVELOPMENT_SRS);
        if self.srs.is_development() {
            self.srs.save(&srs_file)?;
            files::restrict(&srs_file).map_err(SetupError::from)?;
        } else {
            files::remove(&srs_file).map_err(SetupError::from)?;
        }
        files::remove(&private.join(COLUMNS)).map_err(SetupError::from)?;
        PrivatePart::write(&private, setup_id, self.keys, self.model.cloned())?;
        let payload = hex::encode(payload);
        let hashes = &mut manifest.files;
        let key = self.keys.verifying().to_bytes();
        for (name, bytes) in [
            (VERIFYING_KEY, &key[..]),
            (PORTABLE_KEY, &portable),
            (VERIFIER_SOURCE, source.as_bytes()),
            (KEY_PAYLOAD, payload.as_bytes()),
        ] {
            part::write(&public, name, bytes, Access::Public, hashes)?;
        }
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(Error::json)?;
        files::write(&public.join(MANIFEST), &bytes, Access::Public).map_err(SetupError::from)?;
        Ok(SetupReport {
            folder: self.folder.to_owned(),
            setup_id,
            shape_id: manifest.verifier.shape_id,
            key_hash: manifest.verifier.key_hash,
            schema: manifest.shape.public_inputs.then(|| manifest.schema_id()),
            reading: manifest.reading.clone(),
            error: manifest.error,
            comparisons: manifest.comparisons.clone(),
            weights: manifest.weights,
            insecure_srs: manifest.srs.insecure,
            key_seconds: 0.0,
            files: sizes(self.folder),
            replaced_deployment,
        })
    }
}

/// Sizes of all files of both parts, by path.
fn sizes(root: &Path) -> BTreeMap<String, u64> {
    let names = [PUBLIC, PRIVATE].into_iter().flat_map(|part| {
        let folder = std::fs::read_dir(root.join(part)).into_iter().flatten();
        folder.flatten().map(move |entry| (part, entry))
    });
    names
        .filter_map(|(part, entry)| {
            let name = format!("{part}/{}", entry.file_name().to_string_lossy());
            Some((name, entry.metadata().ok()?.len()))
        })
        .collect()
}

/// Renames a deployment that is not `setup_id`'s, and says to what.
fn set_aside(public: &Path, setup_id: B256) -> Result<Option<PathBuf>, SetupError> {
    let path = public.join(DEPLOYMENT);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_bounded(&path, MAX_DEPLOYMENT_BYTES)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let theirs = value.get("setup_id").and_then(serde_json::Value::as_str);
    let theirs = theirs.and_then(|text| text.parse::<B256>().ok());
    if theirs == Some(setup_id) {
        return Ok(None);
    }
    let name = theirs.map_or_else(|| "unknown".into(), |id| hex::encode(&id[..4]));
    let kept = public.join(format!("deployment-{name}.json"));
    files::rename(&path, &kept)?;
    Ok(Some(kept))
}
