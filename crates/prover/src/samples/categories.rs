//! Categories: what an input file may say instead of a number, and `categories` in place of
//! a range.
//!
//! An input of strings takes names only; their numbers are the model's own. For an input of
//! numbers the ranges' file may name categories: `{"categories": {"A30": 0, "A31": 1}}`, or
//! `["A30", "A31"]`, counted from 0. `"other"` admits names besides: `true` for strings, which
//! the model then treats as it treats what it does not know, or a number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    array::{Array, InputTensor, Target},
    assemble::{lacking, listed},
    error::Problem,
    json::Value,
    place::{Place, shortened},
};

/// The names that an element of an input may be given by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categories {
    /// The number that each name stands for.
    pub names: BTreeMap<String, i64>,
    /// The number of every other name, where others are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<i64>,
    /// Whether it takes nothing but names, as inputs of strings do.
    pub only: bool,
    /// Whether it may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

/// Largest number that may stand for a category: floats hold all up to it.
const LARGEST: f64 = (1u64 << 53) as f64;
/// Keys that declare something, but no categories.
const DECLARING: [&str; 3] = ["min", "max", "other"];
/// Names that a message lists.
const LISTED: usize = 8;

impl Categories {
    /// Those of an input of strings, for a model that tells `vocabulary` apart.
    pub(super) fn of(vocabulary: &[String]) -> Self {
        let names = vocabulary.iter().zip(0..).map(|(name, code)| (name.clone(), code));
        Self { names: names.collect(), other: None, only: true, missing: false }
    }

    /// Those of an element of which the model tells some names of its `vocabulary` apart.
    pub(super) fn among(vocabulary: &[String], codes: &[usize]) -> Self {
        let name = |code: &usize| Some((vocabulary.get(*code)?.clone(), *code as i64));
        Self { names: codes.iter().filter_map(name).collect(), ..Self::of(&[]) }
    }

    /// Whether a number is that of no name.
    pub(super) fn is_unknown(&self, number: i64) -> bool {
        self.names.values().all(|code| *code != number)
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.names.get(name).copied().or(self.other).map(|code| code as f64)
    }

    /// The range of all numbers, with room on a side.
    pub fn range(&self) -> [f64; 2] {
        let all = || self.names.values().copied().chain(self.other);
        let (lo, hi) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
        [lo as f64, hi.max(lo.saturating_add(1)) as f64]
    }

    /// The number of a name in a file, or what is wrong with it; NaN of a missing value.
    pub(super) fn read(&self, name: &str) -> Result<f64, (String, String)> {
        if self.missing && name.eq_ignore_ascii_case("nan") {
            return Ok(f64::NAN);
        }
        self.number(name)
            .ok_or_else(|| (format!("the category \"{}\"", shortened(name)), self.describe()))
    }

    /// Whether there are names to choose from.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// What is expected, for a message.
    pub(super) fn describe(&self) -> String {
        let names = self.names.keys().take(LISTED).map(|name| format!("\"{}\"", shortened(name)));
        let more = if self.names.len() > LISTED { ", …" } else { "" };
        if self.names.is_empty() && self.other.is_some() {
            return "any name: the model does not read it".into();
        }
        if self.names.is_empty() && !self.only {
            return "a number, or null where it is missing".into();
        }
        let or = if self.only { "" } else { ", or a number" };
        format!("one of {}{more}{or}", names.collect::<Vec<_>>().join(", "))
    }
}

