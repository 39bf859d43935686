use halo2curves::{
    bn256::{Fr, G1Affine, G2Affine},
    serde::SerdeObject,
};
use verdict_prover::srs::{
    Basis, FileProblem, Import, Inconsistency, Origin, Srs, SrsError, ceremony_tau_g2, is_tau_g2,
};

use super::support::{
    CEREMONY, Folder, Ptau, assert_commits_alike_in_both_bases, header, modulus, problem, tau,
    unknown_allowed,
};

#[test]
fn the_real_ceremonys_file_is_accepted_as_the_ceremony_at_every_size() {
    for k in 1..=6 {
        let srs = Srs::import_ptau(CEREMONY, &Import { k: Some(k), ..Import::default() }).unwrap();
        assert_eq!((srs.k(), srs.origin()), (k, Origin::Ceremony));
        assert_eq!(srs.s_g2(), ceremony_tau_g2());
        assert!(!srs.is_development());
        srs.check().unwrap();
        assert_commits_alike_in_both_bases(&srs);
    }
    let whole = Srs::import_ptau(CEREMONY, &Import::default()).unwrap();
    assert_eq!(whole.k(), 6);
}

#[test]
fn prepared_and_unprepared_files_give_the_same_srs() {
    let prepared = Ptau::prepared(6, tau()).import(&unknown_allowed()).unwrap();
    let unprepared = Ptau::unprepared(6, tau()).import(&unknown_allowed()).unwrap();
    assert_eq!(prepared.lagrange(), unprepared.lagrange());
    assert_eq!(prepared.fingerprint(), unprepared.fingerprint());
    assert_commits_alike_in_both_bases(&prepared);
}

#[test]
fn powers_of_an_unknown_tau_are_refused_unless_allowed() {
    let file = Ptau::prepared(3, tau());
    let refused = problem(file.import(&Import::default()));
    let FileProblem::UnknownCeremony { fingerprint } = refused else { panic!("{refused}") };
    let srs = file.import(&unknown_allowed()).unwrap();
    assert_eq!(srs.origin(), Origin::Imported);
    assert_eq!(fingerprint, hex::encode(srs.fingerprint()));
}

#[test]
fn the_ceremonys_tau_g2_over_foreign_powers_is_refused() {
    let mut file = Ptau::prepared(3, tau());
    file.section(3)[128..256].copy_from_slice(&ceremony_tau_g2().to_raw_bytes());
    let problem = problem(file.import(&Import::default()));
    assert!(matches!(problem, FileProblem::Inconsistent(Inconsistency::NotConsecutive)));
}

#[test]
fn a_swapped_tau_g2_is_refused_even_if_unknown_ceremonies_are_allowed() {
    let mut file = Ptau::prepared(3, tau());
    let other = Ptau::prepared(3, tau() + Fr::one()).section(3)[128..256].to_vec();
    file.section(3)[128..256].copy_from_slice(&other);
    let problem = problem(file.import(&unknown_allowed()));
    assert!(matches!(problem, FileProblem::Inconsistent(Inconsistency::NotConsecutive)));
}

#[test]
fn powers_that_are_not_consecutive_are_refused_at_every_index() {
    for index in 1..8 {
        let mut file = Ptau::prepared(3, tau());
        let foreign = G1Affine::from_raw_bytes(&file.section(2)[9 * 64..10 * 64]).unwrap();
        file.section(2)[index * 64..][..64].copy_from_slice(&foreign.to_raw_bytes());
        let problem = problem(file.import(&unknown_allowed()));
        let expected = FileProblem::Inconsistent(Inconsistency::NotConsecutive);
        assert_eq!(problem.to_string(), expected.to_string(), "index {index}");
    }
}

