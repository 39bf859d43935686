use proptest::prelude::*;

use super::*;
use crate::graph::{LinearMap, SparseRows};

const SHIFT: u32 = 4;
const UNIT: i64 = 1 << SHIFT;
const INPUT_BITS: u32 = 8;

/// A graph being put together; the first tensors are inputs.
struct Builder(IntegerGraph);

impl Builder {
    fn new(inputs: &[usize]) -> Self {
        let mut builder = Self(IntegerGraph {
            shift_bits: SHIFT,
            input_bits: INPUT_BITS,
            tensors: vec![],
            inputs: vec![],
            private: vec![],
            nodes: vec![],
            outputs: vec![],
        });
        for len in inputs {
            let tensor = builder.tensor(*len);
            builder.0.inputs.push(tensor);
        }
        builder
    }

    fn tensor(&mut self, len: usize) -> TensorId {
        let name = format!("t{}", self.0.tensors.len());
        self.0.tensors.push(IntegerTensor { name, len });
        TensorId(self.0.tensors.len() - 1)
    }

    fn node(&mut self, op: IntegerOp, inputs: Vec<TensorId>, len: usize) -> TensorId {
        let output = self.tensor(len);
        let name = format!("n{}", self.0.nodes.len());
        self.0.nodes.push(IntegerNode { name, op, inputs, output });
        self.0.outputs = vec![output];
        output
    }

    fn linear(
        &mut self,
        maps: Vec<LinearMap<i64>>,
        inputs: &[TensorId],
        bias: Vec<i64>,
    ) -> TensorId {
        let len = bias.len();
        self.node(IntegerOp::Linear(Linear { maps, bias }), inputs.to_vec(), len)
    }

    /// One row of sparse terms over one input.
    fn row(&mut self, input: TensorId, terms: &[(usize, i64)], bias: i64) -> TensorId {
        self.linear(vec![sparse(&[terms])], &[input], vec![bias])
    }
}

fn sparse(rows: &[&[(usize, i64)]]) -> LinearMap<i64> {
    LinearMap::Sparse(SparseRows::from_rows(rows.iter().map(|row| row.to_vec())))
}

fn dense(inputs: usize, outputs: usize, weights: &[i64]) -> LinearMap<i64> {
    LinearMap::Dense { positions: 1, inputs, outputs, weights: weights.to_vec() }
}

fn bounds(graph: &IntegerGraph) -> Intervals {
    graph.validate(INPUT_BITS + SHIFT + 40, INPUT_BITS).unwrap_or_else(|_| {
        graph.check_structure().expect("sound");
        graph.intervals(62).expect("small")
    })
}

#[test]
fn a_negative_pre_activation_gives_zero_and_a_positive_one_is_rounded_down() {
    let mut builder = Builder::new(&[1]);
    builder.linear(vec![dense(1, 2, &[3, -3])], &[TensorId(0)], vec![5, 5]);
    let trace = builder.0.run(&[10]).expect("in range");
    assert_eq!(trace.accumulators, vec![vec![35, -25]]);
    assert_eq!(trace.outputs, vec![2, 0]);
}

#[test]
fn inputs_outside_their_range_are_refused() {
    let mut builder = Builder::new(&[1]);
    builder.row(TensorId(0), &[(0, 1)], 0);
    for value in [-1, 256, i64::MAX, i64::MIN] {
        assert!(matches!(builder.0.run(&[value]), Err(IntegerError::InputRange { .. })));
    }
    assert!(matches!(builder.0.run(&[]), Err(IntegerError::InputLength { .. })));
}

#[test]
fn a_node_that_may_overflow_is_named() {
    let mut builder = Builder::new(&[1]);
    builder.row(TensorId(0), &[(0, 1 << 10)], 0);
    let mut graph = builder.0;
    (graph.input_bits, graph.shift_bits) = (8, 10);
    assert!(graph.validate(18, 8).is_ok());
    (graph.input_bits, graph.shift_bits) = (8, 9);
    let error = graph.validate(17, 8).expect_err("255·2^10 needs 18 bits");
    assert!(matches!(error, IntegerError::Overflow { bits: 18, limit: 17, .. }), "{error}");
}

