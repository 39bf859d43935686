//! Bounds of every integer of a graph, over all inputs in range.
//!
//! Interval arithmetic, exact where it matters:
//!
//! - Values of one variable. A linear row of a single term with a weight of m·2^n makes
//!   max(0, m·t + q) of a value t without rounding. A sum of such values over one t is
//!   piecewise linear, so its extremes stand next to the points where it bends.
//! - Maxima and minima. A row of several terms, all multiples of 2^n, makes
//!   r = max(0, A − B) without rounding. B + r = max(A, B) and A − r = min(A, B) have bounds
//!   that follow from those of A and B: a sum with c·r is one with c·max(A, B) − c·B, and
//!   one with c·A − c·min(A, B).
//! - Decisions. A row of one term with a weight of 1 may be 1 where a value reaches a threshold
//!   and 0 elsewhere; a row of such steps may be 1 where all of them are. Of the leaves of a
//!   tree, which are such rows, only one is 1.
//!
//! - Products. c·ab is c·(a − α)·(b − β) and terms of a and b, for any α and β; where other terms
//!   take those back, the bounds are the product of those of a − α and b − β.
//!
//! - Shares. A quotient whose divisor is a sum of what is divided and of what is not negative is
//!   at most 1, whatever both may be.
//!
//! All arithmetic is checked: a graph that overflows even here has no bounds.

mod derive;
mod shares;
mod sums;

pub(super) use self::sums::add;
use self::sums::{fold_bounds, subtract};

use std::collections::{BTreeMap, HashMap};

use super::{
    IntegerError, IntegerGraph, IntegerNode, IntegerOp, Selected,
    boxes::{self, Sides},
    products::{Division, Limits, product},
};
use crate::graph::{Linear, LinearMap, TensorId};

/// Most terms of a row that is taken for a difference of two values.
const MAX_DIFFERENCE_TERMS: usize = 1024;

/// [lo, hi], both ends included.
pub type Interval = (i128, i128);

/// Bounds of all integers of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// [lo, hi] of the z of every element made, by node; empty for nodes that only name
    /// elements again.
    pub accumulators: Vec<Vec<Interval>>,
    /// [lo, hi] of every tensor's elements, by tensor.
    pub values: Vec<Vec<Interval>>,
}