/// Takes categories out of what declares ranges, and puts their ranges in their place. Gives
/// those of each element that has any.
pub(super) fn take(
    value: &mut Value,
    target: Target<'_>,
    place: &Place,
) -> Result<Vec<Option<Categories>>, Problem> {
    let tensors = target.tensors;
    match value {
        Value::Object(fields) => {
            let named = |name: &str, fields: &[(String, Value)]| {
                fields.iter().position(|(key, _)| key == name)
            };
            if tensors.iter().any(|tensor| named(&tensor.name, fields).is_some()) {
                // Said before strings that need no range are among the keys.
                let lacks = |tensor: &&InputTensor| {
                    !tensor.takes_names_only() && named(&tensor.name, fields).is_none()
                };
                if let Some(tensor) = tensors.iter().find(lacks) {
                    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
                    return Err(lacking(&keys, &tensor.name, place));
                }
                let mut all = Vec::new();
                for one in target.each() {
                    let Some(tensor) = one.tensors.first() else { continue };
                    let own = match named(&tensor.name, fields) {
                        Some(at) => take(&mut fields[at].1, one, &place.key(&tensor.name))?,
                        None => {
                            // Inputs of strings have a range without being declared.
                            let own = own(one);
                            if tensor.takes_names_only() {
                                fields.push((tensor.name.clone(), ranges(&own)));
                            }
                            own
                        }
                    };
                    all.extend(own);
                }
                return Ok(all);
            }
            if let [(key, value)] = fields.as_mut_slice()
                && matches!(key.as_str(), "input" | "inputs" | "ranges")
            {
                return take(value, target, &place.key(key));
            }
            if named("categories", fields).is_none() {
                let declares = fields.iter().any(|(key, _)| DECLARING.contains(&key.as_str()));
                let names = tensors.iter().any(InputTensor::takes_names_only);
                return if declares && names {
                    Err(no_range(fields, place))
                } else {
                    Ok(own(target))
                };
            }
            let elements = target.elements();
            let mut all = Vec::with_capacity(elements.min(1 << 20));
            // One declaration for all elements.
            for index in 0..elements {
                if index > 0 && target.categories(index) == target.categories(0) {
                    all.push(all.first().cloned().flatten());
                    continue;
                }
                all.push(Some(declared(fields, target.categories(index), place)?));
            }
            if elements > 0 {
                *value = ranges(&all);
            }
            Ok(all)
        }
        Value::List(items) if items.len() == target.elements() => {
            let mut all = own(target);
            for (index, (item, own)) in items.iter_mut().zip(&mut all).enumerate() {
                let place = place.index(index);
                let only = target.categories(index).filter(|own| own.only);
                let Value::Object(fields) = item else {
                    match only {
                        Some(only) => return Err(wrong(item, &place, &only.describe())),
                        None => continue,
                    }
                };
                let named = fields.iter().any(|(key, _)| key == "categories");
                if !named && only.is_some() {
                    return Err(no_range(fields, &place));
                }
                if named {
                    let declared = declared(fields, target.categories(index), &place)?;
                    *item = range(&declared);
                    *own = Some(declared);
                }
            }
            Ok(all)
        }
        Value::Numbers(_) => {
            no_numbers(target, place)?;
            Ok(own(target))
        }
        _ => Ok(own(target)),
    }
}

/// What is said of a range that is declared for strings.
fn no_range(fields: &[(String, Value)], place: &Place) -> Problem {
    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
    let expected = "\"categories\", for the model takes names there, and \"other\" besides".into();
    Problem::Keys { place: place.clone(), got: listed(&keys), expected }
}

/// The categories that a target has without any being declared.
fn own(target: Target<'_>) -> Vec<Option<Categories>> {
    (0..target.elements()).map(|index| target.categories(index).cloned()).collect()
}

/// The declaration of the ranges of elements that have categories: one where they have the same.
fn ranges(all: &[Option<Categories>]) -> Value {
    let mut each = all.iter().flatten();
    match each.next() {
        Some(first) if each.all(|own| own.range() == first.range()) => range(first),
        _ => Value::List(all.iter().flatten().map(range).collect()),
    }
}

/// The declaration of a range of integers.
fn range(categories: &Categories) -> Value {
    let [lo, hi] = categories.range();
    let field = |key: &str, value| (key.to_owned(), Value::Numbers(Array::number(value)));
    Value::Object(vec![field("min", lo), field("max", hi), field("decimals", 0.0)])
}

