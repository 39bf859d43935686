//! Where in the input an element of the output comes from.

/// A rule for coordinates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Transformation {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    /// Of a part of each axis, from and to such shares of it.
    Crop(Vec<(f32, f32)>),
}

impl Transformation {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "half_pixel" => Self::HalfPixel,
            "half_pixel_symmetric" => Self::HalfPixelSymmetric,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            "align_corners" => Self::AlignCorners,
            "asymmetric" => Self::Asymmetric,
            _ => return None,
        })
    }

    /// Whether what is there is no element's, but a constant.
    pub(super) fn leaves_out(&self, place: f32, size: usize) -> bool {
        matches!(self, Self::Crop(_)) && !(0.0..=(size - 1) as f32).contains(&place)
    }
}

/// An axis that is resized.
pub(super) struct Axis {
    pub(super) size: usize,
    pub(super) to: usize,
    pub(super) scale: f32,
}

impl Axis {
    pub(super) fn last(&self) -> f32 {
        (self.size - 1) as f32
    }

    /// Whether the scale makes no whole size.
    pub(super) fn is_uneven(&self) -> bool {
        (self.scale * self.size as f32 - self.to as f32).abs() > 1e-4
    }

    /// The coordinate in the input of output element `at`; `axis` counts those that are resized.
    pub(super) fn place(&self, at: usize, transformation: &Transformation, axis: usize) -> f32 {
        let (x, size, to, scale) = (at as f32, self.size as f32, self.to as f32, self.scale);
        match transformation {
            Transformation::Crop(parts) => {
                let (start, end) = parts[axis];
                match self.to {
                    1 => 0.5 * (start + end) * (size - 1.0),
                    _ => start * (size - 1.0) + x * (end - start) * (size - 1.0) / (to - 1.0),
                }
            }
            _ if scale == 1.0 => x,
            Transformation::PytorchHalfPixel if self.to == 1 => 0.0,
            Transformation::HalfPixel | Transformation::PytorchHalfPixel => (x + 0.5) / scale - 0.5,
            Transformation::Asymmetric => x / scale,
            Transformation::AlignCorners if self.to == 1 => 0.0,
            Transformation::AlignCorners => x * (size - 1.0) / (to - 1.0),
            Transformation::HalfPixelSymmetric => {
                let adjustment = to / (scale * size);
                let center = size / 2.0;
                center * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
            }
        }
    }
}

/// A coordinate rounded to an element's, by the standard's name of a rule.
pub(super) fn rounded(place: f32, rule: &str) -> Option<f32> {
    Some(match rule {
        "round_prefer_floor" if place == place.trunc() + 0.5 => place.floor(),
        "round_prefer_floor" => place.round(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_elements_are_those_of_the_standard() {
        let all = |size, to, transformation, rule| -> Vec<usize> {
            let transformation = Transformation::named(transformation).unwrap();
            let axis = Axis { size, to, scale: to as f32 / size as f32 };
            let place = |at| rounded(axis.place(at, &transformation, 0), rule).unwrap();
            (0..to).map(|at| place(at).clamp(0.0, axis.last()) as usize).collect()
        };
        assert_eq!(all(2, 4, "half_pixel", "round_prefer_floor"), [0, 0, 1, 1]);
        assert_eq!(all(2, 4, "asymmetric", "floor"), [0, 0, 1, 1]);
        assert_eq!(all(2, 4, "asymmetric", "ceil"), [0, 1, 1, 1]);
        assert_eq!(all(4, 8, "align_corners", "round_prefer_floor"), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(all(4, 2, "half_pixel", "round_prefer_floor"), [0, 2]);
        assert_eq!(all(4, 2, "half_pixel", "round_prefer_ceil"), [1, 3]);
    }
}
