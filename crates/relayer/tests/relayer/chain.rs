//! A scripted chain: one sender, a pool with the usual rules, blocks every 12 s of a clock
//! that moves only when the relayer sleeps. Faults are put in the way of single requests.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::{
    consensus::{Transaction, TxEnvelope},
    eips::Decodable2718,
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use async_trait::async_trait;
use verdict_relayer::{
    TxReceipt,
    backend::{
        BlockInfo, BlockRef, Call, ChainBackend, LogQuery, RpcError, RpcErrorKind, Simulated,
    },
    clock::Clock,
    fees::{Fees, GWEI},
};

pub(crate) const CHAIN_ID: u64 = 7992;
const BLOCK_MS: u64 = 12_000;

/// What happens to a request instead of, or after, its effect.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// None: this request is carried out.
    Pass,
    /// The node answers with this error and does nothing.
    Refuse(&'static str),
    /// Nobody answers; nothing is done.
    Unreachable,
    /// The request is carried out after so long.
    Slow(Duration),
    /// Nothing is done, and after so long that is known.
    TimesOut(Duration),
    /// The request is carried out and the answer is lost.
    AnswerLost,
    /// The request never returns, before or after it was carried out: the moment at which
    /// a test kills the relayer.
    HangBefore,
    HangAfter,
}

#[derive(Clone, Debug)]
struct Tx {
    hash: B256,
    nonce: u64,
    fees: Fees,
    gas_limit: u64,
    to: Option<Address>,
    data: Bytes,
}

#[derive(Clone, Debug)]
struct Block {
    hash: B256,
    time_ms: u64,
    txs: Vec<Tx>,
    /// The sender's transaction count after it.
    nonce: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    blocks: Vec<Block>,
    pool: BTreeMap<u64, Tx>,
    salt: u64,
    /// Base fee of all blocks.
    pub(crate) base_fee: u128,
    /// Tips of the newest blocks, if the node keeps a history.
    pub(crate) paid_tips: Vec<u128>,
    /// Tip the node suggests.
    pub(crate) suggested_tip: u128,
    /// Only transactions with at least this tip are mined.
    pub(crate) mined_from_tip: u128,
    /// Only transactions with at least this tip enter the pool.
    pub(crate) pool_from_tip: u128,
    pub(crate) balance: U256,
    pub(crate) gas_needed: u64,
    /// Contracts.
    pub(crate) code: HashSet<Address>,
    /// Added to the true counts of the sender's transactions in the pool and in blocks.
    pub(crate) pending_lie: u64,
    pub(crate) latest_lie: u64,
    /// The count in blocks that the node tells instead.
    pub(crate) latest_told: Option<u64>,
    /// The node has no block's transactions any more.
    pub(crate) pruned: bool,
    /// What calls had recorded was taken back.
    pub(crate) revoked: bool,
    /// What calls would record was recorded by somebody else, from this block on.
    pub(crate) recorded_elsewhere: Option<u64>,
    /// Data of all logs.
    pub(crate) logs: Vec<Bytes>,
    /// Calls revert with this, from the block on that is given.
    pub(crate) reverting: Option<(Bytes, u64)>,
    /// So many more estimates revert although the call passes.
    pub(crate) lying_estimates: u32,
    /// The node has no first block.
    pub(crate) without_genesis: bool,
    /// Mined transactions revert although their simulation passed.
    pub(crate) mined_revert: bool,
    /// Only the one with this nonce does.
    pub(crate) mined_revert_nonce: Option<u64>,
    /// The endpoint shows no receipts (as one that lags behind would).
    pub(crate) hide_receipts: bool,
    /// So many more questions for a receipt go to an endpoint that lags behind, and the next
    /// question for the head as well.
    pub(crate) lagging_receipts: u32,
    lagging_head: bool,
    /// The endpoint shows receipts of blocks that a reorganization removed.
    pub(crate) stale_receipts: bool,
    removed: Vec<(u64, Block)>,
    pub(crate) chain_id: u64,
    pub(crate) has_base_fee: bool,
    pub(crate) finalized_lag: u64,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Raw bytes of every broadcast, in order, accepted or not.
    pub(crate) sends: Vec<Bytes>,
    /// A request hangs.
    pub(crate) hung: bool,
    /// How long each answer takes.
    pub(crate) delay: Duration,
}

