//! Proves what a dense neural network said, with halo2-KZG over BN254.
//!
//! A model's [`graph`], read by [`onnx`], becomes an [`integer`] graph, whose
//! run is the specification; it becomes a [`circuit`].

pub mod bounded;
pub mod circuit;
pub mod costs;
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
