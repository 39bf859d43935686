//! JSON with numbers packed into arrays as they come.
//!
//! A general JSON tree takes some thirty bytes a number, rounds integers it cannot hold
//! without a word, keeps the last of two equal keys, and forgets where a value stood. Here
//! lists of numbers become an [`Array`] at once, eight bytes a number; numbers are
//! rounded correctly; and what cannot be used is remembered with its place
//! ([`Value::Wrong`]), as an error for whoever wants that value and for nobody else: a
//! file may hold more than samples.

use super::{
    array::{Array, MAX_NUMBERS},
    error::Problem,
    place::{Place, shortened},
    text::{Text, number_length},
};

/// Deepest nesting of lists and objects.
const MAX_DEPTH: usize = 64;
/// Values other than packed numbers.
const MAX_VALUES: usize = 1 << 21;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A number or lists of them, nested to one shape. Booleans are 0 and 1.
    Numbers(Array),
    /// Any other list.
    List(Vec<Value>),
    /// Keys in the file's order, each once.
    Object(Vec<(String, Value)>),
    /// A string.
    Text(String),
    /// null.
    Null,
    /// A value that nobody can use, and why.
    Wrong(Box<Problem>),
}

impl Value {
    /// Whether it is neither a list nor an object.
    fn is_single(&self) -> bool {
        match self {
            Self::Numbers(array) => array.shape.is_empty(),
            Self::Text(_) | Self::Null => true,
            Self::List(_) | Self::Object(_) | Self::Wrong(_) => false,
        }
    }

    /// What it is, for a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Numbers(array) => match array.shape.as_slice() {
                [] => array.values.first().map_or_else(String::new, |v| format!("the number {v}")),
                [_] => "a list of numbers".into(),
                shape => format!("an array of shape {shape:?}"),
            },
            Self::List(_) => "a list".into(),
            Self::Object(_) => "an object".into(),
            Self::Text(text) => format!("the string \"{}\"", shortened(text)),
            Self::Null => "null".into(),
            Self::Wrong(problem) => problem.to_string(),
        }
    }
}

/// Parses a JSON text.
pub(super) fn parse(text: &str) -> Result<Value, Problem> {
    let mut parser =
        Parser { text: Text::new(text), place: Place::default(), numbers: 0, values: 0 };
    let value = parser.value()?;
    parser.text.skip_space();
    match parser.text.peek() {
        None => Ok(value),
        Some(next) => Err(parser.text.error(format!("{next:?} after the end of the JSON value"))),
    }
}

fn too_many_numbers() -> Problem {
    Problem::TooMany { place: Place::default(), what: "numbers", limit: MAX_NUMBERS }
}

fn too_many_values() -> Problem {
    let what = "values besides lists of numbers";
    Problem::TooMany { place: Place::default(), what, limit: MAX_VALUES }
}

