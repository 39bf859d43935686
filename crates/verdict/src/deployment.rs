//! Where a setup's contracts are.

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// Where a setup's contracts are: `deployment.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The setup that is deployed.
    pub setup_id: B256,
    /// The chain.
    pub chain_id: u64,
    /// The model registry.
    pub registry: Address,
    /// The oracle that records scores.
    pub oracle: Address,
    /// The shape's verifier.
    pub verifier: Address,
    /// The key contract.
    pub key: Address,
    /// The model's id in the registry.
    pub model_id: u64,
    /// Hash of the model's verification data, to which its proofs are bound.
    pub verification_hash: B256,
}
