//! A chain: contracts are asked through a node, transactions go through the relayer.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use thiserror::Error;
use verdict_contracts::{Revert, decode_revert};
use verdict_relayer::{
    ConfigError, DecodedRevert, Effect, Finality, JobState, Node, NodeOptions, Relayer,
    RelayerConfig, RelayerError, RelayerSigner, Storage, StorageError, SubmitRequest, TxReceipt,
    backend::{BlockRef, Call, ChainBackend, RpcError, RpcErrorKind, Simulated},
    clock::SystemClock,
};

use crate::error::Kind;

/// Chain ids of development chains.
const DEVELOPMENT_CHAINS: [u64; 2] = [31_337, 1_337];

/// Why a chain did not do or say what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node does not answer, or not as expected.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// The relayer cannot go on.
    #[error(transparent)]
    Relayer(#[from] RelayerError),
    /// The relayer's database cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A contract reverted.
    #[error("{what} was refused by the contract: {revert}")]
    Reverted {
        /// What was asked for.
        what: String,
        /// The contract's error.
        revert: Revert,
    },
    /// A transaction was not accepted, or had no effect.
    #[error("{what}: {state}")]
    NotDone {
        /// What was asked for.
        what: String,
        /// How it ended.
        state: JobState,
    },
    /// What answers is not the contract it should be.
    #[error("{address} does not answer {signature}")]
    NotTheContract {
        /// The address asked.
        address: Address,
        /// The function.
        signature: &'static str,
    },
    /// A registry, or a node, says that there are more models than can be.
    #[error(
        "registry {registry} says it has {count} models, more than the {limit} that are searched"
    )]
    TooManyModels {
        /// The registry.
        registry: Address,
        /// What it says.
        count: u64,
        /// What is searched.
        limit: u64,
    },
    /// The node is on another chain.
    #[error("the node is on chain {found}, the setup is deployed on chain {expected}")]
    WrongChain {
        /// The deployment's chain.
        expected: u64,
        /// The node's.
        found: u64,
    },
}

impl ChainError {
    pub(crate) fn kind(&self) -> Kind {
        let node = |error: &RpcError| match error.kind {
            RpcErrorKind::Unreachable | RpcErrorKind::TimedOut | RpcErrorKind::RateLimited => {
                Kind::Unreachable
            }
            _ => Kind::Failed,
        };
        match self {
            Self::Node(error) | Self::Relayer(RelayerError::Rpc(error)) => node(error),
            Self::Relayer(RelayerError::Timeout { .. } | RelayerError::Closed { .. }) => {
                Kind::Pending
            }
            Self::Reverted { .. } | Self::NotDone { state: JobState::Rejected(_), .. } => {
                Kind::Rejected
            }
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            _ if self.kind() == Kind::Unreachable => {
                "start a node (for example anvil), or give one's address with --rpc-url".into()
            }
            Self::Reverted { revert, .. } => revert.hint()?.into(),
            Self::WrongChain { .. } => "give the right node with --rpc-url".into(),
            Self::TooManyModels { .. } => {
                "deploy a registry of your own: leave --registry out".into()
            }
            Self::NotTheContract { .. } => "check the address, and the chain it is on".into(),
            _ => return None,
        })
    }
}

/// Whether a chain is one for development.
pub fn is_development(chain_id: u64) -> bool {
    DEVELOPMENT_CHAINS.contains(&chain_id)
}

/// Asks contracts.
#[derive(Clone)]
pub struct ChainReader {
    node: Arc<dyn ChainBackend>,
    chain_id: u64,
    /// In whose name contracts are asked.
    from: Address,
    /// In which state.
    at: BlockRef,
}

impl fmt::Debug for ChainReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainReader").field("chain_id", &self.chain_id).finish_non_exhaustive()
    }
}

impl ChainReader {
    /// Connects to one or several endpoints of a chain.
    ///
    /// # Errors
    /// No endpoint answers, a URL is none, or the chain is not the one asked for.
    pub async fn connect(node: NodeOptions) -> Result<Self, ChainError> {
        Self::of(Arc::new(Node::new(node)?), Address::ZERO).await
    }

    async fn of(node: Arc<dyn ChainBackend>, from: Address) -> Result<Self, ChainError> {
        let chain_id = node.chain_id().await?;
        Ok(Self { node, chain_id, from, at: BlockRef::Latest })
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Refuses another chain.
    pub(crate) fn expect(&self, chain_id: u64) -> Result<(), ChainError> {
        let found = self.chain_id;
        if found == chain_id {
            return Ok(());
        }
        Err(ChainError::WrongChain { expected: chain_id, found })
    }

    /// Calls a contract without a transaction.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] if the contract refuses, others if it does not answer.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, ChainError> {
        let data = self.call_raw(to, call.abi_encode().into(), C::SIGNATURE).await?;
        C::abi_decode_returns(&data)
            .map_err(|_| ChainError::NotTheContract { address: to, signature: C::SIGNATURE })
    }

