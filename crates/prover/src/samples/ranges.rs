//! Declared ranges: `[[lo, hi], …]`, `{"min": …, "max": …}`, for all inputs or by name.

use super::{
    array::{Array, Target},
    assemble::{lacking, listed, not_an_array},
    error::Problem,
    json::Value,
    place::{Place, shortened},
};

type Range = [f64; 2];

/// What an object that declares a range may say; some keys were taken out before.
const KEYS: &str = "\"min\" and \"max\", and \"decimals\" and \"missing\" besides, or \"categories\" \
                    alone or with \"other\", and no other";

/// The range of each number that the model takes.
pub(super) fn ranges(value: Value, target: Target<'_>) -> Result<Vec<Range>, Problem> {
    let root = Place::default();
    let fields = match value {
        Value::Object(fields) => fields,
        value => return part(value, target, &root),
    };
    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
    let has = |name: &str| keys.iter().any(|key| key == name);
    let tensors = target.tensors;
    if tensors.iter().any(|tensor| has(&tensor.name)) {
        return by_name(fields, target, &root);
    }
    match keys.as_slice() {
        [key] if matches!(key.as_str(), "input" | "inputs" | "ranges") => {
            let place = root.key(key);
            let value = fields.into_iter().next().map_or(Value::Null, |(_, value)| value);
            part(value, target, &place)
        }
        _ if has("min") || has("max") => ends(fields, target, &root),
        _ => {
            let names =
                tensors.iter().take(8).map(|tensor| format!("\"{}\"", shortened(&tensor.name)));
            let expected = format!(
                "\"input\" alone, \"min\" and \"max\", or the model's own {}",
                names.collect::<Vec<_>>().join(", ")
            );
            Err(Problem::Keys { place: root, got: listed(&keys), expected })
        }
    }
}

