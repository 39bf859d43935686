//! Verdict's own SRS file.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `"vrdctsrs"` |
//! | 4 | format version (1), little-endian like all numbers |
//! | 4 | k |
//! | 4 | origin: 1 development, 2 ceremony, 3 imported |
//! | 128 | τ·G2, raw |
//! | 32·k | SHA-256 of the powers 2^(j−1) … 2^j − 1 for j = 1 … k; the first also covers power 0 |
//! | 32 | SHA-256 of the Lagrange points |
//! | 32 | SHA-256 of all the above |
//! | 64·2^k | powers in G1, raw |
//! | 64·2^k | Lagrange points, raw |
//!
//! One hash for each power of two lets a smaller k be read without the rest. The
//! hashes find damage, not malice: a file is trusted like a key file on the same disk.
//! [`Srs::check`] makes sure of the mathematics. What a reader does verify besides the
//! hashes: every point is on the curve, and a file that claims to be of the ceremony
//! has the ceremony's τ·G2.

use std::{
    fs,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
};

use halo2curves::{
    bn256::{G1Affine, G2Affine},
    serde::SerdeObject,
};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{
    MAX_K, MIN_K, Origin, Srs, check,
    error::{Basis, FileProblem, SrsError},
    is_ceremony,
    points::{self, G1_BYTES, G2_BYTES, ReadFailure},
    progress::{Progress, Step},
};

const MAGIC: &[u8; 8] = b"vrdctsrs";
const VERSION: u32 = 1;
const HASH_BYTES: usize = 32;
/// Magic, version, k and origin.
const FIXED_BYTES: usize = 20;
/// Points written at once.
const CHUNK: usize = 1 << 12;

/// Bytes up to the first point.
fn head_bytes(k: u32) -> usize {
    FIXED_BYTES + G2_BYTES + (k as usize + 2) * HASH_BYTES
}

/// Bytes of a whole file.
fn file_bytes(k: u32) -> u64 {
    head_bytes(k) as u64 + ((2 * G1_BYTES as u64) << k)
}

/// The powers covered by each hash.
fn levels(k: u32) -> impl Iterator<Item = Range<usize>> {
    (1..=k).map(|j| if j == 1 { 0..2 } else { 1 << (j - 1)..1 << j })
}

impl Origin {
    fn tag(self) -> u32 {
        match self {
            Self::Development => 1,
            Self::Ceremony => 2,
            Self::Imported => 3,
        }
    }

    fn from_tag(tag: u32) -> Option<Self> {
        [Self::Development, Self::Ceremony, Self::Imported]
            .into_iter()
            .find(|origin| origin.tag() == tag)
    }
}

/// Whether a file of the same name may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replace,
    Keep,
}

/// Writes a temporary file beside `path` and gives it its name when it is complete.
/// Returns whether it did: not if `path` exists and is to be kept.
pub(super) fn save(
    srs: &Srs,
    path: &Path,
    existing: Existing,
    progress: &dyn Progress,
) -> Result<bool, SrsError> {
    let failed = |source: io::Error| save_error(source, srs, path);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    write(srs, file.as_file_mut(), progress).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = match existing {
        Existing::Replace => file.persist(path),
        Existing::Keep => file.persist_noclobber(path),
    };
    match persisted {
        Ok(_) => Ok(true),
        Err(error)
            if existing == Existing::Keep && error.error.kind() == io::ErrorKind::AlreadyExists =>
        {
            Ok(false)
        }
        Err(error) => Err(failed(error.error)),
    }
}

fn save_error(source: io::Error, srs: &Srs, path: &Path) -> SrsError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            SrsError::DiskFull { path: path.into(), bytes: file_bytes(srs.k()) }
        }
        _ => SrsError::Io { action: "write", path: path.into(), source },
    }
}

