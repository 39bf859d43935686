//! What both circuits' tests use, and what holds for both.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use halo2_proofs::{dev::MockProver, plonk::Expression, poly::kzg::commitment::ParamsKZG};
use halo2curves::bn256::Bn256;
use rand::{SeedableRng, rngs::StdRng};
use verdict_engine::{Engine, FixedColumns, Options};
use verdict_kzg::protocol::Opening;

use super::*;
use crate::{
    graph::{Convolution, Linear, LinearMap, SparseRows, TensorId},
    integer::{IntegerNode, IntegerOp, IntegerTensor, Selected},
    plan::OPENINGS,
    shape::GraphShape,
};

/// How a cheating prover changes the second-phase columns.
pub(super) type Tamper = Arc<dyn Fn(&mut Vec<Vec<Fr>>) + Send + Sync>;

/// Whether halo2's mock prover accepts a witness, its second phase changed by `tamper`.
pub(super) fn mock_accepts(
    layout: Layout,
    witness: Witness,
    tamper: impl Fn(&mut Vec<Vec<Fr>>) + Send + Sync + 'static,
) -> bool {
    let mut circuit = ModelCircuit::with_witness(Arc::new(layout), Arc::new(witness));
    circuit.tamper = Some(Arc::new(tamper));
    mock_accepts_circuit(&circuit)
}

/// What halo2's mock prover and the verifier of a real proof say of the same; they agree.
pub(super) fn both_accept(
    layout: Layout,
    witness: Witness,
    tamper: impl Fn(&mut Vec<Vec<Fr>>) + Send + Sync + 'static,
) -> bool {
    let mut circuit = ModelCircuit::with_witness(Arc::new(layout), Arc::new(witness));
    circuit.tamper = Some(Arc::new(tamper));
    let verdict = mock_accepts_circuit(&circuit);
    assert_eq!(verdict, verifier_accepts(&circuit), "the mock prover says {verdict}");
    verdict
}

/// A reference string for 2^k rows, made once.
fn params(k: u32) -> ParamsKZG<Bn256> {
    static MADE: Mutex<BTreeMap<u32, ParamsKZG<Bn256>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(k).or_insert_with(|| ParamsKZG::setup(k, StdRng::seed_from_u64(1))).clone()
}

/// Whether a real proof of a circuit's witness, whatever it is, is accepted.
fn verifier_accepts(circuit: &ModelCircuit) -> bool {
    let layout = &circuit.layout;
    let params = params(layout.k);
    let engine = Engine::new(&params, Options::default()).expect("an engine");
    let pk = engine.keygen(circuit, false).expect("keys");
    let fixed = FixedColumns::from(&pk);
    let protocol = crate::keys::protocol(&layout.shape, Opening::COLUMNS).expect("supported");
    let key = engine.verifying_key(Arc::new(protocol), &fixed).expect("a key");
    let instances = &circuit.witness.as_ref().expect("a witness").instances;
    let rng = StdRng::seed_from_u64(2);
    let proof = engine.prove_circuit(&key, &fixed, circuit, instances, rng).expect("a proof");
    crate::verify::verify(&params.s_g2(), &key, layout.instances, instances, &proof).is_ok()
}

fn mock_accepts_circuit(circuit: &ModelCircuit) -> bool {
    let instances = circuit.witness.iter().map(|witness| witness.instances.clone()).collect();
    let k = circuit.layout.k;
    let prover = MockProver::run(k, circuit, instances).expect("well formed");
    // Formatting a violated gate whose window reaches into the blinding rows,
    // halo2's mock prover panics: it found a violation all the same.
    catch_unwind(AssertUnwindSafe(|| prover.verify().is_ok())).unwrap_or(false)
}

