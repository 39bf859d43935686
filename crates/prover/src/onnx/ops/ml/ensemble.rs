//! TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble.

use std::collections::BTreeMap;

use super::{
    forest::Forest,
    lists::{doubles, listed, merged_lists},
    scores, trace,
};
use crate::{
    graph::{Extremum, Leaf, Op, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value, printable},
        ops::leaves,
    },
};

/// How the trees' leaves become a score.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Average,
    Minimum,
    Maximum,
}

impl Aggregate {
    fn named(node: &Node<'_>) -> Result<Self, OnnxError> {
        match node.text("aggregate_function", "SUM").as_str() {
            "SUM" => Ok(Self::Sum),
            "AVERAGE" => Ok(Self::Average),
            "MIN" => Ok(Self::Minimum),
            "MAX" => Ok(Self::Maximum),
            other => {
                let other = printable(other);
                Err(node.malformed(format!("aggregate_function {other} is none of ONNX's")))
            }
        }
    }
}

pub(super) fn regressor(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let targets = targets(node, "target_ids")?;
    let forest = listed(node, &x, "target", targets)?;
    let aggregate = Aggregate::named(node)?;
    let base = base_values(node)?;
    if !(base.is_empty() || base.len() == targets) {
        return Err(node.malformed(format!("{} base values, {targets} targets", base.len())));
    }
    // A single score has its base value whatever leaves are reached.
    let base = if targets > 1 { Named::of(&forest).scored_base(node, base)? } else { base };
    let post = node.text("post_transform", "NONE");
    let scores = run(node, x, forest, targets, base, aggregate, DType::Float32)?;
    scores::of_regression(node, scores, &post)
}

/// The number of scores, of which each has a weight in some leaf: what a file says costs nothing,
/// what it lists does.
fn targets(node: &Node<'_>, weights: &str) -> Result<usize, OnnxError> {
    let count = node.int("n_targets").unwrap_or(1);
    let listed = node.ints(weights).map_or(0, <[i64]>::len);
    match usize::try_from(count) {
        Ok(count) if (1..=listed.max(1)).contains(&count) => Ok(count),
        Ok(0) | Err(_) => Err(node.malformed(format!("n_targets is {count}, not positive"))),
        Ok(_) => Err(node.unsupported(format!(
            "it has {count} targets and {listed} weights: leave out the targets without any"
        ))),
    }
}

pub(super) fn classifier(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take(0)?;
    let labels = scores::labels(node, &["classlabels_int64s"], "classlabels_strings")?;
    let classes = labels.len();
    if classes < 2 {
        return Err(node.unsupported(format!("it has {classes} class labels, not two or more")));
    }
    let forest = listed(node, &x, "class", classes)?;
    let base = base_values(node)?;
    let post = node.text("post_transform", "NONE");
    let weights = || forest.leaves.iter().flat_map(|leaf| leaf.weights.iter().copied());
    let named = Named::of(&forest);
    let positive = weights().all(|(_, w)| w >= 0.0);
    // Of a sum of votes that cannot be negative, half makes the majority.
    let majority = if positive { 0.5 } else { 0.0 };
    if let (2, Some(class)) = (classes, named.only()) {
        if base.len() > 1 - class {
            return Err(node.unsupported("it has base values for a class without weights"));
        }
        let base = if class == 0 { base } else { Vec::new() };
        let mut forest = forest;
        let all = forest.leaves.iter_mut().flat_map(|leaf| &mut leaf.weights);
        all.for_each(|(class, _)| *class = 0);
        let score = run(node, x, forest, 1, base, Aggregate::Sum, DType::Float32)?;
        let label = scores::above(node, score.clone(), majority, &labels)?;
        let scores = match class {
            0 => scores::complemented(node, score, &post, positive),
            _ => {
                let both = scores::columns(node, score, [(0.0, 0.0), (1.0, 0.0)])?;
                scores::transform(node, both, &post)
            }
        };
        return scores::outputs(node, label, scores);
    }
    // Runtimes choose among the classes that the leaves a sample reaches name.
    if !positive && !named.always_all(classes) {
        return Err(node.unsupported("a class has a score only where some leaves are reached"));
    }
    if classes == 2 {
        if base.len() > 1 {
            return Err(node.unsupported("it has two base values beside weights of two classes"));
        }
        if labels != [0, 1] || !named.always_all(classes) {
            return Err(node.unsupported(
                "it has weights for both of two classes that are not 0 and 1; export it with \
                 weights for one class",
            ));
        }
        let base = [base, vec![0.0; 2]].concat().into_iter().take(2).collect();
        let scores = run(node, x, forest, 2, base, Aggregate::Sum, DType::Float32)?;
        // onnxruntime's rule: class 1 wherever its score is positive.
        let second = scores::column(node, scores.clone(), 1)?;
        let label = scores::above(node, second, 0.0, &labels)?;
        let scores = scores::transform(node, scores, &post);
        return scores::outputs(node, label, scores);
    }
    if !(base.is_empty() || base.len() == classes) {
        return Err(node.malformed(format!("{} base values, {classes} classes", base.len())));
    }
    let base = named.scored_base(node, base)?;
    let scores = run(node, x, forest, classes, base, Aggregate::Sum, DType::Float32)?;
    let label = scores::greatest(node, scores.clone(), &labels)?;
    let scores = scores::transform(node, scores, &post);
    scores::outputs(node, label, scores)
}