/// What `{"categories": …}` declares for an element that has `own` already.
fn declared(
    fields: &[(String, Value)],
    own: Option<&Categories>,
    place: &Place,
) -> Result<Categories, Problem> {
    let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
    if keys.iter().any(|key| !matches!(key.as_str(), "categories" | "other")) {
        let expected = "\"categories\", \"other\", and no other".into();
        return Err(Problem::Keys { place: place.clone(), got: listed(&keys), expected });
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let strings = own.filter(|own| own.only);
    // What the model does not read may be called anything.
    if let Some(any) = strings.filter(|own| own.names.is_empty() && own.other.is_some()) {
        return Ok(any.clone());
    }
    let at = place.key("categories");
    let mut names = BTreeMap::new();
    let mut add = |name: &str, code: i64, place: &Place| match names.insert(name.to_owned(), code) {
        None => Ok(()),
        Some(_) => Err(Problem::DuplicateKey { place: place.clone(), key: name.to_owned() }),
    };
    match (field("categories"), strings) {
        (Some(Value::List(items)), _) => {
            for (index, item) in items.iter().enumerate() {
                let Value::Text(name) = item else {
                    return Err(wrong(item, &at.index(index), "a category's name"));
                };
                // Its place in the list is not what such a name says.
                if let (None, Ok(number)) = (strings, name.trim().parse::<f64>())
                    && number != index as f64
                {
                    let found = format!("the name \"{}\"", shortened(name));
                    let expected = format!(
                        "a name that is no other number than {index}, its place: give names and their \
                         numbers, {{\"{0}\": {0}}}",
                        shortened(name)
                    );
                    return Err(Problem::value(&at.index(index), found, expected));
                }
                let code = match strings {
                    None => index as i64,
                    Some(own) => *own.names.get(name).ok_or_else(|| {
                        let found = format!("the category \"{}\"", shortened(name));
                        let expected = format!("{}, which the model knows", own.describe());
                        Problem::value(&at.index(index), found, expected)
                    })?,
                };
                add(name, code, &at)?;
            }
        }
        (Some(Value::Object(fields)), None) => {
            for (name, value) in fields {
                add(name, code(value, &at.key(name))?, &at)?;
            }
        }
        (Some(Value::Numbers(array)), _) if array.values.is_empty() => {}
        (value, _) => {
            let expected = match strings {
                None => "a list of names, or names and their numbers",
                Some(_) => "a list of names; the model itself says what each stands for",
            };
            return Err(wrong(value.unwrap_or(&Value::Null), &at, expected));
        }
    }
    if names.is_empty() {
        return Err(Problem::shape(&at, "no names", "one at least".to_owned()));
    }
    let other = match (field("other"), strings) {
        (None, _) => None,
        (Some(Value::Numbers(array)), Some(own)) if array.shape.is_empty() => {
            let admitted = array.values.first().is_some_and(|value| *value != 0.0);
            // What it knows is not to be taken for what it does not know.
            if let Some(known) =
                own.names.keys().find(|name| admitted && !names.contains_key(*name))
            {
                let found = format!("not \"{}\"", shortened(known));
                let expected =
                    "all names that the model knows, where others are admitted".to_owned();
                return Err(Problem::value(&at, found, expected));
            }
            // Behind all names, so it is none of them.
            admitted.then_some(own.names.values().max().map_or(0, |last| last + 1))
        }
        (Some(value), Some(_)) => {
            return Err(wrong(value, &place.key("other"), "true or false"));
        }
        (Some(value), None) => Some(code(value, &place.key("other"))?),
    };
    Ok(Categories { names, other, only: strings.is_some(), missing: false })
}

/// The number of a category.
fn code(value: &Value, place: &Place) -> Result<i64, Problem> {
    let expected = "a whole number";
    match value {
        Value::Numbers(array) => match (array.shape.as_slice(), array.values.as_slice()) {
            ([], [value]) if value.fract() == 0.0 && value.abs() <= LARGEST => Ok(*value as i64),
            _ => Err(wrong(&Value::Numbers(array.clone()), place, expected)),
        },
        value => Err(wrong(value, place, expected)),
    }
}

fn wrong(value: &Value, place: &Place, expected: &str) -> Problem {
    match value {
        Value::Wrong(problem) => (**problem).clone(),
        value => Problem::value(place, value.describe(), expected),
    }
}

/// Numbers and names as an array of the target, if that is all there is, in lists of one
/// shape; otherwise nothing.
///
/// # Errors
/// A name that its element does not know, or a number where only names are taken.
pub(super) fn array(
    value: &Value,
    target: Target<'_>,
    place: &Place,
) -> Result<Option<Array>, Problem> {
    if !target.has_categories() {
        return Ok(None);
    }
    let mut reader = Reader { target, values: Vec::new(), named: false };
    let Some(shape) = reader.shape(value) else { return Ok(None) };
    if !reader.named {
        return Ok(None);
    }
    reader.fill(value, place)?;
    Ok(Some(Array { shape, values: reader.values }))
}

struct Reader<'a> {
    target: Target<'a>,
    values: Vec<f64>,
    /// Whether there is a name, or a missing value.
    named: bool,
}

