//! A node's answers as the relayer's chain.

use std::{future::Future, sync::atomic::Ordering};

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, TransactionRequest},
    transports::TransportResult,
};
use async_trait::async_trait;

use super::{Node, answers::revert_data};
use crate::{
    backend::{
        BlockInfo, BlockRef, Call, ChainBackend, LogQuery, MAX_BLOCK, MAX_NONCE, RpcError,
        RpcErrorKind, Simulated,
    },
    job::TxReceipt,
};

/// How far the endpoints' pools may be apart: transactions take a moment from one to another.
const POOLS_APART: u64 = 16;
/// How far their heads may be apart for both to be asked about the lower one.
const HEADS_APART: u64 = 64;

impl Node {
    /// Like [`Self::ask`], for requests whose answer may be a revert.
    async fn simulate<T, F, Fut>(
        &self,
        method: &'static str,
        request: F,
    ) -> Result<Simulated<T>, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        self.ask(method, |provider| {
            let answer = request(provider);
            async move {
                match answer.await {
                    Ok(value) => Ok(Simulated::Ok(value)),
                    Err(error) => revert_data(&error).map(Simulated::Reverted).ok_or(error),
                }
            }
        })
        .await
    }

    /// Every endpoint's answer, those at fault left out; the first fault if all are.
    async fn ask_all<T, F, Fut>(
        &self,
        method: &'static str,
        request: F,
    ) -> Result<Vec<(&str, T)>, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        let mut answers = Vec::new();
        let mut fault = None;
        for endpoint in &self.endpoints {
            let limit = self.options.rpc_timeout;
            match tokio::time::timeout(limit, self.ask_one(endpoint, method, &request)).await {
                Ok(Ok(answer)) => answers.push((endpoint.name.as_str(), answer)),
                Ok(Err(error)) => fault = fault.or(Some(error)),
                Err(_) => {}
            }
        }
        match fault {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(answers),
        }
    }

    fn disagree(&self, (one, a): (&str, u64), (other, b): (&str, u64)) -> RpcError {
        let message = format!("{a} transactions of the sender, and {other} says {b}");
        RpcError::new(RpcErrorKind::Disagreement, one, "eth_getTransactionCount", &message)
    }

    /// The count at the lowest head of all endpoints, on which every honest one agrees;
    /// `None` if only one of them answers.
    async fn agreed_nonce(&self, address: Address) -> Result<Option<u64>, RpcError> {
        let heads = self
            .ask_all("eth_blockNumber", |provider| async move { provider.get_block_number().await })
            .await?;
        let highest = heads.iter().map(|(_, height)| *height).max().unwrap_or(0);
        let near = heads.iter().map(|(_, height)| *height).filter(|h| highest - h <= HEADS_APART);
        let Some(common) = near.min() else { return Ok(None) };
        let counts = self
            .ask_all("eth_getTransactionCount", |provider| async move {
                provider.get_transaction_count(address).block_id(common.into()).await
            })
            .await?;
        let Some((first, others)) = counts.split_first() else { return Ok(None) };
        match others.iter().find(|other| other.1 != first.1) {
            Some(other) => Err(self.disagree(*first, *other)),
            None => Ok((!others.is_empty()).then_some(first.1)),
        }
    }

    /// The largest count of all pools, which must not be far apart.
    async fn pooled_nonce(&self, address: Address) -> Result<u64, RpcError> {
        let counts = self
            .ask_all("eth_getTransactionCount", |provider| async move {
                provider.get_transaction_count(address).pending().await
            })
            .await?;
        let lowest = counts.iter().min_by_key(|count| count.1);
        let highest = counts.iter().max_by_key(|count| count.1);
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return Err(self.malformed("eth_getTransactionCount", "nobody answers"));
        };
        if highest.1 - lowest.1 > POOLS_APART {
            return Err(self.disagree(*highest, *lowest));
        }
        Ok(highest.1)
    }
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
        const METHOD: &str = "eth_getBlockByNumber";
        let answer = self
            .ask(METHOD, |provider| async move { provider.get_block_by_number(tag(block)).await })
            .await;
        let found = match answer {
            Ok(found) => found,
            Err(error) if error.kind == RpcErrorKind::UnknownBlock => None,
            Err(error) => return Err(error),
        };
        let Some(found) = found else { return Ok(None) };
        let number = found.header.number;
        let asked = match block {
            BlockRef::Number(asked) => asked,
            _ => number,
        };
        if number != asked || number > MAX_BLOCK {
            let message = format!("asked for block {asked}, got block {number}");
            return Err(self.malformed(METHOD, &message));
        }
        Ok(Some(BlockInfo {
            number,
            hash: found.header.hash,
            base_fee: found.header.base_fee_per_gas.map(u128::from),
        }))
    }

    async fn transactions(&self, block: u64) -> Result<Option<Vec<B256>>, RpcError> {
        let number = BlockNumberOrTag::Number(block);
        let found = self
            .ask("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(number).hashes().await
            })
            .await?;
        Ok(found.map(|block| block.transactions.hashes().collect()))
    }

    async fn logs(&self, query: &LogQuery) -> Result<Vec<Bytes>, RpcError> {
        let mut filter = Filter::new()
            .address(query.address)
            .from_block(*query.blocks.start())
            .to_block(*query.blocks.end());
        for (topics, wanted) in filter.topics.iter_mut().zip(query.topics) {
            *topics = wanted.into_iter().collect::<Vec<B256>>().into();
        }
        let found = self.full_logs(&filter).await?;
        Ok(found.into_iter().map(|log| log.inner.data.data).collect())
    }

    async fn suggested_tip(&self) -> Result<u128, RpcError> {
        self.ask("eth_maxPriorityFeePerGas", |provider| async move {
            provider.get_max_priority_fee_per_gas().await
        })
        .await
    }

    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_getTransactionCount";
        let several = self.endpoints.len() > 1;
        let agreed = match several && block == BlockRef::Latest {
            true => self.agreed_nonce(address).await?,
            false => None,
        };
        let count = if several && block == BlockRef::Pending {
            self.pooled_nonce(address).await?
        } else {
            self.ask(METHOD, |provider| async move {
                provider.get_transaction_count(address).block_id(tag(block).into()).await
            })
            .await?
        };
        if let Some(agreed) = agreed.filter(|agreed| agreed.abs_diff(count) > POOLS_APART) {
            return Err(self.disagree((&self.name(), count), ("the block", agreed)));
        }
        if count > MAX_NONCE {
            return Err(self.malformed(METHOD, &format!("{count} transactions of {address}")));
        }
        Ok(count)
    }

    async fn balance(&self, address: Address) -> Result<U256, RpcError> {
        self.ask("eth_getBalance", |provider| async move { provider.get_balance(address).await })
            .await
    }

    async fn code(&self, address: Address, block: BlockRef) -> Result<Bytes, RpcError> {
        self.ask("eth_getCode", |provider| async move {
            provider.get_code_at(address).block_id(tag(block).into()).await
        })
        .await
    }

    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError> {
        self.simulate("eth_call", |provider| {
            let request = transaction(call);
            async move { provider.call(request).block(tag(block).into()).await }
        })
        .await
    }

    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError> {
        self.simulate("eth_estimateGas", |provider| {
            let request = transaction(call);
            // Some nodes estimate on their pending block unless told otherwise; what is only
            // pending may never happen.
            async move { provider.estimate_gas(request).block(tag(BlockRef::Latest).into()).await }
        })
        .await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError> {
        self.ask("eth_sendRawTransaction", |provider| {
            let raw = raw.clone();
            async move { provider.send_raw_transaction(&raw).await.map(drop) }
        })
        .await
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError> {
        let Some(receipt) = self.full_receipt(hash).await? else { return Ok(None) };
        let (Some(block_number), Some(block_hash)) = (receipt.block_number, receipt.block_hash)
        else {
            return Ok(None);
        };
        Ok(Some(TxReceipt {
            hash,
            block_number,
            block_hash,
            success: receipt.status(),
            gas_used: receipt.gas_used,
            effective_gas_price: receipt.effective_gas_price,
            contract_address: receipt.contract_address,
        }))
    }
}

fn tag(block: BlockRef) -> BlockNumberOrTag {
    match block {
        BlockRef::Latest => BlockNumberOrTag::Latest,
        BlockRef::Pending => BlockNumberOrTag::Pending,
        BlockRef::Finalized => BlockNumberOrTag::Finalized,
        BlockRef::Number(number) => BlockNumberOrTag::Number(number),
    }
}

fn transaction(call: &Call) -> TransactionRequest {
    let request = TransactionRequest::default()
        .with_from(call.from)
        .with_input(call.data.clone())
        .with_value(call.value);
    match call.to {
        Some(to) => request.with_to(to),
        None => request.into_create(),
    }
}
