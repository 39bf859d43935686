//! Products, quotients and roots as steps.
//!
//! Their operands are steps of their own, in units of powers of two, with offsets that are
//! multiples of these, so that what a product's factors count from is taken back exactly.

use super::{
    super::compose::{compose, selection},
    Kind, Lowering, Numerator, View,
};
use crate::{
    graph::{LinearMap, Node, Op, Product, SparseRows, TensorId},
    quantize::program::Part,
};

/// The largest sum of products that stands as it is.
const WIDE_SUM: f64 = (1u64 << 20) as f64;
/// The largest operand that stands as it is.
pub(super) const WIDE_OPERAND: f64 = (1u64 << 14) as f64;

impl Numerator {
    /// The step it is of.
    pub(in crate::quantize) fn step(&self) -> Option<usize> {
        match self {
            Self::Element((step, _)) => Some(*step),
            Self::Number(_) => None,
        }
    }

    pub(in crate::quantize) fn step_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Element((step, _)) => Some(step),
            Self::Number(_) => None,
        }
    }
}

/// Powers of two that bring a product's operands to 1, so that squares of amounts fit: exact, and
/// taken back by whoever reads it.
struct Narrowing {
    /// By operand, of each element.
    factors: [Vec<f64>; 2],
    /// Of each sum: the product of its operands' factors.
    rows: Vec<f64>,
}