fn shapes() -> impl Iterator<Item = Shape> {
    let private = Shape::default();
    let graph = |limb_columns, packed| Some(GraphShape::new(limb_columns, packed));
    [
        private,
        Shape { lanes: 16, ..private },
        Shape { limb_bits: 8, limbs: 7, shift_limbs: 3, ..private },
        Shape { limbs: 3, ..private },
        Shape { public_inputs: true, ..private },
        Shape { graph: graph(1, 1), ..private },
        Shape { graph: graph(2, 4), lanes: 8, ..private },
        Shape { graph: graph(5, 3), public_inputs: true, ..private },
        Shape { graph: Some(GraphShape { batch: 3, ..GraphShape::new(2, 4) }), ..private },
        Shape { graph: Some(GraphShape { batch: 64, ..GraphShape::new(5, 4) }), ..private },
        Shape { graph: Some(GraphShape { node_lanes: 1, ..GraphShape::new(3, 4) }), ..private },
        Shape {
            graph: Some(GraphShape { node_lanes: 3, batch: 5, ..GraphShape::new(5, 4) }),
            ..private
        },
        Shape { graph: Some(GraphShape { windows: true, ..GraphShape::new(5, 4) }), ..private },
        Shape {
            graph: Some(GraphShape {
                windows: true,
                batch: 3,
                node_lanes: 1,
                ..GraphShape::new(5, 4)
            }),
            ..private
        },
        Shape { graph: Some(GraphShape { segment_lanes: 2, ..GraphShape::new(4, 4) }), ..private },
        Shape {
            graph: Some(GraphShape {
                segment_lanes: 1,
                node_lanes: 1,
                windows: true,
                batch: 2,
                ..GraphShape::new(5, 4)
            }),
            ..private
        },
        Shape {
            public_inputs: true,
            graph: Some(GraphShape { committed: true, ..GraphShape::new(2, 4) }),
            ..private
        },
        Shape {
            public_inputs: true,
            graph: Some(GraphShape { committed: true, batch: 3, ..GraphShape::new(5, 4) }),
            ..private
        },
        Shape {
            limbs: 4,
            graph: Some(GraphShape { node_lanes: 2, path_lanes: 2, ..GraphShape::new(4, 4) }),
            ..private
        },
    ]
    .into_iter()
}

#[test]
fn no_gate_exceeds_the_degree_limit() {
    for shape in shapes() {
        shape.validate().expect("supported");
        let meta = constraint_system(&shape);
        for gate in meta.gates() {
            for polynomial in gate.polynomials() {
                assert!(polynomial.degree() <= MAX_DEGREE, "{shape}: {}", gate.name());
            }
        }
        assert_eq!(meta.degree(), MAX_DEGREE);
    }
}

#[test]
fn unusable_rows_suffice_for_halo2_and_for_hiding_the_witness() {
    for shape in shapes() {
        let unusable = match shape.graph {
            None => chain::config::unusable_rows(&shape),
            Some(_) => graph::config::unusable_rows(&shape),
        };
        for opening in OPENINGS {
            let protocol = crate::keys::protocol(&shape, opening).expect("supported");
            assert_eq!(unusable, protocol.unusable_rows, "{shape}, {opening}");
        }
    }
}

/// The degree of an expression in a set of fixed columns.
fn degree_in(expression: &Expression<Fr>, secret: &[usize]) -> usize {
    expression.evaluate(
        &|_| 0,
        &|_| 0,
        &|query| usize::from(secret.contains(&query.column_index())),
        &|_| 0,
        &|_| 0,
        &|_| 0,
        &|a| a,
        &|a, b| a.max(b),
        &|a, b| a + b,
        &|a, _| a,
    )
}

#[test]
fn every_gate_is_linear_in_the_secret_columns() {
    for shape in shapes() {
        let secret = secret_columns(&shape);
        assert_eq!(secret.len(), shape.secret_columns());
        for gate in constraint_system(&shape).gates() {
            for polynomial in gate.polynomials() {
                assert!(degree_in(polynomial, &secret) <= 1, "{shape}: {}", gate.name());
            }
        }
    }
}

#[test]
fn columns_are_numbered_as_the_constraint_system_numbers_them() {
    for shape in shapes() {
        let mut meta = ConstraintSystem::default();
        let columns = Columns::configure(&mut meta, &shape);
        let advice = columns.advice.iter().flatten().map(|column| column.index());
        assert!(advice.eq(0..meta.num_advice_columns()), "{shape}");
        let fixed = columns.fixed.iter().map(|column| column.index());
        assert!(fixed.eq(0..meta.num_fixed_columns()), "{shape}");
    }
}

