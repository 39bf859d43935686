//! What pipelines put before a model: Imputer, Binarizer, OneHotEncoder, LabelEncoder,
//! CategoryMapper, FeatureVectorizer. Comparisons are one-step trees, so that they decide
//! as the file's own floating point does.

use super::scores::step_function;
use crate::{
    graph::{Branch, Child, Leaf, Linear, LinearMap, Op, Test, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::pieces,
    },
};

/// 1 where x is above the threshold, else 0.
pub(super) fn binarizer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let threshold = node.float("threshold", 0.0)?;
    let (dtype, double) = (x.dtype(), x.dtype() == DType::Float64);
    step_function(node, x, 0.0, vec![(Test::Above(threshold), 1.0)], double, dtype)
}

/// Replaces one value, by the last dimension. Inputs are finite, so that NaN replaces none.
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
    if !replaced.is_finite() {
        return Ok(x);
    }
    let features = x.shape().last().copied().unwrap_or(1);
    if values.len() != 1 && values.len() != features {
        return Err(node.mismatch(format!("{} imputed values, {features} features", values.len())));
    }
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let positions = node.pay(&shape)? / features;
    node.pay(&[features, 8])?;
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

/// A column for each category, in a new last dimension.
pub(super) fn one_hot(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let categories = node.ints("cats_int64s").unwrap_or_default().to_vec();
    let count = categories.len();
    if count == 0 {
        return Err(node.unsupported("its categories are strings; map them to numbers before"));
    }
    if let Some(at) = (1..count).find(|at| categories[..*at].contains(&categories[*at])) {
        return Err(node.malformed(format!("category {} is listed twice", categories[at])));
    }
    let (positions, cut) = (x.len(), x.dtype().is_float() || node.is_uncut(&x));
    node.pay(&[positions, count])?;
    node.pay(&[count, 16])?;
    let mut trees = steps(positions, 1, count, x.dtype() != DType::Float32);
    for (output, category) in categories.into_iter().enumerate() {
        push_category(&mut trees, category as f64, cut, vec![(output, 1.0)]);
    }
    let shape = [x.shape(), &[count]].concat();
    node.emit(Op::Trees(trees), vec![x], shape, DType::Float32)
}

/// Numbers for numbers, element by element.
pub(super) fn label_encoder(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    for name in
        ["keys_strings", "values_strings", "keys_tensor", "values_tensor", "classes_strings"]
    {
        if node.has(name) {
            return Err(node.unsupported(format!("it has {name}; only numbers are encoded")));
        }
    }
    let floats = |name: &str| node.numbers(name).filter(|values| !values.is_empty());
    let ints = |name: &str| {
        let values = node.ints(name).filter(|values| !values.is_empty());
        values.map(|values| values.iter().map(|v| *v as f64).collect::<Vec<_>>())
    };
    let keys = floats("keys_floats").or_else(|| ints("keys_int64s")).unwrap_or_default();
    let (values, other, dtype) = match (floats("values_floats"), ints("values_int64s")) {
        (Some(values), None) => (values, node.float("default_float", 0.0)?, DType::Float32),
        (None, Some(values)) => {
            (values, node.int("default_int64").unwrap_or(-1) as f64, DType::Int64)
        }
        _ => return Err(node.malformed("it has no values, or values of two types".into())),
    };
    if keys.len() != values.len() {
        return Err(node.malformed(format!("{} keys, {} values", keys.len(), values.len())));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(node.malformed("a value is not finite".into()));
    }
    let cut = node.is_uncut(&x);
    let (shape, double) = (x.shape().to_vec(), x.dtype() != DType::Float32);
    let positions = node.pay(&shape)?;
    node.pay(&[positions, keys.len(), 2])?;
    let mut trees = steps(positions, 1, 1, double);
    trees.base = vec![other];
    for (at, (key, value)) in keys.iter().zip(&values).enumerate() {
        if keys[..at].contains(key) {
            return Err(node.malformed(format!("key {key} is listed twice")));
        }
        // No input is NaN.
        if !key.is_nan() {
            push_category(&mut trees, *key, cut, vec![(0, value - other)]);
        }
    }
    node.emit(Op::Trees(trees), vec![x], shape, dtype)
}

pub(super) fn category_mapper(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    node.take(0)?;
    Err(node.unsupported("it maps strings; map categories to numbers in the input file"))
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
fn steps(positions: usize, features: usize, outputs: usize, double: bool) -> TreeEnsemble {
    let (branches, leaves, roots) = (Vec::new(), Vec::new(), Vec::new());
    let base = vec![0.0; outputs];
    TreeEnsemble { positions, features, outputs, double, branches, leaves, roots, base }
}

/// Adds a tree whose leaf adds weights where x is a category; where `cut`, after what follows
/// x's point has been cut off.
fn push_category(trees: &mut TreeEnsemble, category: f64, cut: bool, weights: Vec<(usize, f64)>) {
    if !cut {
        return push_step(trees, 0, Test::Equal(category), weights);
    }
    let (least, most) = if category == 0.0 {
        (Test::Above(-1.0), Test::Below(1.0))
    } else if category > 0.0 {
        (Test::AtLeast(category), Test::Below(category + 1.0))
    } else {
        (Test::Above(category - 1.0), Test::AtMost(category))
    };
    let (branch, leaf) = (trees.branches.len(), trees.leaves.len());
    trees.roots.push(Child::Branch(branch));
    let mut add = |test, holds, fails| {
        trees.branches.push(Branch { feature: 0, test, holds, fails, missing_holds: false });
    };
    add(least, Child::Branch(branch + 1), Child::Leaf(leaf + 2));
    add(most, Child::Leaf(leaf), Child::Leaf(leaf + 1));
    trees.leaves.extend([Leaf { weights }, Leaf::default(), Leaf::default()]);
}

/// Adds a tree of one comparison, whose leaf adds weights where it holds.
fn push_step(trees: &mut TreeEnsemble, feature: usize, test: Test, weights: Vec<(usize, f64)>) {
    let leaf = trees.leaves.len();
    let (holds, fails) = (Child::Leaf(leaf), Child::Leaf(leaf + 1));
    trees.roots.push(Child::Branch(trees.branches.len()));
    trees.branches.push(Branch { feature, test, holds, fails, missing_holds: false });
    trees.leaves.extend([Leaf { weights }, Leaf::default()]);
}
