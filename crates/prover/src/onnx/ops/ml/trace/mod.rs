//! Thresholds behind operations on single elements, moved before them.
//!
//! What a tree compares is often made of one element of an input alone: a scaler's product and
//! sum, a bound, a root, an imputed value, each rounded in the file's floating point. Every such
//! step rises or falls throughout, or in pieces, so that the floats it takes into an interval are
//! intervals themselves, whose ends are found by bisection over all floats in their order. What
//! a branch compares becomes a set of floats of the element that the steps start from, with the
//! same result for every one of them.
//!
//! What is made of several elements cannot be moved; the ensemble is told to doubt it
//! ([`Doubt`]).

mod choices;
mod floats;
mod notes;
mod steps;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

pub(in crate::onnx) use self::notes::Made;
pub(in crate::onnx::ops) use self::notes::{note, pending};
use self::steps::{Does, Step};
use crate::{
    graph::{self, Branch, Doubt, Element, Function, Op, Single, TensorId, TreeEnsemble},
    onnx::{
        builder::{Builder, stored},
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
    },
};

/// A float64, or an integer, read as a float32.
const ROUNDED: Step = Step { does: Does::Nothing, wide: false, fits: None };
/// Most steps that are followed back.
const MAX_STEPS: usize = 32;

/// An element of a tensor, what is made of it, the first step first, and why that may not be what
/// is compared.
#[derive(Clone, PartialEq)]
struct Origin {
    tensor: TensorId,
    index: usize,
    by: Vec<Step>,
    /// Whether the element is a float64 (or an integer).
    wide: bool,
    behind: Option<String>,
}

/// What an ensemble compares.
pub(in crate::onnx::ops) struct Moved {
    pub(in crate::onnx::ops) x: Value,
    /// An ensemble without trees: whether features are float64, whether tests were moved, and what
    /// there is to doubt.
    pub(in crate::onnx::ops) trees: TreeEnsemble,
}

