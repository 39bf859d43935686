//! Maxima, minima and their positions, exactly, as ReLUs of differences; many maxima of what
//! is not rounded yet over windows.

use super::{Kind, Lowering, Part, Terms, View};
use crate::graph::{Extremum, Function, LinearMap, Node, Op, SparseRows};

/// The widest window: as many weights must fit a row.
const WIDEST: usize = 16;
/// The least elements of all of a node's windows for which an argument of their own pays.
const MANY: usize = 256;

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
                let kind = Kind::Exact { rows, constants, like: source };
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
        let kind = Kind::Maxima { view, windows, cut };
        let step = self.add_step(name, made, kind);
        View::identity(step, extremum.groups.len())
    }

    /// The number of leading elements that are not the extreme one. With r_i what element i
    /// gains over the best before it, D_j = Σ_(i > j) r_i is what those after j gain, and
    /// min(D_j, 1) = D_j − max(0, D_j − 1) is 1 where the first best one stands after j.
    pub(super) fn arg_extremum(&mut self, node: &Node, extremum: &Extremum) -> View {
        let (source, elements) = self.comparable(node);
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
            let kind = Kind::Exact { rows, constants, like: source };
            gains.push(self.add_helper(&node.name, groups.len(), kind));
        }
        let mut sums = vec![Terms::new(); groups.len()];
        for at in 0..gains.len() {
            let after = &gains[at..];
            let rows: Vec<Terms> = (0..groups.len())
                .map(|index| after.iter().map(|gain| (*gain, index, 1)).collect())
                .collect();
            let constants = vec![1; groups.len()];
            let kind = Kind::Exact { rows, constants, like: source };
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
        let parts = self.parts(&sums, true);
        View { parts, bias: vec![0.0; groups.len()] }
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
