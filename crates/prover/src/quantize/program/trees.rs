//! Decision trees as decisions and leaves.
//!
//! A *decision* is 1 where an element is not below a cut and 0 elsewhere; all trees share it.
//! What a tree asks of a feature on the way to a leaf is that it lies in some intervals
//! between cuts, so that it is a sum of decisions that is 1 or 0, and a leaf is the node
//! max(0, Σ − (features asked − 1)) of such sums, which is 1 where all of them are. What
//! leaves add is linear and joins whoever reads it.
//!
//! On an input's grid the cuts are those points at which the model's own comparison, in its
//! own floating point, changes: no input decides differently from the model. Other values
//! are compared as they are rounded.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Kind, Lowering, Part, Terms, View};
use crate::{
    graph::{Branch, Child, Leaf, LinearMap, Node, SparseRows, Test, TreeEnsemble},
    quantize::grid::Grid,
};

/// A place between two values of an element.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(in crate::quantize) struct Cut {
    /// The least value behind it: of an input, a point of its grid counted from the lower
    /// end of its range; of any other step, a real number.
    pub(in crate::quantize) at: f64,
    /// Whether the value itself stands before the cut.
    pub(in crate::quantize) above: bool,
}

/// Before and behind everything.
pub(super) const ENDS: [Cut; 2] =
    [Cut { at: f64::NEG_INFINITY, above: false }, Cut { at: f64::INFINITY, above: true }];

/// Intervals between cuts, in order, that do not touch.
pub(super) type Set = Vec<[Cut; 2]>;

/// Where a decision stands: (step, element, cut).
type Key = (usize, usize, u64, bool);

/// Decisions that have been made, and which sums of them are 0 or 1.
#[derive(Debug, Default)]
pub(super) struct Known {
    decisions: HashMap<Key, (usize, usize)>,
    truths: HashSet<Terms>,
}

/// What a feature is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Constant(f64),
    /// factor·x + offset of an input element.
    Input {
        step: usize,
        index: usize,
        element: usize,
        grid: Grid,
        factor: f64,
        offset: f64,
    },
    /// factor·t + offset of a sum that is 0 or 1.
    Truth {
        terms: Terms,
        factor: f64,
        offset: f64,
    },
    /// An element of another step, which stands for `scale` times the feature.
    Real {
        step: usize,
        index: usize,
        scale: f64,
    },
}

/// A leaf on its way: what its tree asks of which source.
struct Path {
    position: usize,
    leaf: usize,
    asked: Vec<(usize, Set)>,
}

