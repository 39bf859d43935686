//! Folding affine nodes gives what running them one by one gives.
//!
//! A random chain of affine and re-indexing nodes, with a Relu now and then, is built
//! as an ONNX graph. Its nodes are also run one after the other on plain vectors; the
//! graph that is read, folded, must agree, and the chain that it is.

use proptest::prelude::*;
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::{
    LoadOptions,
    budget::Budget,
    builder::Builder,
    read::{Opsets, read},
};
use crate::graph::passes;

/// One node, on a vector of shape [1, n].
#[derive(Clone, Debug)]
enum Step {
    /// Add, Sub, Mul or Div by a constant: on the right or on the left, a number or
    /// one value an element.
    Arithmetic {
        op: &'static str,
        constant: Vec<f64>,
        left: bool,
    },
    /// alpha·x·Wᵀ + beta·c.
    Gemm {
        weights: Vec<Vec<f64>>,
        bias: Vec<f64>,
        alpha: f32,
        beta: f32,
    },
    /// x·W.
    MatMul {
        weights: Vec<Vec<f64>>,
    },
    Gather {
        indices: Vec<usize>,
    },
    /// x beside itself.
    Double,
    /// x + x: one tensor read twice by one node.
    Twice,
    Neg,
    Relu,
}

impl Step {
    /// What the node computes.
    fn run(&self, x: &[f64]) -> Vec<f64> {
        let product = |weights: &[Vec<f64>]| -> Vec<f64> {
            weights.iter().map(|row| row.iter().zip(x).map(|(w, v)| w * v).sum()).collect()
        };
        match self {
            Self::Arithmetic { op, constant, left } => x
                .iter()
                .enumerate()
                .map(|(i, &v)| {
                    let c = constant[i % constant.len()];
                    let (a, b) = if *left { (c, v) } else { (v, c) };
                    match *op {
                        "Add" => a + b,
                        "Sub" => a - b,
                        "Mul" => a * b,
                        _ => a / b,
                    }
                })
                .collect(),
            Self::Gemm { weights, bias, alpha, beta } => product(weights)
                .iter()
                .zip(bias)
                .map(|(y, c)| f64::from(*alpha) * y + f64::from(*beta) * c)
                .collect(),
            Self::MatMul { weights } => product(weights),
            Self::Gather { indices } => indices.iter().map(|&i| x[i]).collect(),
            Self::Double => [x, x].concat(),
            Self::Twice => x.iter().map(|v| v + v).collect(),
            Self::Neg => x.iter().map(|v| -v).collect(),
            Self::Relu => x.iter().map(|v| v.max(0.0)).collect(),
        }
    }

    /// Adds the node, which reads `from` and makes `to`, to a graph.
    fn emit(&self, graph: &mut GraphProto, from: &str, to: &str) {
        let constant = format!("{to}.c");
        let bias = format!("{to}.b");
        let (op, inputs, attributes): (_, Vec<&str>, _) = match self {
            Self::Arithmetic { op, constant: values, left } => {
                graph.initializer.push(floats(&constant, &[values.len()], values.clone()));
                let inputs = if *left { vec![&*constant, from] } else { vec![from, &*constant] };
                (*op, inputs, vec![])
            }
            Self::Gemm { weights, bias: c, alpha, beta } => {
                let dims = [weights.len(), weights[0].len()];
                graph.initializer.push(floats(&constant, &dims, weights.concat()));
                graph.initializer.push(floats(&bias, &[c.len()], c.clone()));
                let attributes = vec![
                    AttributeProto { i: 1, ..attribute("transB", AttributeType::Int) },
                    AttributeProto { f: *alpha, ..attribute("alpha", AttributeType::Float) },
                    AttributeProto { f: *beta, ..attribute("beta", AttributeType::Float) },
                ];
                ("Gemm", vec![from, &constant, &bias], attributes)
            }
            Self::MatMul { weights } => {
                let columns = weights[0].len();
                let transposed = (0..columns).flat_map(|j| weights.iter().map(move |row| row[j]));
                let dims = [columns, weights.len()];
                graph.initializer.push(floats(&constant, &dims, transposed.collect()));
                ("MatMul", vec![from, &constant], vec![])
            }
            Self::Gather { indices } => {
                graph.initializer.push(TensorProto {
                    name: constant.clone(),
                    dims: vec![indices.len() as i64],
                    data_type: DataType::Int64 as i32,
                    int64_data: indices.iter().map(|&i| i as i64).collect(),
                    ..Default::default()
                });
                let axis = vec![AttributeProto { i: 1, ..attribute("axis", AttributeType::Int) }];
                ("Gather", vec![from, &constant], axis)
            }
            Self::Double => {
                let axis = vec![AttributeProto { i: 1, ..attribute("axis", AttributeType::Int) }];
                ("Concat", vec![from, from], axis)
            }
            Self::Twice => ("Add", vec![from, from], vec![]),
            Self::Neg => ("Neg", vec![from], vec![]),
            Self::Relu => ("Relu", vec![from], vec![]),
        };
        graph.node.push(NodeProto {
            input: inputs.into_iter().map(str::to_owned).collect(),
            output: vec![to.to_owned()],
            op_type: op.to_owned(),
            attribute: attributes,
            ..Default::default()
        });
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..Default::default() }
}

