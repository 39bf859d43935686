//! Random integer graphs: the circuit accepts exactly what their run gives.
//!
//! A graph has residuals, branches, joins, values read several times, elements named again,
//! maxima of two and over windows, functions by tables, convolutions of any strides, pads, dilations and groups,
//! products, quotients and roots; a proof is of one inference or of several.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use halo2_proofs::dev::MockProver;
use halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng, rngs::StdRng};
use verdict_kzg::protocol::Opening;
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness, secret_columns},
    graph::{Convolution, Linear, LinearMap, SparseRows, TensorId},
    integer::{
        Affine, CurveTable, Curves, Division, IntegerGraph, IntegerNode, IntegerOp, IntegerTensor,
        Maxima, Segment, Selected,
    },
    shape::{GraphShape, Shape},
};

use crate::{
    dense::small_shape,
    harness::{Proven, prove},
};

/// Σ |weight| of an equation: 2^7 times values of 16 bits stay within 24 bits.
const BUDGET: i64 = 127;

/// A graph being made, and [channels, height, width] of its tensors.
struct Making<'a> {
    rng: &'a mut StdRng,
    graph: IntegerGraph,
    dims: Vec<[usize; 3]>,
    /// Whether there are maxima over windows.
    windows: bool,
    /// Bits of a segment, if there are functions by tables.
    offset_bits: Option<u32>,
    /// Whether there are products, quotients and roots.
    products: bool,
}

