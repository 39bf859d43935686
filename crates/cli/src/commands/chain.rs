//! A connection to a chain as the command line says.

use std::{future::Future, path::Path, sync::Arc};

use tokio::runtime::Runtime;
use verdict::{Chain, ChainOptions, Error, NodeOptions, RelayerSigner};
use verdict_relayer::signer::PasswordSource;

use crate::{args, failure::Outcome};

/// Environment variable with the sending key.
const PRIVATE_KEY: &str = "VERDICT_PRIVATE_KEY";
/// Environment variable with the keystore's password.
const PASSWORD: &str = "VERDICT_KEYSTORE_PASSWORD";
/// Name of the relayer's database in a setup folder.
const DATABASE: &str = "relayer.db";

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

/// The sending key: from a keystore, or from the environment.
fn signer(options: &args::Chain) -> Outcome<RelayerSigner> {
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

/// Connects as the command line says.
pub(crate) fn connect(runtime: &Runtime, options: &args::Chain, setup: &Path) -> Outcome<Chain> {
    let signer = signer(options)?;
    let database = options.database.clone().unwrap_or_else(|| setup.join(DATABASE));
    let node = NodeOptions {
        rpc_urls: options.rpc_url.clone(),
        chain_id: options.chain_id,
        ..NodeOptions::default()
    };
    let confirmations = options.confirmations;
    wait(runtime, Chain::connect(ChainOptions { node, confirmations, database }, signer))
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