fn floats(name: &str, dims: &[usize], values: Vec<f64>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: DataType::Double as i32,
        double_data: values,
        ..Default::default()
    }
}

fn info(name: &str, width: usize) -> ValueInfoProto {
    let dim = |n| Dimension { value: Some(dimension::Value::DimValue(n)), ..Default::default() };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Double as i32,
        shape: Some(TensorShapeProto { dim: vec![dim(1), dim(width as i64)] }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-2.0..2.0f64, Just(0.0), Just(1.0), Just(-1.0)]
}

fn matrix(inputs: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    (1..5usize).prop_flat_map(move |outputs| {
        prop::collection::vec(prop::collection::vec(number(), inputs), outputs)
    })
}

/// A node for a vector of `width` values, and the width of its result.
fn step(width: usize) -> impl Strategy<Value = (Step, usize)> {
    let constant =
        prop_oneof![prop::collection::vec(number(), 1), prop::collection::vec(number(), width)];
    let arithmetic =
        (prop::sample::select(&["Add", "Sub", "Mul", "Div"][..]), constant, any::<bool>())
            .prop_map(|(op, mut constant, left)| {
                if op == "Div" {
                    constant.iter_mut().for_each(|c| *c = c.abs() + 0.5);
                }
                Step::Arithmetic { op, constant, left: left && op != "Div" }
            });
    let gemm = matrix(width)
        .prop_flat_map(|w| {
            (prop::collection::vec(number(), w.len()), -2.0..2.0f32, -2.0..2.0f32, Just(w))
        })
        .prop_map(|(bias, alpha, beta, weights)| Step::Gemm { weights, bias, alpha, beta });
    let matmul = matrix(width).prop_map(|weights| Step::MatMul { weights });
    let gather = prop::collection::vec(0..width, 1..6).prop_map(|indices| Step::Gather { indices });
    prop_oneof![
        4 => arithmetic.prop_map(move |s| (s, width)),
        2 => gemm.prop_map(|s| { let n = outputs(&s); (s, n) }),
        2 => matmul.prop_map(|s| { let n = outputs(&s); (s, n) }),
        2 => gather.prop_map(|s| { let n = outputs(&s); (s, n) }),
        1 => Just(match width > 8 { true => (Step::Neg, width), false => (Step::Double, 2 * width) }),
        1 => Just((Step::Twice, width)),
        1 => Just((Step::Neg, width)),
        1 => Just((Step::Relu, width)),
    ]
}

fn outputs(step: &Step) -> usize {
    match step {
        Step::Gemm { weights, .. } | Step::MatMul { weights } => weights.len(),
        Step::Gather { indices } => indices.len(),
        _ => 0,
    }
}

fn chain(width: usize, left: usize) -> BoxedStrategy<Vec<Step>> {
    step(width)
        .prop_flat_map(move |(first, width)| {
            let rest = if left == 0 { Just(vec![]).boxed() } else { chain(width, left - 1) };
            rest.prop_map(move |rest| [vec![first.clone()], rest].concat())
        })
        .boxed()
}

proptest! {
    #[test]
    fn folding_affine_nodes_equals_running_them_one_by_one(
        (inputs, steps) in (1..5usize, 0..6usize)
            .prop_flat_map(|(width, left)| {
                (prop::collection::vec(prop::collection::vec(-4.0..4.0f64, width), 3), chain(width, left))
            })
    ) {
        let mut graph = GraphProto::default();
        graph.input.push(info("t0", inputs[0].len()));
        for (i, step) in steps.iter().enumerate() {
            step.emit(&mut graph, &format!("t{i}"), &format!("t{}", i + 1));
        }
        let run = |x: &[f64]| steps.iter().fold(x.to_vec(), |x, step| step.run(&x));
        graph.output.push(info(&format!("t{}", steps.len()), run(&inputs[0]).len()));

        let opsets = Opsets { onnx: Some(17), ml: None };
        let builder = Builder::new("chain", [0; 32], Budget::new(1000));
        let graph = read(&graph, &opsets, &LoadOptions::default(), builder, passes::simplify)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(graph.check(), Ok(()));
        for x in &inputs {
            let (got, expected) = (graph.run(&[x]).unwrap().concat(), run(x));
            let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            prop_assert_eq!(got.len(), expected.len());
            for (a, b) in got.iter().zip(&expected) {
                prop_assert!((a - b).abs() <= 1e-9 * size, "{:?} instead of {:?}", got, expected);
            }
        }
    }
}
