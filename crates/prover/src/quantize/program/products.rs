//! Products, quotients and roots as steps.
//!
//! Their operands are steps of their own, in units of powers of two, with offsets that are
//! multiples of these, so that what a product's factors count from is taken back exactly.

use super::{super::compose::selection, Kind, Lowering, Numerator, View};
use crate::{
    graph::{LinearMap, Node, Op, Product, SparseRows, TensorId},
    quantize::program::Part,
};

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

impl Lowering<'_> {
    /// Sums of products, rescaled.
    pub(super) fn product(&mut self, node: &Node, product: &Product) -> View {
        let most = product.rows().map(<[_]>::len).max().unwrap_or(1).max(1);
        // As many bits as the sum has more than a product, half of them for each factor.
        let fewer = (most as f64).log2().ceil() as i32 / 2 + 1;
        let a = self.operand(node, node.inputs[0], fewer);
        let b = match node.inputs.get(1) {
            Some(other) if *other != node.inputs[0] => self.operand(node, *other, fewer),
            _ => a.clone(),
        };
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

/// A pair in one order: products are the same in both.
fn ordered([a, b]: [(usize, usize); 2]) -> [(usize, usize); 2] {
    if a <= b { [a, b] } else { [b, a] }
}