#[test]
fn a_wrong_lagrange_point_is_refused_at_every_index() {
    for index in 0..8 {
        let mut file = Ptau::prepared(3, tau());
        let start = ((1 << 3) - 1 + index) * 64;
        let point = G1Affine::from_raw_bytes(&file.section(12)[start..start + 64]).unwrap();
        file.section(12)[start..start + 64].copy_from_slice(&(-point).to_raw_bytes());
        let problem = problem(file.import(&unknown_allowed()));
        assert!(
            matches!(problem, FileProblem::Inconsistent(Inconsistency::LagrangeMismatch)),
            "index {index}: {problem}"
        );
    }
}

#[test]
fn a_flipped_bit_in_a_point_is_refused_with_its_index() {
    for (section, byte, basis, index) in [
        (2, 3 * 64 + 5, Basis::Powers, 3),
        (2, 7 * 64 + 40, Basis::Powers, 7),
        (3, 128 + 70, Basis::G2, 1),
        (12, (7 + 2) * 64, Basis::Lagrange, 2),
    ] {
        let mut file = Ptau::prepared(3, tau());
        file.section(section)[byte] ^= 1;
        let expected = Inconsistency::NotOnCurve { basis, index };
        match problem(file.import(&unknown_allowed())) {
            FileProblem::Inconsistent(found) => assert_eq!(found, expected),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn coordinates_that_are_not_reduced_are_refused() {
    let mut file = Ptau::prepared(3, tau());
    // x + p is the same residue in other bytes.
    let mut carry = 0;
    for (byte, add) in file.section(2)[64..96].iter_mut().zip(modulus()) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "x + p fits into 32 bytes");
    let problem = problem(file.import(&unknown_allowed()));
    let expected = Inconsistency::NotOnCurve { basis: Basis::Powers, index: 1 };
    assert!(matches!(problem, FileProblem::Inconsistent(found) if found == expected));
}

#[test]
fn points_at_infinity_are_refused() {
    for (section, range, basis, index) in
        [(2, 128..192, Basis::Powers, 2), (3, 128..256, Basis::G2, 1)]
    {
        let mut file = Ptau::prepared(3, tau());
        file.section(section)[range].fill(0);
        let expected = Inconsistency::Infinity { basis, index };
        let problem = problem(file.import(&unknown_allowed()));
        assert!(matches!(problem, FileProblem::Inconsistent(found) if found == expected));
    }
}

#[test]
fn powers_that_start_elsewhere_are_refused() {
    let mut file = Ptau::prepared(3, tau());
    let all = file.section(2).clone();
    file.section(2)[..14 * 64].copy_from_slice(&all[64..15 * 64]);
    let expected = Inconsistency::WrongGenerator { basis: Basis::Powers };
    let found = problem(file.import(&unknown_allowed()));
    assert!(matches!(found, FileProblem::Inconsistent(found) if found == expected));

    let mut file = Ptau::prepared(3, tau());
    let all = file.section(3).clone();
    file.section(3)[..128].copy_from_slice(&all[128..256]);
    let expected = Inconsistency::WrongGenerator { basis: Basis::G2 };
    let found = problem(file.import(&unknown_allowed()));
    assert!(matches!(found, FileProblem::Inconsistent(found) if found == expected));
}

#[test]
fn a_tau_g2_outside_the_subgroup_is_refused() {
    assert!(!is_tau_g2(&outside_the_subgroup()) && is_tau_g2(&ceremony_tau_g2()));
    let mut file = Ptau::prepared(3, tau());
    file.section(3)[128..256].copy_from_slice(&outside_the_subgroup().to_raw_bytes());
    let problem = problem(file.import(&unknown_allowed()));
    assert!(matches!(problem, FileProblem::Inconsistent(Inconsistency::WrongSubgroup)));
}

/// A point on G2's curve that is not a multiple of the generator.
fn outside_the_subgroup() -> G2Affine {
    use ff::Field;
    use group::cofactor::CofactorGroup;
    use halo2curves::{CurveAffine, bn256::Fq2};
    (1u64..)
        .filter_map(|x| {
            let x = Fq2::new(x.into(), 0u64.into());
            let y: Option<Fq2> = (x.square() * x + G2Affine::b()).sqrt().into();
            y.map(|y| G2Affine { x, y })
        })
        .find(|point| !bool::from(halo2curves::bn256::G2::from(*point).is_torsion_free()))
        .unwrap()
}

#[test]
fn a_file_that_is_too_small_names_the_largest_size_it_has() {
    let import = Import { k: Some(7), ..Import::default() };
    let error = Srs::import_ptau(CEREMONY, &import).unwrap_err();
    assert!(error.to_string().contains("the largest k in this file is 6, k = 7 is wanted"));
    let import = Import { k: Some(0), ..Import::default() };
    let error = Srs::import_ptau(CEREMONY, &import).unwrap_err();
    assert!(matches!(error, SrsError::KOutOfRange { k: 0, .. }));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = Ptau::prepared(2, tau()).bytes();
    let folder = Folder::new();
    for length in 0..bytes.len() {
        let path = folder.write("cut.ptau", &bytes[..length]);
        let problem = problem(Srs::import_ptau(path, &unknown_allowed()));
        match problem {
            FileProblem::NotPtau { .. } => assert!(length < 12),
            FileProblem::Truncated { expected, actual, .. } => {
                assert!(actual == length as u64 && expected > actual);
            }
            other => panic!("cut to {length}: {other}"),
        }
    }
}

#[test]
fn another_curve_or_version_or_format_is_refused() {
    let mut prime = modulus();
    prime[0] ^= 2;
    let mut file = Ptau::prepared(2, tau());
    *file.section(1) = header(32, &prime, 2);
    assert!(matches!(problem(file.import(&unknown_allowed())), FileProblem::WrongCurve { .. }));
    *file.section(1) = header(48, &[1; 48], 2);
    assert!(matches!(problem(file.import(&unknown_allowed())), FileProblem::WrongCurve { .. }));

    let mut file = Ptau::prepared(2, tau());
    file.version = 2;
    let found = problem(file.import(&unknown_allowed()));
    assert!(matches!(found, FileProblem::WrongVersion { found: 2, expected: 1, .. }));
    file.magic = *b"zkey";
    assert!(matches!(problem(file.import(&unknown_allowed())), FileProblem::NotPtau { .. }));
}

#[test]
fn hostile_heads_are_refused_without_reading_on() {
    let valid = Ptau::prepared(2, tau());
    let refused = |edit: &dyn Fn(&mut Ptau)| {
        let mut file = valid.clone();
        edit(&mut file);
        problem(file.import(&unknown_allowed())).to_string()
    };
    for power in [0, 3, 28, 29, u32::MAX] {
        let error = refused(&|file| *file.section(1) = header(32, &modulus(), power));
        assert!(error.starts_with("not a powers-of-tau file"), "{error}");
    }
    for (id, name) in [(1, "section 1"), (2, "section 2"), (3, "section 3")] {
        assert!(refused(&|file| file.sections.retain(|section| section.0 != id)).contains(name));
        assert!(refused(&|file| file.section(id).clear()).contains(name));
    }
    assert!(refused(&|file| file.sections.push((2, Vec::new()))).contains("twice"));
    let many = |file: &mut Ptau| file.sections.extend((100..200).map(|id| (id, Vec::new())));
    assert!(refused(&many).contains("sections"));

    // A section's size that overflows the file offset.
    let mut bytes = valid.bytes();
    bytes[16..24].fill(0xff);
    let path = Folder::new();
    let problem = problem(Srs::import_ptau(path.write("big.ptau", &bytes), &unknown_allowed()));
    assert!(matches!(problem, FileProblem::Truncated { .. }));
}

#[test]
fn missing_files_and_folders_are_named() {
    let folder = Folder::new();
    for path in [folder.path("missing.ptau"), folder.path(".")] {
        let error = Srs::import_ptau(&path, &Import::default()).unwrap_err();
        assert!(matches!(error, SrsError::Io { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
}
