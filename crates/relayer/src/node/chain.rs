//! A node's answers as the relayer's chain.

use std::sync::atomic::Ordering;

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    transports::TransportResult,
};
use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    Node,
    agree::{Answers, Apart, PAUSE, Told, near},
    answers::revert_data,
};
use crate::{
    backend::{
        BlockInfo, BlockRef, Call, ChainBackend, LogQuery, MAX_BLOCK, MAX_NONCE, RpcError,
        RpcErrorKind, Simulated,
    },
    job::TxReceipt,
};

/// The method that says what an account holds.
const BALANCE: &str = "eth_getBalance";
/// How far the endpoints' pools may be apart: transactions take a moment from one to another.
const POOLS_APART: u64 = 16;

impl Node {
    /// The largest count of all pools, which must not be far apart.
    async fn pooled_nonce(&self, address: Address) -> Result<u64, RpcError> {
        let ask = |provider: RootProvider| async move {
            provider.get_transaction_count(address).pending().await
        };
        let highest =
            self.gather("eth_getTransactionCount", ask, |answers| near(&answers, POOLS_APART));
        Ok(highest.await?.1)
    }

    /// The block that all endpoints have at a height, as yet unchecked.
    async fn block_at(&self, block: BlockRef) -> Result<Option<BlockInfo>, RpcError> {
        let answer = self
            .agree("eth_getBlockByNumber", |provider| async move {
                let found = provider.get_block_by_number(tag(block)).await?;
                Ok(found.map(|found| BlockInfo {
                    number: found.header.number,
                    hash: found.header.hash,
                    timestamp: found.header.timestamp,
                    base_fee: found.header.base_fee_per_gas.map(u128::from),
                }))
            })
            .await;
        match answer {
            Err(error) if error.kind == RpcErrorKind::UnknownBlock => Ok(None),
            answer => answer,
        }
    }

    /// A receipt that all endpoints show. One that shows none may be behind the block that the
    /// receipt is of, which is then not to be told from no receipt.
    async fn agreed_receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let ask = |provider: RootProvider| async move {
            Ok(provider.get_transaction_receipt(hash).await?.and_then(receipt_of))
        };
        if !self.several() {
            return self.ask(METHOD, ask).await;
        }
        let end = Instant::now() + self.options.agreement_time;
        loop {
            let Shown { receipt, differ } = self.gather(METHOD, ask, shown).await?;
            let (Some(found), Some((by, from))) = (&receipt, differ) else { return Ok(receipt) };
            let block = found.block_number;
            if block > self.common_head().await? {
                return Ok(None);
            }
            if Instant::now() >= end {
                let message = format!("a receipt of block {block}, and {from} shows none");
                return Err(RpcError::new(RpcErrorKind::Disagreement, &by, METHOD, &message));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What endpoints show of a receipt.
struct Shown {
    receipt: Option<TxReceipt>,
    /// The names of an endpoint that shows it and of one that does not, if there are both.
    differ: Option<(String, String)>,
}

/// The receipt that endpoints show.
fn shown<'a>(
    answers: Answers<'a, Option<TxReceipt>>,
) -> Result<Shown, Apart<'a, Option<TxReceipt>>> {
    let mut found: Option<Told<'a, Option<TxReceipt>>> = None;
    let mut hides = None;
    for told in answers.into_iter() {
        match &found {
            _ if told.1.is_none() => hides = Some(told.0.to_owned()),
            None => found = Some(told),
            Some(first) if first.1 != told.1 => return Err(Apart::new(first.clone(), told)),
            Some(_) => {}
        }
    }
    Ok(match found {
        Some((by, receipt)) => Shown { receipt, differ: hides.map(|from| (by.to_owned(), from)) },
        None => Shown { receipt: None, differ: None },
    })
}

/// What of a node's receipt matters; `None` for one without a block, which some nodes show of
/// a pending transaction.
fn receipt_of(receipt: TransactionReceipt) -> Option<TxReceipt> {
    Some(TxReceipt {
        hash: receipt.transaction_hash,
        block_number: receipt.block_number?,
        block_hash: receipt.block_hash?,
        success: receipt.status(),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        contract_address: receipt.contract_address,
    })
}

#[async_trait]
impl ChainBackend for Node {
    fn name(&self) -> String {
        let preferred = self.preferred.load(Ordering::Relaxed);
        self.endpoints.get(preferred).map(|endpoint| endpoint.name.clone()).unwrap_or_default()
    }

    async fn chain_id(&self) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_chainId";
        let found =
            self.ask(METHOD, |provider| async move { provider.get_chain_id().await }).await?;
        // EIP-2294's bound, and the largest number that the database takes.
        if i64::try_from(found).is_err() {
            return Err(self.malformed(METHOD, &format!("{found} as the chain's id")));
        }
        Ok(found)
    }

