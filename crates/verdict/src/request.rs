//! What a proof answers.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use verdict_contracts::{
    InferenceRequest,
    bindings::InferenceOracle::{nonceOfCall, scoresOfCall},
    inputs_hash,
};

use crate::{chain::ChainReader, deployment::Deployment, error::Error};

/// A request to score a subject, before the inputs are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreRequest {
    /// The chain.
    pub chain_id: u64,
    /// The oracle that will record the score.
    pub oracle: Address,
    /// The model's id in the oracle's registry.
    pub model_id: u64,
    /// Hash of the model's verification data.
    pub verification_hash: B256,
    /// Whom the score is about.
    pub subject: Address,
    /// Must exceed the last nonce recorded for the subject and the model; see [`next_nonce`].
    pub nonce: u64,
    /// Unix time of the last second in which the score may be recorded.
    pub deadline: u64,
}

impl ScoreRequest {
    /// A request to a setup's own oracle, valid for `seconds` from now.
    pub fn to(deployment: &Deployment, subject: Address, nonce: u64, seconds: u64) -> Self {
        Self {
            chain_id: deployment.chain_id,
            oracle: deployment.oracle,
            model_id: deployment.model_id,
            verification_hash: deployment.verification_hash,
            subject,
            nonce,
            deadline: now().saturating_add(seconds),
        }
    }

    /// The request about public input words; none if the inputs are private.
    pub(crate) fn about(&self, input_words: &[B256]) -> InferenceRequest {
        InferenceRequest {
            chain_id: self.chain_id,
            oracle: self.oracle,
            model_id: self.model_id,
            verification_hash: self.verification_hash,
            subject: self.subject,
            nonce: self.nonce,
            deadline: self.deadline,
            inputs: inputs_hash(input_words),
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The nonce after the last one that is recorded of a subject and the deployed model.
///
/// Two proofs made before either is recorded get the same one: the second to be submitted
/// is refused and has to be made again.
///
/// # Errors
/// The node does not answer, is on another chain, or has no oracle at the address.
pub async fn next_nonce(
    chain: &ChainReader,
    deployment: &Deployment,
    subject: Address,
) -> Result<u64, Error> {
    chain.expect(deployment.chain_id)?;
    let call = nonceOfCall { subject, modelId: U256::from(deployment.model_id) };
    let last = chain.call(deployment.oracle, &call).await?;
    let last = u64::try_from(last).unwrap_or(u64::MAX);
    Ok(last.saturating_add(1))
}

/// The same of several subjects, by one question.
///
/// # Errors
/// As [`next_nonce`].
pub async fn next_nonces(
    chain: &ChainReader,
    deployment: &Deployment,
    subjects: Vec<Address>,
) -> Result<Vec<u64>, Error> {
    chain.expect(deployment.chain_id)?;
    let call = scoresOfCall { subjects, modelId: U256::from(deployment.model_id) };
    let records = chain.call(deployment.oracle, &call).await?;
    Ok(records.iter().map(|record| record.nonce.saturating_add(1)).collect())
}