#[test]
fn a_graph_for_another_circuit_is_refused() {
    let mut builder = Builder::new(&[1]);
    builder.row(TensorId(0), &[(0, 1)], 0);
    assert!(builder.0.validate(12, 8).is_ok());
    for (accumulator, value) in [(13, 8), (12, 7), (13, 9), (4, 8), (100, 8)] {
        let error = builder.0.validate(accumulator, value);
        assert!(matches!(error, Err(IntegerError::Parameter { .. })), "{error:?}");
    }
    for (input_bits, shift_bits) in [(0, 4), (8, 0), (64, 4), (8, u32::MAX), (u32::MAX, 4)] {
        let graph = IntegerGraph { input_bits, shift_bits, ..builder.0.clone() };
        assert!(graph.validate(12, 8).is_err());
        assert!(graph.check_structure().is_err());
    }
}

#[test]
fn whatever_is_wrong_with_a_graphs_structure_is_an_error() {
    let mut builder = Builder::new(&[2, 1]);
    let one = builder.row(TensorId(0), &[(0, 1)], 0);
    let select = vec![Selected { input: 0, index: 0 }, Selected { input: 1, index: 0 }];
    builder.node(IntegerOp::Select(select), vec![one, TensorId(1)], 2);
    let graph = builder.0;
    assert_eq!(graph.check_structure(), Ok(()));
    let broken: [fn(&mut IntegerGraph); 15] = [
        |g| g.inputs.clear(),
        |g| g.outputs.clear(),
        |g| g.nodes.clear(),
        |g| g.outputs[0] = TensorId(usize::MAX),
        |g| g.inputs[1] = TensorId(9),
        |g| g.inputs[1] = TensorId(0),
        |g| g.nodes[0].inputs[0] = TensorId(3),
        |g| g.nodes[0].output = TensorId(1),
        |g| g.nodes.swap(0, 1),
        |g| g.tensors[0].len = usize::MAX,
        |g| g.tensors[0].len = 0,
        |g| g.tensors[2].len = 2,
        |g| g.nodes[0].inputs.clear(),
        |g| g.nodes[1].op = IntegerOp::Select(vec![Selected { input: 2, index: 0 }; 2]),
        |g| g.nodes[1].op = IntegerOp::Select(vec![Selected { input: 0, index: 1 }; 2]),
    ];
    for (index, break_it) in broken.iter().enumerate() {
        let mut graph = graph.clone();
        break_it(&mut graph);
        assert!(graph.check_structure().is_err(), "{index}");
    }
}

#[test]
fn bounds_that_wrap_even_128_bits_are_an_overflow() {
    let mut builder = Builder::new(&[1]);
    let mut tensor = TensorId(0);
    for _ in 0..5 {
        tensor = builder.linear(
            vec![dense(1, 8, &[i64::MAX; 8]), dense(1, 8, &[i64::MIN; 8])],
            &[tensor, TensorId(0)],
            vec![i64::MIN; 8],
        );
        tensor = builder.row(tensor, &[(0, i64::MAX), (1, i64::MIN), (2, i64::MIN)], i64::MAX);
    }
    builder.0.check_structure().expect("sound");
    assert!(matches!(builder.0.intervals(62), Err(IntegerError::Overflow { .. })));
    // The same for rows that are taken apart by variables.
    let mut builder = Builder::new(&[1]);
    let knots = builder.linear(
        vec![sparse(&[&[(0, i64::MIN)], &[(0, UNIT)]])],
        &[TensorId(0)],
        vec![i64::MAX, i64::MIN],
    );
    builder.row(knots, &[(0, i64::MAX), (1, i64::MIN)], 0);
    assert!(matches!(builder.0.intervals(62), Err(IntegerError::Overflow { .. })));
}

