//! A prover and relayer that a desk can leave alone: jobs go in over HTTP, finalized transactions
//! come out, nothing is lost or sent twice, whatever dies in between.
//!
//! ```text
//! HTTP ─► accept ─► jobs (SQLite | PostgreSQL) ─► worker: batch, prove ─► bundle ─► sender ─► chain
//!                     ▲  leases                     keys, SRS, bases kept       relayer: write-ahead,
//!                     │                                                          bumps, reorgs
//!                     └─── states and events ─► page, streams, webhooks, metrics
//! ```
//!
//! * What a job's state is, the database says. Each change is one transaction with its event.
//! * A worker holds a lease; a dead worker's job returns. A proof made twice is a waste; a
//!   transaction made twice is a fault, which the relayer's idempotency key excludes, not the lease.
//! * One process owns a sending key (the relayer's lock).
//! * Inputs are in a job's row only, sealed, and gone when its proof is stored; never in logs,
//!   metrics, errors or the page.
//! * Time is injected: leases, schedules and deadlines are tested without waiting.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod accept;
pub mod api;
pub mod chains;
pub mod config;
pub mod job;
pub mod metrics;
pub mod models;
pub mod refresh;
pub mod seal;
pub mod sender;
pub mod service;
pub mod store;
pub mod traces;
pub mod webhook;
pub mod worker;

pub use chains::{Chains, ChainsError};
pub use figment::value::{Dict, Value as Setting};

pub use config::{
    ChainConfig, HiddenUrl, RefreshConfig, ServiceConfig, ServiceConfigError, SignerConfig,
};
pub use models::{ModelConfig, Models};
pub use service::{Service, ServiceError, open_store};
pub use traces::Traces;

/// Returns once work is to end, or nobody is left to say so.
pub(crate) async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