impl Making<'_> {
    fn tensor(&mut self, dims: [usize; 3]) -> TensorId {
        let name = format!("t{}", self.dims.len());
        self.graph.tensors.push(IntegerTensor { name, len: dims.iter().product() });
        self.dims.push(dims);
        TensorId(self.dims.len() - 1)
    }

    fn any(&mut self) -> TensorId {
        TensorId(self.rng.gen_range(0..self.dims.len()))
    }

    fn len(&self, tensor: TensorId) -> usize {
        self.dims[tensor.0].iter().product()
    }

    fn node(&mut self, op: IntegerOp, inputs: Vec<TensorId>, dims: [usize; 3]) {
        let output = self.tensor(dims);
        let name = format!("n{}", output.0);
        self.graph.nodes.push(IntegerNode { name, op, inputs, output });
    }

    /// A linear node, or maxima of what it would make.
    fn linear(&mut self, maps: Vec<LinearMap<i64>>, inputs: Vec<TensorId>, dims: [usize; 3]) {
        let len = dims.iter().product();
        let bias = (0..len).map(|_| self.rng.gen_range(-100_000..400_000)).collect();
        let linear = Linear { maps, bias };
        if self.windows && self.rng.gen_bool(0.6) {
            let (windows, dims) = self.windows(dims);
            self.node(IntegerOp::Maxima(Maxima { linear, windows }), inputs, dims);
        } else {
            self.node(IntegerOp::Linear(linear), inputs, dims);
        }
    }

    /// Windows of any size up to 2 × 2 and strides over every channel, cut off at the last row
    /// and column; they may overlap, or leave elements out.
    fn windows(&mut self, [channels, height, width]: [usize; 3]) -> (Vec<Vec<usize>>, [usize; 3]) {
        let mut pick = || [self.rng.gen_range(1..=2), self.rng.gen_range(1..=3)];
        let ([kernel_h, stride_h], [kernel_w, stride_w]) = (pick(), pick());
        let mut windows = vec![];
        for channel in 0..channels {
            for top in (0..height).step_by(stride_h) {
                for left in (0..width).step_by(stride_w) {
                    let rows = top..(top + kernel_h).min(height);
                    let columns = left..(left + kernel_w).min(width);
                    let row = |row| {
                        columns.clone().map(move |column| (channel * height + row) * width + column)
                    };
                    windows.push(rows.flat_map(row).collect());
                }
            }
        }
        (windows, [channels, height.div_ceil(stride_h), width.div_ceil(stride_w)])
    }

    /// Weights of which `terms` at a time stay within `budget`.
    fn weights(&mut self, count: usize, terms: usize, budget: i64) -> Vec<i64> {
        let most = (budget / terms.max(1) as i64).max(1);
        (0..count).map(|_| self.rng.gen_range(-most..=most)).collect()
    }

    /// The graph with one more node, whatever it is.
    fn grow(&mut self) {
        if self.offset_bits.is_some() && self.rng.gen_bool(0.3) {
            return self.curves();
        }
        if self.products && self.rng.gen_bool(0.4) {
            return self.product();
        }
        match self.rng.gen_range(0..6) {
            0 | 1 => self.convolution(),
            2 => self.dense(),
            3 => self.residual(),
            4 => self.maximum(),
            _ => self.select(),
        }
    }

    fn convolution(&mut self) {
        let x = self.any();
        let [in_channels, height, width] = self.dims[x.0];
        let groups = if self.rng.gen_bool(0.4) { in_channels } else { 1 };
        let per_group = self.rng.gen_range(1..=2);
        let mut pick = |range: std::ops::RangeInclusive<usize>| {
            [self.rng.gen_range(range.clone()), self.rng.gen_range(range)]
        };
        let (kernel, strides, dilations, pads) =
            (pick(1..=3), pick(1..=3), pick(1..=2), pick(0..=2));
        // Some windows may lie beyond the last row or column: pads there.
        let out_size = [pick(1..=height.min(4))[0], pick(1..=width.min(4))[1]];
        let terms = in_channels / groups * kernel[0] * kernel[1];
        let out_channels = groups * per_group;
        let weights = self.weights(per_group * groups * terms, terms, BUDGET);
        let convolution = Convolution {
            batch: 1,
            groups,
            in_channels,
            out_channels,
            in_size: [height, width],
            out_size,
            kernel,
            strides,
            pads,
            dilations,
            weights,
        };
        let dims = [out_channels, out_size[0], out_size[1]];
        self.linear(vec![LinearMap::Convolution(convolution)], vec![x], dims);
    }

    /// The same matrix at every position.
    fn dense(&mut self) {
        let x = self.any();
        let [channels, height, width] = self.dims[x.0];
        let (positions, inputs) = (channels, height * width);
        let outputs = self.rng.gen_range(1..=4);
        let weights = self.weights(inputs * outputs, inputs, BUDGET);
        let map = LinearMap::Dense { positions, inputs, outputs, weights };
        self.linear(vec![map], vec![x], [positions, 1, outputs]);
    }

    /// Two tensors of one size, perhaps the same one, with a factor an element, added.
    fn residual(&mut self) {
        let x = self.any();
        let same: Vec<_> = (0..self.dims.len())
            .map(TensorId)
            .filter(|other| self.len(*other) == self.len(x))
            .collect();
        let other = same[self.rng.gen_range(0..same.len())];
        let len = self.len(x);
        let maps = (0..2).map(|_| LinearMap::Diagonal(self.weights(len, 2, BUDGET))).collect();
        let dims = self.dims[x.0];
        self.linear(maps, vec![x, other], dims);
    }

    /// b + max(0, a − b) of elements of two tensors: exact, as a weight of 2^n makes it.
    fn maximum(&mut self) {
        let (a, b) = (self.any(), self.any());
        let one = 1i64 << self.graph.shift_bits;
        let pairs = self.len(a).min(self.len(b)).min(6);
        let of = |factor: i64| {
            LinearMap::Sparse(SparseRows::from_rows((0..pairs).map(|i| [(i, factor)])))
        };
        let linear = |maps| IntegerOp::Linear(Linear { maps, bias: vec![0; pairs] });
        self.node(linear(vec![of(one), of(-one)]), vec![a, b], [pairs, 1, 1]);
        let difference = TensorId(self.dims.len() - 1);
        self.node(linear(vec![of(one), of(one)]), vec![b, difference], [pairs, 1, 1]);
    }

    /// One of two functions of each of a tensor's elements, on arguments of their own.
    fn curves(&mut self) {
        let (x, one) = (self.any(), 1i64 << self.graph.shift_bits);
        let (len, dims) = (self.len(x), self.dims[x.0]);
        let maps = vec![LinearMap::Diagonal(vec![one; len])];
        self.node(IntegerOp::Linear(Linear { maps, bias: vec![0; len] }), vec![x], dims);
        let argument = TensorId(self.dims.len() - 1);
        let offset_bits = self.offset_bits.unwrap_or_default();
        let segments = 1 << (self.graph.input_bits - offset_bits);
        let mut table = || {
            let segment = |_| Segment {
                base: self.rng.gen_range(-1_000_000..3_000_000),
                slope: self.rng.gen_range(-200..200),
            };
            CurveTable { first: 0, segments: (0..segments).map(segment).collect() }
        };
        let tables = vec![table(), table()];
        let of = (0..len).map(|_| self.rng.gen_range(0..2)).collect();
        let curves = Curves { offset_bits, tables, of };
        self.node(IntegerOp::Curves(curves), vec![argument], dims);
    }

    /// Elements of a tensor divided by 2^8, times, under and as roots of those of another; sums of
    /// two products.
    fn product(&mut self) {
        let (x, y) = (self.any(), self.any());
        let (len, dims) = (self.len(x), self.dims[x.0]);
        let of = |map| IntegerOp::Linear(Linear { maps: vec![map], bias: vec![0; len] });
        self.node(of(LinearMap::Diagonal(vec![1; len])), vec![x], dims);
        let small = TensorId(self.dims.len() - 1);
        let count = self.rng.gen_range(1..=5);
        let other = self.len(y);
        let mut pick =
            |input: usize, len: usize| Selected { input, index: self.rng.gen_range(0..len) };
        let pairs: Vec<[Selected; 2]> = (0..count)
            .map(|_| {
                [pick(0, len), if pick(0, 2).index == 0 { pick(0, len) } else { pick(1, other) }]
            })
            .collect();
        let division = |pair: &[Selected; 2]| Division {
            numerator: Affine { of: pair[1], weight: 1, constant: 0 },
            divisor: pair[0],
            offset: 1,
            lift: 0,
        };
        let root = |pair: &[Selected; 2]| Affine { of: pair[1], weight: 1, constant: 0 };
        let op = match pick(0, 3).index {
            0 => IntegerOp::Quotients(pairs.iter().map(division).collect()),
            1 => IntegerOp::Roots(pairs.iter().map(root).collect()),
            _ => IntegerOp::Products(pairs),
        };
        let multiplies = matches!(op, IntegerOp::Products(_));
        self.node(op, vec![small, y], [count, 1, 1]);
        if multiplies {
            let products = TensorId(self.dims.len() - 1);
            let rows = (0..count).map(|i| vec![(i, 1), ((i + 1) % count, -1)]);
            let map = LinearMap::Sparse(SparseRows::from_rows(rows));
            let linear = Linear { maps: vec![map], bias: vec![70_000; count] };
            self.node(IntegerOp::Linear(linear), vec![products], [count, 1, 1]);
        }
    }

    /// Elements of two tensors, joined, turned around, repeated.
    fn select(&mut self) {
        let inputs = vec![self.any(), self.any()];
        let lengths = [self.len(inputs[0]), self.len(inputs[1])];
        let count = self.rng.gen_range(1..=9);
        let selected = (0..count).map(|_| {
            let input = self.rng.gen_range(0..2);
            Selected { input, index: self.rng.gen_range(0..lengths[input]) }
        });
        let selected = selected.collect();
        self.node(IntegerOp::Select(selected), inputs, [count, 1, 1]);
    }
}

