//! `verdict setup`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use verdict_codegen::{key_hash, key_payload, shape_verifier};
use verdict_engine::{Engine, Options};
use verdict_prover::{
    artifact::{FORMAT_VERSION, Manifest, ModelInfo, SrsInfo, VerifierInfo},
    keys::Keys,
    model::FloatModel,
    plan::Plan,
    srs::{Srs, cache_dir},
};

use super::srs::INSECURE;
use crate::{
    args::Setup,
    failure::{Failure, Outcome},
    inputs,
    ui::{Ui, table},
};

/// Name of the Solidity source in a setup folder.
pub(crate) const VERIFIER_SOURCE: &str = "Verifier.sol";
/// Name of the key contract's payload.
pub(crate) const KEY: &str = "key.hex";
/// Name of the development SRS that a setup keeps beside its keys.
pub(crate) const DEVELOPMENT_SRS: &str = "srs.bin";

/// A finished setup.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) folder: PathBuf,
    pub(crate) shape_id: String,
    pub(crate) key_hash: String,
    pub(crate) insecure_srs: bool,
    pub(crate) key_seconds: f64,
    pub(crate) files: BTreeMap<String, usize>,
}

pub(crate) fn run(args: &Setup, ui: &Ui) -> Outcome {
    let (model, plan) = ui.step("plan the circuit", || inputs::plan(&args.model, &args.options))?;
    let srs = match (&args.srs.srs, args.dev_srs) {
        (Some(path), _) => ui.step("read the SRS", || Ok(Srs::load(path, Some(plan.k))?))?,
        (None, true) => development_srs(plan.k, ui)?,
        (None, false) => {
            return Err(Failure::new("no SRS given").hint(format!(
                "give --srs FILE with at least 2^{} rows (see `verdict srs import`), or --dev-srs \
                 to try things out",
                plan.k
            )));
        }
    };
    let report = build(&model, &plan, &srs, args.computing.options(), &args.out, ui)?;
    let human = table(&[
        ("folder", report.folder.display().to_string()),
        ("shape id", report.shape_id.clone()),
        ("key hash", report.key_hash.clone()),
    ]);
    ui.result(&report, &human)
}

/// A development SRS, from the cache if there is one.
pub(crate) fn development_srs(k: u32, ui: &Ui) -> Outcome<Srs> {
    let srs = ui.step(&format!("get a development SRS for 2^{k} rows"), || {
        Ok(match cache_dir() {
            Some(folder) => Srs::cached_development(folder, k, &verdict_prover::srs::Silent)?,
            None => Srs::development(k)?,
        })
    })?;
    ui.warn(INSECURE);
    Ok(srs)
}

/// Makes the keys of a planned model.
pub(crate) fn make_keys(plan: &Plan, srs: &Srs, options: Options) -> Outcome<Keys> {
    let engine = Engine::new(srs.params(), options)?;
    Ok(Keys::new(&engine, plan.quantized.network.clone(), plan.shape)?)
}

/// Makes keys and verifier, and writes the folder.
pub(crate) fn build(
    model: &FloatModel,
    plan: &Plan,
    srs: &Srs,
    options: Options,
    folder: &Path,
    ui: &Ui,
) -> Outcome<Report> {
    let (keys, key_time) = ui.timed_step("make the keys", || make_keys(plan, srs, options))?;
    let (source, payload, shape_id) = ui.step("generate the Solidity verifier", || {
        let verifier = shape_verifier(keys.verifying().cs())?;
        let instances = keys.layout.instances;
        let payload = key_payload(keys.verifying(), srs.g2(), srs.s_g2(), instances)?;
        Ok((verifier.source, payload, verifier.shape_id))
    })?;
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        written_by: format!("verdict {}", env!("CARGO_PKG_VERSION")),
        model: ModelInfo {
            name: model.name.clone(),
            sha256: hex::encode(model.sha256),
            input: model.input.name.clone(),
            output: model.output.name.clone(),
            parameters: model.parameters(),
        },
        shape: plan.shape,
        k: plan.k,
        instances: keys.layout.instances,
        input: plan.quantized.input.clone(),
        output: plan.quantized.output.clone(),
        error: plan.error,
        srs: SrsInfo::new(srs),
        verifier: Some(VerifierInfo {
            shape_id: hex::encode(shape_id),
            key_hash: hex::encode(key_hash(&payload)),
        }),
        files: BTreeMap::new(),
    };
    ui.step("write the setup folder", || {
        manifest.add_keys(folder, &keys)?;
        manifest.add_file(folder, VERIFIER_SOURCE, source.as_bytes())?;
        manifest.add_file(folder, KEY, hex::encode(&payload).as_bytes())?;
        if srs.is_development() {
            srs.save(folder.join(DEVELOPMENT_SRS))?;
        }
        Ok(manifest.write(folder)?)
    })?;
    Report::new(folder, &manifest, key_time)
}

impl Report {
    fn new(folder: &Path, manifest: &Manifest, key_time: Duration) -> Outcome<Self> {
        let mut files = BTreeMap::new();
        for name in manifest.files.keys() {
            let size = std::fs::metadata(folder.join(name))?.len();
            files.insert(name.clone(), size as usize);
        }
        let verifier = manifest.verifier.as_ref();
        Ok(Self {
            folder: folder.to_owned(),
            shape_id: verifier.map_or_else(String::new, |info| info.shape_id.clone()),
            key_hash: verifier.map_or_else(String::new, |info| info.key_hash.clone()),
            insecure_srs: manifest.srs.insecure,
            key_seconds: key_time.as_secs_f64(),
            files,
        })
    }
}
