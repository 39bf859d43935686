//! `verdict`: proves what a machine-learning model said, and takes it to Ethereum.
//!
//! The binary reads arguments, calls the libraries and prints; it holds no logic of
//! its own. Results go to standard output (as JSON with `--json`), progress and
//! errors to standard error. Exit code 0: done; 1: failed, with one line and a hint;
//! 2: the arguments were not understood.

mod args;
mod commands;
mod failure;
mod inputs;
mod ui;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("VERDICT_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off")),
        )
        .with_writer(std::io::stderr)
        .init();
    let ui = ui::Ui::new(args.json);
    match commands::run(&args.command, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::FAILURE
        }
    }
}
