use sha2::{Digest, Sha256};
use verdict_prover::srs::{Basis, FileProblem, Import, Inconsistency, Origin, Srs, SrsError};

use super::support::{
    CEREMONY, Folder, Ptau, assert_commits_alike_in_both_bases, problem, tau, unknown_allowed,
};

const ORIGIN: usize = 16;
const TAU_G2: usize = 20;

/// Bytes before the first point.
fn head(k: usize) -> usize {
    20 + 128 + (k + 2) * 32
}

/// The bytes of a saved development SRS of size 4.
fn saved() -> Vec<u8> {
    let folder = Folder::new();
    let srs = Srs::development_from_seed(4, [5; 32]).unwrap();
    srs.save(folder.path("a.srs")).unwrap();
    std::fs::read(folder.path("a.srs")).unwrap()
}

fn load(bytes: &[u8], k: Option<u32>) -> Result<Srs, SrsError> {
    let folder = Folder::new();
    Srs::load(folder.write("a.srs", bytes), k)
}

/// Makes the hashes of a size-4 file agree with its bytes again.
fn rehash(bytes: &mut [u8]) {
    let points = head(4);
    let ranges = [0..2, 2..4, 4..8, 8..16, 16..32];
    for (j, range) in ranges.into_iter().enumerate() {
        let digest = Sha256::digest(&bytes[points + 64 * range.start..points + 64 * range.end]);
        bytes[TAU_G2 + 128 + 32 * j..][..32].copy_from_slice(&digest);
    }
    let digest = Sha256::digest(&bytes[..points - 32]);
    bytes[points - 32..points].copy_from_slice(&digest);
}

#[test]
fn a_saved_srs_comes_back_with_its_origin_and_points() {
    let folder = Folder::new();
    let all = [
        Srs::development(5).unwrap(),
        Srs::import_ptau(CEREMONY, &Import::default()).unwrap(),
        Ptau::prepared(3, tau()).import(&unknown_allowed()).unwrap(),
    ];
    for srs in all {
        let path = folder.path("kept.srs");
        srs.save(&path).unwrap();
        let loaded = Srs::load(&path, None).unwrap();
        assert_eq!((loaded.k(), loaded.origin()), (srs.k(), srs.origin()));
        assert_eq!(loaded.fingerprint(), srs.fingerprint());
        assert_eq!(loaded.lagrange(), srs.lagrange());
        loaded.check().unwrap();
        assert_commits_alike_in_both_bases(&loaded);
    }
    assert_eq!(folder.names(), ["kept.srs"], "no temporary file is left");
}

#[test]
fn a_smaller_size_is_loaded_out_of_a_larger_file() {
    let bytes = saved();
    for k in 1..=4 {
        let srs = load(&bytes, Some(k)).unwrap();
        let expected = Srs::development_from_seed(k, [5; 32]).unwrap();
        assert_eq!(srs.lagrange(), expected.lagrange());
        assert_eq!(srs.origin(), Origin::Development);
    }
    let large = problem(load(&bytes, Some(5)));
    assert!(matches!(large, FileProblem::TooSmall { k: 5, largest: 4 }));
    assert!(matches!(load(&bytes, Some(0)), Err(SrsError::KOutOfRange { .. })));
}

#[test]
fn damage_behind_the_powers_wanted_does_not_matter_to_a_smaller_size() {
    let mut bytes = saved();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    load(&bytes, Some(3)).unwrap();
    assert!(matches!(problem(load(&bytes, Some(4))), FileProblem::WrongHash { .. }));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = saved();
    let folder = Folder::new();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x40;
        let problem = problem(Srs::load(folder.write("a.srs", &damaged), None));
        let fits = match position {
            0..8 => matches!(problem, FileProblem::NotSrs { .. }),
            8..12 => matches!(problem, FileProblem::WrongVersion { .. }),
            12..16 => matches!(problem, FileProblem::NotSrs { .. }),
            _ => matches!(problem, FileProblem::WrongHash { .. }),
        };
        assert!(fits, "byte {position}: {problem}");
    }
}

