//! The Lagrange basis of halo2's parameters, which have no accessor for it.
//!
//! halo2 writes its parameters as k ‖ powers ‖ Lagrange points ‖ G2 ‖ τG2; a writer
//! that keeps the second sequence only gets the points out, in their raw form.

use std::io::{self, Write};

use halo2_proofs::{
    SerdeFormat,
    poly::{commitment::Params, kzg::commitment::ParamsKZG},
};
use halo2curves::{
    bn256::{Bn256, G1Affine},
    serde::SerdeObject,
};

use super::points::G1_BYTES;

/// Decodes points out of a stream of bytes, after skipping some.
struct Window {
    skip: usize,
    partial: Vec<u8>,
    points: Vec<G1Affine>,
    count: usize,
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            return Ok(skipped);
        }
        if self.points.len() == self.count {
            return Ok(bytes.len());
        }
        let taken = bytes.len().min(G1_BYTES - self.partial.len());
        self.partial.extend_from_slice(&bytes[..taken]);
        if self.partial.len() == G1_BYTES {
            self.points.push(G1Affine::from_raw_bytes_unchecked(&self.partial));
            self.partial.clear();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A copy of the Lagrange points of `params`.
pub(super) fn lagrange(params: &ParamsKZG<Bn256>) -> Vec<G1Affine> {
    let count = 1usize << params.k();
    let mut window = Window {
        skip: 4 + count * G1_BYTES,
        partial: Vec::with_capacity(G1_BYTES),
        points: Vec::with_capacity(count),
        count,
    };
    // Writing to memory cannot fail.
    let _ = params.write_custom(&mut window, SerdeFormat::RawBytesUnchecked);
    window.points
}
