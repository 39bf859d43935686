//! Views: real numbers as sums of maps of steps' values.

use super::VALUE_COST;
use crate::graph::{LinearMap, SparseRows};

/// Real numbers as a sum of maps of steps' values.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::quantize) struct View {
    pub(in crate::quantize) parts: Vec<Part>,
    pub(in crate::quantize) bias: Vec<f64>,
}

/// One map of a view.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::quantize) struct Part {
    /// Index of the step it reads.
    pub(in crate::quantize) step: usize,
    pub(in crate::quantize) map: LinearMap,
    /// Whether the step's integers are meant, not what they stand for.
    pub(in crate::quantize) raw: bool,
}

impl View {
    /// A step as it is.
    pub(super) fn identity(step: usize, len: usize) -> Self {
        let map = LinearMap::Diagonal(vec![1.0; len]);
        Self { parts: vec![Part { step, map, raw: false }], bias: vec![0.0; len] }
    }

    pub(in crate::quantize) fn len(&self) -> usize {
        self.bias.len()
    }

    /// The step it is as it is.
    pub(super) fn is_identity(&self) -> Option<usize> {
        match self.parts.as_slice() {
            [Part { step, map: LinearMap::Diagonal(factors), raw: false }]
                if factors.iter().all(|f| *f == 1.0) && self.bias.iter().all(|b| *b == 0.0) =>
            {
                Some(*step)
            }
            _ => None,
        }
    }

    /// Whether carrying it along more than once costs little.
    pub(super) fn is_cheap(&self) -> bool {
        let few = |part: &Part| matches!(part.map, LinearMap::Diagonal(_) | LinearMap::Sparse(_));
        let terms: usize = self.parts.iter().map(|part| part.map.coefficients()).sum();
        self.parts.iter().all(few) && terms <= VALUE_COST * self.len()
    }
}

/// Adds a part, together with another of the same step where both have few terms.
pub(super) fn add_part(parts: &mut Vec<Part>, part: Part) {
    let few = |map: &LinearMap| matches!(map, LinearMap::Diagonal(_) | LinearMap::Sparse(_));
    let same = parts.iter_mut().find(|other| {
        other.step == part.step && other.raw == part.raw && few(&other.map) && few(&part.map)
    });
    let Some(other) = same else {
        parts.push(part);
        return;
    };
    let rows = match &part.map {
        LinearMap::Sparse(rows) => rows.len(),
        map => map.coefficients(),
    };
    let rows = (0..rows).map(|row| {
        let mut terms = std::collections::BTreeMap::new();
        for map in [&other.map, &part.map] {
            map.for_each_in_row(row, |i, w| *terms.entry(i).or_insert(0.0) += w);
        }
        terms.into_iter().filter(|(_, w)| *w != 0.0).collect::<Vec<_>>()
    });
    let rows = SparseRows::from_rows(rows);
    other.map = LinearMap::Sparse(rows);
}
