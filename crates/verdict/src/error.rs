//! What can go wrong, what it means, and what to do.

use serde::Serialize;
use thiserror::Error;
use verdict_codegen::{CodegenError, compile::CompileError, explain::ExplainError};
use verdict_contracts::{BundleError, CalldataError, DeployError as CodeError};
use verdict_engine::EngineError;
use verdict_prover::{
    integer::IntegerError,
    keys::KeyError,
    onnx::{OnnxError, crosscheck::CrosscheckError},
    plan::PlanError,
    prove::ProveError,
    quantize::SchemaError,
    srs::SrsError,
};

use crate::{
    attach::AttachError,
    attest::AttestError,
    chain::ChainError,
    commitment::CommitmentError,
    deploy::DeployError,
    files::FileError,
    prove::OwnProofError,
    report::ThresholdError,
    setup::{CheckError, SetupError},
    submit::SubmitError,
    verify::VerifyError,
};

/// What a failure means for whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Something was not as it has to be; nothing was done.
    Failed,
    /// Options contradict each other, or one is missing.
    Usage,
    /// A contract refused, or what is on chain is not what was asked for.
    Rejected,
    /// A transaction is under way; run again to wait for it.
    Pending,
    /// No node answers.
    Unreachable,
    /// The proof does not hold, or is not about this setup.
    InvalidProof,
}

impl Kind {
    /// The exit code of a program that ends with such a failure.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Pending => 4,
            Self::Unreachable => 5,
            Self::InvalidProof => 6,
        }
    }
}

/// Why a setup, a proof, a verification, a deployment or a submission failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] OnnxError),
    /// Someone else reads it otherwise.
    #[error(transparent)]
    Reading(#[from] CrosscheckError),
    /// No circuit was found for it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The inputs or ranges do not fit the model.
    #[error(transparent)]
    Input(#[from] SchemaError),
    /// The SRS cannot be used.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The keys cannot be made or restored.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The engine cannot compute.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The setup folder cannot be made, read or used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A setup is not known to be that of a model.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// No proof was made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// Samples that are not committed to, or not wholly: a proof could be of any.
    #[error("how good a model is, is said of samples that are committed to, with all their inputs")]
    MeasuredUncommitted,
    /// A range of expected values that is none.
    #[error(
        "expected values from {lo} to {hi}: both must be finite, and the first below the second"
    )]
    Expected {
        /// The least.
        lo: f64,
        /// The greatest.
        hi: f64,
    },
    /// A setup whose outputs say how good a model is already.
    #[error("the setup's outputs say how good a model is: they cannot be measured again")]
    MeasuredTwice,
    /// What is expected of an output may be anything.
    #[error("between which numbers the expected values of output {output} are is not known")]
    ExpectedRange {
        /// The output that is measured.
        output: String,
    },
    /// Not one request for each inference of a batch.
    #[error("{got} requests for {expected} inferences")]
    Requests {
        /// Number of inferences.
        expected: usize,
        /// Requests given.
        got: usize,
    },
    /// Inputs are not committed to, or not as was said.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// A proof was made that does not hold.
    #[error(transparent)]
    OwnProof(#[from] OwnProofError),
    /// A bundle cannot be read, or contradicts itself.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A proof was refused.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// No Solidity verifier was made.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// It was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its gas cannot be explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// The contracts of this build cannot be deployed.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The chain did not do or say what was asked.
    #[error(transparent)]
    Chain(Box<ChainError>),
    /// Something on chain is not as a deployment needs it.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// An oracle is not one for this setup.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Nothing is attested, or not what was asked for.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The score is not recorded.
    #[error(transparent)]
    Submit(Box<SubmitError>),
    /// The bundle cannot become calldata.
    #[error(transparent)]
    Calldata(#[from] CalldataError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A threshold is of no output.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// A report has no page.
    #[error("the report cannot be written as a page: {0}")]
    Page(#[source] askama::Error),
    /// A value has no JSON form.
    #[error("cannot be written as JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl From<ChainError> for Error {
    fn from(error: ChainError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        Self::Submit(Box::new(error))
    }
}

/// An error on one line, with those of its causes that it does not tell itself.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    message.replace('\n', " ")
}

impl Error {
    pub(crate) fn json(error: serde_json::Error) -> Self {
        Self::Json(error)
    }

    /// What the failure means.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Chain(error) => error.kind(),
            Self::Deploy(error) => error.kind(),
            Self::Attach(error) => error.kind(),
            Self::Attest(error) => error.kind(),
            Self::Submit(error) => error.kind(),
            Self::Verify(_) => Kind::InvalidProof,
            _ => Kind::Failed,
        }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setup(error) => error.hint(),
            Self::Check(error) => error.hint(),
            Self::Chain(error) => error.hint(),
            Self::Deploy(error) => error.hint(),
            Self::Attach(error) => error.hint(),
            Self::Attest(error) => error.hint(),
            Self::Commitment(error) => error.hint(),
            Self::Submit(error) => error.hint(),
            Self::Threshold(ThresholdError::Several { .. }) => {
                Some("say which, as NAME=T or NAME:INDEX=T".into())
            }
            Self::Prove(ProveError::Inputs(IntegerError::Batch(_))) => Some(
                "a setup is made for one number of inferences: set the model up with `--batch N`, \
                 and give `prove --batch` a file of N samples"
                    .into(),
            ),
            Self::Reading(CrosscheckError::Differs { .. }) => Some(
                "compare with a third runtime, and report it. If it is tract that is wrong, \
                 --no-crosscheck leaves the comparison out: nobody else has run the model then, \
                 and the setup says so"
                    .into(),
            ),
            Self::Verify(VerifyError::Differs { .. } | VerifyError::Count { .. }) => {
                Some("verify it with the setup it was made with".into())
            }
            _ => None,
        }
    }
}
