//! The chain as the relayer needs it: questions, and one command.
//!
//! [`crate::Node`] asks Ethereum JSON-RPC endpoints. Tests put a scripted chain here.

mod classify;

use std::fmt::Debug;

use alloy::primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;

pub use classify::{RpcError, RpcErrorKind, classify};

use crate::job::TxReceipt;

/// Largest number of transactions of one account that is believed, about 10^12.
pub const MAX_NONCE: u64 = 1 << 40;
/// Largest height of a block that is believed.
pub const MAX_BLOCK: u64 = 1 << 56;

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
    /// Seconds since 1970.
    pub timestamp: u64,
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

/// Events of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// The contract.
    pub address: Address,
    /// Its topics, the event's own first; `None` fits any.
    pub topics: [Option<B256>; 4],
    /// The blocks, both ends included.
    pub blocks: std::ops::RangeInclusive<u64>,
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

    /// The hashes of a block's transactions; `None` if the chain does not have the block.
    async fn transactions(&self, block: u64) -> Result<Option<Vec<B256>>, RpcError>;

    /// The data of the logs that a query selects.
    async fn logs(&self, query: &LogQuery) -> Result<Vec<Bytes>, RpcError>;

    /// The median tip of each of the newest `blocks` blocks that hold transactions, in wei per gas,
    /// weighted by gas (`eth_feeHistory`).
    async fn paid_tips(&self, blocks: u64) -> Result<Vec<u128>, RpcError>;

    /// The tip that the node suggests, in wei per gas.
    async fn suggested_tip(&self) -> Result<u128, RpcError>;

    /// Number of transactions that `address` has sent, at most [`MAX_NONCE`].
    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError>;

    /// Wei that `address` holds.
    async fn balance(&self, address: Address) -> Result<U256, RpcError>;

    /// The most wei that any endpoint says `address` holds: who holds less, all agree, cannot pay.
    async fn most_held(&self, address: Address) -> Result<U256, RpcError> {
        self.balance(address).await
    }

    /// The code at `address`; empty if there is none.
    async fn code(&self, address: Address, block: BlockRef) -> Result<Bytes, RpcError>;

    /// `eth_call`.
    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError>;

    /// `eth_estimateGas` on the head.
    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError>;

    /// `eth_sendRawTransaction`.
    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError>;

    /// The receipt of a mined transaction.
    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError>;
}
