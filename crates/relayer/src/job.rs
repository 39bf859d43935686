//! What a job is: the request, its states, its attempts and its receipt.
//!
//! These are plain data. They are what the database keeps, what `status` returns and what
//! the command line prints as JSON.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{effect::Effect, fees::Fees, revert::DecodedRevert};

/// Identifies a job within one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A call that has to happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitRequest {
    /// The contract to call; `None` deploys `calldata` as init code.
    pub to: Option<Address>,
    /// Call data (or init code).
    pub calldata: Bytes,
    /// Wei sent along.
    pub value: U256,
    /// Two submissions with the same key, sender and chain are the same job.
    pub idempotency_key: String,
    /// A name for people, shown in logs and in the job's status.
    pub label: String,
    /// How the chain shows that the call has happened. With it, the chain decides whether
    /// the job is done, and never the database alone.
    pub effect: Option<Effect>,
}

impl SubmitRequest {
    /// A call of `to` without value; the label is the idempotency key.
    pub fn call(to: Address, calldata: Bytes, idempotency_key: impl Into<String>) -> Self {
        let idempotency_key = idempotency_key.into();
        Self {
            to: Some(to),
            calldata,
            value: U256::ZERO,
            label: idempotency_key.clone(),
            idempotency_key,
            effect: None,
        }
    }

    /// The same request with a way to see its effect.
    pub fn with_effect(self, effect: Effect) -> Self {
        Self { effect: Some(effect), ..self }
    }

    /// A deployment of `init_code` without value; the label is the idempotency key.
    pub fn deploy(init_code: Bytes, idempotency_key: impl Into<String>) -> Self {
        Self { to: None, ..Self::call(Address::ZERO, init_code, idempotency_key) }
    }
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum JobState {
    /// Accepted and stored; no transaction is signed.
    Queued,
    /// A signed transaction is stored and is broadcast until it is mined. So is a call whose
    /// place a self-transfer took in a block that is not final yet.
    Submitted,
    /// The call is in a block that is not final yet.
    Included,
    /// Done: the call succeeded in a final block, or the contract had recorded it already.
    Finalized,
    /// The chain refused the call. Submitted again, it is asked again.
    Rejected(Rejection),
    /// The relayer gave the job up without an answer from the contract.
    Dropped(DropReason),
}

impl JobState {
    /// True when nothing will happen to the job any more.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Finalized | Self::Rejected(_) | Self::Dropped(_))
    }

