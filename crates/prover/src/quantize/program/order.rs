//! Maxima, minima and their positions, exactly, as ReLUs of differences; many maxima of what
//! is not rounded yet over windows.

use super::{Kind, Lowering, Part, Terms, View, trees::Cut};
use crate::graph::{Extremum, Function, Leading, LinearMap, Node, Op, SparseRows};

/// The widest window: as many weights must fit a row.
const WIDEST: usize = 16;
/// The least elements of all of a node's windows for which an argument of their own pays.
const MANY: usize = 256;
/// What is larger is made smaller where only its order counts, for hardly a unit would hold it.
const LARGE: f64 = 16_777_216.0;

impl Lowering<'_> {
    /// A step of one unit and shift that holds a node's input, and for each of its elements
    /// the step's.
    fn comparable(&mut self, node: &Node) -> (usize, Vec<usize>) {
        let tensor = node.inputs[0];
        if let Some(view) = &self.views[tensor.0] {
            let plain = view.bias.iter().all(|bias| *bias == 0.0);
            if let ([part], true) = (view.parts.as_slice(), plain) {
                let selected = super::selection(&part.map);
                if let (Some((1.0, elements)), false) = (selected, part.raw)
                    && self.is_uniform(part.step)
                {
                    return (part.step, elements);
                }
            }
        }
        let step = self.materialise(&node.name, tensor, true);
        (step, (0..self.steps[step].len).collect())
    }

    /// Whether a step is made of sums of the model's inputs.
    fn is_of_inputs(&self, step: usize) -> bool {
        let input =
            |part: &Part| !part.raw && matches!(self.steps[part.step].kind, Kind::Input { .. });
        match &self.steps[step].kind {
            Kind::Shifted { view, uniform: true } => view.parts.iter().all(input),
            _ => false,
        }
    }

    /// As [`comparable`](Self::comparable) where only the order counts: what is large is made
    /// smaller.
    fn ranked(&mut self, node: &Node) -> (usize, Vec<usize>) {
        let tensor = node.inputs[0];
        let bounds = self.bounds[tensor.0].clone();
        let magnitude = bounds.iter().fold(0.0f64, |most, (lo, hi)| most.max(-lo).max(*hi));
        let named = self.views[tensor.0].as_ref().is_some_and(|view| view.is_identity().is_some());
        if magnitude <= LARGE || named {
            return self.comparable(node);
        }
        let factor = 2f64.powi(-(magnitude.log2().ceil() as i32));
        let mut view = self.view(tensor);
        view.bias.iter_mut().for_each(|bias| *bias *= factor);
        view.parts.iter_mut().for_each(|part| part.map = super::scaled(&part.map, factor));
        let len = view.len();
        let step = self.add_helper(&node.name, len, Kind::Shifted { view, uniform: true });
        self.steps[step].bounds =
            bounds.into_iter().map(|(lo, hi)| (lo * factor, hi * factor)).collect();
        (step, (0..len).collect())
    }

    /// The groups' elements of a step, all groups as long as the longest: the last element
    /// once more decides nothing.
    fn groups(extremum: &Extremum, elements: &[usize]) -> Vec<Vec<usize>> {
        let longest = extremum.groups.iter().map(Vec::len).max().unwrap_or(0);
        let element = |group: &Vec<usize>, at: usize| elements[group[at.min(group.len() - 1)]];
        let group = |group: &Vec<usize>| (0..longest).map(|at| element(group, at)).collect();
        extremum.groups.iter().map(group).collect()
    }

    /// A tournament: max(a, b) = b + max(0, a − b), min(a, b) = a − max(0, a − b).
    pub(super) fn extremum(&mut self, node: &Node, extremum: &Extremum) -> View {
        if self.over_windows(node, extremum) {
            return self.maxima(node, extremum);
        }
        let (source, elements) = self.comparable(node);
        let groups = Self::groups(extremum, &elements);
        let longest = groups.first().map_or(0, Vec::len);
        // Each contestant: for each group a sum of terms.
        let mut round: Vec<Vec<Terms>> = (0..longest)
            .map(|at| groups.iter().map(|group| vec![(source, group[at], 1)]).collect())
            .collect();
        while round.len() > 1 {
            let mut next = Vec::with_capacity(round.len().div_ceil(2));
            let mut contestants = round.into_iter();
            while let Some(a) = contestants.next() {
                let Some(b) = contestants.next() else {
                    next.push(a);
                    break;
                };
                let rows = a.iter().zip(&b).map(|(a, b)| difference(a, b)).collect();
                let constants = vec![0; groups.len()];
                let kind = Kind::Exact { rows, constants, like: Some(source) };
                let r = self.add_helper(&node.name, groups.len(), kind);
                let (mut winner, sign) = if extremum.minimum { (a, -1) } else { (b, 1) };
                for (group, terms) in winner.iter_mut().enumerate() {
                    terms.push((r, group, sign));
                }
                next.push(winner);
            }
            round = next;
        }
        let rows = round.pop().unwrap_or_default();
        let parts = self.parts(&rows, false);
        View { parts, bias: vec![0.0; groups.len()] }
    }

    /// Whether a node's maxima are taken over windows: many, of sums that no step holds yet.
    fn over_windows(&self, node: &Node, extremum: &Extremum) -> bool {
        let Some(view) = &self.views[node.inputs[0].0] else { return false };
        let widths = || extremum.groups.iter().map(Vec::len);
        let moved = |part: &Part| super::selection(&part.map).is_some();
        self.arguments.windows
            && !extremum.minimum
            && (2..=WIDEST).contains(&widths().max().unwrap_or(0))
            && widths().sum::<usize>() >= MANY
            && !(view.parts.len() == 1 && view.parts.iter().all(moved))
    }

    /// Maxima that are rescaled once a window, cut at 0 if that is all that is read of them.
    fn maxima(&mut self, node: &Node, extremum: &Extremum) -> View {
        let view = self.view(node.inputs[0]);
        let mut readers =
            self.graph.nodes.iter().filter(|reader| reader.inputs.contains(&node.output));
        let relu = readers.next().filter(|reader| {
            matches!(reader.op, Op::Function(Function::Relu)) && self.uses[node.output.0] == 1
        });
        let mut name = self.name(node, &view);
        if let Some(relu) = relu {
            name = format!("{name}+{}", relu.name);
        }
        let windows = extremum.groups.clone();
        let (made, cut) = relu.map_or((node.output, false), |relu| (relu.output, true));
        let whole = self.is_whole(&view);
        let kind = Kind::Maxima { view, windows, cut, whole };
        let step = self.add_step(name, made, kind);
        View::identity(step, extremum.groups.len())
    }

    /// The number of leading elements that are not the extreme one. With r_i what element i
    /// gains over the best before it, D_j = Σ_(i > j) r_i is what those after j gain, and
    /// min(D_j, 1) = D_j − max(0, D_j − 1) is 1 where the first best one stands after j.
    pub(super) fn arg_extremum(&mut self, node: &Node, extremum: &Extremum) -> View {
        let (source, elements) = self.ranked(node);
        let groups = Self::groups(extremum, &elements);
        let longest = groups.first().map_or(0, Vec::len);
        let sign = if extremum.minimum { -1 } else { 1 };
        let mut gains: Vec<usize> = Vec::new();
        for at in 1..longest {
            let rows = groups
                .iter()
                .enumerate()
                .map(|(index, group)| {
                    let mut row = vec![(source, group[at], sign), (source, group[0], -sign)];
                    row.extend(gains.iter().map(|gain| (*gain, index, -1)));
                    row
                })
                .collect();
            let constants = vec![0; groups.len()];
            let kind = Kind::Exact { rows, constants, like: Some(source) };
            gains.push(self.add_helper(&node.name, groups.len(), kind));
        }
        let mut sums = vec![Terms::new(); groups.len()];
        for at in 0..gains.len() {
            let after = &gains[at..];
            let rows: Vec<Terms> = (0..groups.len())
                .map(|index| after.iter().map(|gain| (*gain, index, 1)).collect())
                .collect();
            let constants = vec![1; groups.len()];
            let kind = Kind::Exact { rows, constants, like: Some(source) };
            let beyond = self.add_helper(&node.name, groups.len(), kind);
            for (index, sum) in sums.iter_mut().enumerate() {
                // Gain number i is among those after each of i + 1 positions.
                sum.push((gains[at], index, at as i64 + 1));
                sum.push((beyond, index, -1));
            }
        }
        if gains.is_empty() {
            sums.iter_mut().for_each(|sum| sum.push((source, 0, 0)));
        }
        // What is computed with is a value: its terms may be large, and cancel.
        if self.graph.nodes.iter().any(|reader| reader.inputs.contains(&node.output)) {
            let (len, constants) = (groups.len(), vec![0; groups.len()]);
            let step =
                self.add_helper(&node.name, len, Kind::Exact { rows: sums, constants, like: None });
            self.steps[step].bounds = vec![(0.0, longest.saturating_sub(1) as f64); len];
            return View::identity(step, len);
        }
        let parts = self.parts(&sums, true);
        View { parts, bias: vec![0.0; groups.len()] }
    }

    /// Which elements are among the `count` greatest (or least), exactly and with the first of
    /// equal ones.
    ///
    /// Sorted lists of `count` elements are merged in pairs, of which the extreme half is kept
    /// and sorted again, until one is left, whose last element t bounds what is chosen. What
    /// lies beyond t is chosen; of what equals it, as many as are left, one after the other.
    pub(super) fn leading(&mut self, node: &Node, leading: &Leading) -> View {
        let (source, elements) = self.comparable(node);
        self.steps[source].ranked = self.is_of_inputs(source);
        let (minimum, count) = (leading.extremum.minimum, leading.count);
        let mut rows: Vec<Terms> = Vec::new();
        for group in &leading.extremum.groups {
            let own: Vec<usize> = group.iter().map(|index| elements[*index]).collect();
            let last = self.bound(node, (source, &own), minimum, count);
            let exact = |lowering: &mut Self, like, rows: Vec<Terms>, constant: i64| {
                let constants = vec![constant; rows.len()];
                lowering.add_helper(&node.name, rows.len(), Kind::Exact { rows, constants, like })
            };
            let t = exact(self, Some(source), vec![last], 0);
            // Whether beyond t, and whether behind: of what is t itself, neither.
            let sign = if minimum { -1 } else { 1 };
            let len = own.len();
            let [beyond, behind] = [sign, -sign].map(|sign| {
                let apart = own.iter().map(|at| vec![(source, *at, sign), (t, 0, -sign)]).collect();
                let far = exact(self, None, apart, 0);
                let cuts = (0..len).map(|at| (at, Cut { at: 1.0, above: false })).collect();
                self.add_helper(&node.name, len, Kind::Decisions { source: far, cuts })
            });
            // How many of what equals t are left before the first element, then before each.
            let all = (0..len).map(|at| (beyond, at, -1)).collect();
            let mut left = exact(self, None, vec![all], -(count as i64));
            for at in 0..len {
                let row = vec![(left, 0, 1), (beyond, at, 1), (behind, at, 1)];
                let next = exact(self, None, vec![row], 1);
                rows.push(vec![(beyond, at, 1), (left, 0, 1), (next, 0, -1)]);
                left = next;
            }
        }
        let (len, constants) = (rows.len(), vec![0; rows.len()]);
        let kind = Kind::Exact { rows, constants, like: None };
        let step = self.add_helper(&node.name, len, kind);
        self.steps[step].bounds = vec![(0.0, 1.0); len];
        View::identity(step, len)
    }

    /// The last of the `count` extreme ones among elements of a step.
    fn bound(
        &mut self,
        node: &Node,
        (source, elements): (usize, &[usize]),
        minimum: bool,
        count: usize,
    ) -> Terms {
        let mut lists: Vec<Vec<Terms>> = Vec::new();
        for chunk in elements.chunks(count) {
            let mut list: Vec<Terms> = chunk.iter().map(|at| vec![(source, *at, 1)]).collect();
            self.sort(node, source, minimum, &mut list);
            lists.push(list);
        }
        while lists.len() > 1 {
            let mut merged = Vec::with_capacity(lists.len().div_ceil(2));
            let mut rest = lists.into_iter();
            while let Some(a) = rest.next() {
                let Some(b) = rest.next() else {
                    merged.push(a);
                    break;
                };
                // Of both sorted lists, one of them turned, the better of each pair is kept.
                let mut kept = Vec::with_capacity(count);
                for at in 0..count {
                    match (a.get(at), b.get(count - 1 - at)) {
                        (Some(a), Some(b)) => {
                            kept.push(self.ordered(node, source, minimum, a, b).0)
                        }
                        (Some(one), None) | (None, Some(one)) => kept.push(one.clone()),
                        (None, None) => {}
                    }
                }
                self.sort(node, source, minimum, &mut kept);
                merged.push(kept);
            }
            lists = merged;
        }
        lists.pop().and_then(|mut list| list.pop()).unwrap_or_default()
    }

    /// Sorts sums of terms, the extreme one first, by exchanges of neighbours.
    fn sort(&mut self, node: &Node, source: usize, minimum: bool, list: &mut [Terms]) {
        for end in (1..list.len()).rev() {
            for at in 0..end {
                let (first, second) = self.ordered(node, source, minimum, &list[at], &list[at + 1]);
                (list[at], list[at + 1]) = (first, second);
            }
        }
    }

    /// Two sums of terms, the extreme one first.
    fn ordered(
        &mut self,
        node: &Node,
        source: usize,
        minimum: bool,
        a: &Terms,
        b: &Terms,
    ) -> (Terms, Terms) {
        let mut exact = |row: Terms| {
            let kind = Kind::Exact { rows: vec![row], constants: vec![0], like: Some(source) };
            self.add_helper(&node.name, 1, kind)
        };
        let gain = exact(difference(a, b));
        // With r = max(0, a − b): a − r is the least, b + r the greatest. They are values of
        // their own, whose bounds are known.
        let [least, greatest] = [(a, -1), (b, 1)].map(|(base, sign)| {
            let mut row = base.clone();
            row.push((gain, 0, sign));
            vec![(exact(row), 0, 1)]
        });
        if minimum { (least, greatest) } else { (greatest, least) }
    }

    /// Sums of terms as maps of steps.
    fn parts(&self, rows: &[Terms], raw: bool) -> Vec<Part> {
        let mut steps: Vec<usize> = rows.iter().flatten().map(|term| term.0).collect();
        steps.sort_unstable();
        steps.dedup();
        let part = |step: usize| {
            let own = rows.iter().map(|row| {
                let terms = row.iter().filter(|term| term.0 == step);
                terms.map(|(_, index, k)| (*index, *k as f64)).collect::<Vec<_>>()
            });
            let sparse = SparseRows::from_rows(own);
            let diagonal = sparse.len() == self.steps[step].len
                && sparse.iter().enumerate().all(|(row, t)| matches!(t, [(i, _)] if *i == row));
            let map = if diagonal {
                LinearMap::Diagonal(sparse.terms.iter().map(|term| term.1).collect())
            } else {
                LinearMap::Sparse(sparse)
            };
            Part { step, map, raw }
        };
        steps.into_iter().map(part).collect()
    }
}

/// a − b.
fn difference(a: &Terms, b: &Terms) -> Terms {
    let mut terms = a.clone();
    for (step, index, factor) in b {
        match terms.iter_mut().find(|term| (term.0, term.1) == (*step, *index)) {
            Some(term) => term.2 -= factor,
            None => terms.push((*step, *index, -factor)),
        }
    }
    terms.retain(|term| term.2 != 0);
    terms
}
