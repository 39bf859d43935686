//! Piecewise-linear approximation of a function of one variable.

/// Most points of a function.
pub const MAX_POINTS: usize = 1 << 13;

/// A piecewise-linear function: linear between its points, constant outside.
#[derive(Debug, Clone, PartialEq)]
pub struct PiecewiseLinear {
    /// (x, y), x ascending, at least one point.
    points: Vec<(f64, f64)>,
}

impl PiecewiseLinear {
    /// Approximates `function` on [lo, hi] within `tolerance`, and one and a half
    /// times that next to a point of inflection: chords deviate by twice the
    /// tolerance to one side and are shifted by half of it.
    ///
    /// From the left, every segment is made as long as the tolerance allows, so
    /// that segments are short only where the function bends. Where that takes more than
    /// [`MAX_POINTS`], the tolerance is widened until it does not.
    pub fn fit(function: impl Fn(f64) -> f64, lo: f64, hi: f64, tolerance: f64) -> Self {
        let mut tolerance = tolerance;
        loop {
            match Self::within(&function, lo, hi, tolerance) {
                Some(fitted) => return fitted,
                None => tolerance *= 16.0,
            }
        }
    }

    /// As [`fit`](Self::fit), or nothing where it takes too many points.
    fn within(function: impl Fn(f64) -> f64, lo: f64, hi: f64, tolerance: f64) -> Option<Self> {
        let chord_error = |a: f64, b: f64| {
            let (fa, fb) = (function(a), function(b));
            let deviation = |i: u32| {
                let t = f64::from(i) / 32.0;
                function(a + (b - a) * t) - (fa + (fb - fa) * t)
            };
            (1..32)
                .map(deviation)
                .fold(0.0, |worst: f64, d| if d.abs() > worst.abs() { d } else { worst })
        };
        let mut points = vec![(lo, function(lo))];
        // The middle of each segment's deviation, to be shared by its two ends.
        let mut shifts = Vec::new();
        let mut start = lo;
        while start < hi {
            let mut end = hi;
            if chord_error(start, hi).abs() > 2.0 * tolerance {
                let (mut short, mut long) = (start, hi);
                // 50 halvings: down to the rounding of f64.
                for _ in 0..50 {
                    let middle = 0.5 * (short + long);
                    if chord_error(start, middle).abs() > 2.0 * tolerance {
                        long = middle;
                    } else {
                        short = middle;
                    }
                }
                end = if short > start { short } else { long };
            }
            if points.len() == MAX_POINTS {
                return None;
            }
            shifts.push(chord_error(start, end) / 2.0);
            points.push((end, function(end)));
            start = end;
        }
        let last = points.len() - 1;
        for (index, point) in points.iter_mut().enumerate().take(last).skip(1) {
            let (left, right) = (shifts[index - 1], shifts[index]);
            // Where the curvature changes sign the function itself is the best value.
            if left * right > 0.0 {
                point.1 += if left.abs() < right.abs() { left } else { right };
            }
        }
        Some(Self { points })
    }

    /// A function given by its points; `None` unless x ascends strictly.
    pub fn from_points(points: Vec<(f64, f64)>) -> Option<Self> {
        let ascends = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (ascends && !points.is_empty()).then_some(Self { points })
    }

    /// The points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The function's value at x.
    pub fn evaluate(&self, x: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 <= x);
        let Some(&(x1, y1)) = self.points.get(after) else {
            return self.points[self.points.len() - 1].1;
        };
        let Some(&(x0, y0)) = after.checked_sub(1).and_then(|before| self.points.get(before))
        else {
            return y1;
        };
        y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    }

    /// The slope right of each point.
    pub fn slopes(&self) -> Vec<f64> {
        let between = self.points.windows(2).map(|p| (p[1].1 - p[0].1) / (p[1].0 - p[0].0));
        between.chain(std::iter::once(0.0)).collect()
    }

    /// Smallest and largest value.
    pub fn bounds(&self) -> (f64, f64) {
        self.points
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), (_, y)| (lo.min(*y), hi.max(*y)))
    }
}

/// 1 / (1 + exp(−x)).
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(fitted: &PiecewiseLinear, lo: f64, hi: f64) -> f64 {
        (0..=200_000)
            .map(|i| lo + (hi - lo) * f64::from(i) / 200_000.0)
            .map(|x| (fitted.evaluate(x) - sigmoid(x)).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn sigmoid_is_fitted_within_its_tolerance_by_few_points() {
        for (tolerance, most) in [(1e-4, 110), (2e-5, 240), (1e-6, 1100)] {
            let fitted = PiecewiseLinear::fit(sigmoid, -14.0, 14.0, tolerance);
            let error = worst(&fitted, -14.0, 14.0);
            assert!(error <= 1.5 * tolerance, "{tolerance}: {error}");
            assert!(fitted.points().len() <= most, "{tolerance}: {}", fitted.points().len());
        }
    }

    #[test]
    fn a_straight_line_needs_two_points() {
        assert_eq!(PiecewiseLinear::fit(|x| 3.0 * x, -1.0, 5.0, 1e-9).points().len(), 2);
    }

    #[test]
    fn outside_its_points_the_function_is_constant() {
        let f = PiecewiseLinear::from_points(vec![(0.0, 1.0), (2.0, 5.0)]).expect("ascends");
        assert_eq!([-1.0, 0.0, 1.0, 2.0, 9.0].map(|x| f.evaluate(x)), [1.0, 1.0, 3.0, 5.0, 5.0]);
        assert!(PiecewiseLinear::from_points(vec![(1.0, 0.0), (1.0, 1.0)]).is_none());
    }
}