impl IntegerGraph {
    /// Bounds of every integer; the structure must have been checked.
    ///
    /// # Errors
    /// The first z that may leave [−2^accumulator_bits, 2^accumulator_bits).
    pub(super) fn intervals(&self, accumulator_bits: u32) -> Result<Intervals, IntegerError> {
        let mut analysis = Analysis::new(self.shift_bits);
        for tensor in &self.inputs {
            analysis.add_input(*tensor, self.len(*tensor), self.input_bits);
        }
        let mut accumulators = Vec::with_capacity(self.nodes.len());
        let limits = |node| Limits { node, shift_bits: self.shift_bits, accumulator_bits };
        for node in &self.nodes {
            match &node.op {
                IntegerOp::Linear(linear) => {
                    let bounds = analysis.linear(&node.inputs, linear);
                    self.check_bounds(node, &bounds, accumulator_bits)?;
                    analysis.add_linear(node.output, &node.inputs, linear, &bounds);
                    accumulators.push(bounds);
                }
                IntegerOp::Maxima(maxima) => {
                    let z = analysis.linear(&node.inputs, &maxima.linear);
                    self.check_bounds(node, &z, accumulator_bits)?;
                    self.check_bounds(node, &maxima.gaps(&z), accumulator_bits)?;
                    let bounds = maxima.bounds(&z);
                    analysis.add_plain(node.output, &bounds);
                    accumulators.push(bounds);
                }
                IntegerOp::Products(pairs) => {
                    let factors = analysis.selected(&node.inputs, pairs.iter().copied());
                    let bounds = limits(node).products(factors.into_iter())?;
                    analysis.add_products(node.output, &node.inputs, pairs, &bounds);
                    accumulators.push(bounds);
                }
                IntegerOp::Quotients(divisions) => {
                    let pairs = divisions.iter().map(|own| [own.numerator.of, own.divisor]);
                    let operands = analysis.selected(&node.inputs, pairs);
                    let known = divisions.iter().map(|own| analysis.share(&node.inputs, own));
                    let operands = operands.into_iter().zip(known);
                    let bounds = limits(node).quotients(divisions, operands)?;
                    analysis.add_bounded(node.output, bounds.clone());
                    accumulators.push(bounds);
                }
                IntegerOp::Roots(radicands) => {
                    let operands =
                        analysis.selected(&node.inputs, radicands.iter().map(|own| [own.of]));
                    let operands = operands.into_iter().map(|[x]| x);
                    let bounds = limits(node).roots(radicands, operands)?;
                    analysis.add_bounded(node.output, bounds.clone());
                    accumulators.push(bounds);
                }
                IntegerOp::Trees(trees) => {
                    // What is compared has the bits of a value.
                    for (index, at) in trees.features.iter().enumerate() {
                        let [[own]] = analysis.selected(&node.inputs, [[*at]])[..] else {
                            continue;
                        };
                        let (bits, limit) = (bits_of(own), accumulator_bits - self.shift_bits);
                        if bits > limit {
                            let node = node.name.clone();
                            return Err(IntegerError::Overflow { node, index, bits, limit });
                        }
                    }
                    let bounds = trees.bounds();
                    self.check_bounds(node, &bounds, accumulator_bits)?;
                    analysis.add_plain(node.output, &bounds);
                    accumulators.push(bounds);
                }
                IntegerOp::Curves(curves) => {
                    let bounds = curves.bounds(analysis.bounds(node.inputs[0]));
                    if let Some(index) = bounds.iter().position(Option::is_none) {
                        let node = node.name.clone();
                        return Err(IntegerError::NoSegment { node, index });
                    }
                    let bounds: Vec<Interval> = bounds.into_iter().flatten().collect();
                    self.check_bounds(node, &bounds, accumulator_bits)?;
                    analysis.add_plain(node.output, &bounds);
                    accumulators.push(bounds);
                }
                IntegerOp::Select(elements) => {
                    analysis.add_select(node.output, &node.inputs, elements);
                    accumulators.push(Vec::new());
                }
            }
        }
        let tensors = (0..self.tensors.len()).map(TensorId);
        let values = tensors.map(|tensor| analysis.bounds(tensor).to_vec()).collect();
        Ok(Intervals { accumulators, values })
    }

    fn check_bounds(
        &self,
        node: &IntegerNode,
        bounds: &[Interval],
        limit: u32,
    ) -> Result<(), IntegerError> {
        for (index, bounds) in bounds.iter().enumerate() {
            let bits = bits_of(*bounds);
            if bits > limit {
                let node = node.name.clone();
                return Err(IntegerError::Overflow { node, index, bits, limit });
            }
        }
        Ok(())
    }
}

/// The smallest b with −2^b ≤ lo and hi < 2^b; 128 for bounds that do not fit at all.
pub(crate) fn bits_of((lo, hi): Interval) -> u32 {
    // !lo is −(lo + 1), which cannot overflow.
    let magnitude = hi.max(!lo).max(0);
    if magnitude == i128::MAX { 128 } else { 128 - magnitude.leading_zeros() }
}

/// Bounds of what did not even fit 127 bits.
const UNBOUNDED: Interval = (i128::MIN, i128::MAX);

/// An element, by the place of its tensor in the order of making: later ones sort later.
pub(super) type Element = (usize, usize);

/// A sum over elements.
pub(super) type Terms = BTreeMap<Element, i128>;

/// How a value follows from others without rounding.
#[derive(Debug, Clone)]
pub(super) enum Derived {
    /// It does not.
    Plain,
    /// max(0, m·t + q).
    Knot { source: Element, m: i128, q: i128 },
    /// 1 if the source is at least `at`, else 0.
    Step { source: Element, at: i128 },
    /// 1 if every variable lies within its sides, else 0.
    Box(Sides),
    /// a·b.
    Product([Element; 2]),
    /// A sum that is never cut at 0, and its constant.
    Sum(Vec<(Element, i128)>, i128),
    /// max(0, A − B).
    Difference { maximum: Extreme, minimum: Extreme },
}

