//! Products, quotients and roots of what depends on the input.

use super::*;
use crate::{
    graph::{Product, Shares},
    integer::{IntegerNode, IntegerOp},
    shape::GraphShape,
};

/// A circuit of 15 bits a limb, two of them dropped.
fn wide() -> Shape {
    let graph = Some(GraphShape { products: true, ..GraphShape::new(4, 4) });
    Shape { limb_bits: 15, limbs: 4, shift_limbs: 2, lanes: 4, graph, ..Shape::default() }
}

/// Quantized for inputs in [−1, 1]; every value within its bounds on samples and at all ends.
fn checked(graph: &Graph, shape: Shape) -> (Quantized, f64) {
    let ranges = Ranges::uniform(graph.input_len(), -1.0, 1.0);
    let quantized = Quantized::new(graph, &ranges, &shape, &PRECISION).expect("fits");
    let bounds = quantized.graph.validate(shape.accumulator_bits(), shape.value_bits());
    let bounds = bounds.expect("valid");
    let len = graph.input_len();
    let mut random = random(11);
    let samples = (0..300).map(|sample| {
        let of = |at: usize| match sample < 128 {
            true if len <= 7 => f64::from(sample >> at & 1) * 2.0 - 1.0,
            true => random().signum(),
            false => random(),
        };
        (0..len).map(of).collect::<Vec<f64>>()
    });
    let mut largest = 0.0f64;
    for sample in samples.collect::<Vec<_>>() {
        let trace = quantized.graph.run(&quantized.input.encode(&sample).expect("in range"));
        let trace = trace.expect("in range");
        for (values, bounds) in trace.values.iter().zip(&bounds.values) {
            for (x, (lo, hi)) in values.iter().zip(bounds) {
                assert!((lo..=hi).contains(&&i128::from(*x)), "{x} in [{lo}, {hi}]");
            }
        }
        let float = graph.run(&graph.split(&sample)).expect("runs").concat();
        let words = trace.outputs.iter().map(|word| quantized.output.decode(*word));
        largest = words.zip(float).fold(largest, |most, (a, b)| most.max((a - b).abs()));
    }
    (quantized, largest)
}

fn count(quantized: &Quantized, of: fn(&IntegerOp) -> usize) -> usize {
    quantized.graph.nodes.iter().map(|node: &IntegerNode| of(&node.op)).sum()
}

fn products(op: &IntegerOp) -> usize {
    if let IntegerOp::Products(pairs) = op { pairs.len() } else { 0 }
}

#[test]
fn products_of_inputs_and_of_hidden_values_are_close() {
    let mut model = Model::new(&[3, 3]);
    let (a, b) = (TensorId(0), TensorId(1));
    let c = model.linear(vec![dense(3, 3, random(5))], &[a], vec![0.25, -3.0, 1.0]);
    let ab = model.node("ab", Op::Product(Product::elementwise(3)), &[a, b], 3);
    let square = model.node("cc", Op::Product(Product::elementwise(3)), &[c], 3);
    let again = model.node("abcc", Op::Product(Product::elementwise(3)), &[ab, square], 3);
    model.linear(vec![LinearMap::Diagonal(vec![1.0, 0.5, -1.0])], &[again], vec![0.0; 3]);
    let (quantized, error) = checked(&model.0, wide());
    assert!(error < 1e-5, "{error}");
    assert_eq!(count(&quantized, products), 9);
    // In a narrow circuit too, as well as it can be.
    let (_, error) = checked(&model.0, Shape { limb_bits: 10, ..wide() });
    assert!(error < 5e-3, "{error}");
}

#[test]
fn a_product_of_matrices_multiplies_every_pair_once() {
    let mut model = Model::new(&[2 * 3 * 4, 2 * 4 * 2]);
    let (a, b) = (TensorId(0), TensorId(1));
    let product = Product::matrices(2, [3, 4, 2]);
    model.node("m", Op::Product(product), &[a, b], 12);
    let (quantized, error) = checked(&model.0, wide());
    assert!(error < 1e-5, "{error}");
    assert_eq!(count(&quantized, products), 2 * 3 * 4 * 2);
}

