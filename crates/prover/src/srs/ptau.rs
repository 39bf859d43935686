//! The .ptau files of snarkjs.
//!
//! `"ptau"`, version (1), number of sections, each four bytes little-endian, then the
//! sections: type (4 bytes), size (8 bytes), content. Used here:
//!
//! | type | content |
//! |---|---|
//! | 1 | bytes of a field element (32), the field's prime, power p, power of the ceremony |
//! | 2 | τ^i·G1 for i < 2^(p+1) − 1 |
//! | 3 | τ^i·G2 for i < 2^p |
//! | 12 | in prepared files: Lagrange points of powers 0, 1, … p, one after another |
//!
//! The Lagrange points are over another generator of the same domain and are put in
//! order; in files without section 12 the basis is computed from the powers.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use ff::PrimeField;
use halo2curves::bn256::{Fq, G1Affine};

use super::{
    MAX_K,
    error::{Basis, FileProblem, Inconsistency, SrsError},
    import::{Import, Parts},
    lagrange,
    points::{self, G1_BYTES, G2_BYTES, ReadFailure},
};

const VERSION: u32 = 1;
/// snarkjs writes 7 sections, 11 in prepared files.
const MAX_SECTIONS: u32 = 32;
const HEADER: u32 = 1;
const TAU_G1: u32 = 2;
const TAU_G2: u32 = 3;
const LAGRANGE_G1: u32 = 12;
const HEADER_BYTES: u64 = 44;

/// Where a section's content is.
#[derive(Debug, Clone, Copy)]
struct Section {
    id: u32,
    start: u64,
    size: u64,
}

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
    let sections = sections(file, length)?;
    let power = header(file, &sections)?;
    let k = import.size(power)?;
    let tau_g1 = sized(&sections, TAU_G1, (G1_BYTES as u64) * ((2u64 << power) - 1))?;
    let tau_g2 = sized(&sections, TAU_G2, (G2_BYTES as u64) << power)?;

    file.seek(SeekFrom::Start(tau_g2.start))?;
    let g2 = points::read_g2(file, 0)?;
    let s_g2 = points::read_g2(file, 1)?;
    let origin = import.origin(&g2, &s_g2)?;

    file.seek(SeekFrom::Start(tau_g1.start))?;
    let powers = points::read_g1(file, 0..1 << k, Basis::Powers, import.progress)?;
    let lagrange = match find(&sections, LAGRANGE_G1) {
        Some(section) if section.size >= (G1_BYTES as u64) * ((2u64 << k) - 1) => {
            let skipped = (G1_BYTES as u64) * ((1u64 << k) - 1);
            file.seek(SeekFrom::Start(section.start + skipped))?;
            Some(lagrange_points(file, k, import)?)
        }
        _ => None,
    };
    Ok(Parts { k, origin, powers, lagrange, s_g2 })
}

fn lagrange_points(
    file: &mut impl Read,
    k: u32,
    import: &Import<'_>,
) -> Result<Vec<G1Affine>, ReadFailure> {
    let points = points::read_g1(file, 0..1 << k, Basis::Lagrange, import.progress)?;
    let generator = lagrange::snarkjs_domain_generator(k);
    Ok(lagrange::reorder(&points, generator).ok_or(Inconsistency::LagrangeMismatch)?)
}

/// The table of sections; all of them lie inside the file.
fn sections(file: &mut (impl Read + Seek), length: u64) -> Result<Vec<Section>, ReadFailure> {
    let mut magic = [0; 4];
    if length < 12 {
        let reason = format!("it has {length} bytes");
        return Err(FileProblem::NotPtau { reason }.into());
    }
    file.read_exact(&mut magic)?;
    if magic != *b"ptau" {
        let reason = "it does not start with \"ptau\"".into();
        return Err(FileProblem::NotPtau { reason }.into());
    }
    let version = read_u32(file)?;
    if version != VERSION {
        let (format, found, expected) = ("powers-of-tau file", version, VERSION);
        return Err(FileProblem::WrongVersion { format, found, expected }.into());
    }
    let count = read_u32(file)?;
    if count > MAX_SECTIONS {
        let reason = format!("it announces {count} sections");
        return Err(FileProblem::NotPtau { reason }.into());
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut position = 12u64;
    for number in 1..=count {
        let start = position + 12;
        let truncated =
            |part: String, expected: u64| FileProblem::Truncated { part, expected, actual: length };
        if start > length {
            let part = format!("the head of section number {number} of {count}");
            return Err(truncated(part, start).into());
        }
        let id = read_u32(file)?;
        let mut size = [0; 8];
        file.read_exact(&mut size)?;
        let size = u64::from_le_bytes(size);
        let end = start.saturating_add(size);
        if end > length {
            return Err(truncated(format!("section {id}"), end).into());
        }
        if find(&sections, id).is_some() {
            let reason = format!("section {id} occurs twice");
            return Err(FileProblem::NotPtau { reason }.into());
        }
        sections.push(Section { id, start, size });
        position = end;
        file.seek(SeekFrom::Start(position))?;
    }
    Ok(sections)
}

/// Checks the header; returns the power.
fn header(file: &mut (impl Read + Seek), sections: &[Section]) -> Result<u32, ReadFailure> {
    let Some(section) = find(sections, HEADER) else {
        return Err(FileProblem::NotPtau { reason: "section 1 is missing".into() }.into());
    };
    if section.size < 4 {
        return Err(wrong_size(section, HEADER_BYTES).into());
    }
    file.seek(SeekFrom::Start(section.start))?;
    let bytes = read_u32(file)?;
    // The prime comes before the power: files of longer fields are told by it.
    let prime_bytes = u64::from(bytes).min(section.size - 4).min(96);
    let mut prime = vec![0; prime_bytes as usize];
    file.read_exact(&mut prime)?;
    let prime = hex_be(&prime);
    if bytes != 32 || Some(prime.as_str()) != Fq::MODULUS.strip_prefix("0x") {
        return Err(FileProblem::WrongCurve { prime }.into());
    }
    if section.size != HEADER_BYTES {
        return Err(wrong_size(section, HEADER_BYTES).into());
    }
    let power = read_u32(file)?;
    if power == 0 || power > MAX_K {
        let reason = format!("its power is {power}, not between 1 and {MAX_K}");
        return Err(FileProblem::NotPtau { reason }.into());
    }
    Ok(power)
}

fn find(sections: &[Section], id: u32) -> Option<Section> {
    sections.iter().find(|section| section.id == id).copied()
}

fn sized(sections: &[Section], id: u32, size: u64) -> Result<Section, FileProblem> {
    let section = find(sections, id)
        .ok_or_else(|| FileProblem::NotPtau { reason: format!("section {id} is missing") })?;
    if section.size == size { Ok(section) } else { Err(wrong_size(section, size)) }
}

fn wrong_size(section: Section, expected: u64) -> FileProblem {
    let Section { id, size, .. } = section;
    FileProblem::NotPtau { reason: format!("section {id} has {size} bytes instead of {expected}") }
}

/// Little-endian bytes as hexadecimal digits, most significant first.
fn hex_be(bytes: &[u8]) -> String {
    let bytes: Vec<u8> = bytes.iter().rev().copied().collect();
    hex::encode(bytes)
}

fn read_u32(file: &mut impl Read) -> Result<u32, ReadFailure> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
