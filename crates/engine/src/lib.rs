//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.

mod engine;
mod error;
mod fft;
mod field;
mod keygen;
mod msm;
mod options;
mod poly;
mod prover;
mod quotient;
mod srs;

pub use engine::Engine;
pub use error::EngineError;
pub use fft::{Domain, Twiddles};
pub use field::Backend;
pub use msm::Bases;
pub use options::{Options, Progress, Stage};
pub use prover::{WitnessSource, create_proof};
