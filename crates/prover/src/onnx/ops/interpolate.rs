//! Weights of what stands between elements, as Resize and GridSample have them.

/// The shape of a filter around a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Filter {
    /// Falls to 0 one element away.
    Linear,
    /// Keys' cubic convolution with its parameter, two elements wide at either side.
    Cubic(f64),
}

impl Filter {
    /// How many elements away it ends.
    fn reach(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic(_) => 2.0,
        }
    }

    /// Its weight of an element so far away.
    fn at(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Linear => (1.0 - x).max(0.0),
            Self::Cubic(a) if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Self::Cubic(a) if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Self::Cubic(_) => 0.0,
        }
    }

    /// The elements around `place` and their weights, which may be before the first or behind the
    /// last; the filter is widened by 1/`scale` where that is below 1, its weights then adding up
    /// to 1.
    pub(super) fn around(self, place: f64, scale: f64) -> Vec<(i64, f64)> {
        let scale = scale.min(1.0);
        let first = (-self.reach() / scale).floor() as i64 + 1;
        let below = place.floor();
        let of = |step: i64| {
            let weight = self.at((step as f64 - (place - below)) * scale);
            (below as i64 + step, weight)
        };
        let weights = (first..=1 - first).map(of).filter(|(_, weight)| *weight != 0.0).collect();
        if scale < 1.0 { normalized(weights) } else { weights }
    }
}

/// Weights that add up to 1.
pub(super) fn normalized(mut weights: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if sum != 0.0 {
        weights.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_keep_elements_in_their_places() {
        for filter in [Filter::Linear, Filter::Cubic(-0.75), Filter::Cubic(-0.5)] {
            assert_eq!(filter.around(3.0, 1.0), [(3, 1.0)]);
            for scale in [1.0, 0.7, 0.25] {
                for place in [-0.4, 0.3, 2.5, 7.9] {
                    let weights = filter.around(place, scale);
                    let sum: f64 = weights.iter().map(|(_, w)| w).sum();
                    let mean: f64 = weights.iter().map(|(at, w)| *at as f64 * w).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{filter:?} {scale} {place}: {sum}");
                    // Exactly with Keys' own parameter only.
                    let exact = scale == 1.0 && filter != Filter::Cubic(-0.75);
                    let off = (mean - place).abs();
                    assert!(off < if exact { 1e-9 } else { 0.2 }, "{filter:?} {off}");
                }
            }
        }
    }
}