/// A graph of `nodes` nodes that no input in range takes out of the circuit's bits.
fn graph(rng: &mut StdRng, shape: &Shape, nodes: usize) -> IntegerGraph {
    let graph = IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![],
        inputs: vec![],
        private: vec![],
        nodes: vec![],
        outputs: vec![],
    };
    let offset_bits = (shape.segment_lanes() > 0).then(|| shape.offset_bits());
    let (windows, products) = (shape.windows(), shape.products());
    let mut making = Making { rng, graph, dims: vec![], windows, offset_bits, products };
    for _ in 0..making.rng.gen_range(1..=2) {
        let mut pick = |most: usize| making.rng.gen_range(1..=most);
        let dims = [pick(2), pick(5), pick(5)];
        let input = making.tensor(dims);
        making.graph.inputs.push(input);
    }
    while making.graph.nodes.len() < nodes {
        let before = (making.graph.nodes.len(), making.dims.len());
        making.grow();
        let with_output =
            IntegerGraph { outputs: vec![TensorId(making.dims.len() - 1)], ..making.graph.clone() };
        let valid = with_output.validate(shape.accumulator_bits(), shape.value_bits());
        if valid.is_err() {
            // What does not fit is taken back, all of its nodes.
            making.graph.nodes.truncate(before.0);
            making.graph.tensors.truncate(before.1);
            making.dims.truncate(before.1);
        }
    }
    let last = TensorId(making.dims.len() - 1);
    let other = making.any();
    if making.graph.inputs.len() > 1 && making.rng.gen_bool(0.5) {
        making.graph.private = vec![making.graph.inputs[making.rng.gen_range(0..2)]];
    }
    making.graph.outputs = if other == last { vec![last] } else { vec![other, last] };
    making.graph
}

