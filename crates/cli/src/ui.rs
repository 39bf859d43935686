//! What a person sees: steps with their times, results, errors.

use std::{
    io::{ErrorKind, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use verdict::Progress;
pub(crate) use verdict::figures::{bytes, grouped, seconds};
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
