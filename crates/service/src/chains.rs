//! The chain of a service: one node for all questions, and its sending keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, U256};
use thiserror::Error;
use verdict::{
    Chain, ChainError, ChainReader, Deployment, NodeOptions, RelayerSigner, is_development,
    next_nonces,
};
use verdict_contracts::bindings::InferenceOracle::{isModelApprovedCall, isSubmitterCall};
use verdict_relayer::{
    Finality, Node, RelayerConfig, RelayerError, Storage,
    backend::RpcError,
    signer::{PasswordSource, SignerError},
    storage::place::{database_name, genesis, of_another_genesis},
};

use crate::{config::ChainConfig, models::Models};

/// Environment variable with the sending key.
pub const PRIVATE_KEY: &str = "VERDICT_PRIVATE_KEY";
/// Environment variable with the keystores' password.
pub const PASSWORD: &str = "VERDICT_KEYSTORE_PASSWORD";

/// Why there is no way to the chain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainsError {
    /// A key cannot be had.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The models are elsewhere.
    #[error("the models are deployed on chain {found}, chain {wanted} is asked for")]
    OtherChain {
        /// What is asked for.
        wanted: u64,
        /// Where the models are.
        found: u64,
    },
    /// The chain cannot be reached, or is another one.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A model's oracle is not where its setup says.
    #[error(
        "model {model}: no oracle answers at {oracle} on chain {chain_id} ({source}): deploy it again, take it out, \
         or name the right node"
    )]
    NoOracle {
        /// The model.
        model: String,
        /// Where its oracle should be.
        oracle: Address,
        /// The chain.
        chain_id: u64,
        /// What was answered.
        source: Box<verdict::Error>,
    },
    /// The key has sent on a chain of this id that began otherwise.
    #[error(
        "the first block of chain {chain_id} is another than that of {}, which has what {sender} signed: \
         a node that lies about it would have that sent again. If the chain was begun anew, or this is \
         another chain, move that file away", path.display()
    )]
    OtherGenesis {
        /// The chain.
        chain_id: u64,
        /// The key.
        sender: Address,
        /// What it signed.
        path: PathBuf,
    },
    /// The data folder.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<RpcError> for ChainsError {
    fn from(error: RpcError) -> Self {
        Self::Chain(error.into())
    }
}

impl From<RelayerError> for ChainsError {
    fn from(error: RelayerError) -> Self {
        Self::Chain(error.into())
    }
}

/// What a service brings to its chain.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The folder of what its keys have sent.
    pub data: &'a Path,
    /// The models that it serves.
    pub models: &'a Models,
    /// How many proofs of one key may be under way.
    pub max_in_flight: usize,
}

/// Refuses a model whose oracle is not on the chain: its jobs would wait for ever.
///
/// # Errors
/// [`ChainsError::NoOracle`]; the chain does not answer.
pub(crate) async fn look_for_oracles(
    reader: &ChainReader,
    models: &Models,
) -> Result<(), ChainsError> {
    for model in models.iter() {
        let Some(deployment) = model.deployment() else { continue };
        let Err(source) = next_nonces(reader, deployment, vec![]).await else { continue };
        return Err(match source {
            verdict::Error::Chain(error) if matches!(*error, ChainError::Node(_)) => {
                ChainsError::Chain(*error)
            }
            source => ChainsError::NoOracle {
                model: model.name().to_owned(),
                oracle: deployment.oracle,
                chain_id: deployment.chain_id,
                source: Box::new(source),
            },
        });
    }
    Ok(())
}

/// Says which oracles refuse what `sender` brings as they are now, or a model. They may be told otherwise
/// at any time, and their jobs say what was answered: a start goes on.
async fn look_for_rights(reader: &ChainReader, models: &Models, sender: Address) {
    for model in models.iter() {
        let Some(Deployment { oracle, model_id, .. }) = model.deployment() else { continue };
        let (oracle, name) = (*oracle, model.name());
        if let Ok(false) = reader.call(oracle, &isSubmitterCall { submitter: sender }).await {
            tracing::warn!(
                model = name, %oracle, %sender,
                "the oracle refuses what this key sends, which is no submitter: its owner has to add it"
            );
        }
        let approved = isModelApprovedCall { modelId: U256::from(*model_id) };
        if let Ok(false) = reader.call(oracle, &approved).await {
            tracing::warn!(
                model = name, %oracle, model_id,
                "the oracle refuses proofs of this model, which is not approved: its owner has to approve it"
            );
        }
    }
}

/// The chain as a service sees it.
#[derive(Debug, Default)]
pub struct Chains {
    /// For questions; none where no model is deployed.
    pub reader: Option<ChainReader>,
    /// One of each sending key.
    pub senders: Vec<Chain>,
}