/// Squares of amounts beside squares of shares, weighed by their variances, as naive Bayes has them.
#[test]
fn squares_of_amounts_keep_their_bits() {
    let mut model = Model::new(&[3]);
    let centred = vec![-30.0, -9000.0, -0.4];
    let centre = LinearMap::Diagonal(vec![1.0; 3]);
    let x = model.linear(vec![centre], &[TensorId(0)], centred);
    let square = model.node("squares", Op::Product(Product::elementwise(3)), &[x], 3);
    let weights = vec![1.0 / 300.0, 1.0 / 9e7, 1.0 / 0.1];
    let sum = LinearMap::Dense { positions: 1, inputs: 3, outputs: 1, weights };
    model.linear(vec![sum], &[square], vec![-4.0]);
    let mut ranges = Ranges::uniform(3, 0.0, 1.0);
    ranges.input = vec![[18.0, 80.0], [0.0, 90_000.0], [0.0, 1.0]];
    let mut random = random(3);
    for (limb_bits, most) in [(15, 1e-4), (12, 2e-3)] {
        let shape = Shape { limb_bits, ..wide() };
        let quantized = Quantized::new(&model.0, &ranges, &shape, &PRECISION).expect("it fits");
        for _ in 0..1000 {
            let own = |[lo, hi]: &[f64; 2]| lo + (hi - lo) * (random() + 1.0) / 2.0;
            let input: Vec<f64> = ranges.input.iter().map(own).collect();
            let float = model.0.run(&[&input]).expect("it runs").concat()[0];
            let got = quantized.run(&input).expect("it is in range")[0];
            assert!((got - float).abs() < most, "{got}, not {float}, with {limb_bits} bits a limb");
        }
    }
}

/// Sums of products of amounts: one factor for all that is added up.
#[test]
fn a_product_of_matrices_of_amounts_fits() {
    let mut model = Model::new(&[4, 4]);
    let product = Op::Product(Product::matrices(1, [2, 2, 2]));
    let made = model.node("m", product, &[TensorId(0), TensorId(1)], 4);
    model.linear(vec![LinearMap::Diagonal(vec![1e-10; 4])], &[made], vec![0.0; 4]);
    let ranges = Ranges::uniform(8, -90_000.0, 100_000.0);
    let quantized = Quantized::new(&model.0, &ranges, &wide(), &PRECISION).expect("it fits");
    let mut random = random(5);
    for _ in 0..300 {
        let input: Vec<f64> = (0..8).map(|_| 90_000.0 * random()).collect();
        let float = model.0.run(&model.0.split(&input)).expect("it runs").concat();
        let got = quantized.run(&input).expect("it is in range");
        for (a, b) in got.iter().zip(float) {
            assert!((a - b).abs() < 1e-5, "{a}, not {b}");
        }
    }
}

#[test]
fn intervals_of_products_are_those_of_what_they_stand_for() {
    // (x + 3)·(y − 3), x and y around 0, is no wider than it is.
    let mut model = Model::new(&[1, 1]);
    let one = |model: &mut Model, input, offset| {
        model.linear(vec![LinearMap::Diagonal(vec![1.0])], &[TensorId(input)], vec![offset])
    };
    let (x, y) = (one(&mut model, 0, 3.0), one(&mut model, 1, -3.0));
    model.node("xy", Op::Product(Product::elementwise(1)), &[x, y], 1);
    let (quantized, error) = checked(&model.0, wide());
    assert!(error < 1e-5, "{error}");
    let bounds = quantized.graph.validate(60, 30).expect("valid");
    let output = quantized.graph.outputs[0];
    // From −16 to −4, in units of the sixth decimal, and less than a hundredth more.
    let (lo, hi) = bounds.values[output.0][0];
    assert!(hi - lo < 12_100_000, "from {lo} to {hi}");
}

