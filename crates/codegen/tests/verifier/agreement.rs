//! Good proofs of circuits of many shapes are accepted by Rust and by the EVM.

use halo2curves::bn256::Fr;
use verdict_codegen::{compile::Bytecode, gas_estimate};
use verdict_kzg::protocol::Opening;

use crate::{
    harness::{OPENINGS, Proven, compile, prove, send},
    synthetic::{Spec, Synthetic},
};

fn instances(count: usize) -> Vec<Fr> {
    (0..count as u64).map(|i| Fr::from(1000 + i * i)).collect()
}

fn proven(spec: &Spec, k: u32, num_instances: usize, opening: Opening) -> Proven {
    let instances = instances(num_instances);
    let circuit = Synthetic::new(spec, k, instances.clone(), 3);
    prove(k, &circuit, (&spec.secret_columns(), opening), &instances)
}

fn accepted(bytecode: &Bytecode, proven: &Proven) -> u64 {
    assert!(proven.accepts(&proven.call), "Rust refuses a good proof");
    let outcome = send(&bytecode.runtime, &proven.call);
    assert!(outcome.accepted(), "the EVM refuses a good proof: {outcome:?} {}", outcome.error());
    outcome.gas()
}

/// Proves at each (k, number of instances), its columns opened in each way, and verifies with
/// one contract a way.
fn all_accepted(spec: &Spec, circuits: &[(u32, usize)]) {
    for opening in OPENINGS {
        accepted_by_one(spec, circuits, opening);
    }
}

fn accepted_by_one(spec: &Spec, circuits: &[(u32, usize)], opening: Opening) {
    let mut bytecode = None;
    for (k, num_instances) in circuits {
        let proven = proven(spec, *k, *num_instances, opening);
        let bytecode = bytecode.get_or_insert_with(|| compile(&proven.verifier()));
        let gas = accepted(bytecode, &proven);
        let estimate = gas_estimate(proven.keys.vk.protocol(), *num_instances);
        let size = bytecode.runtime.len();
        println!("{size} bytes of code, {gas} gas (estimate {estimate}), {opening}: {spec:?}");
        assert!(gas.abs_diff(estimate) * 100 < gas, "{gas} gas, estimate {estimate}: {spec:?}");
    }
}

#[test]
fn one_phase_and_one_instance() {
    all_accepted(&Spec::default(), &[(5, 1)]);
}

#[test]
fn one_contract_serves_every_k_and_number_of_instances() {
    all_accepted(&Spec::default(), &[(5, 1), (6, 0), (7, 1), (6, 40)]);
}

#[test]
fn two_phases_with_challenges() {
    let spec = Spec { challenges: 2, results: 3, ..Spec::default() };
    all_accepted(&spec, &[(5, 2)]);
}

#[test]
fn rotations_of_both_signs_in_many_rotation_sets() {
    let spec = Spec {
        inputs: 5,
        challenges: 1,
        fixed: 2,
        rotations: vec![vec![0, 1], vec![-1, 0, 2], vec![3], vec![0, -2, -1, 1, 4, 5], vec![1, 0]],
        fixed_rotations: vec![0, -3],
        ..Spec::default()
    };
    all_accepted(&spec, &[(6, 3)]);
}

#[test]
fn instances_read_at_several_rotations() {
    let spec = Spec { instance: Some(vec![0, 1, -2]), ..Spec::default() };
    all_accepted(&spec, &[(5, 7)]);
}

#[test]
fn no_instance_column_at_all() {
    let spec = Spec { instance: None, degree: 4, ..Spec::default() };
    all_accepted(&spec, &[(5, 0)]);
}

#[test]
fn an_instance_column_that_no_gate_reads() {
    let spec = Spec { instance: Some(Vec::new()), ..Spec::default() };
    all_accepted(&spec, &[(5, 2)]);
}

#[test]
fn gates_of_degree_four_and_many_columns() {
    let spec =
        Spec { inputs: 6, results: 4, fixed: 5, degree: 4, challenges: 3, ..Spec::default() };
    all_accepted(&spec, &[(5, 1)]);
}

#[test]
fn gates_of_degree_five() {
    let spec = Spec { inputs: 1, degree: 5, ..Spec::default() };
    all_accepted(&spec, &[(5, 1)]);
}

#[test]
fn secret_columns_in_several_gates() {
    for secret in [1, 3] {
        let spec =
            Spec { inputs: 3, results: 3, fixed: 3, secret, challenges: 1, ..Spec::default() };
        all_accepted(&spec, &[(5, 1), (6, 2)]);
    }
}

#[test]
fn an_empty_secret_column_commits_to_infinity() {
    let spec = Spec { fixed: 2, secret: 1, ..Spec::default() };
    let instances = instances(1);
    let mut circuit = Synthetic::new(&spec, 5, instances.clone(), 3);
    circuit.empty_fixed = true;
    for opening in OPENINGS {
        let proven = prove(5, &circuit, (&spec.secret_columns(), opening), &instances);
        accepted(&compile(&proven.verifier()), &proven);
    }
}

#[test]
fn an_empty_fixed_column_commits_to_infinity() {
    let spec = Spec { fixed: 2, ..Spec::default() };
    let instances = instances(1);
    let mut circuit = Synthetic::new(&spec, 5, instances.clone(), 3);
    circuit.empty_fixed = true;
    for opening in OPENINGS {
        let proven = prove(5, &circuit, (&spec.secret_columns(), opening), &instances);
        accepted(&compile(&proven.verifier()), &proven);
    }
}
