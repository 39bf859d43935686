//! Samples and ranges in the files that people have.
//!
//! ```text
//! file ─ bounded read ─► JSON │ .npy │ .npz │ table ─► arrays ─► samples of the model's inputs
//! ```
//!
//! **Samples.** In JSON: a list of numbers, nested as `tolist()` gives it or flat;
//! `{"input": …}`; by the names of the model's inputs; lists of any of these; objects with
//! an `id`; EZKL's `input_data`. NumPy's `.npy` and `.npz`. Tables with or without a header.
//! The format is told from the content.
//!
//! What decides how numbers are taken is the model's own shape: an array of that shape,
//! dimensions of one left out or added, or one list of as many numbers, is one sample; one
//! dimension more in front makes several. Nothing is cut, padded or transposed.
//!
//! Where a model takes strings, or its ranges name categories, a file says their names
//! ([`Categories`]); what is proven about are their numbers.
//!
//! **Ranges.** `[[lo, hi], …]`, `{"min": …, "max": …}`, for all inputs or by name, as JSON. With
//! `decimals` beside `min` and `max`, inputs are taken exactly. With `"missing": true` an input may
//! be missing: null or "NaN" in JSON, an empty or NaN field of a table, NumPy's NaN. It is NaN here.
//!
//! What is wrong is named with its place ([`Problem`]); NaN elsewhere, infinities, integers that no
//! 64-bit float holds, and anything given twice are wrong. A file is untrusted: it is read
//! up to [`MAX_FILE_BYTES`], to a fixed depth and a fixed number of elements.

mod array;
mod assemble;
mod categories;
mod csv;
mod error;
mod fields;
mod json;
mod npy;
mod npz;
mod place;
mod ranges;
mod sniff;
mod text;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::{
    array::InputTensor,
    categories::Categories,
    error::{Problem, SampleError},
    place::Place,
};
use self::{
    array::{MAX_NUMBERS, Target},
    place::shortened,
    sniff::{Format, sniff},
};
use crate::{
    bounded::read_bounded,
    quantize::{Grid, Ranges},
};

/// Largest file of samples or ranges: 256 MiB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Ids that a message lists.
const LISTED_IDS: usize = 6;

/// One input of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What its file calls it.
    pub id: Option<String>,
    /// The elements of the model's input tensors, one tensor after the other, each in
    /// row-major order. As many as the model takes, all finite; NaN where one is missing that may
    /// be.
    pub values: Vec<f64>,
}

/// The samples of a file: at least one, no id twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    path: PathBuf,
    samples: Vec<Sample>,
}

impl Samples {
    /// Reads a file of samples for a model that takes `tensors`.
    ///
    /// # Errors
    /// [`SampleError`] names the file, the place in it, what stands there and what belongs
    /// there.
    pub fn read(path: &Path, tensors: &[InputTensor]) -> Result<Self, SampleError> {
        let bytes = read_bounded(path, MAX_FILE_BYTES)?;
        let samples = parse(&bytes, Format::of(path), tensors);
        let samples = samples.map_err(|problem| content(path, problem))?;
        Ok(Self { path: path.to_owned(), samples })
    }

    /// Reads samples in JSON that did not come from a file; errors call them `name`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_json(
        bytes: &[u8],
        name: &Path,
        tensors: &[InputTensor],
    ) -> Result<Self, SampleError> {
        let samples = parse(bytes, Some(Format::Json), tensors);
        let samples = samples.map_err(|problem| content(name, problem))?;
        Ok(Self { path: name.to_owned(), samples })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none; never of a file that was read.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples in the file's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Sample> {
        self.samples.iter()
    }

    /// What sample `index` is called: its id, or `#` and its index, from 0.
    pub fn name(&self, index: usize) -> String {
        let id = self.samples.get(index).and_then(|sample| sample.id.clone());
        id.unwrap_or_else(|| format!("#{index}"))
    }

    /// The index of the sample of an id; in a file without ids, of an index (`3` or `#3`,
    /// from 0). Without either, the only sample.
    ///
    /// # Errors
    /// No such sample, or several and no choice; the message lists what there is.
    pub fn select(&self, id: Option<&str>) -> Result<usize, SampleError> {
        let count = self.samples.len();
        let Some(id) = id else {
            return match count {
                1 => Ok(0),
                _ => Err(self.choice(format!("it has {count} samples, choose one with its id"))),
            };
        };
        if let Some(index) = self.samples.iter().position(|sample| sample.id.as_deref() == Some(id))
        {
            return Ok(index);
        }
        let index: Option<usize> = id.strip_prefix('#').unwrap_or(id).parse().ok();
        let unnamed =
            |index: &usize| self.samples.get(*index).is_some_and(|sample| sample.id.is_none());
        let found = index.filter(unnamed);
        found.ok_or_else(|| self.choice(format!("it has no sample \"{}\"", shortened(id))))
    }

    fn choice(&self, what: String) -> SampleError {
        let count = self.samples.len();
        let names: Vec<_> =
            (0..count.min(LISTED_IDS)).map(|index| shortened(&self.name(index))).collect();
        let more =
            if count > names.len() { format!(", … ({count} in all)") } else { String::new() };
        content(&self.path, Problem::Choice(format!("{what}: {}{more}", names.join(", "))))
    }
}

impl IntoIterator for Samples {
    type Item = Sample;
    type IntoIter = std::vec::IntoIter<Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.samples.into_iter()
    }
}

