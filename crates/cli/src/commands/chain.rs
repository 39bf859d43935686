//! A connection to a chain: transactions through the relayer, reads through its node.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use tokio::runtime::Runtime;
use verdict_contracts::{Revert, decode_revert};
use verdict_relayer::{
    DecodedRevert, Finality, JobState, Node, Relayer, RelayerConfig, RelayerSigner, Storage,
    SubmitRequest, TxReceipt,
    backend::{BlockRef, Call, ChainBackend, Simulated},
    clock::SystemClock,
    signer::PasswordSource,
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
    node: Arc<Node>,
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
        let mut config = RelayerConfig::default();
        config.node.rpc_urls = options.rpc_url.clone();
        config.node.chain_id = options.chain_id;
        let node = Arc::new(Node::new(config.node.clone())?);
        let chain_id = runtime.block_on(node.chain_id())?;
        if is_development(chain_id) {
            config = RelayerConfig { node: config.node, ..RelayerConfig::development("") };
        }
        if let Some(blocks) = options.confirmations {
            config.finality = Finality::Confirmations(blocks);
        }
        Self::open(runtime, config, signer, database, node)
    }

    /// Connects to a development chain with a key of the caller's.
    pub(crate) fn development(
        runtime: Arc<Runtime>,
        url: &str,
        signer: RelayerSigner,
        database: PathBuf,
    ) -> Outcome<Self> {
        let config = RelayerConfig::development(url);
        let node = Arc::new(Node::new(config.node.clone())?);
        Self::open(runtime, config, signer, database, node)
    }

    fn open(
        runtime: Arc<Runtime>,
        config: RelayerConfig,
        signer: RelayerSigner,
        database: PathBuf,
        node: Arc<Node>,
    ) -> Outcome<Self> {
        let relayer = runtime.block_on(async {
            let storage = Storage::open(&database).await?;
            let (backend, clock) = (Arc::clone(&node), Arc::new(SystemClock));
            let relayer =
                Relayer::with_backend(config, signer, storage, decoder, backend, clock).await?;
            relayer.resume().await?;
            Ok::<_, Failure>(relayer)
        })?;
        Ok(Self { runtime, relayer, node })
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
        let call = Call { from: self.sender(), to: Some(to), data: calldata, value: U256::ZERO };
        match self.runtime.block_on(self.node.call(&call, BlockRef::Latest)) {
            Ok(Simulated::Ok(answer)) => Ok(answer),
            Ok(Simulated::Reverted(data)) => Err(CallError::Reverted(decode_revert(&data))),
            Err(error) => Err(CallError::Failed(error.to_string())),
        }
    }

    /// A contract's code.
    pub(crate) fn code(&self, address: Address) -> Outcome<Bytes> {
        Ok(self.runtime.block_on(self.node.code(address, BlockRef::Latest))?)
    }

    /// A transaction's receipt with its logs.
    pub(crate) fn receipt(&self, hash: B256) -> Outcome<TransactionReceipt> {
        self.runtime
            .block_on(self.node.full_receipt(hash))?
            .ok_or_else(|| Failure::new(format!("the node has no receipt of {hash} any more")))
    }
}
