//! SVMClassifier and SVMRegressor, as onnxruntime computes them: a kernel of the input with
//! each support vector, and sums of these.

use super::{coupling, scores};
use crate::{
    graph::{Curve, Function, Linear, LinearMap, Op, SparseRows, Test},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value, printable},
        ops::{activation::apply, curves, reduce, smooth},
    },
};

/// What is made of x·s for a support vector s.
#[derive(Clone, Copy)]
enum Kernel {
    Linear,
    /// (gamma·x·s + coef0) to a power.
    Polynomial {
        gamma: f64,
        coef0: f64,
        degree: f64,
    },
    /// exp(−gamma·|x − s|²).
    Radial {
        gamma: f64,
    },
    /// tanh(gamma·x·s + coef0).
    Sigmoid {
        gamma: f64,
        coef0: f64,
    },
}

impl Kernel {
    fn of(node: &Node<'_>) -> Result<Self, OnnxError> {
        let parameters = node.floats("kernel_params")?.unwrap_or_default();
        let (gamma, coef0, degree) = match parameters[..] {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree] => (gamma, coef0, degree),
            _ => {
                let count = parameters.len();
                return Err(node.malformed(format!("{count} kernel parameters, not 3")));
            }
        };
        match node.text("kernel_type", "LINEAR").as_str() {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Polynomial { gamma, coef0, degree }),
            "RBF" if gamma >= 0.0 => Ok(Self::Radial { gamma }),
            "RBF" => Err(node.unsupported(format!("its kernel grows with distance, by {gamma}"))),
            "SIGMOID" => Ok(Self::Sigmoid { gamma, coef0 }),
            other => Err(node.malformed(format!("kernel {} is none of ONNX's", printable(other)))),
        }
    }

    /// The kernel of each row of x with each of `vectors`, which are as long as a row.
    fn apply(self, node: &mut Node<'_>, x: Value, vectors: &[f64]) -> Result<Value, OnnxError> {
        let (rows, features) = scores::matrix(node, &x)?;
        let count = vectors.len() / features.max(1);
        let dots = |node: &mut Node<'_>, x: Value, factor: f64, offset: f64| {
            let weights = vectors.iter().map(|w| factor * w).collect();
            dense(node, x, weights, vec![offset; count])
        };
        match self {
            Self::Linear => dots(node, x, 1.0, 0.0),
            Self::Polynomial { gamma, coef0, degree } => {
                let dots = dots(node, x, gamma, coef0)?;
                curves::raise(node, dots, degree)
            }
            Self::Sigmoid { gamma, coef0 } => {
                let dots = dots(node, x, gamma, coef0)?;
                smooth::tanh(node, dots)
            }
            // |x − s|² is |x|² − 2·x·s + |s|², in which only |x|² has squares of the input.
            Self::Radial { gamma } => {
                let squares = apply(node, Function::Curve(Curve::Power(2.0)), x.clone())?;
                let length = reduce::reduce(node, squares, &[1], true, "ReduceSum")?;
                node.pay(&[rows, count, 4])?;
                let spread = (0..rows * count).map(|at| Some((at / count, -gamma)));
                let maps = vec![
                    LinearMap::Dense {
                        positions: rows,
                        inputs: features,
                        outputs: count,
                        weights: vectors.iter().map(|w| 2.0 * gamma * w).collect(),
                    },
                    LinearMap::Sparse(SparseRows::from_rows(spread)),
                ];
                let own = vectors.chunks_exact(features.max(1));
                let own: Vec<f64> =
                    own.map(|s| -gamma * s.iter().map(|v| v * v).sum::<f64>()).collect();
                let linear = Linear { maps, bias: own.repeat(rows) };
                let shape = vec![rows, count];
                let exponent =
                    node.emit(Op::Linear(linear), vec![x, length], shape, DType::Float32)?;
                // The interval of the sum does not know that it is a distance.
                let cap = Function::Clip { low: f64::NEG_INFINITY, high: 0.0 };
                let exponent = apply(node, cap, exponent)?;
                apply(node, Function::Curve(Curve::Exp), exponent)
            }
        }
    }
}

