//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.

mod field;

pub use field::Backend;
