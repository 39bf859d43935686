//! BatchNormalization at inference and scikit-learn's Scaler: a factor and an offset for
//! each channel or feature.

use crate::onnx::{
    dtype::DType,
    error::OnnxError,
    node::{Node, Value},
};

/// scale·(x − mean)/√(variance + epsilon) + bias, by the second dimension.
pub(super) fn batch_normalization(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let training = node.flag("training_mode", false)?
        // Before opset 14 the statistics as outputs are what says so.
        || node.opset < 14 && (1..node.output_count()).any(|output| node.names_output(output));
    if training {
        return Err(node.unsupported("it is in training mode; export the model for inference"));
    }
    if node.int("spatial").is_some_and(|spatial| spatial != 1) {
        return Err(node.unsupported("it has statistics for every element (spatial is 0)"));
    }
    let x = node.take_real(0)?;
    let mut parameters = vec![];
    for index in 1..5 {
        let values = node.take_floats(index)?;
        parameters.push(values.ok_or_else(|| node.malformed(format!("input {index} is missing")))?);
    }
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let &[_, channels, ..] = x.shape() else {
        return Err(node.mismatch(format!("{:?} has no channels", x.shape())));
    };
    if parameters.iter().any(|values| values.len() != channels) {
        let lengths: Vec<usize> = parameters.iter().map(Vec::len).collect();
        return Err(node.mismatch(format!("{channels} channels, parameters for {lengths:?}")));
    }
    let [scale, bias, mean, variance] = &parameters[..] else {
        return Err(node.malformed("its parameters are missing".into()));
    };
    if let Some(variance) = variance.iter().find(|v| **v + epsilon <= 0.0) {
        return Err(node.malformed(format!("variance {variance} is not positive")));
    }
    let inner: usize = x.shape()[2..].iter().product();
    node.scale(x, |i| {
        let c = i / inner % channels;
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        (factor, bias[c] - mean[c] * factor)
    })
}

/// (x − offset)·scale, by the last dimension.
pub(super) fn scaler(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let mut x = node.take(0)?;
    // Its output is float32, whatever its input is.
    match &mut x {
        Value::Signal(signal) => signal.dtype = DType::Float32,
        Value::Const(_) => return Err(node.unsupported("it is applied to a constant")),
    }
    let features = x.shape().last().copied().unwrap_or(1);
    let offset = node.floats("offset")?.unwrap_or_else(|| vec![0.0]);
    let scale = node.floats("scale")?.unwrap_or_else(|| vec![1.0]);
    if [&offset, &scale].iter().any(|v| v.len() != 1 && v.len() != features) {
        let lengths = [offset.len(), scale.len()];
        return Err(node.mismatch(format!("{features} features, parameters for {lengths:?}")));
    }
    let of = |values: &[f64], i: usize| values[if values.len() == 1 { 0 } else { i % features }];
    // Both round.
    let shifted = node.scale(x, |i| (1.0, -of(&offset, i)))?;
    node.scale(shifted, |i| (of(&scale, i), 0.0))
}
