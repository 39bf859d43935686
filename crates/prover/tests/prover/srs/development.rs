use halo2_proofs::poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG};
use halo2curves::bn256::Bn256;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use verdict_prover::srs::{MAX_DEVELOPMENT_K, Origin, Silent, Srs, SrsError};

use super::support::{Folder, assert_commits_alike_in_both_bases};

#[test]
fn a_development_srs_has_the_points_of_halo2s_own_setup() {
    for k in [1, 2, 5, 9] {
        let seed = [7; 32];
        let srs = Srs::development_from_seed(k, seed).unwrap();
        let expected = ParamsKZG::<Bn256>::setup(k, ChaCha20Rng::from_seed(seed));
        assert_eq!(srs.params().get_g(), expected.get_g(), "k = {k}");
        assert_eq!((srs.g2(), srs.s_g2()), (expected.g2(), expected.s_g2()));
        let mut bytes = [Vec::new(), Vec::new()];
        let format = halo2_proofs::SerdeFormat::RawBytes;
        srs.params().write_custom(&mut bytes[0], format).unwrap();
        expected.write_custom(&mut bytes[1], format).unwrap();
        assert_eq!(bytes[0], bytes[1], "k = {k}");
    }
}

#[test]
fn a_development_srs_is_consistent_and_says_that_it_is_insecure() {
    let srs = Srs::development(11).unwrap();
    srs.check().unwrap();
    assert_commits_alike_in_both_bases(&srs);
    assert!(srs.is_development());
    assert_eq!(srs.origin().to_string(), "development (INSECURE)");
}

#[test]
fn two_development_srs_differ_and_one_seed_gives_one_fingerprint_for_all_sizes() {
    let (first, second) = (Srs::development(2).unwrap(), Srs::development(2).unwrap());
    assert_ne!(first.fingerprint(), second.fingerprint());
    let seeded = |k, seed| Srs::development_from_seed(k, [seed; 32]).unwrap().fingerprint();
    assert_eq!(seeded(2, 1), seeded(5, 1));
    assert_ne!(seeded(2, 1), seeded(2, 2));
}

#[test]
fn sizes_out_of_range_are_refused() {
    for k in [0, MAX_DEVELOPMENT_K + 1, u32::MAX] {
        let error = Srs::development(k).unwrap_err();
        assert!(matches!(error, SrsError::KOutOfRange { .. }), "{error}");
    }
    let srs = Srs::development(3).unwrap();
    assert!(matches!(srs.truncated(0), Err(SrsError::KOutOfRange { .. })));
    assert!(matches!(srs.truncated(64), Err(SrsError::KOutOfRange { .. })));
    assert!(matches!(srs.truncated(4), Err(SrsError::TooSmall { k: 4, largest: 3 })));
}

#[test]
fn a_truncated_srs_equals_the_smaller_one_of_the_same_tau() {
    let srs = Srs::development_from_seed(8, [3; 32]).unwrap();
    for k in [1, 4, 7, 8] {
        let smaller = srs.truncated(k).unwrap();
        let expected = Srs::development_from_seed(k, [3; 32]).unwrap();
        assert_eq!(smaller.params().get_g(), expected.params().get_g());
        assert_eq!(smaller.lagrange(), expected.lagrange(), "k = {k}");
        assert_eq!(smaller.fingerprint(), srs.fingerprint());
        assert_eq!(smaller.origin(), Origin::Development);
    }
}

#[test]
fn a_cached_srs_is_made_once_and_larger_ones_do_not_replace_it() {
    let folder = Folder::new();
    let cache = folder.path("made/when/missing");
    let first = Srs::cached_development(&cache, 4, &Silent).unwrap();
    let larger = Srs::cached_development(&cache, 6, &Silent).unwrap();
    let again = Srs::cached_development(&cache, 4, &Silent).unwrap();
    assert_eq!((first.k(), larger.k(), again.k()), (4, 6, 4));
    assert_eq!(first.fingerprint(), again.fingerprint());
    again.check().unwrap();
}

#[test]
fn a_damaged_cached_srs_is_replaced() {
    let folder = Folder::new();
    let first = Srs::cached_development(folder.path("."), 4, &Silent).unwrap();
    let [name] = folder.names().try_into().unwrap();
    let bytes = std::fs::read(folder.path(&name)).unwrap();
    folder.write(&name, &bytes[..bytes.len() / 2]);
    let second = Srs::cached_development(folder.path("."), 4, &Silent).unwrap();
    assert_ne!(first.fingerprint(), second.fingerprint());
    let kept = Srs::load(folder.path(&name), None).unwrap();
    assert_eq!(kept.fingerprint(), second.fingerprint());
}

#[test]
fn processes_that_fill_the_cache_together_end_up_with_one_srs() {
    let folder = Folder::new();
    let cache = folder.path("cache");
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let make = || Srs::cached_development(&cache, 5, &Silent).unwrap().fingerprint();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
    assert_eq!(std::fs::read_dir(cache).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_cache_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    let file = folder.write("file", b"not a folder");
    let error = Srs::cached_development(file.join("cache"), 3, &Silent).unwrap_err();
    assert!(matches!(error, SrsError::Io { .. }));
    assert!(error.to_string().contains("file/cache"), "{error}");
}
