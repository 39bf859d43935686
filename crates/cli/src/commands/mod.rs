//! One module a command.

mod attach;
mod attest;
mod bench;
mod chain;
mod codegen;
mod commit;
mod demo;
mod deploy;
mod inspect;
mod jobs;
mod prove;
mod report;
mod service;
mod setup;
mod srs;
mod submit;
mod verify;

use crate::{args::Command, failure::Outcome, ui::Ui};

/// Runs a command.
pub(crate) fn run(command: &Command, ui: &Ui) -> Outcome {
    match command {
        Command::Inspect(args) => inspect::run(args, ui),
        Command::Report(args) => report::run(args, ui),
        Command::Srs(args) => srs::run(args, ui),
        Command::Setup(args) => setup::run(args, ui),
        Command::Commit(args) => commit::run(args, ui),
        Command::Prove(args) => prove::run(args, ui),
        Command::Verify(args) => verify::run(args, ui),
        Command::Codegen(args) => codegen::run(args, ui),
        Command::Deploy(args) => deploy::run(args, ui),
        Command::Attach(args) => attach::run(args, ui),
        Command::Attest(args) => attest::run(args, ui),
        Command::Submit(args) => submit::run(args, ui),
        Command::Jobs(args) => jobs::list(args, ui),
        Command::Status(args) => jobs::status(args, ui),
        Command::Retry(args) => jobs::retry(args, ui),
        Command::Cancel(args) => jobs::cancel(args, ui),
        Command::Serve(args) => service::serve(args, ui),
        Command::Worker(args) => service::work(args, ui),
        Command::Token(command) => service::token(command, ui),
        Command::Demo(args) => demo::run(args, ui),
        Command::Bench(args) => bench::run(args, ui),
    }
}