/// What branches compare, with the operations on single elements before them taken into their
/// tests. `double`: whether features are compared as float64.
pub(in crate::onnx::ops) fn through_steps(
    node: &mut Node<'_>,
    x: Value,
    branches: &mut [Branch],
    features: usize,
    double: bool,
) -> Result<Moved, OnnxError> {
    let plain = TreeEnsemble { double, ..TreeEnsemble::default() };
    let Value::Signal(signal) = &x else { return Ok(Moved { x, trees: plain }) };
    let len = x.len();
    let mut compared = vec![false; features];
    branches.iter().for_each(|branch| compared[branch.feature] = true);
    node.pay(&[len, 8])?;
    let seen = if double { signal.dtype } else { DType::Float32 };
    let builder = node.builder();
    let here = |index: usize| Origin {
        tensor: signal.id,
        index,
        by: rounded(builder, signal.id, seen).into_iter().collect(),
        wide: is_wide(builder.dtypes[signal.id.0]),
        behind: None,
    };
    let follow = |index: usize| match compared[index % features] {
        true => origin(builder, here(index), seen),
        false => here(index),
    };
    let mut origins: Vec<Origin> = (0..len).map(follow).collect();
    for feature in (0..features).filter(|feature| compared[*feature]) {
        let column = || (feature..len).step_by(features);
        // One threshold serves all rows.
        let first = &origins[feature];
        let alike = |at: usize| (&origins[at].by, origins[at].wide) == (&first.by, first.wide);
        if !column().all(alike) {
            let behind = Some(maker_name(builder, signal.id));
            for at in column() {
                origins[at] = Origin { behind: behind.clone(), ..here(at) };
            }
        }
    }
    // Where any element is a float64, all are compared as such, rounded before if they are not.
    let all = || (0..len).filter(|at| compared[at % features]);
    let wide = all().any(|at| origins[at].wide);
    // float32 read as float64 is rounded nowhere else.
    let mut moves = double && all().any(|at| !origins[at].wide);
    for origin in origins.iter_mut().filter(|origin| wide && !origin.wide) {
        origin.by.insert(0, ROUNDED);
        origin.wide = true;
    }
    moves |= all().any(|at| origins[at].by.iter().any(|step| *step != ROUNDED));
    let mut behind: BTreeSet<String> = all().filter_map(|at| origins[at].behind.clone()).collect();
    if node.reads_doubted() {
        behind.insert(node.name.clone());
    }
    let steps = |b: &Branch| origins[b.feature].by.len() * (b.test.constants().len() + 1);
    let steps = branches.iter().map(steps).fold(0, usize::saturating_add);
    node.pay(&[steps, 4])?;
    let mut moved = Moved { x, trees: plain };
    if moves {
        let tests = branches.iter().map(|branch| before(branch, &origins[branch.feature]));
        // Sets that fall into too many pieces stay where they are.
        let tests = tests.collect::<Option<Vec<_>>>();
        let limits = (0..features).filter(|feature| compared[*feature]);
        let limits = limits.map(|feature| limits_of(feature, &origins[feature]));
        if let (Some(tests), Some(limits)) = (tests, limits.collect::<Option<Vec<_>>>()) {
            moved.trees.limits = limits.concat();
            for (branch, (test, missing_holds)) in branches.iter_mut().zip(tests) {
                (branch.test, branch.missing_holds) = (test, missing_holds);
            }
            moved.x = select(node, &moved.x, &origins)?;
            (moved.trees.double, moved.trees.moved) = (wide, true);
            let numbers = |feature: &usize| {
                (*feature..len).step_by(features).any(|at| cuts_missing(&origins[at].by))
            };
            moved.trees.numbers = (0..features).filter(numbers).collect();
        }
    }
    let mut behind: Vec<String> = behind.into_iter().collect();
    if let (Value::Signal(signal), true) = (&moved.x, moves && !moved.trees.moved) {
        behind.push(maker_name(node.builder(), signal.id));
    }
    if !behind.is_empty() {
        let single = single(node, &moved.x)?;
        let asked: Vec<&Origin> = all().map(|at| &origins[at]).collect();
        let differences = match branches.iter().all(|b| b.test.constants() == [0.0]) {
            true => differences(node.builder(), &asked).unwrap_or_default(),
            false => Vec::new(),
        };
        moved.trees.doubt = Some(Arc::new(Doubt { behind, single, differences }));
    }
    Ok(moved)
}

fn is_wide(dtype: DType) -> bool {
    dtype != DType::Float32
}

/// Whether a missing value would be made an integer.
fn cuts_missing(by: &[Step]) -> bool {
    let mut x = f64::NAN;
    by.iter().any(|step| {
        let cuts = match &step.does {
            Does::Truncate => x.is_nan(),
            Does::Choose(choice) if x.is_nan() => cuts_missing(choice.side(x)),
            _ => false,
        };
        x = step.apply(x);
        cuts
    })
}

/// Where a feature's element must stay, lest integers on the way wrap; nothing if that falls into
/// too many pieces.
fn limits_of(feature: usize, origin: &Origin) -> Option<Vec<(usize, graph::Test)>> {
    let mut limits = Vec::new();
    for (at, step) in origin.by.iter().enumerate() {
        let Some(ends) = step.fits else { continue };
        let fits = graph::Test::Within(ends.to_vec());
        let limit = floats::moved(&origin.by[..=at], &fits, true, origin.wide)?;
        if !limit.holds_throughout([f64::NEG_INFINITY, f64::INFINITY]) {
            limits.push((feature, limit));
        }
    }
    Some(limits)
}

/// Whether a tensor's elements are computed from those of an input, and would not be numbers where
/// one of these is missing. Shares of sums are left out: who reads them reads what they are of.
pub(in crate::onnx::ops) fn is_made_of_inputs(builder: &Builder, tensor: TensorId) -> bool {
    let (mut open, mut seen) = (vec![tensor], HashSet::new());
    while let Some(at) = open.pop() {
        match builder.maker(at) {
            _ if !seen.insert(at) => {}
            None if builder.dtypes[at.0].is_float() => return true,
            None => {}
            Some(maker) => match maker.op {
                Op::Trees(_)
                | Op::Shares(_)
                | Op::Quotient(_)
                | Op::Function(Function::Impute { .. }) => {}
                _ => open.extend(&maker.inputs),
            },
        }
    }
    false
}

