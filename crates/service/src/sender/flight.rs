//! What this process knows of a proof under way, beside what the databases say.

use alloy::primitives::B256;
use verdict_relayer::JobId;

use crate::{
    job::{Reason, ReasonCode, State},
    store::Relay,
};

/// A proof under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) relay: Relay,
    /// The relayer's job, once it has one.
    pub(super) job: Option<JobId>,
    /// Why it was cancelled, if it was.
    pub(super) cancelled: Option<ReasonCode>,
    /// What was last said of it.
    pub(super) told: Option<Reason>,
    /// What it was last seen as.
    pub(super) seen: Option<State>,
    /// The transaction whose cost was last written down.
    pub(super) paid: Option<B256>,
    /// When its record was first missed.
    pub(super) missed_ms: Option<u64>,
    /// When the relayer may be asked to try again, and how long it waited last.
    pub(super) again_ms: u64,
    pub(super) wait_ms: u64,
}

impl Flight {
    /// Whether it was looked at and could not be handed over yet.
    pub(super) fn is_held(&self) -> bool {
        self.job.is_none() && self.told.as_ref().is_some_and(|told| !told.message.is_empty())
    }

    pub(super) fn new(relay: Relay) -> Self {
        Self {
            relay,
            job: None,
            cancelled: None,
            // Whatever an earlier process said of it is forgotten when it goes on.
            told: Some(Reason::new(ReasonCode::Chain, "")),
            seen: None,
            paid: None,
            missed_ms: None,
            again_ms: 0,
            wait_ms: 0,
        }
    }
}
