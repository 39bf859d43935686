//! Resize and Upsample to the nearest element.
//!
//! Coordinates are computed in float32, as onnxruntime computes them.

use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
    shape,
};

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let from = x.shape().to_vec();
    let mode = node.text("mode", "nearest");
    if mode != "nearest" {
        let mode = mode.escape_debug();
        return Err(node.unsupported(format!("its mode is {mode}, only nearest can be")));
    }
    let old = operator == "Upsample" || node.opset < 11;
    let (transformation, rounding) = match old {
        true => ("asymmetric".to_owned(), "floor".to_owned()),
        false => (
            node.text("coordinate_transformation_mode", "half_pixel"),
            node.text("nearest_mode", "round_prefer_floor"),
        ),
    };
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return Err(node.unsupported("it keeps the aspect ratio"));
    }
    let axes = match node.ints("axes") {
        Some(axes) => node.axes(axes, from.len())?,
        None => (0..from.len()).collect(),
    };
    let (scales, sizes) = match (operator, old) {
        ("Upsample", _) if node.opset < 9 => (node.floats("scales")?, None),
        (_, true) => (node.take_floats(1)?, None),
        _ => (node.take_floats(2)?, node.take_ints(3)?),
    };
    let scales = scales.filter(|scales| !scales.is_empty());
    let sizes = sizes.filter(|sizes| !sizes.is_empty());
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let size = from[axis];
        let (to, scale) = match (&scales, &sizes) {
            (Some(scales), None) if scales.len() == axes.len() => {
                let scale = scales[i] as f32;
                ((scale * size as f32).floor(), scale)
            }
            (None, Some(sizes)) if sizes.len() == axes.len() => {
                let to = sizes[i] as f32;
                (to, to / size as f32)
            }
            _ => return Err(node.malformed("it needs one scale or one size an axis".into())),
        };
        if !(to >= 1.0 && to < (1u64 << 24) as f32) {
            return Err(node.malformed(format!("{size} elements resized to {to}")));
        }
        let to = node.pay(&[to as usize])?;
        let source = |at: usize| nearest(at, size, to, scale, &transformation, &rounding);
        let found: Option<Vec<usize>> = (0..to).map(source).collect();
        choices[axis] = found.ok_or_else(|| {
            let (t, r) = (transformation.escape_debug(), rounding.escape_debug());
            node.unsupported(format!("its coordinates are {t}, rounded by {r}"))
        })?;
    }
    let to: Vec<usize> = choices.iter().map(Vec::len).collect();
    node.pay(&to)?;
    let positions = shape::select(&from, &choices);
    node.pick(x, to, &positions)
}

/// The coordinate in the input that output coordinate `at` comes from.
fn nearest(
    at: usize,
    size: usize,
    to: usize,
    scale: f32,
    transformation: &str,
    rounding: &str,
) -> Option<usize> {
    let (x, size_f, to_f) = (at as f32, size as f32, to as f32);
    let place = match transformation {
        _ if scale == 1.0 => x,
        "half_pixel" => (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel" if to > 1 => (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel" => 0.0,
        "asymmetric" => x / scale,
        "align_corners" if to > 1 => x * (size_f - 1.0) / (to_f - 1.0),
        "align_corners" => 0.0,
        "half_pixel_symmetric" => {
            let adjustment = to_f / (scale * size_f);
            let center = size_f / 2.0;
            center * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
        }
        _ => return None,
    };
    let rounded = match rounding {
        "round_prefer_floor" if place == place.trunc() + 0.5 => place.floor(),
        "round_prefer_floor" => place.round(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        _ => return None,
    };
    Some(rounded.clamp(0.0, size_f - 1.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_elements_are_those_of_the_standard() {
        let all = |size, to, transformation, rounding| -> Vec<usize> {
            let scale = to as f32 / size as f32;
            (0..to)
                .map(|at| nearest(at, size, to, scale, transformation, rounding).unwrap())
                .collect()
        };
        assert_eq!(all(2, 4, "half_pixel", "round_prefer_floor"), [0, 0, 1, 1]);
        assert_eq!(all(2, 4, "asymmetric", "floor"), [0, 0, 1, 1]);
        assert_eq!(all(2, 4, "asymmetric", "ceil"), [0, 1, 1, 1]);
        assert_eq!(all(4, 8, "align_corners", "round_prefer_floor"), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(all(4, 2, "half_pixel", "round_prefer_floor"), [0, 2]);
        assert_eq!(all(4, 2, "half_pixel", "round_prefer_ceil"), [1, 3]);
    }
}
