//! Comparisons that are not known to be the file's, counted.
//!
//! Where trees compare what is made of several elements, float32's roundings on the way decide,
//! and a proof is of the numbers without them. How often that shows is measured where it shows
//! most: on inputs on either side of thresholds.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{ErrorReport, QuantizeError, Quantized, Ranges, compare::run_float};
use crate::graph::{Doubt, Graph, Op, TreeEnsemble};

/// Multiplications spent on looking for inputs next to thresholds.
const BUDGET: usize = 40_000_000;
/// Most thresholds that are looked for.
const THRESHOLDS: usize = 128;
/// Input elements of which one must lead across a threshold.
const TRIES: usize = 8;
/// Places of an element that stands on no grid.
const PLACES: i64 = 1 << 20;

/// Comparisons of trees that are not known to be the file's, and how they came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparisons {
    /// The nodes that make what is compared; none are named of a hidden model.
    pub behind: Vec<String>,
    /// Inputs that were compared, most of them on thresholds and next to them.
    pub inputs: usize,
    /// Those of which an output is another one than the file's.
    pub differing: usize,
}

impl fmt::Display for Comparisons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = match self.behind.len() {
            // None are named of a hidden model.
            0 => "some comparisons".into(),
            count @ 1..=4 => format!("those behind {}", self.behind[..count].join(", ")),
            count => format!("those behind {} and {} more", self.behind[..3].join(", "), count - 3),
        };
        match self.differing {
            0 => write!(
                f,
                "{behind} are not known to be exact, for float32's rounding may decide them: of {} \
                 inputs, on thresholds and beside them, none differs",
                self.inputs
            ),
            differing => write!(
                f,
                "{behind} are NOT exact, for float32's rounding decides them: {differing} of {} \
                 inputs, on thresholds and beside them, differ",
                self.inputs
            ),
        }
    }
}

/// Whether it is asked which of two inputs of whole numbers is greater, and float32 tells these apart.
fn are_whole(doubt: &Doubt, ranges: &Ranges) -> bool {
    let whole = |element: &usize| {
        let [lo, hi] = ranges.input[*element];
        let grid = ranges.grid(*element);
        grid.is_some_and(|grid| grid.exact && grid.decimals == 0)
            && lo.abs().max(hi.abs()) * f64::from(f32::EPSILON) < 1.0
    };
    let mut each = doubt.differences.iter().flatten();
    !doubt.differences.is_empty() && each.all(whole)
}

impl Quantized {
    /// Compares with the file on inputs next to thresholds of which it is not known that they are
    /// the file's; nothing if all are.
    ///
    /// # Errors
    /// Ranges that don't fit the graph.
    pub fn comparisons(
        &self,
        graph: &Graph,
        ranges: &Ranges,
        error: &ErrorReport,
    ) -> Result<Option<Comparisons>, QuantizeError> {
        let ranges = ranges.resolve(graph)?;
        // The circuit has their differences exactly in units of powers of two that are not above 1.
        let exactly = |compared| {
            let mut own = self.encodings.iter().filter(|own| own.of == Some(compared)).peekable();
            own.peek().is_some()
                && own.all(|own| {
                    own.units.iter().all(|unit| *unit <= 1.0 && unit.log2().fract() == 0.0)
                })
        };
        let behind = graph.doubts_but(|doubt, of| are_whole(doubt, &ranges) && exactly(of));
        if behind.is_empty() {
            return Ok(None);
        }
        let (mut inputs, mut differing) = (0, 0);
        for probe in self.near_thresholds(graph, &ranges) {
            // Where the file's own run overflows, there is nothing to compare with.
            let (Ok(ours), Ok(theirs)) = (self.run(&probe), run_float(graph, &probe)) else {
                continue;
            };
            let apart = |(a, b): (&f64, &f64)| {
                (a - b).abs() > (2.0 * error.largest).max(1e-6) * b.abs().max(1.0)
            };
            inputs += 1;
            differing += usize::from(ours.iter().zip(&theirs).any(apart));
        }
        Ok(Some(Comparisons { behind, inputs, differing }))
    }

