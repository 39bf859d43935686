//! Finding a compiler of the pinned version, and running it.
//!
//! The compiler is taken from an explicit path, from PATH, from svm's folder, or from the npm
//! package (`scripts/solc` beside `node_modules`), whichever is first of the pinned version. What
//! foundry-compilers does for it is to ask for the version, to run it and to read its output. It
//! waits for a compiler as long as that takes; how long is bounded here.

use std::{
    env,
    path::{Path, PathBuf, absolute},
    sync::mpsc,
    thread,
    time::Duration,
};

use foundry_compilers::{
    artifacts::{BytecodeObject, CompilerOutput, Evm},
    error::SolcError,
    solc::Solc as Compiler,
};

use super::{
    Bytecode, CompileError, MAX_CODE_BYTES, SOLC_VERSION,
    input::{FILE, StandardInput},
};

/// How long a compiler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// To say its version. The npm package takes about a second on an idle machine.
    version: Duration,
    /// To compile. A verifier takes seconds.
    compile: Duration,
}

const LIMITS: Limits =
    Limits { version: Duration::from_secs(60), compile: Duration::from_secs(900) };

/// A solc executable of the pinned version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solc {
    compiler: Compiler,
    limits: Limits,
}

impl Solc {
    /// The compiler at `explicit`, or else the first one found.
    ///
    /// # Errors
    /// No compiler of version [`SOLC_VERSION`]; an explicit path is never replaced, neither by a
    /// compiler found elsewhere nor by one of that name on PATH. One that does not answer ends
    /// the search.
    pub fn find(explicit: Option<&Path>) -> Result<Self, CompileError> {
        let candidates = match explicit {
            Some(path) => vec![absolute(path).unwrap_or_else(|_| path.to_owned())],
            None => candidates(),
        };
        Self::first(candidates, LIMITS)
    }

    fn first(candidates: Vec<PathBuf>, limits: Limits) -> Result<Self, CompileError> {
        let mut tried = Vec::new();
        for path in candidates {
            let name = path.display().to_string();
            let Some(checked) = bounded(limits.version, move || Compiler::new(path)) else {
                // foundry-compilers asks one compiler at a time: whoever comes next would wait too.
                tried.push(format!("{name} is silent for {} s", limits.version.as_secs()));
                break;
            };
            match checked {
                Ok(compiler) if is_pinned(&compiler) => return Ok(Self { compiler, limits }),
                Ok(compiler) => tried.push(format!("{name} is {}", compiler.version)),
                Err(SolcError::Io(error)) => {
                    tried.push(format!("{name} does not run ({})", error.source()));
                }
                Err(error) => tried.push(format!("{name} names no version ({})", words(&error))),
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
        &self.compiler.solc
    }

    /// Compiles contract `name` of `input`.
    ///
    /// # Errors
    /// The compiler does not run or does not come to an end, refuses the source, or makes too
    /// much code.
    pub fn compile(&self, input: &StandardInput, name: &str) -> Result<Bytecode, CompileError> {
        let mut output = self.run(input)?;
        let errors: Vec<_> = output
            .errors
            .iter()
            .filter(|error| error.is_error())
            .map(|error| error.formatted_message.as_ref().unwrap_or(&error.message).as_str())
            .collect();
        if !errors.is_empty() {
            return Err(CompileError::Source(errors.join("\n")));
        }
        let file = output.contracts.get_mut(Path::new(FILE));
        let evm =
            file.and_then(|contracts| contracts.remove(name)).and_then(|contract| contract.evm);
        let bytecode =
            evm.and_then(code).ok_or_else(|| self.unusable("no bytecode for the contract"))?;
        match bytecode.runtime.len() {
            bytes if bytes > MAX_CODE_BYTES => Err(CompileError::CodeTooLarge { bytes }),
            _ => Ok(bytecode),
        }
    }

    fn run(&self, input: &StandardInput) -> Result<CompilerOutput, CompileError> {
        let (compiler, input) = (self.compiler.clone(), input.clone());
        let path = self.path().display().to_string();
        match bounded(self.limits.compile, move || compiler.compile(&input.0)) {
            Some(Ok(output)) => Ok(output),
            Some(Err(SolcError::Io(error))) => {
                Err(CompileError::Run { path, source: error.into() })
            }
            // Writing the input fails as JSON does.
            Some(Err(SolcError::SerdeJson(error))) if error.is_io() => {
                Err(CompileError::Run { path, source: error.into() })
            }
            Some(Err(error)) => Err(self.unusable(words(&error))),
            None => {
                let seconds = self.limits.compile.as_secs();
                Err(CompileError::Unanswered { path, seconds })
            }
        }
    }

    fn unusable(&self, detail: impl Into<String>) -> CompileError {
        CompileError::Output { path: self.path().display().to_string(), detail: detail.into() }
    }
}

/// A release of that version: what is between releases may compile otherwise.
fn is_pinned(compiler: &Compiler) -> bool {
    compiler.version.pre.is_empty() && compiler.version_short().to_string() == SOLC_VERSION
}

/// The first line of what a program said when it failed, or else what is wrong.
fn words(error: &SolcError) -> String {
    let text = match error {
        SolcError::SolcError(_, said) => said.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or("no message").to_owned()
}

/// What `work` comes to, unless it takes longer than `limit`. It then goes on in a thread of its
/// own, which ends with the compiler that it waits for or with this process.
fn bounded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(limit).ok()
}

/// Both codes of a contract; none of an interface, nor of one that is to be linked.
fn code(evm: Evm) -> Option<Bytecode> {
    let bytes = |object: BytecodeObject| object.into_bytes().filter(|bytes| !bytes.is_empty());
    let deployed = evm.deployed_bytecode?.bytecode?;
    Some(Bytecode {
        creation: bytes(evm.bytecode?.object)?.to_vec(),
        runtime: bytes(deployed.object)?.to_vec(),
        source_map: deployed.source_map.unwrap_or_default(),
    })
}

/// `solc` on PATH, svm's folders, the npm package's in this folder or one above.
fn candidates() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).map(|folder| folder.join("solc")).collect())
        .unwrap_or_default();
    let home = env::var_os("HOME").map(PathBuf::from);
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let svm = [
        home.as_ref().map(|home| home.join(".svm")),
        data.map(|data| data.join("svm")),
        home.as_ref().map(|home| home.join(".local/share/svm")),
        home.as_ref().map(|home| home.join("Library/Application Support/svm")),
    ];
    for folder in svm.into_iter().flatten() {
        paths.push(folder.join(SOLC_VERSION).join(format!("solc-{SOLC_VERSION}")));
    }
    if let Ok(folder) = env::current_dir() {
        paths.extend(folder.ancestors().map(|folder| folder.join("scripts/solc")));
    }
    paths.retain(|path| path.is_file());
    paths
}

#[cfg(test)]
mod tests;
