//! What the generator does not support is refused with a typed error.

use halo2_proofs::{
    plonk::{ConstraintSystem, FirstPhase, SecondPhase},
    poly::Rotation,
};
use halo2curves::{
    bn256::{Fr, G2Affine},
    group::prime::PrimeCurveAffine,
};
use verdict_codegen::{
    ContractError, ProofError,
    compile::{Bytecode, CompileError, Settings, StandardInput},
    evm_proof, key_payload, verify_evm_proof,
};
use verdict_kzg::{
    protocol::{Opening, Protocol, ProtocolError},
    verify::VerifyError,
};

use crate::{
    harness::{Keys, OPENINGS, prove, solc},
    synthetic::{Columns, Spec, Synthetic},
};

fn system(change: impl Fn(&mut ConstraintSystem<Fr>)) -> ConstraintSystem<Fr> {
    let mut meta = ConstraintSystem::default();
    Columns::configure(&mut meta, &Spec::default());
    change(&mut meta);
    meta
}

fn unsupported(change: impl Fn(&mut ConstraintSystem<Fr>)) -> &'static str {
    match Protocol::new(&system(change), &[], Opening::COLUMNS) {
        Err(ProtocolError::Unsupported { feature, .. }) => feature,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn permutations_lookups_and_second_instance_columns_are_unsupported() {
    assert_eq!(
        unsupported(|meta| {
            let column = meta.advice_column();
            meta.enable_equality(column);
        }),
        "permutation columns"
    );
    assert_eq!(
        unsupported(|meta| {
            let column = meta.advice_column();
            let table = meta.lookup_table_column();
            meta.lookup("", |meta| vec![(meta.query_advice(column, Rotation::cur()), table)]);
        }),
        "built-in lookups"
    );
    assert_eq!(
        unsupported(|meta| {
            meta.instance_column();
        }),
        "instance columns"
    );
}

#[test]
fn a_selector_before_keygen_is_refused() {
    let cs = system(|meta| {
        let selector = meta.selector();
        let column = meta.advice_column();
        meta.create_gate("selected", |meta| {
            vec![meta.query_selector(selector) * meta.query_advice(column, Rotation::cur())]
        });
    });
    let error = Protocol::new(&cs, &[], Opening::COLUMNS).expect_err("a selector");
    assert!(error.to_string().starts_with("gate `selected` uses a selector"), "{error}");
}

#[test]
fn a_gate_above_halo2s_degree_limit_is_refused() {
    let cs = system(|meta| {
        let column = meta.advice_column();
        meta.create_gate("steep", |meta| {
            let cell = meta.query_advice(column, Rotation::cur());
            vec![(0..5).fold(cell.clone(), |product, _| product * cell.clone())]
        });
    });
    let error = Protocol::new(&cs, &[], Opening::COLUMNS).expect_err("degree 6");
    assert!(matches!(error, ProtocolError::Degree { degree: 6, limit: 5, .. }), "{error}");
}

#[test]
fn an_empty_constraint_system_is_refused() {
    let mut meta = ConstraintSystem::<Fr>::default();
    assert!(matches!(
        Protocol::new(&meta, &[], Opening::COLUMNS),
        Err(ProtocolError::Empty("advice columns"))
    ));
    let _column = meta.advice_column_in(FirstPhase);
    assert!(matches!(
        Protocol::new(&meta, &[], Opening::COLUMNS),
        Err(ProtocolError::Empty("advice queries"))
    ));
}

#[test]
fn challenges_after_a_phase_that_no_gate_reads_are_refused() {
    let mut meta = ConstraintSystem::<Fr>::default();
    let _unread = meta.advice_column_in(FirstPhase);
    let challenge = meta.challenge_usable_after(FirstPhase);
    let column = meta.advice_column_in(SecondPhase);
    meta.create_gate("second", |meta| {
        vec![meta.query_advice(column, Rotation::cur()) * meta.query_challenge(challenge)]
    });
    for opening in OPENINGS {
        let error = Protocol::new(&meta, &[], opening).expect_err("nothing before it");
        assert!(matches!(error, ProtocolError::Empty(_)), "{error}");
    }
}

#[test]
fn secret_columns_must_be_linear_on_their_own_row_and_exist() {
    let secret_in = |rotation: i32, square: bool| {
        let mut meta = ConstraintSystem::<Fr>::default();
        let (column, weight) = (meta.advice_column(), meta.fixed_column());
        meta.create_gate("weighted", |meta| {
            let cell = meta.query_advice(column, Rotation::cur());
            let weight = meta.query_fixed(weight, Rotation(rotation));
            let product = cell * weight.clone();
            vec![if square { product * weight } else { product }]
        });
        Protocol::new(&meta, &[0], Opening::COLUMNS)
    };
    assert!(secret_in(0, false).is_ok());
    let error = secret_in(0, true).expect_err("a square");
    assert!(matches!(error, ProtocolError::NotLinear { .. }), "{error}");
    let error = secret_in(1, false).expect_err("another row");
    assert!(
        matches!(error, ProtocolError::RotatedSecret { column: 0, rotation: 1, .. }),
        "{error}"
    );
    let error = Protocol::new(&system(|_| ()), &[9], Opening::COLUMNS).expect_err("no such column");
    assert!(matches!(error, ProtocolError::UnknownSecret { column: 9, columns: 2 }), "{error}");
}

#[test]
fn the_shape_id_depends_on_gates_but_not_on_their_names() {
    let with = |name: &'static str, factor: u64| {
        let cs = system(|meta| {
            let column = meta.advice_column();
            meta.create_gate(name, |meta| {
                vec![meta.query_advice(column, Rotation::cur()) * Fr::from(factor)]
            });
        });
        Protocol::new(&cs, &[], Opening::COLUMNS).expect("supported").shape_id()
    };
    assert_eq!(with("a", 3), with("b", 3));
    assert_ne!(with("a", 3), with("a", 4));
    let id = |secret: &[usize]| {
        Protocol::new(&system(|_| ()), secret, Opening::COLUMNS).expect("linear").shape_id()
    };
    assert_ne!(id(&[]), id(&[1]));
}