/// TreeEnsemble, which replaces both since version 5.
pub(super) fn ensemble(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let dtype = x.dtype();
    let targets = targets(node, "leaf_targetids")?;
    let aggregate = match node.int("aggregate_function").unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Minimum,
        3 => Aggregate::Maximum,
        other => return Err(node.malformed(format!("aggregate_function {other}, not 0 to 3"))),
    };
    let post = match node.int("post_transform").unwrap_or(0) {
        0 => "NONE",
        1 => "SOFTMAX",
        2 => "LOGISTIC",
        3 => "SOFTMAX_ZERO",
        4 => "PROBIT",
        other => return Err(node.malformed(format!("post_transform {other}, not 0 to 4"))),
    };
    let forest = merged_lists(node, &x, targets)?;
    let scores = run(node, x, forest, targets, Vec::new(), aggregate, dtype)?;
    scores::of_regression(node, scores, post)
}

/// Which scores the trees' leaves name.
struct Named {
    /// In how many leaves, by score and tree.
    leaves: BTreeMap<(usize, usize), usize>,
    /// Leaves of each tree.
    sizes: Vec<usize>,
}

impl Named {
    fn of(forest: &Forest) -> Self {
        let trees = by_tree(forest);
        let mut leaves = BTreeMap::new();
        for (tree, own) in trees.iter().enumerate() {
            for (score, _) in own.iter().flat_map(|leaf| &leaf.weights) {
                *leaves.entry((*score, tree)).or_insert(0) += 1;
            }
        }
        Self { leaves, sizes: trees.into_iter().map(<[Leaf]>::len).collect() }
    }

    /// The trees that name a score, and whether in all their leaves.
    fn trees(&self, score: usize) -> impl Iterator<Item = (usize, bool)> {
        let own = self.leaves.range((score, 0)..=(score, usize::MAX));
        own.map(|((_, tree), count)| (*tree, *count == self.sizes[*tree]))
    }

    /// Whether every sample gives a score: some tree names it in all its leaves.
    fn always(&self, score: usize) -> bool {
        self.trees(score).any(|(_, all)| all)
    }

    /// Whether every sample gives each of so many scores.
    fn always_all(&self, scores: usize) -> bool {
        (0..scores).all(|score| self.always(score))
    }

    /// The score that is named, if one alone is.
    fn only(&self) -> Option<usize> {
        let (first, _) = *self.leaves.keys().next()?;
        self.leaves.keys().all(|(score, _)| *score == first).then_some(first)
    }

