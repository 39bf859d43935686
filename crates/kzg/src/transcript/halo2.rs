//! The transcript as halo2's provers and verifiers take it.

use std::io::{self, Read, Write};

use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer, TranscriptWrite,
    TranscriptWriterBuffer,
};
use halo2curves::bn256::{Fr, G1Affine};

use super::{KeccakTranscript, point_bytes, reduce_be, to_be_bytes};

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

impl<S> Transcript<G1Affine, KeccakChallenge> for KeccakTranscript<S> {
    fn squeeze_challenge(&mut self) -> KeccakChallenge {
        KeccakChallenge(self.draw())
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.absorb_point(point)
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.absorb_scalar(scalar);
        Ok(())
    }
}

impl<R: Read> TranscriptRead<G1Affine, KeccakChallenge> for KeccakTranscript<R> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        self.next_point()
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        self.next_scalar()
    }
}

impl<R: Read> TranscriptReadBuffer<R, G1Affine, KeccakChallenge> for KeccakTranscript<R> {
    fn init(stream: R) -> Self {
        Self::new(stream)
    }
}

impl<W: Write> TranscriptWrite<G1Affine, KeccakChallenge> for KeccakTranscript<W> {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.absorb_point(point)?;
        self.stream.write_all(&point_bytes(&point)?)
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.absorb_scalar(scalar);
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
