//! Where in a file something stands.

use std::fmt;

/// A path within a file's content, printed as `samples[3].input[17]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Cell { line: u64, column: String },
}

impl Place {
    /// The field `key` of this.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut place = self.clone();
        place.push_key(key);
        place
    }

    /// Element `index` of this.
    pub(crate) fn index(&self, index: usize) -> Self {
        let mut place = self.clone();
        place.push_index(index);
        place
    }

    /// A field of a table, by its line in the file, from 1, and its column.
    pub(super) fn cell(line: u64, column: impl Into<String>) -> Self {
        Self(vec![Step::Cell { line, column: column.into() }])
    }

    pub(super) fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.to_owned()));
    }

    pub(super) fn push_index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Number of steps from the whole content to this.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the content");
        }
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Cell { line, column } => {
                    write!(f, "line {line}, column {}", shortened(column))?;
                }
                Step::Key(key) => {
                    let dot = if depth == 0 { "" } else { "." };
                    write!(f, "{dot}{}", shortened(key))?;
                }
            }
        }
        Ok(())
    }
}

/// Characters of a file's text that a message shows at most.
const SHOWN: usize = 40;

/// Text of a file for a message: its beginning, without control characters.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_printed_as_programmers_write_it() {
        let root = Place::default();
        assert_eq!(root.to_string(), "the content");
        let place = root.key("samples").index(3).key("input").index(17);
        assert_eq!(place.to_string(), "samples[3].input[17]");
        assert_eq!(root.index(0).index(2).to_string(), "[0][2]");
    }

    #[test]
    fn text_of_a_file_is_shortened_and_has_no_control_characters() {
        assert_eq!(shortened("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(shortened(&"ä".repeat(41)), format!("{}…", "ä".repeat(40)));
    }
}
