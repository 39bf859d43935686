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
    /// A call returns these words, and no more: a flag that is set, a record that stands.
    CallReturns {
        /// The contract.
        to: Address,
        /// Its call data.
        calldata: Bytes,
        /// The words of what it returns, ABI-encoded; `None` fits any.
        returns: Vec<Option<B256>>,
    },
    /// All of several: what one transaction does in more than one place.
    All {
        /// Them.
        effects: Vec<Effect>,
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

/// Whether an answer is these words, of which `None` fits any.
fn fits(answer: &[u8], words: &[Option<B256>]) -> bool {
    let (found, rest) = answer.as_chunks::<32>();
    let same = |(found, wanted): (&[u8; 32], &Option<B256>)| {
        wanted.is_none_or(|wanted| wanted.0 == *found)
    };
    rest.is_empty() && found.len() == words.len() && found.iter().zip(words).all(same)
}

impl Effect {
    /// A flag that a view of a contract returns is set.
    pub fn is_set(to: Address, calldata: Bytes) -> Self {
        Self::CallReturns { to, calldata, returns: vec![Some(B256::with_last_byte(1))] }
    }

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
                    Simulated::Ok(answer) => fits(&answer, returns),
                    Simulated::Reverted(_) => false,
                })
            }
            Self::All { effects } => {
                for effect in effects {
                    if !Box::pin(effect.is_there(backend, height)).await? {
                        return Ok(false);
                    }
                }
                Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_word_by_word_and_in_its_length() {
        let (one, two) = (B256::with_last_byte(1), B256::with_last_byte(2));
        let answer = [one.0, two.0].concat();
        assert!(fits(&answer, &[Some(one), Some(two)]));
        assert!(fits(&answer, &[None, Some(two)]));
        assert!(!fits(&answer, &[Some(two), None]));
        assert!(!fits(&answer, &[Some(one)]));
        assert!(!fits(&answer, &[Some(one), None, None]));
        assert!(!fits(&answer[..63], &[Some(one), None]));
        assert!(!fits(&[answer.as_slice(), &[0]].concat(), &[None, None]));
        assert!(!fits(&[], &[Some(one)]));
    }
}
