//! The lists of nodes and leaves in which files write trees.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    forest::{Forest, Listed},
    scores,
};
use crate::{
    graph::{Leaf, Test},
    onnx::{
        error::OnnxError,
        node::{Node, Value, printable},
        tensor::{Data, Tensor},
    },
};

/// A tensor attribute of real numbers.
pub(super) fn doubles(node: &Node<'_>, name: &str) -> Result<Option<Vec<f64>>, OnnxError> {
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
pub(super) fn listed(
    node: &mut Node<'_>,
    x: &Value,
    kind: &str,
    outputs: usize,
) -> Result<Forest, OnnxError> {
    let (_, features) = scores::matrix(node, x)?;
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (trees, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (compared, modes) = (ints("nodes_featureids"), node.strings("nodes_modes"));
    let (yes, no) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let missing = ints("nodes_missing_value_tracks_true");
    let values = numbers(node, "nodes_values")?;
    // What training saw of each node decides nothing.
    let rates = numbers(node, "nodes_hitrates")?;
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
            ("nodes_hitrates", if rates.is_empty() { trees.len() } else { rates.len() }),
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
    let mut seen = HashSet::with_capacity(trees.len());
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
        if !seen.insert((place, score)) {
            return Err(node.malformed(format!(
                "node {id} of tree {tree} has two weights for {kind} {score}"
            )));
        }
        leaves.entry(place).or_default().weights.push((score, weight));
    }
    Ok(leaves)
}

/// The trees of TreeEnsemble: inner nodes and leaves in lists of their own.
pub(super) fn merged_lists(
    node: &mut Node<'_>,
    x: &Value,
    outputs: usize,
) -> Result<Forest, OnnxError> {
    let (_, features) = scores::matrix(node, x)?;
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (compared, yes, no) =
        (ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (ints("nodes_trueleafs"), ints("nodes_falseleafs"));
    let missing = ints("nodes_missing_value_tracks_true");
    let splits = doubles(node, "nodes_splits")?.unwrap_or_default();
    let rates = doubles(node, "nodes_hitrates")?.unwrap_or_default();
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
            ("nodes_hitrates", if rates.is_empty() { compared.len() } else { rates.len() }),
        ],
    )?;
    let (targets, weights) =
        (ints("leaf_targetids"), doubles(node, "leaf_weights")?.unwrap_or_default());
    same_lengths(node, &[("leaf_targetids", targets.len()), ("leaf_weights", weights.len())])?;
    for (name, flags) in [("nodes_trueleafs", yes_leaf), ("nodes_falseleafs", no_leaf)] {
        if let Some(flag) = flags.iter().find(|flag| !(0..=1).contains(*flag)) {
            return Err(node.malformed(format!("attribute {name} has {flag}, not 0 or 1")));
        }
    }
    let members = doubles(node, "membership_values")?.unwrap_or_default();
    let sets = sets(node, &members, modes.iter().filter(|mode| **mode == 6).count())?;
    let mut sets = sets.into_iter();
    let mut listed = Vec::with_capacity(count.saturating_mul(3));
    for place in 0..count {
        let test = match modes[place] {
            6 => Test::Member(sets.next().unwrap_or_default()),
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

/// The sets of values that nodes are members of, one for each of `count` nodes: a NaN stands
/// behind each, which the last one may lack.
fn sets(node: &Node<'_>, members: &[f64], count: usize) -> Result<Vec<Vec<f64>>, OnnxError> {
    let mut sets: Vec<Vec<f64>> = members.split(|v| v.is_nan()).map(<[f64]>::to_vec).collect();
    if sets.last().is_some_and(Vec::is_empty) {
        sets.pop();
    }
    if sets.len() != count {
        return Err(node.malformed(format!(
            "membership_values has {} sets, {count} nodes are members of one",
            sets.len()
        )));
    }
    match sets.iter().position(Vec::is_empty) {
        Some(at) => Err(node.malformed(format!("set {at} of membership_values is empty"))),
        None => Ok(sets),
    }
}
