//! Einsum of one or two operands.

use super::products;
use crate::{
    graph::{Linear, LinearMap, Op, Product, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value, printable},
    },
};

/// Most multiplications of a contraction.
const MOST: usize = 1 << 24;

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let equation: String = node.text("equation", "").split_whitespace().collect();
    let count = node.input_count();
    let mut values = (0..count).map(|i| node.take_real(i)).collect::<Result<Vec<_>, _>>()?;
    let wrong = |node: &Node<'_>| {
        node.malformed(format!("equation \"{}\" does not fit its operands", printable(&equation)))
    };
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&equation[..], None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != count {
        return Err(wrong(node));
    }
    if count > 2 {
        return Err(node.unsupported(format!("it has {count} operands, at most two can be")));
    }
    let ranks: Vec<usize> = values.iter().map(|value| value.shape().len()).collect();
    let Some(labels) = labels(&terms, &ranks) else { return Err(wrong(node)) };
    let Some(output) = output(&terms, right, &labels) else { return Err(wrong(node)) };
    let mut sizes: Vec<(u32, usize)> = Vec::new();
    for (own, value) in labels.iter().zip(&values) {
        for (label, size) in own.iter().zip(value.shape()) {
            match sizes.iter_mut().find(|(other, _)| other == label) {
                Some((_, known)) if *known == *size || *size == 1 => {}
                Some((_, known)) if *known == 1 => *known = *size,
                Some(_) => return Err(wrong(node)),
                None => sizes.push((*label, *size)),
            }
        }
    }
    // The output's labels first, then those that are summed over.
    let size = |label: &u32| sizes.iter().find(|(other, _)| other == label).map(|(_, size)| *size);
    let Some(to) = output.iter().map(size).collect::<Option<Vec<usize>>>() else {
        return Err(wrong(node));
    };
    let summed: Vec<u32> =
        sizes.iter().map(|(label, _)| *label).filter(|label| !output.contains(label)).collect();
    let inner: Vec<usize> = summed.iter().filter_map(size).collect();
    let all: Vec<u32> = output.iter().chain(&summed).copied().collect();
    let dims: Vec<usize> = to.iter().chain(&inner).copied().collect();
    let total = node.pay(&dims)?;
    if total == 0 || total > MOST {
        return Err(node.unsupported(format!("it multiplies {total} times")));
    }
    node.pay(&[total, 3])?;
    // How much a step along each of all labels moves in an operand.
    let strides: Vec<Vec<usize>> = labels
        .iter()
        .zip(&values)
        .map(|(own, value)| {
            let shape = value.shape();
            let stride = |axis: usize| -> usize {
                if shape[axis] == 1 { 0 } else { shape[axis + 1..].iter().product() }
            };
            let of = |label: &u32| {
                (0..own.len()).filter(|axis| own[*axis] == *label).map(stride).sum::<usize>()
            };
            all.iter().map(of).collect()
        })
        .collect();
    let at = |mut index: usize, strides: &[usize]| {
        let mut place = 0;
        for (size, stride) in dims.iter().zip(strides).rev() {
            place += index % size * stride;
            index /= size;
        }
        place
    };
    let row = inner.iter().product::<usize>();
    let dtype = values[0].dtype();
    if let [strides] = &strides[..] {
        let rows = (0..total / row).map(|o| {
            let mut terms = std::collections::BTreeMap::new();
            for k in 0..row {
                *terms.entry(at(o * row + k, strides)).or_insert(0.0) += 1.0;
            }
            terms.into_iter().collect::<Vec<_>>()
        });
        let rows = SparseRows::from_rows(rows);
        let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; total / row] };
        return node.emit(Op::Linear(linear), values, to, dtype);
    }
    let pairs = (0..total).map(|index| [at(index, &strides[0]), at(index, &strides[1])]).collect();
    let starts = (0..=total / row).map(|o| o * row).collect();
    let (Some(b), Some(a)) = (values.pop(), values.pop()) else { return Err(wrong(node)) };
    if a.dtype() != b.dtype() {
        let (a, b) = (a.dtype().name(), b.dtype().name());
        return Err(node.malformed(format!("it mixes {a} with {b}")));
    }
    products::contract(node, [a, b], Product { starts, pairs }, to)
}

/// The label of each axis of each operand; axes of an ellipsis have labels of their own, the last
/// the same of all operands.
fn labels(terms: &[&str], ranks: &[usize]) -> Option<Vec<Vec<u32>>> {
    let of = |(term, rank): (&&str, &usize)| -> Option<Vec<u32>> {
        let named = term.chars().filter(|c| *c != '.').count();
        let mut own = Vec::new();
        let mut rest = *term;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("...") {
                let hidden = rank.checked_sub(named)?;
                own.extend((0..hidden as u32).rev());
                rest = after;
            } else {
                own.push(label(first)?);
                rest = &rest[first.len_utf8()..];
            }
        }
        (own.len() == *rank).then_some(own)
    };
    terms.iter().zip(ranks).map(of).collect()
}

fn label(letter: char) -> Option<u32> {
    letter.is_ascii_alphabetic().then_some(1000 + u32::from(letter))
}

/// The labels of the output: as the equation says, or those that occur once, in order.
fn output(terms: &[&str], right: Option<&str>, labels: &[Vec<u32>]) -> Option<Vec<u32>> {
    let hidden = labels.iter().flatten().filter(|label| **label < 1000).max();
    let hidden: Vec<u32> = hidden.map_or(Vec::new(), |most| (0..=*most).rev().collect());
    let Some(mut rest) = right else {
        let letters: Vec<char> =
            terms.iter().flat_map(|t| t.chars()).filter(|c| *c != '.').collect();
        let mut once: Vec<char> = letters.clone();
        once.sort_unstable();
        once.dedup();
        once.retain(|c| letters.iter().filter(|other| *other == c).count() == 1);
        return hidden.into_iter().map(Some).chain(once.into_iter().map(label)).collect();
    };
    let mut own: Vec<u32> = Vec::new();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            own.extend(&hidden);
            rest = after;
        } else {
            own.push(label(first)?);
            rest = &rest[first.len_utf8()..];
        }
    }
    let mut seen = own.clone();
    seen.sort_unstable();
    seen.dedup();
    (seen.len() == own.len()).then_some(own)
}
