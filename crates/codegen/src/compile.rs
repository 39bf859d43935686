//! Compiling a generated verifier with solc.
//!
//! The compiler is taken from an explicit path, from PATH, from svm's folder, or from
//! the npm shim (`scripts/solc` beside `node_modules`), whichever is first of the
//! pinned version. It is run with `--standard-json` on stdin, so nothing is read from
//! or written to disk. Settings are those in foundry.toml: the bytecode decides the
//! contract's CREATE2 address.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Version of solc that the generated contracts ask for.
pub const SOLC_VERSION: &str = "0.8.34";
/// Largest runtime code (EIP-170).
pub const MAX_CODE_BYTES: usize = 24_576;

/// Why a source did not become bytecode.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No compiler of the pinned version.
    #[error(
        "solc {SOLC_VERSION} not found ({tried}): install it (`svm install {SOLC_VERSION}`), or give \
         its path with --solc; a checkout of Verdict has one as scripts/solc after `npm ci`"
    )]
    SolcNotFound {
        /// What was tried, with what came of it.
        tried: String,
    },
    /// The compiler did not run.
    #[error("running {path} failed: {source}")]
    Run {
        /// The compiler.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The compiler answered something else than standard JSON output.
    #[error("{path} gave no usable output: {detail}")]
    Output {
        /// The compiler.
        path: String,
        /// The beginning of its output.
        detail: String,
    },
    /// The source has errors.
    #[error("solc refuses the source: {0}")]
    Source(String),
    /// The contract exceeds the limit of EIP-170.
    #[error(
        "the verifier has {bytes} bytes of runtime code, the limit is {MAX_CODE_BYTES} (EIP-170): \
         use a circuit with fewer columns, queries or gates"
    )]
    CodeTooLarge {
        /// Its runtime code.
        bytes: usize,
    },
}

/// The settings of everything that is compiled here.
const FOUNDRY: &str = include_str!("../../../foundry.toml");

/// A setting of foundry.toml, without quotes; the first of its name, which is the default profile's.
fn foundry(key: &str) -> &'static str {
    let value = |line: &'static str| line.strip_prefix(key)?.trim_start().strip_prefix('=');
    FOUNDRY.lines().find_map(value).unwrap_or_default().trim().trim_matches('"')
}

/// What decides the bytecode beside the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether to optimize.
    pub optimizer: bool,
    /// How often the code is expected to run.
    pub runs: u32,
    /// Whether to compile by way of Yul.
    pub via_ir: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let runs = foundry("optimizer_runs").replace('_', "").parse().unwrap_or_default();
        let on = |key| foundry(key) == "true";
        Self { optimizer: on("optimizer"), runs, via_ir: on("via_ir") }
    }
}

/// A compiled contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytecode {
    /// Code that deploys the contract.
    pub creation: Vec<u8>,
    /// Code at the contract's address.
    pub runtime: Vec<u8>,
    /// Where in the source the runtime code comes from, as solc says it.
    pub source_map: String,
}

/// A solc executable of the pinned version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solc {
    path: PathBuf,
}