    /// The state's name as stored and logged.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitted => "submitted",
            Self::Included => "included",
            Self::Finalized => "finalized",
            Self::Rejected(_) => "rejected",
            Self::Dropped(_) => "dropped",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            Self::Dropped(reason) => write!(f, "dropped: {reason}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Why the chain refused a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Rejection {
    /// The simulation before the first broadcast reverted; no nonce was used.
    Simulation {
        /// The contract's own error.
        revert: DecodedRevert,
    },
    /// The mined transaction reverted; its nonce and gas are spent.
    Reverted {
        /// The contract's own error, if a replay of the call showed it.
        revert: Option<DecodedRevert>,
        /// True if the transaction used all the gas it was given.
        out_of_gas: bool,
    },
    /// There is no code at the address to call.
    NoContract {
        /// The address.
        address: Address,
    },
    /// The call needs more gas than a transaction may have.
    TooMuchGas {
        /// The node's estimate, if it gave a number.
        needed: Option<u64>,
        /// The configured limit of one transaction.
        limit: u64,
    },
    /// The node says that this transaction can never be accepted.
    Refused {
        /// The node's words.
        message: String,
    },
}

impl Rejection {
    /// The decoded contract error, when there is one.
    pub const fn revert(&self) -> Option<&DecodedRevert> {
        match self {
            Self::Simulation { revert } => Some(revert),
            Self::Reverted { revert, .. } => revert.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulation { revert } => write!(f, "the call would revert with {revert}"),
            Self::Reverted { revert: Some(revert), .. } => write!(f, "reverted with {revert}"),
            Self::Reverted { out_of_gas: true, .. } => f.write_str("reverted: out of gas"),
            Self::Reverted { .. } => f.write_str("reverted, and a replay did not show why"),
            Self::NoContract { address } => write!(
                f,
                "there is no contract at {address}; check the address and the chain it is on"
            ),
            Self::TooMuchGas { needed: Some(needed), limit } => {
                write!(f, "the call needs {needed} gas, more than the limit of {limit}")
            }
            Self::TooMuchGas { needed: None, limit } => {
                write!(f, "the call needs more gas than the limit of {limit}")
            }
            Self::Refused { message } => write!(f, "the node refuses the transaction: {message}"),
        }
    }
}

/// Why the relayer gave a job up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DropReason {
    /// Cancelled: nothing was signed, or a self-transfer took the call's place.
    Cancelled,
    /// Other transactions of the same key took the job's nonce again and again.
    NonceTaken {
        /// How often the job was signed for a nonce that something else used.
        times: u32,
    },
    /// The gap this self-transfer was to fill is gone: something else used the nonce.
    GapClosed,
    /// The job's nonce is used, and the node cannot show by what: it may have happened.
    Unclear {
        /// The nonce.
        nonce: u64,
    },
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::NonceTaken { times } => write!(
                f,
                "other transactions of this key used the job's nonce {times} times; \
                 give the relayer a key of its own"
            ),
            Self::GapClosed => f.write_str("the nonce gap was closed by another transaction"),
            Self::Unclear { nonce } => write!(
                f,
                "nonce {nonce} is used and the node cannot show whether by this job; look at the \
                 sender's transactions, and try the job again only if it did not happen"
            ),
        }
    }
}

/// What the node last said about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Stored, and not acknowledged by a node yet.
    Stored,
    /// In the node's pool (or it was there already).
    Accepted,
    /// Priced too low to enter the pool; to be replaced at a higher price.
    Underpriced,
    /// Refused for another reason, or the answer was lost; to be sent again.
    Failed,
}

impl AttemptOutcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Accepted => "accepted",
            Self::Underpriced => "underpriced",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Stored, Self::Accepted, Self::Underpriced, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

/// One signed transaction of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Hash of the transaction.
    pub hash: B256,
    /// Its nonce. Replacements share it.
    pub nonce: u64,
    /// Its fees.
    pub fees: Fees,
    /// Its gas limit.
    pub gas_limit: u64,
    /// What the node last said.
    pub outcome: AttemptOutcome,
    /// When it was signed, milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last handed to a node.
    pub broadcast_ms: Option<u64>,
    /// True for a self-transfer that takes the call's place.
    pub cancels: bool,
    /// The signed bytes.
    #[serde(skip)]
    pub raw: Bytes,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxReceipt {
    /// Hash of the transaction that was mined.
    pub hash: B256,
    /// Number of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// False if it reverted.
    pub success: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei paid for each gas.
    pub effective_gas_price: u128,
    /// The contract it deployed.
    pub contract_address: Option<Address>,
}

/// A job with everything known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// The job.
    pub id: JobId,
    /// The chain.
    pub chain_id: u64,
    /// The key's address.
    pub sender: Address,
    /// The name it was submitted under.
    pub label: String,
    /// The key that makes its submission idempotent.
    pub idempotency_key: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: JobState,
    /// What holds it up while it is pending: a cap on its price, a node that hides something.
    pub note: Option<String>,
    /// True while a self-transfer is to take the call's place.
    pub cancelling: bool,
    /// The nonce it holds.
    pub nonce: Option<u64>,
    /// All its transactions, oldest first.
    pub attempts: Vec<Attempt>,
    /// The receipt of the transaction that is in a block: the call's from `Included` on, or
    /// that of the self-transfer which took its place, while it is `Submitted` and once it is
    /// over. A finalized job without one is a job whose effect the contract had recorded already.
    pub receipt: Option<TxReceipt>,
    /// When it was submitted, milliseconds since 1970.
    pub created_ms: u64,
    /// When its state last changed.
    pub updated_ms: u64,
}
