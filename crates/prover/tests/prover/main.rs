//! What users of the prover see, in one program: every one more would be compiled and linked on
//! its own.

mod conformance;
mod credit_gbdt;
mod dynamic;
mod extraction;
mod halves;
mod measure;
mod onnx_cases;
mod onnx_hostile;
mod onnx_operators;
mod onnx_reference;
mod onnx_refused;
mod onnx_size;
mod onnx_windows;
mod proofs;
mod protobuf;
mod srs;
mod steps;
mod tabular;
mod trees;
