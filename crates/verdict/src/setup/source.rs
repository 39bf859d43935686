//! The model that a setup was made of, found and planned again.

use std::path::{Path, PathBuf, absolute};

use serde::{Deserialize, Serialize};
use verdict_prover::{
    graph::Graph,
    onnx::LoadOptions,
    plan::{Plan, PlanError, PlanOptions},
    quantize::Ranges,
};

use super::{CheckError, Manifest, PrivatePart, PublicSetup, SetupError, Weights, hidden};
use crate::{
    error::Error,
    model::{ModelFile, PlannedModel, Question},
};

/// Where a setup's model was read from, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    path: String,
    options: LoadOptions,
}

impl Source {
    /// None for a path that JSON cannot hold.
    pub(crate) fn new(path: &Path, options: &LoadOptions) -> Option<Self> {
        let path = absolute(path).ok()?.to_str()?.to_owned();
        Some(Self { path, options: options.clone() })
    }

    /// The same model, at another place.
    pub(crate) fn moved(&self, path: &Path) -> Option<Self> {
        Self::new(path, &self.options)
    }
}

impl Manifest {
    /// What was declared of the inputs.
    pub(crate) fn ranges(&self) -> Ranges {
        let declared = &self.input;
        Ranges {
            input: declared.ranges.clone(),
            grids: declared.grids.clone(),
            private: declared.private.clone(),
        }
    }

    /// Plans a model as the setup says.
    pub(super) fn plan(&self, model: &Graph) -> Result<Plan, PlanError> {
        Plan::with_shape(model, &self.ranges(), (self.shape, self.opening), &self.precision)
    }

    /// Options under which a planner chooses among circuits that prove the same as this one.
    pub(crate) fn plan_options(&self) -> PlanOptions {
        PlanOptions {
            target_error: Some(self.precision.target_error()),
            public_inputs: self.shape.public_inputs && !self.shape.committed(),
            committed: self.shape.committed(),
            decimals: self.precision.decimals,
            batch: Some(self.shape.batch()).filter(|batch| *batch > 1),
            totals: self.shape.totals(),
            ..PlanOptions::default()
        }
    }
}

impl PublicSetup {
    /// What hides the weights, if they are hidden.
    pub(super) fn blinding(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.manifest().weights {
            Weights::Public => Ok(None),
            Weights::Hidden => match PrivatePart::open(self) {
                Err(SetupError::NoPrivatePart(_)) => {
                    Err(CheckError::Hidden(self.folder().to_owned()).into())
                }
                private => Ok(Some(private?.blinding()?)),
            },
        }
    }

    /// Reads the model that this is the setup of, and plans it as the setup says. The file is
    /// the one it was made from, unless another place is given; the private part is needed.
    ///
    /// # Errors
    /// The file is not where it was, or not known; it is of another model, or its circuit is
    /// not the setup's; there is no private part.
    pub fn planned_model(&self, file: Option<&Path>) -> Result<PlannedModel, Error> {
        let private = PrivatePart::open(self)?;
        let (path, mut options) = self.source_of(&private, file)?;
        let manifest = self.manifest();
        options.measure.clone_from(&manifest.model.measure);
        let model = ModelFile::open(&path, &options)?;
        self.check_source(&model, &path)?;
        let plan = manifest.plan(model.graph())?;
        if plan.k != manifest.k || plan.quantized.graph != private.graph()? {
            return Err(
                self.differs("this version of the program makes another circuit of the file")
            );
        }
        let planned = PlannedModel::new(model.graph().clone(), plan)
            .with_weights(manifest.weights)
            .with_measure(manifest.model.measure.clone())
            .with_categories(&manifest.model.inputs)
            .with_reading(manifest.reading.clone());
        Ok(planned)
    }

    /// Plans a circuit that proves how good the first output of this setup's model is, on so many
    /// samples within the same ranges, to all of which one commitment is stated.
    ///
    /// # Errors
    /// As [`Self::planned_model`]; the output is not one of which that can be said, or no circuit
    /// is found.
    pub fn measured_model(
        &self,
        file: Option<&Path>,
        question: &Question,
        samples: usize,
    ) -> Result<PlannedModel, Error> {
        let private = PrivatePart::open(self)?;
        let (path, options) = self.source_of(&private, file)?;
        let manifest = self.manifest();
        if manifest.model.measure.is_some() {
            return Err(Error::MeasuredTwice);
        }
        let first = manifest.output.tensors.first().map(|tensor| tensor.name.clone());
        let options = LoadOptions { outputs: first.map(|name| vec![name]), ..options };
        let model = ModelFile::open_measured(&path, &options, question)?;
        self.check_source(&model, &path)?;
        let own = Ranges { private: Vec::new(), ..manifest.ranges() };
        let plan_options = PlanOptions {
            committed: true,
            batch: Some(samples),
            totals: true,
            ..PlanOptions::default()
        };
        let ranges = model.with_added(own);
        let planned = model.plan(&ranges, &plan_options)?;
        Ok(planned.with_categories(&manifest.model.inputs).with_weights(manifest.weights))
    }

    /// Where the model's file is, and how it was read.
    fn source_of(
        &self,
        private: &PrivatePart,
        file: Option<&Path>,
    ) -> Result<(PathBuf, LoadOptions), Error> {
        let source = private.source();
        let path = match (file, source) {
            (Some(path), _) => path.to_owned(),
            (None, Some(source)) => PathBuf::from(&source.path),
            (None, None) => return Err(CheckError::NoSource(self.folder().to_owned()).into()),
        };
        if file.is_none() && !path.is_file() {
            return Err(CheckError::SourceGone { setup: self.folder().to_owned(), path }.into());
        }
        Ok((path, source.map(|source| source.options.clone()).unwrap_or_default()))
    }

    /// Refuses a file that is not the one that the setup was made from.
    fn check_source(&self, model: &ModelFile, path: &Path) -> Result<(), Error> {
        let hash = hidden::model_hash(model.graph().sha256, self.blinding()?.as_deref());
        if hash == self.manifest().model.hash {
            return Ok(());
        }
        Err(self.differs(&format!("{} has another hash", path.display())))
    }

    fn differs(&self, difference: &str) -> Error {
        let (folder, differences) = (self.folder().to_owned(), vec![difference.to_owned()]);
        CheckError::Differs { folder, differences }.into()
    }
}
