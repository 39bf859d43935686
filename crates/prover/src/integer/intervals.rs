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
//! All arithmetic is checked: a graph that overflows even here has no bounds.

use std::collections::{BTreeMap, HashMap};

use super::{
    IntegerError, IntegerGraph, IntegerNode, IntegerOp, Selected,
    boxes::{self, Sides},
    products::{Limits, product},
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
                    let bounds = limits(node).quotients(divisions, operands.into_iter())?;
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

    /// Bounds of a sum over elements.
    fn row_bounds(&self, terms: &Terms) -> Option<Interval> {
        let is_product = |at: &Element| matches!(self.derived(*at), Derived::Product(_));
        if !terms.keys().any(is_product) {
            return self.sum_of_values(terms);
        }
        // Around what the other terms say is the middle, and as they are.
        let bounds = [true, false].into_iter().filter_map(|around| {
            let (rest, sum) = self.without_products(terms.clone(), around)?;
            add(self.sum_of_values(&rest)?, sum)
        });
        bounds.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// A sum without its products, of which c·ab became c·(a − α)·(b − β) and terms of a and b;
    /// and the bounds of what they became.
    fn without_products(&self, mut terms: Terms, around: bool) -> Option<(Terms, Interval)> {
        let mut products: Vec<([Element; 2], i128)> = Vec::new();
        terms.retain(|at, c| match self.derived(*at) {
            Derived::Product(factors) => {
                products.push((*factors, *c));
                false
            }
            _ => true,
        });
        let mut sum = (0, 0);
        for ([a, b], c) in products.into_iter().filter(|(_, c)| *c != 0) {
            // −(the factor of a) / c, rounded, is what b counts from.
            let origin = |of: Element, share: i128| match terms.get(&of) {
                Some(factor) if around => {
                    let by = c.checked_mul(share)?;
                    let half = by.abs() / 2;
                    Some((-factor * by.signum()).checked_add(half)?.div_euclid(by.abs()))
                }
                _ => Some(0),
            };
            let of = |at: Element| self.known[at.0].bounds[at.1];
            let less =
                |(lo, hi): Interval, by: i128| Some((lo.checked_sub(by)?, hi.checked_sub(by)?));
            let (alpha, beta, own) = if a == b {
                let middle = origin(a, 2)?;
                let (lo, hi) = less(of(a), middle)?;
                let ends = (lo.checked_mul(lo)?, hi.checked_mul(hi)?);
                let least = if lo <= 0 && hi >= 0 { 0 } else { ends.0.min(ends.1) };
                (middle, middle, (least, ends.0.max(ends.1)))
            } else {
                let (alpha, beta) = (origin(b, 1)?, origin(a, 1)?);
                (alpha, beta, product(less(of(a), alpha)?, less(of(b), beta)?)?)
            };
            sum = add(sum, scale(c, own)?)?;
            for (at, factor) in [(a, beta), (b, alpha)] {
                let entry = terms.entry(at).or_insert(0);
                *entry = entry.checked_add(c.checked_mul(factor)?)?;
            }
            let constant = c.checked_mul(alpha)?.checked_mul(beta)?;
            sum = less(sum, constant)?;
        }
        Some((terms, sum))
    }

    /// Bounds of a sum over elements that are no products: the tightest that any rewriting
    /// gives.
    fn sum_of_values(&self, terms: &Terms) -> Option<Interval> {
        let is_difference = |at: &Element| matches!(self.derived(*at), Derived::Difference { .. });
        if !terms.keys().any(is_difference) {
            return self.over_variables(terms.iter().map(|(at, c)| (*at, *c)), &[]);
        }
        let bounds = Rewriting::ALL.into_iter().filter_map(|rewriting| {
            let Rewritten { rest, extremes } = self.rewrite(terms.clone(), rewriting)?;
            let extremes: Vec<_> = extremes.into_iter().map(|(_, c, bounds)| (c, bounds)).collect();
            self.over_variables(rest.into_iter(), &extremes)
        });
        bounds.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// Replaces every c·r by c·max(A, B) − c·B, or by c·A − c·min(A, B), latest values first.
    fn rewrite(&self, mut terms: Terms, rewriting: Rewriting) -> Option<Rewritten> {
        if rewriting == Rewriting::None {
            return Some(Rewritten { rest: terms, extremes: Vec::new() });
        }
        let mut result = Rewritten::default();
        while let Some((at, c)) = terms.pop_last() {
            let Derived::Difference { maximum, minimum } = self.derived(at) else {
                result.rest.insert(at, c);
                continue;
            };
            if c == 0 {
                continue;
            }
            let (extreme, c) = match rewriting {
                Rewriting::Maxima => (maximum, c),
                _ => (minimum, -c),
            };
            subtract(&mut terms, c, &extreme.base)?;
            result.extremes.push((at, c, extreme.bounds));
        }
        Some(result)
    }

    /// Bounds of a sum of terms and of other bounded numbers, terms of one variable together.
    fn over_variables(
        &self,
        terms: impl Iterator<Item = (Element, i128)>,
        others: &[(i128, Interval)],
    ) -> Option<Interval> {
        let mut sum = (0, 0);
        let mut functions: BTreeMap<Element, Vec<(i128, i128, i128)>> = BTreeMap::new();
        let mut steps: BTreeMap<Element, Vec<(i128, i128)>> = BTreeMap::new();
        // Those of one tensor, as the leaves of one tree are.
        let mut boxes: BTreeMap<usize, Vec<(i128, &Sides)>> = BTreeMap::new();
        let mut plain = Vec::new();
        for (at, c) in terms {
            match self.derived(at) {
                Derived::Step { source, at } => steps.entry(*source).or_default().push((*at, c)),
                Derived::Box(sides) => boxes.entry(at.0).or_default().push((c, sides)),
                Derived::Knot { source, m, q } => {
                    functions.entry(*source).or_default().push((c, *m, *q));
                }
                _ => plain.push((at, c)),
            }
        }
        for (at, c) in plain {
            match functions.get_mut(&at) {
                // A value is its own ReLU.
                Some(function) => function.push((c, 1, 0)),
                None => sum = add(sum, scale(c, self.known[at.0].bounds[at.1])?)?,
            }
        }
        for (c, bounds) in others {
            sum = add(sum, scale(*c, *bounds)?)?;
        }
        for (source, function) in functions {
            sum = add(sum, function_bounds(&function, self.known[source.0].bounds[source.1])?)?;
        }
        for (source, mut terms) in steps {
            let bounds = self.known[source.0].bounds[source.1];
            sum = add(sum, boxes::steps(&mut terms, bounds)?)?;
        }
        for terms in boxes.values() {
            sum = add(sum, boxes::boxes(terms)?)?;
        }
        Some(sum)
    }

    /// How the values of a linear node follow from others without rounding.
    fn derive(
        &self,
        inputs: &[TensorId],
        linear: &Linear<i64>,
        bounds: &[Interval],
    ) -> Vec<Derived> {
        let few = |map: &LinearMap<i64>| match map {
            LinearMap::Sparse(_) | LinearMap::Diagonal(_) => true,
            LinearMap::Dense { .. } | LinearMap::Convolution(_) => false,
        };
        if !linear.maps.iter().all(few) {
            return Vec::new();
        }
        let maps: Vec<_> = inputs.iter().copied().zip(&linear.maps).collect();
        let derived: Vec<Derived> = linear
            .bias
            .iter()
            .enumerate()
            .map(|(row, bias)| self.derive_row(self.row_terms(&maps, row), *bias, bounds[row]))
            .collect();
        let plain = derived.iter().all(|derived| matches!(derived, Derived::Plain));
        if plain { Vec::new() } else { derived }
    }

    fn derive_row(&self, mut terms: Terms, bias: i64, bounds: Interval) -> Derived {
        let unit = 1i128 << self.shift_bits;
        terms.retain(|_, w| *w != 0);
        if let (1, Some((source, 1))) = (terms.len(), terms.first_key_value()) {
            // max(0, ⌊(x − at) / 2^n⌋ + 1), which goes no further than 1.
            let at = unit - i128::from(bias);
            let (_, hi) = self.known[source.0].bounds[source.1];
            if hi.checked_sub(at).is_some_and(|over| over < unit) {
                return Derived::Step { source: *source, at };
            }
        }
        if terms.len() > MAX_DIFFERENCE_TERMS || terms.values().any(|w| w % unit != 0) {
            return Derived::Plain;
        }
        terms.values_mut().for_each(|w| *w /= unit);
        let q = i128::from(bias >> self.shift_bits);
        if let Some(derived) = self.derive_decision(&terms, q) {
            return derived;
        }
        // A difference stays one, so that its own terms can be taken apart.
        if let (1, Some((source, m))) = (terms.len(), terms.first_key_value())
            && !matches!(self.derived(*source), Derived::Difference { .. })
        {
            return Derived::Knot { source: *source, m: *m, q };
        }
        // A sum that is never cut at 0 is a value of its own, whose bounds are known.
        if bounds.0 >= 0 {
            return Derived::Plain;
        }
        self.derive_difference(&terms, q).unwrap_or(Derived::Plain)
    }

    /// max(0, Σ terms + q) as max(0, A − B), q belonging to A.
    fn derive_difference(&self, terms: &Terms, q: i128) -> Option<Derived> {
        let width = |extreme: &Extreme| extreme.bounds.1.saturating_sub(extreme.bounds.0);
        let (mut best_maximum, mut best_minimum) = (None::<Extreme>, None::<Extreme>);
        for rewriting in Rewriting::ALL {
            let Some(rewritten) = self.rewrite(terms.clone(), rewriting) else { continue };
            let (a, b) = (self.side(&rewritten, 1), self.side(&rewritten, -1));
            let (Some(a), Some(b)) = (a, b) else { continue };
            // B + r = max(A + q, B) and A − r = min(A, B − q).
            let (Some(raised), Some(lowered)) = (add(a, (q, q)), add(b, (-q, -q))) else {
                continue;
            };
            let maximum = (raised.0.max(b.0), raised.1.max(b.1));
            let minimum = (lowered.0.min(a.0), lowered.1.min(a.1));
            for (best, sign, bounds) in
                [(&mut best_maximum, -1, maximum), (&mut best_minimum, 1, minimum)]
            {
                let Some(base) = self.base(&rewritten, rewriting, sign) else { continue };
                let extreme = Extreme { base, bounds };
                if best.as_ref().is_none_or(|best| width(&extreme) < width(best)) {
                    *best = Some(extreme);
                }
            }
        }
        Some(Derived::Difference { maximum: best_maximum?, minimum: best_minimum? })
    }

    /// Bounds of the part of a sum whose coefficients have this sign.
    fn side(&self, sum: &Rewritten, sign: i128) -> Option<Interval> {
        let own = |c: i128| c.signum() == sign;
        let terms = sum.rest.iter().filter(|(_, c)| own(**c)).map(|(at, c)| (*at, c * sign));
        let extremes: Vec<_> = sum
            .extremes
            .iter()
            .filter(|(_, c, _)| own(*c))
            .map(|(_, c, bounds)| (c * sign, *bounds))
            .collect();
        self.over_variables(terms, &extremes)
    }

    /// That part in terms of elements: a maximum is its base and r, a minimum its base less r.
    fn base(
        &self,
        sum: &Rewritten,
        rewriting: Rewriting,
        sign: i128,
    ) -> Option<Vec<(Element, i128)>> {
        let own = |c: i128| c.signum() == sign;
        let mut base: Terms = BTreeMap::new();
        for (at, c) in sum.rest.iter().filter(|(_, c)| own(**c)) {
            base.insert(*at, c * sign);
        }
        for (at, c, _) in sum.extremes.iter().filter(|(_, c, _)| own(*c)) {
            let Derived::Difference { maximum, minimum } = self.derived(*at) else { continue };
            let (extreme, r) = match rewriting {
                Rewriting::Maxima => (maximum, 1),
                _ => (minimum, -1),
            };
            subtract(&mut base, -c * sign, &extreme.base)?;
            subtract(&mut base, -c * sign, &[(*at, r)])?;
        }
        base.retain(|_, c| *c != 0);
        (base.len() <= MAX_DIFFERENCE_TERMS).then(|| base.into_iter().collect())
    }
}

/// Takes c times a sum off another.
fn subtract(from: &mut Terms, c: i128, terms: &[(Element, i128)]) -> Option<()> {
    for (element, factor) in terms {
        let entry = from.entry(*element).or_insert(0);
        *entry = entry.checked_sub(c.checked_mul(*factor)?)?;
    }
    Some(())
}

pub(super) fn add(a: Interval, b: Interval) -> Option<Interval> {
    Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?))
}

