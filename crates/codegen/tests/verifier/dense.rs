//! The dense circuit of `verdict_prover`: real networks, one contract a shape.

use std::sync::Arc;

use halo2curves::bn256::Fr;
use verdict_codegen::{compile::MAX_CODE_BYTES, gas_estimate, proof_length, shape_verifier};
use verdict_prover::{
    circuit::{DenseCircuit, Layout, Witness, constraint_system},
    network::{Layer, Network},
    shape::Shape,
};

use crate::harness::{Proven, compile, prove, send};

/// Runtime code that every dense shape must stay below.
const DENSE_CODE_BYTES: usize = 16 * 1024;

/// A shape with a small range table, quick to prove.
pub fn small_shape() -> Shape {
    Shape { limb_bits: 4, limbs: 6, shift_limbs: 2, lanes: 2, public_inputs: false }
}

/// Three inputs and `hidden` hidden values.
fn network(shape: &Shape, hidden: usize) -> Network {
    let layer = |inputs: usize, outputs: usize| Layer {
        node: "layer".into(),
        inputs,
        outputs,
        weights: (0..inputs * outputs).map(|i| (i as i64 * 37) % 41 - 20).collect(),
        bias: (0..outputs).map(|i| 5_000 + 100 * i as i64).collect(),
        knots_of: vec![],
    };
    let network = Network {
        inputs: 3,
        input_bits: 12,
        shift_bits: shape.shift_bits(),
        layers: vec![layer(3, hidden), layer(hidden, 2)],
    };
    network.validate(shape.accumulator_bits()).expect("the network fits its shape");
    network
}

/// A proof of a small network in `shape`.
pub fn dense(shape: Shape, hidden: usize) -> Proven {
    let network = network(&shape, hidden);
    let layout = Arc::new(Layout::new(&network, shape).expect("a small network"));
    let witness =
        Witness::new(&layout, &network, &[1234, 4095, 40], Fr::from(77)).expect("in range");
    let instances = witness.instances.clone();
    let k = layout.k;
    prove(k, &DenseCircuit::with_witness(layout, Arc::new(witness)), &instances)
}

#[test]
fn networks_of_one_shape_share_a_contract() {
    let small = dense(small_shape(), 4);
    let large = dense(small_shape(), 60);
    assert_eq!(small.verifier(), large.verifier());
    assert_ne!(small.pk.get_vk().get_domain().k(), large.pk.get_vk().get_domain().k());
    let bytecode = compile(&small.verifier());
    for proven in [small, large] {
        assert!(proven.accepts(&proven.call));
        assert!(send(&bytecode.runtime, &proven.call).accepted());
    }
}

#[test]
fn the_verifier_is_known_before_any_key() {
    let proven = dense(small_shape(), 4);
    let cs = constraint_system(&small_shape());
    assert_eq!(shape_verifier(&cs).expect("supported"), proven.verifier());
    assert_eq!(proof_length(&cs).expect("supported"), proven.call.proof.len());
}

/// Prints the figures that the documentation quotes:
/// cargo nextest run --release -p verdict-codegen gas --no-capture
#[test]
fn gas_and_code_size_are_as_estimated() {
    let shape = |lanes, public_inputs| Shape { lanes, public_inputs, ..small_shape() };
    let default = |lanes| Shape { lanes, ..Shape::default() };
    for shape in [shape(1, false), shape(2, false), shape(1, true), default(3), default(16)] {
        // Every lane gets a weight: zero evaluations would make the calldata cheaper.
        let proven = dense(shape, 4 * shape.lanes);
        let bytecode = compile(&proven.verifier());
        let gas = send(&bytecode.runtime, &proven.call).gas();
        let estimate =
            gas_estimate(proven.pk.get_vk().cs(), proven.num_instances).expect("supported");
        let opened = 6 + 4 + shape.lanes + 1 + 2;
        println!(
            "{shape}: {opened} commitments, {gas} gas (estimate {estimate}), {} bytes of code, {} of proof",
            bytecode.runtime.len(),
            proven.call.proof.len()
        );
        assert!(gas.abs_diff(estimate) * 100 < gas, "{shape}: {gas} gas, estimate {estimate}");
        assert!(bytecode.runtime.len() < DENSE_CODE_BYTES);
        // 21,000 the transaction, 113,000 the pairing, three multiplications of the
        // opening, two points and the key; then a multiplication, an addition, an
        // evaluation a commitment.
        assert!(gas <= 180_000 + 7_000 * opened as u64, "{shape}: {gas}");
    }
}

#[test]
fn the_widest_dense_shape_fits_a_contract() {
    let cs = constraint_system(&Shape { lanes: 64, ..Shape::default() });
    let bytecode = compile(&shape_verifier(&cs).expect("supported"));
    println!("64 lanes: {} bytes of code", bytecode.runtime.len());
    assert!(bytecode.runtime.len() < DENSE_CODE_BYTES.min(MAX_CODE_BYTES));
}
