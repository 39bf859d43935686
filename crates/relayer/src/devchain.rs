//! A local development chain: anvil as a child process, for tests and the demonstration.
//!
//! The binary inside the npm package is started directly, not through its node wrapper: a
//! wrapper that is killed leaves its child behind. The port is chosen by the operating
//! system. Dropping a [`DevChain`] stops the process, and so does the end of its parent, however it
//! comes: a shell waits for that. Ctrl-C in a terminal is the parent's alone: anvil is in a process
//! group of its own. Keys are random and funded on
//! request, so that no well-known development key is ever used.

use std::{
    env, io,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use alloy::{
    primitives::{U256, utils::Unit},
    providers::{Provider, RootProvider},
    rpc::client::RpcClient,
    signers::local::PrivateKeySigner,
    transports::http::reqwest::Url,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// How long anvil may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The development chain cannot be used.
#[derive(Debug, Error)]
pub enum DevChainError {
    /// There is no anvil.
    #[error("anvil is not installed (looked in node_modules above {} and on PATH); run `npm ci`", start.display())]
    NotInstalled {
        /// Where the search began.
        start: PathBuf,
    },
    /// It does not start.
    #[error("cannot start {}: {reason}", binary.display())]
    Start {
        /// The binary.
        binary: PathBuf,
        /// Why.
        reason: String,
    },
    /// It does not answer.
    #[error("the development chain failed at {method}: {reason}")]
    Rpc {
        /// The JSON-RPC method.
        method: String,
        /// Why.
        reason: String,
    },
}

/// Settings of a development chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevChainOptions {
    /// The anvil binary; `None` searches for it with [`find_anvil`] from the working
    /// directory upwards.
    pub binary: Option<PathBuf>,
    /// Its chain id.
    pub chain_id: u64,
    /// Seconds between blocks; `None` mines every transaction at once.
    pub block_time: Option<u64>,
    /// Port; 0 takes a free one.
    pub port: u16,
}

impl Default for DevChainOptions {
    fn default() -> Self {
        Self { binary: None, chain_id: 31_337, block_time: None, port: 0 }
    }
}

/// A running anvil. Stops when dropped.
#[derive(Debug)]
pub struct DevChain {
    child: Child,
    guard: Option<Child>,
    url: String,
    provider: RootProvider,
}

/// Finds anvil: in a `node_modules` folder of `start` or one of its parents, else on PATH.
///
/// # Errors
/// If it is nowhere, with the command that installs it.
pub fn find_anvil(start: &Path) -> Result<PathBuf, DevChainError> {
    let os = if cfg!(target_os = "macos") { "darwin" } else { env::consts::OS };
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let inside = format!("node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil");
    let in_packages = start.ancestors().map(|folder| folder.join(&inside));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path).map(|dir| dir.join("anvil")).collect();
    in_packages
        .chain(on_path)
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| DevChainError::NotInstalled { start: start.to_owned() })
}

