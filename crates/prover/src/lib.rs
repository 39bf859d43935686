//! verdict-prover

pub mod model;
pub mod transcript;
