//! Reading points in the raw form that snarkjs and halo2 share.
//!
//! A coordinate is 32 bytes: its Montgomery form, little-endian. A G1 point is x ‖ y,
//! a G2 point x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1. Every point read is checked: coordinates
//! reduced, on the curve, not at infinity.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use group::prime::PrimeCurveAffine;
use halo2curves::{
    bn256::{G1Affine, G2Affine},
    serde::SerdeObject,
};
use rayon::prelude::*;

use super::{
    error::{Basis, FileProblem, Inconsistency, SrsError},
    progress::{Progress, Step},
};

/// Bytes of a raw point in G1.
pub(super) const G1_BYTES: usize = 64;
/// Bytes of a raw point in G2.
pub(super) const G2_BYTES: usize = 128;
/// Points read at once.
const CHUNK: usize = 1 << 14;

/// Why reading stopped: the system's fault, or the file's.
#[derive(Debug)]
pub(super) enum ReadFailure {
    Io(io::Error),
    Problem(FileProblem),
}

impl ReadFailure {
    pub(super) fn at(self, path: &Path) -> SrsError {
        let path: PathBuf = path.into();
        match self {
            Self::Io(source) => SrsError::Io { action: "read", path, source },
            Self::Problem(problem) => SrsError::File { path, problem },
        }
    }
}

impl From<io::Error> for ReadFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FileProblem> for ReadFailure {
    fn from(problem: FileProblem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Inconsistency> for ReadFailure {
    fn from(inconsistency: Inconsistency) -> Self {
        Self::Problem(FileProblem::Inconsistent(inconsistency))
    }
}

/// Opens a regular file and tells its size.
pub(super) fn open(path: &Path) -> Result<(File, u64), ReadFailure> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file").into());
    }
    Ok((file, metadata.len()))
}

/// Reads the points of G1 whose indices are `range`; the caller has made sure that the file has as
/// many.
pub(super) fn read_g1(
    reader: &mut impl Read,
    range: Range<usize>,
    basis: Basis,
    progress: &dyn Progress,
) -> Result<Vec<G1Affine>, ReadFailure> {
    let mut points = Vec::new();
    append_g1(reader, (range, &mut points), basis, progress, |_| ())?;
    Ok(points)
}

/// The same behind `points`. `see` is shown the bytes as they come, while they are decoded.
pub(super) fn append_g1(
    reader: &mut impl Read,
    (range, points): (Range<usize>, &mut Vec<G1Affine>),
    basis: Basis,
    progress: &dyn Progress,
    mut see: impl FnMut(&[u8]) + Send,
) -> Result<(), ReadFailure> {
    let count = range.len();
    points.reserve_exact(count);
    let mut buffer = vec![0; CHUNK.min(count) * G1_BYTES];
    let mut done = 0;
    while done < count {
        let chunk = CHUNK.min(count - done);
        let bytes = &mut buffer[..chunk * G1_BYTES];
        reader.read_exact(bytes)?;
        let bytes = &*bytes;
        let first = range.start + done;
        let decoded = bytes.par_chunks_exact(G1_BYTES).enumerate().with_min_len(1 << 9).map(
            |(index, bytes)| {
                let index = first + index;
                let point = G1Affine::from_raw_bytes(bytes)
                    .ok_or(Inconsistency::NotOnCurve { basis, index })?;
                if bool::from(point.is_identity()) {
                    return Err(Inconsistency::Infinity { basis, index });
                }
                Ok(point)
            },
        );
        let (_, decoded) = rayon::join(|| see(bytes), || decoded.collect::<Result<Vec<_>, _>>());
        points.append(&mut decoded?);
        done += chunk;
        progress.report(Step::Reading, done as u64, count as u64);
    }
    Ok(())
}

/// Reads a point of G2, the `index`-th of the powers.
pub(super) fn read_g2(reader: &mut impl Read, index: usize) -> Result<G2Affine, ReadFailure> {
    let mut bytes = [0; G2_BYTES];
    reader.read_exact(&mut bytes)?;
    Ok(decode_g2(&bytes, index)?)
}

/// Decodes a point of G2, the `index`-th of the powers.
pub(super) fn decode_g2(bytes: &[u8], index: usize) -> Result<G2Affine, Inconsistency> {
    let basis = Basis::G2;
    let point =
        G2Affine::from_raw_bytes(bytes).ok_or(Inconsistency::NotOnCurve { basis, index })?;
    if bool::from(point.is_identity()) {
        return Err(Inconsistency::Infinity { basis, index });
    }
    Ok(point)
}
