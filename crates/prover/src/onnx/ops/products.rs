//! Products, quotients and roots of what depends on the input.

use super::{
    arithmetic::add,
    ratio::{self, Place},
};
use crate::{
    graph::{Function, Linear, LinearMap, Op, Product, SparseRows, TensorId},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        ops::activation::apply,
    },
};

/// a·b, element by element, of tensors of one shape.
pub(super) fn multiply(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    let (shape, dtype) = (a.shape().to_vec(), a.dtype());
    let len = node.pay(&[a.len(), 3])? / 3;
    let same = matches!((&a, &b), (Value::Signal(a), Value::Signal(b)) if a.id == b.id);
    let operands = if same { vec![a] } else { vec![a, b] };
    node.emit(Op::Product(Product::elementwise(len)), operands, shape, dtype)
}

/// alpha·A·B of as many pairs of matrices, `rows` × `inner` and `inner` × `columns`.
pub(super) fn matrices(
    node: &mut Node<'_>,
    [a, b]: [Value; 2],
    (batch, sizes): (usize, [usize; 3]),
    alpha: f64,
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let [rows, inner, columns] = sizes;
    if batch * rows * inner * columns == 0 {
        return Err(node.unsupported("it multiplies empty matrices"));
    }
    node.pay(&[batch, rows, columns, 2 * inner + 1])?;
    let dtype = a.dtype();
    let product = node.emit(Op::Product(Product::matrices(batch, sizes)), vec![a, b], to, dtype)?;
    if alpha == 1.0 { Ok(product) } else { node.scale(product, |_| (alpha, 0.0)) }
}

/// a / b, element by element, b being positive for every input in range.
pub(super) fn quotient(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    let (shape, dtype) = (a.shape().to_vec(), a.dtype());
    let most = normalized(node, &a, &b);
    let quotient = node.emit(Op::Quotient(None), vec![a, b], shape, dtype)?;
    // What is known of a standard score, intervals do not show.
    match most {
        Some(most) => apply(node, Function::Clip { low: -most, high: most }, quotient),
        None => Ok(quotient),
    }
}

/// √x, x not being negative for any input in range.
pub(super) fn root(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    node.emit(Op::Root, vec![x], shape, dtype)
}

/// Σ a² over each group of elements.
pub(super) fn sums_of_squares(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let mut starts = vec![0];
    let mut pairs = Vec::new();
    for group in groups {
        node.pay(&[group.len(), 3])?;
        pairs.extend(group.iter().map(|index| [*index, *index]));
        starts.push(pairs.len());
    }
    let dtype = x.dtype();
    node.emit(Op::Product(Product { starts, pairs }), vec![x], to, dtype)
}

/// The greatest that |a / b| can be where b is √(Σ w·a² + c), each a being one of those summed:
/// 1/√w.
fn normalized(node: &Node<'_>, a: &Value, b: &Value) -> Option<f64> {
    let (Value::Signal(above), Value::Signal(below)) = (a, b) else { return None };
    let len = a.len();
    let mut most = 0.0f64;
    let mut known: Option<(Place, Vec<(usize, f64)>)> = None;
    for at in 0..len {
        let root = ratio::origin(node, (below.id, at))?;
        if known.as_ref().is_none_or(|(own, _)| *own != root) {
            let squares = squares(node, root, above.id)?;
            known = Some((root, squares));
        }
        let (_, squares) = known.as_ref()?;
        let weight = squares.iter().filter(|(index, _)| *index == at).map(|(_, w)| w).sum::<f64>();
        if weight <= 0.0 || weight.is_nan() {
            return None;
        }
        most = most.max(1.0 / weight.sqrt());
    }
    (most > 0.0 && most.is_finite()).then_some(most)
}

/// w of each element of `of` whose square is summed under a root; none if anything else that may
/// be negative is.
pub(super) fn squares(
    node: &Node<'_>,
    (root, index): Place,
    of: TensorId,
) -> Option<Vec<(usize, f64)>> {
    let maker = node.maker(root)?;
    if maker.op != Op::Root {
        return None;
    }
    let mut squares = Vec::new();
    let mut open = vec![((maker.inputs[0], index), 1.0)];
    while let Some(((tensor, index), factor)) = open.pop() {
        if factor < 0.0 || squares.len() + open.len() > 1 << 16 {
            return None;
        }
        let place = ratio::origin(node, (tensor, index))?;
        let maker = node.maker(place.0)?;
        match &maker.op {
            Op::Linear(_) => {
                let (terms, constant) = ratio::row(maker, place.1)?;
                if constant < 0.0 {
                    return None;
                }
                open.extend(terms.into_iter().map(|(place, w)| (place, factor * w)));
            }
            Op::Product(product) => {
                let second = maker.inputs.get(1).unwrap_or(&maker.inputs[0]);
                let row = product.rows().nth(place.1)?;
                for [i, j] in row {
                    let square = i == j && maker.inputs[0] == *second;
                    if !square || maker.inputs[0] != of {
                        return None;
                    }
                    squares.push((*i, factor));
                }
            }
            _ => return None,
        }
    }
    Some(squares)
}

/// (x − mean) / √(variance + epsilon) over each group of elements; without the mean where not
/// `centred`.
pub(super) fn standardize(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
    epsilon: f64,
    centred: bool,
) -> Result<Value, OnnxError> {
    standardized(node, x, groups, epsilon, centred).map(|(made, _)| made)
}

/// The same, with the mean and the divisor of each group.
pub(super) fn standardized(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
    epsilon: f64,
    centred: bool,
) -> Result<(Value, [Value; 2]), OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let len = node.pay(&[x.len(), 4])? / 4;
    let mut group_of = vec![0; len];
    for (group, members) in groups.iter().enumerate() {
        members.iter().for_each(|member| group_of[*member] = group);
    }
    let means = |groups: &[Vec<usize>]| {
        let row = |group: &Vec<usize>| {
            let share = 1.0 / group.len() as f64;
            group.iter().map(|index| (*index, share)).collect::<Vec<_>>()
        };
        let rows = SparseRows::from_rows(groups.iter().map(row));
        Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; groups.len()] }
    };
    let op = Op::Linear(means(groups));
    let mean = node.emit(op, vec![x.clone()], vec![groups.len()], dtype)?;
    let x = match centred {
        true => {
            let mean = node.pick(mean.clone(), shape.clone(), &group_of)?;
            add(node, vec![(x, 1.0), (mean, -1.0)])?
        }
        false => x,
    };
    let sums = sums_of_squares(node, x.clone(), groups, vec![groups.len()])?;
    let sizes: Vec<f64> = groups.iter().map(|group| group.len() as f64).collect();
    let variance = node.scale(sums, |group| (1.0 / sizes[group], epsilon))?;
    let deviation = root(node, variance)?;
    let spread = node.pick(deviation.clone(), shape, &group_of)?;
    Ok((quotient(node, x, spread)?, [mean, deviation]))
}

/// Sums of products of elements of two tensors.
pub(super) fn contract(
    node: &mut Node<'_>,
    operands: [Value; 2],
    product: Product,
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let dtype = operands[0].dtype();
    node.emit(Op::Product(product), operands.into(), to, dtype)
}
