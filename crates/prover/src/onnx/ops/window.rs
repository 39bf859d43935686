//! Windows that move over one or two dimensions: what convolutions and pools share.

use crate::onnx::{error::OnnxError, node::Node};

/// More than any kernel, stride, dilation or pad is; keeps sums of products small.
const MAX: i64 = 1 << 24;

/// Windows over `[height, width]`; with one dimension the height is 1.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) dilations: [usize; 2],
    /// Before the first row and column.
    pub(super) before: [usize; 2],
    /// Behind the last row and column.
    pub(super) after: [usize; 2],
}

/// The dimensions that windows move over: all but batch and channels.
pub(super) fn spatial(node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>, OnnxError> {
    match shape {
        _ if shape.contains(&0) => Err(node.mismatch(format!("{shape:?} is empty"))),
        [_, _, spatial @ ..] if (1..=2).contains(&spatial.len()) => Ok(spatial.to_vec()),
        [_, _, _, _, _, ..] => Err(node.unsupported(format!(
            "its input has {} dimensions besides batch and channels, one or two can be",
            shape.len() - 2
        ))),
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
        Ok(Self {
            input: pair(input, 1),
            output: pair(&output, 1),
            kernel: pair(kernel, 1),
            strides: pair(&strides, 1),
            dilations: pair(&dilations, 1),
            before: pair(&before, 0),
            after: pair(&after, 0),
        })
    }

    /// The rows (axis 0) or columns (axis 1) of the input that window `at` covers.
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

    /// The output's dimensions after batch and channels, as many as the input's.
    pub(super) fn dims(&self, rank: usize) -> Vec<usize> {
        self.output[2 - (rank - 2).min(2)..].to_vec()
    }
}
