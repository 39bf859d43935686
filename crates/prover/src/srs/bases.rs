//! Bases that commit to groups of columns, kept between runs.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `"vrdctbas"` |
//! | 4 | format version (2), little-endian like all numbers |
//! | 4 | k |
//! | 4 | number of sizes of groups |
//! | 4 each | sizes t of groups, ascending |
//! | 32 | fingerprint of the SRS |
//! | 32·t each | for each place i in a group the SHA-256 of its points |
//! | 64·2^k·t each | for each place i in a group `τ^i·L_j(τ^t)·G1`, raw |
//!
//! Places are read one by one, so that a proof reads what it commits to and not what its key took.
//! The hashes find damage, not malice: with other points proofs do not verify, and a proof that does
//! not is not given out. So points are not looked at again here. A file that is not what it should be
//! is made again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use halo2curves::{bn256::G1Affine, serde::SerdeObject};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use verdict_engine::SrsPoints;
use verdict_kzg::protocol::Protocol;

use super::{
    Srs,
    error::SrsError,
    file::raw,
    lagrange,
    points::{self, G1_BYTES},
    progress::Progress,
};

const MAGIC: &[u8; 8] = b"vrdctbas";
const VERSION: u32 = 2;
const HASH_BYTES: usize = 32;

/// By number of columns of a group, for each place in it.
type Folds = BTreeMap<usize, Vec<Vec<G1Affine>>>;

impl Srs {
    /// The points that an engine takes for `protocol` on `2^k` rows, to commit to groups of as many
    /// columns as `folds` says: some of the protocol's. Bases that are not the SRS's own Lagrange
    /// basis are read from `file`, or computed and kept there, those of all groups.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`] if the SRS has fewer powers than commitments take.
    pub fn points(
        &self,
        protocol: &Protocol,
        k: u32,
        folds: &[usize],
        file: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<SrsPoints, SrsError> {
        let needed = protocol.powers_needed(k);
        let Some(powers) = self.powers.get(..needed) else {
            let k = needed.next_power_of_two().ilog2();
            return Err(SrsError::TooSmall { k, largest: self.k() });
        };
        let all = protocol.folds();
        let folds = if all == [1] && k == self.k() {
            Folds::from([(1, vec![self.lagrange().to_vec()])])
        } else {
            let head = head(k, &all, &self.fingerprint());
            let kept = file.and_then(|path| read(path, &head, (k, &all), folds).ok().flatten());
            kept.unwrap_or_else(|| {
                let mut made = self.make(k, &all, progress);
                // Where they cannot be kept they are made again the next time.
                if let Some(path) = file {
                    let _ = write(path, &head, &made);
                }
                made.retain(|fold, _| folds.contains(fold));
                made
            })
        };
        Ok(SrsPoints { k, powers: powers.to_vec(), folds })
    }

    fn make(&self, k: u32, wanted: &[usize], progress: &dyn Progress) -> Folds {
        let class = |fold: usize, place: usize| {
            let powers = self.powers.iter().skip(place).step_by(fold).take(1 << k);
            lagrange::from_powers(&powers.copied().collect::<Vec<_>>(), progress)
        };
        let bases = |fold: usize| (0..fold).map(|place| class(fold, place)).collect();
        wanted.iter().map(|fold| (*fold, bases(*fold))).collect()
    }
}

fn head(k: u32, folds: &[usize], fingerprint: &[u8; 32]) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    let numbers = [VERSION, k, folds.len() as u32].into_iter();
    for number in numbers.chain(folds.iter().map(|fold| *fold as u32)) {
        head.extend(number.to_le_bytes());
    }
    head.extend(fingerprint);
    head
}

/// The bases for groups of `wanted` sizes in a file for those of `all`, if it is exactly what it
/// should be.
fn read(
    path: &Path,
    head: &[u8],
    (k, all): (u32, &[usize]),
    wanted: &[usize],
) -> io::Result<Option<Folds>> {
    let Ok((mut file, length)) = points::open(path) else { return Ok(None) };
    let (places, class) = (all.iter().sum::<usize>(), G1_BYTES << k);
    let first = head.len() + places * HASH_BYTES;
    if length != (first + places * class) as u64 {
        return Ok(None);
    }
    let mut found = vec![0; first];
    file.read_exact(&mut found)?;
    let (found, hashes) = found.split_at(head.len());
    if found != head {
        return Ok(None);
    }
    let hashes: Vec<&[u8]> = hashes.chunks_exact(HASH_BYTES).collect();
    let mut folds = Folds::new();
    let mut place = 0;
    for fold in all {
        if wanted.contains(fold) {
            file.seek(SeekFrom::Start((first + place * class) as u64))?;
            let Some(classes) = classes(&mut file, &hashes[place..place + fold], class)? else {
                return Ok(None);
            };
            folds.insert(*fold, classes);
        }
        place += fold;
    }
    Ok(Some(folds))
}

