//! What files are taken for, and what is said of those that are refused.

mod categories;
mod hostile;
mod missing;
mod numpy;
mod ranges;
mod round_trips;
mod selection;
mod tables;
mod variants;

use super::*;

fn tensor(name: &str, shape: &[usize]) -> InputTensor {
    InputTensor::new(name, shape.to_vec())
}

/// The values of a JSON file's samples, or what is said of it.
fn json(content: impl AsRef<[u8]>, tensors: &[InputTensor]) -> Result<Vec<Vec<f64>>, String> {
    read(content, Some(Format::Json), tensors)
}

fn read(
    content: impl AsRef<[u8]>,
    said: Option<Format>,
    tensors: &[InputTensor],
) -> Result<Vec<Vec<f64>>, String> {
    let samples = parse(content.as_ref(), said, tensors).map_err(|problem| problem.to_string())?;
    let elements = Target { tensors }.elements();
    assert!(!samples.is_empty());
    for sample in &samples {
        assert_eq!(sample.values.len(), elements);
        assert!(!sample.values.iter().any(|value| value.is_infinite()));
    }
    Ok(samples.into_iter().map(|sample| sample.values).collect())
}

/// Asserts that a result is an error that says each of `parts`.
fn says<T: std::fmt::Debug>(result: Result<T, String>, parts: &[&str]) {
    let error = result.expect_err(&format!("was to be refused with {parts:?}"));
    assert!(!error.contains('\n'), "one line: {error}");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not said: {error}");
    }
}
