//! Large models are read in seconds; folding that would blow a model up is refused.

use std::time::Instant;

use super::protobuf::{field, forest, number};
use verdict_prover::{
    graph::{Node, Op},
    onnx::{
        self, LoadOptions,
        crosscheck::{Reading, crosscheck},
    },
};

/// An ONNX model: x, then MatMul by a matrix of small weights for each pair of
/// consecutive sizes, with Relu between them if asked for.
fn matmuls(sizes: &[usize], relu: bool) -> Vec<u8> {
    let mut graph = vec![];
    let mut node = |op: &str, inputs: &[&str], output: &str| {
        let names: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
        let node = [names, field(2, output.as_bytes()), field(4, op.as_bytes())].concat();
        graph.extend(field(1, &node));
    };
    let mut value = "x".to_owned();
    for i in 1..sizes.len() {
        node("MatMul", &[&value, &format!("w{i}")], &format!("h{i}"));
        value = format!("h{i}");
        if relu && i + 1 < sizes.len() {
            node("Relu", &[&value], &format!("r{i}"));
            value = format!("r{i}");
        }
    }
    for (i, pair) in sizes.windows(2).enumerate() {
        let weight = |at: usize| ((at * 7919 % 201) as f32 - 100.0) / 4096.0;
        let raw: Vec<u8> = (0..pair[0] * pair[1]).flat_map(|at| weight(at).to_le_bytes()).collect();
        let head = [number(1, pair[0] as i64), number(1, pair[1] as i64), number(2, 1)].concat();
        let name = field(8, format!("w{}", i + 1).as_bytes());
        graph.extend(field(5, &[head, name, field(9, &raw)].concat()));
    }
    let info = |name: &str, width: usize| {
        let dims = [field(1, &number(1, 1)), field(1, &number(1, width as i64))].concat();
        let tensor = [number(1, 1), field(2, &dims)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    graph.extend(field(11, &info("x", sizes[0])));
    graph.extend(field(12, &info(&value, sizes[sizes.len() - 1])));
    [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat()
}

#[test]
fn a_dense_model_of_four_million_parameters_is_read_within_seconds() {
    let bytes = matmuls(&[2048, 1024, 1024, 1024, 10], true);
    let start = Instant::now();
    let model = onnx::parse(&bytes, "large", &LoadOptions::default()).expect("a dense model");
    let read = start.elapsed();
    let output = model.run(&[vec![0.5; 2048]]).expect("finite weights").concat();
    println!("{} parameters: read in {read:?}", model.parameters());
    assert_eq!((model.nodes.len(), output.len()), (7, 10));
    assert!(model.parameters() > 4_000_000);
    // Far above what it takes, so that a busy machine does not fail it.
    assert!(read.as_secs() < 10, "took {read:?}");
}

#[test]
fn consecutive_large_matrices_are_folded_into_one() {
    let bytes = matmuls(&[512, 512, 512, 10], false);
    let graph = onnx::parse(&bytes, "deep", &LoadOptions::default()).expect("a dense model");
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(graph.parameters(), 512 * 10 + 10);
}

#[test]
fn a_product_far_larger_than_its_factors_stays_a_product() {
    let bytes = matmuls(&[8000, 1, 8000], false);
    let graph = onnx::parse(&bytes, "x", &LoadOptions::default()).expect("a narrow model");
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(graph.parameters(), 8000 + 1 + 8000 + 8000);
}

/// A file has a string for each node of an ensemble.
#[test]
fn an_ensemble_of_half_a_million_nodes_is_read_within_seconds() {
    let bytes = forest(1000, 8, 1);
    let start = Instant::now();
    let graph = onnx::parse(&bytes, "forest", &LoadOptions::default()).expect("a forest");
    println!("{} bytes: read in {:?}", bytes.len(), start.elapsed());
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
    let [Node { op: Op::Trees(trees), .. }] = &graph.nodes[..] else { panic!("{graph}") };
    assert_eq!((trees.branches.len(), trees.leaves.len()), (255_000, 256_000));
    // Every tree's sum is of the leaf that its comparisons lead to, the last one of large numbers.
    let value = |at: usize| f64::from(((at % 199) as f32) / 100.0 - 1.0);
    let expected: f64 = (0..1000).map(|tree| value(tree * 31 + 510 * 7)).sum();
    let got = graph.run(&[vec![5.0; 4]]).expect("finite weights").concat();
    assert!((got[0] - expected).abs() < 1e-6, "{got:?}, not {expected}");
}

/// Relu of a tensor both of whose dimensions are −1, as some exporters write what is not known.
#[test]
fn a_dimension_of_minus_1_is_one_that_is_not_known() {
    let info = |name: &str| {
        let dims = [field(1, &number(1, -1)), field(1, &number(1, -1))].concat();
        let tensor = [number(1, 1), field(2, &dims)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Relu")].concat();
    let graph = [field(1, &node), field(11, &info("x")), field(12, &info("y"))].concat();
    let model = [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat();
    let parse = |dims: &[(&str, usize)]| {
        let dims = dims.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        onnx::parse(&model, "unknown", &LoadOptions { dims, ..LoadOptions::default() })
    };
    let error = parse(&[]).expect_err("its second dimension is not known").to_string();
    assert!(error.contains("dimension 1 of tensor x"), "{error}");
    let graph = parse(&[("x:1", 3)]).expect("it is bound");
    assert_eq!(graph.tensors[graph.inputs[0].0].dims, [1, 3]);
}

/// tract's passes take the square of the nodes: a long chain would take it minutes.
#[test]
fn a_chain_of_thirty_thousand_nodes_is_read_and_checked_within_seconds() {
    const NODES: usize = 30_000;
    let node = |at: usize| {
        let (from, to) = (if at == 0 { "x".into() } else { format!("h{at}") }, at + 1);
        let to = if to == NODES { "y".into() } else { format!("h{to}") };
        let ends = [field(1, from.as_bytes()), field(2, to.as_bytes())].concat();
        field(1, &[ends, field(4, b"Relu")].concat())
    };
    let info = |name: &str| {
        let dims = field(1, &number(1, 3));
        let tensor = [number(1, 1), field(2, &dims)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let nodes: Vec<u8> = (0..NODES).flat_map(node).collect();
    let graph = [nodes, field(11, &info("x")), field(12, &info("y"))].concat();
    let bytes = [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chain.onnx");
    std::fs::write(&path, &bytes).expect("it is written");
    let start = Instant::now();
    let options = LoadOptions::default();
    let model = onnx::load(&path, &options).expect("a chain");
    let reading = crosscheck(&path, &options, &model, &[vec![0.5; 3]], 1).expect("nothing differs");
    let Reading::Unchecked { reason } = reading else { panic!("{reading:?}") };
    assert!(reason.contains("30000 nodes"), "{reason}");
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}
