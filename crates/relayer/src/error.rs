//! What can go wrong, with a hint what to do.
//!
//! A *job* that the chain refuses is not an error here: it ends in
//! [`crate::JobState::Rejected`]. An error means that the relayer itself could not go on;
//! the job is still in the database and goes on when the cause is gone.

use std::{io, path::PathBuf, time::Duration};

use alloy::primitives::{Address, B256, U256, utils::format_ether};
use thiserror::Error;

use crate::{
    backend::{RpcError, RpcErrorKind},
    fees::FeeError,
    job::JobId,
    signer::SignerError,
};

/// A setting out of its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("relayer setting {field} is {value}: it {constraint}")]
pub struct ConfigError {
    /// The field of [`crate::RelayerConfig`].
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What it has to satisfy.
    pub constraint: &'static str,
}

/// The database cannot be used.
#[derive(Debug, Error)]
pub enum StorageError {
    /// It cannot be opened or brought up to date.
    #[error("cannot open the relayer's database {}: {source}; check the path, its permissions and the free space", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<sqlx::Error>,
    },
    /// A read or a write failed. Nothing that was not stored has been sent.
    #[error("the relayer's database failed: {0}; check the free space and the file's permissions")]
    Database(#[from] sqlx::Error),
    /// A stored value does not make sense.
    #[error(
        "the relayer's database holds {value:?} as {column}; the file is damaged or from a newer version"
    )]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// A number that the database cannot keep.
    #[error("{value} as {column} is out of range; nothing was stored")]
    OutOfRange {
        /// The column.
        column: &'static str,
        /// The number.
        value: u64,
    },
    /// Another process relays with this key.
    #[error("{holder} sends with {address} on chain {chain_id} (lock file {}); wait for it, stop it, or use another key", path.display())]
    InUse {
        /// The other process, in its own words.
        holder: String,
        /// The sender.
        address: Address,
        /// Its chain.
        chain_id: u64,
        /// The lock file.
        path: PathBuf,
    },
    /// There is no folder for a user's jobs.
    #[error(
        "neither XDG_STATE_HOME nor HOME is set, so there is no place for the relayer's database; give a file (--database)"
    )]
    NoPlace,
    /// The folder for a user's jobs cannot be made.
    #[error("cannot create {} for the relayer's database: {source}; give another file (--database)", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The lock file cannot be made.
    #[error("cannot create the lock file {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file belongs to another chain with the same id.
    #[error(
        "this database belongs to another chain {chain_id} (genesis {stored}, now {found}); a restarted development chain needs a new database file"
    )]
    ForeignChain {
        /// The id they share.
        chain_id: u64,
        /// Genesis block of the database's chain.
        stored: B256,
        /// Genesis block of the chain at the endpoint.
        found: B256,
    },
}

