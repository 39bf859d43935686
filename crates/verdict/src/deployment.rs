//! Where a setup's contracts are.

use alloy::{
    primitives::{Address, B256, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};
use verdict_contracts::bindings::InferenceOracle as bindings;

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
    /// The statements of data providers that the model's approval demands, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestations: Option<AttestationPolicy>,
}

/// What an approval demands beside proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationPolicy {
    /// The registry of the providers, or the source of inputs.
    pub signers: Address,
    /// Whether it is a source: the oracle reads the inputs there, and nobody has to sign.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source: bool,
    /// How many of the providers have to vouch; 1 of a source.
    pub threshold: u8,
    /// What the model's public input words mean: [`crate::Manifest::schema_id`], unless who
    /// deployed chose a name of its own.
    pub schema: B256,
}

impl AttestationPolicy {
    /// The policy of an approval; none if it is all zero. Whether it names a source, it does not
    /// say itself.
    pub(crate) fn of(policy: &bindings::AttestationPolicy, source: bool) -> Option<Self> {
        let bindings::AttestationPolicy { signers, threshold, schema } = *policy;
        (threshold != 0).then_some(Self { signers, source, threshold, schema })
    }

    /// The hash by which an oracle remembers what a model's first approval demanded.
    pub(crate) fn demand(policy: Option<&Self>) -> B256 {
        keccak256(Self::bound(policy).abi_encode())
    }

    pub(crate) fn bound(policy: Option<&Self>) -> bindings::AttestationPolicy {
        policy.map_or_else(
            || bindings::AttestationPolicy {
                signers: Address::ZERO,
                threshold: 0,
                schema: B256::ZERO,
            },
            |policy| bindings::AttestationPolicy {
                signers: policy.signers,
                threshold: policy.threshold,
                schema: policy.schema,
            },
        )
    }
}
