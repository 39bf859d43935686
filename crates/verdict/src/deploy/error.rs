//! Why a deployment stops.

use alloy::primitives::{Address, B256};
use thiserror::Error;
use verdict_contracts::deploy::CREATE2_DEPLOYER;

use crate::error::Kind;

/// Why a chain is not as a deployment needs it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A development SRS on a public chain.
    #[error(
        "chain {chain_id} is not a development chain, and this setup's SRS is a development one: \
         anyone who has its secret can forge proofs"
    )]
    InsecureSrs {
        /// The chain.
        chain_id: u64,
    },
    /// No deterministic deployer.
    #[error("chain {chain_id} has no deterministic deployer at {CREATE2_DEPLOYER}")]
    NoDeployer {
        /// The chain.
        chain_id: u64,
    },
    /// The oracle refers to other models.
    #[error("oracle {oracle} belongs to registry {theirs}, not to {registry}")]
    ForeignOracle {
        /// The oracle.
        oracle: Address,
        /// The registry wanted.
        registry: Address,
        /// Its registry.
        theirs: Address,
    },
    /// The oracle is another account's.
    #[error("oracle {oracle} belongs to {owner}, not to the sender {sender}")]
    NotOwner {
        /// The oracle.
        oracle: Address,
        /// Its owner.
        owner: Address,
        /// The sender.
        sender: Address,
    },
    /// Other code than was compiled.
    #[error("the code at {address} is not the one that was generated for this setup")]
    ForeignCode {
        /// The contract.
        address: Address,
    },
    /// Not a source of inputs.
    #[error("the contract at {address} is no source of inputs")]
    NoSource {
        /// The contract.
        address: Address,
    },
    /// A source of other inputs.
    #[error("source {address} has inputs of schema {theirs}, the setup's is {schema}")]
    ForeignSchema {
        /// The source.
        address: Address,
        /// The setup's schema.
        schema: B256,
        /// The source's.
        theirs: B256,
    },
    /// A data provider that nobody is.
    #[error("the zero address can be no data provider")]
    ZeroAttestor,
    /// More providers demanded than there are, or none.
    #[error("{threshold} attestations cannot be demanded of {most} signers")]
    Threshold {
        /// How many have to vouch.
        threshold: u8,
        /// How many could.
        most: usize,
    },
    /// Somebody approved the model meanwhile, and an approval says for good what has to be attested.
    #[error(
        "oracle {oracle} has approved model {model_id} meanwhile, with another demand for attestations"
    )]
    OtherPolicy {
        /// The oracle.
        oracle: Address,
        /// The model.
        model_id: u64,
    },
    /// A number of the setup does not fit the contracts.
    #[error("the model has {value} {what}, the contracts hold {limit} at most")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The model's.
        value: u128,
        /// The contracts'.
        limit: u64,
    },
    /// The transaction is final, and the chain does not show what it should have done.
    #[error("{step}: sent, but the chain does not show its effect")]
    NoEffect {
        /// The step.
        step: &'static str,
    },
    /// What a step brings about is in the newest block, and in no final one in time.
    #[error("{step}: it is on chain, but not final after {seconds} s")]
    NotFinal {
        /// The step.
        step: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl DeployError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::NotOwner { .. }
            | Self::ForeignOracle { .. }
            | Self::OtherPolicy { .. }
            | Self::NoEffect { .. } => Kind::Rejected,
            Self::Threshold { .. } | Self::ZeroAttestor => Kind::Usage,
            Self::NotFinal { .. } => Kind::Pending,
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::InsecureSrs { .. } => {
                    "set the model up again with a ceremony's SRS (`verdict srs import`), or pass \
                 --force-insecure-srs if nothing of value depends on it"
                }
                Self::NoDeployer { .. } => {
                    "deploy it first: github.com/Arachnid/deterministic-deployment-proxy"
                }
                Self::ForeignOracle { .. } => "give the oracle's own registry, or another oracle",
                Self::NotOwner { .. } => {
                    "send from the owner's account, or deploy an oracle of yours"
                }
                Self::NoSource { .. } => {
                    "give the address of a contract that inherits from InputSource"
                }
                Self::ForeignSchema { .. } => {
                    "deploy the source with the setup's schema, which `verdict setup` prints"
                }
                Self::Threshold { .. } => {
                    "give each provider with --attestor, and with --threshold how many of them \
                     have to vouch"
                }
                Self::ZeroAttestor => "give the account that signs with --attestor",
                Self::OtherPolicy { .. } => "run it again: the model is registered anew",
                Self::NoEffect { .. } => {
                    "the node may lag behind, or the contract refused its arguments; run it again"
                }
                Self::NotFinal { .. } => "run it again to wait for it",
                Self::ForeignCode { .. } => "check the node, and the chain it is on",
                Self::TooLarge { .. } => return None,
            }
            .to_owned(),
        )
    }
}
