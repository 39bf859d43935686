use group::Curve;
use halo2_proofs::{SerdeFormat, poly::kzg::commitment::ParamsKZG};
use halo2curves::{
    bn256::{Bn256, G1Affine},
    serde::SerdeObject,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use verdict_prover::srs::{Basis, FileProblem, Import, Inconsistency, Origin, Srs};

use super::support::{
    CEREMONY, Folder, assert_commits_alike_in_both_bases, problem, unknown_allowed,
};

fn params() -> ParamsKZG<Bn256> {
    ParamsKZG::setup(4, ChaCha20Rng::from_seed([9; 32]))
}

fn written(params: &ParamsKZG<Bn256>, format: SerdeFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write_custom(&mut bytes, format).unwrap();
    bytes
}

fn import(bytes: &[u8], import: &Import<'_>) -> Result<Srs, verdict_prover::srs::SrsError> {
    let folder = Folder::new();
    Srs::import_halo2(folder.write("params.bin", bytes), import)
}

#[test]
fn halo2_params_come_back_the_same() {
    for format in [SerdeFormat::RawBytes, SerdeFormat::RawBytesUnchecked] {
        let bytes = written(&params(), format);
        let srs = import(&bytes, &unknown_allowed()).unwrap();
        assert_eq!((srs.k(), srs.origin()), (4, Origin::Imported));
        assert_eq!(written(srs.params(), format), bytes);
    }
}

#[test]
fn halo2_params_of_the_ceremony_are_recognized() {
    let srs = Srs::import_ptau(CEREMONY, &Import::default()).unwrap();
    let bytes = written(srs.params(), SerdeFormat::RawBytes);
    let again = import(&bytes, &Import::default()).unwrap();
    assert_eq!(again.origin(), Origin::Ceremony);
    assert_eq!(again.fingerprint(), srs.fingerprint());
}

#[test]
fn a_smaller_size_is_read_out_of_halo2_params() {
    let bytes = written(&params(), SerdeFormat::RawBytes);
    let srs = import(&bytes, &Import { k: Some(2), ..unknown_allowed() }).unwrap();
    assert_eq!(srs.k(), 2);
    assert_commits_alike_in_both_bases(&srs);
    let large = import(&bytes, &Import { k: Some(5), ..unknown_allowed() });
    assert!(matches!(problem(large), FileProblem::TooSmall { k: 5, largest: 4 }));
}

#[test]
fn halo2_params_of_an_unknown_tau_are_refused_unless_allowed() {
    let bytes = written(&params(), SerdeFormat::RawBytes);
    let problem = problem(import(&bytes, &Import::default()));
    assert!(matches!(problem, FileProblem::UnknownCeremony { .. }));
}

#[test]
fn unchecked_halo2_params_with_a_bad_point_are_refused() {
    let bytes = written(&params(), SerdeFormat::RawBytesUnchecked);
    for (point, basis, index) in [(5, Basis::Powers, 5), (16 + 3, Basis::Lagrange, 3)] {
        let mut damaged = bytes.clone();
        damaged[4 + 64 * point] ^= 1;
        let expected = Inconsistency::NotOnCurve { basis, index };
        let found = problem(import(&damaged, &unknown_allowed()));
        assert!(matches!(found, FileProblem::Inconsistent(found) if found == expected));

        let mut doubled = bytes.clone();
        let range = 4 + 64 * point..4 + 64 * (point + 1);
        let value = G1Affine::from_raw_bytes(&bytes[range.clone()]).unwrap();
        doubled[range].copy_from_slice(&(value + value).to_affine().to_raw_bytes());
        let expected = match basis {
            Basis::Powers => Inconsistency::NotConsecutive,
            _ => Inconsistency::LagrangeMismatch,
        };
        let found = problem(import(&doubled, &unknown_allowed()));
        assert!(matches!(found, FileProblem::Inconsistent(found) if found == expected));
    }
}

#[test]
fn halo2_params_cut_or_extended_are_refused() {
    let bytes = written(&params(), SerdeFormat::RawBytes);
    for length in (0..bytes.len()).step_by(13) {
        let problem = problem(import(&bytes[..length], &unknown_allowed()));
        match problem {
            FileProblem::NotHalo2Params { .. } => assert!(length < 4, "{length}"),
            FileProblem::Truncated { actual, .. } => assert_eq!(actual, length as u64),
            other => panic!("cut to {length}: {other}"),
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    let problem = problem(import(&longer, &unknown_allowed()));
    assert!(matches!(problem, FileProblem::TrailingBytes { k: 4, .. }));
}

#[test]
fn compressed_halo2_params_and_absurd_sizes_are_refused_with_the_reason() {
    let compressed = written(&params(), SerdeFormat::Processed);
    let error = problem(import(&compressed, &unknown_allowed())).to_string();
    assert!(error.contains("compressed"), "{error}");
    for k in [0u32, 29, u32::MAX] {
        let error = problem(import(&[&k.to_le_bytes()[..], &[0; 99]].concat(), &unknown_allowed()));
        assert!(matches!(error, FileProblem::NotHalo2Params { .. }), "{error}");
    }
}