pub struct Case {
    pub shape: Shape,
    layout: Arc<Layout>,
    witness: Witness,
}

/// A random graph; the seed's lowest bits choose its arguments.
pub fn case(seed: u64, nodes: usize) -> Case {
    let mut rng = StdRng::seed_from_u64(seed);
    // Gaps have their limbs in one row, and a row holds the places of a window's equations.
    let windows = seed & 1 != 0;
    // Functions have a value's limbs in one.
    let segment_lanes = if seed & 2 != 0 { 1 + (seed >> 4) as usize % 2 } else { 0 };
    let least = if segment_lanes > 0 { small_shape().value_limbs() } else { 1 };
    let parameters = GraphShape {
        limb_columns: if windows { 6 } else { rng.gen_range(least..=6) },
        packed: if windows { rng.gen_range(1..=9) } else { rng.gen_range(1..=10) },
        batch: rng.gen_range(1..=3),
        windows,
        segment_lanes,
        committed: seed & 4 != 0,
        products: seed & 8 != 0,
        ..GraphShape::new(1, 1)
    };
    let public_inputs = parameters.committed || rng.gen_bool(0.5);
    let least = if windows { 4usize.div_ceil(parameters.packed) } else { 1 };
    let lanes = rng.gen_range(least..=4);
    let shape = Shape { lanes, public_inputs, graph: Some(parameters), ..small_shape() };
    let graph = graph(&mut rng, &shape, nodes);
    let inputs: Vec<Vec<i64>> = (0..shape.batch())
        .map(|_| (0..graph.input_len()).map(|_| rng.gen_range(0..65_536)).collect())
        .collect();
    let salted = if shape.committed() { shape.batch() } else { 0 };
    let salts: Vec<u128> = (0..salted).map(|_| rng.r#gen()).collect();
    let layout = Arc::new(Layout::new(&graph, shape).expect("small"));
    assert_eq!(Layout::required_k(&graph, shape), Ok(layout.k));
    let witness = Witness::batch(&layout, &graph, &inputs, &salts, Fr::from(7)).expect("in range");
    // What is stated is what the graph's run gives, inference by inference.
    let runs: Vec<_> = inputs.iter().map(|own| graph.run(own).expect("in range").outputs).collect();
    let first = witness.instances.len() - witness.outputs.len();
    for (t, run) in runs.iter().enumerate() {
        for (output, value) in run.iter().enumerate() {
            let word = witness.instances[first + output * shape.batch() + t];
            assert_eq!(word, Fr::from(*value as u64), "seed {seed}");
        }
    }
    Case { shape, layout, witness }
}

impl Case {
    /// A proof of what the witness says, right or wrong.
    pub fn prove(&self, opening: Opening) -> Proven {
        let secret = secret_columns(&self.shape);
        prove(self.layout.k, &self.circuit(), (&secret, opening), &self.witness.instances)
    }

    /// The same case, whose last output is said to be another.
    pub fn lying(mut self) -> Self {
        *self.witness.instances.last_mut().expect("words") += Fr::one();
        self
    }

    fn circuit(&self) -> ModelCircuit {
        ModelCircuit::with_witness(self.layout.clone(), Arc::new(self.witness.clone()))
    }

    fn mock_accepts(&self) -> bool {
        let instances = vec![self.witness.instances.clone()];
        let prover =
            MockProver::run(self.layout.k, &self.circuit(), instances).expect("well formed");
        // Formatting a violation next to the blinding rows may panic.
        catch_unwind(AssertUnwindSafe(|| prover.verify().is_ok())).unwrap_or(false)
    }
}

#[test]
fn the_circuit_accepts_what_a_random_graphs_run_gives_and_nothing_else() {
    for seed in 0..60 {
        let mut case = case(seed, 2 + seed as usize % 6);
        assert!(case.mock_accepts(), "seed {seed}, {}", case.shape);
        let words = case.witness.instances.len();
        let index = 1 + seed as usize * 7 % (words - 1);
        case.witness.instances[index] += Fr::one();
        assert!(!case.mock_accepts(), "seed {seed}, {}, word {index}", case.shape);
    }
}
