//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.

mod error;
mod fft;
mod field;
mod msm;
mod options;
mod poly;

pub use error::EngineError;
pub use fft::{Domain, Twiddles};
pub use field::Backend;
pub use msm::Bases;
pub use options::{Options, Progress, Stage};
