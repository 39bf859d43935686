//! What follows a single tree, leaf by leaf.
//!
//! The scores of one tree have a value for each of its leaves, and so has whatever is made of
//! them row by row: an isolation forest's path lengths, a boosted stump's vote. It is computed
//! while reading, as if the leaves were the rows of a batch, and becomes the weights of the
//! same tree once more; no intermediate result is left to prove, or to be rounded.

use crate::{
    graph::{Leaf, Op, TreeEnsemble},
    onnx::{
        builder::ByLeaf,
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
        tensor::{Data, Tensor},
    },
};

/// Operators that make a row of their result of one row of what they read.
const BY_ROW: [&str; 44] = [
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Div",
    "Equal",
    "Exp",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Sign",
    "Softplus",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "Where",
    "ai.onnx.ml.ArrayFeatureExtractor",
    "ai.onnx.ml.LabelEncoder",
];

/// Those whose second input says what is done with the first.
const DIRECTED: [&str; 7] = [
    "Gather",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Reshape",
    "ai.onnx.ml.ArrayFeatureExtractor",
];

/// Lowers a node whose inputs are constants and scores of one tree; nothing where it is none,
/// or not possible so.
pub(super) fn lower(
    node: &mut Node<'_>,
    apply: fn(&mut Node<'_>) -> Result<Vec<Value>, OnnxError>,
) -> Result<Option<Vec<Value>>, OnnxError> {
    let Some((tree, leaves)) = of_one_tree(node) else { return Ok(None) };
    let mut rows = Vec::with_capacity(node.input_count());
    for index in 0..node.input_count() {
        let row = match node.peek(index) {
            Some(Value::Signal(signal)) => {
                let Some(known) = node.by_leaf(signal.id) else { return Ok(None) };
                let mut shape = signal.shape.clone();
                shape[0] = leaves;
                let values = Tensor { shape, dtype: signal.dtype, data: known.values.clone() };
                Some(Value::Const(values))
            }
            other => other.cloned(),
        };
        node.pay(&[row.as_ref().map_or(0, Value::len)])?;
        rows.push(row);
    }
    let originals = node.replace_inputs(rows);
    let made = apply(node).ok().and_then(|values| {
        values.into_iter().map(|value| table(value, leaves)).collect::<Option<Vec<_>>>()
    });
    node.replace_inputs(originals);
    node.withheld = None;
    let Some(made) = made else { return Ok(None) };
    let Some(maker) = node.maker(tree) else { return Ok(None) };
    let (Op::Trees(trees), x) = (&maker.op, maker.inputs[0]) else { return Ok(None) };
    let trees = trees.clone();
    let mut values = Vec::with_capacity(made.len());
    for tensor in made {
        values.push(emit(node, &trees, x, tensor, tree)?);
    }
    Ok(Some(values))
}

/// The tree whose scores all inputs are that are no constants, and its number of leaves.
fn of_one_tree(node: &Node<'_>) -> Option<(crate::graph::TensorId, usize)> {
    let operator = node.operator();
    let operator = operator.as_str();
    if !BY_ROW.contains(&operator) {
        return None;
    }
    let directed = DIRECTED.contains(&operator);
    let inputs = || (0..node.input_count()).filter_map(|index| Some((index, node.peek(index)?)));
    let mut found = None;
    for (_, value) in inputs() {
        let Value::Signal(signal) = value else { continue };
        let known = node.by_leaf(signal.id)?;
        let here = (known.tree, known.leaves, signal.shape.len());
        let batch = signal.shape.first() == Some(&1);
        if !batch || found.is_some_and(|other| other != here) {
            return None;
        }
        found = Some(here);
    }
    let (tree, leaves, rank) = found?;
    for (index, value) in inputs() {
        let Value::Const(tensor) = value else { continue };
        let row = tensor.shape.len() < rank
            || tensor.shape.len() == rank && tensor.shape.first() == Some(&1);
        let direction = directed && index == 1;
        if !row && !direction {
            return None;
        }
        // Rows stay rows.
        let keeps = |first: &i64| *first == -1 || *first == 0;
        if let ("Reshape", Data::Int(to)) = (operator, &tensor.data)
            && !to.first().is_some_and(keeps)
        {
            return None;
        }
    }
    let axes = match operator {
        "ArgMax" | "ArgMin" | "Concat" | "Gather" => vec![node.int("axis").unwrap_or(0)],
        reduction if reduction.starts_with("Reduce") => match (node.ints("axes"), node.peek(1)) {
            (Some(axes), _) => axes.to_vec(),
            (None, Some(Value::Const(Tensor { data: Data::Int(axes), .. }))) => axes.clone(),
            _ => vec![0],
        },
        _ => return Some((tree, leaves)),
    };
    let within = |axis: &i64| node.axis(*axis, rank).is_ok_and(|axis| axis != 0);
    (!axes.is_empty() && axes.iter().all(within)).then_some((tree, leaves))
}

/// A constant whose rows are those of the leaves, if it is one.
fn table(value: Value, leaves: usize) -> Option<Tensor> {
    let Value::Const(mut tensor) = value else { return None };
    let first = tensor.shape.first_mut()?;
    if *first == 0 || !first.is_multiple_of(leaves) {
        return None;
    }
    *first /= leaves;
    match &mut tensor.data {
        Data::Float(values) if tensor.dtype == DType::Float32 => {
            values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
        }
        Data::Float(_) => {}
        Data::Int(values) if values.iter().all(|value| value.unsigned_abs() <= 1 << 53) => {}
        Data::Int(_) => return None,
    }
    let finite = match &tensor.data {
        Data::Float(values) => values.iter().all(|value| value.is_finite()),
        Data::Int(_) => true,
    };
    (finite && tensor.data.len() > 0).then_some(tensor)
}

/// The same tree with other scores.
fn emit(
    node: &mut Node<'_>,
    trees: &TreeEnsemble,
    x: crate::graph::TensorId,
    table: Tensor,
    tree: crate::graph::TensorId,
) -> Result<Value, OnnxError> {
    let leaves = trees.leaves.len();
    let outputs = table.data.len() / leaves;
    node.pay(&[leaves, outputs, 4])?;
    let values: Vec<f64> = match &table.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    };
    let leaf = |own: &[f64]| Leaf { weights: own.iter().copied().enumerate().collect() };
    let again = TreeEnsemble {
        outputs,
        leaves: values.chunks_exact(outputs).map(leaf).collect(),
        base: vec![0.0; outputs],
        ..trees.clone()
    };
    let graph = node.so_far();
    let operand = Signal { id: x, shape: graph.tensors[x.0].dims.clone(), dtype: DType::Float32 };
    let made =
        node.emit(Op::Trees(again), vec![Value::Signal(operand)], table.shape, table.dtype)?;
    if let Value::Signal(signal) = &made {
        node.note_by_leaf(signal.id, ByLeaf { tree, leaves, values: table.data });
    }
    Ok(made)
}