#[test]
fn keys_that_cannot_work_are_refused() {
    let instances = [Fr::from(5)];
    let circuit = Synthetic::new(&Spec::default(), 5, instances.to_vec(), 3);
    let keys = crate::harness::keys(5, &circuit, &[], Opening::COLUMNS);
    let (vk, srs) = (&keys.vk, &keys.srs);
    let (g2, s_g2) = (srs.g2(), srs.s_g2());
    let error = key_payload(vk, g2, s_g2, 40).expect_err("more instances than rows");
    assert!(matches!(error, ContractError::TooManyInstances { given: 40, usable: 26 }), "{error}");
    let error = key_payload(vk, G2Affine::identity(), s_g2, 1).expect_err("no generator");
    assert!(matches!(error, ContractError::IdentityPoint("G2")), "{error}");
    let error = key_payload(vk, g2, G2Affine::identity(), 1).expect_err("secret zero");
    assert!(matches!(error, ContractError::IdentityPoint("τ·G2")), "{error}");
}

#[test]
fn rotations_that_meet_at_this_k_are_refused() {
    let spec = Spec { rotations: vec![vec![0], vec![-16, 16]], ..Spec::default() };
    let instances = [Fr::from(5)];
    // At k = 6, −16 and 16 differ by 32 of 64 rows.
    let circuit = Synthetic::new(&spec, 6, instances.to_vec(), 3);
    let proven = prove(6, &circuit, (&[], Opening::COLUMNS), &instances);
    assert!(proven.accepts(&proven.call));
    // At k = 5 they are one point.
    let circuit = Synthetic::new(&spec, 5, instances.to_vec(), 3);
    let Keys { srs, vk, .. } = crate::harness::keys(5, &circuit, &[], Opening::COLUMNS);
    let error = key_payload(&vk, srs.g2(), srs.s_g2(), 1).expect_err("one point");
    assert!(
        matches!(error, ContractError::CoincidingRotations { first: -16, second: 16, k: 5 }),
        "{error}"
    );
}

#[test]
fn a_proof_of_wrong_length_or_content_has_no_evm_form() {
    let instances = [Fr::from(5)];
    let circuit = Synthetic::new(&Spec::default(), 5, instances.to_vec(), 3);
    let proven = prove(5, &circuit, (&[], Opening::COLUMNS), &instances);
    let vk = &proven.keys.vk;
    let bare = &proven.call.proof[..proven.call.proof.len() - 32];
    for proof in [&[][..], &bare[1..], &proven.call.proof] {
        let error = evm_proof(vk, &instances, proof).expect_err("wrong length");
        assert!(matches!(error, ProofError::Invalid(VerifyError::Length { .. })), "{error}");
    }
    let error = evm_proof(vk, &instances, &vec![0xff; bare.len()]).expect_err("no points");
    assert!(matches!(error, ProofError::Invalid(VerifyError::Malformed(_))), "{error}");
    let tau_g2 = proven.keys.srs.s_g2();
    let error = verify_evm_proof(&tau_g2, vk, 2, &instances, &proven.call.proof);
    assert!(matches!(error, Err(ProofError::InstanceCount { expected: 2, got: 1 })));
}

fn compile(source: &str, name: &str) -> Result<Bytecode, CompileError> {
    solc().compile(&StandardInput::new(source, Settings::default()), name)
}

#[test]
fn sources_that_do_not_compile_are_refused_with_solcs_words() {
    let source = "pragma solidity 0.8.34; contract C { function f() public { g(); } }";
    let error = compile(source, "C").expect_err("no g");
    assert!(matches!(&error, CompileError::Source(text) if text.contains("Undeclared")), "{error}");
    let source = "pragma solidity 0.8.34; contract C {}";
    let error = compile(source, "D").expect_err("no D");
    assert!(matches!(error, CompileError::Output { .. }), "{error}");
}

#[test]
fn code_above_the_limit_of_eip_170_is_refused() {
    let literal: String = (0..25_000).map(|i| format!("{:02x}", i % 251)).collect();
    let source = format!(
        "pragma solidity 0.8.34; contract C {{
            function f() external pure returns (bytes memory) {{ return hex\"{literal}\"; }}
        }}"
    );
    let error = compile(&source, "C").expect_err("too large");
    assert!(matches!(error, CompileError::CodeTooLarge { bytes } if bytes > 24_576), "{error}");
}