/// |y − 100| of a y that is twice an input, as 2·max(0, y − 100) − y + 100.
#[test]
fn a_value_that_follows_from_another_is_the_variable_of_what_follows_from_it() {
    let mut builder = Builder::new(&[1]);
    let y = builder.row(TensorId(0), &[(0, 2 * UNIT)], 0);
    let above = builder.row(y, &[(0, UNIT)], -100 * UNIT);
    let maps = vec![sparse(&[&[(0, 2 * UNIT)]]), sparse(&[&[(0, -UNIT)]])];
    builder.linear(maps, &[above, y], vec![100 * UNIT]);
    let bounds = bounds(&builder.0);
    assert_eq!(bounds.values.last(), Some(&vec![(0, 410)]));
}

#[test]
fn sums_of_knots_are_bounded_exactly() {
    // |t − 100| as t − 100 + 2·max(0, 100 − t) has naive bounds three times as wide.
    let mut builder = Builder::new(&[1]);
    let knot = builder.row(TensorId(0), &[(0, -UNIT)], 100 * UNIT);
    builder.linear(
        vec![sparse(&[&[(0, UNIT)]]), sparse(&[&[(0, 2 * UNIT)]])],
        &[TensorId(0), knot],
        vec![-100 * UNIT],
    );
    let intervals = bounds(&builder.0);
    assert_eq!(intervals.accumulators[1], vec![(0, 155 * 16)]);
}

/// The maximum of all elements of an input, as a tournament; its sum of elements.
fn tournament(builder: &mut Builder, len: usize) -> (Vec<TensorId>, Vec<Vec<(usize, usize)>>) {
    // Each contestant is a list of (tensor in the list, element).
    let mut tensors = vec![TensorId(0)];
    let mut round: Vec<Vec<(usize, usize)>> = (0..len).map(|index| vec![(0, index)]).collect();
    while round.len() > 1 {
        let mut next = Vec::new();
        for pair in round.chunks(2) {
            let [a, b] = pair else {
                next.extend(pair.to_vec());
                continue;
            };
            let mut maps = vec![Vec::new(); tensors.len()];
            a.iter().for_each(|(tensor, index)| maps[*tensor].push((*index, UNIT)));
            b.iter().for_each(|(tensor, index)| maps[*tensor].push((*index, -UNIT)));
            let maps = maps.into_iter().map(|row| sparse(&[&row])).collect();
            let r = builder.linear(maps, &tensors, vec![UNIT / 2]);
            tensors.push(r);
            let mut winner = b.clone();
            winner.push((tensors.len() - 1, 0));
            next.push(winner);
        }
        round = next;
    }
    (tensors, round)
}

#[test]
fn a_maximum_of_many_is_bounded_as_tightly_as_each_of_them() {
    for len in [2, 3, 7, 16] {
        let mut builder = Builder::new(&[len]);
        let (tensors, winner) = tournament(&mut builder, len);
        let mut maps = vec![Vec::new(); tensors.len()];
        winner[0].iter().for_each(|(tensor, index)| maps[*tensor].push((*index, UNIT)));
        let maps: Vec<_> = maps.into_iter().map(|row| sparse(&[&row])).collect();
        builder.linear(maps, &tensors, vec![0]);
        let intervals = bounds(&builder.0);
        assert_eq!(intervals.accumulators.last(), Some(&vec![(0, 255 * 16)]), "{len}");
        for seed in 0..50i64 {
            let x: Vec<i64> = (0..len as i64).map(|i| (i * 97 + seed * 31) * 53 % 256).collect();
            let trace = builder.0.run(&x).expect("in range");
            assert_eq!(trace.outputs, vec![*x.iter().max().expect("some")]);
        }
        // Maps that are equal for all parts, as a convolution's are, see the maximum too.
        if len == 2 {
            builder.0.nodes.pop();
            builder.0.tensors.pop();
            let part = builder.node(
                IntegerOp::Select(vec![Selected { input: 0, index: 1 }]),
                vec![TensorId(0)],
                1,
            );
            let map = dense(1, 1, &[3]);
            builder.linear(vec![map.clone(), map], &[part, tensors[1]], vec![0]);
            let intervals = bounds(&builder.0);
            assert_eq!(intervals.accumulators.last(), Some(&vec![(0, 255 * 3)]));
        }
    }
}

