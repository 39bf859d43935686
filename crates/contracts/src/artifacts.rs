//! The compiled contracts, checked in under `contracts/artifacts`.
//!
//! Each artifact is JSON with the contract's name, its ABI and its creation bytecode, written by
//! `scripts/build-artifacts` from forge's output; continuous integration builds them again and
//! compares. A program that deploys therefore needs no Solidity compiler.

use alloy_primitives::Bytes;
use serde::Deserialize;

use crate::error::DeployError;

/// A checked-in artifact: the contract's name and its JSON.
#[derive(Clone, Copy, Debug)]
pub struct Artifact {
    /// Name of the contract.
    pub contract: &'static str,
    /// The artifact's text.
    pub json: &'static str,
}

/// The model registry.
pub const MODEL_REGISTRY: Artifact = Artifact {
    contract: "ModelRegistry",
    json: include_str!("../../../contracts/artifacts/ModelRegistry.json"),
};

/// The inference oracle.
pub const INFERENCE_ORACLE: Artifact = Artifact {
    contract: "InferenceOracle",
    json: include_str!("../../../contracts/artifacts/InferenceOracle.json"),
};

/// The registry of data providers.
pub const SIGNER_REGISTRY: Artifact = Artifact {
    contract: "SignerRegistry",
    json: include_str!("../../../contracts/artifacts/SignerRegistry.json"),
};

/// The example of a lender who keeps borrowers' histories.
pub const LENDING_HISTORY: Artifact = Artifact {
    contract: "LendingHistory",
    json: include_str!("../../../contracts/artifacts/LendingHistory.json"),
};

/// The example of a source of inputs, which reads such histories.
pub const LENDING_HISTORY_SOURCE: Artifact = Artifact {
    contract: "LendingHistorySource",
    json: include_str!("../../../contracts/artifacts/LendingHistorySource.json"),
};

/// Creation bytecode of an artifact, without constructor arguments.
pub fn creation_code(artifact: Artifact) -> Result<Bytes, DeployError> {
    #[derive(Deserialize)]
    struct Json {
        #[serde(rename = "contractName")]
        contract: String,
        bytecode: Bytes,
    }
    let damaged = |reason| DeployError::Artifact { contract: artifact.contract, reason };
    let json: Json = serde_json::from_str(artifact.json).map_err(|e| damaged(e.to_string()))?;
    if json.contract != artifact.contract {
        return Err(damaged(format!("it is the artifact of {}", json.contract)));
    }
    Ok(json.bytecode)
}
