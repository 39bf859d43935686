//! A report for people.

use std::fmt::{self, Display, Formatter};

use super::{Gas, GasReport};
use crate::figures::grouped;

/// A line: its group, its part, and gas by both rules.
type Row = [String; 4];

fn row(group: &str, part: &str, gas: Gas) -> Row {
    [group.to_owned(), clipped(part), grouped(gas.today), grouped(gas.announced)]
}

/// Parts with many columns have long names.
fn clipped(part: &str) -> String {
    const WIDTH: usize = 64;
    match part.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &part[..end]),
        None => part.to_owned(),
    }
}

impl GasReport {
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![["gas of", "", "today", "announced"].map(str::to_owned)];
        let mut group = "";
        for part in &self.parts {
            let heading = if part.group == group { "" } else { part.group };
            group = part.group;
            rows.push(row(heading, &part.part, part.gas));
        }
        let (later, first) = match self.inferences {
            1 => ("a later score".to_owned(), "a first score".to_owned()),
            count => (format!("later scores of {count} subjects"), "their first scores".to_owned()),
        };
        rows.push(row("the sum", &later, self.later));
        rows.push(row("beside it", &first, self.first));
        rows.push(row("", "a call of the verifier alone", self.verifier_alone));
        rows.push(row("", &format!("{later}, beyond that call"), self.oracle()));
        rows.push(row("once", "the verifier, for all models of the shape", self.verifier_created));
        rows.push(row("", "the key, for each model", self.key_created));
        rows
    }
}

/// Columns, the numbers to the right.
impl Display for GasReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths = [0, 1, 2, 3].map(width);
        for [group, part, today, announced] in &rows {
            let [a, b, c, d] = widths;
            writeln!(f, "{group:<a$}  {part:<b$}  {today:>c$}  {announced:>d$}")?;
        }
        Ok(())
    }
}
