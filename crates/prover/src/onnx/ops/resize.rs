//! Resize and Upsample: to the nearest element, or between elements by linear or cubic filters,
//! which are linear maps of constants.
//!
//! Coordinates are computed in float32, as onnxruntime computes them.

mod place;

use self::place::{Axis, Transformation};
use super::{
    interpolate::{Filter, normalized},
    sums::{merged, weighted},
};
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
    shape,
};

/// Elements along an axis with their weights; nothing where an output is beyond the input.
type Weights = Option<Vec<(usize, f64)>>;

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let from = x.shape().to_vec();
    let old = operator == "Upsample" || node.opset < 11;
    let mode = node.text("mode", "nearest");
    let filter = match mode.as_str() {
        "nearest" => None,
        "linear" | "bilinear" => Some(Filter::Linear),
        "cubic" => Some(Filter::Cubic(node.float("cubic_coeff_a", -0.75)?)),
        other => return Err(node.malformed(format!("its mode is {}", other.escape_debug()))),
    };
    if filter.is_some() && !x.dtype().is_float() {
        return Err(node.unsupported("it interpolates integers, whose rounding is not defined"));
    }
    let axes = match node.ints("axes") {
        Some(axes) => node.axes(axes, from.len())?,
        None => (0..from.len()).collect(),
    };
    let transformation = match old {
        true => Transformation::Asymmetric,
        false => transformation(node, axes.len())?,
    };
    let sizes = sizes(node, operator, old, &axes, &from)?;
    let rounding = node.text("nearest_mode", "round_prefer_floor");
    let rule = |scale: f32| match old {
        // As onnxruntime has it.
        true if scale < 1.0 => "ceil",
        true => "floor",
        false => rounding.as_str(),
    };
    if operator == "Upsample" && sizes.iter().any(|(_, scale)| *scale < 1.0) {
        return Err(node.malformed("it makes an axis smaller".into()));
    }
    let antialias = node.flag("antialias", false)?;
    let outside = node.flag("exclude_outside", false)?;
    let beyond = node.float("extrapolation_value", 0.0)?;
    let mut weights: Vec<Vec<Weights>> =
        from.iter().map(|&d| (0..d).map(|at| Some(vec![(at, 1.0)])).collect()).collect();
    for (i, (&axis, &(to, scale))) in axes.iter().zip(&sizes).enumerate() {
        let along = Axis { size: from[axis], to, scale };
        if filter.is_some() && transformation == Transformation::AlignCorners && along.is_uneven() {
            return Err(node.unsupported(
                "its scale makes no whole size, and implementations align corners differently then",
            ));
        }
        let reach = (4.0 / scale.min(1.0)).ceil() as usize;
        node.pay(&[to, if filter.is_some() && antialias { reach } else { 4 }])?;
        let of = |at: usize| -> Option<Weights> {
            let place = along.place(at, &transformation, i);
            if transformation.leaves_out(place, along.size) {
                return Some(None);
            }
            let Some(filter) = filter else {
                let nearest = place::rounded(place, rule(scale))?;
                return Some(Some(vec![(nearest.clamp(0.0, along.last()) as usize, 1.0)]));
            };
            let wide = if antialias { f64::from(scale) } else { 1.0 };
            let mut own = filter.around(f64::from(place), wide);
            if outside {
                own.retain(|(at, _)| (0..along.size as i64).contains(at));
                own = normalized(own);
            }
            let inside = |at: i64| at.clamp(0, along.size as i64 - 1) as usize;
            Some(Some(own.into_iter().map(|(at, weight)| (inside(at), weight)).collect()))
        };
        let found: Option<Vec<Weights>> = (0..to).map(of).collect();
        weights[axis] = found.ok_or_else(|| {
            node.malformed(format!("its coordinates are rounded by {}", rounding.escape_debug()))
        })?;
    }
    apply(node, x, &weights, beyond)
}

/// How coordinates are computed, with the part of each axis that is read.
fn transformation(node: &mut Node<'_>, axes: usize) -> Result<Transformation, OnnxError> {
    let name = node.text("coordinate_transformation_mode", "half_pixel");
    if name != "tf_crop_and_resize" {
        return Transformation::named(&name)
            .ok_or_else(|| node.malformed(format!("its coordinates are {}", name.escape_debug())));
    }
    let roi = node.take_floats(1)?.unwrap_or_default();
    match roi.len() == 2 * axes && roi.iter().all(|v| v.abs() < 1e6) {
        true => {
            let single = |v: &f64| *v as f32;
            let (starts, ends) = roi.split_at(axes);
            let pairs = starts.iter().map(single).zip(ends.iter().map(single));
            Ok(Transformation::Crop(pairs.collect()))
        }
        false => Err(node.malformed(format!("its roi has {} numbers", roi.len()))),
    }
}

