//! Products of what was dequantized and of constants that were too, which onnxruntime fuses with
//! the QuantizeLinear that reads them: it multiplies the integers, and brings their sum to the
//! output's scale by one factor of float32.

use super::Lower;
use crate::{
    graph::{Op, Scale},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// The type of the activations that it does so with; of int8, on most processors, it computes in
/// float32.
const FUSED: DType = DType::UInt8;
/// The part of a unit that a bias, dequantized by its own scale, may be beside a whole number.
const NEAR: f64 = 0.05;

/// Lowers a product by `lower` and notes the units of its sums, one or one an element: of two
/// operands that were dequantized, and of the weights' columns along axis `along` of the result
/// where they have several scales.
pub(super) fn product(node: &mut Node<'_>, along: Along, lower: Lower) -> Result<Value, OnnxError> {
    let turned = along == Along::Columns && node.flag("transB", false)?;
    // What onnxruntime leaves unfused: a factor of the whole product.
    let factor = match node.operator().as_str() {
        "Gemm" => node.float("alpha", 1.0)? != 1.0 || node.float("beta", 1.0)? != 1.0,
        _ => false,
    };
    let rank = node.peek(1).map_or(0, |weights| weights.shape().len());
    let axis = match along {
        Along::Channels => 0,
        Along::Columns => {
            if turned {
                0
            } else {
                rank.saturating_sub(1)
            }
        }
    };
    let units = factors(node, axis).filter(|_| !factor);
    let made = lower(node)?;
    let (Some((unit, scales)), Value::Signal(signal)) = (units, &made) else { return Ok(made) };
    let shape = &signal.shape;
    let (count, inner) = match along {
        Along::Channels => {
            (shape.get(1), shape.get(2..).unwrap_or_default().iter().product::<usize>())
        }
        Along::Columns => (shape.last(), 1),
    };
    let len = made.len();
    let units: Vec<f64> = match (scales.len(), count) {
        (1, _) => vec![unit * scales[0]],
        (several, Some(count)) if several == *count => {
            let len = node.pay(shape)?;
            (0..len).map(|at| unit * scales[at / inner.max(1) % several]).collect()
        }
        _ => return Ok(made),
    };
    let biases = match node.maker(signal.id).map(|maker| &maker.op) {
        Some(Op::Linear(linear)) if linear.maps.len() == 1 => &linear.bias,
        _ => return Ok(made),
    };
    let whole = (0..len).all(|at| {
        let bias = biases[at] / units.get(at).unwrap_or(&units[0]);
        (bias - bias.round()).abs() <= NEAR && bias.abs() < 2f64.powi(31)
    });
    if whole {
        node.note_sums(&made, units);
    }
    Ok(made)
}

/// Which scale of several an element's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    Channels,
    Columns,
}

/// The scale of the first operand, and those of the second, a constant, if both were dequantized, it
/// along `expected` where there are several.
fn factors(node: &Node<'_>, expected: usize) -> Option<(f64, Vec<f64>)> {
    let x = node.dequantized(node.peek(0)?).filter(|x| x.dtype == FUSED)?;
    let Value::Const(Tensor { data: Data::Float(weights), shape, .. }) = node.peek(1)? else {
        return None;
    };
    let (scales, axis) = node.dequantized_constant(1)?;
    if scales.len() > 1 && axis != expected {
        return None;
    }
    // Names may be those of other constants in another body of the file: these are integers.
    let inner = shape.get(axis + 1..).unwrap_or_default().iter().product::<usize>().max(1);
    let whole = |(at, weight): (usize, &f64)| {
        let own = weight / scales[at / inner % scales.len()];
        (own - own.round()).abs() <= 1e-9 * own.abs()
    };
    weights.iter().enumerate().all(whole).then(|| (x.scale, scales.to_vec()))
}

/// Lowers what keeps sums of integers, or cuts them at 0.
pub(super) fn kept(node: &mut Node<'_>, lower: Lower) -> Result<Value, OnnxError> {
    let units = node.peek(0).and_then(|x| node.sums(x)).map(<[f64]>::to_vec);
    let made = lower(node)?;
    if let Some(units) = units {
        node.note_sums(&made, units);
    }
    Ok(made)
}

/// How onnxruntime brings `x` to integers of a type by `scales`: as a sum of integers if it is one.
pub(super) fn scale(node: &Node<'_>, x: &Value, scales: Vec<f64>, dtype: DType) -> Scale {
    let Some(units) = node.sums(x).filter(|_| dtype == FUSED) else {
        return Scale::Divide(scales);
    };
    let len = units.len().max(scales.len());
    let own = |numbers: &[f64], at: usize| numbers[at % numbers.len()];
    let factor = |at: usize| f64::from(own(units, at) as f32 / own(&scales, at) as f32);
    let factors: Vec<f64> = (0..len).map(factor).collect();
    match factors.iter().all(|factor| *factor > 0.0 && factor.is_finite()) {
        true => Scale::Whole { units: (0..len).map(|at| own(units, at)).collect(), factors },
        false => Scale::Divide(scales),
    }
}