    async fn block(&self, block: BlockRef) -> Result<Option<BlockInfo>, RpcError> {
        let block = match self.pin(block).await? {
            BlockRef::Finalized if self.several() => match self.common_final().await? {
                Some(number) => BlockRef::Number(number),
                None => return Ok(None),
            },
            pinned => pinned,
        };
        let Some(found) = self.block_at(block).await? else { return Ok(None) };
        let number = found.number;
        let asked = match block {
            BlockRef::Number(asked) => asked,
            _ => number,
        };
        if number != asked || number > MAX_BLOCK {
            let message = format!("asked for block {asked}, got block {number}");
            return Err(self.malformed("eth_getBlockByNumber", &message));
        }
        Ok(Some(found))
    }

    async fn transactions(&self, block: u64) -> Result<Option<Vec<B256>>, RpcError> {
        let number = BlockNumberOrTag::Number(block);
        self.agree("eth_getBlockByNumber", |provider| async move {
            let found = provider.get_block_by_number(number).hashes().await?;
            Ok(found.map(|block| block.transactions.hashes().collect()))
        })
        .await
    }

    async fn logs(&self, query: &LogQuery) -> Result<Vec<Bytes>, RpcError> {
        let mut filter = Filter::new()
            .address(query.address)
            .from_block(*query.blocks.start())
            .to_block(*query.blocks.end());
        for (topics, wanted) in filter.topics.iter_mut().zip(query.topics) {
            *topics = wanted.into_iter().collect::<Vec<B256>>().into();
        }
        let filter = &filter;
        self.agree("eth_getLogs", |provider| async move {
            let found = provider.get_logs(filter).await?;
            Ok(found.into_iter().map(|log| log.inner.data.data).collect())
        })
        .await
    }

    async fn paid_tips(&self, blocks: u64) -> Result<Vec<u128>, RpcError> {
        self.tips_paid(blocks).await
    }

    async fn suggested_tip(&self) -> Result<u128, RpcError> {
        self.tip_suggested().await
    }

    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_getTransactionCount";
        let count = if self.several() && block == BlockRef::Pending {
            self.pooled_nonce(address).await?
        } else {
            let block = tag(self.pin(block).await?);
            self.agree(METHOD, |provider| async move {
                provider.get_transaction_count(address).block_id(block.into()).await
            })
            .await?
        };
        if count > MAX_NONCE {
            return Err(self.malformed(METHOD, &format!("{count} transactions of {address}")));
        }
        Ok(count)
    }

    async fn balance(&self, address: Address) -> Result<U256, RpcError> {
        let block = tag(self.pin(BlockRef::Latest).await?);
        self.agree(BALANCE, |provider| async move {
            provider.get_balance(address).block_id(block.into()).await
        })
        .await
    }

    async fn most_held(&self, address: Address) -> Result<U256, RpcError> {
        let block = tag(self.pin(BlockRef::Latest).await?);
        let ask = |provider: RootProvider| async move {
            provider.get_balance(address).block_id(block.into()).await
        };
        if !self.several() {
            return self.ask(BALANCE, ask).await;
        }
        self.gather(BALANCE, ask, |answers| Ok(answers.ends().1.1)).await
    }

    async fn code(&self, address: Address, block: BlockRef) -> Result<Bytes, RpcError> {
        let block = tag(self.pin(block).await?);
        self.agree("eth_getCode", |provider| async move {
            provider.get_code_at(address).block_id(block.into()).await
        })
        .await
    }

    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError> {
        let block = tag(self.pin(block).await?);
        self.agree("eth_call", |provider| {
            let request = transaction(call);
            async move { simulated(provider.call(request).block(block.into()).await) }
        })
        .await
    }

    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError> {
        self.estimate(call).await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError> {
        self.broadcast(raw).await
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError> {
        let receipt = self.agreed_receipt(hash).await?;
        if let Some(other) = receipt.as_ref().filter(|receipt| receipt.hash != hash) {
            let message = format!("asked for {hash}, got {}", other.hash);
            return Err(self.malformed("eth_getTransactionReceipt", &message));
        }
        Ok(receipt)
    }
}

/// An answer that may be a revert.
pub(super) fn simulated<T>(answer: TransportResult<T>) -> TransportResult<Simulated<T>> {
    match answer {
        Ok(value) => Ok(Simulated::Ok(value)),
        Err(error) => revert_data(&error).map(Simulated::Reverted).ok_or(error),
    }
}

pub(super) fn tag(block: BlockRef) -> BlockNumberOrTag {
    match block {
        BlockRef::Latest => BlockNumberOrTag::Latest,
        BlockRef::Pending => BlockNumberOrTag::Pending,
        BlockRef::Finalized => BlockNumberOrTag::Finalized,
        BlockRef::Number(number) => BlockNumberOrTag::Number(number),
    }
}

pub(super) fn transaction(call: &Call) -> TransactionRequest {
    let request = TransactionRequest::default()
        .with_from(call.from)
        .with_input(call.data.clone())
        .with_value(call.value);
    match call.to {
        Some(to) => request.with_to(to),
        None => request.into_create(),
    }
}
