//! What a person sees: steps with their times, results, errors.

use std::{
    io::{ErrorKind, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use verdict::Progress;
use verdict_engine::Stage;

use crate::failure::{Failure, Outcome};

/// Prints for a person, or JSON for a program.
#[derive(Debug)]
pub(crate) struct Ui {
    json: bool,
    current: Arc<CurrentStep>,
}

/// The spinner of the step that runs, and its title.
#[derive(Debug, Default)]
struct CurrentStep(Mutex<Option<(ProgressBar, String)>>);

impl CurrentStep {
    fn set(&self, step: Option<(ProgressBar, String)>) {
        if let Ok(mut current) = self.0.lock()
            && let Some((spinner, _)) = std::mem::replace(&mut *current, step)
        {
            spinner.finish_and_clear();
        }
    }
}

impl verdict_engine::Progress for CurrentStep {
    fn stage(&self, stage: Stage) {
        if let Ok(current) = self.0.lock()
            && let Some((spinner, title)) = &*current
        {
            spinner.set_message(format!("{title}: {stage}"));
        }
    }
}

/// Prints a line to standard error. Nobody reading it is no reason to fail.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A duration with three digits.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.0} s"),
    }
}

/// A size in bytes with three digits.
pub(crate) fn bytes(size: usize) -> String {
    match size {
        0..10_000 => format!("{size} bytes"),
        10_000..1_000_000 => format!("{:.1} KB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.2} GB", size as f64 / 1e9),
    }
}

/// A number with separators.
pub(crate) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, current: Arc::default() }
    }

    /// Shows the engine's stages beside the title of the step that runs.
    pub(crate) fn stages(&self) -> Arc<dyn verdict_engine::Progress> {
        self.current.clone()
    }

    /// Runs a step behind a spinner and tells how long it took.
    pub(crate) fn step<T>(&self, title: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        verdict::step(self, title, work)
    }

    /// Like [`Ui::step`], returning the time too.
    pub(crate) fn timed_step<T>(
        &self,
        title: &str,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<(T, Duration)> {
        verdict::timed_step(self, title, work)
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) {
        if !self.json {
            say(format_args!("\n{text}"));
        }
    }

    /// The result of a command: a JSON object, or the lines of `human`.
    pub(crate) fn result(&self, value: &impl Serialize, human: &[String]) -> Outcome {
        let text = if self.json {
            let mut text = serde_json::to_string_pretty(value)?;
            text.push('\n');
            text
        } else {
            human.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
        };
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// What a failed command ends with: a line and perhaps a hint, or a JSON object on
    /// standard output.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let error = serde_json::json!({ "error": failure });
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{error:#}");
            return;
        }
        say(format_args!("error: {}", failure.message));
        if let Some(hint) = &failure.hint {
            say(format_args!("hint: {hint}"));
        }
    }
}

impl Progress for Ui {
    fn begin(&self, title: &str) {
        let spinner = ProgressBar::new_spinner().with_message(title.to_owned());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} … {elapsed}") {
            spinner.set_style(style);
        }
        if !self.json {
            spinner.enable_steady_tick(Duration::from_millis(100));
        }
        self.current.set(Some((spinner, title.to_owned())));
    }

    fn end(&self, title: &str, succeeded: bool, elapsed: Duration) {
        self.current.set(None);
        if !self.json {
            let mark = if succeeded { "✓" } else { "✗" };
            say(format_args!("  {mark} {title} ({})", seconds(elapsed)));
        }
    }

    fn note(&self, text: &str) {
        if !self.json {
            say(format_args!("    {text}"));
        }
    }

    fn warn(&self, text: &str) {
        say(format_args!("warning: {text}"));
    }
}

/// Two columns, the first padded.
pub(crate) fn table(rows: &[(&str, String)]) -> Vec<String> {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("  {name:<width$}  {value}")).collect()
}

/// Columns as wide as their widest cell, the last two to the right.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column + 2 < N { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7u32), "7");
        assert_eq!(grouped(1234u32), "1,234");
        assert_eq!(grouped(1_234_567u32), "1,234,567");
    }

    #[test]
    fn times_and_sizes_keep_three_digits() {
        assert_eq!(seconds(Duration::from_micros(12_340)), "12 ms");
        assert_eq!(seconds(Duration::from_millis(1234)), "1.23 s");
        assert_eq!(bytes(1408), "1408 bytes");
        assert_eq!(bytes(2_500_000), "2.5 MB");
    }
}
