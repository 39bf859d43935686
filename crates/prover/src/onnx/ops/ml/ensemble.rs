//! TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    forest::{Forest, Listed},
    scores, trace,
};
use crate::{
    graph::{Extremum, Leaf, Op, Test, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value, printable},
        ops::leaves,
        tensor::{Data, Tensor},
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
    let targets = node.int("n_targets").unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|count| *count > 0);
    let targets = targets.ok_or_else(|| node.malformed("n_targets is not positive".into()))?;
    let forest = listed(node, &x, "target", targets)?;
    let aggregate = Aggregate::named(node)?;
    let base = base_values(node)?;
    if !(base.is_empty() || base.len() == targets) {
        return Err(node.malformed(format!("{} base values, {targets} targets", base.len())));
    }
    // A single score has its base value whatever leaves are reached.
    let base = if targets > 1 { scored_base(node, &forest, base)? } else { base };
    let post = node.text("post_transform", "NONE");
    let scores = run(node, x, forest, targets, base, aggregate, DType::Float32)?;
    scores::transform(node, scores, &post)
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
    let named: BTreeSet<usize> = weights().map(|(class, _)| class).collect();
    let positive = weights().all(|(_, w)| w >= 0.0);
    // Of a sum of votes that cannot be negative, half makes the majority.
    let majority = if positive { 0.5 } else { 0.0 };
    if let (2, 1) = (classes, named.len()) {
        let class = named.first().copied().unwrap_or(0);
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
    if !positive && !every_class_is_scored(&forest, classes) {
        return Err(node.unsupported("a class has a score only where some leaves are reached"));
    }
    if classes == 2 {
        if base.len() > 1 {
            return Err(node.unsupported("it has two base values beside weights of two classes"));
        }
        if labels != [0, 1] || !every_class_is_scored(&forest, classes) {
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
    let base = scored_base(node, &forest, base)?;
    let scores = run(node, x, forest, classes, base, Aggregate::Sum, DType::Float32)?;
    let label = scores::greatest(node, scores.clone(), &labels)?;
    let scores = scores::transform(node, scores, &post);
    scores::outputs(node, label, scores)
}

/// TreeEnsemble, which replaces both since version 5.
pub(super) fn ensemble(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let dtype = x.dtype();
    let targets = node.int("n_targets").unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|count| *count > 0);
    let targets = targets.ok_or_else(|| node.malformed("n_targets is not positive".into()))?;
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
    scores::transform(node, scores, post)
}

/// Whether every sample gives every class a score.
fn every_class_is_scored(forest: &Forest, classes: usize) -> bool {
    (0..classes).all(|class| is_scored(forest, class))
}

/// Whether every sample gives a class or target a score: some tree names it in all its leaves.
fn is_scored(forest: &Forest, class: usize) -> bool {
    let names = |leaf: &Leaf| leaf.weights.iter().any(|(other, _)| *other == class);
    by_tree(forest).into_iter().any(|tree| tree.iter().all(names))
}

/// The base values as onnxruntime adds them: only to scores that a leaf on the sample's paths names.
fn scored_base(
    node: &Node<'_>,
    forest: &Forest,
    mut base: Vec<f64>,
) -> Result<Vec<f64>, OnnxError> {
    for (score, value) in base.iter_mut().enumerate() {
        let names = |leaf: &Leaf| leaf.weights.iter().any(|(other, _)| *other == score);
        if *value == 0.0 || is_scored(forest, score) {
            continue;
        }
        if forest.leaves.iter().any(names) {
            return Err(node.unsupported(format!(
                "score {score} has a base value, and other weights only where some leaves are reached"
            )));
        }
        *value = 0.0;
    }
    Ok(base)
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
    let mut base = if base.is_empty() { vec![0.0; outputs] } else { base };
    let extreme = matches!(aggregate, Aggregate::Minimum | Aggregate::Maximum);
    let (mut scored, final_base) = (Vec::new(), base.clone());
    if extreme {
        // Each tree's own scores first.
        let starts: Vec<usize> = by_tree(&forest).iter().map(|tree| tree.len()).collect();
        let mut tree_of =
            starts.iter().enumerate().flat_map(|(tree, n)| std::iter::repeat_n(tree, *n));
        for output in 0..outputs {
            let names = |leaf: &Leaf| leaf.weights.iter().any(|(other, _)| *other == output);
            let mut group = Vec::new();
            for (index, tree) in by_tree(&forest).into_iter().enumerate() {
                match (tree.iter().all(names), tree.iter().any(names)) {
                    (true, _) => group.push(index * outputs + output),
                    (false, false) => {}
                    (false, true) => {
                        return Err(node.unsupported(
                            "a score is the least or greatest of trees that give it sometimes only",
                        ));
                    }
                }
            }
            if group.is_empty() {
                return Err(node.unsupported(format!("no tree gives score {output}")));
            }
            scored.push(group);
        }
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

/// A tensor attribute of real numbers.
fn doubles(node: &Node<'_>, name: &str) -> Result<Option<Vec<f64>>, OnnxError> {
    let Some(proto) = node.tensor(name) else { return Ok(None) };
    match Tensor::decode(proto, name)?.data {
        Data::Float(values) => Ok(Some(values)),
        Data::Int(_) => Err(node.malformed(format!("attribute {name} holds integers"))),
    }
}

/// Values as floats or as a tensor, whichever the file has; they may be infinite.
fn numbers(node: &Node<'_>, name: &str) -> Result<Vec<f64>, OnnxError> {
    Ok(match doubles(node, &format!("{name}_as_tensor"))? {
        Some(values) => values,
        None => node.numbers(name).unwrap_or_default(),
    })
}

/// Refuses lists of different lengths; absent ones count where they are required.
fn same_lengths(node: &Node<'_>, lists: &[(&str, usize)]) -> Result<usize, OnnxError> {
    let Some(&(first, expected)) = lists.first() else { return Ok(0) };
    match lists.iter().find(|(_, len)| *len != expected) {
        Some((name, len)) => Err(node.malformed(format!(
            "attribute {name} has {len} values, {first} has {expected}: every node needs one of each"
        ))),
        None => Ok(expected),
    }
}

/// The comparison of a mode.
fn test(node: &Node<'_>, mode: &str, value: f64) -> Result<Option<Test>, OnnxError> {
    let test = match mode {
        "LEAF" => return Ok(None),
        _ if value.is_nan() => {
            return Err(node.malformed("a threshold is NaN, which decides nothing".into()));
        }
        "BRANCH_LEQ" => Test::AtMost(value),
        "BRANCH_LT" => Test::Below(value),
        "BRANCH_GTE" => Test::AtLeast(value),
        "BRANCH_GT" => Test::Above(value),
        "BRANCH_EQ" => Test::Equal(value),
        "BRANCH_NEQ" => Test::NotEqual(value),
        other => {
            let other = printable(other);
            return Err(node.malformed(format!("node mode {other} is none of ONNX's")));
        }
    };
    Ok(Some(test))
}

fn feature(node: &Node<'_>, id: i64, features: usize, name: &str) -> Result<usize, OnnxError> {
    usize::try_from(id).ok().filter(|id| *id < features).ok_or_else(|| {
        node.malformed(format!("{name} compares feature {id}, its input has {features}"))
    })
}

/// The trees of TreeEnsembleClassifier and TreeEnsembleRegressor, whose nodes are named by
/// tree and number. `kind` is "class" or "target".
fn listed(node: &mut Node<'_>, x: &Value, kind: &str, outputs: usize) -> Result<Forest, OnnxError> {
    let (_, features) = scores::matrix(node, x)?;
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (trees, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (compared, modes) = (ints("nodes_featureids"), node.strings("nodes_modes"));
    let (yes, no) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let missing = ints("nodes_missing_value_tracks_true");
    let values = numbers(node, "nodes_values")?;
    let count = same_lengths(
        node,
        &[
            ("nodes_treeids", trees.len()),
            ("nodes_nodeids", ids.len()),
            ("nodes_featureids", compared.len()),
            ("nodes_modes", modes.len()),
            ("nodes_values", values.len()),
            ("nodes_truenodeids", yes.len()),
            ("nodes_falsenodeids", no.len()),
            (
                "nodes_missing_value_tracks_true",
                if missing.is_empty() { trees.len() } else { missing.len() },
            ),
        ],
    )?;
    if count == 0 {
        return Err(node.malformed("it has no nodes".into()));
    }
    let name = |place: usize| format!("node {} of tree {}", ids[place], trees[place]);
    let mut places = HashMap::with_capacity(count);
    for (place, key) in trees.iter().zip(ids).enumerate() {
        if places.insert(key, place).is_some() {
            return Err(node.malformed(format!("{} is listed twice", name(place))));
        }
    }
    let mut weights = leaf_weights(node, kind, outputs, &places)?;
    let mut listed = Vec::with_capacity(count);
    let mut child_of = vec![false; count];
    for place in 0..count {
        let mode = String::from_utf8_lossy(&modes[place]);
        let own = weights.remove(&place);
        let Some(test) = test(node, &mode, values[place])? else {
            listed.push(Listed::Leaf(own.unwrap_or_default()));
            continue;
        };
        if own.is_some() {
            return Err(node.malformed(format!("{} has a weight and is no leaf", name(place))));
        }
        let mut child = |id: i64| match places.get(&(&trees[place], &id)) {
            Some(&at) => {
                child_of[at] = true;
                Ok(at)
            }
            None => {
                let name = name(place);
                Err(node.malformed(format!("{name} has a child {id}, which is not listed")))
            }
        };
        let (holds, fails) = (child(yes[place])?, child(no[place])?);
        let feature = feature(node, compared[place], features, &name(place))?;
        let missing_holds = missing.get(place).is_some_and(|tracks| *tracks != 0);
        listed.push(Listed::Branch { feature, test, missing_holds, holds, fails });
    }
    // A tree starts with the first of its nodes in the list.
    let starts = |place: &usize| *place == 0 || trees[*place] != trees[place - 1];
    let roots: Vec<usize> = (0..count).filter(starts).collect();
    if let Some(root) = roots.iter().find(|root| child_of[**root]) {
        let name = name(*root);
        return Err(
            node.malformed(format!("{name} is the first of its tree and a child of another"))
        );
    }
    node.pay(&[count, 8])?;
    Forest::new(node, listed, &roots, name)
}

/// What leaves add to scores, by place in the list of nodes.
fn leaf_weights(
    node: &Node<'_>,
    kind: &str,
    outputs: usize,
    places: &HashMap<(&i64, &i64), usize>,
) -> Result<BTreeMap<usize, Leaf>, OnnxError> {
    let names = ["treeids", "nodeids", "ids", "weights"].map(|part| format!("{kind}_{part}"));
    let ints = |index: usize| node.ints(&names[index]).unwrap_or_default();
    let (trees, ids, scores) = (ints(0), ints(1), ints(2));
    let values = numbers(node, &names[3])?;
    let lengths = [trees.len(), ids.len(), scores.len(), values.len()];
    let named: Vec<(&str, usize)> = names.iter().map(String::as_str).zip(lengths).collect();
    same_lengths(node, &named)?;
    let mut leaves: BTreeMap<usize, Leaf> = BTreeMap::new();
    for (((tree, id), score), &weight) in trees.iter().zip(ids).zip(scores).zip(&values) {
        let Some(&place) = places.get(&(tree, id)) else {
            return Err(node
                .malformed(format!("a weight for node {id} of tree {tree}, which is not listed")));
        };
        let score = usize::try_from(*score).ok().filter(|score| *score < outputs);
        let score = score.ok_or_else(|| {
            node.malformed(format!(
                "node {id} of tree {tree} has a weight for a {kind} that is none"
            ))
        })?;
        if !weight.is_finite() {
            return Err(
                node.malformed(format!("node {id} of tree {tree} has a weight of {weight}"))
            );
        }
        let own = &mut leaves.entry(place).or_default().weights;
        if own.iter().any(|(other, _)| *other == score) {
            return Err(node.malformed(format!(
                "node {id} of tree {tree} has two weights for {kind} {score}"
            )));
        }
        own.push((score, weight));
    }
    Ok(leaves)
}

/// The trees of TreeEnsemble: inner nodes and leaves in lists of their own.
fn merged_lists(node: &mut Node<'_>, x: &Value, outputs: usize) -> Result<Forest, OnnxError> {
    let (_, features) = scores::matrix(node, x)?;
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (compared, yes, no) =
        (ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (ints("nodes_trueleafs"), ints("nodes_falseleafs"));
    let missing = ints("nodes_missing_value_tracks_true");
    let splits = doubles(node, "nodes_splits")?.unwrap_or_default();
    let modes = match node.tensor("nodes_modes").map(|proto| Tensor::decode(proto, "nodes_modes")) {
        Some(decoded) => match decoded?.data {
            Data::Int(modes) => modes,
            Data::Float(_) => return Err(node.malformed("nodes_modes holds floats".into())),
        },
        None => Vec::new(),
    };
    let count = same_lengths(
        node,
        &[
            ("nodes_featureids", compared.len()),
            ("nodes_modes", modes.len()),
            ("nodes_splits", splits.len()),
            ("nodes_truenodeids", yes.len()),
            ("nodes_falsenodeids", no.len()),
            ("nodes_trueleafs", yes_leaf.len()),
            ("nodes_falseleafs", no_leaf.len()),
            (
                "nodes_missing_value_tracks_true",
                if missing.is_empty() { compared.len() } else { missing.len() },
            ),
        ],
    )?;
    let (targets, weights) =
        (ints("leaf_targetids"), doubles(node, "leaf_weights")?.unwrap_or_default());
    same_lengths(node, &[("leaf_targetids", targets.len()), ("leaf_weights", weights.len())])?;
    let members = doubles(node, "membership_values")?.unwrap_or_default();
    // Each set ends with a NaN.
    let mut sets = members.split(|value| value.is_nan());
    let mut listed = Vec::with_capacity(count.saturating_mul(3));
    for place in 0..count {
        let test = match modes[place] {
            6 => Test::Member(sets.next().unwrap_or_default().to_vec()),
            mode => {
                let names = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"];
                let name = usize::try_from(mode).ok().and_then(|mode| names.get(mode));
                let name =
                    name.ok_or_else(|| node.malformed(format!("node mode {mode}, not 0 to 6")))?;
                match test(node, &format!("BRANCH_{name}"), splits[place])? {
                    Some(test) => test,
                    None => return Err(node.malformed("a node is no comparison".into())),
                }
            }
        };
        let name = format!("node {place}");
        let feature = feature(node, compared[place], features, &name)?;
        let missing_holds = missing.get(place).is_some_and(|tracks| *tracks != 0);
        listed.push(Listed::Branch { feature, test, missing_holds, holds: 0, fails: 0 });
    }
    // A leaf of its own for each side that names one: leaves may be shared.
    for place in 0..count {
        for (id, leaf, holding) in
            [(yes[place], yes_leaf[place], true), (no[place], no_leaf[place], false)]
        {
            let limit = if leaf != 0 { weights.len() } else { count };
            let Some(at) = usize::try_from(id).ok().filter(|at| *at < limit) else {
                let what = if leaf != 0 { "leaf" } else { "node" };
                return Err(node.malformed(format!("node {place} goes to {what} {id} of {limit}")));
            };
            let child = if leaf != 0 {
                let target = usize::try_from(targets[at]).ok().filter(|target| *target < outputs);
                let target = target.ok_or_else(|| {
                    node.malformed(format!(
                        "leaf {at} adds to target {}, not one of {outputs}",
                        targets[at]
                    ))
                })?;
                if !weights[at].is_finite() {
                    return Err(
                        node.malformed(format!("leaf {at} has a weight of {}", weights[at]))
                    );
                }
                listed.push(Listed::Leaf(Leaf { weights: vec![(target, weights[at])] }));
                listed.len() - 1
            } else {
                at
            };
            if let Listed::Branch { holds, fails, .. } = &mut listed[place] {
                *(if holding { holds } else { fails }) = child;
            }
        }
    }
    let roots: Option<Vec<usize>> = ints("tree_roots")
        .iter()
        .map(|root| usize::try_from(*root).ok().filter(|r| *r < count))
        .collect();
    let roots = roots.filter(|roots| !roots.is_empty());
    let roots = roots.ok_or_else(|| node.malformed("tree_roots names no nodes".into()))?;
    node.pay(&[count, 16])?;
    Forest::new(node, listed, &roots, |place| format!("node {place}"))
}
