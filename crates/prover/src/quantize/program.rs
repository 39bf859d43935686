//! A graph as a list of steps, each a tensor of integers to be: what does not depend on the
//! circuit's bits, decided once.
//!
//! What is linear is carried along as a [`View`], a sum of maps of tensors that exist, and
//! joins whoever reads it. A view becomes a tensor of its own where a function needs one, or
//! where carrying it along would cost more than rounding once more.

mod coarse;
mod functions;
mod order;
mod paths;
mod products;
mod shares;
mod stairs;
mod standard;
mod step;
mod tables;
mod trees;
mod view;

pub(super) use self::{
    paths::{PathNode, PathTree},
    step::{Domain, Kind, Numerator, Step, Terms},
    trees::Cut,
    view::{Part, View},
};
use std::collections::HashMap;

use self::{trees::Known, view::add_part};
use super::{
    Arguments, QuantizeError, Ranges,
    bounds::bounds,
    compose::{VALUE_COST, compose, scaled, selection},
    convex::Convexity,
};
use crate::graph::{Element, Function, Graph, Linear, LinearMap, Node, Op, SparseRows, TensorId};

/// Most outputs of a dense map that reads functions at their knots rather than their values.
const MAX_KNOT_READERS: usize = 8;

/// An output: its view, cut at 0 where `relu`.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) view: View,
    pub(super) relu: bool,
    /// Whether its words count from 0.
    pub(super) positive: bool,
    pub(super) bounds: Vec<(f64, f64)>,
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) outputs: Vec<Output>,
    /// Whether standard scores are made of shares: see [`Quantized::scaled`](super::Quantized::scaled).
    pub(super) scaled: bool,
}

/// What a program is made with.
struct Lowering<'a> {
    graph: &'a Graph,
    /// Bounds by the graph's tensor.
    bounds: Vec<Vec<(f64, f64)>>,
    ranges: &'a Ranges,
    arguments: Arguments,
    convexity: Convexity<'a>,
    /// What the table of a function's value, by tensor, holds.
    domains: HashMap<usize, Domain>,
    decisions: Known,
    steps: Vec<Step>,
    /// The view of each tensor of the graph.
    views: Vec<Option<View>>,
    /// Reads of each tensor that are still to come.
    uses: Vec<usize>,
    /// Tensors that are max(0, view) and outputs only.
    cut: Vec<bool>,
}

impl Program {
    /// With what the arguments prove, as far as they can.
    pub(super) fn new(
        graph: &Graph,
        ranges: &Ranges,
        arguments: Arguments,
    ) -> Result<Self, QuantizeError> {
        let ends: Vec<_> = (0..ranges.input.len()).map(|index| ranges.ends(index)).collect();
        let (own, count) = (bounds(graph, &ends)?, graph.tensors.len());
        let made = standard::of_shares(graph, &own);
        let (graph, bounds) = match &made {
            Some(made) => (made, bounds(made, &ends)?),
            None => (graph, own),
        };
        let mut uses = vec![0; graph.tensors.len()];
        let reads = graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
        reads.for_each(|tensor| uses[tensor.0] += 1);
        let mut lowering = Lowering {
            graph,
            domains: tables::domains(graph, &bounds),
            bounds,
            ranges,
            arguments,
            convexity: Convexity::new(graph),
            decisions: Known::default(),
            steps: Vec::new(),
            views: vec![None; graph.tensors.len()],
            uses,
            cut: vec![false; graph.tensors.len()],
        };
        let mut first = 0;
        for tensor in &graph.inputs {
            let name = graph.tensors[tensor.0].name.clone();
            lowering.add_step(name, *tensor, Kind::Input { first });
            first += graph.tensors[tensor.0].len();
        }
        graph.nodes.iter().for_each(|node| lowering.lower(node));
        let outputs = lowering.outputs();
        let mut program = Self { steps: lowering.steps, outputs, scaled: made.is_some() };
        // The model's tensors are the first ones.
        let steps = program.steps.iter_mut();
        steps.for_each(|step| step.of = step.of.filter(|of| of.0 < count));
        program.drop_unused();
        program.round_inputs();
        program.count_roundings();
        Ok(program)
    }