#[test]
fn quotients_and_roots_are_close() {
    let mut model = Model::new(&[4]);
    let x = TensorId(0);
    let squares = Product { starts: vec![0, 4], pairs: (0..4).map(|i| [i, i]).collect() };
    let sum = model.node("sum", Op::Product(squares), &[x], 1);
    let shifted = model.linear(vec![LinearMap::Diagonal(vec![1.0])], &[sum], vec![0.01]);
    let root = model.node("root", Op::Root, &[shifted], 1);
    let spread = Op::Select(vec![Element::Input { input: 0, index: 0 }; 4]);
    let spread = model.node("spread", spread, &[root], 4);
    let scores = model.node("scores", Op::Quotient(None), &[x, spread], 4);
    let inverse = model.node("inverse", Op::Quotient(Some(vec![0.5; 4])), &[spread], 4);
    let maps = vec![LinearMap::Diagonal(vec![1.0; 4]), LinearMap::Diagonal(vec![-0.125; 4])];
    model.linear(maps, &[scores, inverse], vec![0.0; 4]);
    let (quantized, error) = checked(&model.0, wide());
    assert!(error < 2e-5, "{error}");
    // One root, and one inverse of it.
    let roots = |op: &IntegerOp| if let IntegerOp::Roots(own) = op { own.len() } else { 0 };
    let quotients = |op: &IntegerOp| if let IntegerOp::Quotients(own) = op { own.len() } else { 0 };
    assert_eq!((count(&quantized, roots), count(&quantized, quotients)), (1, 5));
}

#[test]
fn divisors_and_radicands_that_may_not_be_positive_are_refused() {
    for (op, offset) in [
        (Op::Quotient(Some(vec![1.0])), 1.0),
        (Op::Quotient(Some(vec![1.0])), 0.5),
        (Op::Root, 0.5),
    ] {
        let mut model = Model::new(&[1]);
        let x = model.linear(vec![LinearMap::Diagonal(vec![1.0])], &[TensorId(0)], vec![offset]);
        model.node("op", op.clone(), &[x], 1);
        let error = Quantizer::new(&model.0, &Ranges::uniform(1, -1.0, 1.0)).expect_err("refused");
        let refused = match op {
            Op::Root => matches!(error, QuantizeError::Radicand { .. }),
            _ => matches!(error, QuantizeError::Divisor { .. }),
        };
        assert!(refused, "{error}");
    }
}

#[test]
fn shares_are_close_and_the_intervals_know_that_none_is_beyond_one() {
    for (signed, lowest) in [(true, -1.0), (false, 0.0)] {
        let mut model = Model::new(&[6]);
        // Two rows of three, of the second only its middle; and one element alone.
        let mut shares = Shares { signed, ..Shares::rows(2, 3) };
        shares.groups.push(vec![4]);
        shares.of = vec![(0, 0), (1, 0), (2, 0), (4, 1), (4, 2)];
        model.node("shares", Op::Shares(shares), &[TensorId(0)], 5);
        let ranges = Ranges::uniform(6, lowest, 1.0);
        let quantized = Quantized::new(&model.0, &ranges, &wide(), &PRECISION).expect("fits");
        let bounds = quantized.graph.validate(60, 30).expect("valid");
        let words = &bounds.values[quantized.graph.outputs[0].0];
        let decode = |word: i128| quantized.output.decode(i64::try_from(word).expect("a word"));
        for (lo, hi) in words {
            let (lo, hi) = (decode(*lo), decode(*hi));
            assert!(lo >= lowest - 1e-4 && hi <= 1.0 + 1e-4, "from {lo} to {hi}");
        }
        let mut random = random(3);
        for sample in 0..300 {
            let zero = |at: usize| sample % 7 == at || sample < 2;
            let x = |at: usize| if zero(at) { 0.0 } else { random() };
            let x: Vec<f64> = (0..6).map(x).map(|x| x.max(lowest)).collect();
            let (got, float) = (quantized.run(&x).expect("in range"), model.0.run(&[&x]));
            for (a, b) in got.iter().zip(&float.expect("runs")[0]) {
                assert!((a - b).abs() < 1e-5, "{x:?}: {a}, not {b}");
            }
        }
    }
}