#[test]
fn a_minimum_of_many_is_bounded_as_tightly_as_each_of_them() {
    // min(a, b) = a − max(0, a − b), of four.
    let mut builder = Builder::new(&[4]);
    let first = builder.linear(
        vec![sparse(&[&[(0, UNIT), (1, -UNIT)], &[(2, UNIT), (3, -UNIT)]])],
        &[TensorId(0)],
        vec![0, 0],
    );
    let second = builder.linear(
        vec![sparse(&[&[(0, UNIT), (2, -UNIT)]]), sparse(&[&[(0, -UNIT), (1, UNIT)]])],
        &[TensorId(0), first],
        vec![0],
    );
    builder.linear(
        vec![sparse(&[&[(0, UNIT)]]), sparse(&[&[(0, -UNIT)]]), sparse(&[&[(0, -UNIT)]])],
        &[TensorId(0), first, second],
        vec![0],
    );
    assert_eq!(bounds(&builder.0).accumulators[2], vec![(0, 255 * 16)]);
    assert_eq!(builder.0.run(&[9, 7, 3, 8]).expect("in range").outputs, vec![3]);
}

#[test]
fn a_step_of_a_sum_is_bounded_by_its_height() {
    // min(r₀ + r₁, 1) = r₀ + r₁ − max(0, r₀ + r₁ − 1).
    let mut builder = Builder::new(&[2]);
    let step = builder.row(TensorId(0), &[(0, UNIT), (1, UNIT)], -UNIT);
    builder.linear(
        vec![sparse(&[&[(0, UNIT), (1, UNIT)]]), sparse(&[&[(0, -UNIT)]])],
        &[TensorId(0), step],
        vec![0],
    );
    assert_eq!(bounds(&builder.0).accumulators[1], vec![(0, 16)]);
}

