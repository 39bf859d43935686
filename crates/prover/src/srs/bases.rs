//! Bases that commit to groups of columns, kept between runs.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `"vrdctbas"` |
//! | 4 | format version (1), little-endian like all numbers |
//! | 4 | k |
//! | 4 | number of sizes of groups |
//! | 4 each | sizes t of groups, ascending |
//! | 32 | fingerprint of the SRS |
//! | 32 | SHA-256 of the points |
//! | 64·2^k·t each | for each place i in a group `τ^i·L_j(τ^t)·G1`, raw |
//!
//! The hash finds damage, not malice: with other points proofs do not verify. A file that is
//! not what it should be is made again.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufReader, Read, Write},
    path::Path,
};

use halo2curves::bn256::G1Affine;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use verdict_engine::SrsPoints;
use verdict_kzg::protocol::Protocol;

use super::{
    Srs,
    error::{Basis, SrsError},
    file::raw,
    lagrange,
    points::{self, G1_BYTES},
    progress::{Progress, Silent},
};

const MAGIC: &[u8; 8] = b"vrdctbas";
const VERSION: u32 = 1;

/// By number of columns of a group, for each place in it.
type Folds = BTreeMap<usize, Vec<Vec<G1Affine>>>;

impl Srs {
    /// The points that an engine takes for `protocol` on `2^k` rows. Bases that are not
    /// the SRS's own Lagrange basis are read from `file`, or computed and kept there.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`] if the SRS has fewer powers than commitments take.
    pub fn points(
        &self,
        protocol: &Protocol,
        k: u32,
        file: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<SrsPoints, SrsError> {
        let needed = protocol.powers_needed(k);
        let Some(powers) = self.powers.get(..needed) else {
            let k = needed.next_power_of_two().ilog2();
            return Err(SrsError::TooSmall { k, largest: self.k() });
        };
        let wanted = protocol.folds();
        let folds = if wanted == [1] && k == self.k() {
            Folds::from([(1, vec![self.lagrange().to_vec()])])
        } else {
            let head = head(k, &wanted, &self.fingerprint());
            let kept = file.and_then(|path| read(path, &head, k, &wanted));
            kept.unwrap_or_else(|| {
                let made = self.make(k, &wanted, progress);
                // Where they cannot be kept they are made again the next time.
                if let Some(path) = file {
                    let _ = write(path, &head, &made);
                }
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

/// The bases in a file, if it is exactly what it should be.
fn read(path: &Path, head: &[u8], k: u32, folds: &[usize]) -> Option<Folds> {
    let (file, length) = points::open(path).ok()?;
    let count = folds.iter().sum::<usize>() << k;
    if length != (head.len() + 32 + count * G1_BYTES) as u64 {
        return None;
    }
    let mut reader = BufReader::new(file);
    let mut found = vec![0; head.len()];
    reader.read_exact(&mut found).ok()?;
    let mut expected = [0; 32];
    reader.read_exact(&mut expected).ok()?;
    let mut hasher = Sha256::new();
    let see = |bytes: &[u8]| hasher.update(bytes);
    let points = points::read_g1(&mut reader, 0..count, Basis::Lagrange, &Silent, see).ok()?;
    if found != head || hasher.finalize()[..] != expected {
        return None;
    }
    let mut classes = points.chunks_exact(1 << k).map(<[G1Affine]>::to_vec);
    Some(folds.iter().map(|fold| (*fold, classes.by_ref().take(*fold).collect())).collect())
}

/// Writes the whole file or none.
fn write(path: &Path, head: &[u8], folds: &Folds) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    let classes = || folds.values().flatten();
    let mut hasher = Sha256::new();
    classes().for_each(|class| hasher.update(raw(class)));
    file.write_all(head)?;
    file.write_all(&hasher.finalize())?;
    classes().try_for_each(|class| file.write_all(&raw(class)))?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use verdict_kzg::protocol::Opening;

    use super::*;
    use crate::{keys::protocol, shape::Shape};

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
        let made = srs.points(&protocol, K, Some(&file), &Silent).unwrap();
        assert_eq!((&made.powers, &made.folds), (&expected.powers, &expected.folds));
        let head = head(K, &protocol.folds(), &srs.fingerprint());
        let read = read(&file, &head, K, &protocol.folds()).unwrap();
        assert_eq!(read, expected.folds);
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_made_again() {
        let (srs, protocol) = (Srs::development_from_seed(K + 2, [1; 32]).unwrap(), folded());
        let other = Srs::development_from_seed(K + 2, [2; 32]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bases.bin");
        let points = |srs: &Srs| srs.points(&protocol, K, Some(&file), &Silent).unwrap().folds;
        let expected = points(&srs);
        let good = fs::read(&file).unwrap();
        // Of another string; damaged; cut off; not there.
        assert_ne!(points(&other), expected);
        assert_eq!(points(&srs), expected);
        for position in [0, 9, 40, good.len() - 1] {
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
        let error = srs.points(&folded(), K, None, &Silent).unwrap_err();
        assert!(matches!(error, SrsError::TooSmall { k, largest: K } if k > K));
    }
}
