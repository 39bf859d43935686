//! Fuses linear maps and moved elements into who reads them.
//!
//! A node takes in the linear nodes before it as long as the fused node has no more
//! coefficients than they had together, those that others still need not counted.

use std::collections::HashMap;

use super::{
    Wiring,
    compose::{self, Form},
    joined,
    merge::Sum,
};
use crate::graph::{Element, Extremum, Graph, Op, TensorId, run};

/// Coefficients that moving elements out of the way may cost: looking elements up one by
/// one is dearer than a few zero weights.
const SLACK: usize = 4096;

/// Multiplications for fusing, in one model.
const MAX_PRODUCTS: u64 = 1 << 34;

pub(super) fn fuse(graph: &mut Graph) {
    let mut wiring = Wiring::of(graph);
    let mut products = MAX_PRODUCTS;
    for n in 0..graph.nodes.len() {
        gather_groups(graph, &mut wiring, n);
        merge_repeated(graph, &mut wiring, n);
        while absorb(graph, &mut wiring, n, &mut products) {}
        if is_identity(graph, n) {
            wiring.bypass(graph, n);
        }
    }
}

/// A maximum over moved elements is one over the elements themselves.
fn gather_groups(graph: &mut Graph, wiring: &mut Wiring, n: usize) {
    let node = &graph.nodes[n];
    let (Op::Extremum(extremum) | Op::ArgExtremum(extremum), [input]) =
        (&node.op, &node.inputs[..])
    else {
        return;
    };
    let Some(maker) = wiring.maker[input.0].map(|maker| &graph.nodes[maker]) else { return };
    let (Op::Select(elements), [_]) = (&maker.op, &maker.inputs[..]) else { return };
    let source = |&i: &usize| match elements[i] {
        Element::Input { index, .. } => Some(index),
        Element::Constant(_) => None,
    };
    let groups = extremum.groups.iter().map(|group| group.iter().map(source).collect());
    let Some(groups) = groups.collect::<Option<Vec<Vec<usize>>>>() else { return };
    let (inputs, name) = (maker.inputs.clone(), joined(&maker.name, &node.name));
    let moved = Extremum { minimum: extremum.minimum, groups };
    let op = match &node.op {
        Op::ArgExtremum(_) => Op::ArgExtremum(moved),
        _ => Op::Extremum(moved),
    };
    graph.nodes[n].op = op;
    graph.nodes[n].name = name;
    wiring.rewire(graph, n, inputs);
}

/// One map for each tensor that a linear node reads twice.
fn merge_repeated(graph: &mut Graph, wiring: &mut Wiring, n: usize) {
    let node = &graph.nodes[n];
    let repeated = node.inputs.iter().enumerate().any(|(i, id)| node.inputs[..i].contains(id));
    let (Op::Linear(_), true) = (&node.op, repeated) else { return };
    let Some(sum) = Sum::of(node, &graph.tensors) else { return };
    let mut merged = Sum { maps: vec![], ..sum.clone() };
    sum.maps.into_iter().for_each(|(id, map)| merged.push(id, map));
    put(graph, wiring, n, merged);
}

fn put(graph: &mut Graph, wiring: &mut Wiring, n: usize, sum: Sum) {
    let (inputs, op) = sum.into_op();
    graph.nodes[n].op = op;
    wiring.rewire(graph, n, inputs);
}

/// Takes in all linear nodes that node n reads, or else one of them; whether it did.
fn absorb(graph: &mut Graph, wiring: &mut Wiring, n: usize, products: &mut u64) -> bool {
    if !matches!(graph.nodes[n].op, Op::Linear(_) | Op::Select(_)) {
        return false;
    }
    let mut makers: HashMap<TensorId, usize> = HashMap::new();
    for id in &graph.nodes[n].inputs {
        if let Some(maker) = wiring.maker[id.0]
            && matches!(graph.nodes[maker].op, Op::Linear(_) | Op::Select(_))
            && !graph.nodes[maker].inputs.is_empty()
        {
            makers.insert(*id, maker);
        }
    }
    if makers.is_empty() {
        return false;
    }
    let Some(outer) = Sum::of(&graph.nodes[n], &graph.tensors) else { return false };
    let mut inner = HashMap::new();
    for (&id, &maker) in &makers {
        inner.extend(Sum::of(&graph.nodes[maker], &graph.tensors).map(|sum| (id, sum)));
    }
    let mut each: Vec<TensorId> = inner.keys().copied().collect();
    each.sort_unstable();
    let all: Vec<&[TensorId]> = match each.len() {
        1 => vec![&each],
        _ => std::iter::once(&each[..]).chain(each.chunks(1)).collect(),
    };
    let chosen = all.into_iter().find(|set| pays(graph, wiring, &outer, &inner, set, products));
    let Some(set) = chosen else { return false };
    let fused = fused(graph, outer, &inner, set);
    let names: Vec<String> = set.iter().map(|id| graph.nodes[makers[id]].name.clone()).collect();
    let before = names.iter().fold(String::new(), |all, name| match all.is_empty() {
        true => name.clone(),
        false => joined(&all, name),
    });
    graph.nodes[n].name = joined(&before, &graph.nodes[n].name);
    put(graph, wiring, n, fused);
    true
}

