//! Tests of the relayer as a user sees it: against a scripted chain with a clock that only
//! moves when the relayer waits, and against anvil.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod agreement;
mod anvil;
mod bench;
mod broadcast;
mod caps;
mod chain;
mod crashes;
mod doomed;
mod effects;
mod endpoints;
mod finality;
mod holes;
mod jobs;
mod late;
mod money;
mod node;
mod opening;
mod outcomes;
mod refusing_signer;
mod server;
mod slow_signer;
