//! The Keccak-256 transcript that both the Rust and the EVM verifier replay.
//!
//! Absorbed data is appended to a buffer: scalars as 32 big-endian bytes, points
//! as x ‖ y, 32 big-endian bytes each. Squeezing hashes the buffer; the digest,
//! reduced modulo r, is the challenge, and the digest itself becomes the new
//! buffer. A squeeze that follows another one directly appends the byte 1 first,
//! so that two challenges in a row differ. The byte layout equals that of
//! snark-verifier's EVM transcript, which serves as an independent check.

use std::io::{self, Read};

use ff::PrimeField;
use halo2curves::{
    CurveAffine,
    bn256::{Fq, Fr, G1Affine},
};
use tiny_keccak::{Hasher, Keccak};

#[cfg(feature = "prover")]
mod halo2;

#[cfg(feature = "prover")]
pub use self::halo2::KeccakChallenge;

/// Bytes of a scalar in a proof.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of an uncompressed point in a proof.
pub const POINT_BYTES: usize = 64;

/// A Keccak-256 transcript over a readable (verifier) or writable (prover) stream.
#[derive(Debug, Clone)]
pub struct KeccakTranscript<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S> KeccakTranscript<S> {
    /// An empty transcript over `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }
}

/// The Keccak-256 digest of `data`.
pub fn keccak256(data: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak::v256();
    let mut digest = [0; 32];
    hasher.update(data);
    hasher.finalize(&mut digest);
    digest
}

/// A 256-bit big-endian integer reduced modulo r.
pub fn reduce_be(bytes: &[u8; 32]) -> Fr {
    let base = Fr::from(256);
    bytes.iter().fold(Fr::zero(), |acc, byte| acc * base + Fr::from(u64::from(*byte)))
}

/// The 32 big-endian bytes of a field element (scalar or base field).
pub fn to_be_bytes<F: PrimeField<Repr = [u8; 32]>>(value: &F) -> [u8; 32] {
    let mut bytes = value.to_repr();
    bytes.reverse();
    bytes
}

/// A field element from 32 big-endian bytes; `None` if not below the modulus.
pub fn from_be_bytes<F: PrimeField<Repr = [u8; 32]>>(bytes: &[u8; 32]) -> Option<F> {
    let mut bytes = *bytes;
    bytes.reverse();
    F::from_repr(bytes).into()
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn point_bytes(point: &G1Affine) -> io::Result<[u8; POINT_BYTES]> {
    let coordinates = Option::from(point.coordinates())
        .map(|c: halo2curves::Coordinates<G1Affine>| (*c.x(), *c.y()))
        .ok_or_else(|| invalid("the point at infinity has no place in a transcript"))?;
    let mut bytes = [0; POINT_BYTES];
    bytes[..32].copy_from_slice(&to_be_bytes(&coordinates.0));
    bytes[32..].copy_from_slice(&to_be_bytes(&coordinates.1));
    Ok(bytes)
}

impl<S> KeccakTranscript<S> {
    /// The next challenge.
    pub fn draw(&mut self) -> Fr {
        if self.buffer.len() == 32 {
            self.buffer.push(1);
        }
        let digest = keccak256(&self.buffer);
        self.buffer = digest.to_vec();
        reduce_be(&digest)
    }

    /// Takes in a point that is not in the stream.
    ///
    /// # Errors
    /// The point at infinity.
    pub fn absorb_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.buffer.extend_from_slice(&point_bytes(&point)?);
        Ok(())
    }

    /// Takes in a scalar that is not in the stream.
    pub fn absorb_scalar(&mut self, scalar: Fr) {
        self.buffer.extend_from_slice(&to_be_bytes(&scalar));
    }
}

impl<R: Read> KeccakTranscript<R> {
    /// The stream's next point.
    ///
    /// # Errors
    /// The stream ends, or holds something else.
    pub fn next_point(&mut self) -> io::Result<G1Affine> {
        let mut coordinates = [[0; 32]; 2];
        for bytes in &mut coordinates {
            self.stream.read_exact(bytes)?;
        }
        let x = from_be_bytes::<Fq>(&coordinates[0]);
        let y = from_be_bytes::<Fq>(&coordinates[1]);
        let point = x
            .zip(y)
            .and_then(|(x, y)| Option::from(G1Affine::from_xy(x, y)))
            .ok_or_else(|| invalid("the proof holds a point that is not on the curve"))?;
        self.absorb_point(point)?;
        Ok(point)
    }

    /// The stream's next scalar.
    ///
    /// # Errors
    /// The stream ends, or holds a number that is not below the modulus.
    pub fn next_scalar(&mut self) -> io::Result<Fr> {
        let mut bytes = [0; SCALAR_BYTES];
        self.stream.read_exact(&mut bytes)?;
        let scalar = from_be_bytes(&bytes)
            .ok_or_else(|| invalid("the proof holds a scalar that is not below the modulus"))?;
        self.absorb_scalar(scalar);
        Ok(scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_challenges_differ() {
        let mut transcript = KeccakTranscript::new(&[0u8; 0][..]);
        transcript.absorb_scalar(Fr::from(7));
        let first = transcript.draw();
        let second = transcript.draw();
        assert_ne!(first, second);
    }

    #[test]
    fn a_scalar_not_below_the_modulus_is_refused() {
        let mut modulus = to_be_bytes(&-Fr::one());
        modulus[31] += 1;
        let mut transcript = KeccakTranscript::new(&modulus[..]);
        assert!(transcript.next_scalar().is_err());
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let mut bytes = [0; POINT_BYTES];
        bytes[31] = 1;
        bytes[63] = 3;
        let mut transcript = KeccakTranscript::new(&bytes[..]);
        assert!(transcript.next_point().is_err());
        bytes[63] = 2;
        let mut transcript = KeccakTranscript::new(&bytes[..]);
        assert_eq!(transcript.next_point().expect("on the curve"), G1Affine::generator());
    }

    #[test]
    fn digests_above_the_modulus_are_reduced() {
        assert_eq!(reduce_be(&[0xff; 32]) + Fr::one(), {
            let two_128 = Fr::from_u128(1 << 127).double();
            two_128 * two_128
        });
    }
}