/// The new size of each axis that is resized, and its scale.
fn sizes(
    node: &mut Node<'_>,
    operator: &str,
    old: bool,
    axes: &[usize],
    from: &[usize],
) -> Result<Vec<(usize, f32)>, OnnxError> {
    let (scales, sizes) = match (operator, old) {
        ("Upsample", _) if node.opset < 9 => (node.floats("scales")?, None),
        (_, true) => (node.take_floats(1)?, None),
        _ => (node.take_floats(2)?, node.take_ints(3)?),
    };
    let scales = scales.filter(|scales| !scales.is_empty());
    let sizes = sizes.filter(|sizes| !sizes.is_empty());
    let size = |i: usize| from[axes[i]] as f32;
    let made: Vec<(f32, f32)> = match (&scales, &sizes) {
        (Some(scales), None) if scales.len() == axes.len() => {
            let scaled = |(i, scale): (usize, &f64)| {
                let scale = *scale as f32;
                ((scale * size(i)).floor(), scale)
            };
            scales.iter().enumerate().map(scaled).collect()
        }
        (None, Some(sizes)) if sizes.len() == axes.len() => {
            let own: Vec<f32> =
                sizes.iter().enumerate().map(|(i, s)| *s as f32 / size(i)).collect();
            let policy = node.text("keep_aspect_ratio_policy", "stretch");
            let kept = match policy.as_str() {
                "stretch" => None,
                "not_larger" => Some(own.iter().copied().fold(f32::INFINITY, f32::min)),
                "not_smaller" => Some(own.iter().copied().fold(0.0, f32::max)),
                other => {
                    let other = other.escape_debug();
                    return Err(node.malformed(format!("its keep_aspect_ratio_policy is {other}")));
                }
            };
            let each = |i: usize| match kept {
                None => (sizes[i] as f32, own[i]),
                Some(scale) => ((scale * size(i)).round(), scale),
            };
            (0..axes.len()).map(each).collect()
        }
        _ => return Err(node.malformed("it needs one scale or one size an axis".into())),
    };
    let whole = |(i, (to, scale)): (usize, (f32, f32))| match to >= 1.0
        && to < (1u64 << 24) as f32
        && scale > 0.0
        && scale.is_finite()
    {
        true => Ok((to as usize, scale)),
        false => Err(node.malformed(format!("{} elements resized to {to}", size(i)))),
    };
    made.into_iter().enumerate().map(whole).collect()
}

/// Elements where each output has one, sums of weighted ones elsewhere.
fn apply(
    node: &mut Node<'_>,
    x: Value,
    weights: &[Vec<Weights>],
    beyond: f64,
) -> Result<Value, OnnxError> {
    let from = x.shape().to_vec();
    let to: Vec<usize> = weights.iter().map(Vec::len).collect();
    let single = |own: &Weights| match own.as_deref() {
        Some([(at, weight)]) if *weight == 1.0 => Some(*at),
        _ => None,
    };
    let choices: Option<Vec<Vec<usize>>> =
        weights.iter().map(|axis| axis.iter().map(single).collect()).collect();
    let len = node.pay(&to)?;
    if let Some(choices) = choices {
        let positions = shape::select(&from, &choices);
        return node.pick(x, to, &positions);
    }
    let most = |axis: &Vec<Weights>| {
        let counts = axis.iter().map(|own| own.as_ref().map_or(0, Vec::len));
        counts.max().unwrap_or(0).max(1)
    };
    let terms = weights.iter().map(most).fold(1usize, usize::saturating_mul);
    node.pay(&[len, terms.saturating_mul(2)])?;
    let (mut rows, mut bias) = (Vec::with_capacity(len), Vec::with_capacity(len));
    for at in 0..len {
        let (mut row, mut rest, mut stride) = (Some(vec![(0usize, 1.0)]), at, 1);
        for axis in (0..to.len()).rev() {
            let own = &weights[axis][rest % to[axis]];
            row = row.zip(own.as_ref()).map(|(row, own)| {
                let with = |&(index, weight): &(usize, f64)| {
                    own.iter().map(move |(place, w)| (index + place * stride, weight * w))
                };
                row.iter().flat_map(with).collect()
            });
            rest /= to[axis];
            stride *= from[axis];
        }
        bias.push(if row.is_none() { beyond } else { 0.0 });
        rows.push(merged(row.unwrap_or_default()));
    }
    weighted(node, x, to, rows, Some(bias))
}