/// Why the relayer could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayerError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An RPC request failed.
    #[error(transparent)]
    Rpc(RpcError),
    /// No acceptable price at the moment.
    #[error(transparent)]
    Fees(#[from] FeeError),
    /// The key could not be loaded or did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Another process may send with the key by now.
    #[error(
        "that {address} is this process's key was said too long ago: nothing is stored or sent with it \
         until that is said again"
    )]
    OldWord {
        /// The sender.
        address: Address,
    },
    /// The endpoint serves another chain.
    #[error(
        "{endpoint} serves chain {found}, not chain {expected}; correct the RPC URL or the chain id"
    )]
    WrongChain {
        /// Chain in the configuration.
        expected: u64,
        /// Chain at the endpoint.
        found: u64,
        /// The endpoint, without path or credentials.
        endpoint: String,
    },
    /// The chain has no base fee.
    #[error("chain {chain_id} has no base fee; the relayer needs a chain with EIP-1559 fees")]
    NoBaseFee {
        /// The chain.
        chain_id: u64,
    },
    /// The endpoint does not have the first block, by which a chain is told from others of its id.
    #[error(
        "{endpoint} has no block 0 of chain {chain_id}, which says whose jobs a database holds; nothing was opened: use a node that keeps the first block's header (--rpc-url)"
    )]
    NoGenesis {
        /// The endpoint.
        endpoint: String,
        /// The chain.
        chain_id: u64,
    },
    /// The node's count of the sender's transactions is too far from what is known.
    #[error(
        "{endpoint} says that {address} has sent {found} transactions, but {known} are known, and a difference of more than {limit} is not believed; ask another node, or raise max_nonce_distance (--max-nonce-distance) if the key was used elsewhere"
    )]
    NonceDistance {
        /// The endpoint.
        endpoint: String,
        /// The sender.
        address: Address,
        /// The node's count.
        found: u64,
        /// What the database and the latest block say.
        known: u64,
        /// The configured limit.
        limit: u64,
    },
    /// The node's count of the sender's transactions is higher than what could be mended if it is wrong.
    #[error(
        "{endpoint} says that {address} has sent {found} transactions, but {known} are known, and a difference of more than {limit} (max_gaps) is believed once it is told for {} s; it is asked again", patience.as_secs()
    )]
    NonceDoubted {
        /// The endpoint.
        endpoint: String,
        /// The sender.
        address: Address,
        /// The node's count.
        found: u64,
        /// What the database says.
        known: u64,
        /// The configured limit of gaps.
        limit: u64,
        /// How long it has to be told.
        patience: Duration,
    },
    /// The node does not know a block that was final.
    #[error(
        "{endpoint} is at block {head}, behind block {since}, where the job was final; wait until it has caught up, or ask another node"
    )]
    Behind {
        /// The endpoint.
        endpoint: String,
        /// Its head.
        head: u64,
        /// The job's block.
        since: u64,
    },
    /// Too many self-transfers would be needed.
    #[error(
        "{count} gaps in the nonces of {address} (the first is {first}) would have to be filled with self-transfers that cost gas, and at most {limit} are filled at once; raise max_gaps (--max-gaps) to pay for them"
    )]
    TooManyGaps {
        /// The sender.
        address: Address,
        /// How many.
        count: u64,
        /// The first nonce that nothing holds.
        first: u64,
        /// The configured limit.
        limit: u64,
    },
    /// The sender cannot pay.
    #[error("{address} holds {} ETH on chain {chain_id} and needs up to {} ETH; send it funds, the job is kept", format_ether(*balance), format_ether(*needed))]
    NoFunds {
        /// The sender.
        address: Address,
        /// The chain.
        chain_id: u64,
        /// What it holds, in wei.
        balance: U256,
        /// What the transaction may cost, in wei.
        needed: U256,
    },
    /// No such job.
    #[error("there is no job {0} of this key on this chain in the database")]
    UnknownJob(JobId),
    /// The key was used for another call.
    #[error(
        "the idempotency key {key:?} belongs to job {job}, a call with another {what}; use a new key for a new call"
    )]
    IdempotencyConflict {
        /// The key.
        key: String,
        /// Its job.
        job: JobId,
        /// What differs.
        what: &'static str,
    },
    /// The job is not in a state that allows this.
    #[error("job {job} is {state}; only a job that is {wanted} can be {verb}")]
    WrongState {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
        /// The states that would do.
        wanted: &'static str,
        /// What was asked for.
        verb: &'static str,
    },
    /// The job was not done in time. It is kept.
    #[error("job {job} is still {state} after {} s{}; it is kept and goes on at the next start", waited.as_secs(), last_error.as_ref().map(|e| format!(" ({e})")).unwrap_or_default())]
    Timeout {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
        /// How long it was driven.
        waited: Duration,
        /// The last thing that went wrong.
        last_error: Option<String>,
    },
    /// The relayer was closed while the job was pending. It is kept.
    #[error(
        "the relayer was closed while job {job} was {state}; it is kept and goes on at the next start"
    )]
    Closed {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
    },
}

impl RelayerError {
    /// True if trying again later may help without anybody doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rpc(error) => {
                !matches!(error.kind, RpcErrorKind::Disagreement | RpcErrorKind::AccessDenied)
            }
            Self::Fees(_) | Self::NonceDoubted { .. } | Self::OldWord { .. } => true,
            _ => false,
        }
    }
}

impl From<RpcError> for RelayerError {
    fn from(error: RpcError) -> Self {
        match error.kind {
            RpcErrorKind::WrongChain { expected, found } => {
                Self::WrongChain { expected, found, endpoint: error.endpoint }
            }
            _ => Self::Rpc(error),
        }
    }
}

impl From<sqlx::Error> for RelayerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(StorageError::Database(error))
    }
}