struct Parser<'a> {
    text: Text<'a>,
    place: Place,
    numbers: usize,
    values: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value, Problem> {
        self.text.skip_space();
        match self.text.peek() {
            Some('[') => self.nested(Self::list),
            Some('{') => self.nested(Self::object),
            Some('"') => Ok(Value::Text(self.text.string()?)),
            Some('\'') => Err(self.text.error("a single quote; JSON has double quotes".into())),
            Some(_) => self.word(),
            None => Err(self.text.error("the file ends where a value is expected".into())),
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<Value, Problem>) -> Result<Value, Problem> {
        if self.place.depth() >= MAX_DEPTH {
            let what = format!("lists and objects nested deeper than {MAX_DEPTH} levels");
            return Err(self.text.error(what));
        }
        self.text.advance();
        parse(self)
    }

    /// A list, behind its bracket.
    fn list(&mut self) -> Result<Value, Problem> {
        let mut items = Items::Empty;
        if self.text.skip(']') {
            return Ok(items.finish());
        }
        let mut index = 0;
        loop {
            // Long lists of numbers are what files are full of.
            if let Items::Dense { shape, count, values } = &mut items
                && shape.is_empty()
            {
                self.run(values)?;
                *count = values.len();
                index = values.len();
            }
            self.place.push_index(index);
            let value = self.value()?;
            let (added, split) = items.push(value, &self.place);
            items = added;
            self.place.pop();
            self.count(split)?;
            index += 1;
            if self.text.skip(']') {
                break;
            }
            self.comma("]")?;
        }
        Ok(items.finish())
    }

    /// Adds the numbers that come next, as long as another value follows each. Whatever else
    /// there is, and what is wrong, is left to [`Self::value`].
    fn run(&mut self, numbers: &mut Vec<f64>) -> Result<(), Problem> {
        loop {
            let before = self.text;
            let value = self.text.number().and_then(|word| number(word).ok());
            let (Some(value), true) = (value, self.text.skip(',')) else {
                self.text = before;
                return Ok(());
            };
            if self.text.closes() {
                self.text = before;
                return Ok(());
            }
            numbers.push(value);
            self.numbers += 1;
            if self.numbers > MAX_NUMBERS {
                return Err(too_many_numbers());
            }
        }
    }

    /// An object, behind its brace.
    fn object(&mut self) -> Result<Value, Problem> {
        let mut fields = Vec::new();
        if self.text.skip('}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.text.skip_space();
            match self.text.peek() {
                Some('"') => {}
                Some('\'') => {
                    return Err(self.text.error("a single quote; JSON has double quotes".into()));
                }
                _ => return Err(self.text.unexpected("a key in double quotes")),
            }
            let key = self.text.string()?;
            if !self.text.skip(':') {
                return Err(self.text.unexpected("a colon"));
            }
            self.place.push_key(&key);
            let value = self.value()?;
            self.place.pop();
            fields.push((key, value));
            self.count(1)?;
            if self.text.skip('}') {
                break;
            }
            self.comma("}")?;
        }
        let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Problem::DuplicateKey {
                place: self.place.clone(),
                key: pair[0].to_owned(),
            });
        }
        Ok(Value::Object(fields))
    }

    fn comma(&mut self, end: &str) -> Result<(), Problem> {
        if !self.text.skip(',') {
            return Err(self.text.unexpected(&format!("a comma or {end}")));
        }
        match (self.text.closes(), self.text.peek()) {
            (true, Some(next)) => {
                Err(self.text.error(format!("a comma before {next}, where another value follows")))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, values: usize) -> Result<(), Problem> {
        self.values += values;
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        Err(too_many_values())
    }

    /// A number or one of JSON's words.
    fn word(&mut self) -> Result<Value, Problem> {
        let before = self.text;
        let word = self.text.word();
        let wrong = |found: String, expected: &str| {
            Ok(Value::Wrong(Box::new(Problem::value(&self.place, found, expected))))
        };
        let value = match word {
            "" => return Err(before.unexpected("a value")),
            "null" => return Ok(Value::Null),
            "true" => 1.0,
            "false" => 0.0,
            _ if is_not_finite(word) => {
                return wrong(shortened(word), "a finite number");
            }
            _ if number_length(word.as_bytes()) != word.len() => {
                let what = match word {
                    "None" | "True" | "False" => "is Python's; write the file with json.dump",
                    _ => "is no JSON value",
                };
                return Err(before.error(format!("{} {what}", shortened(word))));
            }
            _ => match number(word) {
                Ok(value) => value,
                Err((found, expected)) => return wrong(found, expected),
            },
        };
        self.numbers += 1;
        if self.numbers > MAX_NUMBERS {
            return Err(too_many_numbers());
        }
        Ok(Value::Numbers(Array::number(value)))
    }
}

/// A list as it grows.
enum Items {
    Empty,
    Dense { shape: Vec<usize>, count: usize, values: Vec<f64> },
    Other(Vec<Value>),
    Wrong(Box<Problem>),
}

impl Items {
    /// Adds an element; also says how many values were added that are not packed.
    fn push(self, value: Value, place: &Place) -> (Self, usize) {
        match (self, value) {
            (Self::Wrong(problem), _) => (Self::Wrong(problem), 0),
            (Self::Empty | Self::Dense { .. }, Value::Wrong(problem)) => (Self::Wrong(problem), 0),
            (Self::Empty, Value::Numbers(array)) => {
                (Self::Dense { shape: array.shape, count: 1, values: array.values }, 0)
            }
            (Self::Dense { shape, count, mut values }, Value::Numbers(array))
                if array.shape == shape =>
            {
                values.extend_from_slice(&array.values);
                (Self::Dense { shape, count: count + 1, values }, 0)
            }
            (Self::Dense { shape, .. }, value)
                if shape.is_empty() && !matches!(value, Value::Text(_) | Value::Null) =>
            {
                let expected = "a number, as the values before it";
                (Self::Wrong(Box::new(Problem::value(place, value.describe(), expected))), 0)
            }
            (Self::Dense { shape, .. }, value) if value.is_single() && !shape.is_empty() => {
                let expected = "a list, as the values before it";
                (Self::Wrong(Box::new(Problem::value(place, value.describe(), expected))), 0)
            }
            (Self::Dense { count, .. }, _) if count > MAX_VALUES => {
                (Self::Wrong(Box::new(too_many_values())), 0)
            }
            (Self::Dense { shape, count, values }, value) => {
                let mut items = split(shape, count, values);
                items.push(value);
                (Self::Other(items), count + 1)
            }
            (Self::Empty, value) => (Self::Other(vec![value]), 1),
            (Self::Other(mut items), value) => {
                items.push(value);
                (Self::Other(items), 1)
            }
        }
    }

    fn finish(self) -> Value {
        match self {
            Self::Empty => Value::Numbers(Array { shape: vec![0], values: vec![] }),
            Self::Dense { shape, count, values } => {
                let shape = std::iter::once(count).chain(shape).collect();
                Value::Numbers(Array { shape, values })
            }
            Self::Other(items) => Value::List(items),
            Self::Wrong(problem) => Value::Wrong(problem),
        }
    }
}

/// `count` arrays that stand one after the other.
fn split(shape: Vec<usize>, count: usize, values: Vec<f64>) -> Vec<Value> {
    let length = values.len() / count.max(1);
    let array = |index: usize| {
        let values = values.iter().skip(index * length).take(length).copied().collect();
        Value::Numbers(Array { shape: shape.clone(), values })
    };
    (0..count).map(array).collect()
}

/// The words for what is no finite number, as Python, C and JavaScript write them.
pub(super) fn is_not_finite(word: &str) -> bool {
    let word = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
    matches!(word.as_str(), "nan" | "inf" | "infinity" | "1.#inf" | "1.#qnan" | "1.#ind")
}

/// The float nearest to a decimal number; an integer must be one exactly. Otherwise what
/// was found and what is expected.
pub(super) fn number(word: &str) -> Result<f64, (String, &'static str)> {
    let value: f64 = word.parse().map_err(|_| (format!("\"{}\"", shortened(word)), "a number"))?;
    if !value.is_finite() {
        let found = format!("{}, beyond the range of 64-bit floats", shortened(word));
        return Err((found, "a finite number"));
    }
    // Up to 15 digits are always exact.
    if word.len() <= 15 {
        return Ok(value);
    }
    let digits = word.trim_start_matches(['+', '-']).trim_start_matches('0');
    let integer = digits.len() > 15 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if integer && format!("{:.0}", value.abs()) != digits {
        let found = format!("the integer {}, which a 64-bit float cannot hold", shortened(word));
        return Err((found, "an integer within ±2^53, or a number with a decimal point"));
    }
    Ok(value)
}