impl Solc {
    /// The compiler at `explicit`, or else the first one found.
    ///
    /// # Errors
    /// No compiler of version [`SOLC_VERSION`]; an explicit path is never replaced.
    pub fn find(explicit: Option<&Path>) -> Result<Self, CompileError> {
        let candidates = match explicit {
            Some(path) => vec![path.to_owned()],
            None => candidates(),
        };
        let mut tried = Vec::new();
        for path in candidates {
            match version(&path) {
                Ok(version) if version == SOLC_VERSION => return Ok(Self { path }),
                Ok(version) => tried.push(format!("{} is {version}", path.display())),
                Err(reason) => tried.push(format!("{} {reason}", path.display())),
            }
        }
        let tried = match tried.is_empty() {
            true => "there is none on PATH, of svm's, or in a checkout around this folder".into(),
            false => tried.join("; "),
        };
        Err(CompileError::SolcNotFound { tried })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compiles contract `name` in `source`.
    ///
    /// # Errors
    /// The compiler does not run, refuses the source, or makes too much code.
    pub fn compile(
        &self,
        source: &str,
        name: &str,
        settings: Settings,
    ) -> Result<Bytecode, CompileError> {
        let output = self.run(&input(source, settings))?;
        let errors: Vec<_> = output["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|error| error["severity"] == "error")
            .filter_map(|error| error["formattedMessage"].as_str())
            .collect();
        if !errors.is_empty() {
            return Err(CompileError::Source(errors.join("\n")));
        }
        let evm = &output["contracts"][FILE][name]["evm"];
        let creation = self.code(&evm["bytecode"]["object"])?;
        let runtime = self.code(&evm["deployedBytecode"]["object"])?;
        if runtime.len() > MAX_CODE_BYTES {
            return Err(CompileError::CodeTooLarge { bytes: runtime.len() });
        }
        let source_map = evm["deployedBytecode"]["sourceMap"].as_str().unwrap_or_default();
        Ok(Bytecode { creation, runtime, source_map: source_map.to_owned() })
    }

    fn code(&self, object: &Value) -> Result<Vec<u8>, CompileError> {
        let digits = object.as_str().unwrap_or_default();
        let bytes = hex::decode(digits).ok().filter(|bytes| !bytes.is_empty());
        bytes.ok_or_else(|| self.output_error("no bytecode for the contract"))
    }

    fn output_error(&self, detail: impl Into<String>) -> CompileError {
        CompileError::Output { path: self.path.display().to_string(), detail: detail.into() }
    }

    fn run(&self, input: &Value) -> Result<Value, CompileError> {
        let failed = |source| CompileError::Run { path: self.path.display().to_string(), source };
        let mut child = Command::new(&self.path)
            .arg("--standard-json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // solc reads all of its input before it writes.
        let written = match child.stdin.take() {
            Some(mut stdin) => stdin.write_all(input.to_string().as_bytes()),
            None => Ok(()),
        };
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(self.output_error(stderr.lines().next().unwrap_or("it failed")));
        }
        written.map_err(failed)?;
        serde_json::from_slice(&output.stdout).map_err(|error| self.output_error(error.to_string()))
    }
}

const FILE: &str = "Verifier.sol";

/// What block explorers take to verify the contract in `source`: the compiler's input, with which
/// anyone gets the same bytecode.
pub fn standard_input(source: &str, settings: Settings) -> String {
    format!("{:#}\n", input(source, settings))
}

fn input(source: &str, settings: Settings) -> Value {
    json!({
        "language": "Solidity",
        "sources": { FILE: { "content": source } },
        "settings": {
            "optimizer": { "enabled": settings.optimizer, "runs": settings.runs },
            "viaIR": settings.via_ir,
            "evmVersion": foundry("evm_version"),
            "metadata": {
                "bytecodeHash": foundry("bytecode_hash"),
                "appendCBOR": foundry("cbor_metadata") == "true",
            },
            "outputSelection": { FILE: { "*": [
                "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.sourceMap",
            ] } },
        },
    })
}

/// `solc` on PATH, svm's folders, the shim in this folder or one above.
fn candidates() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).map(|folder| folder.join("solc")).collect())
        .unwrap_or_default();
    if let Some(home) = env::var_os("HOME").map(PathBuf::from) {
        for svm in [".svm", ".local/share/svm"] {
            let folder = home.join(svm).join(SOLC_VERSION);
            paths.push(folder.join(format!("solc-{SOLC_VERSION}")));
        }
    }
    if let Ok(folder) = env::current_dir() {
        paths.extend(folder.ancestors().map(|folder| folder.join("scripts/solc")));
    }
    paths.retain(|path| path.is_file());
    paths
}

/// "0.8.34" from a line like "Version: 0.8.34+commit.80d5c536.Linux.g++".
fn version(path: &Path) -> Result<String, String> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("does not run ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("names no version ({})", stderr.lines().next().unwrap_or("no message"))
    })
}

fn parse_version(text: &str) -> Option<String> {
    let version = text.split("Version:").nth(1)?.trim_start();
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    (end > 0).then(|| version[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_native_and_emscripten_builds() {
        for suffix in ["+commit.1.Linux.g++", "+commit.1.Emscripten.clang", ""] {
            let text = format!("solc, the compiler\nVersion: 0.8.34{suffix}\n");
            assert_eq!(parse_version(&text).as_deref(), Some("0.8.34"));
        }
        assert_eq!(parse_version("no solc"), None);
    }

    #[test]
    fn settings_are_those_of_the_checkout() {
        let expected = Settings { optimizer: true, runs: 1_000_000, via_ir: false };
        assert_eq!(Settings::default(), expected);
        let settings = &input("", expected)["settings"];
        assert_eq!(settings["evmVersion"], "cancun");
        assert_eq!(settings["metadata"], json!({ "bytecodeHash": "none", "appendCBOR": false }));
        assert_eq!(foundry("no such setting"), "");
    }

    #[test]
    fn a_missing_compiler_is_named_with_a_hint() {
        let error = Solc::find(Some(Path::new("/nowhere/solc"))).expect_err("nothing there");
        let message = error.to_string();
        assert!(message.contains("/nowhere/solc does not run"), "{message}");
        assert!(message.contains("npm ci"), "{message}");
    }

    #[test]
    fn another_program_is_not_taken_for_a_compiler() {
        let error = Solc::find(Some(Path::new("/bin/true"))).expect_err("not solc");
        assert!(error.to_string().contains("names no version"), "{error}");
    }
}
