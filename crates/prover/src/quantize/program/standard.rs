//! Standard scores of what may be far from them: a / √(w·Σ a² + c), of shares.
//!
//! Intervals of a quotient by a root are as wide as a is large beside √c, whatever is known of a
//! score. With S = Σ |a| + √c over a group, u = a / S and e = √c / S, it is u / √(w·Σ u² + e²), and
//! what is under that root is never below 1 / (n/w + 1): nothing in it depends on how large a is.

use std::collections::HashMap;

use super::products::{WIDE_OPERAND, largest};
use crate::graph::{
    Element, ElementKind, Function, Graph, Linear, LinearMap, Node, Op, Product, Shares,
    SparseRows, Tensor, TensorId,
};

/// The part of the least that may be under the root, at which it is cut: rounding never reaches it.
const CUT: f64 = 0.99;

/// Scores over groups of a tensor's elements.
struct Scores {
    /// The place of the quotient's node.
    at: usize,
    /// The elements of each group.
    groups: Vec<Vec<usize>>,
    /// w and c of each group.
    under: Vec<(f64, f64)>,
    /// By element of the quotient, its group.
    group_of: Vec<usize>,
}

/// A graph in which wide scores are made of shares; none where there are no such. Tensors that it
/// adds come after all others.
pub(super) fn of_shares(graph: &Graph, bounds: &[Vec<(f64, f64)>]) -> Option<Graph> {
    let makers: HashMap<TensorId, &Node> =
        graph.nodes.iter().map(|node| (node.output, node)).collect();
    let wide = |node: &Node| bounds[node.output.0].iter().any(|own| largest(own) > WIDE_OPERAND);
    let found: Vec<Scores> = (0..graph.nodes.len())
        .filter(|at| wide(&graph.nodes[*at]))
        .filter_map(|at| scores(graph, &makers, at))
        .collect();
    if found.is_empty() {
        return None;
    }
    let mut made = graph.clone();
    made.nodes.clear();
    let mut from = 0;
    for own in &found {
        made.nodes.extend(graph.nodes[from..own.at].iter().cloned());
        rewrite(&mut made, &graph.nodes[own.at], own);
        from = own.at + 1;
    }
    made.nodes.extend(graph.nodes[from..].iter().cloned());
    // What only the quotients read is read no more.
    let mut read = vec![false; made.tensors.len()];
    made.outputs.iter().for_each(|output| read[output.0] = true);
    let mut kept = Vec::with_capacity(made.nodes.len());
    for node in std::mem::take(&mut made.nodes).into_iter().rev() {
        if read[node.output.0] {
            node.inputs.iter().for_each(|input| read[input.0] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    made.nodes = kept;
    Some(made)
}

/// The scores that a node makes, if it does.
fn scores(graph: &Graph, makers: &HashMap<TensorId, &Node>, at: usize) -> Option<Scores> {
    let node = &graph.nodes[at];
    let (Op::Quotient(None), [a, by]) = (&node.op, &node.inputs[..]) else { return None };
    // The root that each element is divided by.
    let (mut root, mut of) = (makers.get(by)?, (0..graph.tensors[by.0].len()).collect::<Vec<_>>());
    while let Op::Select(elements) = &root.op {
        let [source] = root.inputs[..] else { return None };
        for of in &mut of {
            let Element::Input { index, .. } = elements[*of] else { return None };
            *of = index;
        }
        root = makers.get(&source)?;
    }
    if root.op != Op::Root {
        return None;
    }
    let scaled = makers.get(&root.inputs[0])?;
    let (Op::Linear(linear), [sums]) = (&scaled.op, &scaled.inputs[..]) else { return None };
    let squares = makers.get(sums)?;
    let Op::Product(product) = &squares.op else { return None };
    if squares.inputs.iter().any(|input| input != a) {
        return None;
    }
    let rows: Vec<&[[usize; 2]]> = product.rows().collect();
    let (mut groups, mut under) = (Vec::new(), Vec::new());
    for (row, constant) in linear.bias.iter().enumerate() {
        let mut terms = Vec::new();
        linear.maps.first()?.for_each_in_row(row, |index, weight| terms.push((index, weight)));
        let (&[(sum, weight)], true) = (&terms[..], *constant > 0.0) else { return None };
        if weight <= 0.0 || rows[sum].iter().any(|[i, j]| i != j) {
            return None;
        }
        groups.push(rows[sum].iter().map(|[index, _]| *index).collect::<Vec<usize>>());
        under.push((weight, *constant));
    }
    // Each element is of one group, by whose root it is divided.
    let mut seen = vec![None; graph.tensors[a.0].len()];
    for (group, members) in groups.iter().enumerate() {
        for member in members {
            if seen[*member].replace(group).is_some() {
                return None;
            }
        }
    }
    let own = |(at, group): (usize, &usize)| seen.get(at).copied().flatten() == Some(*group);
    of.iter().enumerate().all(own).then_some(Scores { at, groups, under, group_of: of })
}

/// Adds what makes scores of shares.
fn rewrite(graph: &mut Graph, node: &Node, scores: &Scores) {
    let Scores { groups, under, group_of, .. } = scores;
    let (len, count) = (group_of.len(), groups.len());
    let mut add = |op: Op, inputs: Vec<TensorId>, len: usize| {
        let (name, dims) = (node.name.clone(), vec![len]);
        graph.tensors.push(Tensor { name: name.clone(), dims, kind: ElementKind::Real });
        let output = TensorId(graph.tensors.len() - 1);
        graph.nodes.push(Node { name, op, inputs, output });
        output
    };
    let element = |index: usize| Element::Input { input: 0, index };
    let constants = under.iter().map(|(_, c)| Element::Constant(c.sqrt()));
    let all = (0..len).map(element).chain(constants).collect();
    let all = add(Op::Select(all), vec![node.inputs[0]], len + count);
    let with = |(group, members): (usize, &Vec<usize>)| {
        members.iter().copied().chain([len + group]).collect::<Vec<_>>()
    };
    let of = group_of.iter().copied().chain(0..count).enumerate().collect();
    let shares = Shares { groups: groups.iter().enumerate().map(with).collect(), of, signed: true };
    let shares = add(Op::Shares(shares), vec![all], len + count);
    // Squares of each group, then of what its constant has.
    let (mut starts, mut pairs) = (vec![0], Vec::new());
    let own = (0..count).map(|group| vec![len + group]);
    for members in groups.iter().cloned().chain(own) {
        pairs.extend(members.iter().map(|member| [*member, *member]));
        starts.push(pairs.len());
    }
    let squares = add(Op::Product(Product { starts, pairs }), vec![shares], 2 * count);
    let row = |(group, (weight, _)): (usize, &(f64, f64))| [(group, *weight), (count + group, 1.0)];
    let rows = SparseRows::from_rows(under.iter().enumerate().map(row));
    let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; count] };
    let sum = add(Op::Linear(linear), vec![squares], count);
    let least = |(members, (weight, _)): (&Vec<usize>, &(f64, f64))| {
        1.0 / (members.len() as f64 / weight + 1.0)
    };
    let low = groups.iter().zip(under).map(least).fold(1.0, f64::min) * CUT;
    let cut = Function::Clip { low, high: f64::INFINITY };
    let sum = add(Op::Function(cut), vec![sum], count);
    let root = add(Op::Root, vec![sum], count);
    let by = add(Op::Select(group_of.iter().map(|at| element(*at)).collect()), vec![root], len);
    let above = add(Op::Select((0..len).map(element).collect()), vec![shares], len);
    let (name, output) = (node.name.clone(), node.output);
    graph.nodes.push(Node { name, op: Op::Quotient(None), inputs: vec![above, by], output });
}