impl Lowering<'_> {
    pub(super) fn trees(&mut self, node: &Node, trees: &TreeEnsemble) -> View {
        if let Some(view) = self.arguments.paths.then(|| self.paths(node, trees)).flatten() {
            return view;
        }
        let (features, sources) = self.features(node, trees);
        let mut rows =
            vec![BTreeMap::<(usize, usize), f64>::new(); trees.positions * trees.outputs];
        let mut bias = trees.base.repeat(trees.positions);
        let mut cache = HashMap::new();
        let mut all = Vec::new();
        for position in 0..trees.positions {
            for root in &trees.roots {
                let mut sets = |branch: usize| {
                    let own = &trees.branches[branch];
                    let source = features[position * trees.features + own.feature];
                    let set = cache
                        .entry((source, branch))
                        .or_insert_with(|| self.set(&sources[source], own, trees))
                        .clone();
                    (source, set)
                };
                all.push(paths(trees, *root, position, &mut sets));
            }
        }
        self.decide(node, &all, &sources);
        for paths in &all {
            self.leaves(node, trees, paths, &sources, &mut rows, &mut bias);
        }
        View { parts: Self::scores(&rows), bias }
    }

    /// The source of each feature of each row, by index among all different ones.
    pub(super) fn features(
        &mut self,
        node: &Node,
        trees: &TreeEnsemble,
    ) -> (Vec<usize>, Vec<Source>) {
        let tensor = node.inputs[0];
        let view = self.views[tensor.0].clone();
        let view = view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() });
        let mut compared = vec![false; trees.features];
        trees.branches.iter().for_each(|branch| compared[branch.feature] = true);
        let mut sources: Vec<Source> = Vec::new();
        let mut places: HashMap<(usize, usize, u64, u64), usize> = HashMap::new();
        let mut whole = None;
        let mut features = Vec::with_capacity(view.len());
        for row in 0..view.len() {
            if !compared[row % trees.features] {
                features.push(usize::MAX);
                continue;
            }
            let source = match self.source(&view, row) {
                Some(source) => source,
                None => {
                    // A copy of all of them, made once.
                    let (step, scales) =
                        whole.get_or_insert_with(|| self.narrowed_copy(&node.name, tensor));
                    Source::Real { step: *step, index: row, scale: scales[row] }
                }
            };
            let place = match &source {
                Source::Input { step, index, factor, offset, .. } => {
                    let key = (*step, *index, factor.to_bits(), offset.to_bits());
                    Some(*places.entry(key).or_insert(sources.len()))
                }
                _ => None,
            };
            let place = place.unwrap_or(sources.len());
            if place == sources.len() {
                sources.push(source);
            }
            features.push(place);
        }
        (features, sources)
    }

    /// x, and at the point that stands for a missing value what it lacks to the imputed one.
    pub(super) fn impute(&mut self, node: &Node, values: &[f64]) -> View {
        // It is read again for what is missing.
        let view = self.views[node.inputs[0].0].clone();
        let mut view = view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() });
        let (mut branches, mut leaves) = (Vec::new(), Vec::new());
        for (index, value) in values.iter().enumerate() {
            let Some(Source::Input { element, grid, factor, offset, .. }) = self
                .source(&view, index)
                .filter(|source| matches!(source, Source::Input { grid, .. } if grid.missing))
            else {
                continue;
            };
            let missing = factor * self.ranges.point(element, grid, 0) + offset;
            let (holds, fails) = (Child::Leaf(leaves.len()), Child::Leaf(leaves.len() + 1));
            let test = Test::Member(Vec::new());
            branches.push(Branch { feature: index, test, holds, fails, missing_holds: true });
            leaves.extend([Leaf { weights: vec![(index, value - missing)] }, Leaf::default()]);
        }
        if branches.is_empty() {
            return view;
        }
        let trees = TreeEnsemble {
            positions: 1,
            features: values.len(),
            outputs: values.len(),
            double: true,
            roots: (0..branches.len()).map(Child::Branch).collect(),
            branches,
            leaves,
            base: vec![0.0; values.len()],
            ..TreeEnsemble::default()
        };
        let View { parts, bias } = self.trees(node, &trees);
        parts.iter().for_each(|part| self.steps[part.step].of = None);
        view.parts.extend(parts);
        view.bias.iter_mut().zip(bias).for_each(|(own, more)| *own += more);
        view
    }

    /// What row `row` of a view is, if its values can be told one by one.
    fn source(&self, view: &View, row: usize) -> Option<Source> {
        let mut terms: Vec<(usize, usize, f64)> = Vec::new();
        for part in &view.parts {
            part.map.for_each_in_row(row, |index, w| {
                if w != 0.0 {
                    terms.push((part.step, index, w));
                }
            });
        }
        let offset = view.bias[row];
        terms.sort_unstable_by_key(|term| (term.0, term.1));
        let Some((step, index, factor)) = terms.first().copied() else {
            return Some(Source::Constant(offset));
        };
        if let (Kind::Input { first }, 1) = (&self.steps[step].kind, terms.len()) {
            let element = first + index;
            let grid = self.ranges.grid(element)?;
            return Some(Source::Input { step, index, element, grid, factor, offset });
        }
        for factor in [factor, -factor] {
            let terms: Terms =
                terms.iter().map(|(step, index, w)| (*step, *index, (w / factor) as i64)).collect();
            if self.decisions.truths.contains(&terms) {
                return Some(Source::Truth { terms, factor, offset });
            }
        }
        None
    }

    /// Where a branch's test of a source holds.
    pub(super) fn set(&self, source: &Source, branch: &Branch, trees: &TreeEnsemble) -> Set {
        let test = &branch.test;
        let everything = |holds: bool| if holds { vec![ENDS] } else { vec![] };
        let points = |last: i64, value: &dyn Fn(i64) -> f64| {
            let value = |point: i64| trees.rounded(value(point));
            on_points(test, last, value)
        };
        match source {
            Source::Constant(value) => everything(test.holds(trees.rounded(*value))),
            Source::Input { element, grid, factor, offset, .. } => {
                let before = grid.before();
                let last = self.ranges.last_point(*element, *grid) - before;
                let x = |point| self.ranges.point(*element, *grid, point + before);
                let set = match (*factor, *offset) {
                    (1.0, 0.0) => points(last, &x),
                    (factor, offset) => points(last, &|point| factor * x(point) + offset),
                };
                match grid.missing {
                    true => with_missing(set, branch.missing_holds || test.holds(f64::NAN)),
                    false => set,
                }
            }
            Source::Truth { factor, offset, .. } => {
                points(1, &|point| factor * point as f64 + offset)
            }
            Source::Real { scale, .. } => on_reals(test, *scale),
        }
    }

    /// Makes the decisions that some paths need and that are not there yet.
    fn decide(&mut self, node: &Node, all: &[Vec<Path>], sources: &[Source]) {
        let mut new: BTreeMap<usize, Vec<(usize, Cut)>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (source, set) in all.iter().flatten().flat_map(|path| &path.asked) {
            let (Source::Input { step, index, .. } | Source::Real { step, index, .. }) =
                &sources[*source]
            else {
                continue;
            };
            for cut in set.iter().flatten().filter(|cut| !ENDS.contains(cut)) {
                let key = key(*step, *index, *cut);
                if !self.decisions.decisions.contains_key(&key) && seen.insert(key) {
                    new.entry(*step).or_default().push((*index, *cut));
                }
            }
        }
        for (source, mut cuts) in new {
            cuts.sort_by(|a, b| {
                a.0.cmp(&b.0).then(a.1.at.total_cmp(&b.1.at)).then(a.1.above.cmp(&b.1.above))
            });
            let keys: Vec<Key> =
                cuts.iter().map(|(index, cut)| key(source, *index, *cut)).collect();
            let step = self.add_helper(&node.name, cuts.len(), Kind::Decisions { source, cuts });
            for (index, key) in keys.into_iter().enumerate() {
                self.decisions.decisions.insert(key, (step, index));
                self.decisions.truths.insert(vec![(step, index, 1)]);
            }
        }
    }

    /// The sum that is 1 where a source lies in a set and 0 elsewhere, and its constant.
    fn literal(&self, source: &Source, set: &Set) -> (Terms, i64) {
        let (mut terms, mut constant) = (Terms::new(), 0);
        let mut add = |cut: &Cut, sign: i64| match source {
            _ if *cut == ENDS[0] => constant += sign,
            _ if *cut == ENDS[1] => {}
            Source::Constant(_) => {}
            Source::Truth { terms: own, .. } => {
                terms
                    .extend(own.iter().map(|(step, index, factor)| (*step, *index, sign * factor)));
            }
            Source::Input { step, index, .. } | Source::Real { step, index, .. } => {
                let (step, index) = self
                    .decisions
                    .decisions
                    .get(&key(*step, *index, *cut))
                    .copied()
                    .unwrap_or_default();
                terms.push((step, index, sign));
            }
        };
        for [from, to] in set {
            add(from, 1);
            add(to, -1);
        }
        terms.sort_unstable();
        (terms, constant)
    }

    /// Adds what the leaves of one tree add to the scores: all but one as often as it is
    /// reached, relative to that one.
    fn leaves(
        &mut self,
        node: &Node,
        trees: &TreeEnsemble,
        paths: &[Path],
        sources: &[Source],
        rows: &mut [BTreeMap<(usize, usize), f64>],
        bias: &mut [f64],
    ) {
        let Some(rest) = most_common(trees, paths) else { return };
        let rest = &trees.leaves[rest].weights;
        let (mut leaves, mut constants, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            let first = path.position * trees.outputs;
            let own = &trees.leaves[path.leaf].weights;
            if std::ptr::eq(own, rest) || own == rest {
                continue;
            }
            let mut weights: BTreeMap<usize, f64> = own.iter().copied().collect();
            rest.iter().for_each(|(output, w)| *weights.entry(*output).or_insert(0.0) -= w);
            let (mut terms, mut constant) = (Terms::new(), 0);
            for (source, set) in &path.asked {
                let (own, more) = self.literal(&sources[*source], set);
                terms.extend(own);
                constant += more;
            }
            // One feature's sum is the leaf itself.
            if path.asked.len() == 1 {
                let sign = if constant == 0 { 1 } else { -1 };
                let truth =
                    terms.iter().map(|(step, index, k)| (*step, *index, sign * k)).collect();
                self.decisions.truths.insert(truth);
                for (output, weight) in weights {
                    bias[first + output] += weight * constant as f64;
                    for (step, index, factor) in &terms {
                        *rows[first + output].entry((*step, *index)).or_insert(0.0) +=
                            weight * *factor as f64;
                    }
                }
                continue;
            }
            leaves.push(merged(terms));
            constants.push(path.asked.len() as i64 - 1 - constant);
            added.push((first, weights));
        }
        if let Some(path) = paths.first() {
            let first = path.position * trees.outputs;
            rest.iter().for_each(|(output, weight)| bias[first + output] += weight);
        }
        if leaves.is_empty() {
            return;
        }
        let like = leaves.iter().flatten().map(|term| term.0).next().unwrap_or_default();
        let count = leaves.len();
        let kind = Kind::Exact { rows: leaves, constants, like: Some(like) };
        let step = self.add_helper(&node.name, count, kind);
        for (index, (first, weights)) in added.into_iter().enumerate() {
            self.decisions.truths.insert(vec![(step, index, 1)]);
            for (output, weight) in weights {
                *rows[first + output].entry((step, index)).or_insert(0.0) += weight;
            }
        }
    }

    /// Sums of elements as maps of steps.
    fn scores(rows: &[BTreeMap<(usize, usize), f64>]) -> Vec<Part> {
        let mut steps: Vec<usize> =
            rows.iter().flat_map(|row| row.keys().map(|key| key.0)).collect();
        steps.sort_unstable();
        steps.dedup();
        let part = |step: usize| {
            let own = rows.iter().map(|row| {
                let terms = row.range((step, 0)..(step + 1, 0));
                terms.map(|((_, index), w)| (*index, *w)).collect::<Vec<_>>()
            });
            Part { step, map: LinearMap::Sparse(SparseRows::from_rows(own)), raw: false }
        };
        steps.into_iter().map(part).collect()
    }
}

