//! A connection to a chain as the command line says.

use std::{future::Future, path::Path, sync::Arc};

use tokio::runtime::Runtime;
use verdict::{Chain, ChainError, ChainOptions, Error, NodeOptions, RelayerSigner, is_development};
use verdict_relayer::{
    Finality, Node, RelayerConfig, Storage, backend::ChainBackend, signer::PasswordSource,
};

use crate::{
    args,
    failure::{Failure, Outcome},
};

/// Environment variable with the sending key.
const PRIVATE_KEY: &str = "VERDICT_PRIVATE_KEY";
/// Environment variable with the keystore's password.
const PASSWORD: &str = "VERDICT_KEYSTORE_PASSWORD";
/// Name of the relayer's database in a folder of a local chain's. Earlier versions kept one in
/// each setup folder.
const DATABASE: &str = "relayer.db";

impl args::Node {
    /// The endpoints of a chain; any chain's if it is not given.
    pub(crate) fn options(&self, chain_id: Option<u64>) -> NodeOptions {
        let (rpc_urls, quorum) = (self.rpc_url.clone(), self.quorum);
        NodeOptions { rpc_urls, chain_id, quorum, ..NodeOptions::default() }
    }
}

/// A runtime for everything that waits.
pub(crate) fn runtime() -> Outcome<Arc<Runtime>> {
    Ok(Arc::new(
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
    ))
}

/// Waits for something of the library.
pub(crate) fn wait<T, E: Into<Error>>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, E>>,
) -> Outcome<T> {
    Ok(runtime.block_on(work).map_err(Into::into)?)
}

/// The key: from a keystore, or from the environment.
pub(crate) fn signer(options: &args::Chain) -> Outcome<RelayerSigner> {
    Ok(match &options.keystore {
        Some(path) => {
            let password = match &options.password_file {
                Some(file) => PasswordSource::File(file.clone()),
                None => PasswordSource::Env(PASSWORD.into()),
            };
            RelayerSigner::from_keystore(path, &password)?
        }
        None => RelayerSigner::from_env(PRIVATE_KEY)?,
    })
}

/// Jobs of earlier versions are not taken over: what is pending in them may be sent.
fn refuse_old_database(setup: &Path) -> Outcome {
    let old = setup.join(DATABASE);
    if !old.exists() {
        return Ok(());
    }
    let old = old.display();
    Err(Failure::new(format!("{old} holds jobs of an earlier version")).hint(format!(
        "jobs belong to chain and sender now, in one place for all setups: finish those with \
         `--database {old}` (`verdict jobs --database {old}` lists them), then remove the file"
    )))
}

/// Connects as the command line says, for the work on a setup if there is one.
pub(crate) fn connect(
    runtime: &Runtime,
    options: &args::Chain,
    setup: Option<&Path>,
) -> Outcome<Chain> {
    if let (None, Some(setup)) = (&options.database, setup) {
        refuse_old_database(setup)?;
    }
    let signer = signer(options)?;
    let node = options.node.options(options.chain_id);
    let connected = Arc::new(Node::new(node.clone()).map_err(chain_error)?);
    let chain_id = runtime.block_on(connected.chain_id()).map_err(chain_error)?;
    let mut config = match is_development(chain_id) {
        true => RelayerConfig { node, ..RelayerConfig::development("") },
        false => RelayerConfig { node, ..RelayerConfig::default() },
    };
    if let Some(blocks) = options.confirmations {
        config.finality = Finality::Confirmations(blocks);
    }
    options.limits.apply(&mut config);
    let (sender, file) = (signer.address(), options.database.as_deref());
    let storage = Storage::of_sender(connected.as_ref(), sender, file);
    let storage = runtime.block_on(storage).map_err(chain_error)?;
    wait(runtime, Chain::open(connected, config, signer, storage))
}

/// An error of the relayer's, with the library's kinds and hints.
pub(crate) fn chain_error(error: impl Into<ChainError>) -> Failure {
    Error::from(error.into()).into()
}

/// Connects to a development chain with a key of the caller's.
pub(crate) fn development(
    runtime: &Runtime,
    url: &str,
    signer: RelayerSigner,
    folder: &Path,
) -> Outcome<Chain> {
    let node = NodeOptions { rpc_urls: vec![url.into()], ..NodeOptions::default() };
    let database = folder.join(DATABASE);
    wait(runtime, Chain::connect(ChainOptions { node, confirmations: None, database }, signer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_an_earlier_version_is_not_passed_over_in_silence() {
        let setup = tempfile::tempdir().expect("a folder");
        refuse_old_database(setup.path()).expect("none is there");
        std::fs::write(setup.path().join(DATABASE), "").expect("written");
        let failure = refuse_old_database(setup.path()).expect_err("refused");
        let hint = failure.hint.unwrap_or_default();
        assert!(failure.message.contains("earlier version"), "{}", failure.message);
        assert!(hint.contains("--database") && hint.contains(DATABASE), "{hint}");
    }
}
