//! Proves what a dense neural network said, with halo2-KZG over BN254.
//!
//! A model's [`graph`], read by [`onnx`], becomes an [`integer`] graph, whose
//! run is the specification; it becomes a [`circuit`].

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod bounded;
pub mod circuit;
pub mod costs;
pub mod figures;
pub mod graph;
pub mod integer;
pub mod keys;
pub mod onnx;
pub mod plan;
pub mod prove;
pub mod quantize;
pub mod samples;
pub mod shape;
pub mod srs;
pub mod verify;