fn by_name(
    mut fields: Vec<(String, Value)>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Range>, Problem> {
    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
    let mut all = Vec::with_capacity(target.elements().min(1 << 20));
    for (tensor, one) in target.tensors.iter().zip(target.each()) {
        let Some(at) = fields.iter().position(|(key, _)| *key == tensor.name) else {
            return Err(lacking(&keys, &tensor.name, place));
        };
        let (_, value) = fields.remove(at);
        all.append(&mut part(value, one, &place.key(&tensor.name))?);
    }
    if fields.is_empty() {
        return Ok(all);
    }
    let keys: Vec<_> = fields.into_iter().map(|(key, _)| key).collect();
    let expected = "no key besides the names of the model's inputs".into();
    Err(Problem::Keys { place: place.clone(), got: listed(&keys), expected })
}

/// The ranges of a target: pairs, objects, or one for all.
fn part(value: Value, target: Target<'_>, place: &Place) -> Result<Vec<Range>, Problem> {
    match value {
        Value::Numbers(array) => pairs(array, target, place),
        Value::Object(fields) => ends(fields, target, place),
        Value::List(items) => {
            if !items.iter().any(|item| matches!(item, Value::Object(_))) {
                return Err(uneven(&items, target, place));
            }
            let count = items.len();
            // An entry too few or too many is what is wrong, whatever they hold.
            expect_count(count, target, place)?;
            let mut all = Vec::with_capacity(count);
            for (index, item) in items.into_iter().enumerate() {
                let place = place.index(index);
                let one = single(item, target, &place)?;
                all.push(one);
            }
            Ok(all)
        }
        value => Err(not_pairs(value, target, place)),
    }
}

fn not_pairs(value: Value, target: Target<'_>, place: &Place) -> Problem {
    match value {
        Value::Wrong(problem) => *problem,
        value => {
            let expected = format!("a range [lo, hi] for each of {}", target.describe());
            Problem::value(place, value.describe(), expected)
        }
    }
}

/// Why a list without objects is not a list of pairs.
fn uneven(items: &[Value], target: Target<'_>, place: &Place) -> Problem {
    for (index, item) in items.iter().enumerate() {
        let place = place.index(index);
        match item {
            Value::Numbers(array) if array.shape == [2] => {}
            Value::Numbers(array) => return not_a_pair(array, &place),
            Value::List(ends) => return not_an_array(ends, target, &place),
            Value::Wrong(problem) => return (**problem).clone(),
            _ => return Problem::value(&place, item.describe(), "a range [lo, hi]"),
        }
    }
    not_an_array(items, target, place)
}

fn not_a_pair(array: &Array, place: &Place) -> Problem {
    let got = match array.shape.as_slice() {
        [] => "one number".to_owned(),
        [count] => format!("{count} numbers"),
        shape => format!("shape {shape:?}"),
    };
    Problem::shape(place, got, "a range [lo, hi]".to_owned())
}

/// One range of a list.
fn single(value: Value, target: Target<'_>, place: &Place) -> Result<Range, Problem> {
    match value {
        Value::Numbers(array) => match (array.shape.as_slice(), array.values.as_slice()) {
            ([2], [lo, hi]) => checked([*lo, *hi], place),
            _ => Err(not_a_pair(&array, place)),
        },
        Value::Object(fields) => {
            let (min, max) = min_and_max(fields, "a number", place)?;
            match (min.values.as_slice(), max.values.as_slice()) {
                ([lo], [hi]) if min.shape.is_empty() && max.shape.is_empty() => {
                    checked([*lo, *hi], place)
                }
                _ => {
                    let got = "lists of ends".to_owned();
                    Err(Problem::shape(place, got, "one number for each end".to_owned()))
                }
            }
        }
        value => Err(not_pairs(value, target, place)),
    }
}

fn expect_count(count: usize, target: Target<'_>, place: &Place) -> Result<(), Problem> {
    if count == target.elements() {
        return Ok(());
    }
    let plural = if count == 1 { "range" } else { "ranges" };
    let expected = format!("one for each of {}", target.describe());
    Err(Problem::shape(place, format!("{count} {plural}"), expected))
}

/// Pairs in a list or in the tensor's own shape; a single pair is for all.
fn pairs(array: Array, target: Target<'_>, place: &Place) -> Result<Vec<Range>, Problem> {
    let [outer @ .., 2] = array.shape.as_slice() else {
        if array.shape.len() > 1 {
            let place = (1..array.shape.len()).fold(place.clone(), |place, _| place.index(0));
            let row =
                Array { shape: array.shape.last().copied().into_iter().collect(), values: vec![] };
            return Err(not_a_pair(&row, &place));
        }
        let value = Value::Numbers(array);
        return Err(not_pairs(value, target, place));
    };
    if let ([], [lo, hi]) = (outer, array.values.as_slice()) {
        let range = checked([*lo, *hi], place)?;
        return Ok(vec![range; target.elements()]);
    }
    let count = array.values.len() / 2;
    let all: Result<Vec<Range>, Problem> = array
        .values
        .chunks_exact(2)
        .enumerate()
        .map(|(index, pair)| match (outer.len(), pair) {
            (1, &[lo, hi]) => checked([lo, hi], &place.index(index)),
            (_, &[lo, hi]) => checked([lo, hi], &at(place, index, outer)),
            _ => Ok([0.0; 2]),
        })
        .collect();
    let all = all?;
    if !target.fits(outer) {
        if outer.len() > 1 && count == target.elements() {
            let got = format!("ranges of shape {outer:?}");
            return Err(Problem::shape(place, got, target.describe()));
        }
        expect_count(count, target, place)?;
    }
    Ok(all)
}

/// The place of element `index` of an array of this shape.
fn at(place: &Place, index: usize, shape: &[usize]) -> Place {
    let mut step: usize = shape.iter().product();
    shape.iter().fold(place.clone(), |place, &dim| {
        step /= dim.max(1);
        place.index(index / step.max(1) % dim.max(1))
    })
}

/// The ends of a range, each `expected`.
fn min_and_max(
    fields: Vec<(String, Value)>,
    expected: &str,
    place: &Place,
) -> Result<(Array, Array), Problem> {
    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
    let (mut min, mut max, mut others) = (None, None, false);
    for (key, value) in fields {
        match key.as_str() {
            "min" => min = Some(value),
            "max" => max = Some(value),
            _ => others = true,
        }
    }
    match (min, max, others) {
        (Some(min), Some(max), false) => {
            let end = |value, key| match value {
                Value::Numbers(array) => Ok(array),
                Value::Wrong(problem) => Err(*problem),
                value => Err(Problem::value(&place.key(key), value.describe(), expected)),
            };
            Ok((end(min, "min")?, end(max, "max")?))
        }
        _ => {
            let expected = KEYS.into();
            Err(Problem::Keys { place: place.clone(), got: listed(&keys), expected })
        }
    }
}

/// `{"min": …, "max": …}`, each one number for all or one for each.
fn ends(
    fields: Vec<(String, Value)>,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Range>, Problem> {
    let expected = match target.elements() {
        1 => "a number".to_owned(),
        _ => format!("a number, or {}", target.describe()),
    };
    let (min, max) = min_and_max(fields, &expected, place)?;
    let spread = |array: Array, name: &str| match array.values.as_slice() {
        [one] if array.shape.is_empty() => Ok(vec![*one; target.elements()]),
        _ if target.fits(&array.shape) => Ok(array.values),
        _ => Err(target.mismatch(&array, &place.key(name))),
    };
    let single = min.shape.is_empty() && max.shape.is_empty();
    let (min, max) = (spread(min, "min")?, spread(max, "max")?);
    let one = |(index, (&lo, &hi)): (usize, (&f64, &f64))| {
        let place = if single { place.clone() } else { place.key("min").index(index) };
        checked([lo, hi], &place)
    };
    min.iter().zip(&max).enumerate().map(one).collect()
}

/// A range with room in it.
fn checked(range: Range, place: &Place) -> Result<Range, Problem> {
    let [lo, hi] = range;
    let why = if lo > hi {
        "it is reversed; the lower end comes first"
    } else if lo == hi {
        "it is a single value; declare where the input may lie, with room on a side"
    } else if !(hi - lo).is_finite() {
        "it is wider than 64-bit floats reach"
    } else {
        return Ok(range);
    };
    // A hundred digits say less than an exponent.
    let text = |value: f64| match value.abs() < 1e16 {
        true => value.to_string(),
        false => format!("{value:e}"),
    };
    let (lo, hi) = (text(lo), text(hi));
    Err(Problem::Range { place: place.clone(), lo, hi, why })
}
