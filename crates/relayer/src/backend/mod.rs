//! The chain as the relayer needs it: eleven questions and one command.
//!
//! [`RpcBackend`] asks Ethereum JSON-RPC endpoints. Tests put a scripted chain here.

mod classify;
mod rpc;

use std::fmt::Debug;

use alloy::primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;

pub use classify::{RpcError, RpcErrorKind, classify};
pub use rpc::{RpcBackend, redact};

use crate::job::TxReceipt;

/// Which block a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockRef {
    /// The head of the chain.
    Latest,
    /// The head and what the node's pool would add to it.
    Pending,
    /// The last block the chain calls final.
    Finalized,
    /// The canonical block of this height.
    Number(u64),
}

/// The parts of a block header that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Base fee; `None` before EIP-1559.
    pub base_fee: Option<u128>,
}

/// A call to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Sender.
    pub from: Address,
    /// Target; `None` deploys.
    pub to: Option<Address>,
    /// Call data or init code.
    pub data: Bytes,
    /// Wei.
    pub value: U256,
}

/// What a simulation or an estimate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulated<T> {
    /// It succeeds.
    Ok(T),
    /// It reverts with this data.
    Reverted(Bytes),
}

/// A chain.
#[async_trait]
pub trait ChainBackend: Debug + Send + Sync {
    /// The endpoint's name for logs and errors, without credentials.
    fn name(&self) -> String;

    /// `eth_chainId`.
    async fn chain_id(&self) -> Result<u64, RpcError>;

    /// A block's header; `None` if the chain does not have it.
    async fn block(&self, block: BlockRef) -> Result<Option<BlockInfo>, RpcError>;

    /// The tip that the node suggests, in wei per gas.
    async fn suggested_tip(&self) -> Result<u128, RpcError>;

    /// Number of transactions that `address` has sent.
    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError>;

    /// Wei that `address` holds.
    async fn balance(&self, address: Address) -> Result<U256, RpcError>;

    /// True if there is code at `address`.
    async fn has_code(&self, address: Address) -> Result<bool, RpcError>;

    /// `eth_call`.
    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError>;

    /// `eth_estimateGas` on the head.
    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError>;

    /// `eth_sendRawTransaction`.
    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError>;

    /// The receipt of a mined transaction.
    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError>;
}