fn scale(factor: i128, (lo, hi): Interval) -> Option<Interval> {
    let (at_lo, at_hi) = (factor.checked_mul(lo)?, factor.checked_mul(hi)?);
    Some((at_lo.min(at_hi), at_lo.max(at_hi)))
}

/// Bounds of bias + Σ map·x, x within its bounds.
fn fold_bounds(bias: &[i64], maps: &[(&LinearMap<i64>, Vec<Interval>)]) -> Vec<Interval> {
    // In 64 bits where these suffice, which is faster: |z| is below Σ |w|·|x| over a row.
    let largest = |map: &LinearMap<i64>, x: &[Interval]| {
        let weight = match map {
            LinearMap::Dense { weights, .. } => weights.iter().map(|w| w.unsigned_abs()).max(),
            map => map.values().map(i64::unsigned_abs).max(),
        };
        let value = x.iter().map(|(lo, hi)| lo.unsigned_abs().max(hi.unsigned_abs())).max();
        let terms = match map {
            LinearMap::Sparse(rows) => rows.starts.windows(2).map(|s| s[1] - s[0]).max(),
            map => Some(map.term_count() / bias.len().max(1) + 1),
        };
        weight.unwrap_or(0) as f64 * value.unwrap_or(0) as f64 * terms.unwrap_or(0) as f64
    };
    let magnitude: f64 = maps.iter().map(|(map, x)| largest(map, x)).sum();
    let constant = bias.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0) as f64;
    if magnitude + constant < 2f64.powi(62) {
        let mut bounds: Vec<(i64, i64)> = bias.iter().map(|c| (*c, *c)).collect();
        for (map, x) in maps {
            let x: Vec<(i64, i64)> = x.iter().map(|(lo, hi)| (*lo as i64, *hi as i64)).collect();
            map.fold(&x, &mut bounds, |(lo, hi), w, x: (i64, i64)| {
                let (at_lo, at_hi) = (w * x.0, w * x.1);
                (lo + at_lo.min(at_hi), hi + at_lo.max(at_hi))
            });
        }
        return bounds.into_iter().map(|(lo, hi)| (lo.into(), hi.into())).collect();
    }
    let mut bounds: Vec<Option<Interval>> =
        bias.iter().map(|c| Some((i128::from(*c), i128::from(*c)))).collect();
    for (map, x) in maps {
        map.fold(x, &mut bounds, |sum, w, x: Interval| add(sum?, scale(i128::from(w), x)?));
    }
    bounds.into_iter().map(|bounds| bounds.unwrap_or(UNBOUNDED)).collect()
}

