//! What a prover could say about products, quotients and roots. All that follows from a lie is
//! computed honestly, so that nothing but the lie itself is refused.

use super::*;
use crate::{
    graph::{Linear, LinearMap, TensorId},
    integer::{Affine, Division, IntegerGraph, IntegerNode, IntegerOp, IntegerTensor, Selected},
};

/// 8 bits dropped, 16 bits of a value; as many limb columns and inferences.
fn multiplying(limb_columns: usize, batch: usize) -> Shape {
    let graph = GraphShape { products: true, batch, ..GraphShape::new(limb_columns, 3) };
    Shape { graph: Some(graph), ..shape(limb_columns, 3, 2) }
}

/// Values by their numbers: three inputs and an eighth of a thousandth of each, below 2^8; the
/// products of the first with the second input and of the third with itself; their sum; a
/// quotient, its product with the divisor and two checks; a root, a check, its square and two
/// checks; the outputs.
const SMALL: usize = 3;
const PRODUCTS: usize = 6;
const SUM: usize = 8;
const QUOTIENT: usize = 9;
const ROOT: usize = 13;
const OUTPUT: usize = 18;

/// (sum + 77) / (small + 1) + 2.
const DIVISION: Division = Division {
    numerator: Affine { of: Selected { input: 1, index: 0 }, weight: 1, constant: 77 },
    divisor: Selected { input: 0, index: 1 },
    offset: 1,
    lift: 2,
};

fn model(shape: &Shape) -> IntegerGraph {
    let tensor = |name: &str, len| IntegerTensor { name: name.into(), len };
    let select = |input, index| Selected { input, index };
    let one = 1i64 << shape.shift_bits();
    let sparse = |rows: &[&[(usize, i64)]]| {
        LinearMap::Sparse(SparseRows::from_rows(rows.iter().map(|row| row.to_vec())))
    };
    let linear = |maps, bias: &[i64]| IntegerOp::Linear(Linear { maps, bias: bias.to_vec() });
    let node = |name: &str, op, inputs: &[usize], output| IntegerNode {
        name: name.into(),
        op,
        inputs: inputs.iter().map(|index| TensorId(*index)).collect(),
        output: TensorId(output),
    };
    let pairs = vec![[select(1, 0), select(0, 1)], [select(1, 2), select(1, 2)]];
    IntegerGraph {
        shift_bits: shape.shift_bits(),
        input_bits: shape.value_bits(),
        tensors: vec![
            tensor("x", 3),
            tensor("small", 3),
            tensor("products", 2),
            tensor("sum", 1),
            tensor("quotient", 1),
            tensor("root", 1),
            tensor("y", 2),
        ],
        inputs: vec![TensorId(0)],
        private: vec![],
        nodes: vec![
            node("small", linear(vec![LinearMap::Diagonal(vec![1; 3])], &[0; 3]), &[0], 1),
            node("products", IntegerOp::Products(pairs), &[0, 1], 2),
            // The sum of products less 2^8 times the second input: what it counts from.
            node(
                "sum",
                linear(
                    vec![sparse(&[&[(0, 1), (1, 3)]]), sparse(&[&[(1, -128)]])],
                    &[120 * 65_536],
                ),
                &[2, 0],
                3,
            ),
            node("quotient", IntegerOp::Quotients(vec![DIVISION]), &[1, 3], 4),
            node(
                "root",
                IntegerOp::Roots(vec![Affine { of: select(0, 0), weight: 1, constant: 9 }]),
                &[3],
                5,
            ),
            node(
                "y",
                linear(vec![sparse(&[&[(0, one)], &[]]), sparse(&[&[], &[(0, one)]])], &[0; 2]),
                &[4, 5],
                6,
            ),
        ],
        outputs: vec![TensorId(6)],
    }
}

/// A witness in which some values, by their number, are said to be made of another z, or to be
/// another x; what reads them is computed honestly.
struct Lie {
    z: Vec<(usize, i64)>,
    x: Vec<(usize, i64)>,
    /// What no equation gives: the quotient and the root.
    given: [i64; 2],
}

impl Lie {
    fn none() -> Self {
        Self { z: vec![], x: vec![], given: honest()[0] }
    }
}

