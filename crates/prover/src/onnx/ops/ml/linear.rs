//! LinearClassifier.

use super::scores;
use crate::{
    graph::{Linear, LinearMap, Op},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
    },
};

/// Scores x·Cᵀ + intercepts and the label of the greatest. Of two classes there may be one
/// score, that of the second.
pub(super) fn classifier(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take(0)?;
    let (rows, features) = scores::matrix(node, &x)?;
    let labels = scores::labels(node, &["classlabels_ints"], "classlabels_strings")?;
    let weights = node.floats("coefficients")?.unwrap_or_default();
    let classes = weights.len() / features.max(1);
    let intercepts = node.floats("intercepts")?.unwrap_or_default();
    let single = classes == 1 && labels.len() == 2;
    if classes.checked_mul(features) != Some(weights.len())
        || !(intercepts.is_empty() || intercepts.len() == classes)
        || !(single || classes >= 2 && labels.len() == classes)
    {
        return Err(node.mismatch(format!(
            "{} coefficients and {} intercepts for {features} features and {} labels",
            weights.len(),
            intercepts.len(),
            labels.len()
        )));
    }
    let post = node.text("post_transform", "NONE");
    node.pay(&[rows, classes])?;
    let map = LinearMap::Dense { positions: rows, inputs: features, outputs: classes, weights };
    let of = |at: usize| intercepts.get(at % classes).copied().unwrap_or(0.0);
    let bias = (0..rows * classes).map(of).collect();
    let linear = Op::Linear(Linear { maps: vec![map], bias });
    let scores = node.emit(linear, vec![x], vec![rows, classes], DType::Float32)?;
    if single {
        let label = scores::above(node, scores.clone(), 0.0, &labels)?;
        let scores = scores::complemented(node, scores, &post, true);
        return scores::outputs(node, label, scores);
    }
    let label = scores::greatest(node, scores.clone(), &labels)?;
    let scores = scores::transform(node, scores, &post);
    scores::outputs(node, label, scores)
}
