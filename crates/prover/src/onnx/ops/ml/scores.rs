//! What classifiers make of scores: labels, a second column, post transforms.

use crate::{
    graph::{
        Branch, Child, Curve, Extremum, Function, Leaf, Linear, LinearMap, Op, SparseRows, Test,
        TreeEnsemble,
    },
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value, printable},
        ops::{activation, arithmetic, leaves, softmax},
    },
};

/// Rows and columns of a tensor that must be a matrix or one row.
pub(super) fn matrix(node: &Node<'_>, x: &Value) -> Result<(usize, usize), OnnxError> {
    match *x.shape() {
        [features] => Ok((1, features)),
        [rows, features] => Ok((rows, features)),
        _ => Err(node.mismatch(format!("{:?} where a matrix is needed", x.shape()))),
    }
}

/// A classifier's labels; of strings, their positions.
pub(super) fn labels(
    node: &Node<'_>,
    integers: &[&str],
    strings: &str,
) -> Result<Vec<i64>, OnnxError> {
    let ints = integers.iter().find_map(|name| node.ints(name)).unwrap_or_default();
    let strings = node.strings(strings).len();
    match (ints.is_empty(), strings) {
        (false, 0) => match ints.iter().find(|label| label.unsigned_abs() > 1 << 40) {
            Some(label) => Err(node.unsupported(format!("its class label {label} is over 2^40"))),
            None => Ok(ints.to_vec()),
        },
        (true, count) => Ok((0..count as i64).collect()),
        (false, _) => Err(node.malformed("it has labels of two types".into())),
    }
}

/// A classifier's outputs. Scores that cannot be expressed leave the label, which may be what
/// is to be proven; whoever reads the scores is told why they are not there.
pub(super) fn outputs(
    node: &mut Node<'_>,
    label: Value,
    scores: Result<Value, OnnxError>,
) -> Result<Vec<Value>, OnnxError> {
    match scores {
        Ok(scores) => Ok(vec![label, scores]),
        Err(OnnxError::UnsupportedOperator { reason, .. }) => {
            let operator = node.operator();
            node.withheld = Some(format!("the scores of {operator} are not supported: {reason}"));
            Ok(vec![label])
        }
        Err(error) => Err(error),
    }
}

/// A post transform, applied to scores of at least two columns or of regressions.
pub(super) fn transform(node: &mut Node<'_>, x: Value, post: &str) -> Result<Value, OnnxError> {
    let (_, columns) = matrix(node, &x)?;
    match post {
        "NONE" => Ok(x),
        "LOGISTIC" => activation::apply(node, Function::Curve(Curve::Sigmoid), x),
        "SOFTMAX" => softmax::over(node, x, columns, 1),
        "PROBIT" => activation::apply(node, Function::Curve(Curve::Probit), x),
        "SOFTMAX_ZERO" => softmax_zero(node, x, columns),
        other => {
            let other = printable(other);
            Err(node.malformed(format!("post_transform {other} is none of ONNX's")))
        }
    }
}

/// A post transform of a regression: of a single score onnxruntime applies PROBIT only.
pub(in crate::onnx::ops) fn of_regression(
    node: &mut Node<'_>,
    x: Value,
    post: &str,
) -> Result<Value, OnnxError> {
    let (_, columns) = matrix(node, &x)?;
    match (columns, post) {
        (1, "LOGISTIC" | "SOFTMAX" | "SOFTMAX_ZERO") => Ok(x),
        _ => transform(node, x, post),
    }
}

/// Softmax over the scores that are not 0, those within 1e-7 of it having no share.
///
/// Such a score is lowered by so much that its exponential is none beside any other's.
fn softmax_zero(node: &mut Node<'_>, x: Value, columns: usize) -> Result<Value, OnnxError> {
    /// exp(−32) is 1e-14.
    const NONE: f64 = 32.0;
    let least = match &x {
        Value::Signal(signal) => match node.maker(signal.id).map(|maker| &maker.op) {
            Some(Op::Trees(trees)) => trees.bounds().iter().map(|b| b.0).reduce(f64::min),
            _ => None,
        },
        Value::Const(_) => None,
    };
    let Some(least) = least else {
        return Err(node.unsupported("its post_transform is SOFTMAX_ZERO, of other than trees"));
    };
    let (near, down) = (f64::from(1e-7f32), NONE - least.min(0.0));
    let steps = vec![(Test::Above(near), down), (Test::Below(-near), down)];
    let (double, dtype) = (x.dtype() == DType::Float64, x.dtype());
    let lowered = step_function(node, x.clone(), -down, steps, double, dtype)?;
    let sum = arithmetic::add(node, vec![(x, 1.0), (lowered, 1.0)])?;
    softmax::over(node, sum, columns, 1)
}

/// The two columns of a binary classifier that has a score s for one of its classes.
pub(super) fn complemented(
    node: &mut Node<'_>,
    score: Value,
    post: &str,
    positive: bool,
) -> Result<Value, OnnxError> {
    match post {
        // 1 − sigmoid(s) is sigmoid(−s), which is what is written there.
        "LOGISTIC" => {
            let sigmoid = activation::apply(node, Function::Curve(Curve::Sigmoid), score)?;
            columns(node, sigmoid, [(-1.0, 1.0), (1.0, 0.0)])
        }
        "NONE" | "SOFTMAX" | "SOFTMAX_ZERO" => {
            let constant = if positive { 1.0 } else { 0.0 };
            columns(node, score, [(-1.0, constant), (1.0, 0.0)])
        }
        "PROBIT" => Err(node.unsupported(
            "its post_transform is PROBIT, of one score for two classes: onnxruntime's second score \
             is undefined",
        )),
        other => transform(node, score, other),
    }
}