fn key(step: usize, index: usize, cut: Cut) -> Key {
    // 0 and −0 are one value.
    (step, index, (cut.at + 0.0).to_bits(), cut.above)
}

/// Terms of the same element together.
fn merged(mut terms: Terms) -> Terms {
    terms.sort_unstable();
    let mut merged: Terms = Vec::with_capacity(terms.len());
    for (step, index, factor) in terms {
        match merged.last_mut() {
            Some(last) if (last.0, last.1) == (step, index) => last.2 += factor,
            _ => merged.push((step, index, factor)),
        }
    }
    merged.retain(|term| term.2 != 0);
    merged
}

/// The leaf whose weights most of a tree's leaves have.
fn most_common(trees: &TreeEnsemble, paths: &[Path]) -> Option<usize> {
    let mut counts: HashMap<Vec<(usize, u64)>, (usize, usize)> = HashMap::new();
    for path in paths {
        let weights = &trees.leaves[path.leaf].weights;
        let key = weights.iter().map(|(output, w)| (*output, w.to_bits())).collect();
        counts.entry(key).or_insert((0, path.leaf)).0 += 1;
    }
    // Of several, the one that stands first, so that a model always becomes the same circuit.
    let most = counts.into_values().max_by_key(|(count, leaf)| (*count, usize::MAX - leaf));
    most.map(|(_, leaf)| leaf)
}