#[test]
fn a_file_cut_or_extended_is_refused() {
    let bytes = saved();
    let folder = Folder::new();
    for length in 0..bytes.len() {
        match problem(Srs::load(folder.write("a.srs", &bytes[..length]), None)) {
            FileProblem::NotSrs { .. } => assert!(length < 8),
            FileProblem::Truncated { expected, actual, .. } => {
                assert!(actual == length as u64 && expected > actual);
            }
            other => panic!("cut to {length}: {other}"),
        }
    }
    let longer = problem(load(&[&bytes[..], &[0]].concat(), None));
    assert!(matches!(longer, FileProblem::TrailingBytes { k: 4, .. }));
}

#[test]
fn a_size_that_the_file_only_claims_is_refused_before_anything_is_read() {
    let mut bytes = saved();
    for k in [5u32, 28] {
        bytes[12..16].copy_from_slice(&k.to_le_bytes());
        assert!(matches!(problem(load(&bytes, None)), FileProblem::Truncated { .. }));
    }
    bytes[12..16].copy_from_slice(&3u32.to_le_bytes());
    assert!(matches!(problem(load(&bytes, None)), FileProblem::TrailingBytes { .. }));
}

#[test]
fn a_development_srs_cannot_pass_for_the_ceremonys() {
    let mut bytes = saved();
    bytes[ORIGIN] = 2;
    rehash(&mut bytes);
    assert!(matches!(problem(load(&bytes, None)), FileProblem::FalseOrigin));
    bytes[ORIGIN] = 9;
    rehash(&mut bytes);
    assert!(matches!(problem(load(&bytes, None)), FileProblem::NotSrs { .. }));
}

#[test]
fn bad_points_under_right_hashes_are_refused() {
    let valid = saved();
    let mut bytes = valid.clone();
    bytes[head(4) + 64 * 3] ^= 1;
    rehash(&mut bytes);
    let expected = Inconsistency::NotOnCurve { basis: Basis::Powers, index: 3 };
    let found = problem(load(&bytes, None));
    assert!(matches!(&found, FileProblem::Inconsistent(found) if *found == expected), "{found}");

    let mut bytes = valid.clone();
    bytes[TAU_G2] ^= 1;
    rehash(&mut bytes);
    let expected = Inconsistency::NotOnCurve { basis: Basis::G2, index: 1 };
    assert!(matches!(problem(load(&bytes, None)), FileProblem::Inconsistent(f) if f == expected));

    // Points on the curve, but exchanged: hashes cannot tell, the check does.
    for (swapped, expected) in
        [(3, Inconsistency::NotConsecutive), (16 + 3, Inconsistency::LagrangeMismatch)]
    {
        let mut bytes = valid.clone();
        let (a, b) = (head(4) + 64 * swapped, head(4) + 64 * (swapped + 1));
        bytes[a..b + 64].rotate_left(64);
        rehash(&mut bytes);
        match load(&bytes, None).unwrap().check() {
            Err(SrsError::Inconsistent(found)) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn saving_replaces_a_file_and_leaves_nothing_when_it_fails() {
    let folder = Folder::new();
    let srs = Srs::development(2).unwrap();
    let path = folder.write("a.srs", b"older");
    srs.save(&path).unwrap();
    assert_eq!(Srs::load(&path, None).unwrap().fingerprint(), srs.fingerprint());

    srs.save(folder.path("missing/a.srs")).unwrap();
    let error = srs.save(folder.path("a.srs/b.srs")).unwrap_err();
    assert!(error.to_string().contains("a.srs"), "{error}");
    std::fs::create_dir(folder.path("folder.srs")).unwrap();
    assert!(matches!(srs.save(folder.path("folder.srs")), Err(SrsError::Io { .. })));
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["a.srs", "folder.srs", "missing"]);
}

#[test]
fn other_files_are_not_taken_for_an_srs() {
    let error = problem(Srs::load(CEREMONY, None));
    assert!(error.to_string().contains("import .ptau"), "{error}");
}
