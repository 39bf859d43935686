//! Encoders of categories: OneHotEncoder, LabelEncoder, CategoryMapper. Comparisons are
//! one-step trees. Numbers are compared as the file's own floating point does; strings are
//! integers here, their positions in the graph's vocabulary, and whoever fills an input with
//! them looks them up.

use super::encode::{push_step, steps};
use crate::{
    graph::{Branch, Child, Leaf, Op, Test, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// Keys or values of an encoder; names as their numbers.
struct Entries {
    values: Vec<f64>,
    dtype: DType,
}

/// A column for each category, in a new last dimension.
pub(super) fn one_hot(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let integers = node.ints("cats_int64s").unwrap_or_default();
    let names = node.strings("cats_strings");
    let categories: Vec<f64> = match (integers.is_empty(), names.is_empty()) {
        (false, true) => integers.iter().map(|category| *category as f64).collect(),
        (true, false) => names.iter().map(|name| node.code(name)).collect::<Result<_, _>>()?,
        (true, true) => return Err(node.malformed("it has no categories".into())),
        (false, false) => return Err(node.malformed("it has categories of two types".into())),
    };
    same_kind(node, &x, !names.is_empty())?;
    let count = categories.len();
    if let Some(at) = (1..count).find(|at| categories[..*at].contains(&categories[*at])) {
        let category = names.get(at).map_or(categories[at].to_string(), |name| {
            String::from_utf8_lossy(name).escape_debug().to_string()
        });
        return Err(node.malformed(format!("category {category} is listed twice")));
    }
    let (positions, cut) = (x.len(), x.dtype().is_float() || node.is_uncut(&x));
    node.pay(&[positions, count])?;
    node.pay(&[count, 16])?;
    let mut trees = steps(positions, 1, count, x.dtype() != DType::Float32);
    for (output, category) in categories.iter().enumerate() {
        push_category(&mut trees, *category, cut, vec![(output, 1.0)]);
    }
    let (shape, of_names) = ([x.shape(), &[count]].concat(), x.dtype() == DType::String);
    let made = node.emit(Op::Trees(trees), vec![x], shape, DType::Float32)?;
    if of_names {
        node.note_names(&made, &categories);
    }
    Ok(made)
}

/// A value for each key, another for whatever is no key; element by element.
pub(super) fn label_encoder(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let classes = node.strings("classes_strings");
    if !classes.is_empty() {
        // Version 1: names and their positions, in either direction.
        let positions: Vec<f64> = (0..classes.len()).map(|at| at as f64).collect();
        let positions = Entries { values: positions, dtype: DType::Int64 };
        let names = names(node, classes)?;
        return both_ways(node, x, names, positions);
    }
    let keys = entries(node, "keys")?;
    let values = entries(node, "values")?;
    let other = default(node, values.dtype)?;
    look_up(node, x, keys, values, other)
}

/// Names for integers, or integers for names.
pub(super) fn category_mapper(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let integers = node.ints("cats_int64s").unwrap_or_default();
    let values = integers.iter().map(|category| *category as f64).collect();
    let integers = Entries { values, dtype: DType::Int64 };
    let names = names(node, node.strings("cats_strings"))?;
    both_ways(node, x, names, integers)
}

fn both_ways(
    node: &mut Node<'_>,
    x: Value,
    names: Entries,
    integers: Entries,
) -> Result<Value, OnnxError> {
    let (keys, values) = match x.dtype() {
        DType::String => (names, integers),
        _ => (integers, names),
    };
    let other = default(node, values.dtype)?;
    look_up(node, x, keys, values, other)
}

fn look_up(
    node: &mut Node<'_>,
    x: Value,
    keys: Entries,
    values: Entries,
    other: f64,
) -> Result<Value, OnnxError> {
    same_kind(node, &x, keys.dtype == DType::String)?;
    let (keys, dtype, values) = (keys.values, values.dtype, values.values);
    if keys.len() != values.len() {
        return Err(node.malformed(format!("{} keys, {} values", keys.len(), values.len())));
    }
    if values.iter().chain([&other]).any(|value| !value.is_finite()) {
        return Err(node.malformed("a value is not finite".into()));
    }
    let cut = node.is_uncut(&x);
    let (shape, double) = (x.shape().to_vec(), x.dtype() != DType::Float32);
    let positions = node.pay(&shape)?;
    node.pay(&[positions, keys.len(), 2])?;
    let mut trees = steps(positions, 1, 1, double);
    trees.base = vec![other];
    let mut seen = std::collections::HashSet::new();
    for (key, value) in keys.iter().zip(&values) {
        // 0 and −0 are one key.
        if !seen.insert((key + 0.0).to_bits()) {
            return Err(node.malformed(format!("key {key} is listed twice")));
        }
        // No input is NaN.
        if !key.is_nan() {
            push_category(&mut trees, *key, cut, vec![(0, value - other)]);
        }
    }
    let of_names = x.dtype() == DType::String;
    let made = node.emit(Op::Trees(trees), vec![x], shape, dtype)?;
    if of_names {
        node.note_names(&made, &keys);
    }
    Ok(made)
}

/// Refuses names for numbers and numbers for names.
fn same_kind(node: &Node<'_>, x: &Value, names: bool) -> Result<(), OnnxError> {
    match (x.dtype() == DType::String, names) {
        (true, false) => Err(node.mismatch("it reads strings and encodes numbers".into())),
        (false, true) => {
            Err(node.mismatch(format!("it encodes strings and reads {}", x.dtype().name())))
        }
        _ => Ok(()),
    }
}

fn names(node: &mut Node<'_>, names: &[Vec<u8>]) -> Result<Entries, OnnxError> {
    let values = names.iter().map(|name| node.code(name)).collect::<Result<_, _>>()?;
    Ok(Entries { values, dtype: DType::String })
}

/// `part` is "keys" or "values": one list of one type, or a tensor.
fn entries(node: &mut Node<'_>, part: &str) -> Result<Entries, OnnxError> {
    let name = |kind: &str| format!("{part}_{kind}");
    let mut found = Vec::new();
    let strings = node.strings(&name("strings"));
    if !strings.is_empty() {
        found.push(names(node, strings)?);
    }
    if let Some(values) = node.ints(&name("int64s")).filter(|values| !values.is_empty()) {
        let values = values.iter().map(|value| *value as f64).collect();
        found.push(Entries { values, dtype: DType::Int64 });
    }
    if let Some(values) = node.numbers(&name("floats")).filter(|values| !values.is_empty()) {
        found.push(Entries { values, dtype: DType::Float32 });
    }
    found.extend(tensor(node, &name("tensor"))?);
    match (found.pop(), found.is_empty()) {
        (Some(entries), true) => Ok(entries),
        _ => Err(node.malformed(format!("it has no {part}, or {part} of two types"))),
    }
}

fn tensor(node: &mut Node<'_>, name: &str) -> Result<Option<Entries>, OnnxError> {
    let Some(proto) = node.tensor(name) else { return Ok(None) };
    if DType::of(proto.data_type) == Some(DType::String) {
        return names(node, &proto.string_data).map(Some);
    }
    let Tensor { data, dtype, .. } = Tensor::decode(proto, name)?;
    let values = match data {
        Data::Float(values) => values,
        Data::Int(values) => values.into_iter().map(|value| value as f64).collect(),
    };
    Ok(Some(Entries { values, dtype }))
}

/// What is given for no key.
fn default(node: &mut Node<'_>, dtype: DType) -> Result<f64, OnnxError> {
    if let Some(Entries { values, dtype: own }) = tensor(node, "default_tensor")? {
        return match values.as_slice() {
            [value] if own == dtype => Ok(*value),
            _ => Err(node.malformed("default_tensor is not one value of the values' type".into())),
        };
    }
    match dtype {
        DType::String => node.code(node.text("default_string", "_Unused").as_bytes()),
        dtype if dtype.is_float() => node.float("default_float", 0.0),
        _ => Ok(node.int("default_int64").unwrap_or(-1) as f64),
    }
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
