//! The structured reference string: making, importing, checking, keeping.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod development;
mod file;
mod halo2;
mod ptau;
mod support;