impl Chains {
    /// A chain of which only questions are asked.
    ///
    /// # Errors
    /// No endpoint answers, or the chain is another than `chain_id`.
    pub async fn read(config: &ChainConfig, chain_id: u64) -> Result<Self, ChainsError> {
        if let Some(wanted) = config.chain_id.filter(|wanted| *wanted != chain_id) {
            return Err(ChainsError::OtherChain { wanted, found: chain_id });
        }
        let reader = ChainReader::connect(node_options(config, chain_id)).await?;
        Ok(Self { reader: Some(reader), senders: vec![] })
    }

    /// Connects, looks for the models' oracles, and takes the sending keys; what they have sent is in
    /// files of `base`'s folder.
    ///
    /// # Errors
    /// No endpoint answers, the chain is another than `chain_id`, or begins otherwise than the one that
    /// a key sent on; an oracle is not there; a key cannot be read, or another process sends with it.
    pub async fn connect(
        config: &ChainConfig,
        chain_id: u64,
        base: Base<'_>,
    ) -> Result<Self, ChainsError> {
        let mut chains = Self::read(config, chain_id).await?;
        if let Some(reader) = &chains.reader {
            look_for_oracles(reader, base.models).await?;
        }
        if !config.send {
            return Ok(chains);
        }
        for signer in signers(config)? {
            if let Some(reader) = &chains.reader {
                look_for_rights(reader, base.models, signer.address()).await;
            }
            let node =
                Arc::new(Node::new(node_options(config, chain_id)).map_err(ChainError::from)?);
            let genesis = genesis(node.as_ref()).await.map_err(ChainError::from)?;
            let (data, sender) = (base.data, signer.address());
            // Development chains are begun anew all the time.
            if !is_development(chain_id) {
                let other = of_another_genesis(data, chain_id, genesis, sender)
                    .map_err(|source| ChainsError::Folder { path: data.to_owned(), source })?;
                if let Some(path) = other {
                    return Err(ChainsError::OtherGenesis { chain_id, sender, path });
                }
            }
            let file = data.join(database_name(chain_id, genesis, sender));
            let storage = Storage::of_sender(node.as_ref(), signer.address(), Some(&file)).await?;
            let relayer = RelayerConfig {
                max_in_flight: base.max_in_flight,
                ..relayer_config(config, chain_id)
            };
            chains.senders.push(Chain::open(node, relayer, signer, storage).await?);
        }
        Ok(chains)
    }
}

fn node_options(config: &ChainConfig, chain_id: u64) -> NodeOptions {
    let rpc_urls = config.rpc_urls.iter().map(|url| url.0.as_str().into()).collect();
    let quorum = config.quorum;
    NodeOptions { rpc_urls, chain_id: Some(chain_id), quorum, ..NodeOptions::default() }
}

fn relayer_config(config: &ChainConfig, chain_id: u64) -> RelayerConfig {
    let node = node_options(config, chain_id);
    let mut relayer = match is_development(chain_id) {
        true => RelayerConfig { node, ..RelayerConfig::development("") },
        false => RelayerConfig { node, ..RelayerConfig::default() },
    };
    if let Some(blocks) = config.confirmations {
        relayer.finality = Finality::Confirmations(blocks);
    }
    // Validated: 10^-9 to 10^9 of each.
    let wei = |amount: f64, unit: f64| (amount * unit) as u128;
    if let Some(gwei) = config.max_fee {
        relayer.max_fee_ceiling = wei(gwei, 1e9);
    }
    if let Some(gwei) = config.max_tip {
        relayer.max_tip = wei(gwei, 1e9);
    }
    if let Some(ether) = config.max_cost {
        relayer.max_cost = U256::from(wei(ether, 1e18));
    }
    relayer.concurrency = config.concurrency;
    relayer.max_raise = config.max_raise.unwrap_or(relayer.max_raise);
    relayer.max_nonce_distance = config.max_nonce_distance.unwrap_or(relayer.max_nonce_distance);
    relayer.max_gaps = config.max_gaps.unwrap_or(relayer.max_gaps);
    relayer
}

fn signers(config: &ChainConfig) -> Result<Vec<RelayerSigner>, SignerError> {
    let remote = config.signers.iter();
    let remote =
        remote.map(|signer| RelayerSigner::remote(&signer.url.0.as_str().into(), signer.address));
    let mut signers = remote.collect::<Result<Vec<_>, _>>()?;
    if config.keystores.is_empty() {
        if signers.is_empty() {
            signers.push(RelayerSigner::from_env(PRIVATE_KEY)?);
        }
        return Ok(signers);
    }
    let password = match &config.password_file {
        Some(file) => PasswordSource::File(file.clone()),
        None => PasswordSource::Env(PASSWORD.into()),
    };
    for path in &config.keystores {
        signers.push(RelayerSigner::from_keystore(path, &password)?);
    }
    Ok(signers)
}
