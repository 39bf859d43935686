//! Affine maps while a graph is being read.
//!
//! Every tensor between two activations is an affine map of the vector after the
//! last one. Scaling, shifting and re-indexing keep that map sparse (one term an
//! element), so preprocessing costs nothing; a matrix product makes it dense. Two
//! dense maps in a row become one product matrix.

use rayon::prelude::*;

use super::{budget::Budget, error::OnnxError};
use crate::model::Affine;

/// An affine map of a vector of `inputs` values.
#[derive(Clone, Debug)]
pub(super) struct Map {
    inputs: usize,
    rows: Rows,
}

#[derive(Clone, Debug)]
enum Rows {
    /// Element i is factor·x[index] + offset.
    Sparse(Vec<Term>),
    /// Row-major weights (outputs × inputs) and a bias.
    Dense { weights: Vec<f64>, bias: Vec<f64> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    index: usize,
    factor: f64,
    offset: f64,
}

/// What paying for a map's memory needs: the node in charge, and the budget.
pub(super) struct Payer<'a> {
    pub(super) node: &'a str,
    pub(super) budget: &'a mut Budget,
}

impl Payer<'_> {
    pub(super) fn elements(&mut self, dims: &[usize]) -> Result<usize, OnnxError> {
        self.budget.elements(self.node, dims)
    }
}

impl Map {
    /// Array elements that one term of a sparse map counts for.
    pub(super) const TERM: usize = 3;

    /// y = x.
    pub(super) fn identity(inputs: usize) -> Self {
        let term = |index| Term { index, factor: 1.0, offset: 0.0 };
        Self { inputs, rows: Rows::Sparse((0..inputs).map(term).collect()) }
    }

    /// y = values, whatever x is.
    pub(super) fn constant(inputs: usize, values: &[f64]) -> Self {
        let term = |&offset| Term { index: 0, factor: 0.0, offset };
        Self { inputs, rows: Rows::Sparse(values.iter().map(term).collect()) }
    }

    /// Number of elements of x.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Dimensions of the array that holds the map.
    pub(super) fn storage(&self) -> [usize; 2] {
        match &self.rows {
            Rows::Sparse(terms) => [terms.len(), Self::TERM],
            Rows::Dense { bias, .. } => [bias.len(), self.inputs],
        }
    }

    /// Number of elements of y.
    pub(super) fn outputs(&self) -> usize {
        match &self.rows {
            Rows::Sparse(terms) => terms.len(),
            Rows::Dense { bias, .. } => bias.len(),
        }
    }

    /// True for y = x, exactly.
    pub(super) fn is_identity(&self) -> bool {
        match &self.rows {
            Rows::Sparse(terms) => {
                terms.len() == self.inputs
                    && terms
                        .iter()
                        .enumerate()
                        .all(|(i, t)| *t == Term { index: i, factor: 1.0, offset: 0.0 })
            }
            Rows::Dense { .. } => false,
        }
    }

    /// Elements of y at the given positions, each below `outputs`.
    pub(super) fn pick(&self, at: &[usize], payer: &mut Payer<'_>) -> Result<Self, OnnxError> {
        let n = self.inputs;
        let rows = match &self.rows {
            Rows::Sparse(terms) => {
                payer.elements(&[at.len(), Self::TERM])?;
                Rows::Sparse(at.iter().map(|&i| terms[i]).collect())
            }
            Rows::Dense { weights, bias } => {
                let mut picked = Vec::with_capacity(payer.elements(&[at.len(), n])?);
                at.iter().for_each(|&i| picked.extend_from_slice(&weights[i * n..(i + 1) * n]));
                Rows::Dense { weights: picked, bias: at.iter().map(|&i| bias[i]).collect() }
            }
        };
        Ok(Self { inputs: n, rows })
    }

    /// Replaces each element y_i by factor·y_i + offset, `by(i)` = (factor, offset).
    pub(super) fn rescale(&mut self, by: impl Fn(usize) -> (f64, f64)) {
        match &mut self.rows {
            Rows::Sparse(terms) => {
                for (i, term) in terms.iter_mut().enumerate() {
                    let (factor, offset) = by(i);
                    term.factor *= factor;
                    term.offset = term.offset * factor + offset;
                }
            }
            Rows::Dense { weights, bias } => {
                let rows = weights.chunks_exact_mut(self.inputs.max(1));
                for (i, (row, bias)) in rows.zip(bias).enumerate() {
                    let (factor, offset) = by(i);
                    if factor != 1.0 {
                        row.iter_mut().for_each(|w| *w *= factor);
                    }
                    *bias = *bias * factor + offset;
                }
            }
        }
    }