/// The two elements of inputs of which each is the difference, as these are.
fn differences(builder: &Builder, asked: &[&Origin]) -> Option<Vec<[usize; 2]>> {
    let plain = |origin: &Origin| origin.by.iter().all(|step| *step == ROUNDED);
    let element = |tensor: TensorId, index: usize| {
        let here = Origin { tensor, index, by: Vec::new(), wide: false, behind: None };
        let found = origin(builder, here, builder.dtypes[tensor.0]);
        let at = builder.graph.inputs.iter().position(|id| *id == found.tensor)?;
        let before = builder.graph.inputs[..at].iter().map(|id| builder.graph.tensors[id.0].len());
        let is = plain(&found) && found.behind.is_none();
        is.then(|| before.sum::<usize>() + found.index)
    };
    let difference = |origin: &&Origin| {
        let maker = builder.maker(origin.tensor).filter(|_| plain(origin))?;
        let Op::Linear(linear) = &maker.op else { return None };
        let mut terms = Vec::new();
        for (map, input) in linear.maps.iter().zip(&maker.inputs) {
            map.for_each_in_row(origin.index, |index, factor| {
                if factor != 0.0 {
                    terms.push((*input, index, factor));
                }
            });
        }
        match terms[..] {
            [(a, i, 1.0), (b, j, -1.0)] if linear.bias[origin.index] == 0.0 => {
                Some([element(a, i)?, element(b, j)?])
            }
            _ => None,
        }
    };
    asked.iter().map(difference).collect()
}

/// Whether a tensor's elements may be missing where those of an input are: it is made of single ones.
pub(in crate::onnx::ops) fn may_be_missing(builder: &Builder, tensor: TensorId) -> bool {
    let mut open = vec![tensor];
    let mut seen = HashSet::new();
    while let Some(at) = open.pop().filter(|_| seen.len() < MAX_STEPS) {
        if !seen.insert(at) {
            continue;
        }
        if let Some(made) = builder.made.get(&at) {
            open.push(made.of.tensor);
            continue;
        }
        match builder.maker(at) {
            None => return true,
            Some(maker) if matches!(maker.op, Op::Select(_)) => open.extend(&maker.inputs),
            Some(_) => {}
        }
    }
    false
}

/// What a tensor's elements are rounded by where they are read as another type.
fn rounded(builder: &Builder, tensor: TensorId, seen: DType) -> Option<Step> {
    let rounds = seen == DType::Float32 && is_wide(builder.dtypes[tensor.0]);
    rounds.then_some(ROUNDED)
}

/// The ONNX node that makes a tensor.
fn maker_name(builder: &Builder, tensor: TensorId) -> String {
    match builder.maker(tensor) {
        Some(maker) => maker.name.clone(),
        None => builder.graph.tensors[tensor.0].name.clone(),
    }
}

/// Follows an element back to the one that all is made of.
fn origin(builder: &Builder, mut at: Origin, mut seen: DType) -> Origin {
    at.by.clear();
    let mut doubted = None;
    loop {
        at.by.splice(0..0, rounded(builder, at.tensor, seen));
        at.wide = is_wide(builder.dtypes[at.tensor.0]);
        if builder.halved.contains(&at.tensor) || builder.dtypes[at.tensor.0].is_half() {
            doubted.get_or_insert_with(|| maker_name(builder, at.tensor));
        }
        if at.by.len() >= MAX_STEPS {
            break;
        }
        if let Some(made) = builder.made.get(&at.tensor) {
            let (index, step) = made.element(at.index);
            if !step.is_sound() {
                break;
            }
            if !step.is_exact() || made.doubted {
                doubted.get_or_insert_with(|| maker_name(builder, at.tensor));
            }
            at.by.insert(0, step);
            (at.tensor, at.index, seen) = (made.of.tensor, index, made.of.dtype);
            continue;
        }
        let Some(maker) = builder.maker(at.tensor) else {
            at.behind = doubted;
            return at;
        };
        let Op::Select(elements) = &maker.op else { break };
        // A constant is compared as it is.
        let Element::Input { input, index } = elements[at.index] else {
            at.behind = doubted;
            return at;
        };
        seen = builder.dtypes[at.tensor.0];
        at.tensor = maker.inputs[input];
        at.index = index;
    }
    // Decisions that add up to whole numbers are not rounded.
    let counts = match builder.maker(at.tensor).map(|maker| &maker.op) {
        Some(Op::Trees(trees)) => {
            let mut weights = trees.leaves.iter().flat_map(|leaf| &leaf.weights);
            weights.all(|(_, w)| w.fract() == 0.0) && trees.base.iter().all(|b| b.fract() == 0.0)
        }
        _ => false,
    };
    at.behind = match counts {
        true => doubted,
        false => Some(maker_name(builder, at.tensor)),
    };
    at
}

