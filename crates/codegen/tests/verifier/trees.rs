//! Paths through decision trees, in an EVM: what is refused there, and what shows.

use std::sync::Arc;

use halo2curves::bn256::Fr;
use rand::{Rng, rngs::StdRng};
use verdict_kzg::protocol::Opening;
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness, secret_columns},
    graph::TensorId,
    integer::{
        IntegerGraph, IntegerNode, IntegerOp, IntegerTensor, Selected, Tree, TreeNode, Trees,
    },
    shape::{GraphShape, Shape},
};

use crate::{
    dense::small_shape,
    harness::{Proven, compile, prove, send},
};

/// Twelve trees of two steps over four features, for two scores.
fn forest(shape: &Shape) -> IntegerGraph {
    let tree = |index: i64| {
        let node = |name: i64, feature: i64, right: i64| TreeNode {
            name,
            feature: (feature.rem_euclid(4)) as usize,
            threshold: (7001 * (index + feature)) % 65_000,
            right,
        };
        let (weight, right) = (40_000 * index, 1_000_000 + index);
        Tree {
            output: (index % 2) as usize,
            depth: 2,
            nodes: vec![
                node(0, index, right),
                node(1, index + 1, weight),
                node(right, 2 * index + 3, -weight),
            ],
        }
    };
    let features = [3, 1, 0, 2].map(|index| Selected { input: 0, index });
    let trees = Trees {
        features: features.to_vec(),
        bias: vec![2_000_000, 3_000_000],
        trees: (0..12).map(tree).collect(),
    };
    let tensor = |name: &str, len| IntegerTensor { name: name.into(), len };
    let node = IntegerNode {
        name: "forest".into(),
        op: IntegerOp::Trees(trees),
        inputs: vec![TensorId(0)],
        output: TensorId(1),
    };
    let graph = IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![tensor("x", 4), tensor("scores", 2)],
        inputs: vec![TensorId(0)],
        private: vec![],
        nodes: vec![node],
        outputs: vec![TensorId(1)],
    };
    graph.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
    graph
}

fn shape(node_lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { node_lanes, batch, ..GraphShape::new(4, 4) });
    Shape { graph, ..small_shape() }
}

fn proven(
    (shape, opening): (Shape, Opening),
    inputs: &[Vec<i64>],
    change: Option<usize>,
) -> Proven {
    let model = forest(&shape);
    let layout = Arc::new(Layout::new(&model, shape).expect("small"));
    let mut witness = Witness::batch(&layout, &model, inputs, &[], Fr::from(7)).expect("in range");
    let outputs: Vec<Vec<i64>> =
        inputs.iter().map(|own| model.run(own).expect("in range").outputs).collect();
    let stated: Vec<i64> = (0..2).flat_map(|o| outputs.iter().map(move |own| own[o])).collect();
    assert_eq!(witness.outputs, stated);
    if let Some(index) = change {
        witness.instances[index] += Fr::one();
    }
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(layout.clone(), Arc::new(witness));
    prove(layout.k, &circuit, (&secret_columns(&shape), opening), &instances)
}

/// A forest on random inputs, and a proof of another score: its shape, and both.
pub fn random(rng: &mut StdRng, opening: Opening) -> (Shape, Proven, Proven) {
    let batch = rng.gen_range(1..=3);
    let shape = shape(rng.gen_range(1..=2), batch);
    let inputs: Vec<Vec<i64>> =
        (0..batch).map(|_| (0..4).map(|_| rng.gen_range(0..65_536)).collect()).collect();
    let changed = rng.gen_range(1..=2 * batch);
    let way = (shape, opening);
    (shape, proven(way, &inputs, None), proven(way, &inputs, Some(changed)))
}

#[test]
fn paths_are_verified_on_chain_and_show_nothing_but_the_scores() {
    let (columns, folded) = (Opening::COLUMNS, Opening::folded(8));
    for (node_lanes, batch, opening) in [(1, 1, columns), (1, 1, folded), (2, 2, folded)] {
        let shape = shape(node_lanes, batch);
        let inputs = |seed: i64| -> Vec<Vec<i64>> {
            let input = |t: i64| (0..4).map(|i| (seed + 9973 * (i + t) * seed) % 65_536).collect();
            (0..batch as i64).map(input).collect()
        };
        let proofs = [11, 901].map(|seed| proven((shape, opening), &inputs(seed), None));
        let bytecode = compile(&proofs[0].verifier());
        assert!(bytecode.runtime.len() <= 16 * 1024, "{} bytes", bytecode.runtime.len());
        for proof in &proofs {
            assert!(proof.accepts(&proof.call));
            let outcome = send(&bytecode.runtime, &proof.call);
            assert!(outcome.accepted(), "{shape}");
            println!("{shape} {opening}: {} gas, {} bytes", outcome.gas(), bytecode.runtime.len());
            // One key, one contract, one length of everything that is sent.
            assert_eq!(proof.verifier(), proofs[0].verifier());
            assert_eq!(proof.call.calldata().len(), proofs[0].call.calldata().len());
            assert_eq!(proof.keys.vk.to_bytes(), proofs[0].keys.vk.to_bytes());
        }
        // Nodes of trees are in secret columns, which no proof opens.
        let protocol = verdict_prover::keys::protocol(&shape, opening).expect("supported");
        let secret = secret_columns(&shape);
        assert_eq!(secret.len(), shape.lanes + 2 * node_lanes);
        assert!(protocol.fixed_queries.iter().all(|(column, _)| !secret.contains(column)));
        for index in 1..=2 * batch {
            let proof = proven((shape, opening), &inputs(11), Some(index));
            assert!(!proof.accepts(&proof.call), "score {index}");
            assert!(!send(&bytecode.runtime, &proof.call).accepted(), "score {index}");
        }
    }
}
