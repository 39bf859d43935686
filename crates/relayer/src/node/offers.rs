//! What a transaction needs and should pay: guesses, on which endpoints need not agree to the wei.
//!
//! Of several endpoints all are asked, and what is taken is what no single one can choose.

use alloy::{
    eips::BlockNumberOrTag,
    providers::{Provider, RootProvider},
    transports::{RpcError as AlloyError, TransportResult},
};

use super::{
    Node,
    agree::{Answers, Apart, Told},
    chain::{simulated, tag, transaction},
};
use crate::{
    backend::{BlockRef, Call, RpcError, RpcErrorKind, Simulated, classify},
    fees::market_tip,
};

/// How many times one estimate of a call's gas may be another: heads differ for a moment, and nodes
/// search for the number more or less closely.
const ESTIMATES_APART: u64 = 2;

/// An endpoint's estimate; what is above every limit is the largest number.
type Estimate = Simulated<u64>;

impl Node {
    /// The gas that a call needs. An estimate that reverts beside others that do not is its
    /// endpoint's fault: only the call itself, which is agreed on, says that. Of the numbers, the
    /// middle one; two that are far apart are an error.
    pub(super) async fn estimate(&self, call: &Call) -> Result<Simulated<u64>, RpcError> {
        const METHOD: &str = "eth_estimateGas";
        // Some nodes estimate on their pending block unless told otherwise; what is only pending
        // may never happen.
        let block = tag(BlockRef::Latest).into();
        let ask = |provider: RootProvider| {
            let request = transaction(call);
            async move { simulated(provider.estimate_gas(request).block(block).await) }
        };
        if !self.several() {
            return self.ask(METHOD, ask).await;
        }
        let ask = |provider: RootProvider| {
            let answer = ask(provider);
            async move { above(answer.await) }
        };
        match self.gather(METHOD, ask, needed).await? {
            Simulated::Ok(u64::MAX) => {
                let message = "the call needs more gas than the endpoints allow";
                Err(RpcError::new(RpcErrorKind::GasAboveLimit, "the node", METHOD, message))
            }
            estimate => Ok(estimate),
        }
    }

    /// The median tips of the newest blocks, as the endpoint says whose own median is in the middle.
    /// One whose history says too little counts as the lowest.
    ///
    /// A lie that is too high is money: of two answers the lower one is taken, of three the one
    /// between the others, so that no single endpoint drives a first offer to its cap. A lie that
    /// is too low costs time, since an offer that is not mined is raised.
    pub(super) async fn tips_paid(&self, blocks: u64) -> Result<Vec<u128>, RpcError> {
        let ask = async |provider: RootProvider| {
            let history =
                provider.get_fee_history(blocks, BlockNumberOrTag::Latest, &[50.0]).await?;
            let rewards = history.reward.unwrap_or_default();
            let of_blocks = rewards.iter().zip(&history.gas_used_ratio);
            let full = of_blocks.filter(|(_, used)| **used > 0.0);
            let most = usize::try_from(blocks).unwrap_or(usize::MAX);
            Ok(full.filter_map(|(tips, _)| tips.first().copied()).take(most).collect())
        };
        self.middle("eth_feeHistory", ask, |tips: &Vec<u128>| market_tip(tips.clone())).await
    }

    /// The tip in the middle of those that endpoints suggest, for the same reasons.
    pub(super) async fn tip_suggested(&self) -> Result<u128, RpcError> {
        let ask = async |provider: RootProvider| provider.get_max_priority_fee_per_gas().await;
        self.middle("eth_maxPriorityFeePerGas", ask, |tip| *tip).await
    }
}

/// An answer that the call takes more gas than a node allows is an estimate, to be compared.
fn above(answer: TransportResult<Estimate>) -> TransportResult<Estimate> {
    match answer {
        Err(AlloyError::ErrorResp(error))
            if classify(error.code, &error.message) == RpcErrorKind::GasAboveLimit =>
        {
            Ok(Simulated::Ok(u64::MAX))
        }
        other => other,
    }
}

/// The estimate that the endpoints' make together.
fn needed<'a>(answers: Answers<'a, Estimate>) -> Result<Estimate, Apart<'a, Estimate>> {
    let revert = answers.first.1.clone();
    let mut numbers: Vec<(u64, Told<'a, Estimate>)> = Vec::new();
    for told in answers {
        if let Simulated::Ok(number) = told.1 {
            numbers.push((number, told));
        }
    }
    numbers.sort_by_key(|(number, _)| *number);
    match numbers.as_slice() {
        [] => Ok(revert),
        [(low, one), (high, other)] if *high > low.saturating_mul(ESTIMATES_APART) => {
            Err(Apart::new(one.clone(), other.clone()))
        }
        several => {
            // Of two, the one that surely suffices.
            let middle = several.get(several.len() / 2).map(|(number, _)| *number);
            Ok(middle.map_or(revert, Simulated::Ok))
        }
    }
}
