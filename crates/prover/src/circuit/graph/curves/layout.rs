//! Where evaluations and the segments of their functions stand.

use std::collections::HashMap;

use halo2curves::bn256::Fr;

use super::FUNCTION;
use crate::{
    circuit::{LayoutError, field, graph::claims::Claims},
    integer::{CurveTable, Segment},
    shape::Shape,
};

/// Evaluations and functions of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Curves {
    /// Values that functions are evaluated at, and the function's number, in the order of values.
    pub evaluations: Vec<(usize, usize)>,
    /// For each evaluation the node of the claims and the output whose equation it joins.
    pub outputs: Vec<(usize, usize)>,
    /// The functions, by number.
    pub functions: Vec<PlacedFunction>,
}

/// A function's segments in the segment table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFunction {
    /// The place of its first segment in the segment table.
    pub entry: usize,
    /// The segments.
    pub table: CurveTable,
}

impl Curves {
    /// Those of some claims.
    pub(in crate::circuit::graph) fn new(claims: &Claims<'_>) -> Self {
        let mut functions: Vec<PlacedFunction> = Vec::new();
        let mut evaluations = Vec::new();
        let mut entry = 0;
        // The same table of several nodes stands once.
        let mut known: HashMap<&CurveTable, usize> = HashMap::new();
        for claim in &claims.curves {
            let mut place = |table| {
                *known.entry(table).or_insert_with(|| {
                    functions.push(PlacedFunction { entry, table: table.clone() });
                    entry += table.segments.len();
                    functions.len() - 1
                })
            };
            let numbers: Vec<usize> = claim.curves.tables.iter().map(&mut place).collect();
            let own = claim.values.iter().zip(&claim.curves.of).enumerate();
            evaluations.extend(
                own.map(|(output, (value, of))| (*value, numbers[*of], (claim.node, output))),
            );
        }
        evaluations.sort_unstable();
        Self {
            outputs: evaluations.iter().map(|(.., output)| *output).collect(),
            evaluations: evaluations.into_iter().map(|(v, f, _)| (v as usize, f)).collect(),
            functions,
        }
    }

    /// Segments of all functions.
    pub(in crate::circuit) fn segments(&self) -> usize {
        self.functions.last().map_or(0, |last| last.entry + last.table.segments.len())
    }

    /// Whether a value is the argument of a function.
    pub(in crate::circuit) fn is_argument(&self, value: usize) -> bool {
        self.evaluations.binary_search_by_key(&value, |(value, _)| *value).is_ok()
    }

    /// Refuses what a circuit of `shape` does not prove; `members` says of how many each value
    /// is the maximum.
    pub(in crate::circuit::graph) fn check(
        &self,
        shape: &Shape,
        members: &[u32],
    ) -> Result<(), LayoutError> {
        if self.evaluations.is_empty() {
            return Ok(());
        }
        if shape.segment_lanes() == 0 {
            return Err(LayoutError::NoCurves);
        }
        let twice = self.evaluations.windows(2).find(|pair| pair[0].0 == pair[1].0);
        let maximum = self.evaluations.iter().find(|(value, _)| members[*value] > 0);
        match twice.map(|pair| pair[0].0).or(maximum.map(|(value, _)| *value)) {
            Some(value) => Err(LayoutError::SharedArgument { value }),
            None => Ok(()),
        }
    }

    /// (row, lane, [number, base, slope]) of every segment.
    pub(in crate::circuit::graph) fn table(
        &self,
        lanes: usize,
    ) -> impl Iterator<Item = (usize, usize, [Fr; 3])> {
        self.functions.iter().enumerate().flat_map(move |(function, placed)| {
            placed.table.segments.iter().enumerate().map(move |(index, segment)| {
                let entry = placed.entry + index;
                let number = placed.table.first + index as u64;
                let Segment { base, slope } = *segment;
                let cells = [self::number(function, number), field(base), field(slope)];
                (entry / lanes.max(1), entry % lanes.max(1), cells)
            })
        })
    }
}

/// One number of a segment's and its function's.
pub(super) fn number(function: usize, segment: u64) -> Fr {
    Fr::from(segment + ((function as u64) << FUNCTION))
}