/// A branch's test of the element that its feature is made of, and whether it holds where that is
/// missing.
fn before(branch: &Branch, origin: &Origin) -> Option<(graph::Test, bool)> {
    let by = &origin.by;
    if by.is_empty() {
        return Some((branch.test.clone(), branch.missing_holds));
    }
    let missing = by.iter().fold(f64::NAN, |x, step| step.apply(x));
    let missing_holds = branch.test.holds(missing) || missing.is_nan() && branch.missing_holds;
    let imputes = |step: &Step| matches!(step.does, Does::Impute(_)) && step.wide == origin.wide;
    if by.iter().all(imputes) {
        return Some((branch.test.clone(), missing_holds));
    }
    let moved = floats::moved(by, &branch.test, branch.missing_holds, origin.wide)?;
    Some((moved, missing_holds))
}

/// The elements that features are made of, side by side.
fn select(node: &mut Node<'_>, x: &Value, origins: &[Origin]) -> Result<Value, OnnxError> {
    let mut tensors: Vec<TensorId> = origins.iter().map(|origin| origin.tensor).collect();
    tensors.sort_unstable();
    tensors.dedup();
    let elements = origins.iter().map(|origin| Element::Input {
        input: tensors.binary_search(&origin.tensor).unwrap_or_default(),
        index: origin.index,
    });
    let elements = elements.collect();
    let builder = node.builder();
    let operand = |tensor: &TensorId| {
        Value::Signal(Signal {
            id: *tensor,
            shape: builder.graph.tensors[tensor.0].dims.clone(),
            dtype: builder.dtypes[tensor.0],
        })
    };
    let operands = tensors.iter().map(operand).collect();
    // Of the file's own type, as which trees are told to read it.
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    node.emit(Op::Select(elements), operands, shape, dtype)
}

/// What is needed to run a tensor as the file does, every operation rounded to its type.
fn single(node: &mut Node<'_>, x: &Value) -> Result<Option<Single>, OnnxError> {
    let Value::Signal(signal) = x else { return Ok(None) };
    let (mut needed, mut kept) = (HashSet::from([signal.id]), Vec::new());
    for (at, maker) in node.builder().graph.nodes.iter().enumerate().rev() {
        if needed.contains(&maker.output) {
            needed.extend(maker.inputs.iter().copied());
            kept.push(at);
        }
    }
    kept.reverse();
    let sizes = kept.iter().map(|at| stored(&node.builder().graph.nodes[*at].op));
    let size = sizes.fold(0, usize::saturating_add);
    let tensors = node.builder().graph.tensors.len();
    node.pay(&[size.saturating_add(tensors.saturating_mul(8))])?;
    let Builder { graph, dtypes, .. } = node.builder();
    let nodes = kept.into_iter().map(|at| graph.nodes[at].clone()).collect();
    let wide = dtypes.iter().map(|dtype| is_wide(*dtype)).collect();
    let graph = graph::Graph {
        name: graph.name.clone(),
        sha256: graph.sha256,
        tensors: graph.tensors.clone(),
        nodes,
        inputs: graph.inputs.clone(),
        outputs: vec![signal.id],
        vocabulary: Vec::new(),
        names: vec![],
    };
    Ok(Some(Single::new(graph, wide)))
}

#[cfg(test)]
mod tests;