impl DevChain {
    /// Starts anvil and waits until it listens. Blocks for a fraction of a second.
    ///
    /// # Errors
    /// If anvil is not installed, or does not listen (for example: the port is in use).
    pub fn start(options: &DevChainOptions) -> Result<Self, DevChainError> {
        let binary = match &options.binary {
            Some(binary) => binary.clone(),
            None => find_anvil(&env::current_dir().unwrap_or_default())?,
        };
        let fail = |reason: String| DevChainError::Start { binary: binary.clone(), reason };
        let mut command = Command::new(&binary);
        command
            .args(["--host", "127.0.0.1", "--accounts", "1", "--color", "never"])
            .args(["--port", &options.port.to_string()])
            .args(["--chain-id", &options.chain_id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        alone(&mut command);
        if let Some(seconds) = options.block_time {
            command.args(["--block-time", &seconds.to_string()]);
        }
        let mut child = command.spawn().map_err(|error| fail(error.to_string()))?;
        let mut guard = guard(&child);
        let (sender, lines) = mpsc::channel();
        // Both pipes are read to their end, or anvil would block on a full one.
        for pipe in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)] {
            let (Some(pipe), sender) = (pipe, sender.clone()) else { continue };
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    // Nobody listens any more once anvil has started.
                    let _ = sender.send(line);
                }
            });
        }
        drop(sender);
        let address = match wait_for_address(&lines) {
            Ok(address) => address,
            Err(reason) => {
                stop(&mut child, &mut guard);
                return Err(fail(reason));
            }
        };
        let url = format!("http://{address}");
        let parsed: Url = match url.parse() {
            Ok(parsed) => parsed,
            Err(_) => {
                stop(&mut child, &mut guard);
                return Err(fail(format!("it listens on {address}, which is no address")));
            }
        };
        Ok(Self { child, guard, url, provider: RootProvider::new(RpcClient::new_http(parsed)) })
    }

    /// Its RPC URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new random key that owns `ether`.
    ///
    /// # Errors
    /// If the chain does not answer.
    pub async fn funded_key(&self, ether: u64) -> Result<PrivateKeySigner, DevChainError> {
        let key = PrivateKeySigner::random();
        let wei = U256::from(ether).saturating_mul(Unit::ETHER.wei());
        self.set_balance(&key, wei).await?;
        Ok(key)
    }

    /// Gives `key` a balance of `wei`.
    ///
    /// # Errors
    /// If the chain does not answer.
    pub async fn set_balance(
        &self,
        key: &PrivateKeySigner,
        wei: U256,
    ) -> Result<(), DevChainError> {
        self.rpc::<_, serde_json::Value>("anvil_setBalance", (key.address(), wei)).await.map(drop)
    }

    /// Any JSON-RPC request, for anvil's own methods.
    ///
    /// # Errors
    /// If the chain refuses it or does not answer.
    pub async fn rpc<P, R>(&self, method: &'static str, params: P) -> Result<R, DevChainError>
    where
        P: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static,
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        self.provider.raw_request(method.into(), params).await.map_err(|error| DevChainError::Rpc {
            method: method.to_owned(),
            reason: error.to_string(),
        })
    }
}

impl Drop for DevChain {
    fn drop(&mut self) {
        stop(&mut self.child, &mut self.guard);
    }
}

fn stop(child: &mut Child, guard: &mut Option<Child>) {
    // The guard first: until the child is waited for, its number is nobody else's. All fail only if
    // the process is gone already.
    for process in guard.iter_mut().chain([child]) {
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Signals of the terminal are not for it.
fn alone(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// A shell that stops the child once its own input ends: with this process, even if that is killed.
/// Without a shell the child outlives a parent that is killed.
fn guard(child: &Child) -> Option<Child> {
    let script = format!("read -r _; kill -9 {}", child.id());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    alone(&mut command);
    command.spawn().ok()
}

fn boxed(pipe: impl io::Read + Send + 'static) -> Box<dyn io::Read + Send> {
    Box::new(pipe)
}

/// Reads anvil's output up to the line that names its address; else, its last words.
fn wait_for_address(lines: &mpsc::Receiver<String>) -> Result<String, String> {
    let mut last = "it printed nothing".to_owned();
    loop {
        match lines.recv_timeout(START_LIMIT) {
            Ok(line) => match line.trim().strip_prefix("Listening on ") {
                Some(address) => return Ok(address.to_owned()),
                None if line.trim().is_empty() => {}
                None => last = line.trim().to_owned(),
            },
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(format!("no answer: {last}")),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_anvil_is_an_error_that_says_how_to_install_it() {
        let nowhere = Path::new("/nonexistent");
        let options = DevChainOptions { binary: Some(nowhere.join("anvil")), ..Default::default() };
        let error = DevChain::start(&options).expect_err("no such binary");
        assert!(error.to_string().contains("/nonexistent/anvil"), "{error}");
        let error = DevChainError::NotInstalled { start: nowhere.to_owned() };
        assert!(error.to_string().contains("npm ci"));
    }

    #[test]
    fn a_program_that_only_complains_is_reported_with_its_words() {
        let (sender, lines) = mpsc::channel();
        for line in ["", "Error: address already in use", ""] {
            sender.send(line.to_owned()).expect("sent");
        }
        drop(sender);
        assert_eq!(wait_for_address(&lines), Err("Error: address already in use".to_owned()));
    }
}