    /// Calls a contract with calldata as it is; `what` is what an error says was asked for.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_raw(
        &self,
        to: Address,
        calldata: Bytes,
        what: &str,
    ) -> Result<Bytes, ChainError> {
        self.simulate(Some(to), calldata, what).await
    }

    /// Creates a contract without a transaction; what its constructor refuses is an error.
    pub(crate) async fn create(&self, init_code: Bytes, what: &str) -> Result<Bytes, ChainError> {
        self.simulate(None, init_code, what).await
    }

    async fn simulate(
        &self,
        to: Option<Address>,
        data: Bytes,
        what: &str,
    ) -> Result<Bytes, ChainError> {
        let call = Call { from: self.from, to, data, value: U256::ZERO };
        match self.node.call(&call, self.at).await? {
            Simulated::Ok(data) => Ok(data),
            Simulated::Reverted(data) => {
                Err(ChainError::Reverted { what: what.to_owned(), revert: decode_revert(&data) })
            }
        }
    }

    /// Height of the newest block.
    pub(crate) async fn head(&self) -> Result<u64, ChainError> {
        Ok(self.node.block(BlockRef::Latest).await?.map_or(0, |block| block.number))
    }

    /// Time of the newest block, seconds since 1970.
    pub(crate) async fn time(&self) -> Result<u64, ChainError> {
        Ok(self.node.block(BlockRef::Latest).await?.map_or(0, |block| block.timestamp))
    }

    /// Whether an effect is seen.
    pub(crate) async fn shows(&self, effect: &Effect) -> Result<bool, ChainError> {
        let height = match self.at {
            BlockRef::Number(height) => height,
            _ => self.head().await?,
        };
        Ok(effect.is_there(self.node.as_ref(), height).await?)
    }

    /// The code at an address; empty if there is none.
    pub(crate) async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        Ok(self.node.code(address, self.at).await?)
    }

    /// Whether there is a contract at an address.
    pub(crate) async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        Ok(!self.code(address).await?.is_empty())
    }
}

/// A chain and the account that sends.
#[derive(Debug, Clone)]
pub struct Chain {
    reader: ChainReader,
    relayer: Relayer,
}

impl std::ops::Deref for Chain {
    type Target = ChainReader;

    fn deref(&self) -> &ChainReader {
        &self.reader
    }
}

/// How a chain is reached, and where what is sent is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainOptions {
    /// The endpoints.
    pub node: NodeOptions,
    /// Blocks after which a transaction counts as final; `None`: 1 on a development chain,
    /// else the relayer's default.
    pub confirmations: Option<u64>,
    /// The relayer's database.
    pub database: PathBuf,
}

impl Chain {
    /// Connects, takes ownership of the sending key's nonces, and takes up what an earlier
    /// run left.
    ///
    /// # Errors
    /// No endpoint answers, the chain is not the one asked for, or another process
    /// relays with this key.
    pub async fn connect(options: ChainOptions, signer: RelayerSigner) -> Result<Self, ChainError> {
        let node = Arc::new(Node::new(options.node.clone())?);
        let mut config = if is_development(node.chain_id().await?) {
            RelayerConfig::development("")
        } else {
            RelayerConfig::default()
        };
        config.node = options.node;
        if let Some(blocks) = options.confirmations {
            config.finality = Finality::Confirmations(blocks);
        }
        let storage = Storage::open(&options.database).await?;
        Self::open(node, config, signer, storage).await
    }

    /// Like [`Self::connect`], with a node, settings and a database of the caller's.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn open(
        node: Arc<Node>,
        config: RelayerConfig,
        signer: RelayerSigner,
        storage: Storage,
    ) -> Result<Self, ChainError> {
        let reader = ChainReader::of(node.clone(), signer.address()).await?;
        let clock = Arc::new(SystemClock);
        let relayer = Relayer::with_backend(config, signer, storage, decoder, node, clock).await?;
        relayer.resume().await?;
        Ok(Self { reader, relayer })
    }

    /// The relayer, for whoever manages its jobs.
    pub fn relayer(&self) -> &Relayer {
        &self.relayer
    }

    /// The account that sends.
    pub fn sender(&self) -> Address {
        self.relayer.sender()
    }

    /// The chain as it is after the newest block.
    pub(crate) fn newest(&self) -> ChainReader {
        self.reader.clone()
    }

    /// The chain as it is after the newest block that counts as final, if there is one.
    pub(crate) async fn settled(&self) -> Result<Option<ChainReader>, ChainError> {
        let height = self.relayer.final_height().await?;
        Ok(height.map(|height| ChainReader { at: BlockRef::Number(height), ..self.newest() }))
    }

    /// How long something on chain is waited for; `None`: for ever.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.relayer.config().wait_timeout
    }

    /// How often the chain is looked at meanwhile.
    pub(crate) fn poll_interval(&self) -> Duration {
        self.relayer.config().poll_interval
    }

    /// Sends a transaction, unless the chain shows its effect, and waits until it is final.
    /// There is no receipt if somebody else's transaction had the effect, or the node shows
    /// none.
    pub(crate) async fn send(
        &self,
        request: SubmitRequest,
    ) -> Result<Option<TxReceipt>, ChainError> {
        let what = request.label.clone();
        let job = self.relayer.submit(request).await?;
        let status = self.relayer.run_to_completion(job).await?;
        match status.state {
            JobState::Finalized => Ok(status.receipt),
            JobState::Rejected(rejection) => Err(match rejection.revert() {
                Some(revert) => ChainError::Reverted { what, revert: decode_revert(&revert.data) },
                None => ChainError::NotDone { what, state: JobState::Rejected(rejection) },
            }),
            state => Err(ChainError::NotDone { what, state }),
        }
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