/// Whether node n should take in the makers of the tensors in `set`.
fn pays(
    graph: &Graph,
    wiring: &Wiring,
    outer: &Sum,
    inner: &HashMap<TensorId, Sum>,
    set: &[TensorId],
    products: &mut u64,
) -> bool {
    let mut before = outer.cost();
    let mut slack = if outer.moves { SLACK } else { 0 };
    for id in set {
        let reads = outer.maps.iter().filter(|(other, _)| other == id).count();
        if wiring.only_for(*id, reads) {
            before = before.saturating_add(inner[id].cost());
        }
        if inner[id].moves {
            slack = SLACK;
        }
    }
    // Forms and coefficients of the fused node, by the tensors it will read.
    let mut after: Vec<(TensorId, Form, usize)> = vec![];
    let mut work = 0u64;
    for (id, map) in &outer.maps {
        if !set.contains(id) {
            after.push((*id, form(map), map.coefficients()));
            continue;
        }
        for (source, first) in &inner[id].maps {
            let Some(size) = compose::size(map, first, &graph.tensors[source.0].dims) else {
                return false;
            };
            work = work.saturating_add(size.products);
            let same = |(other, form, _): &&mut (TensorId, Form, usize)| {
                other == source && mergeable(*form, size.form)
            };
            match after.iter_mut().find(same) {
                Some((_, form, coefficients)) => {
                    let dense = matches!(form, Form::Dense { .. })
                        || matches!(size.form, Form::Dense { .. });
                    *coefficients = match dense || *form == Form::Diagonal {
                        true => (*coefficients).max(size.coefficients),
                        false => coefficients.saturating_add(size.coefficients),
                    };
                    if matches!(size.form, Form::Dense { .. }) {
                        *form = size.form;
                    }
                }
                None => after.push((*source, size.form, size.coefficients)),
            }
        }
    }
    let total = after.iter().fold(0usize, |sum, (_, _, n)| sum.saturating_add(*n));
    let only_moves = outer.moves && set.iter().all(|id| inner[id].moves);
    if !only_moves && total > before.saturating_add(slack) || work > *products {
        return false;
    }
    *products -= work;
    true
}

fn form(map: &crate::graph::LinearMap) -> Form {
    use crate::graph::LinearMap;
    match map {
        LinearMap::Dense { positions, .. } => Form::Dense { positions: *positions },
        LinearMap::Convolution(_) => Form::Convolution,
        LinearMap::Diagonal(_) => Form::Diagonal,
        LinearMap::Sparse(_) => Form::Sparse,
    }
}

/// Whether [`compose::sum`] brings maps of these forms to one.
fn mergeable(a: Form, b: Form) -> bool {
    match (a, b) {
        (Form::Dense { positions: p }, Form::Dense { positions: q }) => p == q,
        (Form::Dense { positions }, Form::Diagonal | Form::Sparse)
        | (Form::Diagonal | Form::Sparse, Form::Dense { positions }) => positions == 1,
        (Form::Diagonal | Form::Sparse, Form::Diagonal | Form::Sparse) => true,
        _ => false,
    }
}

/// The sum with the makers of the tensors in `set` taken in.
fn fused(graph: &Graph, outer: Sum, inner: &HashMap<TensorId, Sum>, set: &[TensorId]) -> Sum {
    let moves = outer.moves && set.iter().all(|id| inner[id].moves);
    let mut result = Sum { maps: vec![], bias: outer.bias, moves };
    for (id, map) in outer.maps {
        if !set.contains(&id) {
            result.push(id, map);
            continue;
        }
        let first = &inner[&id];
        run::add(&map, &first.bias, &mut result.bias);
        for (source, before) in &first.maps {
            if let Some(both) = compose::compose(&map, before, &graph.tensors[source.0].dims) {
                result.push(*source, both);
            }
        }
    }
    result
}

fn is_identity(graph: &Graph, n: usize) -> bool {
    let node = &graph.nodes[n];
    let ([input], Op::Select(elements)) = (&node.inputs[..], &node.op) else { return false };
    elements.len() == graph.tensors[input.0].len()
        && elements.iter().enumerate().all(
            |(i, element)| matches!(element, Element::Input { input: 0, index } if *index == i),
        )
}
