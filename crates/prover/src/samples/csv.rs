//! Tables of numbers: a line a sample, with a header or without.
//!
//! The delimiter is the first line's: tab, semicolon, comma or, as `numpy.savetxt`
//! writes, space. A column named `id`, pandas' unnamed index, or a first column of text
//! identifies the samples.

use std::collections::{HashMap, HashSet};

use super::{
    Sample,
    array::{Array, MAX_NUMBERS, Target},
    error::{NUMBER_OR_DECLARED, Problem},
    json::{is_not_finite, number},
    place::{Place, shortened},
    text::number_length,
};

/// What a table holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Table {
    header: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    /// The lines' numbers one after the other, without the ids.
    values: Vec<f64>,
    /// Numbers a line.
    width: usize,
    rows: usize,
}

/// A table's samples, with their ids if it has them.
pub(super) fn samples(text: &str, target: Target<'_>) -> Result<Vec<Sample>, Problem> {
    let mut table = Table::parse(text, target)?;
    let rows = table.choose(target)?;
    let mut ids = table.ids.unwrap_or_default().into_iter();
    Ok(rows.into_iter().map(|values| Sample { id: ids.next(), values }).collect())
}

impl Table {
    fn parse(text: &str, target: Target<'_>) -> Result<Self, Problem> {
        // numpy.savetxt's header.
        let skipped = text.lines().take_while(|line| line.starts_with("# ")).count();
        let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
        let text = text.get(start..).unwrap_or("");
        let mut builder =
            Builder { target, table: Self::default(), columns: 0, first: true, elements: None };
        match delimiter(text) {
            // Nothing is quoted: fields are what stands between delimiters.
            Some(delimiter) if !text.contains(['"', '\r']) => {
                for (line, content) in (1 + skipped as u64..).zip(text.lines()) {
                    if !content.is_empty() && !builder.numbers(content, delimiter)? {
                        let cells = content.split(char::from(delimiter)).map(str::trim);
                        builder.line(line, &cells.collect::<Vec<_>>())?;
                    }
                }
            }
            Some(delimiter) => {
                let mut reader = csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .delimiter(delimiter)
                    .trim(csv::Trim::All)
                    .from_reader(text.as_bytes());
                let mut record = csv::StringRecord::new();
                loop {
                    let line = reader.position().line();
                    let more = reader.read_record(&mut record).map_err(|error| {
                        Problem::Damaged(format!("line {line} is not a line of a table: {error}"))
                    })?;
                    if !more {
                        break;
                    }
                    let line =
                        record.position().map_or(line, |position| first_line(text, position));
                    builder.line(line + skipped as u64, &record.iter().collect::<Vec<_>>())?;
                }
            }
            None => {
                for (line, content) in (1 + skipped as u64..).zip(text.lines()) {
                    if builder.numbers(content, b' ')? {
                        continue;
                    }
                    let cells: Vec<&str> = content.split_whitespace().collect();
                    if !cells.is_empty() {
                        builder.line(line, &cells)?;
                    }
                }
            }
        }
        Ok(builder.table)
    }

    /// The rows that fill the target.
    fn choose(&mut self, target: Target<'_>) -> Result<Vec<Vec<f64>>, Problem> {
        let place = Place::default();
        if self.rows == 0 {
            let got = if self.header.is_some() { "a header and no samples" } else { "no samples" };
            return Err(Problem::shape(&place, got, target.describe()));
        }
        let width = self.width.max(1);
        if let Some(columns) = self.by_name(target) {
            let pick = |row: &[f64]| {
                columns.iter().filter_map(|&column| row.get(column).copied()).collect::<Vec<_>>()
            };
            let picked: Vec<f64> = self.values.chunks_exact(width).flat_map(pick).collect();
            return target.split(&picked, &place);
        }
        if self.header.is_none() && self.ids.is_none() {
            let shape = vec![self.rows, self.width];
            let values = std::mem::take(&mut self.values);
            return target.samples(Array { shape, values }, &place);
        }
        if self.width == target.elements() {
            return target.split(&self.values, &place);
        }
        let mut got = format!("{} columns of numbers", self.width);
        if let Some(header) = &self.header {
            let names: Vec<_> = header.iter().take(8).map(|name| shortened(name)).collect();
            let more = if header.len() > names.len() { ", …" } else { "" };
            got.push_str(&format!(" ({}{more})", names.join(", ")));
        }
        Err(Problem::shape(&place, got, format!("{} a line", target.describe())))
    }