/// Bounds of Σ c·max(0, m·t + q) over the integers t of an interval, exactly.
fn function_bounds(terms: &[(i128, i128, i128)], (lo, hi): Interval) -> Option<Interval> {
    // The sum is slope·t + constant between places where a term starts or ends.
    let (mut slope, mut constant) = (0i128, 0i128);
    let mut changes: Vec<(i128, i128, i128)> = Vec::new();
    for (c, m, q) in terms.iter().copied() {
        let part = (c.checked_mul(m)?, c.checked_mul(q)?);
        let active = m.checked_mul(lo)?.checked_add(q)? > 0;
        if active {
            slope = slope.checked_add(part.0)?;
            constant = constant.checked_add(part.1)?;
        }
        // The first t at which it is positive, or no longer.
        let at = match (m, active) {
            (1.., false) => (-q).div_euclid(m) + 1,
            (..=-1, true) => -(-q).div_euclid(-m),
            _ => continue,
        };
        if at > lo && at <= hi {
            let sign = if active { -1 } else { 1 };
            changes.push((at, sign * part.0, sign * part.1));
        }
    }
    changes.sort_unstable();
    let mut bounds = (i128::MAX, i128::MIN);
    let mut visit = |slope: i128, constant: i128, t: i128| {
        let value = slope.checked_mul(t)?.checked_add(constant)?;
        bounds = (bounds.0.min(value), bounds.1.max(value));
        Some(())
    };
    visit(slope, constant, lo)?;
    for together in changes.chunk_by(|a, b| a.0 == b.0) {
        let at = together[0].0;
        visit(slope, constant, at - 1)?;
        for (_, by_slope, by_constant) in together {
            slope = slope.checked_add(*by_slope)?;
            constant = constant.checked_add(*by_constant)?;
        }
        visit(slope, constant, at)?;
    }
    visit(slope, constant, hi)?;
    Some(bounds)
}