/// The leaves of a tree that can be reached. `set` gives the source that a branch asks, and
/// where its test holds.
fn paths(
    trees: &TreeEnsemble,
    root: Child,
    position: usize,
    set: &mut impl FnMut(usize) -> (usize, Set),
) -> Vec<Path> {
    let mut found = Vec::new();
    let mut open: Vec<(Child, Vec<(usize, Set)>)> = vec![(root, Vec::new())];
    while let Some((child, asked)) = open.pop() {
        let branch = match child {
            Child::Leaf(leaf) => {
                found.push(Path { position, leaf, asked });
                continue;
            }
            Child::Branch(branch) => branch,
        };
        let (source, holds) = set(branch);
        let fails = complement(&holds);
        let Branch { holds: yes, fails: no, .. } = trees.branches[branch];
        for (child, set) in [(no, fails), (yes, holds)] {
            let mut asked = asked.clone();
            let known = asked.iter().position(|(other, _)| *other == source);
            let set = match known {
                Some(at) => intersection(&asked[at].1, &set),
                None => set,
            };
            if set.is_empty() {
                continue;
            }
            match known {
                _ if set == [ENDS] => {}
                Some(at) => asked[at].1 = set,
                None => asked.push((source, set)),
            }
            open.push((child, asked));
        }
    }
    found
}