    /// Whether any trees are proven by their paths.
    pub(super) fn has_paths(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, Kind::Paths { .. }))
    }

    /// Whether any maxima are proven over windows.
    pub(super) fn has_windows(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, Kind::Maxima { .. }))
    }

    /// Whether any functions are proven by tables.
    pub(super) fn has_tables(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.kind, Kind::Table { .. }))
    }

    /// Whether any values are multiplied.
    pub(super) fn has_products(&self) -> bool {
        let multiplies = |step: &Step| {
            matches!(
                step.kind,
                Kind::Products(_) | Kind::Quotients(_) | Kind::Roots(_) | Kind::Shares { .. }
            )
        };
        self.steps.iter().any(multiplies)
    }

    /// Whether a step's elements are all that a view reads.
    pub(super) fn reads_functions_only(&self, view: &View) -> bool {
        view.parts.iter().all(|part| matches!(self.steps[part.step].kind, Kind::Curve { .. }))
    }

    /// Removes steps that no output depends on.
    fn drop_unused(&mut self) {
        let mut used = vec![false; self.steps.len()];
        let outputs = self.outputs.iter().flat_map(|output| &output.view.parts);
        outputs.for_each(|part| used[part.step] = true);
        for index in (0..self.steps.len()).rev() {
            if used[index] {
                self.steps[index].kind.sources().into_iter().for_each(|step| used[step] = true);
            }
        }
        let mut places = Vec::with_capacity(used.len());
        let mut next = 0;
        for (used, step) in used.iter().zip(&self.steps) {
            let kept = *used || matches!(step.kind, Kind::Input { .. });
            places.push(kept.then_some(next));
            next += usize::from(kept);
        }
        let mut index = 0;
        self.steps.retain(|_| {
            index += 1;
            places[index - 1].is_some()
        });
        let place = |step: &mut usize| *step = places[*step].unwrap_or_default();
        self.steps.iter_mut().for_each(|step| step.kind.sources_mut().into_iter().for_each(place));
        let outputs = self.outputs.iter_mut().flat_map(|output| &mut output.view.parts);
        outputs.for_each(|part| place(&mut part.step));
    }

    /// Counts roundings from the outputs back. The nearest output decides: what is read in a
    /// unit much coarser than its own leaves its reader's weights few bits.
    fn count_roundings(&mut self) {
        let mut remaining = vec![i32::MAX - 1; self.steps.len()];
        for output in &self.outputs {
            let own = i32::from(!self.reads_functions_only(&output.view));
            for part in &output.view.parts {
                remaining[part.step] = own.min(remaining[part.step]);
            }
        }
        for (index, step) in self.steps.iter_mut().enumerate().rev() {
            let rounds = matches!(
                step.kind,
                Kind::Relu(_)
                    | Kind::Shifted { .. }
                    | Kind::Maxima { .. }
                    | Kind::Paths { .. }
                    | Kind::Table { .. }
                    | Kind::Argument { .. }
                    | Kind::Quotients(_)
                    | Kind::Roots(_)
                    | Kind::Shares { .. }
            );
            step.remaining = remaining[index] + i32::from(rounds);
            for source in step.kind.sources() {
                remaining[source] = remaining[source].min(step.remaining);
            }
        }
    }
}

