//! How the chain shows that a job's effect is there.
//!
//! A relayer's memory can be lost or wrong, and a node can hide a receipt; what the state of
//! the chain says decides. An effect is looked up before a job is sent, before it is sent
//! again, and when the database calls it done.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::backend::{BlockRef, Call, ChainBackend, LogQuery, RpcError, Simulated};

/// What is on chain once a call has happened, by whomever and whenever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Effect {
    /// There is code at an address: a deployment whose address is known before.
    CodeAt {
        /// The address.
        address: Address,
    },
    /// A call returns exactly these bytes: a flag that is set, a record that stands.
    CallReturns {
        /// The contract.
        to: Address,
        /// Its call data.
        calldata: Bytes,
        /// What it returns, ABI-encoded.
        returns: Bytes,
    },
    /// A contract emitted an event with this data: a registration under an id that only the
    /// contract chooses.
    Logged {
        /// The contract.
        address: Address,
        /// The event's topics, its own first; `None` fits any.
        topics: [Option<B256>; 4],
        /// Its other arguments, ABI-encoded.
        data: Bytes,
        /// The first block that counts.
        from_block: u64,
    },
}

impl Effect {
    /// Whether the state after block `height` has it.
    ///
    /// # Errors
    /// If the node does not answer, or does not have that state.
    pub async fn is_there(
        &self,
        backend: &dyn ChainBackend,
        height: u64,
    ) -> Result<bool, RpcError> {
        let block = BlockRef::Number(height);
        match self {
            Self::CodeAt { address } => Ok(!backend.code(*address, block).await?.is_empty()),
            Self::CallReturns { to, calldata, returns } => {
                let from = Address::ZERO;
                let call = Call { from, to: Some(*to), data: calldata.clone(), value: U256::ZERO };
                Ok(match backend.call(&call, block).await? {
                    Simulated::Ok(answer) => answer == *returns,
                    Simulated::Reverted(_) => false,
                })
            }
            Self::Logged { address, topics, data, from_block } => {
                if *from_block > height {
                    return Ok(false);
                }
                let query =
                    LogQuery { address: *address, topics: *topics, blocks: *from_block..=height };
                Ok(backend.logs(&query).await?.contains(data))
            }
        }
    }
}