const INPUTS: [[i64; 3]; 2] = [[51_234, 20_000, 65_535], [3, 65_535, 700]];

/// The quotient and the root of each inference.
fn honest() -> [[i64; 2]; 2] {
    let shape = multiplying(6, 1);
    INPUTS.map(|inputs| {
        let outputs = model(&shape).run(&inputs).expect("in range").outputs;
        [outputs[0], outputs[1]]
    })
}

/// (z, x) of every value.
fn values(shape: &Shape, claims: &Claims<'_>, inputs: &[i64], lie: &Lie) -> Vec<(i64, i64)> {
    let shift = shape.shift_bits();
    let mut integers: Vec<(i64, i64)> = inputs.iter().map(|x| (x << shift, *x)).collect();
    let mut given = lie.given.iter();
    for node in &claims.nodes {
        let own: Vec<i64> = match node.making {
            Making::Given(count) => given.by_ref().take(count).map(|x| x << shift).collect(),
            _ => left_sides(node, &integers),
        };
        for z in own {
            let value = integers.len();
            let of = |lies: &[(usize, i64)]| {
                lies.iter().find(|(other, _)| *other == value).map(|(_, lie)| *lie)
            };
            let z = of(&lie.z).unwrap_or(z);
            let product = node.making == Making::Multiplied;
            let rest = z.rem_euclid(1 << shift);
            let x = if product { rest * (z >> shift) } else { (z >> shift).max(0) };
            integers.push((z, of(&lie.x).unwrap_or(x)));
        }
    }
    integers
}

fn setting(shape: Shape, lie: &Lie) -> Setting {
    let model = model(&shape);
    model.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
    let claims = Claims::graph(&model, &shape);
    let runs: Vec<_> = (0..shape.batch())
        .map(|inference| {
            let given = honest()[inference];
            let honest = Lie { given, ..Lie::none() };
            let own = if inference + 1 == shape.batch() { lie } else { &honest };
            values(&shape, &claims, &INPUTS[inference], own)
        })
        .collect();
    Setting::with(&claims, &runs, shape)
}

fn shapes() -> [Shape; 4] {
    [multiplying(1, 1), multiplying(4, 1), multiplying(6, 1), multiplying(3, 2)]
}

/// A lie about the last inference.
fn lie(shape: &Shape) -> Lie {
    Lie { given: honest()[shape.batch() - 1], ..Lie::none() }
}

fn z(shape: &Shape, value: usize) -> i64 {
    let claims = model(shape);
    let claims = Claims::graph(&claims, shape);
    values(shape, &claims, &INPUTS[shape.batch() - 1], &lie(shape))[value].0
}

#[test]
fn products_quotients_and_roots_are_proven_as_the_graph_runs() {
    for shape in shapes() {
        let setting = setting(shape, &lie(&shape));
        assert!(setting.accepts(), "{shape}");
        let model = model(&shape);
        let layout = circuit::Layout::new(&model, shape).expect("small");
        let inputs = &INPUTS[..shape.batch()];
        let witness =
            circuit::Witness::batch(&layout, &model, inputs, &[], Fr::from(77)).expect("fits");
        // The run and what its claims say are one.
        assert_eq!(witness.instances, setting.instances, "{shape}");
        assert!(both_accept(layout, witness, |_| {}), "{shape}");
    }
    let trace = model(&shapes()[0]).run(&INPUTS[0]).expect("in range");
    let (small, x) = (&trace.values[1], INPUTS[0]);
    assert_eq!(trace.values[2], [small[0] * x[1], small[2] * small[2]]);
    let sum = trace.values[3][0];
    assert_eq!(trace.values[4][0], (sum + 77) / (small[1] + 1) + 2);
    let root = trace.values[5][0];
    assert!(root * root <= sum + 9 && (root + 1) * (root + 1) > sum + 9);
}

#[test]
fn a_wrong_product_is_refused() {
    for shape in shapes() {
        let honest = setting(shape, &lie(&shape));
        for value in [PRODUCTS, PRODUCTS + 1] {
            let row = honest.layout.value_rows[value];
            let x = small_number(honest.first.cells[row + shape.batch() - 1]);
            for wrong in [x + 1, x - 256, x ^ 2] {
                let lie = Lie { x: vec![(value, wrong)], ..lie(&shape) };
                assert!(!setting(shape, &lie).accepts(), "{shape} value {value} is {wrong}");
            }
        }
    }
}

