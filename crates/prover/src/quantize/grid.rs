//! The grids that inputs stand on.
//!
//! An input of d decimals is an integer number of 10^−d: it is taken exactly, and what it is
//! compared with can be decided for every value that it may have. Features of decision trees
//! always have a grid; where none is declared, one as fine as float32 can tell apart, about.

use serde::{Deserialize, Serialize};

use super::{InputTensor, Ranges, SchemaError, missing};
use crate::graph::{Element, ElementKind, Function, Graph, Op};

/// Most decimals of an input.
pub const MAX_DECIMALS: u32 = 15;
/// Most decimals chosen without being asked.
const DEFAULT_DECIMALS: u32 = 6;
/// Most steps of a grid chosen without being asked: float32 holds this many exactly.
const DEFAULT_STEPS: f64 = (1u32 << 24) as f64;
/// The last integer up to which f64 holds all.
const LARGEST: f64 = (1u64 << 53) as f64;

/// A grid of step 10^−decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Decimals of a value.
    pub decimals: u32,
    /// Whether a value between two points is refused rather than rounded.
    pub exact: bool,
    /// Whether there is one point more, below all, that stands for a missing value (NaN).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

impl Grid {
    /// The grid of integers.
    pub(crate) const INTEGERS: Self = Self { decimals: 0, exact: true, missing: false };

    /// One for a range that declares none: about as fine as float32 tells apart.
    pub(crate) fn fitting([lo, hi]: [f64; 2]) -> Self {
        let fits = |d: &u32| (hi - lo) * 10f64.powi(*d as i32) < DEFAULT_STEPS;
        let decimals = (0..=DEFAULT_DECIMALS).rev().find(fits).unwrap_or(0);
        Self { decimals, exact: false, missing: false }
    }

    /// How many points stand before the lower end of a range.
    pub(crate) fn before(self) -> i64 {
        i64::from(self.missing)
    }

    fn scale(self) -> f64 {
        10f64.powi(self.decimals as i32)
    }

    /// The value of a point: the float64 that is closest to it.
    pub(crate) fn value(self, point: f64) -> f64 {
        point / self.scale()
    }

    /// The point nearest to a value.
    pub(crate) fn nearest(self, value: f64) -> f64 {
        (value * self.scale()).round()
    }

    /// Whether a value is a point's, as float64 or as float32.
    pub(crate) fn holds(self, value: f64) -> bool {
        let nearest = self.value(self.nearest(value));
        nearest == value || nearest as f32 == value as f32 && f64::from(value as f32) == value
    }
}

impl Ranges {
    /// The grid of input element `index`, if it has one.
    pub fn grid(&self, index: usize) -> Option<Grid> {
        self.grids.get(index).copied().flatten()
    }

    /// The last point of an element's grid that the circuit lets an input be, counted from
    /// the lower end of the range: the range is proven up to the next power of two.
    pub(crate) fn last_point(&self, index: usize, grid: Grid) -> i64 {
        let [lo, hi] = self.input[index];
        let width = grid.nearest(hi) - grid.nearest(lo) + grid.before() as f64;
        // Resolved ranges have no more than 2^53 points.
        (1i64 << (64 - (width as u64).leading_zeros()).min(62)) - 1
    }

    /// The value of a point that is counted from the first; of one that stands for a missing
    /// value, what follows below the others.
    pub(crate) fn point(&self, index: usize, grid: Grid, point: i64) -> f64 {
        grid.value(grid.nearest(self.input[index][0]) + (point - grid.before()) as f64)
    }

    /// The values of the first and the last point of an element's range.
    pub(crate) fn ends(&self, index: usize) -> [f64; 2] {
        let [lo, hi] = self.input[index];
        match self.grid(index).filter(|grid| grid.missing) {
            Some(grid) => [self.point(index, grid, 0), hi],
            None => [lo, hi],
        }
    }

    /// Whether two elements have one unit and one offset.
    pub(crate) fn same_unit(&self, a: usize, b: usize) -> bool {
        self.input[a] == self.input[b] && self.grid(a) == self.grid(b)
    }

    /// The point of the grid nearest to a value, where there is a grid.
    pub(crate) fn snap(&self, index: usize, value: f64) -> f64 {
        self.grid(index).map_or(value, |grid| grid.value(grid.nearest(value)))
    }

