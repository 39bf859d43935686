//! Weighted medians, as exporters write them: all elements of a row are sorted, running sums of
//! their weights compared with a threshold, and the first element taken at which it is reached.
//!
//! With F_i the weight of all elements up to number i in that order, it is the one where F_i is not
//! below the threshold and F_i less its own weight is. Of equal elements the first comes first.

use super::{compare, products};
use crate::{
    graph::{Element, Linear, LinearMap, Op, Product, SparseRows, Test},
    onnx::{
        builder::{Sorted, Stage},
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
        tensor::{Data, Tensor},
    },
};

/// The most elements of a row: all pairs are compared.
const MOST: usize = 128;
/// Weights are whole parts of their sum, which is so many of them and 1: what one comparison says
/// is what the next one does, also where two halves weigh the same.
const PARTS: f64 = (1u32 << 18) as f64;

/// Lowers a node that makes a step of a weighted median; nothing for any other.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Option<Vec<Value>>, OnnxError> {
    if let Some(values) = step(node)? {
        return Ok(Some(values));
    }
    // What stands for something is no value; of what is looked up more can be made.
    let stands = |value: &Value| match value {
        Value::Signal(signal) => {
            let sorted = node.sorted(signal.id);
            sorted.is_some_and(|sorted| !matches!(sorted.stage, Stage::Looked(_)))
        }
        Value::Const(_) => false,
    };
    match (0..node.input_count()).filter_map(|at| node.peek(at)).any(stands) {
        true => Err(node.unsupported("it reads a sorted row in a way that is not known")),
        false => Ok(None),
    }
}

fn step(node: &mut Node<'_>) -> Result<Option<Vec<Value>>, OnnxError> {
    let operator = node.operator();
    let sorted = |node: &Node<'_>, at: usize| match node.peek(at) {
        Some(Value::Signal(signal)) => node.sorted(signal.id).cloned(),
        _ => None,
    };
    let (first, second) = (sorted(node, 0), sorted(node, 1));
    let one = |value: Option<&Value>| match value {
        Some(Value::Const(Tensor { data: Data::Float(values), .. })) if values.len() == 1 => {
            values.first().copied()
        }
        _ => None,
    };
    let along_row = |node: &Node<'_>, axis: i64| {
        let shape = node.peek(0).map(|value| value.shape().to_vec()).unwrap_or_default();
        let axis = node.axis(axis, shape.len());
        axis.is_ok_and(|axis| shape.get(axis) == Some(&shape.iter().product()))
    };
    let (sorted, stage) = match (operator.as_str(), first, second) {
        ("CumSum", Some(sorted), None) => {
            let Stage::Looked(weights) = &sorted.stage else { return Ok(None) };
            let axis = match node.peek(1) {
                Some(Value::Const(Tensor { data: Data::Int(axis), .. })) if axis.len() == 1 => {
                    axis[0]
                }
                _ => return Ok(None),
            };
            let plain = node.int("exclusive").unwrap_or(0) == 0
                && node.int("reverse").unwrap_or(0) == 0
                && along_row(node, axis);
            if !plain || weights.iter().any(|weight| *weight < 0.0) {
                return Ok(None);
            }
            (sorted.clone(), Stage::Running(weights.clone()))
        }
        // The last running sum is that of all weights, whatever their order.
        ("ai.onnx.ml.ArrayFeatureExtractor", Some(sorted), None) => {
            let (Stage::Running(weights), Some(Value::Const(Tensor { data: Data::Int(at), .. }))) =
                (&sorted.stage, node.peek(1))
            else {
                return Ok(None);
            };
            if at[..] != [weights.len() as i64 - 1] {
                return Ok(None);
            }
            let total = Tensor::floats(vec![1, 1], vec![weights.iter().sum()]);
            return Ok(Some(vec![Value::Const(total)]));
        }
        ("Less", Some(sorted), None) => {
            let (Stage::Running(weights), Some(threshold)) = (&sorted.stage, one(node.peek(1)))
            else {
                return Ok(None);
            };
            let stage = Stage::Below(weights.clone(), threshold);
            (sorted.clone(), stage)
        }
        ("Cast", Some(sorted), None) if matches!(sorted.stage, Stage::Below(..)) => {
            let stage = sorted.stage.clone();
            (sorted, stage)
        }
        ("ArgMin", Some(sorted), None) => {
            let Stage::Below(weights, threshold) = &sorted.stage else { return Ok(None) };
            if !along_row(node, node.int("axis").unwrap_or(0))
                || node.int("select_last_index").unwrap_or(0) != 0
            {
                return Ok(None);
            }
            let stage = Stage::First(weights.clone(), *threshold);
            (sorted.clone(), stage)
        }
        ("GatherElements", Some(places), Some(sorted)) => {
            let (Stage::Looked(places), Stage::First(weights, threshold)) =
                (&places.stage, &sorted.stage)
            else {
                return Ok(None);
            };
            let own = places.iter().enumerate().all(|(at, place)| *place == at as f64);
            if !own || !along_row(node, node.int("axis").unwrap_or(0)) {
                return Ok(None);
            }
            let stage = Stage::Element(weights.clone(), *threshold);
            (sorted.clone(), stage)
        }
        ("GatherElements", None, Some(sorted)) => {
            let Stage::Element(weights, threshold) = &sorted.stage else { return Ok(None) };
            if !along_row(node, node.int("axis").unwrap_or(0)) {
                return Ok(None);
            }
            let (weights, threshold) = (weights.clone(), *threshold);
            return median(node, &sorted, &weights, threshold).map(|value| Some(vec![value]));
        }
        _ => return Ok(None),
    };
    stand_in(node, Sorted { stage, ..sorted }).map(|value| Some(vec![value]))
}

