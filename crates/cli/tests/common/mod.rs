//! Running the program as a user does.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod desk;
pub(crate) mod local;
pub(crate) mod proxy;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the credit example.
pub(crate) fn example(name: &str) -> String {
    root().join("examples/credit").join(name).display().to_string()
}

/// A file of the example with trees.
pub(crate) fn gbdt(name: &str) -> String {
    root().join("examples/credit-gbdt").join(name).display().to_string()
}

/// A temporary folder and the program run from the checkout, with a cache of its own.
pub(crate) struct Workplace {
    pub(crate) folder: TempDir,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verdict"));
        command
            .args(args)
            .current_dir(root())
            .env_remove("VERDICT_PRIVATE_KEY")
            .env_remove("ETH_RPC_URL")
            .env_remove("VERDICT_DATABASE")
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Runs with `--json` and returns what it printed; panics unless it succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        json(self.command(args).arg("--json").output().expect("the program starts"))
    }

    /// Sets a model of the credit example up with a development SRS.
    pub(crate) fn setup(&self, model: &str, extra: &[&str]) -> String {
        let out = self.path("setup");
        let (model, ranges) = (example(model), example("ranges.json"));
        let mut args = vec!["setup", &model, "--ranges", &ranges, "--dev-srs", "--out", &out];
        args.extend(extra);
        self.json(&args);
        out
    }

    /// Runs and expects a failure: exit code 1, nothing on standard output, one line
    /// that starts with `error:` (and perhaps a hint), which is returned.
    pub(crate) fn failure(&self, args: &[&str]) -> String {
        failure(args, self.run(args), 1)
    }

    /// Like [`Self::failure`], with another exit code.
    pub(crate) fn fails_with(&self, code: i32, args: &[&str]) -> String {
        failure(args, self.run(args), code)
    }
}

pub(crate) fn json(output: Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "failed: {errors}{told}");
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

pub(crate) fn failure(args: &[&str], output: Output, code: i32) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
    assert!(output.stdout.is_empty(), "{args:?} printed a result");
    assert!(!errors.contains("panicked"), "{args:?}: {errors}");
    let mut lines = errors.lines().filter(|line| line.starts_with("error: "));
    let line = lines.next().unwrap_or_else(|| panic!("{args:?} gave no error line: {errors}"));
    assert_eq!(lines.next(), None, "{args:?}: one error line");
    let hint = errors.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    format!("{line} {hint}")
}