/// The same tree with scores made of those at each leaf, if `value` is made of one tree: what a
/// classifier chooses by them.
pub(super) fn map(
    node: &mut Node<'_>,
    value: &Value,
    (shape, dtype): (Vec<usize>, DType),
    made: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Option<Value>, OnnxError> {
    let Value::Signal(signal) = value else { return Ok(None) };
    let Some(ByLeaf { tree, leaves, values: Data::Float(values) }) = node.by_leaf(signal.id) else {
        return Ok(None);
    };
    let (tree, leaves) = (*tree, *leaves);
    let values: Vec<f64> = values.chunks_exact(values.len() / leaves).flat_map(made).collect();
    let data = match dtype.is_float() {
        true => Data::Float(values),
        false => Data::Int(values.into_iter().map(|value| value as i64).collect()),
    };
    let Some(maker) = node.maker(tree) else { return Ok(None) };
    let (Op::Trees(trees), x) = (&maker.op, maker.inputs[0]) else { return Ok(None) };
    let trees = trees.clone();
    emit(node, &trees, x, Tensor { shape, dtype, data }, tree).map(Some)
}

/// Notes what a tensor is that an ensemble of one tree has just made of one row.
pub(super) fn note(node: &mut Node<'_>, scores: &Value) {
    let Value::Signal(signal) = scores else { return };
    let Some(Op::Trees(trees)) = node.maker(signal.id).map(|maker| &maker.op) else { return };
    if trees.roots.len() != 1 || trees.positions != 1 || trees.outputs == 0 {
        return;
    }
    let (leaves, double) = (trees.leaves.len(), signal.dtype == DType::Float64);
    let mut values = Vec::with_capacity(leaves * trees.outputs);
    for leaf in &trees.leaves {
        let mut own = trees.base.clone();
        leaf.weights.iter().for_each(|(output, weight)| own[*output] += weight);
        values.extend(own.iter().map(|v| if double { *v } else { f64::from(*v as f32) }));
    }
    let known = ByLeaf { tree: signal.id, leaves, values: Data::Float(values) };
    node.note_by_leaf(signal.id, known);
}