/// x·Wᵀ + b for rows of x.
fn dense(
    node: &mut Node<'_>,
    x: Value,
    weights: Vec<f64>,
    bias: Vec<f64>,
) -> Result<Value, OnnxError> {
    let (rows, inputs) = scores::matrix(node, &x)?;
    let outputs = bias.len();
    if outputs.checked_mul(inputs) != Some(weights.len()) {
        return Err(node.mismatch(format!(
            "{} coefficients for {outputs} sums of {inputs} numbers",
            weights.len()
        )));
    }
    node.pay(&[rows, outputs, 2])?;
    let maps = vec![LinearMap::Dense { positions: rows, inputs, outputs, weights }];
    let linear = Linear { maps, bias: bias.repeat(rows) };
    node.emit(Op::Linear(linear), vec![x], vec![rows, outputs], DType::Float32)
}

pub(super) fn regressor(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (_, features) = scores::matrix(node, &x)?;
    let vectors = node.floats("support_vectors")?.unwrap_or_default();
    let coefficients = node.floats("coefficients")?.unwrap_or_default();
    let rho = node.floats("rho")?.unwrap_or_default();
    let [rho] = rho[..] else {
        return Err(node.malformed(format!("{} values of rho, not one", rho.len())));
    };
    // onnxruntime applies none of them.
    let post = node.text("post_transform", "NONE");
    if !["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"].contains(&post.as_str()) {
        let post = printable(&post);
        return Err(node.malformed(format!("post_transform {post} is none of ONNX's")));
    }
    let count = usize::try_from(node.int("n_supports").unwrap_or(0)).unwrap_or(usize::MAX);
    let sum = if count == 0 {
        dense(node, x, coefficients, vec![rho])?
    } else {
        if count.checked_mul(features) != Some(vectors.len()) || coefficients.len() != count {
            return Err(node.mismatch(format!(
                "{} numbers of support vectors and {} coefficients for {count} vectors of \
                 {features} features",
                vectors.len(),
                coefficients.len()
            )));
        }
        let kernel = Kernel::of(node)?.apply(node, x, &vectors)?;
        dense(node, kernel, coefficients, vec![rho])?
    };
    match node.int("one_class").unwrap_or(0) {
        0 => Ok(sum),
        _ => {
            let steps = vec![(Test::Above(0.0), 2.0)];
            scores::step_function(node, sum, -1.0, steps, false, DType::Float32)
        }
    }
}