fn write(srs: &Srs, writer: &mut impl Write, progress: &dyn Progress) -> io::Result<()> {
    let (powers, basis) = (srs.powers(), srs.lagrange());
    let mut writer = BufWriter::with_capacity(CHUNK * G1_BYTES, writer);
    let mut head = Vec::with_capacity(head_bytes(srs.k()));
    head.extend_from_slice(MAGIC);
    for number in [VERSION, srs.k(), srs.origin().tag()] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend_from_slice(&srs.s_g2().to_raw_bytes());
    for range in levels(srs.k()) {
        head.extend_from_slice(&hash_points(&powers[range]));
    }
    head.extend_from_slice(&hash_points(basis));
    let digest = Sha256::digest(&head);
    head.extend_from_slice(&digest);
    writer.write_all(&head)?;

    let total = 2 * powers.len() as u64;
    let mut done = 0;
    for chunk in powers.chunks(CHUNK).chain(basis.chunks(CHUNK)) {
        writer.write_all(&raw(chunk))?;
        done += chunk.len() as u64;
        progress.report(Step::Writing, done, total);
    }
    writer.flush()
}

pub(super) fn raw(points: &[G1Affine]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * G1_BYTES);
    for point in points {
        // Writing to memory cannot fail.
        let _ = point.write_raw(&mut bytes);
    }
    bytes
}

fn hash_points(points: &[G1Affine]) -> [u8; HASH_BYTES] {
    let mut hasher = Sha256::new();
    points.chunks(CHUNK).for_each(|chunk| hasher.update(raw(chunk)));
    hasher.finalize().into()
}

/// What is read of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Powers,
    /// The Lagrange basis, too, where it is that of the powers read.
    Whole,
}

/// Reads a file that [`save`] wrote, the first `wanted` powers of it.
pub(super) fn load(
    path: &Path,
    wanted: Option<u32>,
    part: Part,
    progress: &dyn Progress,
) -> Result<Srs, SrsError> {
    let read = || {
        let (file, length) = points::open(path)?;
        parse(&mut BufReader::new(file), length, (wanted, part), progress)
    };
    read().map_err(|failure: ReadFailure| failure.at(path))
}

/// The verified beginning of a file.
struct Head {
    k: u32,
    origin: Origin,
    s_g2: G2Affine,
    /// Of the powers, level by level, then of the Lagrange points.
    hashes: Vec<[u8; HASH_BYTES]>,
}

fn parse(
    reader: &mut (impl Read + Seek),
    length: u64,
    (wanted, part): (Option<u32>, Part),
    progress: &dyn Progress,
) -> Result<Srs, ReadFailure> {
    let Head { k: largest, origin, s_g2, hashes } = head(reader, length)?;
    let k = wanted.unwrap_or(largest);
    if k > largest {
        return Err(FileProblem::TooSmall { k, largest }.into());
    }
    let mut powers = Vec::with_capacity(1 << k);
    for (range, expected) in levels(k).zip(&hashes) {
        let part = || format!("powers from {}", range.start);
        let level = (range.clone(), Basis::Powers);
        hashed_points(reader, level, (expected, &mut powers), part, progress)?;
    }
    let basis = match hashes.last() {
        Some(expected) if k == largest && part == Part::Whole => {
            let part = || "Lagrange points".to_string();
            let mut points = Vec::new();
            let whole = (0..1 << k, Basis::Lagrange);
            hashed_points(reader, whole, (expected, &mut points), part, progress)?;
            Some(points)
        }
        _ => None,
    };
    Ok(Srs::from_points(k, origin, powers, basis, s_g2))
}

