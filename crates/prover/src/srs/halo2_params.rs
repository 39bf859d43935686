//! The parameter files of halo2's KZG backend, raw formats.
//!
//! `k` (4 bytes, little-endian), 2^k powers in G1, 2^k Lagrange points, G2, τ·G2. The
//! formats RawBytes and RawBytesUnchecked write the same bytes; they are always
//! checked here. The Lagrange basis of the file serves when all of it is wanted, after
//! the same check; for a smaller k it is computed from the powers.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    MAX_K, MIN_K,
    error::{Basis, FileProblem, SrsError},
    import::{Import, Parts},
    points::{self, G1_BYTES, G2_BYTES, ReadFailure},
};

pub(super) fn read(path: &Path, import: &Import<'_>) -> Result<Parts, SrsError> {
    let read = || {
        let (mut file, length) = points::open(path)?;
        parse(&mut file, length, import)
    };
    read().map_err(|failure: ReadFailure| failure.at(path))
}

fn parse(
    file: &mut (impl Read + Seek),
    length: u64,
    import: &Import<'_>,
) -> Result<Parts, ReadFailure> {
    if length < 4 {
        let reason = format!("it has {length} bytes");
        return Err(FileProblem::NotHalo2Params { reason }.into());
    }
    let mut k = [0; 4];
    file.read_exact(&mut k)?;
    let largest = u32::from_le_bytes(k);
    if !(MIN_K..=MAX_K).contains(&largest) {
        let reason = format!("its first four bytes, k, are {largest}");
        return Err(FileProblem::NotHalo2Params { reason }.into());
    }
    let basis_bytes = (G1_BYTES as u64) << largest;
    let expected = 4 + 2 * basis_bytes + 2 * G2_BYTES as u64;
    if length == 4 + (expected - 4) / 2 {
        let reason = "its points are compressed (SerdeFormat::Processed)".into();
        return Err(FileProblem::NotHalo2Params { reason }.into());
    }
    if length < expected {
        let part = format!("the points for k = {largest}");
        return Err(FileProblem::Truncated { part, expected, actual: length }.into());
    }
    if length > expected {
        return Err(FileProblem::TrailingBytes { k: largest, expected, actual: length }.into());
    }
    let k = import.size(largest)?;

    file.seek(SeekFrom::Start(4 + 2 * basis_bytes))?;
    let g2 = points::read_g2(file, 0)?;
    let s_g2 = points::read_g2(file, 1)?;
    let origin = import.origin(&g2, &s_g2)?;

    file.seek(SeekFrom::Start(4))?;
    let powers = points::read_g1(file, 0..1 << k, Basis::Powers, import.progress)?;
    let lagrange = if k == largest {
        Some(points::read_g1(file, 0..1 << k, Basis::Lagrange, import.progress)?)
    } else {
        None
    };
    Ok(Parts { k, origin, powers, lagrange, s_g2 })
}
