//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.

mod fft;
mod field;
mod msm;

pub use fft::{Domain, Twiddles};
pub use field::Backend;
pub use msm::Bases;