fn complement(set: &Set) -> Set {
    let mut result = Set::new();
    let mut from = ENDS[0];
    for [start, end] in set {
        if from < *start {
            result.push([from, *start]);
        }
        from = *end;
    }
    if from < ENDS[1] {
        result.push([from, ENDS[1]]);
    }
    result
}

fn intersection(a: &Set, b: &Set) -> Set {
    let mut result = Set::new();
    for [a_from, a_to] in a {
        for [b_from, b_to] in b {
            let from = if a_from < b_from { *b_from } else { *a_from };
            let to = if a_to < b_to { *a_to } else { *b_to };
            if from < to {
                result.push([from, to]);
            }
        }
    }
    result
}

/// Where a test holds on points of which the first stands for a missing value, for which it
/// holds or not; the others' numbers are one less in `set`.
fn with_missing(mut set: Set, holds: bool) -> Set {
    let first = Cut { at: 1.0, above: false };
    set.iter_mut().flatten().for_each(|cut| cut.at += 1.0);
    match (set.first_mut(), holds) {
        (Some([from, _]), true) if *from == first => *from = ENDS[0],
        (Some([from, _]), false) if *from == ENDS[0] => *from = first,
        (Some([from, _]), true) if *from == ENDS[0] => {}
        (_, true) => set.insert(0, [ENDS[0], first]),
        (_, false) => {}
    }
    set
}

/// Where a test holds on the points 0 … last, whose values rise or fall throughout.
fn on_points(test: &Test, last: i64, value: impl Fn(i64) -> f64) -> Set {
    let rises = value(0) <= value(last);
    // The first point at which a property that changes once is as at the last.
    let change = |property: &dyn Fn(f64) -> bool| {
        let (mut before, mut behind) = (-1, last);
        while behind - before > 1 {
            let middle = before + (behind - before) / 2;
            if property(value(middle)) { behind = middle } else { before = middle }
        }
        property(value(behind)).then_some(behind)
    };
    let mut places: Vec<i64> = Vec::new();
    for t in test.constants() {
        let found = match rises {
            true => [change(&|x| x >= *t), change(&|x| x > *t)],
            false => [change(&|x| x <= *t), change(&|x| x < *t)],
        };
        places.extend(found.into_iter().flatten());
    }
    places.sort_unstable();
    places.dedup();
    let mut set = Set::new();
    let mut from = test.holds(value(0)).then_some(ENDS[0]);
    for place in places.into_iter().filter(|place| *place > 0) {
        let cut = Cut { at: place as f64, above: false };
        match (from, test.holds(value(place))) {
            (None, true) => from = Some(cut),
            (Some(start), false) => {
                set.push([start, cut]);
                from = None;
            }
            _ => {}
        }
    }
    set.extend(from.map(|start| [start, ENDS[1]]));
    set
}

/// Where a test of a real number holds.
fn on_reals(test: &Test, scale: f64) -> Set {
    let before = |at: f64| Cut { at: at * scale, above: false };
    let behind = |at: f64| Cut { at: at * scale, above: true };
    let [lowest, highest] = ENDS;
    let whole = |set: Set| set.into_iter().filter(|[from, to]| from < to).collect();
    match test {
        Test::AtMost(t) => whole(vec![[lowest, behind(*t)]]),
        Test::Below(t) => whole(vec![[lowest, before(*t)]]),
        Test::AtLeast(t) => whole(vec![[before(*t), highest]]),
        Test::Above(t) => whole(vec![[behind(*t), highest]]),
        Test::Equal(t) => whole(vec![[before(*t), behind(*t)]]),
        Test::NotEqual(t) => whole(vec![[lowest, before(*t)], [behind(*t), highest]]),
        Test::Member(set) => {
            let mut set = set.clone();
            set.sort_by(f64::total_cmp);
            set.dedup();
            set.into_iter().map(|t| [before(t), behind(t)]).collect()
        }
        Test::Within(ends) => {
            whole(ends.chunks_exact(2).map(|ends| [before(ends[0]), behind(ends[1])]).collect())
        }
    }
}