impl Lowering<'_> {
    /// Sums of products, rescaled.
    pub(super) fn product(&mut self, node: &Node, product: &Product) -> View {
        let most = product.rows().map(<[_]>::len).max().unwrap_or(1).max(1);
        // As many bits as the sum has more than a product, half of them for each factor.
        let fewer = (most as f64).log2().ceil() as i32 / 2 + 1;
        let other = node.inputs.get(1).copied().filter(|other| *other != node.inputs[0]);
        let narrowing = self.narrowing(node, product);
        let mut operand = |tensor, side: usize| match &narrowing {
            Some(narrowing) => self.scaled_operand(node, tensor, fewer, &narrowing.factors[side]),
            None => self.operand(node, tensor, fewer),
        };
        let a = operand(node.inputs[0], 0);
        let b = other.map_or_else(|| a.clone(), |other| operand(other, 1));
        // A pair that several rows add up stands once.
        let mut pairs: Vec<[(usize, usize); 2]> =
            product.pairs.iter().map(|[i, j]| ordered([a[*i], b[*j]])).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let rows = product.rows().map(|row| {
            let places = row.iter().map(|[i, j]| {
                let pair = ordered([a[*i], b[*j]]);
                (pairs.binary_search(&pair).unwrap_or_default(), 1.0)
            });
            places.collect::<Vec<_>>()
        });
        let map = LinearMap::Sparse(SparseRows::from_rows(rows));
        let len = pairs.len();
        let step = self.add_helper(&node.name, len, Kind::Products(pairs));
        let bias = vec![0.0; product.len()];
        let view = View { parts: vec![Part { step, map, raw: false }], bias };
        let kind = Kind::Shifted { view, uniform: false };
        if let Some(Narrowing { rows, .. }) = narrowing {
            let step = self.add_helper(&node.name, rows.len(), kind);
            self.steps[step].bounds = narrowed(&self.bounds[node.output.0], &rows);
            let map = LinearMap::Diagonal(rows.iter().map(|factor| factor.recip()).collect());
            let bias = vec![0.0; rows.len()];
            return View { parts: vec![Part { step, map, raw: false }], bias };
        }
        let step = self.add_step(node.name.clone(), node.output, kind);
        self.narrowed(node, product, step).unwrap_or_else(|| View::identity(step, product.len()))
    }

    /// A step of products that shares weigh, cut to what is known of them, as a value of its own:
    /// the circuit knows of shares no more than that each is at most 1.
    fn narrowed(&mut self, node: &Node, product: &Product, step: usize) -> Option<View> {
        let own = self.convexity.bounds(node, product, &self.bounds)?;
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let wide = product.bounds(&self.bounds[a.0], &self.bounds[b.0], false);
        let ends = |bounds: &[(f64, f64)]| {
            let wider = |(lo, hi): (f64, f64), own: &(f64, f64)| (lo.min(own.0), hi.max(own.1));
            bounds.iter().fold((f64::MAX, f64::MIN), wider)
        };
        let ((low, high), (lowest, highest)) = (ends(&own), ends(&wide));
        // A bit is worth the rows that cutting takes.
        if highest - lowest < 4.0 * (high - low) || low >= high {
            return None;
        }
        self.steps[step].bounds = wide;
        let len = own.len();
        let bends = [(low, vec![1.0; len]), (high, vec![-1.0; len])];
        let view = self.bend(node, step, vec![0.0; len], &bends, low);
        self.views[node.output.0] = Some(view);
        let step = self.materialise(&node.name, node.output, false);
        Some(View::identity(step, len))
    }

    /// What a product is narrowed by, if its operands or sums are wide.
    fn narrowing(&self, node: &Node, product: &Product) -> Option<Narrowing> {
        let wide = |tensor: TensorId, most: f64| {
            self.bounds[tensor.0].iter().any(|bounds| largest(bounds) > most)
        };
        let operands = [node.inputs[0], *node.inputs.last()?];
        if !wide(node.output, WIDE_SUM) && !operands.iter().any(|x| wide(*x, WIDE_OPERAND)) {
            return None;
        }
        // Of what shares weigh, more is known than intervals say.
        if self.convexity.bounds(node, product, &self.bounds).is_some() {
            return None;
        }
        // Products that are added up need one factor.
        let alone = product.rows().all(|row| row.len() < 2);
        let factors = operands.map(|tensor| {
            let own = self.bounds[tensor.0].iter().map(largest);
            match alone {
                true => own.map(factor_of).collect(),
                false => vec![factor_of(own.fold(0.0, f64::max)); self.bounds[tensor.0].len()],
            }
        });
        let row =
            |row: &[[usize; 2]]| row.first().map_or(1.0, |[i, j]| factors[0][*i] * factors[1][*j]);
        let rows = product.rows().map(row).collect();
        Some(Narrowing { factors, rows })
    }

    /// A step that holds the elements of a tensor times powers of two, where they are wide, and
    /// these factors.
    pub(super) fn narrowed_copy(&mut self, name: &str, tensor: TensorId) -> (usize, Vec<f64>) {
        let largest = self.bounds[tensor.0].iter().map(largest);
        if largest.clone().all(|largest| largest <= WIDE_OPERAND) {
            let step = self.materialise(name, tensor, false);
            return (step, vec![1.0; self.steps[step].len]);
        }
        let factors: Vec<f64> = largest.map(factor_of).collect();
        let step = self.scaled_step(name, tensor, &factors);
        let map = LinearMap::Diagonal(factors.iter().map(|factor| factor.recip()).collect());
        let (parts, bias) = (vec![Part { step, map, raw: false }], vec![0.0; factors.len()]);
        self.views[tensor.0] = Some(View { parts, bias });
        (step, factors)
    }

    /// The elements of a tensor times powers of two as those of a step that can be multiplied.
    fn scaled_operand(
        &mut self,
        node: &Node,
        tensor: TensorId,
        fewer: i32,
        factors: &[f64],
    ) -> Vec<(usize, usize)> {
        let step = self.scaled_step(&node.name, tensor, factors);
        self.steps[step].operand = Some(fewer);
        (0..factors.len()).map(|index| (step, index)).collect()
    }

    /// A step that holds the elements of a tensor times these factors.
    pub(super) fn scaled_step(&mut self, name: &str, tensor: TensorId, factors: &[f64]) -> usize {
        let scale = LinearMap::Diagonal(factors.to_vec());
        let apply = |lowering: &Self| {
            let view = lowering.views[tensor.0].as_ref()?;
            let parts = view.parts.iter().map(|part| {
                let map = compose(&scale, &part.map, lowering.steps[part.step].len)?;
                Some(Part { map, ..part.clone() })
            });
            let bias = view.bias.iter().zip(factors).map(|(bias, factor)| bias * factor);
            Some(View { parts: parts.collect::<Option<_>>()?, bias: bias.collect() })
        };
        let view = apply(self).unwrap_or_else(|| {
            let step = self.materialise(name, tensor, false);
            let part = Part { step, map: scale.clone(), raw: false };
            View { parts: vec![part], bias: vec![0.0; factors.len()] }
        });
        let step = self.add_helper(name, factors.len(), Kind::Shifted { view, uniform: false });
        self.steps[step].bounds = narrowed(&self.bounds[tensor.0], factors);
        step
    }

    /// Quotients of two tensors, or of numbers and a tensor.
    pub(super) fn quotient(&mut self, node: &Node, numbers: Option<&[f64]>) -> View {
        let by = node.inputs.last().copied().unwrap_or(node.output);
        let over: Vec<Numerator> = match numbers {
            Some(numbers) => numbers.iter().map(|number| Numerator::Number(*number)).collect(),
            None => {
                let elements = self.operand(node, node.inputs[0], 0);
                elements.into_iter().map(Numerator::Element).collect()
            }
        };
        let by = self.operand(node, by, 0);
        // What is divided alike stands once.
        let all: Vec<(Numerator, (usize, usize))> = over.into_iter().zip(by).collect();
        let mut distinct: Vec<(Numerator, (usize, usize))> = Vec::new();
        let mut places = Vec::with_capacity(all.len());
        let mut known = std::collections::HashMap::new();
        for own in all {
            let key = match own.0 {
                Numerator::Element(element) => (element, 0, own.1),
                Numerator::Number(number) => ((usize::MAX, 0), number.to_bits(), own.1),
            };
            let place = *known.entry(key).or_insert_with(|| {
                distinct.push(own);
                distinct.len() - 1
            });
            places.push(place);
        }
        self.made_of(node, Kind::Quotients(distinct), &places)
    }

    /// Square roots.
    pub(super) fn root(&mut self, node: &Node) -> View {
        let elements = self.operand(node, node.inputs[0], 0);
        let mut distinct = elements.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let places: Vec<usize> = elements
            .iter()
            .map(|element| distinct.binary_search(element).unwrap_or_default())
            .collect();
        self.made_of(node, Kind::Roots(distinct), &places)
    }

    /// A step of fewer elements than a node makes, and the node's elements among them.
    fn made_of(&mut self, node: &Node, kind: Kind, places: &[usize]) -> View {
        let len = places.iter().max().map_or(0, |last| last + 1);
        if places.iter().enumerate().all(|(index, place)| index == *place) {
            let step = self.add_step(node.name.clone(), node.output, kind);
            return View::identity(step, len);
        }
        let mut bounds = vec![(0.0, 0.0); len];
        for (place, own) in places.iter().zip(&self.bounds[node.output.0]) {
            bounds[*place] = *own;
        }
        let step = self.add_helper(&node.name, len, kind);
        self.steps[step].bounds = bounds;
        let rows = SparseRows::from_rows(places.iter().map(|place| [(*place, 1.0)]));
        let part = Part { step, map: LinearMap::Sparse(rows), raw: false };
        View { parts: vec![part], bias: vec![0.0; places.len()] }
    }

    /// The elements of a tensor as those of a step that can be multiplied, which leaves `fewer`
    /// bits to sums.
    fn operand(&mut self, node: &Node, tensor: TensorId, fewer: i32) -> Vec<(usize, usize)> {
        let known = self.views[tensor.0].as_ref().and_then(|view| self.elements(view));
        let elements = known.unwrap_or_else(|| {
            let view = self.views[tensor.0].take();
            let view = view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() });
            let maker = self.graph.nodes.iter().find(|maker| maker.output == tensor);
            let moves = |maker: &&Node| !matches!(maker.op, Op::Select(_));
            let name = maker.filter(moves).map_or(&node.name, |maker| &maker.name).clone();
            let step = self.add_step(name, tensor, Kind::Shifted { view, uniform: false });
            (0..self.steps[step].len).map(|index| (step, index)).collect()
        });
        for (step, _) in &elements {
            let own = &mut self.steps[*step].operand;
            *own = Some(own.unwrap_or(0).max(fewer));
        }
        elements
    }

    /// The elements that a view names, if it only names some that can be multiplied.
    fn elements(&self, view: &View) -> Option<Vec<(usize, usize)>> {
        let [part] = &view.parts[..] else { return None };
        let (factor, elements) = selection(&part.map)?;
        let suits = matches!(
            self.steps[part.step].kind,
            Kind::Relu(_)
                | Kind::Shifted { .. }
                | Kind::Maxima { .. }
                | Kind::Quotients(_)
                | Kind::Roots(_)
        );
        let plain = factor == 1.0 && !part.raw && view.bias.iter().all(|b| *b == 0.0);
        (suits && plain).then(|| elements.into_iter().map(|index| (part.step, index)).collect())
    }
}

/// The greatest absolute value within bounds.
pub(super) fn largest((lo, hi): &(f64, f64)) -> f64 {
    lo.abs().max(hi.abs())
}

/// The power of two that brings values up to `largest` to 1.
pub(super) fn factor_of(largest: f64) -> f64 {
    if largest > 0.0 { 2f64.powi(-largest.log2().ceil() as i32) } else { 1.0 }
}

/// Bounds times positive factors.
pub(super) fn narrowed(bounds: &[(f64, f64)], factors: &[f64]) -> Vec<(f64, f64)> {
    let one = |((lo, hi), factor): (&(f64, f64), &f64)| (lo * factor, hi * factor);
    bounds.iter().zip(factors).map(one).collect()
}

/// A pair in one order: products are the same in both.
fn ordered([a, b]: [(usize, usize); 2]) -> [(usize, usize); 2] {
    if a <= b { [a, b] } else { [b, a] }
}
