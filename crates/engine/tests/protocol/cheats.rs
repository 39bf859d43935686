//! Dishonest provers: what they set, in both ways of opening.

use super::textbook::Cheat;
use super::{K, N, OPENINGS, blinded_otherwise, setup, shape, small};
use ff::Field;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine};
use std::sync::Arc;
use verdict_kzg::field::{domain_generator, lagrange_basis, rotate};
use verdict_kzg::key::{VerifyingKey, g1_bytes};
use verdict_kzg::protocol::Opening;
use verdict_kzg::transcript::to_be_bytes;
use verdict_kzg::verify::{Linearisation, VerifyError, read_proof, verify};

#[test]
fn values_of_two_columns_or_two_rotations_do_not_change_places() {
    let setup = small(Opening::folded(4));
    let protocol = setup.vk.protocol();
    let group = protocol.groups().find(|g| g.fold() > 1 && g.rotations.len() > 1);
    let group = group.expect("a group of several columns and rotations");
    let place = |column: usize, rotation: usize| {
        protocol
            .value_index(group.columns[column], group.rotations[rotation])
            .expect("a value of the proof")
    };
    for (a, b) in [(place(0, 0), place(1, 0)), (place(0, 0), place(0, 1))] {
        setup.refuses(&Cheat { values: Some(&|values| values.swap(a, b)), ..Cheat::default() });
    }
    // Of two columns that are no group.
    let setup = small(Opening::COLUMNS);
    let class = setup.vk.protocol().classes.iter().find(|class| class.groups.len() > 1);
    assert!(class.is_some());
    for a in 1..setup.vk.protocol().num_evaluations() {
        setup.refuses(&Cheat { values: Some(&|values| values.swap(0, a)), ..Cheat::default() });
    }
}

/// Every value is bound, those included that no gate reads.
#[test]
fn no_value_can_be_chosen() {
    for setup in OPENINGS.map(small) {
        for index in 0..setup.vk.protocol().num_evaluations() {
            let change = |values: &mut Vec<Fr>| values[index] += Fr::ONE;
            setup.refuses(&Cheat { values: Some(&change), ..Cheat::default() });
        }
    }
}

/// Within a group, a value moved from one column to the next so that the remainder stays
/// the same at the point u of another transcript; between single columns, so that the
/// combination stays the same under its v.
#[test]
fn values_that_agree_at_an_old_challenge_are_refused() {
    for (setup, opening) in OPENINGS.map(|opening| (small(opening), opening)) {
        let (protocol, instances) = (setup.vk.protocol(), setup.instances());
        let honest = setup.textbook(0, &Cheat::default());
        let old = read_proof(&setup.vk, &instances, &honest).expect("a proof");
        let groups: Vec<_> = protocol.groups().collect();
        let (first, second, factor) = if opening == Opening::COLUMNS {
            let class = protocol.classes.iter().find(|class| class.groups.len() > 1);
            let class = class.expect("two columns opened alike");
            let column = |at: usize| groups[class.groups[at]].columns[0];
            let at = class.rotations[0];
            ((column(0), at), (column(1), at), old.challenges.v)
        } else {
            let group = groups.iter().find(|group| group.fold() > 1).expect("a group");
            let at = group.rotations[0];
            ((group.columns[0], at), (group.columns[1], at), old.challenges.u)
        };
        let place = |(column, at)| protocol.value_index(column, at).expect("a value");
        let (first, second) = (place(first), place(second));
        let change = |values: &mut Vec<Fr>| {
            values[first] += factor;
            values[second] -= Fr::ONE;
        };
        setup.refuses(&Cheat { values: Some(&change), ..Cheat::default() });
        // The same words in the honest proof: each challenge after them is another.
        let start = 64 * (protocol.num_points() - 2);
        let mut proof = honest.clone();
        let mut words: Vec<Fr> = old.values;
        change(&mut words);
        for (index, word) in words.iter().enumerate() {
            proof[start + 32 * index..][..32].copy_from_slice(&to_be_bytes(word));
        }
        assert!(matches!(setup.verify(&proof), Err(VerifyError::Rejected)));
    }
}

#[test]
fn a_group_with_a_column_too_many_is_refused() {
    for setup in OPENINGS.map(small) {
        setup.refuses(&Cheat { wider: true, ..Cheat::default() });
    }
}

