//! `decimals` beside declared ranges: in each range's object, or for all beside `min` and `max`.

use super::{
    array::{Array, Target},
    error::Problem,
    json::Value,
    place::Place,
};
use crate::quantize::grid::MAX_DECIMALS;

/// Takes the decimals out of what declares ranges: one for each number that the model takes.
pub(super) fn take(
    value: &mut Value,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Option<u32>>, Problem> {
    let none = || vec![None; target.elements()];
    match value {
        Value::Object(fields) => {
            let tensors = target.tensors;
            if tensors.iter().any(|tensor| fields.iter().any(|(key, _)| *key == tensor.name)) {
                let mut all = Vec::new();
                for (tensor, one) in tensors.iter().zip(target.each()) {
                    match fields.iter_mut().find(|(key, _)| *key == tensor.name) {
                        Some((key, value)) => all.append(&mut take(value, one, &place.key(key))?),
                        None => all.resize(all.len() + one.elements(), None),
                    }
                }
                return Ok(all);
            }
            if let [(key, value)] = fields.as_mut_slice()
                && matches!(key.as_str(), "input" | "inputs" | "ranges")
            {
                return take(value, target, &place.key(key));
            }
            let Some(at) = fields.iter().position(|(key, _)| key == "decimals") else {
                return Ok(none());
            };
            let (_, value) = fields.remove(at);
            let place = place.key("decimals");
            let array = array(value, &place)?;
            match array.values.as_slice() {
                [one] if array.shape.is_empty() => {
                    Ok(vec![Some(decimals(*one, &place)?); target.elements()])
                }
                values if target.fits(&array.shape) => {
                    values.iter().map(|one| decimals(*one, &place).map(Some)).collect()
                }
                _ => Err(target.mismatch(&array, &place)),
            }
        }
        Value::List(items) if items.len() == target.elements() => {
            let one = |(index, item): (usize, &mut Value)| {
                let Value::Object(fields) = item else { return Ok(None) };
                let Some(at) = fields.iter().position(|(key, _)| key == "decimals") else {
                    return Ok(None);
                };
                let (_, value) = fields.remove(at);
                let place = place.index(index).key("decimals");
                let array = array(value, &place)?;
                match (array.shape.as_slice(), array.values.as_slice()) {
                    ([], [one]) => Ok(Some(decimals(*one, &place)?)),
                    _ => Err(Problem::shape(&place, "a list", "one number".to_owned())),
                }
            };
            items.iter_mut().enumerate().map(one).collect()
        }
        _ => Ok(none()),
    }
}

fn array(value: Value, place: &Place) -> Result<Array, Problem> {
    match value {
        Value::Numbers(array) => Ok(array),
        Value::Wrong(problem) => Err(*problem),
        value => Err(Problem::value(place, value.describe(), "a number of decimals")),
    }
}

fn decimals(value: f64, place: &Place) -> Result<u32, Problem> {
    if value.fract() == 0.0 && (0.0..=f64::from(MAX_DECIMALS)).contains(&value) {
        return Ok(value as u32);
    }
    let expected = format!("a whole number of decimals from 0 to {MAX_DECIMALS}");
    Err(Problem::value(place, format!("the number {value}"), expected))
}
