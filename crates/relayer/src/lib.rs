//! Calldata in, finalized transactions out: nothing lost, nothing sent twice.
//!
//! A [`Relayer`] owns one sending key on one chain. A *job* is one contract call that has
//! to happen once; a transaction hash is only one of a job's *attempts*. Data flows in one
//! direction:
//!
//! ```text
//! submit ─► Queued ─ simulate, price, reserve a nonce, sign, STORE ─► Submitted
//!                                                                       │ broadcast, replace
//!             Rejected(reason) ◄─ reverted ─┐                           ▼
//!             Finalized ◄─ N confirmations ─┴───────────────────── Included
//! ```
//!
//! Assumptions and promises:
//!
//! * Every signed transaction, first one or replacement, is in the SQLite file before any
//!   node sees it, so a relayer that died can be started again on the same file and will
//!   rebroadcast the same bytes instead of signing a second transaction.
//! * One process owns a key on a chain (a file lock beside the database enforces it).
//!   Transactions made with the key elsewhere are tolerated: a job whose nonce was used up
//!   by one of those is sent again once that cannot be undone any more.
//! * A receipt is believed only while its block is on the canonical chain; a job is final
//!   at the configured number of confirmations or under the chain's `finalized` tag.
//! * Private keys live in the signer only: never in the database, a log line or an error.
//!
//! The chain is behind [`backend::ChainBackend`] and time behind [`clock::Clock`], so that
//! every scenario in `tests/` runs against a scripted chain without waiting.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod backend;
pub mod clock;
pub mod devchain;
pub mod fees;
pub mod line;
pub mod node;
pub mod signer;

mod asking;
mod cancel;
mod config;
mod drive;
mod effect;
mod error;
mod job;
mod look;
mod nonce;
mod open;
mod prepare;
mod queue;
mod relayer;
mod resume;
mod revert;
mod sending;
pub mod storage;
mod watch;

pub use config::{Finality, RelayerConfig};
pub use effect::Effect;
pub use error::{ConfigError, RelayerError, StorageError};
pub use job::{
    Attempt, AttemptOutcome, DropReason, JobId, JobState, JobStatus, Rejection, SubmitRequest,
    TxReceipt,
};
pub use node::{Node, NodeOptions, RpcUrl};
pub use relayer::{Moment, Relayer};
pub use revert::{DecodedRevert, RevertDecoder, StandardDecoder};
pub use signer::RelayerSigner;
pub use storage::Storage;
