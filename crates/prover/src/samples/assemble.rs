//! From a JSON value to samples.

use super::{
    Sample,
    array::{Array, Target},
    categories::{self, Categories, no_numbers},
    error::Problem,
    json::Value,
    place::{Place, shortened},
};

/// Keys of numbers for all inputs, or of lists of samples.
const CONTENT: [&str; 7] = ["input", "inputs", "samples", "applicants", "instances", "data", EZKL];
/// EZKL's key: a list for each of the model's inputs.
const EZKL: &str = "input_data";
const ID: &str = "id";

/// The samples of a value.
pub(super) fn samples(
    value: Value,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Sample>, Problem> {
    if let Some(array) = categories::array(&value, target, place)? {
        return Ok(unnamed(target.samples(array, place)?));
    }
    match value {
        Value::Numbers(array) => {
            no_numbers(target, place)?;
            Ok(unnamed(target.samples(array, place)?))
        }
        Value::List(items) => list(items, target, place),
        Value::Object(fields) => object(fields, target, place),
        Value::Wrong(problem) => Err(*problem),
        Value::Text(_) | Value::Null => {
            Err(Problem::value(place, value.describe(), expected(target)))
        }
    }
}

/// What is expected of a target: a name where it is one element that has names.
fn expected(target: Target<'_>) -> String {
    let named = target.categories(0).filter(|own| target.elements() == 1 && own.has_names());
    named.map_or_else(|| target.describe(), Categories::describe)
}

fn unnamed(samples: Vec<Vec<f64>>) -> Vec<Sample> {
    samples.into_iter().map(|values| Sample { id: None, values }).collect()
}

/// A list that is not one array: of objects, or of one array for each input.
fn list(items: Vec<Value>, target: Target<'_>, place: &Place) -> Result<Vec<Sample>, Problem> {
    if !target.has_categories()
        && let Some(problem) = text_among_numbers(&items, place)
    {
        return Err(problem);
    }
    let items = match one_for_each(items, target, place)? {
        Ok(arrays) => return Ok(unnamed(join(arrays, target, place)?)),
        Err(items) => items,
    };
    let structured = |item: &Value| matches!(item, Value::Object(_) | Value::List(_));
    if !items.iter().any(structured) {
        return Err(not_an_array(&items, target, place));
    }
    let mut all = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let place = place.index(index);
        let mut samples = samples(item, target, &place)?;
        if samples.len() != 1 {
            let got = format!("{} samples", samples.len());
            return Err(Problem::shape(&place, got, "one sample".to_owned()));
        }
        all.append(&mut samples);
    }
    Ok(all)
}

/// The first string, or null, that stands among numbers.
fn text_among_numbers(items: &[Value], place: &Place) -> Option<Problem> {
    let number = |item: &Value| matches!(item, Value::Numbers(array) if array.shape.is_empty());
    let mixed = items.iter().any(number);
    items.iter().enumerate().find_map(|(index, item)| match item {
        Value::Text(_) | Value::Null if mixed => {
            let expected = match index {
                0 => "a number",
                _ => "a number, as the values before it",
            };
            Some(Problem::value(&place.index(index), item.describe(), expected))
        }
        Value::List(items) => text_among_numbers(items, &place.index(index)),
        _ => None,
    })
}

/// Takes a list as one array for each of several inputs, or gives it back.
fn one_for_each(
    items: Vec<Value>,
    target: Target<'_>,
    place: &Place,
) -> Result<Result<Vec<Array>, Vec<Value>>, Problem> {
    let mut arrays = Vec::with_capacity(target.tensors.len());
    if items.len() != target.tensors.len() {
        return Ok(Err(items));
    }
    for ((index, item), one) in items.iter().enumerate().zip(target.each()) {
        let place = place.index(index);
        let array = match item {
            Value::Numbers(array) if no_numbers(one, &place).is_ok() => Some(array.clone()),
            item => categories::array(item, one, &place)?,
        };
        match array.filter(|array| one.fits(&array.shape)) {
            Some(array) => arrays.push(array),
            None => return Ok(Err(items)),
        }
    }
    Ok(Ok(arrays))
}