impl Reader<'_> {
    fn shape(&mut self, value: &Value) -> Option<Vec<usize>> {
        match value {
            Value::Numbers(array) => Some(array.shape.clone()),
            Value::Text(_) => {
                self.named = true;
                Some(vec![])
            }
            Value::List(items) => {
                let mut shape = None;
                for item in items {
                    let own = self.shape(item)?;
                    if shape.get_or_insert_with(|| own.clone()) != &own {
                        return None;
                    }
                }
                Some([vec![items.len()], shape.unwrap_or_default()].concat())
            }
            Value::Null if self.target.may_miss() => {
                self.named = true;
                Some(vec![])
            }
            Value::Object(_) | Value::Null | Value::Wrong(_) => None,
        }
    }

    fn fill(&mut self, value: &Value, place: &Place) -> Result<(), Problem> {
        let element = |at: usize| at % self.target.elements().max(1);
        match value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.fill(item, &place.index(index))?;
                }
            }
            Value::Text(name) => {
                let number = match self.target.categories(element(self.values.len())) {
                    Some(categories) => categories.read(name),
                    None => Err((value.describe(), "a number".into())),
                };
                let (found, expected) = match number {
                    Ok(number) => {
                        self.values.push(number);
                        return Ok(());
                    }
                    Err(wrong) => wrong,
                };
                return Err(Problem::value(place, found, expected));
            }
            Value::Numbers(array) => {
                for value in &array.values {
                    let own = self.target.categories(element(self.values.len()));
                    if let Some(categories) = own.filter(|own| own.only) {
                        let found = format!("the number {value}");
                        return Err(Problem::value(place, found, categories.describe()));
                    }
                    self.values.push(*value);
                }
            }
            Value::Null => {
                let own = self.target.categories(element(self.values.len()));
                if !own.is_some_and(|own| own.missing) {
                    return Err(Problem::value(place, value.describe(), "a number"));
                }
                self.values.push(f64::NAN);
            }
            Value::Object(_) | Value::Wrong(_) => {}
        }
        Ok(())
    }
}

/// Refuses numbers where names only are taken.
pub(super) fn no_numbers(target: Target<'_>, place: &Place) -> Result<(), Problem> {
    let first = target
        .tensors
        .iter()
        .zip(target.each())
        .find_map(|(tensor, one)| Some((tensor, one.categories(0).filter(|own| own.only)?)));
    match first {
        None => Ok(()),
        Some((tensor, categories)) => {
            let expected =
                format!("names for \"{}\": {}", shortened(&tensor.name), categories.describe());
            Err(Problem::value(place, "numbers", expected))
        }
    }
}