/// Two inputs, 2 × 4 × 4 and 6 elements. A convolution with pads and stride 2 makes
/// 4 × 2 × 2; a selection turns them around and repeats one; a diagonal map with a dense
/// one over three positions adds the second input; a sparse one reads all.
fn integer_graph(shape: &Shape) -> IntegerGraph {
    let tensor = |name: &str, len| IntegerTensor { name: name.into(), len };
    let weights = |count: usize| (0..count).map(|i| (i as i64 * 37) % 41 - 20).collect::<Vec<_>>();
    let convolution = Convolution {
        batch: 1,
        groups: 2,
        in_channels: 2,
        out_channels: 4,
        in_size: [4, 4],
        out_size: [2, 2],
        kernel: [3, 2],
        strides: [2, 2],
        pads: [1, 0],
        dilations: [1, 2],
        weights: weights(24),
    };
    let selected = (0..16).rev().chain([3, 3]).map(|index| Selected { input: 0, index });
    let linear = |maps, bias: usize| {
        IntegerOp::Linear(Linear { maps, bias: (0..bias).map(|i| 128 + 50 * i as i64).collect() })
    };
    let dense = |positions, inputs, outputs| LinearMap::Dense {
        positions,
        inputs,
        outputs,
        weights: weights(inputs * outputs),
    };
    let rows = SparseRows {
        starts: vec![0, 3, 3, 5],
        terms: vec![(0, 9), (8, -3), (5, 1), (2, 7), (2, 8)],
    };
    let node = |name: &str, op, inputs: &[usize], output| IntegerNode {
        name: name.into(),
        op,
        inputs: inputs.iter().copied().map(TensorId).collect(),
        output: TensorId(output),
    };
    IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![
            tensor("image", 32),
            tensor("rows", 6),
            tensor("planes", 16),
            tensor("turned", 18),
            tensor("sum", 18),
            tensor("result", 3),
        ],
        inputs: vec![TensorId(0), TensorId(1)],
        private: vec![],
        nodes: vec![
            node("conv", linear(vec![LinearMap::Convolution(convolution)], 16), &[0], 2),
            node("turn", IntegerOp::Select(selected.collect()), &[2], 3),
            node(
                "add",
                linear(vec![LinearMap::Diagonal(vec![256; 18]), dense(3, 2, 6)], 18),
                &[3, 1],
                4,
            ),
            node("read", linear(vec![LinearMap::Sparse(rows)], 3), &[4], 5),
        ],
        outputs: vec![TensorId(5), TensorId(3)],
    }
}

/// 8 bits dropped, 16 bits of a value, 24 of a pre-activation.
fn small(graph: Option<GraphShape>) -> Shape {
    Shape { limb_bits: 4, limbs: 6, shift_limbs: 2, lanes: 2, public_inputs: false, graph }
}

#[test]
fn a_graph_of_every_map_is_proven_as_it_runs() {
    for (limb_columns, packed, public_inputs) in [(1, 1, false), (2, 10, true), (3, 4, true)] {
        let graph = Some(GraphShape::new(limb_columns, packed));
        let shape = Shape { public_inputs, ..small(graph) };
        let model = integer_graph(&shape);
        model.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
        let inputs: Vec<i64> = (0..38).map(|i| (i * 9973) % 65_536).collect();
        let layout = Layout::new(&model, shape).expect("small");
        assert_eq!(Layout::required_k(&model, shape), Ok(layout.k));
        let witness = Witness::new(&layout, &model, &inputs, Fr::one()).expect("in range");
        let outputs = model.run(&inputs).expect("in range").outputs;
        assert_eq!(witness.outputs, outputs);
        // 15 inputs of 16 bits a word.
        let public = PublicValues::new(&shape, 38, outputs.len());
        assert_eq!(public.input_words(), if public_inputs { 3 } else { 0 });
        assert_eq!(witness.instances.len(), public.count());
        assert_eq!(witness.instances.len(), layout.instances);
        assert!(mock_accepts(layout.clone(), witness.clone(), |_| {}), "{shape}");
        for index in 1..witness.instances.len() {
            let mut cheating = witness.clone();
            cheating.instances[index] += Fr::one();
            assert!(!mock_accepts(layout.clone(), cheating, |_| {}), "{shape} word {index}");
        }
    }
}

