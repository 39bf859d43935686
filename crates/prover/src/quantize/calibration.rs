//! Ranges taken from samples.

use super::{Grid, Ranges, SchemaError, schema::check_length};

impl Ranges {
    /// Ranges that contain every sample, widened by a tenth of their width on both
    /// sides; a constant input gets a width of 1. Where all samples are whole the ends are, too: an
    /// input may take integers only. An input that is missing (NaN) in a sample may be missing.
    ///
    /// # Errors
    /// Samples of other lengths or none at all, infinite values, and inputs that are always missing.
    pub fn from_samples(samples: &[Vec<f64>], inputs: usize) -> Result<Self, SchemaError> {
        let mut input = vec![[f64::INFINITY, f64::NEG_INFINITY]; inputs];
        for sample in samples {
            check_length("inputs in a calibration sample", inputs, sample.len())?;
            for (index, (range, &value)) in input.iter_mut().zip(sample).enumerate() {
                if value.is_nan() {
                    continue;
                }
                if !value.is_finite() {
                    return Err(SchemaError::NotFinite {
                        element: format!("number {index}"),
                        value,
                    });
                }
                *range = [range[0].min(value), range[1].max(value)];
            }
        }
        check_length("calibration samples", 1, samples.len().min(1))?;
        if let Some(index) = input.iter().position(|[lo, hi]| lo > hi) {
            return Err(SchemaError::AlwaysMissing { index });
        }
        for range in &mut input {
            let margin = if range[0] < range[1] { (range[1] - range[0]) / 10.0 } else { 0.5 };
            *range = [range[0] - margin, range[1] + margin];
        }
        for (index, range) in input.iter_mut().enumerate() {
            let whole = |sample: &Vec<f64>| sample[index].is_nan() || sample[index].fract() == 0.0;
            if samples.iter().all(whole) {
                *range = range.map(f64::round);
            }
        }
        let grid = |(index, range): (usize, &[f64; 2])| {
            let missing = samples.iter().any(|sample| sample[index].is_nan());
            missing.then(|| Grid { missing, ..Grid::fitting(*range) })
        };
        let grids: Vec<_> = input.iter().enumerate().map(grid).collect();
        let grids = if grids.iter().any(Option::is_some) { grids } else { Vec::new() };
        Ok(Self { input, grids, private: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_ranges_contain_their_samples() {
        let samples = [vec![1.5, 0.5, 5.0, 0.0, 4.0], vec![2.5, 0.5, 5.0, 1.0, 72.0]];
        let ranges = Ranges::from_samples(&samples, 5).expect("two");
        let whole = [[5.0, 6.0], [0.0, 1.0], [-3.0, 79.0]];
        assert_eq!(ranges.input, [&[[1.4, 2.6], [0.0, 1.0]], &whole[..]].concat());
        assert!(Ranges::from_samples(&[], 2).is_err());
        // What is missing in a sample may be.
        let samples = [vec![f64::NAN, 1.0], vec![4.0, 0.5], vec![14.0, 1.0]];
        let ranges = Ranges::from_samples(&samples, 2).expect("two");
        assert_eq!(ranges.input, [[3.0, 15.0], [0.45, 1.05]]);
        assert_eq!(ranges.grids.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        assert!(ranges.grids[0].is_some_and(|grid| grid.missing && !grid.exact));
        assert!(matches!(
            Ranges::from_samples(&samples[..1], 2),
            Err(SchemaError::AlwaysMissing { index: 0 })
        ));
    }
}
