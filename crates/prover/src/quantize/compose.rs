//! One linear map after another, as one.

use std::collections::BTreeMap;

use crate::graph::{LinearMap, SparseRows};

/// M after N, where that is a map of a known form without many more coefficients.
pub(super) fn compose(outer: &LinearMap, inner: &LinearMap, inner_len: usize) -> Option<LinearMap> {
    match (outer, inner) {
        (_, LinearMap::Diagonal(factors)) => scale_columns(outer, factors),
        (LinearMap::Diagonal(factors), _) => scale_rows(inner, factors),
        (LinearMap::Sparse(rows), LinearMap::Dense { positions: 1, inputs, outputs, weights }) => {
            pick_rows(rows, *inputs, *outputs, weights)
        }
        (LinearMap::Sparse(_) | LinearMap::Dense { .. }, LinearMap::Sparse(rows)) => {
            product(outer, rows, inner_len)
        }
        _ => None,
    }
}

/// The factor that all of them are.
pub(super) fn uniform(factors: &[f64]) -> Option<f64> {
    let first = factors.first().copied()?;
    factors.iter().all(|factor| *factor == first).then_some(first)
}

/// The factor, where every row is one element times the same factor, and the elements.
pub(super) fn selection(map: &LinearMap) -> Option<(f64, Vec<usize>)> {
    match map {
        LinearMap::Diagonal(factors) => Some((uniform(factors)?, (0..factors.len()).collect())),
        LinearMap::Sparse(rows) => {
            let elements = rows.iter().map(|row| match row {
                [(index, _)] => Some(*index),
                _ => None,
            });
            let elements = elements.collect::<Option<Vec<usize>>>()?;
            let factors: Vec<f64> = rows.terms.iter().map(|term| term.1).collect();
            Some((uniform(&factors)?, elements))
        }
        _ => None,
    }
}

/// A map with all coefficients multiplied.
pub(super) fn scaled(map: &LinearMap, factor: f64) -> LinearMap {
    if factor == 1.0 {
        return map.clone();
    }
    let Ok(scaled) = map.try_map(|_, w| Ok::<_, std::convert::Infallible>(w * factor));
    scaled
}

fn scale_columns(map: &LinearMap, factors: &[f64]) -> Option<LinearMap> {
    if let Some(factor) = uniform(factors) {
        return Some(scaled(map, factor));
    }
    // All elements that share a coefficient must have the factor of the first.
    let shared = match map {
        LinearMap::Dense { inputs, .. } => {
            factors.chunks((*inputs).max(1)).all(|chunk| factors.starts_with(chunk))
        }
        LinearMap::Convolution(conv) => {
            let plane = (conv.in_size[0] * conv.in_size[1]).max(1);
            let image = plane * conv.in_channels;
            factors.chunks(plane).all(|chunk| uniform(chunk).is_some())
                && factors.chunks(image.max(1)).all(|chunk| factors.starts_with(chunk))
        }
        LinearMap::Diagonal(_) | LinearMap::Sparse(_) => true,
    };
    if !shared {
        return None;
    }
    let Ok(scaled) = map.try_map(|i, w| Ok::<_, std::convert::Infallible>(w * factors[i]));
    Some(scaled)
}

fn scale_rows(map: &LinearMap, factors: &[f64]) -> Option<LinearMap> {
    if let Some(factor) = uniform(factors) {
        return Some(scaled(map, factor));
    }
    let mut map = map.clone();
    match &mut map {
        LinearMap::Dense { inputs, outputs, weights, .. } => {
            let periodic =
                factors.chunks((*outputs).max(1)).all(|chunk| factors.starts_with(chunk));
            if !periodic {
                return None;
            }
            for (row, factor) in weights.chunks_mut((*inputs).max(1)).zip(factors) {
                row.iter_mut().for_each(|w| *w *= factor);
            }
        }
        LinearMap::Convolution(conv) => {
            let plane = (conv.out_size[0] * conv.out_size[1]).max(1);
            let image = (plane * conv.out_channels).max(1);
            let fits = factors.chunks(plane).all(|chunk| uniform(chunk).is_some())
                && factors.chunks(image).all(|chunk| factors.starts_with(chunk));
            if !fits {
                return None;
            }
            let kernel = (conv.weights.len() / conv.out_channels.max(1)).max(1);
            for (o, kernel) in conv.weights.chunks_mut(kernel).enumerate() {
                kernel.iter_mut().for_each(|w| *w *= factors[o * plane]);
            }
        }
        LinearMap::Diagonal(own) => {
            own.iter_mut().zip(factors).for_each(|(own, factor)| *own *= factor);
        }
        LinearMap::Sparse(rows) => {
            for (row, factor) in factors.iter().enumerate() {
                let range = rows.starts[row]..rows.starts[row + 1];
                rows.terms[range].iter_mut().for_each(|term| term.1 *= factor);
            }
        }
    }
    Some(map)
}

/// Some rows of a matrix, where the outer map names one a row at most.
fn pick_rows(
    rows: &SparseRows,
    inputs: usize,
    outputs: usize,
    weights: &[f64],
) -> Option<LinearMap> {
    if rows.len() > outputs || rows.iter().any(|row| row.len() > 1) {
        return None;
    }
    let mut picked = Vec::with_capacity(rows.len() * inputs);
    for row in rows.iter() {
        match row {
            [(from, factor)] => {
                let row = &weights[from * inputs..(from + 1) * inputs];
                picked.extend(row.iter().map(|w| w * factor));
            }
            _ => picked.resize(picked.len() + inputs, 0.0),
        }
    }
    Some(LinearMap::Dense { positions: 1, inputs, outputs: rows.len(), weights: picked })
}

/// Coefficients that one value more is worth.
pub(super) const VALUE_COST: usize = 25;

/// The product with a sparse map, unless its coefficients cost more than to round between.
fn product(outer: &LinearMap, inner: &SparseRows, inner_len: usize) -> Option<LinearMap> {
    let limit = outer.coefficients() + inner.terms.len() + VALUE_COST * inner_len;
    let outputs = match outer {
        LinearMap::Sparse(rows) => rows.len(),
        LinearMap::Dense { positions, outputs, .. } => positions * outputs,
        _ => return None,
    };
    let mut count = 0;
    let mut rows = SparseRows { starts: vec![0], terms: Vec::new() };
    for row in 0..outputs {
        let mut terms: BTreeMap<usize, f64> = BTreeMap::new();
        outer.for_each_in_row(row, |i, w| {
            for (j, v) in &inner.terms[inner.starts[i]..inner.starts[i + 1]] {
                *terms.entry(*j).or_insert(0.0) += w * v;
            }
        });
        count += terms.len();
        if count > limit {
            return None;
        }
        rows.terms.extend(terms.into_iter().filter(|(_, w)| *w != 0.0));
        rows.starts.push(rows.terms.len());
    }
    Some(LinearMap::Sparse(rows))
}
