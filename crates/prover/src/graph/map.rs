//! Affine maps while a graph is turned into a chain of layers.
//!
//! Every tensor between two activations is an affine map of the vector after the last one.

use rayon::prelude::*;

use super::chain::ChainError;
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

/// Array elements that a chain may still take, and the node in charge.
pub(super) struct Payer<'a> {
    pub(super) node: &'a str,
    pub(super) left: &'a mut usize,
}

impl Payer<'_> {
    pub(super) fn elements(&mut self, dims: &[usize]) -> Result<usize, ChainError> {
        let amount = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let left = amount.and_then(|amount| self.left.checked_sub(amount));
        let too_large = || ChainError::TooLarge { node: self.node.into() };
        *self.left = left.ok_or_else(too_large)?;
        amount.ok_or_else(too_large)
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
    pub(super) fn pick(&self, at: &[usize], payer: &mut Payer<'_>) -> Result<Self, ChainError> {
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
    ) -> Result<Self, ChainError> {
        let (n, k) = (self.inputs, self.outputs().max(1));
        let count = matrix.len() / k;
        if self.is_identity() {
            let rows = Rows::Dense { weights: matrix, bias: vec![0.0; count] };
            return Ok(Self { inputs: n, rows });
        }
        let mut weights = vec![0.0; payer.elements(&[count, n])?];
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
    ) -> Result<Self, ChainError> {
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

    /// The map as a layer.
    pub(super) fn into_affine(self, payer: &mut Payer<'_>) -> Result<Affine, ChainError> {
        let inputs = self.inputs;
        let (weights, bias) = self.into_dense(payer)?;
        Ok(Affine { inputs, outputs: bias.len(), weights, bias })
    }

    fn into_dense(self, payer: &mut Payer<'_>) -> Result<(Vec<f64>, Vec<f64>), ChainError> {
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