#[test]
fn shares_of_what_may_be_negative_are_refused_where_only_others_are_proven() {
    let mut model = Model::new(&[2]);
    let shares = Shares { signed: false, ..Shares::rows(1, 2) };
    model.node("shares", Op::Shares(shares), &[TensorId(0)], 2);
    let error = Quantizer::new(&model.0, &Ranges::uniform(2, -0.25, 1.0)).expect_err("refused");
    assert!(matches!(error, QuantizeError::NegativeShare { .. }), "{error}");
}

/// Eight sums of 32 inputs, squared and added up, as a spectrum's power is.
#[test]
fn weights_of_what_is_multiplied_keep_their_bits_beside_an_input_of_many() {
    let graph = Some(GraphShape { products: true, ..GraphShape::new(5, 3) });
    let shape =
        Shape { limb_bits: 12, limbs: 5, shift_limbs: 2, lanes: 4, graph, ..Shape::default() };
    let mut model = Model::new(&[32]);
    let sums = model.linear(vec![dense(32, 8, random(3))], &[TensorId(0)], vec![0.0; 8]);
    let starts = vec![0, 8];
    let pairs = (0..8).map(|at| [at, at]).collect();
    let power = model.node("power", Op::Product(Product { starts, pairs }), &[sums], 1);
    model.0.outputs = vec![power];
    let (_, error) = checked(&model.0, shape);
    // Sums reach 20, so the power some hundreds; a factor has 24 bits.
    assert!(error < 2e-2, "{error}");
}

/// Four values, weighed by the shares of four exponentials.
#[test]
fn what_shares_weigh_is_among_the_values_whatever_the_shares() {
    let mut model = Model::new(&[4, 4]);
    let (scores, values) = (TensorId(0), TensorId(1));
    let scores = model.function(Function::Curve(Curve::Exp), scores);
    let scores = model.function(Function::Relu, scores);
    let all = SparseRows::from_rows([(0..4).map(|at| (at, 1.0))]);
    let sum = model.linear(vec![LinearMap::Sparse(all)], &[scores], vec![0.0]);
    let spread = vec![Element::Input { input: 0, index: 0 }; 4];
    let spread = model.node("spread", Op::Select(spread), &[sum], 4);
    let shares = model.node("shares", Op::Quotient(None), &[scores, spread], 4);
    let tenfold = LinearMap::Diagonal(vec![10.0; 4]);
    let values = model.linear(vec![tenfold], &[values], vec![2.0; 4]);
    let product =
        Op::Product(Product { starts: vec![0, 4], pairs: (0..4).map(|i| [i, i]).collect() });
    let mixed = model.node("mixed", product, &[shares, values], 1);
    // Who reads it sees what it can be, −8 to 12, and not four times as much.
    let read = model.linear(vec![dense(1, 2, random(9))], &[mixed], vec![0.0; 2]);
    model.0.outputs = vec![mixed, read];
    let ranges = Ranges::uniform(8, -1.0, 1.0);
    let ends: Vec<_> = ranges.input.clone();
    let bounds = bounds::bounds(&model.0, &ends).expect("finite");
    assert_eq!(bounds[mixed.0], [(-8.0, 12.0)]);
    let (quantized, error) = checked(&model.0, wide());
    assert!(error < 1e-3, "{error}");
    let unit = 10f64.powi(quantized.output.decimals as i32);
    let [low, high] = [quantized.output.min, quantized.output.max].map(|end| end as f64 / unit);
    assert!(low > -14.0 && high < 14.0, "{low} to {high}");

    // Copies of one share add up to more than 1.
    let mut copied = model.0.clone();
    let shares = Op::Select(vec![Element::Input { input: 0, index: 2 }; 4]);
    copied.nodes[6].inputs[0] = TensorId(copied.tensors.len());
    let tensor = copied.tensors[copied.nodes[3].output.0].clone();
    copied.tensors.push(tensor);
    let (inputs, output) = (vec![copied.nodes[4].output], copied.nodes[6].inputs[0]);
    copied.nodes.insert(5, Node { name: "copies".into(), op: shares, inputs, output });
    let bounds = bounds::bounds(&copied, &ends).expect("finite");
    assert!(bounds[mixed.0][0].1 > 12.0);

    // Twice the same share adds up to more than 1.
    let Op::Product(product) = &mut model.0.nodes[6].op else { panic!("the mixture") };
    product.pairs[1][0] = 0;
    let bounds = bounds::bounds(&model.0, &ends).expect("finite");
    assert!(bounds[mixed.0][0].1 > 12.0);
}

