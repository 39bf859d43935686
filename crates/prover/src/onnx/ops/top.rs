//! TopK of any values: its members for each count up to k, of which each adds one element to the
//! one before.

use super::{arithmetic::add, products, quantize, sums::weighted};
use crate::{
    graph::{Element, Extremum, Leading, Op, Product},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
    },
};

/// Most elements of a row that are given in order, of what depends on the input.
pub(super) const MOST: usize = 8;
/// Most elements of all rows times k: each k is an argument of its own.
const WORK: usize = 256;

/// The greatest or least `count` elements along the last axis, and where they stand.
pub(super) fn in_order(
    node: &mut Node<'_>,
    x: Value,
    count: usize,
    minimum: bool,
) -> Result<Vec<Value>, OnnxError> {
    let from = x.shape().to_vec();
    let (columns, dtype) = (from.last().copied().unwrap_or(1), x.dtype());
    let rows = x.len() / columns.max(1);
    let mut to = from;
    if let Some(last) = to.last_mut() {
        *last = count;
    }
    let work = rows.saturating_mul(columns).saturating_mul(count);
    if matches!(x, Value::Signal(_)) && work > WORK {
        return Err(node.unsupported(format!(
            "it gives {count} of {rows} rows of {columns} in order, more than {WORK} in all"
        )));
    }
    node.pay(&[rows, columns, count, 8])?;
    let groups: Vec<Vec<usize>> =
        (0..rows).map(|row| (row * columns..(row + 1) * columns).collect()).collect();
    let starts: Vec<usize> = (0..=rows).map(|row| row * columns).collect();
    let pairs: Vec<[usize; 2]> = (0..rows * columns).map(|at| [at, at]).collect();
    let (mut values, mut places) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut before: Option<Value> = None;
    let real = quantize::as_real(x.clone());
    for own in 1..=count {
        let extremum = Extremum { minimum, groups: groups.clone() };
        let op = Op::Leading(Leading { extremum, count: own });
        let members = node.emit(op, vec![x.clone()], vec![rows * columns], DType::Int64)?;
        // One a row.
        let one = match &before {
            None => members.clone(),
            Some(before) => add(node, vec![(members.clone(), 1.0), (before.clone(), -1.0)])?,
        };
        let row = |row: &Vec<usize>| {
            let place = |at: &usize| (*at, (at % columns) as f64);
            row.iter().map(place).collect::<Vec<_>>()
        };
        places.push(weighted(node, one.clone(), vec![rows], groups.iter().map(row), None)?);
        let product = Product { starts: starts.clone(), pairs: pairs.clone() };
        let operands = [real.clone(), quantize::as_real(one)];
        values.push(products::contract(node, operands, product, vec![rows])?);
        before = Some(members);
    }
    let beside = |node: &mut Node<'_>, parts: Vec<Value>, dtype: DType| {
        let element = |at: usize| Element::Input { input: at % count, index: at / count };
        let elements = (0..rows * count).map(element).collect();
        node.emit(Op::Select(elements), parts, to.clone(), dtype)
    };
    let values = beside(node, values, real.dtype())?;
    let places = beside(node, places, DType::Int64)?;
    let values = if dtype.is_float() { values } else { quantize::as_whole(node, values, dtype)? };
    Ok(vec![values, places])
}