    /// The base values as onnxruntime adds them: only to scores that a leaf on the sample's
    /// paths names.
    fn scored_base(&self, node: &Node<'_>, mut base: Vec<f64>) -> Result<Vec<f64>, OnnxError> {
        for (score, value) in base.iter_mut().enumerate() {
            if *value == 0.0 || self.always(score) {
                continue;
            }
            if self.trees(score).next().is_some() {
                return Err(node.unsupported(format!(
                    "score {score} has a base value, and other weights only where some leaves are \
                     reached"
                )));
            }
            *value = 0.0;
        }
        Ok(base)
    }
}

/// The leaves of each tree, which stand together.
fn by_tree(forest: &Forest) -> Vec<&[Leaf]> {
    let mut starts: Vec<usize> = forest.roots.iter().map(|root| forest.first_leaf(*root)).collect();
    starts.push(forest.leaves.len());
    starts.windows(2).map(|ends| &forest.leaves[ends[0]..ends[1]]).collect()
}

/// The scores of an ensemble, before what follows them.
fn run(
    node: &mut Node<'_>,
    x: Value,
    mut forest: Forest,
    outputs: usize,
    base: Vec<f64>,
    aggregate: Aggregate,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let (positions, features) = scores::matrix(node, &x)?;
    let double = x.dtype() == DType::Float64;
    let moved = trace::through_steps(node, x, &mut forest.branches, features, double)?;
    let trees = forest.roots.len();
    node.pay(&[positions, outputs])?;
    let mut base = if base.is_empty() { vec![0.0; outputs] } else { base };
    let extreme = matches!(aggregate, Aggregate::Minimum | Aggregate::Maximum);
    let (mut scored, final_base) = (Vec::new(), base.clone());
    if extreme {
        // Each tree's own scores first.
        let named = Named::of(&forest);
        for output in 0..outputs {
            if named.trees(output).any(|(_, all)| !all) {
                return Err(node.unsupported(
                    "a score is the least or greatest of trees that give it sometimes only",
                ));
            }
            let group: Vec<usize> =
                named.trees(output).map(|(tree, _)| tree * outputs + output).collect();
            if group.is_empty() {
                return Err(node.unsupported(format!("no tree gives score {output}")));
            }
            scored.push(group);
        }
        let sizes = named.sizes.iter().enumerate();
        let mut tree_of = sizes.flat_map(|(tree, n)| std::iter::repeat_n(tree, *n));
        for leaf in &mut forest.leaves {
            let tree = tree_of.next().unwrap_or_default();
            leaf.weights.iter_mut().for_each(|(output, _)| *output += tree * outputs);
        }
        base = vec![0.0; node.pay(&[trees, outputs])?];
    }
    if aggregate == Aggregate::Average {
        let all = forest.leaves.iter_mut().flat_map(|leaf| &mut leaf.weights);
        all.for_each(|(_, weight)| *weight /= trees as f64);
    }
    let width = base.len();
    node.pay(&[forest.branches.len() + forest.leaves.len(), positions])?;
    let Forest { branches, leaves, roots } = forest;
    let trees = TreeEnsemble { positions, features, outputs: width, base, ..moved.trees };
    let ensemble = TreeEnsemble { branches, leaves, roots, ..trees };
    let scores = node.emit(Op::Trees(ensemble), vec![moved.x], vec![positions, width], dtype)?;
    if !extreme {
        leaves::note(node, &scores);
        return Ok(scores);
    }
    node.pay(&[positions, width])?;
    let groups = (0..positions)
        .flat_map(|row| scored.iter().map(move |group| (row, group)))
        .map(|(row, group)| group.iter().map(|at| row * width + at).collect())
        .collect();
    let extremum = Extremum { minimum: aggregate == Aggregate::Minimum, groups };
    let scores =
        node.emit(Op::Extremum(extremum), vec![scores], vec![positions, outputs], dtype)?;
    node.scale(scores, |index| (1.0, final_base[index % outputs]))
}

fn base_values(node: &Node<'_>) -> Result<Vec<f64>, OnnxError> {
    Ok(match doubles(node, "base_values_as_tensor")? {
        Some(values) => values,
        None => node.floats("base_values")?.unwrap_or_default(),
    })
}
