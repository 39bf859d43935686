//! What a job is: what is asked for, where it stands, and what it tells.

use std::fmt;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Proves what a model says about a subject and takes it to the model's oracle.
    Score,
    /// Makes a proof that answers no request: it can be verified, and goes to no chain.
    Proof,
    /// Takes a proof that was made elsewhere to the oracle it is for.
    Relay,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Accepted and stored; no worker has it.
    Queued,
    /// A worker holds its lease.
    Proving,
    /// The proof is stored. The last state of a job that only proves.
    Proved,
    /// The relayer has signed a transaction with it.
    Submitted,
    /// The transaction is in a block that is not final yet.
    Included,
    /// The record on chain is the one that the proof states, for good.
    Finalized,
    /// It can't be done: the reason says what refused it. Nobody tries again by himself.
    Rejected,
    /// It was given up without a refusal: its deadline passed, or every attempt failed.
    Dropped,
    /// Somebody cancelled it before it was on chain.
    Cancelled,
}

impl State {
    /// Every state, in the order in which a job goes through them.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Proving,
        Self::Proved,
        Self::Submitted,
        Self::Included,
        Self::Finalized,
        Self::Rejected,
        Self::Dropped,
        Self::Cancelled,
    ];

    /// The name as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Proving => "proving",
            Self::Proved => "proved",
            Self::Submitted => "submitted",
            Self::Included => "included",
            Self::Finalized => "finalized",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing happens to a job of this kind any more unless somebody asks for it.
    pub const fn is_terminal(self, kind: Kind) -> bool {
        match self {
            Self::Finalized | Self::Rejected | Self::Dropped | Self::Cancelled => true,
            Self::Proved => matches!(kind, Kind::Proof),
            _ => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Score, Self::Proof, Self::Relay];

    /// The name as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Proof => "proof",
            Self::Relay => "relay",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why a job ended, or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// What a program acts on.
    pub code: ReasonCode,
    /// What a person reads. Never an input's value.
    pub message: String,
}

impl Reason {
    /// A reason of this code.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The contract, or what stands on chain, refuses the score.
    Refused,
    /// Another request about the subject was recorded with this nonce or a later one.
    NonceTaken,
    /// The request's deadline passed, or would pass before the score can be recorded.
    DeadlinePassed,
    /// The input does not fit the model.
    Input,
    /// The prover failed.
    Prover,
    /// The proof does not hold or is not of the model.
    Proof,
    /// A worker took the job and didn't come back within its lease.
    LeaseExpired,
    /// The node, the relayer or the database could not do it.
    Chain,
    /// The day's budget is spent.
    Budget,
    /// The model is not served any more.
    UnknownModel,
    /// The key that opens stored inputs is another one than that which sealed them.
    Sealed,
    /// Somebody asked for it.
    Cancelled,
    /// Somebody asked for it to be tried again.
    Retried,
}

/// The transaction that recorded a job's score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transaction {
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: B256,
    /// The account that sent it.
    #[schema(value_type = String)]
    pub sender: Address,
    /// The block it is in.
    pub block: u64,
    /// Gas it used. Of a batch, all of its jobs share it.
    pub gas_used: u64,
    /// Wei paid, a decimal number.
    pub fee_wei: String,
}

/// A job as anyone who may read it sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id: sorts by the time of its submission.
    pub id: String,
    /// What it does.
    pub kind: Kind,
    /// Name of the model, as `/v1/models` lists it.
    pub model: String,
    /// Whom the score is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<Address>,
    /// Where it stands.
    pub state: State,
    /// Why it ended, or what holds it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The larger, the earlier its turn.
    pub priority: i64,
    /// What makes its submission idempotent.
    pub idempotency_key: String,
    /// Nonce of its request, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// Last second, since 1970, in which the score may be recorded, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// The model's outputs, once they are proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<f64>>,
    /// The first output as recorded: an integer in units of the model's last decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// The stored proof. Jobs of a batch share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Milliseconds that its proof took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_ms: Option<u64>,
    /// What recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
    /// How often a worker took it.
    pub attempts: u32,
    /// When it was accepted, milliseconds since 1970.
    pub created_ms: u64,
    /// When its state last changed.
    pub updated_ms: u64,
}

/// One line of a job's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number within the job, from 1.
    pub seq: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// The job's state from then on.
    pub state: State,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who: a worker's name, a sender's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_kind_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).expect("a name"), state.name());
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        assert_eq!(State::parse("Queued"), None);
    }

    #[test]
    fn only_a_job_that_only_proves_ends_with_its_proof() {
        assert!(State::Proved.is_terminal(Kind::Proof));
        assert!(!State::Proved.is_terminal(Kind::Score));
        assert!(!State::Included.is_terminal(Kind::Relay));
    }
}