/// Two columns, each factor·s + offset of one.
pub(super) fn columns(
    node: &mut Node<'_>,
    score: Value,
    [first, second]: [(f64, f64); 2],
) -> Result<Value, OnnxError> {
    let (rows, dtype) = (score.len(), score.dtype());
    let both =
        |own: &[f64]| [first, second].map(|(factor, offset)| factor * own[0] + offset).into();
    if let Some(both) = leaves::map(node, &score, (vec![rows, 2], dtype), both)? {
        return Ok(both);
    }
    node.pay(&[rows, 4])?;
    let both = || (0..rows).flat_map(|row| [(row, first), (row, second)]);
    let terms = both().map(|(row, (factor, _))| (factor != 0.0).then_some((row, factor)));
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows(terms))];
    let bias = both().map(|(_, (_, offset))| offset).collect();
    node.emit(Op::Linear(Linear { maps, bias }), vec![score], vec![rows, 2], dtype)
}

/// One column of a matrix.
pub(super) fn column(node: &mut Node<'_>, x: Value, column: usize) -> Result<Value, OnnxError> {
    let (rows, columns) = matrix(node, &x)?;
    node.pay(&[rows])?;
    let at: Vec<usize> = (0..rows).map(|row| row * columns + column).collect();
    node.pick(x, vec![rows, 1], &at)
}

/// The second label where a score is above a threshold, else the first.
pub(super) fn above(
    node: &mut Node<'_>,
    score: Value,
    threshold: f64,
    labels: &[i64],
) -> Result<Value, OnnxError> {
    let rows = score.len();
    let (first, second) = match *labels {
        [first, second] => (first as f64, second as f64),
        _ => return Err(node.malformed(format!("{} labels, not two", labels.len()))),
    };
    let chosen = |own: &[f64]| vec![if own[0] > threshold { second } else { first }];
    if let Some(label) = leaves::map(node, &score, (vec![rows], DType::Int64), chosen)? {
        return Ok(label);
    }
    let steps = vec![(Test::Above(threshold), second - first)];
    let double = score.dtype() == DType::Float64;
    let label = step_function(node, score, first, steps, double, DType::Int64)?;
    node.reshape(label, vec![rows])
}

/// constant + Σ weight where its test holds, element by element.
pub(in crate::onnx::ops) fn step_function(
    node: &mut Node<'_>,
    x: Value,
    constant: f64,
    steps: Vec<(Test, f64)>,
    double: bool,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let shape = x.shape().to_vec();
    let positions = node.pay(&shape)?;
    let (mut branches, mut leaves, mut roots) = (Vec::new(), Vec::new(), Vec::new());
    for (test, weight) in steps {
        roots.push(Child::Branch(branches.len()));
        let (holds, fails) = (Child::Leaf(leaves.len()), Child::Leaf(leaves.len() + 1));
        branches.push(Branch { feature: 0, test, holds, fails, missing_holds: false });
        leaves.extend([Leaf { weights: vec![(0, weight)] }, Leaf::default()]);
    }
    node.pay(&[positions, branches.len(), 2])?;
    let base = vec![constant];
    let trees = TreeEnsemble {
        positions,
        features: 1,
        outputs: 1,
        double,
        branches,
        leaves,
        roots,
        base,
        ..TreeEnsemble::default()
    };
    node.emit(Op::Trees(trees), vec![x], shape, dtype)
}

/// The label of the greatest score of each row; of equal ones, the first.
pub(super) fn greatest(
    node: &mut Node<'_>,
    scores: Value,
    labels: &[i64],
) -> Result<Value, OnnxError> {
    let (rows, columns) = matrix(node, &scores)?;
    if labels.len() != columns {
        return Err(node.malformed(format!("{} labels, {columns} scores", labels.len())));
    }
    let first_greatest = |own: &[f64]| {
        let best = (1..own.len()).fold(0, |best, at| if own[at] > own[best] { at } else { best });
        vec![labels[best] as f64]
    };
    if let Some(label) = leaves::map(node, &scores, (vec![rows], DType::Int64), first_greatest)? {
        return Ok(label);
    }
    node.pay(&[rows, columns])?;
    let groups = (0..rows).map(|row| (row * columns..(row + 1) * columns).collect()).collect();
    let extremum = Extremum { minimum: false, groups };
    let place = node.emit(Op::ArgExtremum(extremum), vec![scores], vec![rows], DType::Int64)?;
    let first = labels.first().copied().unwrap_or(0);
    if labels.windows(2).all(|pair| pair[1] - pair[0] == 1) {
        return match first {
            0 => Ok(place),
            first => node.scale(place, |_| (1.0, first as f64)),
        };
    }
    let steps = labels.windows(2).enumerate();
    let steps = steps
        .map(|(at, pair)| (Test::AtLeast((at + 1) as f64), (pair[1] - pair[0]) as f64))
        .collect();
    step_function(node, place, first as f64, steps, false, DType::Int64)
}