#[derive(Debug)]
pub(crate) struct FakeChain {
    pub(crate) sender: Address,
    pub(crate) state: Mutex<State>,
    clock: Arc<ManualClock>,
}

impl FakeChain {
    pub(crate) fn new(sender: Address, clock: Arc<ManualClock>) -> Arc<Self> {
        let genesis = Block {
            hash: keccak256("genesis"),
            time_ms: clock.now_ms(),
            txs: Vec::new(),
            nonce: 0,
        };
        let state = State {
            blocks: vec![genesis],
            pool: BTreeMap::new(),
            salt: 0,
            base_fee: 10 * GWEI,
            paid_tips: Vec::new(),
            suggested_tip: GWEI,
            mined_from_tip: 0,
            pool_from_tip: 0,
            balance: U256::from(10).pow(U256::from(18)),
            gas_needed: 100_000,
            code: HashSet::from([contract()]),
            pending_lie: 0,
            latest_lie: 0,
            latest_told: None,
            pruned: false,
            revoked: false,
            recorded_elsewhere: None,
            logs: Vec::new(),
            reverting: None,
            lying_estimates: 0,
            without_genesis: false,
            mined_revert: false,
            mined_revert_nonce: None,
            hide_receipts: false,
            lagging_receipts: 0,
            lagging_head: false,
            stale_receipts: false,
            removed: Vec::new(),
            chain_id: CHAIN_ID,
            has_base_fee: true,
            finalized_lag: 64,
            faults: HashMap::new(),
            sends: Vec::new(),
            hung: false,
            delay: Duration::ZERO,
        };
        Arc::new(Self { sender, state: Mutex::new(state), clock })
    }

    /// The state, with the blocks that are due mined.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        while state.blocks.last().unwrap().time_ms + BLOCK_MS <= self.clock.now_ms() {
            state.mine();
        }
        state
    }

    /// Puts faults in the way of the next requests of `method`, one each.
    pub(crate) fn faults(&self, method: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(method).or_default().extend(faults);
    }

    fn next_fault(&self, method: &'static str) -> Option<Fault> {
        let mut state = self.state();
        state.faults.get_mut(method).and_then(VecDeque::pop_front)
    }

    async fn answer<T: Send>(
        &self,
        method: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, RpcError> + Send,
    ) -> Result<T, RpcError> {
        let fail = |kind| Err(RpcError::new(kind, "scripted", method, "scripted"));
        let delay = self.state().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match self.next_fault(method) {
            None | Some(Fault::Pass) => act(&mut self.state()),
            Some(Fault::Refuse(words)) => {
                Err(RpcError::answered("scripted", method, -32000, words))
            }
            Some(Fault::Unreachable) => fail(RpcErrorKind::Unreachable),
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                act(&mut self.state())
            }
            Some(Fault::TimesOut(delay)) => {
                tokio::time::sleep(delay).await;
                fail(RpcErrorKind::TimedOut)
            }
            Some(Fault::AnswerLost) => {
                act(&mut self.state())?;
                fail(RpcErrorKind::TimedOut)
            }
            Some(Fault::HangBefore) => {
                self.state().hung = true;
                std::future::pending().await
            }
            Some(Fault::HangAfter) => {
                act(&mut self.state())?;
                self.state().hung = true;
                std::future::pending().await
            }
        }
    }

    /// Removes the newest blocks and mines one in their place. Their transactions go back
    /// to the pool, or are forgotten.
    pub(crate) fn reorganize(&self, depth: usize, forget: bool) {
        let mut state = self.state();
        for _ in 0..depth {
            let height = state.height();
            let block = state.blocks.pop().unwrap();
            state.removed.push((height, block.clone()));
            if !forget {
                state.pool.extend(block.txs.into_iter().map(|tx| (tx.nonce, tx)));
            }
        }
        state.salt += 1;
        // The pool is back only after this block.
        let pool = std::mem::take(&mut state.pool);
        state.mine();
        state.pool = pool;
    }

    /// A transaction of the same key that the relayer knows nothing of, in the pool.
    pub(crate) fn foreign_transaction(&self, nonce: u64) {
        let fees = Fees { max_fee: 1000 * GWEI, tip: 900 * GWEI };
        let hash = keccak256(nonce.to_be_bytes());
        let tx = Tx { hash, nonce, fees, gas_limit: 21_000, to: None, data: Bytes::new() };
        self.state().pool.insert(nonce, tx);
    }
}

