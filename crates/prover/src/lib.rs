//! verdict-prover

pub mod transcript;