    /// The columns named as the model's inputs, where each is one number.
    fn by_name(&self, target: Target<'_>) -> Option<Vec<usize>> {
        let header = self.header.as_ref()?;
        let single = |tensor: &super::InputTensor| tensor.elements() == 1;
        if !target.tensors.iter().all(single) {
            return None;
        }
        let columns: HashMap<&str, usize> =
            header.iter().enumerate().map(|(column, name)| (name.as_str(), column)).collect();
        target.tensors.iter().map(|tensor| columns.get(tensor.name.as_str()).copied()).collect()
    }
}

/// The line of a record, blank lines before it not counted as its own.
fn first_line(text: &str, position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or(&[]);
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

struct Builder<'a> {
    target: Target<'a>,
    table: Table,
    columns: usize,
    first: bool,
    /// The element that each column fills, where columns are named as inputs are.
    elements: Option<Vec<usize>>,
}

impl Builder<'_> {
    fn line(&mut self, line: u64, cells: &[&str]) -> Result<(), Problem> {
        if std::mem::take(&mut self.first) {
            self.columns = cells.len();
            self.table.width = cells.len();
            // A line that fills the target is no header, whatever its categories are called.
            let fills = |cells: &[&str]| {
                self.target.has_categories()
                    && cells.len() == self.target.elements()
                    && cells.iter().enumerate().all(|(at, cell)| self.cell(at, cell).is_ok())
            };
            let (whole, behind_id) = (fills(cells), fills(cells.get(1..).unwrap_or_default()));
            if !whole && !behind_id && is_header(cells) {
                return self.header(line, cells);
            }
            let text = cells.first().is_some_and(|cell| is_text(cell)) && cells.len() > 1;
            if !whole && (behind_id || text) {
                self.identify();
            }
        }
        if cells.len() != self.columns {
            let what = format!("line {line} has {} fields", cells.len());
            return Err(Problem::Damaged(format!("{what}; expected {} as before", self.columns)));
        }
        let (id, values) = match (&mut self.table.ids, cells) {
            (Some(ids), [id, values @ ..]) => (Some((ids, id)), values),
            (_, values) => (None, values),
        };
        if let Some((ids, id)) = id {
            ids.push((*id).to_owned());
        }
        for (column, cell) in values.iter().enumerate() {
            let value = self.cell(self.element(column), cell).map_err(|(found, expected)| {
                let name = self.table.header.as_ref().and_then(|header| header.get(column));
                let number = column + 1 + usize::from(self.table.ids.is_some());
                let column = match name {
                    Some(name) => format!("{number} ({})", shortened(name)),
                    None => number.to_string(),
                };
                Problem::value(&Place::cell(line, column), found, expected)
            })?;
            self.table.values.push(value);
        }
        self.end_row()
    }

    /// Adds a line of numbers in JSON's notation and delimiters alone, as long files are full
    /// of. Any other line, and what is wrong with it, is left to [`Self::line`].
    fn numbers(&mut self, content: &str, delimiter: u8) -> Result<bool, Problem> {
        if self.table.ids.is_some() {
            return Ok(false);
        }
        let before = self.table.values.len();
        if !self.read_numbers(content, delimiter) {
            self.table.values.truncate(before);
            return Ok(false);
        }
        let columns = self.table.values.len() - before;
        if std::mem::take(&mut self.first) {
            (self.columns, self.table.width) = (columns, columns);
        }
        if columns != self.columns {
            self.table.values.truncate(before);
            return Ok(false);
        }
        self.end_row()?;
        Ok(true)
    }

    /// Reads numbers up to the end of the line; false if something else is there.
    fn read_numbers(&mut self, content: &str, delimiter: u8) -> bool {
        let mut rest = content;
        loop {
            let (word, after) = rest.split_at(number_length(rest.as_bytes()));
            let Ok(value) = number(word) else { return false };
            self.table.values.push(value);
            match after.as_bytes() {
                [] => return true,
                [next, ..] if *next == delimiter => rest = &after[1..],
                _ => return false,
            }
        }
    }

    fn end_row(&mut self) -> Result<(), Problem> {
        self.table.rows += 1;
        if self.table.values.len() > MAX_NUMBERS {
            let place = Place::default();
            return Err(Problem::TooMany { place, what: "numbers", limit: MAX_NUMBERS });
        }
        Ok(())
    }

    /// The element of the target that a column of values fills, if it does.
    fn element(&self, column: usize) -> usize {
        match &self.elements {
            None => column,
            Some(elements) => elements.get(column).copied().unwrap_or(usize::MAX),
        }
    }

    /// The number of a field, which may be a category's name.
    fn cell(&self, element: usize, cell: &str) -> Result<f64, (String, String)> {
        let number = |cell| read(cell).map_err(|(found, expected)| (found, expected.to_owned()));
        match self.target.categories(element) {
            None => number(cell),
            Some(categories) if categories.missing && is_missing(cell) => Ok(f64::NAN),
            Some(categories) if categories.only => categories.read(cell),
            // It may be missing, and has no names.
            Some(categories) if categories.names.is_empty() => number(cell),
            Some(categories) => match categories.names.get(cell) {
                Some(code) => Ok(*code as f64),
                None if is_text(cell) => categories.read(cell),
                None => number(cell),
            },
        }
    }

    /// Takes the first column as ids.
    fn identify(&mut self) {
        self.table.ids = Some(vec![]);
        self.table.width -= 1;
    }

    fn header(&mut self, line: u64, cells: &[&str]) -> Result<(), Problem> {
        let mut names: Vec<String> = cells.iter().map(|&cell| cell.to_owned()).collect();
        let mut seen = HashSet::new();
        for name in &names {
            if !seen.insert(name) {
                let what = format!("line {line} names two columns \"{}\"", shortened(name));
                return Err(Problem::Damaged(what));
            }
        }
        let is_id = |name: &String| {
            (name.is_empty() || name.eq_ignore_ascii_case("id"))
                && !self.target.tensors.iter().any(|tensor| tensor.name == *name)
        };
        if names.len() > 1 && names.first().is_some_and(is_id) {
            names.remove(0);
            self.identify();
        } else if let Some(column) = names.iter().position(is_id) {
            let name = names.get(column).map_or("", String::as_str);
            let what = format!("column {} is named \"{}\"", column + 1, shortened(name));
            let hint = "put the ids into the first column";
            return Err(Problem::Unsupported { what, hint });
        }
        self.table.header = Some(names);
        if self.target.has_categories()
            && let Some(columns) = self.table.by_name(self.target)
        {
            let mut elements = vec![usize::MAX; self.columns];
            columns.iter().enumerate().for_each(|(element, column)| elements[*column] = element);
            self.elements = Some(elements);
        }
        Ok(())
    }
}