/// 1 / √(x² + 10⁻⁶), whose root rounds to 0 where x is 0.
#[test]
fn the_root_of_what_is_never_0_divides_whatever_rounding_makes_of_it() {
    let mut model = Model::new(&[3]);
    let square = Op::Product(Product::elementwise(3));
    let large =
        model.linear(vec![LinearMap::Diagonal(vec![100.0; 3])], &[TensorId(0)], vec![0.0; 3]);
    let square = model.node("square", square, &[large], 3);
    let raised = model.linear(vec![LinearMap::Diagonal(vec![1.0; 3])], &[square], vec![1e-6; 3]);
    let root = model.node("root", Op::Root, &[raised], 3);
    let sign = model.node("sign", Op::Quotient(None), &[large, root], 3);
    model.0.outputs = vec![sign];
    let ranges = Ranges::uniform(3, -1.0, 1.0);
    let quantized = Quantized::new(&model.0, &ranges, &wide(), &PRECISION).expect("fits");
    for (x, expected) in [(0.0, 0.0), (0.5, 1.0), (-1.0, -1.0)] {
        let made = quantized.run(&[x; 3]).expect("in range");
        assert!(made.iter().all(|own| (own - expected).abs() < 1e-3), "{x}: {made:?}");
    }
}

/// Standard scores of what is large beside the epsilon: of shares, whose bounds do not depend on it.
#[test]
fn scores_of_large_values_are_made_of_shares() {
    for (factor, most) in [(3e2, 1e-4), (3e4, 2e-3)] {
        let mut model = Model::new(&[8]);
        let scale = (0..8).map(|at| factor / f64::from(1 + at % 3)).collect();
        let a = model.linear(vec![LinearMap::Diagonal(scale)], &[TensorId(0)], vec![0.5; 8]);
        let pairs = (0..8).map(|at| [at, at]).collect();
        let squares = Op::Product(Product { starts: vec![0, 4, 8], pairs });
        let squares = model.node("squares", squares, &[a], 2);
        let mean = vec![LinearMap::Diagonal(vec![0.25; 2])];
        let mean = model.linear(mean, &[squares], vec![1e-5; 2]);
        let root = model.node("root", Op::Root, &[mean], 2);
        let each = (0..8).map(|at| Element::Input { input: 0, index: at / 4 }).collect();
        let root = model.node("each", Op::Select(each), &[root], 8);
        let scores = model.node("scores", Op::Quotient(None), &[a, root], 8);
        model.function(Function::Clip { low: -2.0, high: 2.0 }, scores);
        let (quantized, error) = checked(&model.0, wide());
        assert!(error < most, "{factor}: {error}");
        let divided = |op: &IntegerOp| usize::from(matches!(op, IntegerOp::Quotients(_)));
        assert!(quantized.scaled);
        assert_eq!(count(&quantized, divided), 2);
    }
}
