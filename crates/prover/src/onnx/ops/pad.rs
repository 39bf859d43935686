//! Pad: constants, reflections, edges or repetitions around a tensor; negative pads crop.

use super::shares;
use crate::{
    graph::{Element, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// More than any pad is.
const MAX_PAD: u64 = 1 << 32;

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let from = x.shape().to_vec();
    let rank = from.len();
    let (pads, axes, fill) = match node.opset {
        ..11 => {
            let pads = node.ints("pads").unwrap_or_default().to_vec();
            (pads, (0..rank).collect(), node.float("value", 0.0)?)
        }
        _ => {
            let pads = node.take_ints(1)?;
            let pads = pads.ok_or_else(|| node.malformed("its pads are missing".into()))?;
            let fill = fill(node)?;
            let axes = match node.take_ints(3)? {
                Some(axes) => node.axes(&axes, rank)?,
                None => (0..rank).collect(),
            };
            (pads, axes, fill)
        }
    };
    if pads.len() != 2 * axes.len() {
        return Err(node.malformed(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    let mode = node.text("mode", "constant");
    // For each axis, the coordinates in x; none is padding.
    let mut sources: Vec<Vec<Option<usize>>> =
        from.iter().map(|&d| (0..d).map(Some).collect()).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (pads[i], pads[axes.len() + i]);
        let dim = from[axis] as i64;
        if before.unsigned_abs().max(after.unsigned_abs()) > MAX_PAD {
            return Err(node.malformed(format!("pads {before} and {after}")));
        }
        let len = dim.checked_add(before).and_then(|len| len.checked_add(after));
        let len = len.and_then(|len| usize::try_from(len).ok()).filter(|&len| len > 0);
        let len = len.ok_or_else(|| {
            node.malformed(format!("pads {before} and {after} around {dim} elements"))
        })?;
        node.pay(&[len])?;
        // Runtimes reflect once, or back and forth, or not at all.
        // What negative pads leave is what is reflected, repeated or wrapped.
        let first = (-before).max(0);
        let left = dim - first - (-after).max(0);
        if mode == "reflect" && before.max(after) > 0 && before.max(after) >= left {
            let detail = format!("it reflects {before} and {after} of {left} elements");
            return Err(node.malformed(detail));
        }
        if left <= 0 && mode != "constant" {
            return Err(node.malformed("it pads nothing with what is in it".into()));
        }
        let source = |at: usize| -> Result<Option<usize>, OnnxError> {
            let at = at as i64 - before.max(0);
            let inside = (0..left).contains(&at);
            let place = match mode.as_str() {
                _ if inside => at,
                "constant" => return Ok(None),
                "edge" => at.clamp(0, left - 1),
                "wrap" => at.rem_euclid(left),
                "reflect" if at < 0 => -at,
                "reflect" => 2 * (left - 1) - at,
                other => return Err(node.malformed(format!("mode {}", other.escape_debug()))),
            };
            Ok(usize::try_from(first + place).ok())
        };
        sources[axis] = (0..len).map(source).collect::<Result<_, _>>()?;
    }
    let to: Vec<usize> = sources.iter().map(Vec::len).collect();
    let len = node.pay(&to)?;
    let mut elements = Vec::with_capacity(len);
    elements.push(Some(0));
    for (dim, source) in from.iter().zip(&sources) {
        elements = elements
            .iter()
            .flat_map(|place| source.iter().map(move |s| Some((*place)? * dim + (*s)?)))
            .collect();
    }
    let element = |place: Option<usize>| match place {
        Some(index) => Element::Input { input: 0, index },
        None => Element::Constant(fill),
    };
    let elements = elements.into_iter().map(element).collect();
    let dtype = x.dtype();
    node.emit(Op::Select(elements), vec![x], to, dtype)
}

fn fill(node: &mut Node<'_>) -> Result<f64, OnnxError> {
    // Masks are padded with −∞.
    let given = shares::finite(node.take_unchecked(2));
    match given {
        None => Ok(0.0),
        Some(Value::Const(Tensor { data: Data::Float(values), .. }))
            if values.iter().any(|value| !value.is_finite()) =>
        {
            Err(node.unsupported("its padding is not a finite number"))
        }
        Some(Value::Const(tensor)) if tensor.data.len() == 1 => match tensor.data {
            Data::Float(values) => Ok(values[0]),
            Data::Int(values) => Ok(values[0] as f64),
        },
        Some(_) => Err(node.unsupported("its padding is not one constant")),
    }
}
