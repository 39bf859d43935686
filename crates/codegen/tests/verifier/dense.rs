//! The dense circuit of `verdict_prover`: real networks, one contract a shape.

use std::sync::Arc;

use halo2curves::bn256::Fr;
use verdict_codegen::{compile::MAX_CODE_BYTES, gas_estimate, proof_length, shape_verifier};
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness, secret_columns},
    graph::{Convolution, Linear, LinearMap, TensorId},
    integer::{IntegerGraph, IntegerNode, IntegerOp, IntegerTensor},
    keys::protocol,
    plan::Opening,
    shape::{GraphShape, Shape},
};

use crate::harness::{OPENINGS, Proven, compile, prove, send};

/// Runtime code that every dense shape must stay below.
const DENSE_CODE_BYTES: usize = 16 * 1024;

/// A shape with a small range table, quick to prove.
pub fn small_shape() -> Shape {
    Shape { limb_bits: 4, limbs: 6, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

/// Three inputs and `hidden` hidden values.
fn network(shape: &Shape, hidden: usize) -> IntegerGraph {
    let layer = |inputs: usize, outputs: usize| {
        let weights = (0..inputs * outputs).map(|i| (i as i64 * 37) % 41 - 20).collect();
        (weights, (0..outputs).map(|i| 5_000 + 100 * i as i64).collect())
    };
    let layers = [layer(3, hidden), layer(hidden, 2)];
    let network = IntegerGraph::chain(shape.value_bits(), shape.shift_bits(), 3, layers);
    network
        .validate(shape.accumulator_bits(), shape.value_bits())
        .expect("the network fits its shape");
    network
}

/// A proof of a small network in `shape`, its columns in groups.
pub fn dense(shape: Shape, hidden: usize) -> Proven {
    dense_opened(shape, hidden, Opening::folded(8))
}

/// The same, opened in any way.
pub fn dense_opened(shape: Shape, hidden: usize, opening: Opening) -> Proven {
    let network = network(&shape, hidden);
    let layout = Arc::new(Layout::new(&network, shape).expect("a small network"));
    let witness =
        Witness::new(&layout, &network, &[1234, 4095, 40], Fr::from(77)).expect("in range");
    let instances = witness.instances.clone();
    let k = layout.k;
    let circuit = ModelCircuit::with_witness(layout, Arc::new(witness));
    prove(k, &circuit, (&secret_columns(&shape), opening), &instances)
}

#[test]
fn networks_of_one_shape_share_a_contract() {
    let small = dense(small_shape(), 4);
    let large = dense(small_shape(), 60);
    assert_eq!(small.verifier(), large.verifier());
    assert_ne!(small.keys.vk.k(), large.keys.vk.k());
    let bytecode = compile(&small.verifier());
    for proven in [small, large] {
        assert!(proven.accepts(&proven.call));
        assert!(send(&bytecode.runtime, &proven.call).accepted());
    }
}

#[test]
fn the_verifier_is_known_before_any_key() {
    for opening in OPENINGS {
        let proven = dense_opened(small_shape(), 4, opening);
        let protocol = protocol(&small_shape(), opening).expect("supported");
        assert_eq!(shape_verifier(&protocol).expect("it renders"), proven.verifier());
        assert_eq!(proof_length(&protocol), proven.call.proof.len());
    }
}

/// Prints the figures that the documentation quotes:
/// cargo nextest run --release -p verdict-codegen gas --no-capture
#[test]
fn gas_and_code_size_are_as_estimated() {
    let shape = |lanes, public_inputs| Shape { lanes, public_inputs, ..small_shape() };
    let default = |lanes| Shape { lanes, ..Shape::default() };
    let graph = |limb_columns, packed, shape: Shape| Shape {
        graph: Some(GraphShape::new(limb_columns, packed)),
        ..shape
    };
    let shapes = [
        shape(1, false),
        shape(2, false),
        shape(1, true),
        default(3),
        default(16),
        graph(1, 10, shape(1, false)),
        graph(3, 4, shape(2, true)),
        graph(5, 4, default(8)),
    ];
    for (shape, opening) in shapes.into_iter().flat_map(|s| OPENINGS.map(|opening| (s, opening))) {
        // Bases for groups of thousands of rows take long.
        if opening != Opening::COLUMNS && shape.limb_bits > 4 {
            continue;
        }
        // Every lane gets a weight: zero evaluations would make the calldata cheaper.
        let proven = dense_opened(shape, 4 * shape.lanes, opening);
        let bytecode = compile(&proven.verifier());
        let gas = send(&bytecode.runtime, &proven.call).gas();
        let protocol = proven.keys.vk.protocol();
        let estimate = gas_estimate(protocol, proven.num_instances);
        let multiplied = protocol.multiplications();
        println!(
            "{shape}, {opening}: {multiplied} multiplications, {gas} gas (estimate {estimate}), {} bytes of code, {} of proof",
            bytecode.runtime.len(),
            proven.call.proof.len()
        );
        assert!(gas.abs_diff(estimate) * 100 < gas, "{shape}: {gas} gas, estimate {estimate}");
        assert!(bytecode.runtime.len() < DENSE_CODE_BYTES);
        // 21,000 the transaction, 113,000 the pairing, the opening's points and the key; then a
        // multiplication and an addition a commitment, calldata and gates a value.
        let values = protocol.num_evaluations();
        let limit = 148_000 + 7_150 * multiplied as u64 + 900 * values as u64;
        assert!(gas <= limit, "{shape}, {opening}: {gas}, {limit}");
    }
}

/// What the planner takes for the credit models with `--optimize gas`, in an EVM.
#[test]
fn a_folded_credit_model_is_verified_for_the_gas_promised() {
    let shape = Shape { limb_bits: 9, limbs: 4, lanes: 1, ..small_shape() };
    let proven = dense(shape, 4);
    let bytecode = compile(&proven.verifier());
    let gas = send(&bytecode.runtime, &proven.call).gas();
    println!("{shape}: {gas} gas, {} instances", proven.num_instances);
    assert!(gas <= 212_000, "{gas}");
    assert!(bytecode.runtime.len() <= 12 * 1024);
}

#[test]
fn the_widest_dense_shape_fits_a_contract() {
    for opening in OPENINGS {
        let shape = Shape { lanes: 64, ..Shape::default() };
        let protocol = protocol(&shape, opening).expect("supported");
        let bytecode = compile(&shape_verifier(&protocol).expect("it renders"));
        println!("64 lanes, {opening}: {} bytes of code", bytecode.runtime.len());
        assert!(bytecode.runtime.len() < DENSE_CODE_BYTES.min(MAX_CODE_BYTES));
    }
}

/// A convolution in one variable, whose results are added to what it reads and to another
/// input, and stated together with themselves.
fn residual(shape: &Shape) -> IntegerGraph {
    let convolution = LinearMap::Convolution(Convolution {
        batch: 1,
        groups: 1,
        in_channels: 2,
        out_channels: 2,
        in_size: [1, 6],
        out_size: [1, 6],
        kernel: [1, 3],
        strides: [1, 1],
        pads: [0, 1],
        dilations: [1, 1],
        weights: vec![9, -7, 30, 2, 2, 40, -10, 8, 90, 1, 1, 1],
    });
    let factor = 1 << shape.shift_bits();
    let node = |name: &str, maps, inputs: &[usize], output| IntegerNode {
        name: name.into(),
        op: IntegerOp::Linear(Linear { maps, bias: vec![300; 12] }),
        inputs: inputs.iter().copied().map(TensorId).collect(),
        output: TensorId(output),
    };
    let identity = LinearMap::Diagonal(vec![factor; 12]);
    let twelfth = LinearMap::Dense { positions: 6, inputs: 1, outputs: 2, weights: vec![5, -6] };
    let tensor = |name: &str, len| IntegerTensor { name: name.into(), len };
    IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![
            tensor("signal", 12),
            tensor("gain", 6),
            tensor("conv", 12),
            tensor("sum", 12),
        ],
        inputs: vec![TensorId(0), TensorId(1)],
        private: vec![],
        nodes: vec![
            node("conv", vec![convolution], &[0], 2),
            node("add", vec![LinearMap::Diagonal(vec![3; 12]), identity, twelfth], &[0, 2, 1], 3),
        ],
        outputs: vec![TensorId(3), TensorId(2)],
    }
}

#[test]
fn a_batch_costs_little_more_gas_than_one_inference() {
    let gas = |batch: usize| {
        let graph = Some(GraphShape { batch, ..GraphShape::new(2, 4) });
        let shape = Shape { public_inputs: false, graph, ..small_shape() };
        let model = network(&shape, 4);
        let layout = Arc::new(Layout::new(&model, shape).expect("small"));
        let inputs: Vec<Vec<i64>> =
            (0..batch as i64).map(|t| vec![1234 + 3000 * t, 4095, 40]).collect();
        let witness =
            Witness::batch(&layout, &model, &inputs, &[], Fr::from(77)).expect("in range");
        let instances = witness.instances.clone();
        let circuit = ModelCircuit::with_witness(layout.clone(), Arc::new(witness.clone()));
        let proven =
            prove(layout.k, &circuit, (&secret_columns(&shape), Opening::folded(8)), &instances);
        assert!(proven.accepts(&proven.call));
        let bytecode = compile(&proven.verifier());
        let gas = send(&bytecode.runtime, &proven.call).gas();
        // Results of two inferences exchanged, and one that none has.
        for swap in [true, false] {
            let mut cheating = witness.clone();
            if swap && batch > 1 {
                cheating.instances.swap(1, batch);
                assert_ne!(cheating, witness);
            } else {
                cheating.instances[batch] += Fr::one();
            }
            let instances = cheating.instances.clone();
            let circuit = ModelCircuit::with_witness(layout.clone(), Arc::new(cheating));
            let proven = prove(
                layout.k,
                &circuit,
                (&secret_columns(&shape), Opening::folded(8)),
                &instances,
            );
            assert!(!proven.accepts(&proven.call), "{batch}");
            assert!(!send(&bytecode.runtime, &proven.call).accepted(), "{batch}");
        }
        (gas, instances.len())
    };
    let ((one, few), (batch, many)) = (gas(1), gas(16));
    println!("one inference: {one} gas, {few} words; 16: {batch} gas, {many} words");
    // Facts: an instance is about 430 gas, calldata included where its bytes are not zero.
    let words = 700 * (many - few) as u64;
    assert!(batch <= one * 115 / 100 + words, "{batch}, {one}");
}

#[test]
fn a_graph_with_a_convolution_and_a_residual_is_verified_on_chain() {
    let graph = Some(GraphShape::new(3, 7));
    let shape = Shape { public_inputs: true, graph, ..small_shape() };
    let model = residual(&shape);
    model.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
    let inputs: Vec<i64> = (0..18).map(|i| (i * 9973) % 65_536).collect();
    let layout = Arc::new(Layout::new(&model, shape).expect("small"));
    let witness = Witness::new(&layout, &model, &inputs, Fr::from(7)).expect("in range");
    // The context, 18 inputs of 16 bits, 15 a word, and 24 outputs.
    let instances = witness.instances.clone();
    assert_eq!(instances.len(), 1 + 2 + 24);
    assert_eq!(
        instances[3..],
        witness.outputs.iter().map(|x| Fr::from(*x as u64)).collect::<Vec<_>>()
    );
    let honest = prove(
        layout.k,
        &ModelCircuit::with_witness(layout.clone(), Arc::new(witness.clone())),
        (&secret_columns(&shape), Opening::folded(8)),
        &instances,
    );
    assert!(honest.accepts(&honest.call));
    let bytecode = compile(&honest.verifier());
    assert!(send(&bytecode.runtime, &honest.call).accepted());
    // A prover that states something else, in an input, a packed input or an output.
    for (index, change) in [(1, 1), (2, 1 << 32), (3, 1), (26, 1)] {
        let mut cheating = witness.clone();
        cheating.instances[index] += Fr::from(change);
        let instances = cheating.instances.clone();
        let circuit = ModelCircuit::with_witness(layout.clone(), Arc::new(cheating));
        let proven =
            prove(layout.k, &circuit, (&secret_columns(&shape), Opening::folded(8)), &instances);
        assert!(!proven.accepts(&proven.call), "word {index}");
        assert!(!send(&bytecode.runtime, &proven.call).accepted(), "word {index}");
    }
}