#[test]
fn of_several_inputs_a_private_one_has_no_word() {
    for (private, batch) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
        let graph = Some(GraphShape { batch, ..GraphShape::new(2, 5) });
        let shape = Shape { public_inputs: true, ..small(graph) };
        let model = IntegerGraph { private: vec![TensorId(private)], ..integer_graph(&shape) };
        model.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
        let layout = Layout::new(&model, shape).expect("small");
        let inputs: Vec<Vec<i64>> = (0..batch as i64)
            .map(|t| (0..38).map(|i| (i * 9973 + 5000 * t) % 65_536).collect())
            .collect();
        let of = |inputs: &[Vec<i64>]| {
            Witness::batch(&layout, &model, inputs, &[], Fr::one()).expect("in range").instances
        };
        let (stated, hidden) = if private == 0 { (32, 0) } else { (0, 32) };
        let words = [6usize, 32][private].div_ceil(15) * batch;
        let instances = of(&inputs);
        assert_eq!(instances.len(), layout.instances);
        assert_eq!(instances.len(), 1 + words + batch * model.output_len());
        // What is stated is in the words, what is private is not.
        for (index, changes) in [(stated, true), (hidden, false)] {
            let mut others = inputs.clone();
            others[batch - 1][index] += 1;
            assert_eq!(of(&others)[1..=words] != instances[1..=words], changes);
        }
        let witness = Witness::batch(&layout, &model, &inputs, &[], Fr::one()).expect("in range");
        assert!(both_accept(layout.clone(), witness.clone(), |_| {}));
        for index in 1..=words {
            let mut cheating = witness.clone();
            cheating.instances[index] += Fr::one();
            assert!(!both_accept(layout.clone(), cheating, |_| {}), "word {index}");
        }
    }
}

#[test]
fn a_private_input_that_is_none_is_refused() {
    let shape = small(Some(GraphShape::new(2, 5)));
    for tensor in [2, 99] {
        let model = IntegerGraph { private: vec![TensorId(tensor)], ..integer_graph(&shape) };
        model.validate(shape.accumulator_bits(), shape.value_bits()).expect_err("no input");
    }
}

#[test]
fn a_batch_states_what_each_of_its_inferences_gives() {
    for (limb_columns, lanes, public_inputs) in [(1, 3, true), (3, 1, false), (6, 2, true)] {
        let graph = Some(GraphShape { batch: 3, ..GraphShape::new(limb_columns, 5) });
        let shape = Shape { lanes, public_inputs, ..small(graph) };
        let model = integer_graph(&shape);
        let inputs: Vec<Vec<i64>> =
            (1..4).map(|t| (0..38).map(|i| (i * 9973 * t) % 65_536).collect()).collect();
        let layout = Layout::new(&model, shape).expect("small");
        assert_eq!(Layout::required_k(&model, shape), Ok(layout.k));
        let witness = Witness::batch(&layout, &model, &inputs, &[], Fr::one()).expect("in range");
        let outputs: Vec<_> =
            inputs.iter().map(|own| model.run(own).expect("in range").outputs).collect();
        let words = if public_inputs { 3 } else { 0 };
        assert_eq!(witness.instances.len(), 1 + 3 * (words + outputs[0].len()));
        assert_eq!(witness.instances.len(), layout.instances);
        for (t, own) in outputs.iter().enumerate() {
            let stated = witness.outputs.iter().skip(t).step_by(3).copied();
            assert!(stated.eq(own.iter().copied()), "inference {t}");
            let one = PublicValues::new(&shape, 38, own.len()).words(&inputs[t]);
            let stated = witness.instances[1..1 + 3 * words].iter().skip(t).step_by(3).copied();
            assert!(stated.eq(one), "inference {t}");
        }
        assert!(both_accept(layout.clone(), witness.clone(), |_| {}), "{shape}");
        // What one inference gives is not what another does.
        let mut cheating = witness.clone();
        let differ = |index: &usize| {
            !index.is_multiple_of(3) && witness.instances[*index] != witness.instances[index + 1]
        };
        let index = (1..witness.instances.len()).find(differ).expect("another result");
        cheating.instances.swap(index, index + 1);
        assert!(!both_accept(layout.clone(), cheating, |_| {}), "{shape}");
        for index in (1..witness.instances.len()).step_by(5) {
            let mut cheating = witness.clone();
            cheating.instances[index] += Fr::one();
            assert!(!mock_accepts(layout.clone(), cheating, |_| {}), "{shape} word {index}");
        }
    }
}