fn head(reader: &mut (impl Read + Seek), length: u64) -> Result<Head, ReadFailure> {
    let not_srs = |reason: String| ReadFailure::from(FileProblem::NotSrs { reason });
    let truncated = |part: &str, expected: u64| {
        let part = part.to_string();
        ReadFailure::from(FileProblem::Truncated { part, expected, actual: length })
    };
    let mut magic = [0; 8];
    if length < magic.len() as u64 {
        return Err(not_srs(format!("it has {length} bytes")));
    }
    reader.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(not_srs("it does not start with \"vrdctsrs\"".into()));
    }
    if length < FIXED_BYTES as u64 {
        return Err(truncated("the head", FIXED_BYTES as u64));
    }
    let mut number = || -> io::Result<u32> {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    };
    let (version, k, tag) = (number()?, number()?, number()?);
    if version != VERSION {
        let (format, found, expected) = ("SRS file", version, VERSION);
        return Err(FileProblem::WrongVersion { format, found, expected }.into());
    }
    if !(MIN_K..=MAX_K).contains(&k) {
        return Err(not_srs(format!("its k is {k}, not between {MIN_K} and {MAX_K}")));
    }
    let expected = file_bytes(k);
    if length < expected {
        let part = if length < head_bytes(k) as u64 { "the head" } else { "the points" };
        return Err(truncated(part, expected));
    }
    if length > expected {
        return Err(FileProblem::TrailingBytes { k, expected, actual: length }.into());
    }

    let mut bytes = vec![0; head_bytes(k)];
    reader.seek(SeekFrom::Start(0))?;
    reader.read_exact(&mut bytes)?;
    let (hashed, digest) = bytes.split_at(bytes.len() - HASH_BYTES);
    if Sha256::digest(hashed).as_slice() != digest {
        return Err(FileProblem::WrongHash { part: "head".into() }.into());
    }
    let origin = Origin::from_tag(tag).ok_or_else(|| not_srs(format!("its origin is {tag}")))?;
    let (s_g2, hashes) = hashed[FIXED_BYTES..].split_at(G2_BYTES);
    let s_g2 = points::decode_g2(s_g2, 1)?;
    check::g2_powers(&G2Affine::generator(), &s_g2)?;
    if is_ceremony(&s_g2) != (origin == Origin::Ceremony) {
        return Err(FileProblem::FalseOrigin.into());
    }
    let hashes = hashes
        .chunks_exact(HASH_BYTES)
        .map(|hash| {
            let mut bytes = [0; HASH_BYTES];
            bytes.copy_from_slice(hash);
            bytes
        })
        .collect();
    Ok(Head { k, origin, s_g2, hashes })
}

/// Reads points that have a hash behind those there are.
fn hashed_points(
    reader: &mut impl Read,
    (range, basis): (Range<usize>, Basis),
    (expected, points): (&[u8; HASH_BYTES], &mut Vec<G1Affine>),
    part: impl Fn() -> String,
    progress: &dyn Progress,
) -> Result<(), ReadFailure> {
    let mut hasher = Sha256::new();
    let see = |bytes: &[u8]| hasher.update(bytes);
    let result = points::append_g1(reader, (range, points), basis, progress, see);
    let matches = hasher.finalize().as_slice() == expected;
    match result {
        // A damaged byte also makes a point invalid: the hash names the cause.
        Ok(()) if matches => Ok(()),
        Ok(()) | Err(ReadFailure::Problem(_)) if !matches => {
            Err(FileProblem::WrongHash { part: part() }.into())
        }
        result => result,
    }
}

/// Creates `folder` and its parents.
pub(super) fn create_folder(folder: &Path) -> Result<(), SrsError> {
    fs::create_dir_all(folder).map_err(|source| SrsError::Io {
        action: "create folder",
        path: folder.into(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    /// A disk with little space left.
    struct Disk {
        left: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = bytes.len().min(self.left);
            self.left -= written;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_srs_that_does_not_fit_the_disk_is_an_error_wherever_the_space_ends() {
        let srs = Srs::development_from_seed(3, [0; 32]).unwrap();
        let size = file_bytes(3) as usize;
        write(&srs, &mut Disk { left: size }, &super::super::Silent).unwrap();
        for left in 0..size {
            let error = write(&srs, &mut Disk { left }, &super::super::Silent).unwrap_err();
            let error = save_error(error, &srs, Path::new("a.srs"));
            assert!(matches!(error, SrsError::DiskFull { bytes, .. } if bytes == size as u64));
        }
    }
}
