//! Proves what a machine-learning model said, and takes it to Ethereum.
//!
//! This is what an application uses; the command line parses arguments, calls it and
//! prints. A [`ModelFile`] becomes a [`PlannedModel`], [`setup()`] makes its keys and Solidity
//! verifier, a [`Prover`] makes proofs, [`verify()`] checks them. [`deploy()`] and
//! [`submit()`] take them to a [`Chain`]; [`attach()`] takes up what somebody else deployed.
//!
//! ```text
//! model.onnx ─ PlannedModel ─ setup ─► private/ ─┐
//!                                  └─► public/ ──┴─ Prover ─► ProofBundle
//!                                         │                       │
//!                                         ├──────── verify ◄──────┤
//!                                         └─ deploy ─► Chain ◄─ submit
//! ```
//!
//! Nothing is printed: long work tells a [`Progress`]. Every failure is an [`Error`] that
//! knows what it means ([`Error::kind`]) and what to do ([`Error::hint`]). Whoever has the
//! public part of a setup only can verify, deploy and submit.
//!
//! ```
//! use verdict::{
//!     PlanOptions, PlannedModel, Prover, ProverOptions, PublicSetup, Ranges, Silent, SrsChoice,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/credit");
//! # let folder = tempfile::tempdir()?;
//! # let out = folder.path().join("setup");
//! // A logistic regression on twenty features of an applicant, with the range of each.
//! let model = std::path::Path::new(examples).join("logistic.onnx");
//! let ranges = std::fs::read(std::path::Path::new(examples).join("ranges.json"))?;
//! let ranges: Ranges = serde_json::from_slice(&ranges)?;
//! let planned = PlannedModel::load(&model, &ranges, &PlanOptions::default())?;
//!
//! // A development SRS: for trying things out only.
//! let srs = SrsChoice::Development.open(planned.plan().estimate.srs_k)?;
//! verdict::setup(&planned, &srs, &out, Default::default(), &Silent)?;
//!
//! // The lowest value of each feature, and what the model says about it.
//! let prover = Prover::open(&out, ProverOptions::default())?;
//! let input: Vec<f64> = ranges.input.iter().map(|[lowest, _]| *lowest).collect();
//! let bundle = prover.prove(&input, None)?;
//!
//! // Anyone with the public part can check it.
//! let public = PublicSetup::open(&out.join("public"))?;
//! let verified = verdict::verify(&public, &bundle)?;
//! assert!((verified.outputs[0] - planned.model().run(&[&input])?[0][0]).abs() < 1e-3);
//! assert!(verified.insecure_srs);
//! # Ok(())
//! # }
//! ```

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

mod attach;
mod attest;
mod chain;
mod commitment;
mod contracts;
mod coverage;
mod deploy;
mod deployment;
mod error;
mod explain;
pub mod figures;
mod files;
mod inspect;
mod measure;
mod model;
mod progress;
mod prove;
mod registration;
pub mod report;
mod request;
pub mod setup;
mod srs;
mod submit;
mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    attach::{AttachError, attach},
    attest::{
        Accepted, AttestError, AttestRequest, accept_signer, attest, read_attestation,
        source_inputs, write_attestation,
    },
    chain::{Chain, ChainError, ChainOptions, ChainReader, is_development},
    commitment::{
        Commitment, CommitmentError, Salt, commit, read_commitments, salts, write_commitments,
    },
    contracts::Contracts,
    coverage::Coverage,
    deploy::{Attestors, DeployError, DeployOptions, DeployStep, Deployed, ScoreDirection, deploy},
    deployment::{AttestationPolicy, Deployment},
    error::{Error, Kind, with_causes},
    explain::{Circuit, Gas, GasPart, GasReport, explain},
    files::{FileError, check_writable, write_bundle},
    inspect::{Inspection, steps},
    measure::{Answers, Figures, Groups},
    model::{ModelFile, PlannedModel, Question},
    progress::{Progress, Silent, step, timed_step},
    prove::{OwnProofError, Prover, ProverOptions},
    report::{Report, ReportOptions, report},
    request::{ScoreRequest, next_nonce, next_nonces},
    setup::{
        CheckError, Checked, Manifest, PublicSetup, SetupError, SetupReport, Weights, check, setup,
    },
    srs::{INSECURE, SrsChoice},
    submit::{
        Record, Settled, Submission, SubmitError, Submitted, recorded, submit, submit_together,
    },
    verify::{Verified, VerifyError, verify},
};
pub use verdict_contracts::{
    InferenceRequest, MAX_NONCE_STEP, ProofBundle,
    attestation::{Attestation, Statement},
    of_inference,
};
pub use verdict_engine::{Control as EngineControl, Options as EngineOptions};
pub use verdict_prover::{
    bounded::{ReadError, read_bounded},
    graph::Graph,
    onnx::{
        LoadOptions,
        crosscheck::{Difference, Reading},
        measure::{Figure, Measure, Metric},
    },
    plan::{Objective, Plan, PlanOptions},
    quantize::Ranges,
    srs::Srs,
};
pub use verdict_relayer::{NodeOptions, RelayerSigner, RpcUrl, TxReceipt};