/// Why a list is no array: an element that is no number, or lists of unequal lengths.
pub(super) fn not_an_array(items: &[Value], target: Target<'_>, place: &Place) -> Problem {
    let mut before: Option<&[usize]> = None;
    for (index, item) in items.iter().enumerate() {
        match (item, before) {
            (Value::Numbers(array), None) => before = Some(&array.shape),
            (Value::Numbers(array), Some(shape)) if array.shape == shape => {}
            (Value::Numbers(array), Some(shape)) => {
                return Problem::Ragged {
                    place: place.index(index),
                    got: array.shape.clone(),
                    before: shape.to_vec(),
                };
            }
            (Value::Wrong(problem), _) => return (**problem).clone(),
            // What is wrong is in it.
            (Value::List(inner), None) => {
                return not_an_array(inner, target, &place.index(index));
            }
            _ => {
                let names = target.categories(0).filter(|own| own.only);
                let expected = names.map_or("a number".into(), Categories::describe);
                return Problem::value(&place.index(index), item.describe(), expected);
            }
        }
    }
    Problem::shape(place, "a list", target.describe())
}

/// An object: one sample, or several under one key.
fn object(
    fields: Vec<(String, Value)>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Sample>, Problem> {
    let is_tensor = |key: &str| target.tensors.iter().any(|tensor| tensor.name == key);
    let mut content = Vec::new();
    let mut named = Vec::new();
    let mut id = None;
    let mut keys = Vec::new();
    for (key, value) in fields {
        keys.push(key.clone());
        if is_tensor(&key) {
            named.push((key, value));
        } else if CONTENT.contains(&key.as_str()) {
            content.push((key, value));
        } else if key == ID {
            id = Some(read_id(value, &place.key(ID))?);
        }
    }
    let wrong = |expected: String| {
        Err(Problem::Keys { place: place.clone(), got: listed(&keys), expected })
    };
    let mut found = match (content.len(), named.len()) {
        (0, 0) => return wrong(known(target)),
        (1, 0) => match content.pop() {
            Some((key, value)) if key == EZKL => ezkl(value, target, &place.key(EZKL))?,
            Some((key, value)) => samples(value, target, &place.key(&key))?,
            None => vec![],
        },
        (0, _) => by_name(named, target, place)?,
        _ => return wrong("only one of them to hold the samples".into()),
    };
    match (id, found.as_mut_slice()) {
        (Some(id), [sample]) => sample.id = Some(id),
        (Some(_), several) => {
            let got = format!("one id and {} samples", several.len());
            return Err(Problem::shape(place, got, "an id for each sample".to_owned()));
        }
        (None, _) => {}
    }
    Ok(found)
}

fn read_id(value: Value, place: &Place) -> Result<String, Problem> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(text),
        Value::Numbers(Array { shape, values }) if shape.is_empty() => match values.as_slice() {
            [id] if id.fract() == 0.0 => Ok(format!("{id:.0}")),
            _ => Err(Problem::value(place, "a fraction", "a string or an integer")),
        },
        Value::Wrong(problem) => Err(*problem),
        value => Err(Problem::value(place, value.describe(), "a string or an integer")),
    }
}