/// The places of a group of `class` bytes each, if they have their hashes.
fn classes(
    file: &mut File,
    hashes: &[&[u8]],
    class: usize,
) -> io::Result<Option<Vec<Vec<G1Affine>>>> {
    let mut points = Vec::with_capacity(hashes.len());
    // As many at once as there are threads: a large place's bytes are not few.
    let together = rayon::current_num_threads();
    let mut buffer = vec![0; together.min(hashes.len()) * class];
    for hashes in hashes.chunks(together) {
        let bytes = &mut buffer[..hashes.len() * class];
        file.read_exact(bytes)?;
        let read = bytes.par_chunks_exact(class).zip(hashes).map(|(bytes, hash)| {
            let point = G1Affine::from_raw_bytes_unchecked;
            let same = Sha256::digest(bytes).as_slice() == *hash;
            same.then(|| bytes.chunks_exact(G1_BYTES).map(point).collect::<Vec<_>>())
        });
        let Some(read) = read.collect::<Option<Vec<_>>>() else { return Ok(None) };
        points.extend(read);
    }
    Ok(Some(points))
}

/// Writes the whole file or none.
fn write(path: &Path, head: &[u8], folds: &Folds) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    let classes = || folds.values().flatten();
    file.write_all(head)?;
    classes().try_for_each(|class| file.write_all(&Sha256::digest(raw(class))))?;
    classes().try_for_each(|class| file.write_all(&raw(class)))?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use verdict_kzg::protocol::Opening;

    use super::*;
    use crate::{keys::protocol, shape::Shape, srs::Silent};

    const K: u32 = 4;

    fn folded() -> Protocol {
        protocol(&Shape::default(), Opening::folded(4)).unwrap()
    }

    #[test]
    fn bases_are_those_of_the_engine_and_are_kept() {
        let (srs, protocol) = (Srs::development_from_seed(K + 2, [1; 32]).unwrap(), folded());
        assert!(protocol.folds().len() > 1);
        let expected = SrsPoints::new(srs.powers(), K, &protocol).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/bases.bin");
        let all = protocol.folds();
        let made = srs.points(&protocol, K, &all, Some(&file), &Silent).unwrap();
        assert_eq!((&made.powers, &made.folds), (&expected.powers, &expected.folds));
        let head = head(K, &all, &srs.fingerprint());
        let read = |wanted: &[usize]| read(&file, &head, (K, &all), wanted).unwrap().unwrap();
        assert_eq!(read(&all), expected.folds);
        // A proof reads its own, wherever they stand in the file, and makes no others either.
        let own = all[1..].to_vec();
        let mut expected = expected.folds;
        expected.retain(|fold, _| own.contains(fold));
        assert_eq!(read(&own), expected);
        for file in [Some(&file), None] {
            let points = srs.points(&protocol, K, &own, file.map(|v| &**v), &Silent).unwrap();
            assert_eq!(points.folds, expected);
        }
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_made_again() {
        let (srs, protocol) = (Srs::development_from_seed(K + 2, [1; 32]).unwrap(), folded());
        let other = Srs::development_from_seed(K + 2, [2; 32]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bases.bin");
        let folds = protocol.folds();
        let points =
            |srs: &Srs| srs.points(&protocol, K, &folds, Some(&file), &Silent).unwrap().folds;
        let expected = points(&srs);
        let good = fs::read(&file).unwrap();
        // Of another string; damaged; cut off; not there.
        assert_ne!(points(&other), expected);
        assert_eq!(points(&srs), expected);
        for position in [0, 9, 40, 70, good.len() / 2, good.len() - 1] {
            let mut damaged = good.clone();
            damaged[position] ^= 1;
            fs::write(&file, damaged).unwrap();
            assert_eq!(points(&srs), expected, "byte {position}");
            assert_eq!(fs::read(&file).unwrap(), good, "byte {position}");
        }
        fs::write(&file, &good[..good.len() - 64]).unwrap();
        assert_eq!(points(&srs), expected);
        fs::remove_file(&file).unwrap();
        assert_eq!(points(&srs), expected);
    }

    #[test]
    fn a_string_that_is_too_short_is_named_with_what_is_needed() {
        let srs = Srs::development_from_seed(K, [1; 32]).unwrap();
        let error = srs.points(&folded(), K, &[1], None, &Silent).unwrap_err();
        assert!(matches!(error, SrsError::TooSmall { k, largest: K } if k > K));
    }
}