impl State {
    fn nonce(&self) -> u64 {
        self.blocks.last().unwrap().nonce
    }

    pub(crate) fn height(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    fn pooled_nonce(&self) -> u64 {
        let mut nonce = self.nonce();
        while self.pool.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    pub(crate) fn mine(&mut self) {
        let parent = self.blocks.last().unwrap().clone();
        let mut nonce = parent.nonce;
        let mut txs = Vec::new();
        while let Some(tx) = self.pool.get(&nonce) {
            let tip = tx.fees.tip.min(tx.fees.max_fee.saturating_sub(self.base_fee));
            if tx.fees.max_fee < self.base_fee || tip < self.mined_from_tip {
                break;
            }
            txs.extend(self.pool.remove(&nonce));
            nonce += 1;
        }
        let mut seed = parent.hash.to_vec();
        seed.extend(self.salt.to_be_bytes());
        let time_ms = parent.time_ms + BLOCK_MS;
        self.blocks.push(Block { hash: keccak256(seed), time_ms, txs, nonce });
        let used = nonce;
        self.pool.retain(|nonce, _| *nonce >= used);
    }

    fn send(&mut self, raw: &Bytes, sender: Address) -> Result<(), RpcError> {
        self.sends.push(raw.clone());
        let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("a transaction");
        let signed = envelope.signature_hash();
        let signer = envelope.signature().recover_address_from_prehash(&signed).unwrap();
        assert_eq!(signer, sender);
        assert_eq!(envelope.chain_id(), Some(self.chain_id));
        let tx = Tx {
            hash: *envelope.tx_hash(),
            nonce: envelope.nonce(),
            fees: Fees {
                max_fee: envelope.max_fee_per_gas(),
                tip: envelope.max_priority_fee_per_gas().unwrap(),
            },
            gas_limit: envelope.gas_limit(),
            to: envelope.to(),
            data: envelope.input().clone(),
        };
        let refuse = |words| Err(RpcError::answered("scripted", "send", -32000, words));
        if tx.nonce < self.nonce() {
            return refuse("nonce too low");
        }
        if self.pool.values().any(|other| other.hash == tx.hash) {
            return refuse("already known");
        }
        if U256::from(tx.fees.max_fee) * U256::from(tx.gas_limit) > self.balance {
            return refuse("insufficient funds for gas * price + value");
        }
        if tx.fees.tip < self.pool_from_tip {
            return refuse("transaction underpriced");
        }
        if let Some(old) = self.pool.get(&tx.nonce) {
            let enough = |new: u128, old: u128| new * 10 >= old * 11;
            if !enough(tx.fees.tip, old.fees.tip) || !enough(tx.fees.max_fee, old.fees.max_fee) {
                return refuse("replacement transaction underpriced");
            }
        }
        self.pool.insert(tx.nonce, tx);
        Ok(())
    }

    fn height_of(&self, block: BlockRef) -> Option<u64> {
        match block {
            BlockRef::Latest | BlockRef::Pending => Some(self.height()),
            BlockRef::Finalized => self.height().checked_sub(self.finalized_lag),
            BlockRef::Number(number) => (number <= self.height()).then_some(number),
        }
    }

    /// Whether a call with this data is in a block up to `height`, as [`recorder`] tells it.
    fn recorded(&self, data: &[u8], height: u64) -> bool {
        let blocks = self.blocks.iter().take(height as usize + 1);
        let here = blocks.flat_map(|block| &block.txs).any(|tx| tx.data.as_ref() == data);
        let elsewhere = self.recorded_elsewhere.is_some_and(|from| height >= from);
        (here && !self.revoked) || elsewhere
    }

    fn simulate<T>(&self, call: &Call, height: u64, value: T) -> Simulated<T> {
        match &self.reverting {
            Some((data, from)) if height >= *from && !call.data.is_empty() => {
                Simulated::Reverted(data.clone())
            }
            _ => Simulated::Ok(value),
        }
    }

    /// How often a call with this data is in a block.
    pub(crate) fn executed(&self, data: &[u8]) -> usize {
        let all = self.blocks.iter().flat_map(|block| &block.txs);
        all.filter(|tx| tx.data.as_ref() == data && tx.to == Some(contract())).count()
    }

    /// Transactions in blocks.
    pub(crate) fn mined(&self) -> usize {
        self.blocks.iter().map(|block| block.txs.len()).sum()
    }

    /// A chain that was started anew has another first block.
    pub(crate) fn replace_genesis(&mut self) {
        self.blocks[0].hash = keccak256("another genesis");
    }

    /// The next question for the head goes to an endpoint that lags behind.
    pub(crate) fn lag_once(&mut self) {
        self.lagging_head = true;
    }

    /// Forgets the pool, as a node does that restarts.
    pub(crate) fn forget_pool(&mut self) {
        self.pool.clear();
    }
}

#[async_trait]
impl ChainBackend for FakeChain {
    fn name(&self) -> String {
        "scripted".to_owned()
    }

    async fn chain_id(&self) -> Result<u64, RpcError> {
        self.answer("chain_id", |state| Ok(state.chain_id)).await
    }

    async fn block(&self, block: BlockRef) -> Result<Option<BlockInfo>, RpcError> {
        self.answer("block", |state| {
            if state.without_genesis && block == BlockRef::Number(0) {
                return Ok(None);
            }
            let lag = if std::mem::take(&mut state.lagging_head) { 2 } else { 0 };
            Ok(state.height_of(block).map(|number| number - lag).map(|number| BlockInfo {
                number,
                hash: state.blocks[number as usize].hash,
                timestamp: number * BLOCK_MS / 1000,
                base_fee: state.has_base_fee.then_some(state.base_fee),
            }))
        })
        .await
    }

    async fn paid_tips(&self, blocks: u64) -> Result<Vec<u128>, RpcError> {
        self.answer("paid_tips", |state| {
            Ok(state.paid_tips.iter().copied().take(blocks as usize).collect())
        })
        .await
    }

    async fn suggested_tip(&self) -> Result<u128, RpcError> {
        self.answer("suggested_tip", |state| Ok(state.suggested_tip)).await
    }

    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError> {
        assert_eq!(address, self.sender);
        self.answer("nonce", |state| match block {
            BlockRef::Pending => Ok(state.pooled_nonce().saturating_add(state.pending_lie)),
            BlockRef::Latest if state.latest_told.is_some() => Ok(state.latest_told.unwrap()),
            block => {
                let height = state.height_of(block);
                let true_count = height.map_or(0, |height| state.blocks[height as usize].nonce);
                Ok(true_count.saturating_add(state.latest_lie))
            }
        })
        .await
    }

    async fn balance(&self, address: Address) -> Result<U256, RpcError> {
        assert_eq!(address, self.sender);
        self.answer("balance", |state| Ok(state.balance)).await
    }

    async fn code(&self, address: Address, _: BlockRef) -> Result<Bytes, RpcError> {
        self.answer("code", |state| {
            Ok(if state.code.contains(&address) { Bytes::from_static(&[0]) } else { Bytes::new() })
        })
        .await
    }

    async fn transactions(&self, block: u64) -> Result<Option<Vec<B256>>, RpcError> {
        self.answer("transactions", |state| {
            let block = state.blocks.get(block as usize).filter(|_| !state.pruned);
            Ok(block.map(|block| block.txs.iter().map(|tx| tx.hash).collect()))
        })
        .await
    }

    async fn logs(&self, _: &LogQuery) -> Result<Vec<Bytes>, RpcError> {
        self.answer("logs", |state| Ok(state.logs.clone())).await
    }

    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError> {
        self.answer("call", |state| {
            let height = state.height_of(block).unwrap_or(0);
            if call.to == Some(recorder()) {
                let there = state.recorded(&call.data, height);
                return Ok(Simulated::Ok(B256::with_last_byte(u8::from(there)).into()));
            }
            Ok(state.simulate(call, height, Bytes::new()))
        })
        .await
    }

    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError> {
        self.answer("estimate_gas", |state| {
            if state.lying_estimates > 0 {
                state.lying_estimates -= 1;
                return Ok(Simulated::Reverted(Bytes::from_static(b"denied")));
            }
            let needed = if call.data.is_empty() { 21_000 } else { state.gas_needed };
            Ok(state.simulate(call, state.height(), needed))
        })
        .await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError> {
        self.answer("send", |state| state.send(raw, self.sender)).await
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError> {
        self.answer("receipt", |state| {
            if state.hide_receipts {
                return Ok(None);
            }
            if state.lagging_receipts > 0 {
                state.lagging_receipts -= 1;
                state.lagging_head = true;
                return Ok(None);
            }
            let removed = state.removed.iter().filter(|_| state.stale_receipts);
            let heights = state.blocks.iter().enumerate().map(|(at, block)| (at as u64, block));
            for (number, block) in removed.map(|(at, block)| (*at, block)).chain(heights) {
                if let Some(tx) = block.txs.iter().find(|tx| tx.hash == hash) {
                    return Ok(Some(TxReceipt {
                        hash,
                        block_number: number,
                        block_hash: block.hash,
                        success: !state.mined_revert && state.mined_revert_nonce != Some(tx.nonce),
                        gas_used: tx.gas_limit / 2,
                        effective_gas_price: state.base_fee + tx.fees.tip,
                        contract_address: None,
                    }));
                }
            }
            Ok(None)
        })
        .await
    }
}

/// The contract that the tests call.
pub(crate) const fn contract() -> Address {
    Address::repeat_byte(0xC0)
}

/// The contract that tells, with one byte, whether a call with some data has happened.
pub(crate) const fn recorder() -> Address {
    Address::repeat_byte(0xEF)
}

type OnSleep = Box<dyn FnMut(u64) + Send>;

/// A clock that stands still until somebody sleeps.
#[derive(Default)]
pub(crate) struct ManualClock {
    now_ms: AtomicU64,
    on_sleep: Mutex<Option<OnSleep>>,
}

impl std::fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualClock").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl ManualClock {
    /// Calls `act` with the seconds since the start, after every sleep.
    pub(crate) fn on_sleep(&self, act: impl FnMut(u64) + Send + 'static) {
        *self.on_sleep.lock().unwrap() = Some(Box::new(act));
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.now_ms() / 1000
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        self.now_ms.fetch_add(duration.as_millis() as u64, Ordering::SeqCst);
        if let Some(act) = self.on_sleep.lock().unwrap().as_mut() {
            act(self.seconds());
        }
        tokio::task::yield_now().await;
    }
}