fn small_number(value: Fr) -> i64 {
    use ff::PrimeField;
    let bytes = value.to_repr();
    i64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

#[test]
fn a_product_of_other_operands_is_refused() {
    for shape in shapes() {
        let inputs = INPUTS[shape.batch() - 1];
        let pair = |a: i64, b: i64| a + (b << shape.shift_bits());
        let small = inputs.map(|x| x >> shape.shift_bits());
        // Read from another index, swapped, carried over from one digit to the other.
        let honest = z(&shape, PRODUCTS);
        for wrong in [
            pair(small[1], inputs[1]),
            pair(small[0], inputs[2]),
            pair(small[0], inputs[1] ^ 1),
            honest + 1,
            honest - 256,
        ] {
            if wrong != honest {
                let lie = Lie { z: vec![(PRODUCTS, wrong)], ..lie(&shape) };
                assert!(!setting(shape, &lie).accepts(), "{shape} {wrong} for {honest}");
            }
        }
        let lie = Lie { z: vec![(PRODUCTS + 1, pair(small[2], small[1] + 1))], ..lie(&shape) };
        assert!(!setting(shape, &lie).accepts(), "{shape} square");
    }
}

#[test]
fn a_quotient_off_by_one_is_refused() {
    for shape in shapes() {
        let own = lie(&shape);
        for by in [-2, -1, 1, 2, 300] {
            let given = [own.given[0] + by, own.given[1]];
            let lie = Lie { given, ..lie(&shape) };
            assert!(!setting(shape, &lie).accepts(), "{shape} by {by}");
        }
    }
}

#[test]
fn a_root_off_by_one_is_refused() {
    for shape in shapes() {
        let own = lie(&shape);
        for by in [-1, 1, 2, 256 - own.given[1]] {
            let given = [own.given[0], own.given[1] + by];
            let lie = Lie { given, ..lie(&shape) };
            assert!(!setting(shape, &lie).accepts(), "{shape} by {by}");
        }
    }
}

#[test]
fn a_check_that_is_negative_passes_neither_with_a_sign_nor_without() {
    // Of a quotient and of a root one too large, the remainder is negative; of one too small,
    // the other check.
    for shape in shapes() {
        for (value, check, by) in [
            (QUOTIENT, QUOTIENT + 2, 1),
            (QUOTIENT, QUOTIENT + 3, -1),
            (ROOT, ROOT + 3, 1),
            (ROOT, ROOT + 4, -1),
        ] {
            let mut lie = lie(&shape);
            lie.given[usize::from(value == ROOT)] += by;
            let mut setting = setting(shape, &lie);
            let end = setting.layout.value_rows[check] + 2 * shape.batch() - 1;
            assert_eq!(setting.first.cells[end], Fr::zero(), "it is negative");
            assert!(!setting.accepts(), "{shape} {check} with a sign");
            // Its limbs as they are, but said to be positive, and the cell what they multiply to.
            setting.first.cells[end] = Fr::one();
            setting.recount();
            assert!(!setting.accepts(), "{shape} {check} without");
        }
    }
}

#[test]
fn a_sum_and_an_output_of_something_else_are_refused() {
    for shape in shapes() {
        for (value, by) in
            [(SUM, 256), (SUM, -512), (OUTPUT, 256), (OUTPUT + 1, -256), (SMALL, 256)]
        {
            let lie = Lie { z: vec![(value, z(&shape, value) + by)], ..lie(&shape) };
            assert!(!setting(shape, &lie).accepts(), "{shape} value {value} by {by}");
        }
    }
}

#[test]
fn a_shape_without_products_holds_none() {
    let shape = shape(4, 3, 2);
    let refused = circuit::Layout::new(&model(&shape), shape);
    assert_eq!(refused, Err(crate::circuit::LayoutError::NoProducts));
    let chain = Shape { graph: None, ..shape };
    assert_eq!(
        circuit::Layout::new(&model(&chain), chain),
        Err(crate::circuit::LayoutError::NoChain)
    );
}