impl Lowering<'_> {
    /// Adds a step that holds a tensor of the graph, which is its view from now on.
    fn add_step(&mut self, name: String, tensor: TensorId, kind: Kind) -> usize {
        let bounds = self.bounds[tensor.0].clone();
        let len = bounds.len();
        self.steps.push(Step { of: Some(tensor), bounds, ..Step::new(name, len, kind) });
        let step = self.steps.len() - 1;
        self.views[tensor.0] = Some(View::identity(step, len));
        step
    }

    /// Adds a step in the unit of another.
    fn add_helper(&mut self, name: &str, len: usize, kind: Kind) -> usize {
        self.steps.push(Step::new(name.to_owned(), len, kind));
        self.steps.len() - 1
    }

    /// A name for what a node makes of a view: with the node that made the view before it, if
    /// that made no step.
    fn name(&self, node: &Node, view: &View) -> String {
        let mut makers =
            self.graph.nodes.iter().filter(|maker| node.inputs.contains(&maker.output));
        match makers.next_back() {
            Some(maker) if view.is_identity().is_none() => format!("{}+{}", maker.name, node.name),
            _ => node.name.clone(),
        }
    }

    fn lower(&mut self, node: &Node) {
        let view = match &node.op {
            Op::Linear(linear) => self.linear(node, linear),
            Op::Select(elements) => self.select(node, elements),
            Op::Function(Function::Relu) => self.relu(node),
            Op::Function(function) => self.function(node, function),
            Op::Extremum(extremum) => self.extremum(node, extremum),
            Op::ArgExtremum(extremum) => self.arg_extremum(node, extremum),
            Op::Leading(leading) => self.leading(node, leading),
            Op::Trees(trees) => self.trees(node, trees),
            Op::Product(product) => self.product(node, product),
            Op::Quotient(numbers) => self.quotient(node, numbers.as_deref()),
            Op::Root => self.root(node),
            Op::Shares(shares) => self.shares(node, shares),
        };
        node.inputs.iter().for_each(|input| self.uses[input.0] -= 1);
        // What nobody reads any more needs no memory.
        for input in &node.inputs {
            if self.uses[input.0] == 0 {
                self.views[input.0] = None;
            }
        }
        let (cheap, bent) = (view.is_cheap(), self.is_bent_twice(&view));
        self.views[node.output.0] = Some(view);
        if self.uses[node.output.0] > 1 && !cheap || bent && self.is_mixed(node.output) {
            self.materialise(&node.name, node.output, false);
        }
    }

    /// Whether a view is a function of one step's elements that bends more than once: a sum of
    /// that step's ReLUs, each of which may be far from the sum.
    fn is_bent_twice(&self, view: &View) -> bool {
        let source = |part: &Part| match &self.steps[part.step].kind {
            Kind::Kink { source, .. } => Some(*source),
            Kind::Relu(_) => Some(part.step),
            _ => None,
        };
        let first = view.parts.first().and_then(source);
        view.parts.len() > 1
            && first.is_some()
            && view.parts.iter().all(|part| source(part) == first)
    }

    /// Whether a dense map or a convolution reads a tensor.
    fn is_mixed(&self, tensor: TensorId) -> bool {
        let mixes =
            |map: &LinearMap| matches!(map, LinearMap::Dense { .. } | LinearMap::Convolution(_));
        self.graph
            .nodes
            .iter()
            .filter(|node| node.inputs.contains(&tensor))
            .any(|node| matches!(&node.op, Op::Linear(linear) if linear.maps.iter().any(mixes)))
    }

    /// The view of a tensor; taken rather than copied where nobody else reads it.
    fn view(&mut self, tensor: TensorId) -> View {
        let view = if self.uses[tensor.0] == 1 {
            self.views[tensor.0].take()
        } else {
            self.views[tensor.0].clone()
        };
        view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() })
    }

    /// Makes a tensor a step of its own, unless it is one already: with one unit and one
    /// shift for all elements where `uniform`.
    fn materialise(&mut self, name: &str, tensor: TensorId, uniform: bool) -> usize {
        let view = self.views[tensor.0].take();
        let view = view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() });
        if let Some(step) = view.is_identity() {
            let fits = match &self.steps[step].kind {
                Kind::Curve { .. } => false,
                _ => !uniform || self.is_uniform(step),
            };
            if fits {
                self.views[tensor.0] = Some(view);
                return step;
            }
        }
        self.add_step(name.to_owned(), tensor, Kind::Shifted { view, uniform })
    }

    /// Whether all elements of a step have one unit and one shift.
    fn is_uniform(&self, step: usize) -> bool {
        match &self.steps[step].kind {
            Kind::Relu(_)
            | Kind::Maxima { .. }
            | Kind::Kink { .. }
            | Kind::Exact { .. }
            | Kind::Decisions { .. }
            | Kind::Table { .. }
            | Kind::Argument { .. }
            | Kind::Paths { .. }
            | Kind::Staircase { .. }
            | Kind::Quotients(_)
            | Kind::Roots(_)
            | Kind::Shares { .. } => true,
            Kind::Shifted { uniform, .. } => *uniform,
            Kind::Input { first } => {
                let all = *first..*first + self.steps[step].len;
                all.clone().all(|index| self.ranges.same_unit(index, all.start))
            }
            Kind::Curve { .. } | Kind::Products(_) => false,
            Kind::Select(elements) => {
                elements.iter().all(|(step, _)| *step == elements[0].0)
                    && self.is_uniform(elements[0].0)
            }
        }
    }

    /// What the unit of an element depends on.
    fn unit(&self, step: usize, index: usize) -> (usize, u64, u32) {
        match &self.steps[step].kind {
            Kind::Input { first } => {
                let [lo, hi] = self.ranges.ends(first + index);
                let grid = self.ranges.grid(first + index).map_or(0, |grid| grid.decimals + 1);
                (step, (hi - lo).to_bits(), grid)
            }
            Kind::Select(elements) => {
                let (step, index) = elements[index];
                self.unit(step, index)
            }
            Kind::Kink { source, .. } => self.unit(*source, index),
            Kind::Exact { like: Some(like), .. } => self.unit(*like, 0),
            _ => (step, 0, 0),
        }
    }

    /// Whether a map's coefficients can take a step's units up: elements that share a
    /// coefficient must have one.
    fn shares_units(&self, map: &LinearMap, step: usize) -> bool {
        let len = self.steps[step].len;
        let same = |index: usize, other: usize| self.unit(step, index) == self.unit(step, other);
        match map {
            LinearMap::Dense { positions, inputs, .. } => {
                *positions == 1 || (0..len).all(|i| same(i, i % (*inputs).max(1)))
            }
            LinearMap::Convolution(conv) => {
                let plane = (conv.in_size[0] * conv.in_size[1]).max(1);
                let channels = conv.in_channels.max(1);
                (0..len).all(|i| same(i, i / plane % channels * plane))
            }
            LinearMap::Diagonal(_) | LinearMap::Sparse(_) => true,
        }
    }

    /// A map after a view, part by part, where that costs less than another rounding.
    fn apply(&mut self, name: &str, map: &LinearMap, view: &View) -> Option<Vec<Part>> {
        let spread = matches!(map, LinearMap::Dense { .. } | LinearMap::Convolution(_));
        let extra = view.parts.len().saturating_sub(1) * map.coefficients();
        if spread && extra > VALUE_COST * view.len() {
            return None;
        }
        let mut parts = Vec::with_capacity(view.parts.len());
        for part in &view.parts {
            let len = self.steps[part.step].len;
            if matches!(self.steps[part.step].kind, Kind::Curve { .. }) {
                let few = match map {
                    LinearMap::Dense { positions, outputs, .. } => {
                        *positions == 1 && *outputs <= MAX_KNOT_READERS
                    }
                    map => !matches!(map, LinearMap::Convolution(_)),
                };
                if !few {
                    return None;
                }
            }
            let composed = compose(map, &part.map, len);
            if let Some(map) = composed.filter(|map| self.shares_units(map, part.step)) {
                parts.push(Part { step: part.step, map, raw: part.raw });
                continue;
            }
            // A window over elements from elsewhere: name them again, side by side.
            let (factor, elements) = selection(&part.map)?;
            if part.raw || matches!(self.steps[part.step].kind, Kind::Curve { .. }) {
                return None;
            }
            let elements: Vec<(usize, usize)> =
                elements.into_iter().map(|index| (part.step, index)).collect();
            let step = self.add_helper(name, elements.len(), Kind::Select(elements));
            if !self.shares_units(map, step) {
                return None;
            }
            parts.push(Part { step, map: scaled(map, factor), raw: false });
        }
        Some(parts)
    }

    /// The sum of maps of a node's inputs.
    fn sum(&mut self, node: &Node, maps: &[LinearMap], mut bias: Vec<f64>) -> View {
        let mut parts: Vec<Part> = Vec::new();
        for (map, input) in maps.iter().zip(&node.inputs) {
            let joined = self.concatenated(map, *input);
            let mut view = joined
                .or_else(|| self.views[input.0].clone())
                .unwrap_or(View { parts: Vec::new(), bias: Vec::new() });
            let mut applied = self.apply(&node.name, map, &view);
            if applied.is_none() {
                let uniform = !self.shares_units_after(map, *input);
                let step = self.materialise(&node.name, *input, uniform);
                view = View::identity(step, self.steps[step].len);
                applied = self.apply(&node.name, map, &view);
            }
            map.fold(&view.bias, &mut bias, |sum, w, x: f64| sum + w * x);
            applied.into_iter().flatten().for_each(|part| add_part(&mut parts, part));
        }
        View { parts, bias }
    }

    /// Whether a tensor's own step, if it has one, suits a map.
    fn shares_units_after(&self, map: &LinearMap, tensor: TensorId) -> bool {
        let step = self.views[tensor.0].as_ref().and_then(View::is_identity);
        step.is_none_or(|step| self.shares_units(map, step))
    }

    /// The view of a tensor that is put together from several steps' elements as one
    /// selection, if a window reads it.
    fn concatenated(&mut self, map: &LinearMap, tensor: TensorId) -> Option<View> {
        let spread = matches!(map, LinearMap::Convolution(_) | LinearMap::Dense { .. });
        let view = self.views[tensor.0].as_ref()?;
        if !spread || view.parts.len() < 2 || view.bias.iter().any(|b| *b != 0.0) {
            return None;
        }
        let mut elements = vec![None; view.len()];
        for part in &view.parts {
            if part.raw || matches!(self.steps[part.step].kind, Kind::Curve { .. }) {
                return None;
            }
            if !matches!(part.map, LinearMap::Diagonal(_) | LinearMap::Sparse(_)) {
                return None;
            }
            let mut fits = true;
            part.map.for_each_term(|o, i, factor| {
                fits &= factor == 1.0 && elements[o].replace((part.step, i)).is_none();
            });
            if !fits {
                return None;
            }
        }
        let elements = elements.into_iter().collect::<Option<Vec<_>>>()?;
        let name = self.graph.tensors[tensor.0].name.clone();
        let step = self.add_helper(&name, elements.len(), Kind::Select(elements));
        let view = View::identity(step, self.steps[step].len);
        self.views[tensor.0] = Some(view.clone());
        Some(view)
    }

    fn linear(&mut self, node: &Node, linear: &Linear) -> View {
        self.sum(node, &linear.maps, linear.bias.clone())
    }

    fn select(&mut self, node: &Node, elements: &[Element]) -> View {
        let in_order = |(position, element): (usize, &Element)| {
            *element == Element::Input { input: 0, index: position }
        };
        let whole = node.inputs.first().map(|input| self.graph.tensors[input.0].len());
        if whole == Some(elements.len()) && elements.iter().enumerate().all(in_order) {
            return self.view(node.inputs[0]);
        }
        let maps: Vec<LinearMap> = (0..node.inputs.len())
            .map(|position| {
                let rows = elements.iter().map(|element| match *element {
                    Element::Input { input, index } if input == position => Some((index, 1.0)),
                    _ => None,
                });
                LinearMap::Sparse(SparseRows::from_rows(rows))
            })
            .collect();
        let bias = elements.iter().map(|element| match element {
            Element::Constant(value) => *value,
            Element::Input { .. } => 0.0,
        });
        let bias = bias.collect();
        self.sum(node, &maps, bias)
    }

    fn relu(&mut self, node: &Node) -> View {
        let view = self.view(node.inputs[0]);
        let len = view.len();
        if self.graph.outputs.contains(&node.output) && self.uses[node.output.0] == 1 {
            self.cut[node.output.0] = true;
            return view;
        }
        // What was cut at 0 together with the maximum before.
        if let Some(step) = view.is_identity()
            && matches!(self.steps[step].kind, Kind::Maxima { cut: true, .. })
        {
            return view;
        }
        let name = self.name(node, &view);
        let step = self.add_step(name, node.output, Kind::Relu(view));
        View::identity(step, len)
    }

    fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for tensor in &self.graph.outputs {
            let mut maker = self.graph.nodes.iter().filter(|node| node.output == *tensor);
            let name = maker.next().map_or(&self.graph.tensors[tensor.0].name, |node| &node.name);
            let view = self.view(*tensor);
            let relu = self.cut[tensor.0];
            let curves = view
                .is_identity()
                .map(|step| &self.steps[step].kind)
                .is_some_and(|kind| matches!(kind, Kind::Curve { .. } | Kind::Table { .. }));
            let bounds = self.bounds[tensor.0].clone();
            let positive = relu || curves && bounds.iter().all(|(lo, _)| *lo >= 0.0);
            let name = name.clone();
            self.uses[tensor.0] -= 1;
            outputs.push(Output { view, relu, positive, bounds, name });
        }
        // All words count from one value, so one that may be negative makes all of them
        // shifted: what is cut at 0 is rounded before.
        if !outputs.iter().all(|output| output.positive) {
            for (output, tensor) in outputs.iter_mut().zip(&self.graph.outputs) {
                output.positive = false;
                if std::mem::take(&mut output.relu) {
                    let len = output.view.len();
                    let kind = Kind::Relu(std::mem::replace(
                        &mut output.view,
                        View::identity(self.steps.len(), len),
                    ));
                    let (name, bounds) = (output.name.clone(), output.bounds.clone());
                    let step = Step { of: Some(*tensor), bounds, ..Step::new(name, len, kind) };
                    self.steps.push(step);
                }
            }
        }
        outputs
    }
}
