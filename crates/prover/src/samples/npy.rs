//! NumPy's .npy files: a header in Python's notation, then the elements.
//!
//! Format: numpy/lib/format.py, versions 1.0 to 3.0.

use super::{
    array::{Array, Target, product},
    categories::no_numbers,
    error::Problem,
    place::{Place, shortened},
};

/// What a file starts with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself refuses longer headers.
const MAX_HEADER: usize = 10_000;
/// NumPy's own limit.
const MAX_DIMENSIONS: usize = 64;

/// Reads the content of a .npy file of at most `limit` numbers, or names of the target's
/// categories, named `place` within a larger one.
pub(super) fn parse(
    bytes: &[u8],
    target: Target<'_>,
    place: &Place,
    limit: usize,
) -> Result<Array, Problem> {
    let (header, data) = split(bytes, place)?;
    let header = Header::parse(header)
        .ok_or_else(|| damaged(place, &format!("its header is \"{}\"", shortened(header))))?;
    if target.has_categories()
        && let Some(text) = Text::of(&header.descr)
    {
        return names(&header, text, data, target, place, limit);
    }
    no_numbers(target, place)?;
    let element = element(&header.descr).ok_or_else(|| unsupported(&header.descr, place))?;
    let count = product(&header.shape);
    if count > limit {
        return Err(Problem::TooMany { place: place.clone(), what: "numbers", limit });
    }
    let expected = count * element.size;
    if data.len() != expected {
        let what = format!(
            "shape {:?} of type {} needs {expected} bytes, it has {}",
            header.shape,
            shortened(&header.descr),
            data.len()
        );
        return Err(damaged(place, &what));
    }
    let mut order = Order::new(&header.shape, header.fortran);
    let elements = target.elements().max(1);
    let missing = target.may_miss();
    let read = |order: &Order, at: usize, bytes: &[u8]| match (element.read)(bytes) {
        Ok(value) => Ok(value),
        Err((found, _))
            if missing
                && found == "NaN"
                && target.categories(at % elements).is_some_and(|own| own.missing) =>
        {
            Ok(f64::NAN)
        }
        Err((found, expected)) => {
            Err(Problem::value(&order.place(at, &header.shape, place), found, expected))
        }
    };
    if !header.fortran {
        let mut values = Vec::with_capacity(count);
        for (at, bytes) in data.chunks_exact(element.size).enumerate() {
            values.push(read(&order, at, bytes)?);
        }
        return Ok(Array { shape: header.shape, values });
    }
    let mut values = vec![0.0; count];
    for bytes in data.chunks_exact(element.size) {
        let at = order.next();
        let value = read(&order, at, bytes)?;
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    }
    Ok(Array { shape: header.shape, values })
}

fn damaged(place: &Place, what: &str) -> Problem {
    Problem::Damaged(format!("{place} is not a whole .npy file: {what}"))
}

/// The header's text and the elements.
fn split<'a>(bytes: &'a [u8], place: &Place) -> Result<(&'a str, &'a [u8]), Problem> {
    let short = || damaged(place, "it ends within its header");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged(place, "it starts otherwise"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
            (usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX), rest)
        }
        version => {
            let what = format!("{place} has version {version} of the .npy format");
            return Err(Problem::Unsupported { what, hint: "save it with numpy.save" });
        }
    };
    if length > MAX_HEADER {
        return Err(damaged(place, &format!("its header says it has {length} bytes")));
    }
    let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let header =
        std::str::from_utf8(header).map_err(|_| damaged(place, "its header is no text"))?;
    Ok((header, data))
}

#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`; the type of a
    /// structured array, a list, is kept as it stands.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            let after = match key {
                "descr" if descr.is_none() => {
                    let (text, after) = match value.chars().next()? {
                        '[' => value.split_at_checked(value.find(']')? + 1)?,
                        _ => quoted(value)?,
                    };
                    descr = Some(text.to_owned());
                    after
                }
                "fortran_order" if fortran.is_none() => {
                    let (word, after) = value
                        .split_at_checked(value.find([',', '}', ' ']).unwrap_or(value.len()))?;
                    fortran = Some(match word {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    });
                    after
                }
                "shape" if shape.is_none() => {
                    let (list, after) = value.strip_prefix('(')?.split_once(')')?;
                    shape = Some(dimensions(list)?);
                    after
                }
                _ => return None,
            };
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.is_empty() => after,
                None => return None,
            };
        }
        Some(Self { descr: descr?, fortran: fortran?, shape: shape? })
    }
}

