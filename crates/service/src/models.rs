//! The models that are served: each a setup, opened once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use verdict::{
    Deployment, EngineOptions, Error, Prover, ProverOptions, PublicSetup, setup::SetupError,
};
use verdict_prover::{
    quantize::SchemaError,
    samples::{SampleError, Samples},
};

/// A model as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// What clients call it; the setup's own name by default.
    #[serde(default)]
    pub name: Option<String>,
    /// Its setup folder, or, where others prove, its public part.
    pub setup: PathBuf,
    /// The SRS; a setup with a development SRS has its own.
    #[serde(default)]
    pub srs: Option<PathBuf>,
}

/// Why a model cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Its setup.
    #[error("model {path}: {source}")]
    Setup {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// Another is called the same.
    #[error("two models are called {0}: give one another name in the configuration")]
    SameName(String),
    /// Another is the same on chain.
    #[error("{0} and {1} are the same model of the same oracle: serve one of them")]
    SameModel(String, String),
    /// Its proofs are about samples that nobody orders.
    #[error(
        "model {0} states totals over samples, which the service does not prove: use `verdict prove` and \
         `verdict submit`"
    )]
    Totals(String),
    /// It is on another chain than the service.
    #[error("model {name} is deployed on chain {found}, the others on chain {expected}")]
    OtherChain {
        /// The model.
        name: String,
        /// Its chain.
        found: u64,
        /// The others'.
        expected: u64,
    },
    /// There is none.
    #[error("no model to serve: give a setup folder")]
    None,
}

/// Why an input is none of a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// It has another form.
    #[error(transparent)]
    Form(#[from] SampleError),
    /// A value is out of its range.
    #[error(transparent)]
    Range(#[from] SchemaError),
    /// There are several.
    #[error("{0} samples in one input: submit them as jobs of their own")]
    Several(usize),
}

/// A model that is served.
#[derive(Debug)]
pub struct Model {
    name: String,
    folder: PathBuf,
    srs: Option<PathBuf>,
    setup: PublicSetup,
    deployment: Option<Deployment>,
    prover: OnceLock<Prover>,
}

impl Model {
    fn open(config: &ModelConfig) -> Result<Self, ModelError> {
        let fail = |source: Error| ModelError::Setup {
            path: config.setup.clone(),
            source: Box::new(source),
        };
        let setup = PublicSetup::open(&config.setup).map_err(|error| fail(error.into()))?;
        let deployment = match setup.deployment() {
            Ok(deployment) => Some(deployment),
            Err(SetupError::NotDeployed(_)) => None,
            Err(error) => return Err(fail(error.into())),
        };
        let name = config.name.clone().unwrap_or_else(|| setup.manifest().model.name.clone());
        if setup.manifest().shape.totals() {
            return Err(ModelError::Totals(name));
        }
        Ok(Self {
            name,
            folder: config.setup.clone(),
            srs: config.srs.clone(),
            setup,
            deployment,
            prover: OnceLock::new(),
        })
    }

    /// What clients call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its setup.
    pub fn setup(&self) -> &PublicSetup {
        &self.setup
    }

    /// Where it is deployed, if it is.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Inferences of one proof.
    pub fn batch(&self) -> usize {
        self.setup.manifest().shape.batch()
    }

    /// Reads keys and SRS, once.
    ///
    /// # Errors
    /// The private part or the SRS is missing or another's.
    pub fn prover(&self, engine: &EngineOptions) -> Result<&Prover, Error> {
        if let Some(prover) = self.prover.get() {
            return Ok(prover);
        }
        let options = ProverOptions { srs: self.srs.clone(), engine: engine.clone() };
        let prover = Prover::open(&self.folder, options)?;
        Ok(self.prover.get_or_init(|| prover))
    }

    /// An input as a client gives it, in any form that a file of samples takes: its numbers, all in
    /// their ranges; `None` where one is missing that may be.
    ///
    /// # Errors
    /// It has another form, or a value is out of range.
    pub fn input(&self, value: &Value) -> Result<Vec<Option<f64>>, InputError> {
        let manifest = self.setup.manifest();
        let text = value.to_string();
        let samples =
            Samples::of_json(text.as_bytes(), Path::new("input"), &manifest.model.inputs)?;
        let count = samples.len();
        let mut samples = samples.into_iter();
        let (Some(sample), None) = (samples.next(), samples.next()) else {
            return Err(InputError::Several(count));
        };
        manifest.input.encode(&sample.values)?;
        let number = |value: f64| (!value.is_nan()).then_some(value);
        Ok(sample.values.into_iter().map(number).collect())
    }
}

/// The models of a service.
#[derive(Debug)]
pub struct Models(BTreeMap<String, Model>);

impl Models {
    /// Opens them.
    ///
    /// # Errors
    /// One cannot be opened, two have one name or are one model, or they are on several chains.
    pub fn open(configs: &[ModelConfig]) -> Result<Self, ModelError> {
        let mut models: BTreeMap<String, Model> = BTreeMap::new();
        for config in configs {
            let model = Model::open(config)?;
            for other in models.values() {
                let (Some(own), Some(others)) = (&model.deployment, &other.deployment) else {
                    continue;
                };
                if own.chain_id != others.chain_id {
                    let (found, expected) = (own.chain_id, others.chain_id);
                    return Err(ModelError::OtherChain { name: model.name, found, expected });
                }
                if (own.oracle, own.model_id) == (others.oracle, others.model_id) {
                    return Err(ModelError::SameModel(other.name.clone(), model.name));
                }
            }
            let name = model.name.clone();
            if models.insert(name.clone(), model).is_some() {
                return Err(ModelError::SameName(name));
            }
        }
        if models.is_empty() {
            return Err(ModelError::None);
        }
        Ok(Self(models))
    }

    /// A model by its name.
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }

    /// The model that a proof is of.
    pub fn of_setup(&self, setup_id: alloy::primitives::B256) -> Option<&Model> {
        self.iter().find(|model| model.setup.id() == setup_id)
    }

    /// The chain where they are deployed, if any is.
    pub fn chain_id(&self) -> Option<u64> {
        self.iter().find_map(|model| Some(model.deployment.as_ref()?.chain_id))
    }
}
