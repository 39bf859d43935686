//! BatchNormalization at inference and scikit-learn's Scaler: a factor and an
//! offset for each channel or feature.

use super::arithmetic::rescaled;
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
};

/// scale·(x − mean)/√(variance + epsilon) + bias, by the second dimension.
pub(super) fn batch_normalization(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    if node.int("training_mode").unwrap_or(0) != 0 {
        return Err(node.unsupported("it is in training mode; export the model for inference"));
    }
    let signal = node.take_signal(0)?;
    let (scale, bias) = (node.take_floats(1)?, node.take_floats(2)?);
    let (mean, variance) = (node.take_floats(3)?, node.take_floats(4)?);
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let (&[_, channels, ..], lengths) =
        (signal.shape.as_slice(), [scale.len(), bias.len(), mean.len(), variance.len()])
    else {
        return Err(node.mismatch(format!("{:?} has no channels", signal.shape)));
    };
    if lengths != [channels; 4] {
        return Err(node.mismatch(format!("{channels} channels, parameters for {lengths:?}")));
    }
    if let Some(index) = variance.iter().position(|v| v + epsilon <= 0.0) {
        return Err(node.malformed(format!("variance {} is not positive", variance[index])));
    }
    let inner: usize = signal.shape[2..].iter().product();
    Ok(rescaled(node, signal, |i| {
        let c = i / inner % channels;
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        (factor, bias[c] - mean[c] * factor)
    }))
}

/// (x − offset)·scale, by the last dimension.
pub(super) fn scaler(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let signal = node.take_signal(0)?;
    let features = signal.shape.last().copied().unwrap_or(1);
    let offset = node.floats("offset")?.unwrap_or_else(|| vec![0.0]);
    let scale = node.floats("scale")?.unwrap_or_else(|| vec![1.0]);
    if [&offset, &scale].iter().any(|v| v.len() != 1 && v.len() != features) {
        let lengths = [offset.len(), scale.len()];
        return Err(node.mismatch(format!("{features} features, parameters for {lengths:?}")));
    }
    let of = |values: &[f64], i: usize| values[if values.len() == 1 { 0 } else { i % features }];
    Ok(rescaled(node, signal, |i| {
        let factor = of(&scale, i);
        (factor, -of(&offset, i) * factor)
    }))
}