/// A string in single or double quotes at the start, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text.strip_prefix(quote)?.split_once(quote)
}

fn dimensions(list: &str) -> Option<Vec<usize>> {
    let list = list.trim();
    if list.is_empty() {
        return Some(vec![]);
    }
    let list = list.strip_suffix(',').unwrap_or(list);
    let dims: Option<Vec<usize>> = list
        .split(',')
        .take(MAX_DIMENSIONS + 1)
        // Python 2 wrote its long integers as 3L.
        .map(|dim| dim.trim().trim_end_matches('L').parse().ok())
        .collect();
    dims.filter(|dims| dims.len() <= MAX_DIMENSIONS)
}

/// A number, or what was found and what is expected.
type Read = Result<f64, (String, &'static str)>;

/// How an element is read.
#[derive(Clone, Copy)]
struct Element {
    size: usize,
    read: fn(&[u8]) -> Read,
}

/// The element of a type string, as `<f4`.
fn element(descr: &str) -> Option<Element> {
    macro_rules! number {
        ($type:ty, $value:expr) => {{
            const SIZE: usize = size_of::<$type>();
            let little: fn(&[u8]) -> Read =
                |bytes| ($value)(<$type>::from_le_bytes(bytes.try_into().unwrap_or([0; SIZE])));
            let big: fn(&[u8]) -> Read =
                |bytes| ($value)(<$type>::from_be_bytes(bytes.try_into().unwrap_or([0; SIZE])));
            Some((SIZE, little, big))
        }};
    }
    let order = descr.chars().next()?;
    let (size, little, big) = match descr.strip_prefix(['<', '>', '|', '='])? {
        "f2" => number!(u16, |bits| finite(half(bits))),
        "f4" => number!(f32, |value| finite(f64::from(value))),
        "f8" => number!(f64, finite),
        "i1" => number!(i8, |value| Ok(f64::from(value))),
        "i2" => number!(i16, |value| Ok(f64::from(value))),
        "i4" => number!(i32, |value| Ok(f64::from(value))),
        "i8" => number!(i64, |value| exact(i128::from(value))),
        "u1" => number!(u8, |value| Ok(f64::from(value))),
        "u2" => number!(u16, |value| Ok(f64::from(value))),
        "u4" => number!(u32, |value| Ok(f64::from(value))),
        "u8" => number!(u64, |value| exact(i128::from(value))),
        "b1" => number!(u8, boolean),
        _ => None,
    }?;
    match (order, size) {
        ('<', _) => Some(Element { size, read: little }),
        ('>', _) => Some(Element { size, read: big }),
        ('|', 1) => Some(Element { size, read: little }),
        _ => None,
    }
}

fn finite(value: f64) -> Read {
    if value.is_finite() { Ok(value) } else { Err((value.to_string(), "a finite number")) }
}

fn boolean(value: u8) -> Read {
    match value {
        0 | 1 => Ok(f64::from(value)),
        _ => Err((format!("the byte {value}"), "a boolean, 0 or 1")),
    }
}

fn exact(integer: i128) -> Read {
    let value = integer as f64;
    if value as i128 == integer {
        return Ok(value);
    }
    let found = format!("the integer {integer}, which a 64-bit float cannot hold");
    Err((found, "an integer within ±2^53"))
}

/// An IEEE 754 half: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    sign * magnitude
}

fn unsupported(descr: &str, place: &Place) -> Problem {
    let hint = match descr.trim_start_matches(['<', '>', '|', '=']).chars().next() {
        Some('O') => "it holds Python objects, which are never run; convert it with .astype(float)",
        Some('U' | 'S' | 'a') => "it holds strings; convert it with .astype(float)",
        Some('c') => "it holds complex numbers; a model takes real ones",
        Some('[') => "it is a structured array; save one plain array of numbers",
        _ => "save it as float64, float32, an integer type or bool",
    };
    Problem::Unsupported { what: format!("{place} has the type {}", shortened(descr)), hint }
}

