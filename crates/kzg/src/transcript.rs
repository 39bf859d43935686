//! The Keccak-256 transcript that both the Rust and the EVM verifier replay.
//!
//! Absorbed data is appended to a buffer: scalars as 32 big-endian bytes, points
//! as x ‖ y, 32 big-endian bytes each. Squeezing hashes the buffer; the digest,
//! reduced modulo r, is the challenge, and the digest itself becomes the new
//! buffer. A squeeze that follows another one directly appends the byte 1 first,
//! so that two challenges in a row differ. The byte layout equals that of
//! snark-verifier's EVM transcript, which serves as an independent check.

use std::io::{self, Read, Write};

use ff::PrimeField;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer, TranscriptWrite,
    TranscriptWriterBuffer,
};
use halo2curves::{
    CurveAffine,
    bn256::{Fq, Fr, G1Affine},
};
use tiny_keccak::{Hasher, Keccak};

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

/// A challenge: a Keccak-256 digest read as a big-endian integer modulo r.
#[derive(Debug, Clone, Copy)]
pub struct KeccakChallenge(Fr);

impl EncodedChallenge<G1Affine> for KeccakChallenge {
    type Input = [u8; 32];

    fn new(digest: &[u8; 32]) -> Self {
        Self(reduce_be(digest))
    }

    fn get_scalar(&self) -> Fr {
        self.0
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

impl<S> Transcript<G1Affine, KeccakChallenge> for KeccakTranscript<S> {
    fn squeeze_challenge(&mut self) -> KeccakChallenge {
        if self.buffer.len() == 32 {
            self.buffer.push(1);
        }
        let digest = keccak256(&self.buffer);
        self.buffer = digest.to_vec();
        KeccakChallenge::new(&digest)
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.buffer.extend_from_slice(&point_bytes(&point)?);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.buffer.extend_from_slice(&to_be_bytes(&scalar));
        Ok(())
    }
}

impl<R: Read> TranscriptRead<G1Affine, KeccakChallenge> for KeccakTranscript<R> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
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
        self.common_point(point)?;
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let mut bytes = [0; SCALAR_BYTES];
        self.stream.read_exact(&mut bytes)?;
        let scalar = from_be_bytes(&bytes)
            .ok_or_else(|| invalid("the proof holds a scalar that is not below the modulus"))?;
        self.common_scalar(scalar)?;
        Ok(scalar)
    }
}

impl<R: Read> TranscriptReadBuffer<R, G1Affine, KeccakChallenge> for KeccakTranscript<R> {
    fn init(stream: R) -> Self {
        Self::new(stream)
    }
}

impl<W: Write> TranscriptWrite<G1Affine, KeccakChallenge> for KeccakTranscript<W> {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.common_point(point)?;
        self.stream.write_all(&point_bytes(&point)?)
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.common_scalar(scalar)?;
        self.stream.write_all(&to_be_bytes(&scalar))
    }
}

impl<W: Write> TranscriptWriterBuffer<W, G1Affine, KeccakChallenge> for KeccakTranscript<W> {
    fn init(stream: W) -> Self {
        Self::new(stream)
    }

    fn finalize(self) -> W {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_challenges_differ() {
        let mut transcript = KeccakTranscript::new(Vec::<u8>::new());
        transcript.write_scalar(Fr::from(7)).expect("in memory");
        let first = transcript.squeeze_challenge().get_scalar();
        let second = transcript.squeeze_challenge().get_scalar();
        assert_ne!(first, second);
    }

    #[test]
    fn a_scalar_not_below_the_modulus_is_refused() {
        let mut modulus = to_be_bytes(&-Fr::one());
        modulus[31] += 1;
        let mut transcript = KeccakTranscript::new(&modulus[..]);
        assert!(transcript.read_scalar().is_err());
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let mut bytes = [0; POINT_BYTES];
        bytes[31] = 1;
        bytes[63] = 3;
        let mut transcript = KeccakTranscript::new(&bytes[..]);
        assert!(transcript.read_point().is_err());
        bytes[63] = 2;
        let mut transcript = KeccakTranscript::new(&bytes[..]);
        assert_eq!(transcript.read_point().expect("on the curve"), G1Affine::generator());
    }

    #[test]
    fn digests_above_the_modulus_are_reduced() {
        assert_eq!(reduce_be(&[0xff; 32]) + Fr::one(), {
            let two_128 = Fr::from_u128(1 << 127).double();
            two_128 * two_128
        });
    }
}
