//! GridSample at constant places, and AffineGrid of constant sizes: linear maps both.

use super::{
    constant,
    interpolate::Filter,
    sums::{merged, weighted},
};
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor},
};

/// Keys' parameter, as the standard fixes it here.
const CUBIC: f64 = -0.75;

/// What is read beyond an axis' ends.
#[derive(Clone, Copy, PartialEq)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

/// An axis of the input.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    align: bool,
    padding: Padding,
}

impl Axis {
    /// The coordinate of a place from −1 to 1, put inside the ends as the padding says; computed
    /// in float32.
    fn coordinate(&self, place: f64, filter: Option<Filter>) -> f64 {
        let (n, size) = (place as f32, self.size as f32);
        let x = match self.align {
            true => (n + 1.0) / 2.0 * (size - 1.0),
            false => ((n + 1.0) * size - 1.0) / 2.0,
        };
        let x = f64::from(if filter.is_none() { x.round_ties_even() } else { x });
        let (low, high) = self.ends();
        match self.padding {
            Padding::Border if x < low || x > high => x.clamp(0.0, self.size as f64 - 1.0),
            Padding::Reflection if x < low || x > high => self.reflected(x),
            _ => x,
        }
    }

    fn ends(&self) -> (f64, f64) {
        match self.align {
            true => (0.0, self.size as f64 - 1.0),
            false => (-0.5, self.size as f64 - 0.5),
        }
    }

    fn reflected(&self, x: f64) -> f64 {
        let (low, high) = self.ends();
        let range = high - low;
        if range <= 0.0 {
            return low;
        }
        let over = (x - low).rem_euclid(2.0 * range);
        low + if over > range { 2.0 * range - over } else { over }
    }

    /// The element at an index that may be beyond the ends.
    fn element(&self, at: i64) -> Option<usize> {
        let last = self.size as i64 - 1;
        if (0..=last).contains(&at) {
            return Some(at as usize);
        }
        match self.padding {
            Padding::Zeros => None,
            Padding::Border => Some(at.clamp(0, last) as usize),
            Padding::Reflection => Some((self.reflected(at as f64) as i64).clamp(0, last) as usize),
        }
    }
}

pub(super) fn sample(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let Value::Const(Tensor { shape: places, data: Data::Float(grid), .. }) = node.take(1)? else {
        return Err(node.unsupported("its places are not constants"));
    };
    let filter = match node.text("mode", "linear").as_str() {
        "linear" | "bilinear" => Some(Filter::Linear),
        "cubic" | "bicubic" => Some(Filter::Cubic(CUBIC)),
        "nearest" => None,
        other => return Err(node.malformed(format!("its mode is {}", other.escape_debug()))),
    };
    let padding = match node.text("padding_mode", "zeros").as_str() {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection,
        other => return Err(node.malformed(format!("its padding is {}", other.escape_debug()))),
    };
    let align = node.flag("align_corners", false)?;
    let from = x.shape().to_vec();
    let spatial = from.len().saturating_sub(2);
    let fits = spatial > 0
        && places.len() == from.len()
        && places[0] == from[0]
        && places.last() == Some(&spatial)
        && !from.contains(&0)
        && !places.contains(&0);
    if !fits || grid.iter().any(|place| place.abs() > 1e6) {
        return Err(node.mismatch(format!("places of shape {places:?} in {from:?}")));
    }
    let axes: Vec<Axis> = from[2..].iter().map(|&size| Axis { size, align, padding }).collect();
    let to = [&from[..2], &places[1..=spatial]].concat();
    let len = node.pay(&to)?;
    let reach = match filter {
        None => 1usize,
        Some(Filter::Linear) => 2,
        Some(Filter::Cubic(_)) => 4,
    };
    let terms = (0..spatial).fold(1usize, |all, _| all.saturating_mul(reach));
    node.pay(&[len, terms.saturating_mul(2)])?;
    let plane: usize = from[2..].iter().product();
    let count = places[1..=spatial].iter().product::<usize>();
    let row = |at: usize| {
        let (channel, place) = (at / count, at % count);
        let batch = channel / from[1];
        let start = (batch * count + place) * spatial;
        let mut row = vec![(channel * plane, 1.0)];
        let mut stride = 1;
        // The last axis is named first.
        for (axis, place) in axes.iter().rev().zip(&grid[start..start + spatial]) {
            let coordinate = axis.coordinate(*place, filter);
            let around = match filter {
                None => vec![(coordinate as i64, 1.0)],
                Some(filter) => filter.around(coordinate, 1.0),
            };
            let inside = around.iter().filter_map(|(at, w)| Some((axis.element(*at)?, *w)));
            let own: Vec<(usize, f64)> = inside.collect();
            let with = |&(index, weight): &(usize, f64)| {
                own.iter().map(move |(at, w)| (index + at * stride, weight * w))
            };
            row = row.iter().flat_map(with).collect();
            stride *= axis.size;
        }
        merged(row)
    };
    weighted(node, x, to, (0..len).map(row), None)
}

/// θ·(x, y, 1) of every place of a grid from −1 to 1, of two or three dimensions.
pub(super) fn affine(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let theta = node.take_real(0)?;
    let size = constant::dimensions(node, 1)?;
    let align = node.flag("align_corners", false)?;
    let spatial = size.len().saturating_sub(2);
    let fits = (2..=3).contains(&spatial)
        && !size.contains(&0)
        && theta.shape() == [size[0], spatial, spatial + 1];
    if !fits {
        return Err(node.mismatch(format!("θ of shape {:?} for {size:?}", theta.shape())));
    }
    let to = [&size[..1], &size[2..], &[spatial]].concat();
    let len = node.pay(&to)?;
    node.pay(&[len, 2 * (spatial + 1)])?;
    let count: usize = size[2..].iter().product();
    let coordinate = |at: usize, size: usize| match align {
        true if size == 1 => -1.0,
        true => -1.0 + 2.0 * at as f64 / (size - 1) as f64,
        false => -1.0 + (2 * at + 1) as f64 / size as f64,
    };
    let row = |at: usize| {
        let (place, own) = (at / spatial, at % spatial);
        let (batch, mut rest) = (place / count, place % count);
        let first = (batch * spatial + own) * (spatial + 1);
        let mut row = Vec::with_capacity(spatial + 1);
        // The last dimension is θ's first.
        for (column, size) in size[2..].iter().rev().enumerate() {
            row.push((first + column, coordinate(rest % size, *size)));
            rest /= size;
        }
        row.push((first + spatial, 1.0));
        row
    };
    weighted(node, theta, to, (0..len).map(row), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_an_end_is_padded_as_the_mode_says() {
        let axis = |padding, align| Axis { size: 4, align, padding };
        assert_eq!(axis(Padding::Zeros, true).element(-1), None);
        assert_eq!(axis(Padding::Border, true).element(9), Some(3));
        // About the last element, and about the edge half an element behind it.
        assert_eq!(axis(Padding::Reflection, true).element(4), Some(2));
        assert_eq!(axis(Padding::Reflection, false).element(4), Some(3));
        assert_eq!(axis(Padding::Reflection, true).element(-7), Some(1));
        let alone = Axis { size: 1, align: true, padding: Padding::Reflection };
        assert_eq!(alone.element(5), Some(0));
        assert_eq!(axis(Padding::Border, true).coordinate(1.0, Some(Filter::Linear)), 3.0);
        assert_eq!(axis(Padding::Zeros, false).coordinate(1.0, Some(Filter::Linear)), 3.5);
    }
}
