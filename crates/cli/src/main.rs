//! `verdict`: proves what a machine-learning model said, and takes it to Ethereum.
//!
//! The binary reads arguments, calls the libraries and prints; it holds no logic of
//! its own. Results go to standard output, progress, warnings and errors to standard
//! error. With `--json`, standard output holds one JSON object whatever happens: the
//! result, or `{"error": {"kind", "exit_code", "message", "hint"}}`. The exit codes are in
//! `--help` and in `docs/command-line.md`.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

mod args;
mod commands;
mod failure;
mod inputs;
mod limits;
mod ui;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use verdict_service::Traces;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return not_understood(&error),
    };
    let ui = ui::Ui::new(args.json);
    let done = log(&args).and_then(|traces| {
        let done = commands::run(&args.command, &ui);
        if let Some(traces) = traces {
            traces.flush();
        }
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}

/// What a service does is logged, and traced if the environment asks for it; of the other commands,
/// what VERDICT_LOG asks for is logged.
fn log(args: &args::Args) -> failure::Outcome<Option<Traces>> {
    let process = match args.command {
        args::Command::Serve(_) => Some("verdict-serve"),
        args::Command::Worker(_) => Some("verdict-worker"),
        _ => None,
    };
    let default = if process.is_some() { "info,sqlx=warn" } else { "off" };
    let filter = EnvFilter::try_from_env("VERDICT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let log = if args.json { log.json().boxed() } else { log.boxed() };
    let traces = match process {
        Some(process) => Traces::from_env(process)?,
        None => None,
    };
    // Ours alone: what libraries do in between tells operators nothing.
    let ours = Targets::new().with_targets(
        ["verdict_service", "verdict_relayer"].map(|target| (target, LevelFilter::INFO)),
    );
    let layer = traces.as_ref().map(|traces| traces.layer().with_filter(ours));
    tracing_subscriber::registry().with(layer).with(log.with_filter(filter)).init();
    Ok(traces)
}

/// Arguments that clap refuses, and the help that was asked for.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let message = told.join(" ");
    let failure =
        failure::Failure::usage(message.trim_start_matches("error: ")).hint("see `verdict --help`");
    ui::Ui::new(true).failure(&failure);
    ExitCode::from(failure.exit_code)
}