    /// The ranges with a grid for every element that takes integers or that a tree compares,
    /// their ends moved outwards to it.
    ///
    /// # Errors
    /// Ranges that are none; integers whose ends are none; more points than 2^53.
    pub fn resolve(&self, graph: &Graph) -> Result<Self, SchemaError> {
        let count = graph.input_len();
        self.validate(count)?;
        let compared = compared(graph);
        let element = |index| InputTensor::element(&InputTensor::of(graph), index);
        let mut resolved = Self {
            input: self.input.clone(),
            grids: vec![None; count],
            private: self.private.clone(),
        };
        let kinds = graph.inputs.iter().flat_map(|id| {
            let tensor = &graph.tensors[id.0];
            std::iter::repeat_n(tensor.kind, tensor.len())
        });
        for (index, kind) in kinds.enumerate() {
            let [lo, hi] = self.input[index];
            let grid = match (kind, self.grid(index)) {
                (
                    ElementKind::Integer | ElementKind::Category,
                    Some(Grid { missing: true, .. }),
                ) => {
                    return Err(SchemaError::NeverMissing { element: element(index) });
                }
                (ElementKind::Integer, Some(Grid { decimals: 1.., exact: true, .. })) => {
                    let decimals = self.grid(index).map_or(0, |grid| grid.decimals);
                    return Err(SchemaError::NoDecimals { element: element(index), decimals });
                }
                (ElementKind::Integer | ElementKind::Category, _) => {
                    if let Some(value) = [lo, hi].into_iter().find(|end| end.fract() != 0.0) {
                        return Err(SchemaError::NotInteger { element: element(index), value });
                    }
                    Grid::INTEGERS
                }
                (ElementKind::Real, Some(grid)) => grid,
                (ElementKind::Real, None) if compared[index] => Grid::fitting([lo, hi]),
                (ElementKind::Real, None) => continue,
            };
            let decimals = grid.decimals;
            let outward = |end: f64, round: fn(f64) -> f64| {
                if grid.holds(end) { grid.nearest(end) } else { round(end * grid.scale()) }
            };
            let (first, last) = (outward(lo, f64::floor), outward(hi, f64::ceil));
            if decimals > MAX_DECIMALS || (first.abs() + 1.0).max(last.abs()) >= LARGEST {
                let element = element(index);
                return Err(SchemaError::Grid { element, lo, hi, decimals });
            }
            resolved.input[index] = [grid.value(first), grid.value(last)];
            resolved.grids[index] = Some(grid);
        }
        missing::check(graph, &resolved, &element)?;
        Ok(resolved)
    }
}

/// Which input elements a tree compares, as they are or after a function of nothing else
/// that is linear.
fn compared(graph: &Graph) -> Vec<bool> {
    let mut marks: Vec<Vec<bool>> =
        graph.tensors.iter().map(|tensor| vec![false; tensor.len()]).collect();
    for node in graph.nodes.iter().rev() {
        let own = std::mem::take(&mut marks[node.output.0]);
        match &node.op {
            Op::Trees(trees) => {
                let compared = |feature| trees.branches.iter().any(|b| b.feature == feature);
                for feature in (0..trees.features).filter(|feature| compared(*feature)) {
                    for position in 0..trees.positions {
                        marks[node.inputs[0].0][position * trees.features + feature] = true;
                    }
                }
            }
            Op::Select(elements) => {
                for (element, _) in elements.iter().zip(&own).filter(|(_, marked)| **marked) {
                    if let Element::Input { input, index } = *element {
                        marks[node.inputs[input].0][index] = true;
                    }
                }
            }
            Op::Linear(linear) => {
                for row in (0..own.len()).filter(|row| own[*row]) {
                    let mut terms = Vec::new();
                    for (map, input) in linear.maps.iter().zip(&node.inputs) {
                        map.for_each_in_row(row, |index, factor| {
                            if factor != 0.0 {
                                terms.push((input.0, index));
                            }
                        });
                    }
                    if let [(tensor, index)] = terms[..] {
                        marks[tensor][index] = true;
                    }
                }
            }
            Op::Function(Function::Impute { .. } | Function::Within { .. }) => {
                for index in (0..own.len()).filter(|index| own[*index]) {
                    marks[node.inputs[0].0][index] = true;
                }
            }
            Op::Function(_)
            | Op::Extremum(_)
            | Op::ArgExtremum(_)
            | Op::Leading(_)
            | Op::Product(_)
            | Op::Quotient(_)
            | Op::Root
            | Op::Shares(_) => {}
        }
        marks[node.output.0] = own;
    }
    graph.inputs.iter().flat_map(|id| marks[id.0].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_grid_is_one_as_float64_or_as_float32() {
        let cents = Grid { decimals: 2, exact: true, missing: false };
        for value in [0.29, -1.15, 1234567.89, f64::from(0.29f32), 3.0] {
            assert!(cents.holds(value), "{value}");
        }
        for value in [0.291, 1234567.891, 1e-9] {
            assert!(!cents.holds(value), "{value}");
        }
    }

    #[test]
    fn points_count_from_the_lower_end_to_a_power_of_two() {
        let grid = Grid { decimals: 1, exact: true, missing: false };
        let ranges = Ranges { grids: vec![Some(grid)], ..Ranges::uniform(1, -0.3, 0.5) };
        assert_eq!(ranges.last_point(0, grid), 15);
        assert_eq!(ranges.point(0, grid, 0), -0.3);
        assert_eq!(ranges.point(0, grid, 5), 0.2);
        let grid = Grid { missing: true, ..grid };
        let ranges = Ranges { grids: vec![Some(grid)], ..ranges };
        assert_eq!(ranges.ends(0), [-0.4, 0.5]);
        assert_eq!(ranges.point(0, grid, 1), -0.3);
    }
}