proptest! {
    #[test]
    fn every_run_stays_within_its_intervals_and_equals_big_integer_arithmetic(
        weights in proptest::collection::vec(-5000i64..5000, 18),
        bias in proptest::collection::vec(-100_000i64..100_000, 6),
        inputs in proptest::collection::vec(0i64..256, 4),
    ) {
        // Two inputs, one of them read twice, elements in another order between.
        let mut builder = Builder::new(&[2, 2]);
        let first = builder.linear(
            vec![dense(2, 3, &weights[..6])], &[TensorId(0)], bias[..3].to_vec(),
        );
        let order = [(1, 1), (0, 2), (0, 0)]
            .map(|(input, index)| Selected { input, index });
        let select =
            builder.node(IntegerOp::Select(order.to_vec()), vec![first, TensorId(1)], 3);
        builder.linear(
            vec![
                dense(3, 3, &weights[6..15]),
                sparse(&[&[(0, weights[15])], &[], &[(1, weights[16])]]),
                LinearMap::Diagonal(vec![weights[17], 16, -16]),
            ],
            &[select, TensorId(0), first],
            bias[3..].to_vec(),
        );
        let intervals = bounds(&builder.0);
        let trace = builder.0.run(&inputs).expect("in range");
        let x: Vec<i128> = inputs.iter().map(|x| i128::from(*x)).collect();
        let w: Vec<i128> = weights.iter().map(|w| i128::from(*w)).collect();
        let c: Vec<i128> = bias.iter().map(|c| i128::from(*c)).collect();
        let relu = |z: &i128| z.div_euclid(16).max(0);
        let z1: Vec<i128> =
            (0..3).map(|o| c[o] + w[2 * o] * x[0] + w[2 * o + 1] * x[1]).collect();
        let h: Vec<i128> = z1.iter().map(relu).collect();
        let s = [x[3], h[2], h[0]];
        let sparse = [w[15] * x[0], 0, w[16] * x[1]];
        let diagonal = [w[17] * h[0], 16 * h[1], -16 * h[2]];
        let z2: Vec<i128> = (0..3)
            .map(|o| {
                let dense: i128 = (0..3).map(|i| w[6 + 3 * o + i] * s[i]).sum();
                c[3 + o] + dense + sparse[o] + diagonal[o]
            })
            .collect();
        let wide = |values: &[i64]| values.iter().map(|v| i128::from(*v)).collect::<Vec<_>>();
        prop_assert_eq!(wide(&trace.accumulators[0]), z1.clone());
        prop_assert_eq!(wide(&trace.accumulators[2]), z2.clone());
        prop_assert_eq!(wide(&trace.outputs), z2.iter().map(relu).collect::<Vec<_>>());
        for (node, z) in [(0, z1), (2, z2)] {
            for (z, (lo, hi)) in z.iter().zip(&intervals.accumulators[node]) {
                prop_assert!((lo..=hi).contains(&z));
            }
        }
        for (values, bounds) in trace.values.iter().zip(&intervals.values) {
            for (x, (lo, hi)) in values.iter().zip(bounds) {
                prop_assert!((lo..=hi).contains(&&i128::from(*x)));
            }
        }
    }

    #[test]
    fn bounds_of_a_function_of_one_variable_are_its_extremes(
        knots in proptest::collection::vec((-3i64..4, -500i64..500, -40i64..40), 1..5),
        own in -40i64..40,
    ) {
        let mut builder = Builder::new(&[1]);
        let rows: Vec<Vec<(usize, i64)>> =
            knots.iter().map(|(m, ..)| vec![(0, m * UNIT)]).collect();
        let rows: Vec<&[(usize, i64)]> = rows.iter().map(Vec::as_slice).collect();
        let bias = knots.iter().map(|(_, q, _)| q * UNIT + 7).collect();
        let relus = builder.linear(vec![sparse(&rows)], &[TensorId(0)], bias);
        let terms: Vec<_> = knots.iter().enumerate().map(|(k, (.., c))| (k, *c)).collect();
        builder.linear(
            vec![sparse(&[&terms]), sparse(&[&[(0, own)]])], &[relus, TensorId(0)], vec![1],
        );
        let z = |t: i64| {
            let sum: i64 = knots.iter().map(|(m, q, c)| c * (m * t + q).max(0)).sum();
            i128::from(1 + own * t + sum)
        };
        let (lo, hi) = ((0..256).map(z).min(), (0..256).map(z).max());
        let intervals = bounds(&builder.0);
        prop_assert_eq!(intervals.accumulators[1][0], (lo.expect("some"), hi.expect("some")));
    }

    #[test]
    fn sums_with_maxima_stay_within_their_bounds(
        coefficients in proptest::collection::vec(-3i64..4, 8),
        x in proptest::collection::vec(0i64..256, 3),
    ) {
        let mut builder = Builder::new(&[3]);
        let (tensors, _) = tournament(&mut builder, 3);
        let maps = tensors
            .iter()
            .enumerate()
            .map(|(t, tensor)| {
                let len = builder.0.len(*tensor);
                let row: Vec<_> =
                    (0..len).map(|i| (i, UNIT * coefficients[2 * t + i])).collect();
                sparse(&[&row])
            })
            .collect();
        let last = builder.linear(maps, &tensors, vec![3]);
        builder.linear(vec![sparse(&[&[(0, 5)]])], &[last], vec![0]);
        let intervals = bounds(&builder.0);
        let trace = builder.0.run(&x).expect("in range");
        for (z, bounds) in trace.accumulators.iter().zip(&intervals.accumulators) {
            for (z, (lo, hi)) in z.iter().zip(bounds) {
                prop_assert!((lo..=hi).contains(&&i128::from(*z)));
            }
        }
    }
}