/// Whether a field says that a value is missing.
fn is_missing(cell: &str) -> bool {
    ["", "nan", "na", "null"].iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The number of a field.
fn read(cell: &str) -> Result<f64, (String, &'static str)> {
    match cell {
        "" => Err(("empty".into(), NUMBER_OR_DECLARED)),
        _ if number_length(cell.as_bytes()) == cell.len() => number(cell),
        "true" | "True" | "TRUE" => Ok(1.0),
        "false" | "False" | "FALSE" => Ok(0.0),
        _ if is_not_finite(cell) => Err((shortened(cell), "a finite number")),
        _ if cell.contains(',') => {
            Err((format!("\"{}\"", shortened(cell)), "a number with a decimal point"))
        }
        _ => number(cell),
    }
}

/// Whether a field is text and not meant as a number, with a decimal comma perhaps.
fn is_text(cell: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.' | '+' | '-');
    let comma = cell.contains(',') && cell.chars().all(digits);
    !cell.is_empty()
        && !comma
        && !is_not_finite(cell)
        && cell.parse::<f64>().is_err()
        && read(cell).is_err()
}

/// Whether a first line is names: mostly text, or pandas' numbered columns behind its
/// unnamed index.
fn is_header(cells: &[&str]) -> bool {
    let texts = cells.iter().filter(|cell| is_text(cell)).count();
    let numbered = matches!(cells, ["", rest @ ..]
        if !rest.is_empty() && rest.iter().enumerate().all(|(i, cell)| *cell == i.to_string()));
    2 * texts > cells.len() || numbered
}

/// The delimiter of a table; none for space.
fn delimiter(text: &str) -> Option<u8> {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let plain: String = line.split('"').step_by(2).collect();
    let found = ['\t', ';', ','].into_iter().find(|delimiter| plain.contains(*delimiter));
    let words = line.split_whitespace();
    match found {
        Some(delimiter) => Some(delimiter as u8),
        None if words.clone().count() > 1 && words.clone().all(|word| !is_text(word)) => None,
        None => Some(b','),
    }
}
