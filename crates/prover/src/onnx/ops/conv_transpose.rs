//! ConvTranspose: a convolution of the input stretched by the strides, its kernel turned
//! around.

use super::{
    conv::{bias, groups, kernel},
    window::{pads, pair, positive, spatial},
};
use crate::{
    graph::{Convolution, Element, Linear, LinearMap, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (shape, weights) = kernel(node, &x)?;
    let input = spatial(node, x.shape())?;
    let n = input.len();
    if n > 2 {
        return Err(node.unsupported(format!(
            "its input has {n} dimensions besides batch and channels, one or two can be"
        )));
    }
    let [batch, in_channels] = [x.shape()[0], x.shape()[1]];
    let groups = groups(node)?;
    let out_channels = shape[1].checked_mul(groups);
    if shape[0] != in_channels || !in_channels.is_multiple_of(groups) {
        return Err(node.mismatch(format!(
            "{in_channels} channels in {groups} groups, a kernel of {shape:?}"
        )));
    }
    let out_channels = out_channels.ok_or_else(|| node.malformed("too many channels".into()))?;
    let strides = positive(node, "strides", n)?;
    let dilations = positive(node, "dilations", n)?;
    // Whole extent of the output, and what is cut off before its first element.
    let (mut full, mut before, mut output) = (vec![], vec![], vec![]);
    for axis in 0..n {
        let reach = (shape[2 + axis] - 1).checked_mul(dilations[axis]);
        let last = (input[axis] - 1).checked_mul(strides[axis]);
        let extent =
            reach.zip(last).and_then(|(a, b)| a.checked_add(b)).and_then(|e| e.checked_add(1));
        full.push(extent.ok_or_else(|| node.malformed("its output is too large".into()))?);
    }
    for axis in 0..n {
        let (pad, size) = cut(node, axis, n, full[axis], input[axis], strides[axis])?;
        before.push(pad);
        output.push(size);
    }
    let rank = x.shape().len();
    let (stretched, size, first) =
        stretch(node, x, &input, &strides, &shape[2..], &dilations, &before)?;
    let to = [&[batch, out_channels], &output[..]].concat();
    debug_assert_eq!(to.len(), rank);
    let bias = bias(node, out_channels, &to)?;
    let map = LinearMap::Convolution(Convolution {
        batch,
        groups,
        in_channels,
        out_channels,
        in_size: pair(&size, 1),
        out_size: pair(&output, 1),
        kernel: pair(&shape[2..], 1),
        strides: [1, 1],
        pads: pair(&first, 0),
        dilations: pair(&dilations, 1),
        weights: turned(&weights, &shape, groups),
    });
    let dtype = stretched.dtype();
    node.emit(Op::Linear(Linear { maps: vec![map], bias }), vec![stretched], to, dtype)
}

/// What is cut off before the first element along an axis, and how many are left.
fn cut(
    node: &Node<'_>,
    axis: usize,
    n: usize,
    full: usize,
    input: usize,
    stride: usize,
) -> Result<(usize, usize), OnnxError> {
    let extra = pads(node, "output_padding", n)?[axis];
    let given = pads(node, "pads", 2 * n)?;
    let whole = full.saturating_add(extra);
    let auto = node.text("auto_pad", "NOTSET");
    if auto != "NOTSET" && given.iter().any(|&pad| pad != 0) {
        return Err(node.malformed("it has both auto_pad and pads".into()));
    }
    let wanted = match (node.ints("output_shape"), auto.as_str()) {
        (Some(_), _) => Some(positive(node, "output_shape", n)?[axis]),
        (None, "SAME_UPPER" | "SAME_LOWER") => input.checked_mul(stride),
        (None, "NOTSET" | "VALID") => None,
        (None, other) => {
            return Err(node.malformed(format!("auto_pad {}", other.escape_debug())));
        }
    };
    let (pad, size) = match wanted {
        None => (given[axis], whole.checked_sub(given[axis] + given[n + axis])),
        Some(size) => {
            let Some(total) = whole.checked_sub(size) else {
                return Err(node.unsupported(format!(
                    "its output of {size} is longer than the {whole} elements it computes"
                )));
            };
            let less = total / 2;
            (if auto == "SAME_UPPER" { less } else { total - less }, Some(size))
        }
    };
    match size.filter(|&size| size > 0) {
        Some(size) => Ok((pad, size)),
        None => Err(node.mismatch(format!("{whole} elements, of which its pads leave none"))),
    }
}

/// x with zeros between its elements, without the elements that a negative pad would cut
/// off; its size, and the pads that are left for the convolution.
fn stretch(
    node: &mut Node<'_>,
    x: Value,
    input: &[usize],
    strides: &[usize],
    kernel: &[usize],
    dilations: &[usize],
    before: &[usize],
) -> Result<(Value, Vec<usize>, Vec<usize>), OnnxError> {
    let (mut size, mut first, mut cut) = (vec![], vec![], vec![]);
    for axis in 0..input.len() {
        let reach = (kernel[axis] - 1) * dilations[axis];
        let off = before[axis].saturating_sub(reach);
        let len = (input[axis] - 1) * strides[axis] + 1;
        let left = len.checked_sub(off).filter(|&left| left > 0);
        size.push(left.ok_or_else(|| node.mismatch("its pads leave none of its input".into()))?);
        first.push(reach.saturating_sub(before[axis]));
        cut.push(off);
    }
    if size == input {
        return Ok((x, size, first));
    }
    let (lead, dtype) = (x.shape()[..2].to_vec(), x.dtype());
    let to = [&lead[..], &size].concat();
    node.pay(&to)?;
    node.pay(&to)?;
    let mut places: Vec<Option<usize>> = (0..lead.iter().product()).map(Some).collect();
    for axis in 0..input.len() {
        let source = |at: usize| {
            let at = at + cut[axis];
            at.is_multiple_of(strides[axis]).then_some(at / strides[axis])
        };
        places = places
            .iter()
            .flat_map(|place| {
                (0..size[axis]).map(move |at| Some((*place)? * input[axis] + source(at)?))
            })
            .collect();
    }
    let element = |place| match place {
        Some(index) => Element::Input { input: 0, index },
        None => Element::Constant(0.0),
    };
    let elements = places.into_iter().map(element).collect();
    let stretched = node.emit(Op::Select(elements), vec![x], to, dtype)?;
    Ok((stretched, size, first))
}

/// The kernel `[in, out / groups, …]` as that of a convolution, `[out, in / groups, …]`,
/// every window turned around.
fn turned(weights: &[f64], shape: &[usize], groups: usize) -> Vec<f64> {
    let (ins, outs) = (shape[0] / groups, shape[1]);
    let window: usize = shape[2..].iter().product();
    let mut out = Vec::with_capacity(weights.len());
    for o in 0..outs * groups {
        let (group, o) = (o / outs, o % outs);
        for i in 0..ins {
            let start = ((group * ins + i) * outs + o) * window;
            out.extend(weights[start..start + window].iter().rev());
        }
    }
    out
}