#[test]
fn a_batch_of_another_size_is_refused() {
    let graph = Some(GraphShape { batch: 3, ..GraphShape::new(2, 5) });
    let shape = small(graph);
    let model = integer_graph(&shape);
    let layout = Layout::new(&model, shape).expect("small");
    for got in [0, 1, 2, 4] {
        let inputs = vec![vec![0; 38]; got];
        let error =
            Witness::batch(&layout, &model, &inputs, &[], Fr::one()).expect_err("another size");
        assert!(matches!(error, IntegerError::Batch(WrongBatch { expected: 3, .. })), "{error}");
    }
    for batch in [0, 4097] {
        let graph = Some(GraphShape { batch, ..GraphShape::new(2, 5) });
        assert!(matches!(Layout::new(&model, small(graph)), Err(LayoutError::Shape(_))));
    }
}

#[test]
fn the_chain_circuit_takes_a_graph_that_is_a_chain_and_no_other() {
    let shape = small(None);
    let mut model = integer_graph(&shape);
    assert_eq!(Layout::new(&model, shape), Err(LayoutError::NoChain));
    // The convolution and what reads its planes in another order.
    model.nodes.truncate(2);
    let rows = SparseRows { starts: vec![0, 2, 3], terms: vec![(0, 9), (17, -3), (5, 1)] };
    model.nodes.push(IntegerNode {
        name: "read".into(),
        op: IntegerOp::Linear(Linear {
            maps: vec![LinearMap::Sparse(rows)],
            bias: vec![128, 70_000],
        }),
        inputs: vec![TensorId(3)],
        output: TensorId(5),
    });
    model.tensors[5].len = 2;
    model.inputs.truncate(1);
    model.outputs = vec![TensorId(5)];
    let layout = Layout::new(&model, shape).expect("a chain");
    let inputs: Vec<i64> = (0..32).map(|i| (i * 9973) % 65_536).collect();
    let witness = Witness::new(&layout, &model, &inputs, Fr::one()).expect("in range");
    assert_eq!(witness.outputs, model.run(&inputs).expect("in range").outputs);
    assert!(mock_accepts(layout, witness, |_| {}));
    model.outputs = vec![TensorId(2)];
    assert_eq!(Layout::new(&model, shape), Err(LayoutError::NoChain));
}

/// Prints the rows of models that the figures are about:
/// cargo nextest run --release -p verdict-prover rows_of_known_models --no-capture
#[test]
fn rows_of_known_models_are_as_few_as_promised() {
    let dense = |sizes: &[usize]| {
        let pairs = sizes.windows(2);
        let layers = pairs.map(|pair| (vec![1; pair[0] * pair[1]], vec![1; pair[1]]));
        IntegerGraph::chain(27, 18, sizes[0], layers)
    };
    for (sizes, lanes, expected) in [
        (&[784, 128, 10][..], 13, 12),
        (&[784, 1024, 192, 10], 16, 14),
        (&[1024, 2048, 1000], 16, 16),
    ] {
        let graph = dense(sizes);
        let shape = Shape {
            limb_bits: 9,
            limbs: 5,
            shift_limbs: 2,
            lanes,
            public_inputs: false,
            graph: Some(GraphShape::new(2, 5)),
        };
        let k = Layout::required_k(&graph, shape).expect("fits");
        println!("{sizes:?}: {} parameters, {shape}: 2^{k}", graph.parameter_count());
        assert!(k <= expected, "{sizes:?}: 2^{k}");
    }
}

#[test]
fn more_inputs_than_a_commitment_counts_are_refused() {
    let graph = GraphShape { batch: 4096, committed: true, totals: true, ..GraphShape::new(5, 1) };
    let shape = Shape { public_inputs: true, graph: Some(graph), ..Shape::default() };
    let model = |inputs: usize| {
        let layer = (vec![1 << 12; inputs], vec![0]);
        IntegerGraph::chain(shape.value_bits(), shape.shift_bits(), inputs, [layer])
    };
    let refused = Layout::required_k(&model(4096), shape).expect_err("2^24 inputs");
    assert!(matches!(refused, LayoutError::TooManyCommitted { count, .. } if count == 1 << 24));
    // One input less a sample is few enough; it takes too many rows.
    let fewer = Layout::required_k(&model(4095), shape).expect_err("too many rows");
    assert!(matches!(fewer, LayoutError::TooLarge { .. }), "{fewer}");
}