/// Values by the names of the model's inputs; other keys are the user's own.
fn by_name(
    mut named: Vec<(String, Value)>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Sample>, Problem> {
    if let ([tensor], 1) = (target.tensors, named.len())
        && let Some((_, value)) = named.pop()
    {
        return samples(value, target, &place.key(&tensor.name));
    }
    let mut parts = Vec::with_capacity(target.tensors.len());
    for one in target.each() {
        let name = one.tensors.first().map_or("", |tensor| tensor.name.as_str());
        let Some(at) = named.iter().position(|(key, _)| key == name) else {
            let keys: Vec<_> = named.into_iter().map(|(key, _)| key).collect();
            return Err(lacking(&keys, name, place));
        };
        let place = place.key(name);
        let array = array(std::mem::replace(&mut named[at].1, Value::Null), one, &place)?;
        parts.push(one.samples(array, &place)?);
    }
    Ok(unnamed(zip(parts, target, place)?))
}

/// A value that has to be numbers, or names of categories.
pub(super) fn array(value: Value, target: Target<'_>, place: &Place) -> Result<Array, Problem> {
    if let Some(array) = categories::array(&value, target, place)? {
        return Ok(array);
    }
    if let Value::Numbers(_) = value {
        no_numbers(target, place)?;
    }
    numbers(value, target, place)
}

/// A value that has to be numbers.
pub(super) fn numbers(value: Value, target: Target<'_>, place: &Place) -> Result<Array, Problem> {
    match value {
        Value::Numbers(array) => Ok(array),
        Value::List(items) => Err(not_an_array(&items, target, place)),
        Value::Wrong(problem) => Err(*problem),
        value => Err(Problem::value(place, value.describe(), expected(target))),
    }
}

/// EZKL's form: a list for each of the model's inputs, each with the numbers of one
/// sample or of several, one after the other.
fn ezkl(value: Value, target: Target<'_>, place: &Place) -> Result<Vec<Sample>, Problem> {
    if let Value::Numbers(_) = value {
        no_numbers(target, place)?;
    }
    let items = match value {
        Value::Numbers(array) if target.fits(&array.shape) && array.shape.len() <= 1 => {
            return Ok(unnamed(vec![array.values]));
        }
        Value::Numbers(array) if array.shape.len() > 1 => {
            if let [_] = target.tensors
                && array.shape.first() != Some(&1)
            {
                return Ok(unnamed(target.samples(array, place)?));
            }
            array.rows().into_iter().map(Value::Numbers).collect()
        }
        Value::List(items) => items,
        value => {
            let array = array(value, target, place)?;
            return Err(target.mismatch(&array, place));
        }
    };
    if items.len() != target.tensors.len() {
        let got = format!("{} lists", items.len());
        let expected = format!("one for each input: {}", target.describe());
        return Err(Problem::shape(place, got, expected));
    }
    let mut parts = Vec::with_capacity(items.len());
    for ((index, item), one) in items.into_iter().enumerate().zip(target.each()) {
        let place = place.index(index);
        let array = array(item, one, &place)?;
        let elements = one.elements();
        let flat = array.shape.len() == 1 && elements > 0 && !array.values.is_empty();
        parts.push(if flat && array.values.len() % elements == 0 {
            one.split(&array.values, &place)?
        } else {
            one.samples(array, &place)?
        });
    }
    Ok(unnamed(zip(parts, target, place)?))
}

/// One sample of one array for each input.
pub(super) fn join(
    arrays: Vec<Array>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Vec<f64>>, Problem> {
    let parts = arrays.into_iter().zip(target.each());
    let parts: Result<Vec<_>, _> = parts.map(|(array, one)| one.samples(array, place)).collect();
    zip(parts?, target, place)
}

/// Joins the samples of each input to samples of all of them.
pub(super) fn zip(
    parts: Vec<Vec<Vec<f64>>>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Vec<f64>>, Problem> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for (part, tensor) in parts.zip(target.tensors.iter().skip(1)) {
        if part.len() != all.len() {
            let name = shortened(&tensor.name);
            let got = format!("{} samples of \"{name}\"", part.len());
            let expected = format!("{}, as of the inputs before it", all.len());
            return Err(Problem::shape(place, got, expected));
        }
        for (sample, values) in all.iter_mut().zip(part) {
            sample.extend(values);
        }
    }
    Ok(all)
}

/// That an input is not among the keys that an object has.
pub(super) fn lacking(keys: &[String], name: &str, place: &Place) -> Problem {
    let expected = format!("\"{}\" too, which the model takes", shortened(name));
    Problem::Keys { place: place.clone(), got: listed(keys), expected }
}

/// Keys for a message.
pub(super) fn listed(keys: &[String]) -> String {
    if keys.is_empty() {
        return "no keys".into();
    }
    let shown: Vec<_> = keys.iter().take(8).map(|key| format!("\"{}\"", shortened(key))).collect();
    let more = if keys.len() > shown.len() { ", …" } else { "" };
    let plural = if keys.len() == 1 { "key" } else { "keys" };
    format!("the {plural} {}{more}", shown.join(", "))
}

fn known(target: Target<'_>) -> String {
    let names = target.tensors.iter().take(8).map(|tensor| shortened(&tensor.name));
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    format!("\"input\", \"samples\", \"input_data\", or the model's own {}", names.join(", "))
}
