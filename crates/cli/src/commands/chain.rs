//! A connection to a chain: transactions through the relayer, reads through RPC.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes},
    providers::{Provider, RootProvider},
    rpc::{
        client::RpcClient,
        types::{TransactionReceipt, TransactionRequest},
    },
    sol_types::SolCall,
    transports::http::reqwest::Url,
};
use tokio::runtime::Runtime;
use verdict_contracts::{Revert, decode_revert};
use verdict_relayer::{
    DecodedRevert, Finality, JobState, Relayer, RelayerConfig, RelayerSigner, Storage,
    SubmitRequest, TxReceipt, signer::PasswordSource,
};

use crate::{
    args,
    failure::{Failure, Outcome},
};

/// Environment variable with the sending key.
const PRIVATE_KEY: &str = "VERDICT_PRIVATE_KEY";
/// Environment variable with the keystore's password.
const PASSWORD: &str = "VERDICT_KEYSTORE_PASSWORD";
/// Name of the relayer's database in a setup folder.
const DATABASE: &str = "relayer.db";
/// Chain ids of development chains.
const DEVELOPMENT_CHAINS: [u64; 2] = [31_337, 1_337];

/// A chain and the account that sends.
pub(crate) struct Chain {
    runtime: Arc<Runtime>,
    relayer: Relayer,
    provider: RootProvider,
}

/// How a call ended.
pub(crate) enum CallError {
    /// The contract reverted.
    Reverted(Revert),
    /// The node did not answer, or not as expected.
    Failed(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Reverted(revert) => reverted("the call", &revert),
            CallError::Failed(message) => Self::new(message),
        }
    }
}

/// A failure that names the contract's own error.
fn reverted(what: &str, revert: &Revert) -> Failure {
    let failure = Failure::new(format!("{what} was refused by the contract: {revert}"));
    match revert.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn decoder(data: &Bytes) -> DecodedRevert {
    let revert = decode_revert(data);
    DecodedRevert {
        name: revert.name().to_owned(),
        message: revert.to_string(),
        already_recorded: revert.is_already_recorded(),
        data: data.clone(),
    }
}

/// Whether a chain is one for development.
pub(crate) fn is_development(chain_id: u64) -> bool {
    DEVELOPMENT_CHAINS.contains(&chain_id)
}

/// A runtime for everything that waits.
pub(crate) fn runtime() -> Outcome<Arc<Runtime>> {
    Ok(Arc::new(
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
    ))
}

impl Chain {
    /// Connects as the command line says.
    pub(crate) fn connect(options: &args::Chain, setup: &Path) -> Outcome<Self> {
        let signer = match &options.keystore {
            Some(path) => {
                let password = match &options.password_file {
                    Some(file) => PasswordSource::File(file.clone()),
                    None => PasswordSource::Env(PASSWORD.into()),
                };
                RelayerSigner::from_keystore(path, &password)?
            }
            None => RelayerSigner::from_env(PRIVATE_KEY)?,
        };
        let database = options.database.clone().unwrap_or_else(|| setup.join(DATABASE));
        let runtime = runtime()?;
        let provider = provider(options.rpc_url.first().map_or("", String::as_str))?;
        let chain_id = runtime
            .block_on(async { provider.get_chain_id().await })
            .map_err(|error| unreachable_node(&options.rpc_url, &error.to_string()))?;
        let mut config = if is_development(chain_id) {
            RelayerConfig::development("")
        } else {
            RelayerConfig::default()
        };
        config.rpc_urls = options.rpc_url.clone();
        config.chain_id = options.chain_id;
        if let Some(blocks) = options.confirmations {
            config.finality = Finality::Confirmations(blocks);
        }
        Self::open(runtime, config, signer, database, provider)
    }

    /// Connects to a development chain with a key of the caller's.
    pub(crate) fn development(
        runtime: Arc<Runtime>,
        url: &str,
        signer: RelayerSigner,
        database: PathBuf,
    ) -> Outcome<Self> {
        let config = RelayerConfig::development(url);
        Self::open(runtime, config, signer, database, provider(url)?)
    }

    fn open(
        runtime: Arc<Runtime>,
        config: RelayerConfig,
        signer: RelayerSigner,
        database: PathBuf,
        provider: RootProvider,
    ) -> Outcome<Self> {
        let relayer = runtime.block_on(async {
            let storage = Storage::open(&database).await?;
            let relayer = Relayer::open(config, signer, storage, decoder).await?;
            relayer.resume().await?;
            Ok::<_, Failure>(relayer)
        })?;
        Ok(Self { runtime, relayer, provider })
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.relayer.chain_id()
    }

    pub(crate) fn sender(&self) -> Address {
        self.relayer.sender()
    }

    /// Sends a transaction and waits until it is final. `None`: its effect was there
    /// before.
    pub(crate) fn send(&self, request: SubmitRequest) -> Outcome<Option<TxReceipt>> {
        let label = request.label.clone();
        let status = self.runtime.block_on(async {
            let job = self.relayer.submit(request).await?;
            self.relayer.run_to_completion(job).await
        })?;
        match status.state {
            JobState::Finalized => Ok(status.receipt),
            JobState::Rejected(rejection) => Err(match rejection.revert() {
                Some(revert) => reverted(&label, &decode_revert(&revert.data)),
                None => Failure::new(format!("{label}: {rejection}")),
            }),
            other => Err(Failure::new(format!("{label}: {other}"))),
        }
    }

    /// Calls a contract without a transaction, as the sender.
    pub(crate) fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, CallError> {
        let data = self.call_raw(to, call.abi_encode().into())?;
        C::abi_decode_returns(&data)
            .map_err(|_| CallError::Failed(format!("{to} does not answer {}", C::SIGNATURE)))
    }

    /// Calls a contract with calldata as it is.
    pub(crate) fn call_raw(&self, to: Address, calldata: Bytes) -> Result<Bytes, CallError> {
        let request =
            TransactionRequest::default().with_from(self.sender()).with_to(to).with_input(calldata);
        let result = self.runtime.block_on(async { self.provider.call(request).await });
        result.map_err(|error| {
            let revert = error.as_error_resp().and_then(|response| response.as_revert_data());
            match revert {
                Some(data) => CallError::Reverted(decode_revert(&data)),
                None => CallError::Failed(format!("the node refused a call: {error}")),
            }
        })
    }

    /// A contract's code.
    pub(crate) fn code(&self, address: Address) -> Outcome<Bytes> {
        Ok(self.runtime.block_on(async { self.provider.get_code_at(address).await })?)
    }

    /// A transaction's receipt with its logs.
    pub(crate) fn receipt(&self, hash: B256) -> Outcome<TransactionReceipt> {
        self.runtime
            .block_on(async { self.provider.get_transaction_receipt(hash).await })?
            .ok_or_else(|| Failure::new(format!("the node has no receipt of {hash} any more")))
    }
}

fn provider(url: &str) -> Outcome<RootProvider> {
    let url: Url =
        url.parse().map_err(|error| Failure::new(format!("{url} is not an RPC URL: {error}")))?;
    Ok(RootProvider::new(RpcClient::new_http(url)))
}

fn unreachable_node(urls: &[String], cause: &str) -> Failure {
    let url = urls.first().map_or("", String::as_str);
    Failure::new(format!("no node answers at {url}: {}", cause.replace('\n', " ")))
        .hint("start one (for example anvil), or give its address with --rpc-url")
}
