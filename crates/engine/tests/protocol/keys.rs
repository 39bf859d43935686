//! Keys and strings of a protocol.

use super::{K, N, OPENINGS, setup, shape, small};
use halo2_proofs::SerdeFormat::RawBytes;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::Bn256;
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;
use verdict_engine::{Engine, EngineError, FixedColumns, Options, SrsPoints};
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::Opening;

#[test]
fn groups_are_part_of_the_key() {
    let (one, other) = (small(Opening::folded(4)), setup(shape(3, 2), 2, Opening::folded(8), 5));
    assert_ne!(one.vk.protocol().shape_id(), other.vk.protocol().shape_id());
    assert_ne!(one.vk.digest(), other.vk.digest());
}

#[test]
fn a_key_is_read_as_it_was_written_and_damage_is_found() {
    for setup in OPENINGS.map(small) {
        let bytes = setup.vk.to_bytes();
        let protocol = Arc::new(setup.vk.protocol().clone());
        let read = VerifyingKey::from_bytes(protocol.clone(), K, &bytes).expect("a key");
        assert_eq!(read.digest(), setup.vk.digest());
        assert!(VerifyingKey::from_bytes(protocol.clone(), K + 1, &bytes).is_err());
        let short = &bytes[..bytes.len() - 1];
        assert!(VerifyingKey::from_bytes(protocol.clone(), K, short).is_err());
        let mut off_curve = bytes;
        *off_curve.last_mut().expect("bytes") ^= 1;
        assert!(VerifyingKey::from_bytes(protocol, K, &off_curve).is_err());
    }
}

#[test]
fn columns_are_the_same_in_either_form() {
    for setup in OPENINGS.map(small) {
        let as_values = FixedColumns::from(&setup.pk);
        let protocol = Arc::new(setup.vk.protocol().clone());
        let prove = |fixed: &FixedColumns| {
            let (instances, rng) = (setup.instances(), StdRng::seed_from_u64(7));
            setup.engine.prove_circuit(&setup.vk, fixed, &setup.circuit, &instances, rng)
        };
        let proofs = [&as_values, &setup.fixed].map(|fixed| prove(fixed).expect("a proof"));
        assert!(proofs[0] == proofs[1]);
        for fixed in [&as_values, &setup.fixed] {
            let key = setup.engine.verifying_key(protocol.clone(), fixed).expect("a key");
            assert_eq!(key.digest(), setup.vk.digest());
            let halo2 = setup.engine.halo2_key(fixed).expect("of its size");
            assert!(halo2.to_bytes(RawBytes) == setup.pk.to_bytes(RawBytes));
        }
        // Of another number of rows, or another circuit's.
        let params = ParamsKZG::<Bn256>::setup(K + 1, StdRng::seed_from_u64(1));
        let larger = Engine::new(&params, Options::default()).expect("engine");
        let error = larger.prepare(as_values.clone(), &protocol).expect_err("of another size");
        assert!(matches!(error, EngineError::SizeMismatch { .. }));
        assert!(larger.verifying_key(protocol.clone(), &as_values).is_err());
        assert!(larger.halo2_key(&as_values).is_err());
        let other = super::setup(shape(3, 3), 2, Opening::COLUMNS, 5);
        assert!(matches!(prove(&other.fixed), Err(EngineError::FixedColumns { .. })));
        let error = setup.engine.verifying_key(protocol, &other.fixed).expect_err("another's");
        assert!(matches!(error, EngineError::FixedColumns { .. }));
    }
}

#[test]
fn a_string_too_short_is_said_in_words() {
    let setup = small(Opening::folded(4));
    let protocol = setup.vk.protocol();
    let short = ParamsKZG::<Bn256>::setup(K + 1, StdRng::seed_from_u64(1));
    let error = SrsPoints::new(short.get_g(), K, protocol).expect_err("too short");
    assert!(matches!(error, EngineError::StringTooShort { available, .. } if available == 2 * N));
    let needed = protocol.powers_needed(K);
    assert!(error.to_string().contains(&format!("take {needed} powers")));
    // An engine of too few powers, with bases that are long enough; and one without bases.
    let whole = SrsPoints::new(setup.params.get_g(), K, protocol).expect("long enough");
    let few = SrsPoints { powers: whole.powers[..N].to_vec(), ..whole.clone() };
    let mut unprepared = whole.clone();
    unprepared.folds.retain(|fold, _| *fold == 1);
    let prove = |points: &SrsPoints| {
        let engine = Engine::from_points(points, Options::default()).expect("engine");
        let rng = StdRng::seed_from_u64(0);
        let instances = setup.instances();
        engine.prove_circuit(&setup.vk, &setup.fixed, &setup.circuit, &instances, rng)
    };
    assert!(matches!(prove(&few), Err(EngineError::StringTooShort { .. })));
    assert!(matches!(prove(&unprepared), Err(EngineError::FoldedBases(fold)) if fold > 1));
    assert!(prove(&whole).is_ok());
    // Points that are not of the number they should be.
    let mut damaged = whole;
    damaged.folds.values_mut().for_each(|classes| classes.truncate(1));
    let engine = Engine::from_points(&damaged, Options::default());
    assert!(matches!(engine, Err(EngineError::FoldedBases(_))));
}
