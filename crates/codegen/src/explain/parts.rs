//! Which part of a verification a line of the verifier's source belongs to.

use super::{ExplainError, source_map};
use crate::{MemoryMap, ShapeVerifier, compile::Bytecode};

/// A part of a verification.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What kind of work it is.
    pub group: &'static str,
    /// Which of it.
    pub what: String,
}

impl Part {
    /// A part of a group.
    pub fn new(group: &'static str, what: impl Into<String>) -> Self {
        Self { group, what: what.into() }
    }
}

/// The parts of a compiled verifier.
#[derive(Debug, Clone)]
pub struct Outline {
    parts: Vec<Part>,
    /// The part of each byte of code where an instruction begins.
    of_code: Vec<usize>,
}

impl Outline {
    /// # Errors
    /// The compiler's source map is not one.
    pub fn new(verifier: &ShapeVerifier, code: &Bytecode) -> Result<Self, ExplainError> {
        let mut reader = Reader::new(&verifier.memory);
        let of_lines: Vec<usize> = verifier.source.lines().map(|line| reader.read(line)).collect();
        let lines = source_map::lines(&verifier.source, &code.source_map, &code.runtime)?;
        let of_code = lines
            .iter()
            .map(|line| line.and_then(|line| of_lines.get(line).copied()).unwrap_or(0))
            .collect();
        Ok(Self { parts: reader.parts, of_code })
    }

    /// All parts, in the order of the source.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The index of the part to which the instruction at a place in the code belongs.
    pub fn at(&self, pc: usize) -> usize {
        self.of_code.get(pc).copied().unwrap_or(0)
    }
}

/// Reads the generated source line by line: its comments name the steps, and in them rounds, gates
/// and classes; which point is multiplied is said by what is copied.
struct Reader<'a> {
    memory: &'a MemoryMap,
    parts: Vec<Part>,
    step: &'a str,
    current: usize,
    /// The point that is added next, and multiplied after it.
    addend: Option<usize>,
}

const STEPS: [(&str, &str, &str); 10] = [
    ("1", "checks", "calldata is canonical"),
    ("2", "key", "code and hash of the key contract"),
    ("3", "hashing", "the transcript's beginning"),
    ("4", "checks", "points are on the curve"),
    ("5a", "evaluations", "instances"),
    ("5b", "evaluations", "denominators, x^n and the one inverse"),
    ("7", "gates", "instances' value"),
    ("8", "evaluations", "powers"),
    ("9", "commitments", "weights of the linearisation"),
    ("10", "pairing", "pairing of two points"),
];

impl<'a> Reader<'a> {
    fn new(memory: &'a MemoryMap) -> Self {
        let parts = vec![Part::new("checks", "selector, arguments, return")];
        Self { memory, parts, step: "", current: 0, addend: None }
    }

    /// The part of a name, which is made if there is none.
    fn part(&mut self, part: Part) -> usize {
        let found = self.parts.iter().position(|known| *known == part);
        found.unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        })
    }

    /// The commitment in a word of the memory map.
    fn commitment(&mut self, name: &str) -> usize {
        let note = self.memory.get(name).map_or(name, |slot| &slot.note);
        let what = note.strip_prefix("commitment to ").unwrap_or(note);
        let key = if name.starts_with("KEY_") { ", of the key" } else { "" };
        self.part(Part::new("commitments", format!("{what}{key}")))
    }

    fn read(&mut self, line: &str) -> usize {
        let text = line.trim_start();
        let comment = text.strip_prefix("// ");
        if line.starts_with("    function") || line.starts_with("    uint") {
            (self.step, self.current) = ("", 0);
        }
        if let Some(comment) = comment {
            let indent = line.len() - text.len();
            match indent {
                8 => self.begin(comment),
                12 => self.inside(comment),
                _ if self.step == "9" && comment.starts_with("The linearisation") => {
                    self.current =
                        self.part(Part::new("commitments", "weights of the linearisation"));
                }
                _ => {}
            }
        } else if self.step == "9" {
            self.point(text);
        } else if self.step == "4" && text == "let r := R" {
            self.current = self.part(Part::new("checks", "scalars are below the modulus"));
        }
        self.current
    }

    /// A comment in front of a block.
    fn begin(&mut self, comment: &str) {
        let number = comment.split('.').next().unwrap_or_default();
        if let Some((step, group, what)) = STEPS.iter().find(|(step, ..)| *step == number) {
            self.step = step;
            self.current = self.part(Part::new(group, *what));
        } else if comment.starts_with("The key's first words") {
            self.step = "";
            self.current = self.part(Part::new("pairing", "its input"));
        }
    }

    /// A comment inside a block.
    fn inside(&mut self, comment: &str) {
        let part = match self.step {
            "3" if comment.starts_with("Round ") => {
                let (round, draws) = comment.split_once("; draws ").unwrap_or((comment, ""));
                let draws = draws.trim_end_matches('.').to_lowercase();
                Part::new("hashing", format!("{}, for {draws}", round.to_lowercase()))
            }
            "7" => Part::new("gates", comment),
            "8" => Part::new("evaluations", comment.trim_end_matches('.').to_lowercase()),
            "9" if comment.starts_with("The linearisation") => {
                Part::new("commitments", "weights of the linearisation")
            }
            "9" if comment.starts_with("Minus the opened value") => {
                Part::new("commitments", "G1, for the opened value")
            }
            "9" if comment.starts_with("Minus W") => {
                self.current = self.commitment("POINT_W");
                return;
            }
            _ => return,
        };
        self.current = self.part(part);
    }

    /// A line of the sum of points.
    fn point(&mut self, text: &str) {
        let copied = |to: &str| {
            let rest = text.strip_prefix("mcopy(")?.strip_prefix(to)?.strip_prefix(", ")?;
            rest.split(',').next()
        };
        let added = copied("ADDEND");
        // Horner's rule: what was added before is multiplied from here on.
        if added.is_some() || text.starts_with("mstore(SCALAR, mload(CLASS_SCALAR") {
            self.current = self.addend.take().unwrap_or(self.current);
        }
        if let Some(name) = added {
            self.addend = Some(self.commitment(name));
        }
        if let Some(name) = copied("ACCUMULATOR") {
            self.current = self.commitment(name);
        }
    }
}