    /// Inputs drawn evenly, and for each of them two neighbours, one element changed, between which
    /// the file's result of a comparison changes.
    fn near_thresholds(&self, graph: &Graph, ranges: &Ranges) -> Vec<Vec<f64>> {
        let trees: Vec<&TreeEnsemble> = graph
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Trees(trees) if trees.doubt.is_some() => Some(trees),
                _ => None,
            })
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(7993);
        let runs = BUDGET / graph.multiplications().max(1);
        let count = (runs / 64).clamp(4, THRESHOLDS);
        let mut found = Vec::with_capacity(3 * count);
        for (number, mut input) in ranges.samples(count).into_iter().enumerate() {
            input.iter_mut().enumerate().for_each(|(at, x)| *x = self.taken(ranges, at, *x));
            found.push(input.clone());
            let trees = trees[number % trees.len()];
            let branch = match trees.branches.len() {
                0 => continue,
                branches => &trees.branches[rng.gen_range(0..branches)],
            };
            let constants = branch.test.constants();
            let Some(threshold) =
                (!constants.is_empty()).then(|| constants[rng.gen_range(0..constants.len())])
            else {
                continue;
            };
            let first = rng.gen_range(0..input.len());
            for step in 0..input.len().min(TRIES) {
                let element = (first + step) % input.len();
                let at = |place: i64| {
                    let mut moved = input.clone();
                    moved[element] = self.place(ranges, element, place);
                    moved
                };
                let above = |place: i64| {
                    let moved = at(place);
                    let features = trees.single_features(&graph.split(&moved));
                    features
                        .and_then(|features| features.get(branch.feature).copied())
                        .is_some_and(|x| x > threshold)
                };
                let (mut before, mut behind) = (0, self.places(ranges, element));
                let start = above(before);
                if start == above(behind) {
                    continue;
                }
                while behind - before > 1 {
                    let middle = before + (behind - before) / 2;
                    if above(middle) == start { before = middle } else { behind = middle }
                }
                found.extend([at(before), at(behind)]);
                break;
            }
        }
        found
    }

    /// The last place of an element, from 0.
    fn places(&self, ranges: &Ranges, element: usize) -> i64 {
        let [lo, hi] = ranges.input[element];
        match ranges.grid(element) {
            Some(grid) => (grid.nearest(hi) - grid.nearest(lo)) as i64,
            None => PLACES,
        }
    }

    /// An element's value at a place, as it is proven.
    fn place(&self, ranges: &Ranges, element: usize, place: i64) -> f64 {
        let [lo, hi] = ranges.input[element];
        match ranges.grid(element) {
            Some(grid) => ranges.point(element, grid, place + grid.before()),
            None => {
                let value = lo + (hi - lo) * place as f64 / PLACES as f64;
                self.taken(ranges, element, value)
            }
        }
    }

    /// A value as an input takes it.
    fn taken(&self, ranges: &Ranges, element: usize, value: f64) -> f64 {
        match ranges.grid(element) {
            Some(_) => ranges.snap(element, value),
            None => {
                let [lo, _] = ranges.input[element];
                let unit = self.input.unit(element);
                lo + ((value - lo) / unit).round() * unit
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_of_a_hidden_model_are_some() {
        let said = |behind: &[&str], differing| {
            let behind = behind.iter().map(|name| (*name).to_owned()).collect();
            Comparisons { behind, inputs: 9, differing }.to_string()
        };
        assert!(said(&[], 1).starts_with("some comparisons are NOT exact"));
        assert!(said(&[], 0).starts_with("some comparisons are not known to be exact"));
        assert!(said(&["a", "b"], 1).starts_with("those behind a, b are NOT exact"));
    }
}
