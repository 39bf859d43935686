//! A cursor over JSON text that knows where it is.

use super::{error::Problem, place::shortened};

/// Text and a position in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves over one character and returns it.
    pub(super) fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn skip_space(&mut self) {
        let rest = self.rest().as_bytes();
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(space).count();
    }

    /// Moves over space and then over `expected`, of ASCII, if it is there.
    pub(super) fn skip(&mut self, expected: char) -> bool {
        self.skip_space();
        let found = self.rest().as_bytes().first() == Some(&(expected as u8));
        self.at += usize::from(found);
        found
    }

    /// Moves over space; whether a list or an object ends there.
    pub(super) fn closes(&mut self) -> bool {
        self.skip_space();
        matches!(self.rest().as_bytes().first(), Some(b']' | b'}'))
    }

    /// Moves over a number or a word: letters, digits, signs, points.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '#');
        let word = rest.find(|c| !part(c)).map_or(rest, |end| &rest[..end]);
        self.at += word.len();
        word
    }

    /// Moves over a number in JSON's notation, space before it too, if one is next, and what
    /// follows it is the end, a comma, space or a bracket. The many numbers of a list come
    /// this way.
    pub(super) fn number(&mut self) -> Option<&'a str> {
        let start = *self;
        self.skip_space();
        let rest = self.rest();
        let length = number_length(rest.as_bytes());
        let next = rest.as_bytes().get(length);
        let ends = next.is_none_or(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n'));
        if length == 0 || !ends {
            *self = start;
            return None;
        }
        self.at += length;
        rest.get(..length)
    }

    /// Moves over a string in double quotes and returns what it stands for.
    pub(super) fn string(&mut self) -> Result<String, Problem> {
        let start = *self;
        let open = || start.error("a string without its closing quote".into());
        self.advance();
        let mut string = String::new();
        loop {
            let before = *self;
            match self.advance().ok_or_else(open)? {
                '"' => return Ok(string),
                '\\' => match self.advance().ok_or_else(open)? {
                    c @ ('"' | '\\' | '/') => string.push(c),
                    'b' => string.push('\u{8}'),
                    'f' => string.push('\u{c}'),
                    'n' => string.push('\n'),
                    'r' => string.push('\r'),
                    't' => string.push('\t'),
                    'u' => string.push(self.unicode(before)?),
                    c => return Err(before.error(format!("\\{} is no escape", c.escape_debug()))),
                },
                c if c < ' ' => {
                    let what = format!("{c:?} within a string; it needs an escape");
                    return Err(before.error(what));
                }
                c => string.push(c),
            }
        }
    }

    /// The character of a \u escape, behind its u; `start` is before the backslash.
    fn unicode(&mut self, start: Self) -> Result<char, Problem> {
        let wrong = || start.error("a \\u escape that is no character".into());
        let first = self.unit().ok_or_else(wrong)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(wrong);
        }
        let second = match (self.advance(), self.advance()) {
            (Some('\\'), Some('u')) => self.unit(),
            _ => None,
        };
        let second = second.filter(|unit| (0xdc00..0xe000).contains(unit)).ok_or_else(wrong)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(wrong)
    }

    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.advance()?.to_digit(16)?))
    }

    /// An error at this position.
    pub(super) fn error(&self, what: String) -> Problem {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Problem::Syntax { line, column, what }
    }

    /// The error that something else was expected at this position.
    pub(super) fn unexpected(&self, expected: &str) -> Problem {
        let mut next = *self;
        let word = next.word();
        let found = match (word, self.peek()) {
            ("", None) => "the file ends".to_owned(),
            ("", Some(c)) => format!("{c:?}"),
            _ => format!("\"{}\"", shortened(word)),
        };
        self.error(format!("{found} where {expected} is expected"))
    }
}

/// Length of the number that stands first, by JSON's grammar (RFC 8259, 6); 0 if none does.
pub(super) fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let is = |at: usize, of: &[u8]| bytes.get(at).is_some_and(|byte| of.contains(byte));
    let start = usize::from(is(0, b"-"));
    let whole = digits(start);
    if whole == 0 || whole > 1 && is(start, b"0") {
        return 0;
    }
    let mut end = start + whole;
    if is(end, b".") {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return 0;
        }
        end += 1 + fraction;
    }
    if is(end, b"eE") {
        let sign = usize::from(is(end + 1, b"+-"));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return 0;
        }
        end += 1 + sign + exponent;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_by_the_grammar_of_json() {
        for number in ["0", "-0", "7", "10", "0.5", "-12.25", "1e5", "1E+05", "-2.5e-308"] {
            assert_eq!(number_length(number.as_bytes()), number.len(), "{number}");
            let text = format!(" {number} , 2");
            let mut cursor = Text::new(&text);
            assert_eq!(cursor.number(), Some(number));
            assert!(cursor.skip(','));
        }
        for other in ["", "-", "+1", ".5", "01", "1.", "1.e5", "1e", "1e+", "NaN", "x1", "--1"] {
            assert_eq!(number_length(other.as_bytes()), 0, "{other}");
        }
        // Whatever follows a number must not belong to it.
        for other in ["1x", "1.5.2", "0x10", "1_000", "1-2", "1\u{e9}"] {
            let mut cursor = Text::new(other);
            assert_eq!(cursor.number(), None, "{other}");
            assert_eq!(cursor.peek(), Some(other.chars().next().unwrap_or_default()));
        }
    }
}