pub(super) fn classifier(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take_real(0)?;
    let (_, features) = scores::matrix(node, &x)?;
    let labels = scores::labels(node, &["classlabels_ints"], "classlabels_strings")?;
    let classes = labels.len();
    let post = node.text("post_transform", "NONE");
    let vectors = node.floats("support_vectors")?.unwrap_or_default();
    let of_class = |size: &i64| match usize::try_from(*size) {
        Ok(size) if size <= vectors.len() => Ok(size),
        _ => Err(node.malformed(format!(
            "vectors_per_class has {size}; support_vectors has {} numbers",
            vectors.len()
        ))),
    };
    let sizes = node.ints("vectors_per_class").unwrap_or_default();
    let sizes = sizes.iter().map(of_class).collect::<Result<Vec<usize>, OnnxError>>()?;
    let count: usize = sizes.iter().sum();
    if count == 0 {
        return Err(node.unsupported("it has no support vectors; export a LinearClassifier"));
    }
    let coefficients = node.floats("coefficients")?.unwrap_or_default();
    let rho = node.floats("rho")?.unwrap_or_default();
    let pairs = classes * classes.saturating_sub(1) / 2;
    if classes < 2
        || sizes.len() != classes
        || count.checked_mul(features) != Some(vectors.len())
        || coefficients.len() != (classes - 1) * count
        || rho.len() != pairs
    {
        return Err(node.mismatch(format!(
            "{} numbers of support vectors, {} coefficients and {} values of rho for {count} \
             vectors of {features} features and {classes} classes",
            vectors.len(),
            coefficients.len(),
            rho.len()
        )));
    }
    let kernel = Kernel::of(node)?.apply(node, x, &vectors)?;
    // One sum for each pair of classes, above 0 where it is the first of them.
    let starts: Vec<usize> =
        sizes.iter().scan(0, |at, n| Some(std::mem::replace(at, *at + n))).collect();
    let mut weights = vec![0.0; node.pay(&[pairs, count])?];
    let all: Vec<(usize, usize)> =
        (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
    for (pair, (i, j)) in all.iter().copied().enumerate() {
        for (class, row) in [(i, j - 1), (j, i)] {
            for at in starts[class]..starts[class] + sizes[class] {
                weights[pair * count + at] = coefficients[row * count + at];
            }
        }
    }
    let sums = dense(node, kernel, weights, rho)?;
    let label = match classes {
        2 => {
            let turned = [labels[1], labels[0]];
            scores::above(node, sums.clone(), 0.0, &turned)?
        }
        _ => {
            let votes = scores::step_function(
                node,
                sums.clone(),
                0.0,
                vec![(Test::Above(0.0), 1.0)],
                false,
                DType::Float32,
            )?;
            let mut weights = vec![0.0; node.pay(&[classes, pairs])?];
            let mut bias = vec![0.0; classes];
            for (pair, (i, j)) in all.iter().copied().enumerate() {
                weights[i * pairs + pair] = 1.0;
                weights[j * pairs + pair] = -1.0;
                bias[j] += 1.0;
            }
            let votes = dense(node, votes, weights, bias)?;
            scores::greatest(node, votes, &labels)?
        }
    };
    let prob_a = node.floats("prob_a")?.unwrap_or_default();
    let prob_b = node.floats("prob_b")?.unwrap_or_default();
    if !prob_a.is_empty() {
        if prob_a.len() != pairs || prob_b.len() != pairs {
            return Err(node.mismatch(format!(
                "{} and {} numbers for probabilities of {pairs} pairs of classes",
                prob_a.len(),
                prob_b.len()
            )));
        }
        return probable(node, (sums, classes), label, (prob_a, prob_b), &post);
    }
    let scores = match (classes, post.as_str()) {
        (2, "NONE" | "LOGISTIC") => {
            let both = scores::columns(node, sums, [(-1.0, 0.0), (1.0, 0.0)])?;
            scores::transform(node, both, &post)
        }
        // No softmax: as onnxruntime writes a second score beside probabilities.
        (2, _) => scores::complemented(node, sums, &post, true),
        _ => scores::transform(node, sums, &post),
    };
    scores::outputs(node, label, scores)
}

/// Label and probabilities by Platt's sigmoid of each pair's sum.
///
/// onnxruntime couples the probabilities of all pairs (Wu, Lin and Weng, "Probability Estimates for
/// Multi-class Classification by Pairwise Coupling", JMLR 5, 2004): it minimises pᵀQp by an iteration
/// that stops where |(Qp)ᵢ − pᵀQp| < 0.005 / k for every class i of k. Of two classes, whose sigmoids are
/// a and b = 1 − a, Q is `[b² −ab; −ab a²]` and the minimum p = (a, b). At (a + d, b − d) the two numbers
/// are b·d − d² and −a·d − d²; they differ by d, so that both are below 0.0025 only where |d| < 0.005:
/// onnxruntime's probabilities are that close to the minimum, which is what is proven. The label is that
/// of the sum's sign, whatever the probabilities are. Of more classes see [`coupling`].
fn probable(
    node: &mut Node<'_>,
    (sums, classes): (Value, usize),
    label: Value,
    (a, b): (Vec<f64>, Vec<f64>),
    post: &str,
) -> Result<Vec<Value>, OnnxError> {
    if post != "NONE" {
        return Err(node.unsupported("it has a post_transform after probabilities"));
    }
    let argument = node.scale(sums, |at| (-a[at % a.len()], -b[at % b.len()]))?;
    let first = apply(node, Function::Curve(Curve::Sigmoid), argument)?;
    let probabilities = match classes {
        2 => scores::columns(node, first, [(1.0, 0.0), (-1.0, 1.0)]),
        3..=coupling::MOST => coupling::couple(node, first, classes),
        many => {
            let most = coupling::MOST;
            Err(node.unsupported(format!("it has probabilities of {many} classes, over {most}")))
        }
    };
    scores::outputs(node, label, probabilities)
}