/// How strings are stored: each as many bytes, filled up with zeros.
#[derive(Clone, Copy)]
struct Text {
    size: usize,
    /// UTF-32 of this byte order; bytes of UTF-8 where there is none.
    wide: Option<fn([u8; 4]) -> u32>,
}

impl Text {
    /// Of a type string, as `<U3` or `|S3`.
    fn of(descr: &str) -> Option<Self> {
        let rest = descr.strip_prefix(['<', '>', '|', '='])?;
        let length = |digits: &str| digits.parse::<usize>().ok().filter(|n| (1..=4096).contains(n));
        if let Some(digits) = rest.strip_prefix('S') {
            return Some(Self { size: length(digits)?, wide: None });
        }
        let wide = match descr.chars().next()? {
            '<' => u32::from_le_bytes,
            '>' => u32::from_be_bytes,
            _ => return None,
        };
        Some(Self { size: 4 * length(rest.strip_prefix('U')?)?, wide: Some(wide) })
    }

    fn read(self, bytes: &[u8]) -> Option<String> {
        let text = match self.wide {
            None => std::str::from_utf8(bytes).ok()?.to_owned(),
            Some(wide) => {
                let (chars, _) = bytes.as_chunks::<4>();
                chars.iter().map(|c| char::from_u32(wide(*c))).collect::<Option<String>>()?
            }
        };
        Some(text.trim_end_matches('\0').to_owned())
    }
}

/// An array of names, as their numbers.
fn names(
    header: &Header,
    text: Text,
    data: &[u8],
    target: Target<'_>,
    place: &Place,
    limit: usize,
) -> Result<Array, Problem> {
    let count = product(&header.shape);
    if count > limit {
        return Err(Problem::TooMany { place: place.clone(), what: "names", limit });
    }
    if count.checked_mul(text.size) != Some(data.len()) {
        let what = format!(
            "shape {:?} of type {} does not fit its {} bytes",
            header.shape,
            shortened(&header.descr),
            data.len()
        );
        return Err(damaged(place, &what));
    }
    let mut order = Order::new(&header.shape, header.fortran);
    let mut values = vec![0.0; count];
    for bytes in data.chunks_exact(text.size) {
        let at = order.next();
        let name = text.read(bytes);
        let read = match (name, target.categories(at % target.elements().max(1))) {
            (None, _) => Err(("no text".to_owned(), "a category's name".to_owned())),
            (Some(name), Some(categories)) => categories.read(&name),
            (Some(name), None) => {
                Err((format!("the string \"{}\"", shortened(&name)), "a number".to_owned()))
            }
        };
        let value = read.map_err(|(found, expected)| {
            Problem::value(&order.place(at, &header.shape, place), found, expected)
        })?;
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    }
    Ok(Array { shape: header.shape.clone(), values })
}

/// Where the elements of a file go, in row-major order.
struct Order {
    /// Of each dimension, fastest first: its length and its row-major step.
    dims: Vec<(usize, usize)>,
    index: Vec<usize>,
    at: usize,
}

impl Order {
    fn new(shape: &[usize], fortran: bool) -> Self {
        let steps = shape.iter().rev().scan(1usize, |step, &dim| {
            let own = *step;
            *step = step.saturating_mul(dim);
            Some((dim, own))
        });
        let mut dims: Vec<_> = steps.collect();
        if fortran {
            dims.reverse();
        }
        let index = vec![0; dims.len()];
        Self { dims, index, at: 0 }
    }

    /// The row-major position of the next element.
    fn next(&mut self) -> usize {
        let at = self.at;
        for (index, (dim, step)) in self.index.iter_mut().zip(&self.dims) {
            *index += 1;
            self.at += step;
            if *index < *dim {
                return at;
            }
            self.at -= step * dim;
            *index = 0;
        }
        at
    }

    /// The place of the element at a row-major position.
    fn place(&self, at: usize, shape: &[usize], array: &Place) -> Place {
        let mut step = product(shape);
        shape.iter().fold(array.clone(), |place, &dim| {
            step /= dim.max(1);
            place.index(at / step.max(1) % dim.max(1))
        })
    }
}
