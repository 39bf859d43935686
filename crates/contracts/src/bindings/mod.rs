//! The contracts' interfaces, as Solidity and as Rust types.
//!
//! One flat list a contract, without inheritance: what a caller of the deployed contract sees. The
//! test `bindings_match_the_compiled_contracts` compares each list with the compiler's ABI.

// The macro's expansion adds items that carry no documentation.
#![allow(missing_docs)]

mod inference_oracle;
mod input_source;
mod model_registry;
mod signer_registry;
mod verdict_verifier;

pub use inference_oracle::InferenceOracle;
pub use input_source::{INPUT_SOURCE_INTERFACE, InputSource};
pub use model_registry::ModelRegistry;
pub use signer_registry::SignerRegistry;
pub use verdict_verifier::VerdictVerifier;

/// The oracle takes the registry's structures; the compiler names them alike, Rust knows two types.
impl From<ModelRegistry::ModelCommitment> for InferenceOracle::ModelCommitment {
    fn from(commitment: ModelRegistry::ModelCommitment) -> Self {
        let ModelRegistry::ModelCommitment { modelHash, circuitHash, vkHash, proofSystemId, uri } =
            commitment;
        Self { modelHash, circuitHash, vkHash, proofSystemId, uri }
    }
}

impl From<ModelRegistry::VerificationData> for InferenceOracle::VerificationData {
    fn from(data: ModelRegistry::VerificationData) -> Self {
        Self {
            verifier: data.verifier,
            key: data.key,
            keyHash: data.keyHash,
            publicInputs: data.publicInputs,
            outputs: data.outputs,
            batch: data.batch,
            outputMin: data.outputMin,
            outputMax: data.outputMax,
            decimals: data.decimals,
            direction: data.direction.into(),
        }
    }
}

impl From<ModelRegistry::ScoreDirection> for InferenceOracle::ScoreDirection {
    fn from(direction: ModelRegistry::ScoreDirection) -> Self {
        match direction {
            ModelRegistry::ScoreDirection::HigherIsBetter => Self::HigherIsBetter,
            ModelRegistry::ScoreDirection::LowerIsBetter => Self::LowerIsBetter,
            _ => Self::Unspecified,
        }
    }
}
