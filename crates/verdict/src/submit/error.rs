//! Why a score is not recorded.

use alloy::primitives::{Address, B256};
use thiserror::Error;

use super::Record;
use crate::error::Kind;

/// Why a score is not recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The proof is for no chain.
    #[error("the proof answers no request, so no oracle can record it")]
    NoRequest,
    /// The proof is for other contracts.
    #[error(
        "the proof is for oracle {oracle} on chain {chain_id}, the setup is deployed at \
         {deployed} on chain {deployed_chain_id}"
    )]
    OtherOracle {
        /// The proof's oracle.
        oracle: Address,
        /// The proof's chain.
        chain_id: u64,
        /// The deployment's oracle.
        deployed: Address,
        /// The deployment's chain.
        deployed_chain_id: u64,
    },
    /// The proof is for another model of the oracle.
    #[error(
        "the proof is for model {model_id} with verification data {verification_hash}, the setup \
         is deployed as model {deployed} with {deployed_hash}"
    )]
    OtherModel {
        /// The proof's model.
        model_id: u64,
        /// Hash of the verification data that the proof is bound to.
        verification_hash: B256,
        /// The deployment's model.
        deployed: u64,
        /// Hash of its verification data.
        deployed_hash: B256,
    },
    /// Proofs that are to go together are for several oracles.
    #[error(
        "one proof is for oracle {first}, another for {other}: one transaction is one oracle's"
    )]
    SeveralOracles {
        /// The first one's.
        first: Address,
        /// The other.
        other: Address,
    },
    /// Another score stands where this one should.
    #[error(
        "the proof states output {stated} for request {nonce} about {}, but what stands on chain \
         is {}: it was {what}", found.subject, found.words()
    )]
    OtherRecord {
        /// The first output that the proof states.
        stated: i128,
        /// Its request's nonce.
        nonce: u64,
        /// What stands there.
        found: Record,
        /// What the record says about this proof.
        what: &'static str,
    },
    /// The first output is the one stated, another is not.
    #[error(
        "request {nonce} about {subject} is recorded with the first output that the proof states, \
         but not with all of its outputs: it was made with other inputs"
    )]
    OtherOutputs {
        /// The request's nonce.
        nonce: u64,
        /// The subject.
        subject: Address,
    },
    /// There is no record.
    #[error("the oracle has no record about {subject}, although it was sent")]
    NoRecord {
        /// The subject.
        subject: Address,
    },
}

impl SubmitError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::OtherRecord { .. } | Self::OtherOutputs { .. } | Self::NoRecord { .. } => {
                Kind::Rejected
            }
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::SeveralOracles { .. } => "submit them one by one".into(),
            Self::NoRequest => "prove with --subject, after `verdict deploy`".into(),
            Self::OtherOracle { .. } | Self::OtherModel { .. } => {
                "prove again for this deployment, or use the setup the proof was made with".into()
            }
            Self::OtherRecord { found, .. } => {
                format!("prove again with a nonce above {}", found.nonce)
            }
            Self::OtherOutputs { nonce, .. } => format!("prove again with a nonce above {nonce}"),
            Self::NoRecord { .. } => "the node may lag behind; run it again".into(),
        })
    }
}