/// r = max(0, A − B) as an extreme of A and B: B + r or A − r.
#[derive(Debug, Clone)]
pub(super) struct Extreme {
    /// B, or A.
    base: Vec<(Element, i128)>,
    /// Bounds of the maximum, or of the minimum.
    bounds: Interval,
}

/// What c·r is replaced by in a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rewriting {
    None,
    Maxima,
    Minima,
}

impl Rewriting {
    /// All, those first whose terms cancel out in what reads a running maximum or minimum.
    const ALL: [Self; 3] = [Self::Maxima, Self::Minima, Self::None];
}

/// A sum in which differences have been replaced.
#[derive(Debug, Default)]
struct Rewritten {
    /// What is left of it.
    rest: Terms,
    /// (r, c, bounds) of c times an extreme.
    extremes: Vec<(Element, i128, Interval)>,
}

/// What is known of a tensor.
#[derive(Debug)]
struct Known {
    bounds: Vec<Interval>,
    /// Of a selection: where its elements come from.
    roots: Option<Vec<Element>>,
    /// Empty where every value is plain.
    derived: Vec<Derived>,
}

/// Bounds of a graph's tensors, node after node.
#[derive(Debug)]
pub(crate) struct Analysis {
    shift_bits: u32,
    places: HashMap<TensorId, usize>,
    known: Vec<Known>,
}

impl Analysis {
    pub(crate) fn new(shift_bits: u32) -> Self {
        Self { shift_bits, places: HashMap::new(), known: Vec::new() }
    }

    fn add(&mut self, tensor: TensorId, known: Known) {
        self.places.insert(tensor, self.known.len());
        self.known.push(known);
    }

    pub(crate) fn add_input(&mut self, tensor: TensorId, len: usize, bits: u32) {
        let bounds = vec![(0, (1i128 << bits) - 1); len];
        self.add(tensor, Known { bounds, roots: None, derived: Vec::new() });
    }

    /// Adds the output of a linear node whose z have `bounds`.
    pub(crate) fn add_linear(
        &mut self,
        tensor: TensorId,
        inputs: &[TensorId],
        linear: &Linear<i64>,
        bounds: &[Interval],
    ) {
        let derived = self.derive(inputs, linear, bounds);
        let bounds = self.rescaled(bounds);
        self.add(tensor, Known { bounds, roots: None, derived });
    }

    /// Adds the output of a node whose z have `bounds`, of which nothing else is known.
    pub(crate) fn add_plain(&mut self, tensor: TensorId, bounds: &[Interval]) {
        let bounds = self.rescaled(bounds);
        self.add(tensor, Known { bounds, roots: None, derived: Vec::new() });
    }

    /// Adds a tensor whose values have these bounds, of which nothing else is known.
    pub(crate) fn add_bounded(&mut self, tensor: TensorId, bounds: Vec<Interval>) {
        self.add(tensor, Known { bounds, roots: None, derived: Vec::new() });
    }

    /// Adds products, which have these bounds.
    pub(crate) fn add_products(
        &mut self,
        tensor: TensorId,
        inputs: &[TensorId],
        pairs: &[[Selected; 2]],
        bounds: &[Interval],
    ) {
        let root = |at: &Selected| self.root(self.place(inputs[at.input]), at.index);
        let derived =
            pairs.iter().map(|pair| Derived::Product(pair.each_ref().map(root))).collect();
        self.add(tensor, Known { bounds: bounds.to_vec(), roots: None, derived });
    }

    /// Bounds of elements of some tensors.
    pub(crate) fn selected<const N: usize>(
        &self,
        inputs: &[TensorId],
        selected: impl IntoIterator<Item = [Selected; N]>,
    ) -> Vec<[Interval; N]> {
        let of = |at: Selected| self.bounds(inputs[at.input])[at.index];
        selected.into_iter().map(|own| own.map(of)).collect()
    }

    /// Bounds of values from those of their z.
    fn rescaled(&self, bounds: &[Interval]) -> Vec<Interval> {
        let rescale = |z: &i128| (z >> self.shift_bits).max(0);
        bounds.iter().map(|(lo, hi)| (rescale(lo), rescale(hi))).collect()
    }

