//! Windows that move over dimensions: what convolutions and pools share.

use crate::{
    graph::Convolution,
    onnx::{error::OnnxError, node::Node, shape::MAX_RANK},
};

/// More than any kernel, stride, dilation or pad is; keeps sums of products small.
const MAX: i64 = 1 << 24;

/// Windows over some dimensions, each list with a number for each of them.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) input: Vec<usize>,
    pub(super) output: Vec<usize>,
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    /// Before the first element.
    pub(super) before: Vec<usize>,
    /// Behind the last element.
    pub(super) after: Vec<usize>,
}

/// The dimensions that windows move over: all but batch and channels.
pub(super) fn spatial(node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>, OnnxError> {
    match shape {
        _ if shape.contains(&0) => Err(node.mismatch(format!("{shape:?} is empty"))),
        [_, _, spatial @ ..] if (1..=MAX_RANK - 2).contains(&spatial.len()) => Ok(spatial.to_vec()),
        _ => Err(node.mismatch(format!("{shape:?} is no batch of channels"))),
    }
}

/// A pair from one or two values, `one` where the height is missing.
pub(super) fn pair(values: &[usize], one: usize) -> [usize; 2] {
    match *values {
        [height, width] => [height, width],
        [width] => [one, width],
        _ => [one; 2],
    }
}

/// A list attribute of `count` positive numbers, ones where it is absent.
pub(super) fn positive(node: &Node<'_>, name: &str, count: usize) -> Result<Vec<usize>, OnnxError> {
    let Some(values) = node.ints(name) else { return Ok(vec![1; count]) };
    let fits = values.len() == count && values.iter().all(|v| (1..=MAX).contains(v));
    match fits {
        true => Ok(values.iter().map(|&v| v as usize).collect()),
        false => Err(node.malformed(format!(
            "attribute {name} is {}, it must be {count} positive numbers",
            brief(values)
        ))),
    }
}

/// A list attribute of `count` numbers that are not negative, zeros where it is absent.
pub(super) fn pads(node: &Node<'_>, name: &str, count: usize) -> Result<Vec<usize>, OnnxError> {
    let Some(values) = node.ints(name) else { return Ok(vec![0; count]) };
    let fits = values.len() == count && values.iter().all(|v| (0..=MAX).contains(v));
    match fits {
        true => Ok(values.iter().map(|&v| v as usize).collect()),
        false => Err(node.malformed(format!(
            "attribute {name} is {}, it must be {count} numbers that are not negative",
            brief(values)
        ))),
    }
}

fn brief(values: &[i64]) -> String {
    match values.len() {
        ..=8 => format!("{values:?}"),
        n => format!("{n} numbers"),
    }
}

impl Window {
    /// Reads strides, dilations and pads for a kernel.
    pub(super) fn read(
        node: &Node<'_>,
        input: &[usize],
        kernel: &[usize],
    ) -> Result<Self, OnnxError> {
        let n = input.len();
        if kernel.len() != n || kernel.iter().any(|&k| k == 0 || k as i64 > MAX) {
            return Err(node.malformed(format!("a kernel of {kernel:?} over {input:?}")));
        }
        let strides = positive(node, "strides", n)?;
        let dilations = positive(node, "dilations", n)?;
        let ceil = node.flag("ceil_mode", false)?;
        let given = pads(node, "pads", 2 * n)?;
        let auto = node.text("auto_pad", "NOTSET");
        if auto != "NOTSET" && given.iter().any(|&pad| pad != 0) {
            return Err(node.malformed("it has both auto_pad and pads".into()));
        }
        let (mut before, mut after) = (given[..n].to_vec(), given[n..].to_vec());
        let mut output = vec![0; n];
        for axis in 0..n {
            let (size, stride) = (input[axis], strides[axis]);
            let reach = (kernel[axis] - 1) * dilations[axis] + 1;
            if let "SAME_UPPER" | "SAME_LOWER" = auto.as_str() {
                let total = ((size.div_ceil(stride) - 1) * stride + reach).saturating_sub(size);
                let less = total / 2;
                (before[axis], after[axis]) = match auto == "SAME_UPPER" {
                    true => (less, total - less),
                    false => (total - less, less),
                };
            } else if auto != "NOTSET" && auto != "VALID" {
                return Err(node.malformed(format!("auto_pad {}", auto.escape_debug())));
            }
            let padded = size.saturating_add(before[axis] + after[axis]);
            let Some(room) = padded.checked_sub(reach) else {
                return Err(node.mismatch(format!(
                    "a window of {reach} over {size} elements with {} of padding",
                    before[axis] + after[axis]
                )));
            };
            output[axis] = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
            // The last window starts inside.
            if ceil && (output[axis] - 1) * stride >= size + before[axis] {
                output[axis] -= 1;
            }
        }
        let (input, kernel) = (input.to_vec(), kernel.to_vec());
        Ok(Self { input, output, kernel, strides, dilations, before, after })
    }

    /// The places along an axis of the input that window `at` covers.
    pub(super) fn covers(&self, axis: usize, at: usize) -> Vec<usize> {
        let place = |k: usize| {
            (at * self.strides[axis] + k * self.dilations[axis])
                .checked_sub(self.before[axis])
                .filter(|&place| place < self.input[axis])
        };
        (0..self.kernel[axis]).filter_map(place).collect()
    }

    /// How many places of window `at` are inside the input or its padding.
    pub(super) fn padded(&self, axis: usize, at: usize) -> usize {
        let end = self.input[axis] + self.before[axis] + self.after[axis];
        let place = |k: &usize| at * self.strides[axis] + k * self.dilations[axis] < end;
        (0..self.kernel[axis]).filter(place).count()
    }

    /// The convolution of these windows, over one dimension or two.
    pub(super) fn convolution(
        &self,
        [batch, groups, in_channels, out_channels]: [usize; 4],
        weights: Vec<f64>,
    ) -> Convolution<f64> {
        Convolution {
            batch,
            groups,
            in_channels,
            out_channels,
            in_size: pair(&self.input, 1),
            out_size: pair(&self.output, 1),
            kernel: pair(&self.kernel, 1),
            strides: pair(&self.strides, 1),
            pads: pair(&self.before, 0),
            dilations: pair(&self.dilations, 1),
            weights,
        }
    }

    /// The element of the input at `place` of window `at`, both row-major; none in the padding.
    pub(super) fn element(&self, mut at: usize, mut place: usize) -> Option<usize> {
        let (mut element, mut stride) = (0, 1);
        for axis in (0..self.input.len()).rev() {
            let (own, k) = (at % self.output[axis], place % self.kernel[axis]);
            let along = (own * self.strides[axis] + k * self.dilations[axis])
                .checked_sub(self.before[axis])
                .filter(|&along| along < self.input[axis])?;
            element += along * stride;
            stride *= self.input[axis];
            at /= self.output[axis];
            place /= self.kernel[axis];
        }
        Some(element)
    }
}
