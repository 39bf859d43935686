//! One look at the chain, for all jobs that are looked at together.
//!
//! What is not of one job is asked once and shared, its failure too: a dead node is waited for once,
//! not once a job. A look is short: what an order of questions has to guarantee, whoever makes the look
//! guarantees by making it at the right moment.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256};
use tokio::sync::OnceCell;

use crate::{
    backend::{BlockInfo, BlockRef, RpcError},
    config::Finality,
    drive::{Core, Result},
    error::RelayerError,
    fees::{self, Market},
};

type Answer<T> = std::result::Result<T, RpcError>;

/// Answers by what they are about, each asked for once.
struct Shared<K, T>(Mutex<HashMap<K, Arc<OnceCell<Answer<T>>>>>);

impl<K: Hash + Eq, T: Clone> Shared<K, T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    async fn get(&self, key: K, ask: impl Future<Output = Answer<T>> + Send) -> Answer<T> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        cell.get_or_init(|| ask).await.clone()
    }
}

/// One look at the chain.
pub(crate) struct Look {
    core: Arc<Core>,
    made: Instant,
    counts: Shared<(), (u64, u64)>,
    used: Shared<(), u64>,
    head: Shared<(), BlockInfo>,
    last_final: Shared<(), Option<u64>>,
    blocks: Shared<u64, Option<BlockInfo>>,
    contracts: Shared<Address, bool>,
    tip: Shared<(), u128>,
    held: Shared<(), U256>,
    /// The lowest nonce that no transaction holds and that the chain has not used, if a higher one is
    /// held: nothing above it is mined before it is.
    hole: OnceLock<(u64, Option<String>)>,
}

/// How a job says that it waits for a nonce below its own.
pub(crate) const ABOVE_HOLE: &str = "nothing is mined above nonce ";

impl Look {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            made: Instant::now(),
            counts: Shared::new(),
            used: Shared::new(),
            head: Shared::new(),
            last_final: Shared::new(),
            blocks: Shared::new(),
            contracts: Shared::new(),
            tip: Shared::new(),
            held: Shared::new(),
            hole: OnceLock::new(),
        }
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Notes the lowest nonce that is missing, and why it still is, if it is for long.
    pub(crate) fn set_hole(&self, nonce: u64, why: Option<String>) {
        // The first word counts; there is one a look.
        let _ = self.hole.set((nonce, why));
    }

    /// Whether a nonce waits for a lower one that is missing.
    pub(crate) fn is_above_hole(&self, nonce: u64) -> bool {
        self.hole.get().is_some_and(|(hole, _)| nonce > *hole)
    }

    /// What is to be said of a nonce that waits long for a lower one.
    pub(crate) fn why_above_hole(&self, nonce: u64) -> Option<String> {
        let (hole, why) = self.hole.get().filter(|(hole, _)| nonce > *hole)?;
        why.as_ref().map(|why| format!("{ABOVE_HOLE}{hole}, which is missing: {why}"))
    }

    /// The sender's transactions in blocks, and with those in the node's pool.
    pub(crate) async fn counts(&self) -> Answer<(u64, u64)> {
        let ask = async {
            let (backend, sender) = (&self.core.backend, self.core.scope.sender);
            tokio::try_join!(self.used(), backend.nonce(sender, BlockRef::Pending))
        };
        self.counts.get((), ask).await
    }

    /// The sender's transactions in blocks.
    pub(crate) async fn used(&self) -> Answer<u64> {
        self.used.get((), self.core.backend.nonce(self.core.scope.sender, BlockRef::Latest)).await
    }

    /// The head of the chain.
    pub(crate) async fn head(&self) -> Answer<BlockInfo> {
        self.head.get((), self.core.head()).await
    }

    /// Height of the newest block that is final; `None` if the chain is too young.
    pub(crate) async fn final_height(&self) -> Answer<Option<u64>> {
        match self.core.config.finality {
            Finality::Confirmations(blocks) => {
                Ok(self.head().await?.number.saturating_add(1).checked_sub(blocks))
            }
            Finality::Tag => self.last_final.get((), self.core.final_height(0)).await,
        }
    }

    /// The canonical block of a height.
    pub(crate) async fn block(&self, number: u64) -> Answer<Option<BlockInfo>> {
        self.blocks.get(number, self.core.backend.block(BlockRef::Number(number))).await
    }

    /// Whether there is a contract at an address.
    pub(crate) async fn is_contract(&self, address: Address) -> Answer<bool> {
        let ask =
            async { Ok(!self.core.backend.code(address, BlockRef::Latest).await?.is_empty()) };
        self.contracts.get(address, ask).await
    }

    /// The most wei that any endpoint says the sender holds.
    pub(crate) async fn held(&self) -> Answer<U256> {
        self.held.get((), self.core.backend.most_held(self.core.scope.sender)).await
    }

    /// What gas costs.
    pub(crate) async fn market(&self) -> Result<Market> {
        let chain_id = self.core.scope.chain_id;
        let base_fee = self.head().await?.base_fee.ok_or(RelayerError::NoBaseFee { chain_id })?;
        Ok(Market { base_fee, tip: self.tip.get((), self.ask_tip()).await? })
    }

    async fn ask_tip(&self) -> Answer<u128> {
        let backend = &self.core.backend;
        let paid = match backend.paid_tips(fees::HISTORY).await {
            Ok(paid) => paid,
            // It may have one, and is asked again.
            Err(error) if error.kind.is_passing() => return Err(error),
            // Not every node keeps a history of fees.
            Err(error) => {
                tracing::debug!(%error, "no history of fees");
                Vec::new()
            }
        };
        match fees::market_tip(paid) {
            Some(tip) => Ok(tip),
            None => backend.suggested_tip().await,
        }
    }
}