impl<'a> IntoIterator for &'a Samples {
    type Item = &'a Sample;
    type IntoIter = std::slice::Iter<'a, Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Reads the declared range [lo, hi] of each number that a model of these inputs takes:
/// lo < hi, both finite and their difference too; its decimals, where they are given; and whether
/// it may be missing. Also gives the tensors with the categories that are declared.
///
/// # Errors
/// [`SampleError`], as [`Samples::read`].
pub fn read_ranges(
    path: &Path,
    tensors: &[InputTensor],
) -> Result<(Ranges, Vec<InputTensor>), SampleError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    parse_ranges(&bytes, tensors).map_err(|problem| content(path, problem))
}

/// The same of JSON that did not come from a file; errors call it `name`.
///
/// # Errors
/// As [`read_ranges`].
pub fn ranges_of_json(
    bytes: &[u8],
    name: &Path,
    tensors: &[InputTensor],
) -> Result<(Ranges, Vec<InputTensor>), SampleError> {
    parse_ranges(bytes, tensors).map_err(|problem| content(name, problem))
}

fn content(path: &Path, problem: Problem) -> SampleError {
    SampleError::Content { path: path.to_owned(), problem }
}

fn parse_ranges(
    bytes: &[u8],
    tensors: &[InputTensor],
) -> Result<(Ranges, Vec<InputTensor>), Problem> {
    if let Format::Npy | Format::Npz = sniff(bytes, Some(Format::Json))? {
        let what = "it is a file of NumPy".to_owned();
        return Err(Problem::Unsupported { what, hint: "ranges are given as JSON" });
    }
    let text = sniff::text(bytes)?;
    let (mut value, target) = (json::parse(text)?, Target { tensors });
    let missing = fields::MISSING.take(&mut value, target, &Place::default())?;
    let mut categories = categories::take(&mut value, target, &Place::default())?;
    let decimals = fields::DECIMALS.take(&mut value, target, &Place::default())?;
    let input = ranges::ranges(value, target)?;
    let missing = missing.into_iter().map(|missing| missing == Some(true));
    let missing: Vec<bool> = missing.collect();
    for (categories, _) in categories.iter_mut().zip(&missing).filter(|(_, missing)| **missing) {
        categories.get_or_insert_with(Categories::default).missing = true;
    }
    let grid = |((decimals, range), missing): ((Option<u32>, &[f64; 2]), bool)| match decimals {
        Some(decimals) => Some(Grid { decimals, exact: true, missing }),
        None => missing.then(|| Grid { missing, ..Grid::fitting(*range) }),
    };
    let grids: Vec<_> = decimals.into_iter().zip(&input).zip(missing).map(grid).collect();
    let grids = if grids.iter().any(Option::is_some) { grids } else { Vec::new() };
    let mut categories = categories.into_iter();
    let tensors = tensors.iter().map(|tensor| {
        let mut own: Vec<_> = categories.by_ref().take(tensor.elements()).collect();
        if own.windows(2).all(|pair| pair[0] == pair[1]) {
            own.truncate(usize::from(own.first().is_some_and(Option::is_some)));
        }
        InputTensor { categories: own, ..tensor.clone() }
    });
    Ok((Ranges { input, grids, private: Vec::new() }, tensors.collect()))
}

/// The samples of a file's content; `said` is what its name says of its format.
fn parse(
    bytes: &[u8],
    said: Option<Format>,
    tensors: &[InputTensor],
) -> Result<Vec<Sample>, Problem> {
    let target = Target { tensors };
    let root = Place::default();
    let unnamed = |samples: Vec<Vec<f64>>| {
        samples.into_iter().map(|values| Sample { id: None, values }).collect()
    };
    let samples: Vec<Sample> = match sniff(bytes, said)? {
        Format::Json => {
            let value = json::parse(sniff::text(bytes)?)?;
            assemble::samples(value, target, &root).map_err(Problem::of_missing)?
        }
        Format::Npy => {
            unnamed(target.samples(npy::parse(bytes, target, &root, MAX_NUMBERS)?, &root)?)
        }
        Format::Npz => unnamed(archive(bytes, target)?),
        Format::Table => csv::samples(sniff::text(bytes)?, target)?,
    };
    if samples.is_empty() {
        return Err(Problem::shape(&root, "no samples", target.describe()));
    }
    distinct(&samples)?;
    Ok(samples)
}

/// The samples of a .npz file: by the inputs' names, or in order as `numpy.savez` numbers
/// its arrays, or the only array of the only input.
fn archive(bytes: &[u8], target: Target<'_>) -> Result<Vec<Vec<f64>>, Problem> {
    let root = Place::default();
    let entries = npz::entries(bytes)?;
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    let by_name: Option<Vec<_>> = target.tensors.iter().map(|tensor| named(&tensor.name)).collect();
    let numbered = (0..target.tensors.len()).map(|index| named(&format!("arr_{index}"))).collect();
    let same = entries.len() == 1 && target.tensors.len() == 1;
    let only = || same.then(|| entries.iter().collect());
    let Some(chosen) = by_name.or(numbered).or_else(only) else {
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let got = assemble::listed(&names);
        return Err(Problem::Keys { place: root, got, expected: target.describe() });
    };
    // Entries may share bytes: their numbers are counted together.
    let mut left = MAX_NUMBERS;
    let mut parts = Vec::with_capacity(chosen.len());
    for (entry, one) in chosen.into_iter().zip(target.each()) {
        let array = entry.array(one, left)?;
        left = left.saturating_sub(array.values.len());
        parts.push(one.samples(array, &root.key(&entry.name))?);
    }
    assemble::zip(parts, target, &root)
}

/// Refuses two samples of one id.
fn distinct(samples: &[Sample]) -> Result<(), Problem> {
    let mut seen = std::collections::HashMap::new();
    for (index, id) in samples.iter().enumerate().filter_map(|(i, s)| Some((i, s.id.as_ref()?))) {
        if let Some(first) = seen.insert(id, index) {
            return Err(Problem::DuplicateId { id: id.clone(), first, second: index });
        }
    }
    Ok(())
}
