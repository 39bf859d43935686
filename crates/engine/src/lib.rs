//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.

mod field;
mod msm;

pub use field::Backend;
pub use msm::Bases;