    /// M·y for a row-major M with `outputs` columns.
    pub(super) fn multiply(
        &self,
        matrix: Vec<f64>,
        payer: &mut Payer<'_>,
    ) -> Result<Self, OnnxError> {
        let (n, k) = (self.inputs, self.outputs().max(1));
        let count = matrix.len() / k;
        if self.is_identity() {
            let rows = Rows::Dense { weights: matrix, bias: vec![0.0; count] };
            return Ok(Self { inputs: n, rows });
        }
        let mut weights = vec![0.0; payer.elements(&[count, n])?];
        if let Rows::Dense { .. } = self.rows {
            payer.budget.products(payer.node, [count, k, n])?;
        }
        let dot = |row: &[f64], offsets: &mut dyn Iterator<Item = f64>| {
            row.iter().zip(offsets).map(|(m, o)| m * o).sum::<f64>()
        };
        let bias = weights
            .par_chunks_exact_mut(n.max(1))
            .zip(matrix.par_chunks_exact(k))
            .map(|(out, row)| match &self.rows {
                Rows::Sparse(terms) => {
                    row.iter().zip(terms).for_each(|(m, t)| out[t.index] += m * t.factor);
                    dot(row, &mut terms.iter().map(|t| t.offset))
                }
                Rows::Dense { weights, bias } => {
                    for (m, inner) in row.iter().zip(weights.chunks_exact(n.max(1))) {
                        out.iter_mut().zip(inner).for_each(|(o, w)| *o += m * w);
                    }
                    dot(row, &mut bias.iter().copied())
                }
            })
            .collect();
        Ok(Self { inputs: n, rows: Rows::Dense { weights, bias } })
    }

    /// y + sign·z, element by element, for a z of the same length and inputs.
    pub(super) fn add(
        self,
        other: Self,
        sign: f64,
        payer: &mut Payer<'_>,
    ) -> Result<Self, OnnxError> {
        let inputs = self.inputs;
        if let (Rows::Sparse(a), Rows::Sparse(b)) = (&self.rows, &other.rows) {
            let sum = |(a, b): (&Term, &Term)| {
                let index = match (a.factor == 0.0, b.factor == 0.0) {
                    (true, _) => b.index,
                    (_, true) => a.index,
                    _ if a.index == b.index => a.index,
                    _ => return None,
                };
                let factor = a.factor + sign * b.factor;
                Some(Term { index, factor, offset: a.offset + sign * b.offset })
            };
            payer.elements(&[a.len(), Self::TERM])?;
            if let Some(terms) = a.iter().zip(b).map(sum).collect() {
                return Ok(Self { inputs, rows: Rows::Sparse(terms) });
            }
        }
        let (mut weights, mut bias) = self.into_dense(payer)?;
        let outputs = bias.len();
        bias.iter_mut().enumerate().for_each(|(i, b)| *b += sign * other.offset(i));
        match other.rows {
            Rows::Sparse(terms) => {
                for (i, term) in terms.iter().enumerate().take(outputs) {
                    weights[i * inputs + term.index] += sign * term.factor;
                }
            }
            Rows::Dense { weights: w, .. } => {
                weights.iter_mut().zip(w).for_each(|(a, b)| *a += sign * b);
            }
        }
        Ok(Self { inputs, rows: Rows::Dense { weights, bias } })
    }

    fn offset(&self, i: usize) -> f64 {
        match &self.rows {
            Rows::Sparse(terms) => terms[i].offset,
            Rows::Dense { bias, .. } => bias[i],
        }
    }

    /// All elements of the maps, one map after the other.
    pub(super) fn concat(
        inputs: usize,
        maps: Vec<Self>,
        payer: &mut Payer<'_>,
    ) -> Result<Self, OnnxError> {
        if maps.iter().all(|map| matches!(map.rows, Rows::Sparse(_))) {
            let mut all = Vec::with_capacity(payer.elements(&[maps.len()])?);
            for map in maps {
                if let Rows::Sparse(terms) = map.rows {
                    payer.elements(&[terms.len(), Self::TERM])?;
                    all.extend(terms);
                }
            }
            return Ok(Self { inputs, rows: Rows::Sparse(all) });
        }
        let (mut weights, mut bias) = (vec![], vec![]);
        for map in maps {
            payer.elements(&[map.outputs(), inputs])?;
            let (w, b) = map.into_dense(payer)?;
            weights.extend(w);
            bias.extend(b);
        }
        Ok(Self { inputs, rows: Rows::Dense { weights, bias } })
    }

    /// The map as a layer.
    pub(super) fn into_affine(self, payer: &mut Payer<'_>) -> Result<Affine, OnnxError> {
        let inputs = self.inputs;
        let (weights, bias) = self.into_dense(payer)?;
        Ok(Affine { inputs, outputs: bias.len(), weights, bias })
    }

    fn into_dense(self, payer: &mut Payer<'_>) -> Result<(Vec<f64>, Vec<f64>), OnnxError> {
        match self.rows {
            Rows::Dense { weights, bias } => Ok((weights, bias)),
            Rows::Sparse(terms) => {
                let mut weights = vec![0.0; payer.elements(&[terms.len(), self.inputs])?];
                for (i, term) in terms.iter().enumerate() {
                    weights[i * self.inputs + term.index] += term.factor;
                }
                Ok((weights, terms.iter().map(|t| t.offset).collect()))
            }
        }
    }
}