    pub(crate) fn add_select(
        &mut self,
        tensor: TensorId,
        inputs: &[TensorId],
        elements: &[Selected],
    ) {
        let root = |at: &Selected| self.root(self.place(inputs[at.input]), at.index);
        let roots: Vec<Element> = elements.iter().map(root).collect();
        let bounds = roots.iter().map(|(place, index)| self.known[*place].bounds[*index]).collect();
        self.add(tensor, Known { bounds, roots: Some(roots), derived: Vec::new() });
    }

    /// Bounds of a tensor's elements; none if it was not added.
    pub(crate) fn bounds(&self, tensor: TensorId) -> &[Interval] {
        self.places.get(&tensor).map_or(&[], |place| &self.known[*place].bounds)
    }

    fn place(&self, tensor: TensorId) -> usize {
        self.places.get(&tensor).copied().unwrap_or_default()
    }

    fn root(&self, place: usize, index: usize) -> Element {
        self.known[place].roots.as_ref().map_or((place, index), |roots| roots[index])
    }

    pub(super) fn derived(&self, (place, index): Element) -> &Derived {
        self.known[place].derived.get(index).unwrap_or(&Derived::Plain)
    }

    /// Whether any value of a tensor is derived, or comes from elsewhere.
    fn is_plain(&self, tensor: TensorId) -> bool {
        let known = &self.known[self.place(tensor)];
        known.derived.is_empty()
            && known.roots.as_ref().is_none_or(|roots| {
                roots.iter().all(|root| matches!(self.derived(*root), Derived::Plain))
            })
    }

    /// Bounds of a linear node's z.
    pub(crate) fn linear(&self, inputs: &[TensorId], linear: &Linear<i64>) -> Vec<Interval> {
        let row_wise =
            |map: &LinearMap<i64>| matches!(map, LinearMap::Sparse(_) | LinearMap::Diagonal(_));
        let exact = !inputs.iter().all(|tensor| self.is_plain(*tensor));
        // Maps to add up row by row, and maps with the sum of the tensors that they are
        // all applied to.
        let mut rows: Vec<(TensorId, &LinearMap<i64>)> = Vec::new();
        let mut whole: Vec<(&LinearMap<i64>, Vec<TensorId>)> = Vec::new();
        for (tensor, map) in inputs.iter().zip(&linear.maps) {
            if exact && row_wise(map) {
                rows.push((*tensor, map));
            } else if let Some((_, tensors)) =
                whole.iter_mut().find(|(other, _)| exact && *other == map)
            {
                tensors.push(*tensor);
            } else {
                whole.push((map, vec![*tensor]));
            }
        }
        let whole: Vec<(&LinearMap<i64>, Vec<Interval>)> =
            whole.into_iter().map(|(map, tensors)| (map, self.sum_bounds(&tensors))).collect();
        let mut bounds = fold_bounds(&linear.bias, &whole);
        if !rows.is_empty() {
            for (row, bounds) in bounds.iter_mut().enumerate() {
                let own = self.row_bounds(&self.row_terms(&rows, row));
                *bounds = own.and_then(|own| add(*bounds, own)).unwrap_or(UNBOUNDED);
            }
        }
        bounds
    }

    /// Bounds of Σ x over the tensors, element by element.
    fn sum_bounds(&self, tensors: &[TensorId]) -> Vec<Interval> {
        let [first, rest @ ..] = tensors else { return Vec::new() };
        if rest.is_empty() {
            return self.bounds(*first).to_vec();
        }
        (0..self.bounds(*first).len())
            .map(|index| {
                let mut terms = BTreeMap::new();
                for tensor in tensors {
                    *terms.entry(self.root(self.place(*tensor), index)).or_insert(0) += 1;
                }
                self.row_bounds(&terms).unwrap_or(UNBOUNDED)
            })
            .collect()
    }

    /// One row of some maps as a sum over elements.
    fn row_terms(&self, maps: &[(TensorId, &LinearMap<i64>)], row: usize) -> Terms {
        let mut terms = Terms::new();
        for (tensor, map) in maps {
            let place = self.place(*tensor);
            map.for_each_in_row(row, |column, w| {
                *terms.entry(self.root(place, column)).or_insert(0) += i128::from(w);
            });
        }
        terms
    }
}
