//! What pipelines put before a model: Imputer, Binarizer, FeatureVectorizer. Comparisons are
//! one-step trees, so that they decide as the file's own floating point does.

use super::scores::step_function;
use crate::{
    graph::{Branch, Child, Function, Leaf, Linear, LinearMap, Op, Test, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::{activation, compare, pieces},
    },
};

/// 1 where x is above the threshold, else 0.
pub(super) fn binarizer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let threshold = node.float("threshold", 0.0)?;
    let (dtype, double) = (x.dtype(), x.dtype() == DType::Float64);
    // Columns that are made differently are compared with different thresholds, or doubted.
    if matches!(&x, Value::Signal(signal) if node.maker(signal.id).is_some()) {
        return compare::each(node, x, 0.0, |_| vec![(Test::Above(threshold), 1.0)], dtype);
    }
    step_function(node, x, 0.0, vec![(Test::Above(threshold), 1.0)], double, dtype)
}

/// Replaces one value, by the last dimension: a number, or a missing value (NaN).
pub(super) fn imputer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let (values, replaced) = match x.dtype() {
        DType::Int64 => {
            let values = node.ints("imputed_value_int64s").unwrap_or_default();
            let replaced = node.int("replaced_value_int64").unwrap_or(0) as f64;
            (values.iter().map(|value| *value as f64).collect(), replaced)
        }
        dtype if dtype.is_float() => {
            let values = node.floats("imputed_value_floats")?.unwrap_or_default();
            (values, node.bound("replaced_value_float").unwrap_or(0.0))
        }
        dtype => return Err(node.unsupported(format!("its input has type {}", dtype.name()))),
    };
    if replaced.is_infinite() {
        return Ok(x);
    }
    let features = x.shape().last().copied().unwrap_or(1);
    if values.len() != 1 && values.len() != features {
        return Err(node.mismatch(format!("{} imputed values, {features} features", values.len())));
    }
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let positions = node.pay(&shape)? / features;
    node.pay(&[features, 8])?;
    if replaced.is_nan() {
        let value = |at: usize| values[if values.len() == 1 { 0 } else { at % features }];
        let values = (0..positions * features).map(value).collect();
        return activation::apply(node, Function::Impute { values }, x);
    }
    let mut trees = steps(positions, features, features, dtype == DType::Float64);
    for feature in 0..features {
        let value = values[if values.len() == 1 { 0 } else { feature }];
        push_step(&mut trees, feature, Test::Equal(replaced), vec![(feature, value - replaced)]);
    }
    let difference = node.emit(Op::Trees(trees), vec![x.clone()], shape.clone(), dtype)?;
    let identity = || LinearMap::Diagonal(vec![1.0; positions * features]);
    let linear =
        Linear { maps: vec![identity(), identity()], bias: vec![0.0; positions * features] };
    node.pay(&[positions, features, 3])?;
    node.emit(Op::Linear(linear), vec![x, difference], shape, dtype)
}

/// Columns of several tensors side by side.
pub(super) fn feature_vectorizer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let widths = node.ints("inputdimensions").unwrap_or_default().to_vec();
    let mut parts = Vec::with_capacity(node.input_count());
    for index in 0..node.input_count() {
        let mut part = node.take(index)?;
        let columns = part.shape().last().copied().unwrap_or(1);
        let rows = part.len() / columns.max(1);
        part = node.reshape(part, vec![rows, columns])?;
        if let Some(width) = widths.get(index)
            && usize::try_from(*width) != Ok(columns)
        {
            return Err(node.mismatch(format!("input {index} has {columns} columns, not {width}")));
        }
        if let Value::Signal(signal) = &mut part {
            signal.dtype = DType::Float32;
        }
        parts.push(part);
    }
    pieces::join_columns(node, parts)
}

/// An ensemble without trees yet.
pub(super) fn steps(
    positions: usize,
    features: usize,
    outputs: usize,
    double: bool,
) -> TreeEnsemble {
    let (branches, leaves, roots) = (Vec::new(), Vec::new(), Vec::new());
    let base = vec![0.0; outputs];
    TreeEnsemble {
        positions,
        features,
        outputs,
        double,
        branches,
        leaves,
        roots,
        base,
        ..TreeEnsemble::default()
    }
}

/// Adds a tree of one comparison, whose leaf adds weights where it holds.
pub(in crate::onnx::ops) fn push_step(
    trees: &mut TreeEnsemble,
    feature: usize,
    test: Test,
    weights: Vec<(usize, f64)>,
) {
    let leaf = trees.leaves.len();
    let (holds, fails) = (Child::Leaf(leaf), Child::Leaf(leaf + 1));
    trees.roots.push(Child::Branch(trees.branches.len()));
    trees.branches.push(Branch { feature, test, holds, fails, missing_holds: false });
    trees.leaves.extend([Leaf { weights }, Leaf::default()]);
}
