//! What may stand beside declared ranges: in each range's object, or for all beside `min` and
//! `max`. `decimals`, and `missing` for what may be missing.

use super::{
    array::{Array, Target},
    error::Problem,
    json::Value,
    place::Place,
};
use crate::quantize::grid::MAX_DECIMALS;

/// A field, and what its numbers mean.
pub(super) struct Field<T> {
    name: &'static str,
    expected: &'static str,
    read: fn(f64) -> Option<T>,
}

/// How many decimals inputs have.
pub(super) const DECIMALS: Field<u32> = Field {
    name: "decimals",
    expected: "a whole number of decimals from 0 to 15",
    read: |value| {
        let whole = value.fract() == 0.0 && (0.0..=f64::from(MAX_DECIMALS)).contains(&value);
        whole.then_some(value as u32)
    },
};

/// Whether inputs may be missing.
pub(super) const MISSING: Field<bool> = Field {
    name: "missing",
    expected: "true or false",
    read: |value| match value {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    },
};

impl<T: Copy> Field<T> {
    /// Takes the field out of what declares ranges: one for each number that the model takes.
    pub(super) fn take(
        &self,
        value: &mut Value,
        target: Target<'_>,
        place: &Place,
    ) -> Result<Vec<Option<T>>, Problem> {
        let none = || vec![None; target.elements()];
        match value {
            Value::Object(fields) => {
                let tensors = target.tensors;
                if tensors.iter().any(|tensor| fields.iter().any(|(key, _)| *key == tensor.name)) {
                    let mut all = Vec::new();
                    for (tensor, one) in tensors.iter().zip(target.each()) {
                        match fields.iter_mut().find(|(key, _)| *key == tensor.name) {
                            Some((key, value)) => {
                                all.append(&mut self.take(value, one, &place.key(key))?);
                            }
                            None => all.resize(all.len() + one.elements(), None),
                        }
                    }
                    return Ok(all);
                }
                if let [(key, value)] = fields.as_mut_slice()
                    && matches!(key.as_str(), "input" | "inputs" | "ranges")
                {
                    return self.take(value, target, &place.key(key));
                }
                let Some(at) = fields.iter().position(|(key, _)| key == self.name) else {
                    return Ok(none());
                };
                let (_, value) = fields.remove(at);
                let place = place.key(self.name);
                let array = self.array(value, &place)?;
                match array.values.as_slice() {
                    [one] if array.shape.is_empty() => {
                        Ok(vec![Some(self.one(*one, &place)?); target.elements()])
                    }
                    values if target.fits(&array.shape) => {
                        values.iter().map(|one| self.one(*one, &place).map(Some)).collect()
                    }
                    _ => Err(target.mismatch(&array, &place)),
                }
            }
            Value::List(items) if items.len() == target.elements() => {
                let one = |(index, item): (usize, &mut Value)| {
                    let Value::Object(fields) = item else { return Ok(None) };
                    let Some(at) = fields.iter().position(|(key, _)| key == self.name) else {
                        return Ok(None);
                    };
                    let (_, value) = fields.remove(at);
                    let place = place.index(index).key(self.name);
                    let array = self.array(value, &place)?;
                    match (array.shape.as_slice(), array.values.as_slice()) {
                        ([], [one]) => Ok(Some(self.one(*one, &place)?)),
                        _ => {
                            let expected = self.expected.to_owned();
                            Err(Problem::shape(&place, "a list", expected))
                        }
                    }
                };
                items.iter_mut().enumerate().map(one).collect()
            }
            _ => Ok(none()),
        }
    }

    fn array(&self, value: Value, place: &Place) -> Result<Array, Problem> {
        match value {
            Value::Numbers(array) => Ok(array),
            Value::Wrong(problem) => Err(*problem),
            value => Err(Problem::value(place, value.describe(), self.expected)),
        }
    }

    fn one(&self, value: f64, place: &Place) -> Result<T, Problem> {
        let wrong = || Problem::value(place, format!("the number {value}"), self.expected);
        (self.read)(value).ok_or_else(wrong)
    }
}