/// A tensor that stands for a stage.
fn stand_in(node: &mut Node<'_>, sorted: Sorted) -> Result<Value, OnnxError> {
    let (count, dtype) = match &sorted.stage {
        Stage::Looked(_) | Stage::Running(_) => (None, DType::Float32),
        Stage::Below(..) => (None, DType::Bool),
        Stage::First(..) | Stage::Element(..) => (Some(1), DType::Int64),
    };
    let graph = node.so_far();
    let dims = graph.tensors[sorted.of.0].dims.clone();
    let operand = Signal { id: sorted.of, shape: dims, dtype: DType::Float32 };
    let len = operand.shape.iter().product::<usize>();
    let count = count.unwrap_or(len);
    let elements = vec![Element::Input { input: 0, index: 0 }; count];
    let stands = Op::Select(elements);
    let stands = node.emit(stands, vec![Value::Signal(operand)], vec![1, count], dtype)?;
    if let Value::Signal(signal) = &stands {
        node.note_sorted(signal.id, sorted);
    }
    Ok(stands)
}

fn median(
    node: &mut Node<'_>,
    sorted: &Sorted,
    weights: &[f64],
    threshold: f64,
) -> Result<Value, OnnxError> {
    let values = node.take_real(0)?;
    let len = weights.len();
    if len > MOST || values.len() != len {
        let detail = format!("it takes one of {} elements by {len} weights", values.len());
        return Err(node.unsupported(format!("{detail}; up to {MOST} can be")));
    }
    if len == 1 {
        return node.reshape(values, vec![1, 1]);
    }
    let total: f64 = weights.iter().sum();
    if !(0.0 < threshold && threshold <= total && total.is_finite()) {
        let detail = format!("its threshold is {threshold}, of weights of {total} in all");
        return Err(node.unsupported(detail));
    }
    let parts = |weight: f64| (weight / total * PARTS).round();
    let weights: Vec<f64> = weights.iter().map(|weight| parts(*weight) / PARTS).collect();
    // Reached by what is equal, however its parts were rounded.
    let threshold = (parts(threshold) - len.div_ceil(2) as f64).max(1.0) / PARTS;
    node.pay(&[len, len, 16])?;
    let row = Value::Signal(Signal { id: sorted.of, shape: vec![len], dtype: DType::Float32 });
    let pairs: Vec<(usize, usize)> =
        (0..len).flat_map(|i| (i + 1..len).map(move |j| (i, j))).collect();
    // Whether the later one of each pair comes before the earlier one.
    let sign = if sorted.ascending { 1.0 } else { -1.0 };
    let rows = pairs.iter().map(|(i, j)| [(*i, sign), (*j, -sign)]);
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows(rows))];
    let linear = Linear { maps, bias: vec![0.0; pairs.len()] };
    let apart = node.emit(Op::Linear(linear), vec![row], vec![pairs.len()], DType::Float32)?;
    let turned =
        compare::each(node, apart, 0.0, |_| vec![(Test::Above(0.0), 1.0)], DType::Float32)?;
    // F of each element, and F without its own weight.
    let mut sums: Vec<(Vec<(usize, f64)>, f64)> = vec![(Vec::new(), 0.0); len];
    for (at, (i, j)) in pairs.iter().enumerate() {
        sums[*i].0.push((at, weights[*j]));
        sums[*j].0.push((at, -weights[*i]));
        sums[*j].1 += weights[*i];
    }
    let bias = sums.iter().map(|sum| sum.1).collect();
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows(sums.into_iter().map(|sum| sum.0)))];
    let before = Op::Linear(Linear { maps, bias });
    let before = node.emit(before, vec![turned], vec![len], DType::Float32)?;
    // 1 where the sum before it is below the threshold and that with it is not.
    let steps = |at: usize| {
        let with = Test::AtLeast(threshold - weights[at]);
        vec![(with, 1.0), (Test::AtLeast(threshold), -1.0)]
    };
    let first = compare::each(node, before, 0.0, steps, DType::Float32)?;
    let values = node.reshape(values, vec![len])?;
    let taken = Product { starts: vec![0, len], pairs: (0..len).map(|at| [at, at]).collect() };
    products::contract(node, [first, values], taken, vec![1, 1])
}
