//! Divisors that are clipped at next to nothing, so that nobody divides by 0: what a mask counts, and
//! Euclidean norms, as exporters of sentence embeddings write them.

use std::collections::{BTreeSet, HashMap};

use super::{
    activation::apply,
    ml, products,
    ratio::{self, Place},
};
use crate::{
    graph::{ElementKind, Function, Linear, LinearMap, Op, SparseRows, TensorId},
    onnx::{
        error::OnnxError,
        node::{Node, Signal, Value},
    },
    quantize::COUNTS,
};

/// The most that next to nothing is.
const NOTHING: f64 = 1e-6;

/// a / b, element by element, where b is clipped so, and a is 0 where it is: sums of products with
/// what b counts, or elements of what b is the norm of.
pub(super) fn quotient(
    node: &mut Node<'_>,
    a: &Value,
    b: &Value,
) -> Result<Option<Value>, OnnxError> {
    let (Value::Signal(above), Value::Signal(below)) = (a, b) else { return Ok(None) };
    node.pay(&[a.len(), 4])?;
    let Some(divisors) = clipped(node, below) else { return Ok(None) };
    if let Some(groups) = norms(node, above, &divisors) {
        return normalized(node, a, &groups).map(Some);
    }
    match counts(node, above, &divisors) {
        Some(counts) => mean(node, a, counts).map(Some),
        None => Ok(None),
    }
}

/// What each element is before it is clipped.
fn clipped(node: &Node<'_>, b: &Signal) -> Option<Vec<Place>> {
    let len = b.shape.iter().product();
    let of = |at: usize| {
        let place = ratio::origin(node, (b.id, at))?;
        let maker = node.maker(place.0)?;
        match &maker.op {
            Op::Function(Function::Clip { low, high })
                if (0.0..=NOTHING).contains(low) && *low > 0.0 && *high == f64::INFINITY =>
            {
                ratio::origin(node, (*maker.inputs.first()?, place.1))
            }
            _ => None,
        }
    };
    (0..len).map(of).collect()
}

/// The lists of elements of `a` by whose norm they are divided, of one length.
fn norms(node: &Node<'_>, a: &Signal, divisors: &[Place]) -> Option<Vec<Vec<usize>>> {
    let mut groups: HashMap<Place, BTreeSet<usize>> = HashMap::new();
    for (at, root) in divisors.iter().enumerate() {
        if !groups.contains_key(root) {
            let squares = products::squares(node, *root, a.id)?;
            let whole = squares.iter().all(|(_, weight)| *weight == 1.0);
            let members: BTreeSet<usize> = squares.iter().map(|(index, _)| *index).collect();
            if !whole || members.len() != squares.len() {
                return None;
            }
            groups.insert(*root, members);
        }
        if !groups[root].contains(&at) {
            return None;
        }
    }
    let mut groups: Vec<Vec<usize>> =
        groups.into_values().map(|members| members.into_iter().collect()).collect();
    groups.sort_unstable();
    let length = groups.first()?.len();
    let all = groups.iter().map(Vec::len).sum::<usize>() == divisors.len();
    (all && groups.iter().all(|group| group.len() == length)).then_some(groups)
}

/// Each element divided by the norm of its list; 0 where that is 0.
fn normalized(node: &mut Node<'_>, x: &Value, groups: &[Vec<usize>]) -> Result<Value, OnnxError> {
    let order = groups.concat();
    let size = (groups.len(), order.len() / groups.len().max(1));
    let rows = node.pick(x.clone(), vec![size.0, size.1], &order)?;
    let made = ml::by_norm(node, rows, size)?;
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, at)| back[*at] = place);
    node.pick(made, x.shape().to_vec(), &back)
}

/// What divisors count: elements of a tensor of integers, by distinct count, and which count each
/// element is divided by.
struct Counts {
    mask: TensorId,
    rows: Vec<Vec<(usize, f64)>>,
    row_of: Vec<usize>,
}

fn counts(node: &Node<'_>, a: &Signal, divisors: &[Place]) -> Option<Counts> {
    let mut mask = None;
    let mut known: HashMap<Place, usize> = HashMap::new();
    let (mut rows, mut row_of) = (Vec::new(), Vec::new());
    let mut counted: Vec<BTreeSet<usize>> = Vec::new();
    for (at, place) in divisors.iter().enumerate() {
        let row = match known.get(place) {
            Some(row) => *row,
            None => {
                let (terms, bias) = ratio::row(node.maker(place.0)?, place.1)?;
                let mut own = Vec::new();
                for (term, weight) in terms {
                    let (tensor, index) = ratio::origin(node, term)?;
                    let whole = weight > 0.0 && weight.fract() == 0.0;
                    if *mask.get_or_insert(tensor) != tensor || !whole {
                        return None;
                    }
                    own.push((index, weight));
                }
                if bias != 0.0 {
                    return None;
                }
                counted.push(own.iter().map(|(index, _)| *index).collect());
                rows.push(own);
                known.insert(*place, rows.len() - 1);
                rows.len() - 1
            }
        };
        row_of.push(row);
        let is_counted =
            |(tensor, index): Place| Some(tensor) == mask && counted[row].contains(&index);
        for pair in pairs(node, (a.id, at))? {
            let [one, other] = pair.map(|factor| ratio::origin(node, factor));
            if !one.is_some_and(is_counted) && !other.is_some_and(is_counted) {
                return None;
            }
        }
    }
    let mask = mask?;
    let integer = node.so_far().tensors[mask.0].kind == ElementKind::Integer;
    integer.then_some(Counts { mask, rows, row_of })
}

/// The products that an element is the sum of, whatever their weights.
fn pairs(node: &Node<'_>, place: Place) -> Option<Vec<[Place; 2]>> {
    let of = |(tensor, index): Place| {
        let maker = node.maker(tensor)?;
        let Op::Product(product) = &maker.op else { return None };
        let ends = [*maker.inputs.first()?, *maker.inputs.last()?];
        let row = product.pairs.get(product.starts[index]..product.starts[index + 1])?;
        Some(row.iter().map(move |[i, j]| [(ends[0], *i), (ends[1], *j)]).collect::<Vec<_>>())
    };
    let place = ratio::origin(node, place)?;
    if let Some(row) = of(place) {
        return Some(row);
    }
    let (terms, bias) = ratio::row(node.maker(place.0)?, place.1)?;
    let mut all = Vec::new();
    for (term, _) in terms {
        all.extend(of(ratio::origin(node, term)?)?);
    }
    (bias == 0.0).then_some(all)
}

/// a divided by counts, or by 1 where a count is 0, and a is.
fn mean(node: &mut Node<'_>, a: &Value, counts: Counts) -> Result<Value, OnnxError> {
    let Counts { mask, rows, row_of } = counts;
    let shape = node.so_far().tensors[mask.0].dims.clone();
    let (len, dtype) = (rows.len(), super::DType::Float32);
    let mask = Value::Signal(Signal { id: mask, shape, dtype });
    // A count of 0 is one of nothing only where nothing is negative.
    let mask = apply(node, Function::Within { low: 0.0, high: COUNTS }, mask)?;
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows(rows))];
    let sums = Op::Linear(Linear { maps, bias: vec![0.0; len] });
    let sums = node.emit(sums, vec![mask], vec![len], dtype)?;
    let sums = apply(node, Function::Clip { low: 1.0, high: f64::INFINITY }, sums)?;
    let below = node.pick(sums, a.shape().to_vec(), &row_of)?;
    products::quotient(node, a.clone(), below)
}