/// A column may have more coefficients than rows: what counts are its values on the rows.
#[test]
fn a_higher_degree_makes_no_false_statement_true() {
    for setup in OPENINGS.map(small) {
        let mut high = vec![Fr::ZERO; N + 1];
        high[N] = Fr::ONE;
        // X^n is 1 on every row: a false witness.
        setup.refuses(&Cheat { column: high.clone(), ..Cheat::default() });
        // X^n − 1 is 0 on every row: the same witness.
        high[0] = -Fr::ONE;
        let proof = setup.textbook(0, &Cheat { column: high, ..Cheat::default() });
        setup.verify(&proof).expect("the statement is true");
    }
}

#[test]
fn another_quotient_is_refused() {
    for setup in OPENINGS.map(small) {
        for exponent in [0, N, 4 * N] {
            let mut quotient = vec![Fr::ZERO; exponent];
            quotient.push(Fr::ONE);
            setup.refuses(&Cheat { quotient, ..Cheat::default() });
        }
    }
}

/// A point moved from a secret column's commitment to the quotient's, so that the
/// linearisation stays what it was under the old challenges.
#[test]
fn nothing_moves_between_a_secret_column_and_the_quotient() {
    for setup in OPENINGS.map(small) {
        let (protocol, instances) = (setup.vk.protocol(), setup.instances());
        let proof = setup.prove(0);
        let read = read_proof(&setup.vk, &instances, &proof).expect("a proof");
        let challenges = &read.challenges;
        let [advice, fixed] = protocol.query_values(&read.values);
        let instance = |rotation: &i32| {
            let point = challenges.x * rotate(domain_generator(K), K, *rotation);
            let basis = lagrange_basis(K, point);
            instances.iter().zip(basis).map(|(value, weight)| *value * weight).sum()
        };
        let at_x: Vec<Fr> = protocol.instance_queries.iter().map(instance).collect();
        let values = [&advice[..], &fixed, &at_x];
        let linear = Linearisation::new(protocol, &challenges.circuit, challenges.y, values);
        let scale = challenges.x.pow_vartime([N as u64]) - Fr::ONE;
        let scale = scale.invert().expect("x is no row");
        let shift = G1Affine::generator() * Fr::from(7);
        let mut secret = setup.vk.secret().to_vec();
        secret[0] = (shift + secret[0]).to_affine();
        let quotient = (shift * (linear.secret[0].1 * scale) + read.quotient[0]).to_affine();
        let start = 64 * read.groups.len();
        let mut moved = proof.clone();
        moved[start..start + 64].copy_from_slice(&g1_bytes(&quotient));
        let groups = setup.vk.groups().to_vec();
        let other =
            VerifyingKey::new(Arc::new(protocol.clone()), K, groups, secret).expect("a key");
        for key in [&setup.vk, &other] {
            for proof in [&proof, &moved] {
                let verdict = verify(key, &setup.params.s_g2(), &instances, proof);
                let honest = std::ptr::eq(key, &setup.vk) && !std::ptr::eq(proof, &moved);
                assert_eq!(verdict.is_ok(), honest);
            }
        }
    }
}

#[test]
fn another_keys_secret_columns_and_other_instances_are_refused() {
    for opening in OPENINGS {
        let (setup, other) = (small(opening), blinded_otherwise(opening));
        assert_eq!(setup.vk.groups(), other.vk.groups());
        assert_ne!(setup.vk.secret(), other.vk.secret());
        let proof = setup.prove(0);
        assert!(matches!(other.verify(&proof), Err(VerifyError::Rejected)));
        let mut instances = setup.instances();
        instances[1] += Fr::ONE;
        let verdict = verify(&setup.vk, &setup.params.s_g2(), &instances, &proof);
        assert!(matches!(verdict, Err(VerifyError::Rejected)));
    }
}

/// Every word changed by one.
#[test]
fn every_word_of_a_proof_counts() {
    for setup in OPENINGS.map(small) {
        let proof = setup.prove(0);
        for word in 0..proof.len() / 32 {
            let mut mutant = proof.clone();
            mutant[32 * word + 31] ^= 1;
            assert!(setup.verify(&mutant).is_err(), "word {word}");
        }
        assert!(matches!(setup.verify(&proof[32..]), Err(VerifyError::Length { .. })));
    }
}

/// A proof of one way of opening is none of another, whose groups have the same columns.
#[test]
fn proofs_of_another_opening_are_refused() {
    let openings =
        [1, 2, 4].map(Opening::folded).into_iter().chain([Opening::COLUMNS]).collect::<Vec<_>>();
    let setups: Vec<_> =
        openings.iter().map(|opening| setup(shape(3, 2), 2, *opening, 5)).collect();
    for (i, one) in setups.iter().enumerate() {
        let proof = one.prove(0);
        for (j, other) in setups.iter().enumerate() {
            assert_eq!(other.verify(&proof).is_ok(), i == j);
        }
    }
}
