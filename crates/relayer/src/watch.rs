//! What the chain says about a job: mined, final, or its nonce lost to something else.

use alloy::primitives::Bytes;

use crate::{
    backend::{BlockInfo, BlockRef, ChainBackend, RpcError, RpcErrorKind, Simulated},
    config::Finality,
    drive::{Core, call_of},
    error::RelayerError,
    job::{Attempt, TxReceipt},
    look::Look,
    revert::DecodedRevert,
    storage::Job,
};

/// What used a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceUser {
    /// A transaction of the job, in this block.
    Ours {
        /// Its height.
        block: u64,
    },
    /// Another one.
    Foreign,
    /// The node cannot show it.
    Unknown,
}

impl Core {
    /// The head of the chain.
    pub(crate) async fn head(&self) -> Result<BlockInfo, RpcError> {
        head(self.backend.as_ref()).await
    }

    /// The receipt of whichever attempt is in a block of the canonical chain; `shown` is the newest
    /// one that the node showed before the look, with its attempt's place.
    pub(crate) async fn mined(
        &self,
        look: &Look,
        attempts: &[Attempt],
        shown: Option<(usize, TxReceipt)>,
    ) -> Result<Option<TxReceipt>, RpcError> {
        let Some((at, receipt)) = shown else { return Ok(None) };
        if look.block(receipt.block_number).await?.is_some_and(|b| b.hash == receipt.block_hash) {
            return Ok(Some(receipt));
        }
        tracing::warn!(hash = %receipt.hash, "receipt from a block that is not canonical");
        for attempt in attempts.iter().take(at).rev() {
            let Some(receipt) = self.backend.receipt(attempt.hash).await? else { continue };
            let block = self.backend.block(BlockRef::Number(receipt.block_number)).await?;
            if block.is_some_and(|block| block.hash == receipt.block_hash) {
                return Ok(Some(receipt));
            }
            tracing::warn!(hash = %attempt.hash, "receipt from a block that is not canonical");
        }
        Ok(None)
    }

    /// Height of the newest block that is final and has `extra` more blocks on top of it
    /// than finality needs; `None` if the chain is too young.
    pub(crate) async fn final_height(&self, extra: u64) -> Result<Option<u64>, RpcError> {
        match self.config.finality {
            Finality::Confirmations(blocks) => {
                let head = self.head().await?.number;
                Ok(head.saturating_add(1).checked_sub(blocks.saturating_add(extra)))
            }
            Finality::Tag => {
                Ok(self.backend.block(BlockRef::Finalized).await?.map(|block| block.number))
            }
        }
    }

    /// True if something that is none of `attempts` used `nonce` and that is final.
    ///
    /// Signing again for a job that was executed would double it, so every doubt counts as
    /// "no": the receipts are looked up after the nonce was seen as used; one of a block that
    /// is not canonical is a doubt; and the head must not have moved back in between, as it
    /// would if an endpoint that lags behind had answered the later question.
    pub(crate) async fn lost(&self, nonce: u64, attempts: &[Attempt]) -> Result<bool, RpcError> {
        let Some(height) = self.final_height(1).await? else { return Ok(false) };
        let head = self.head().await?.number;
        let used = self.backend.nonce(self.scope.sender, BlockRef::Number(height)).await?;
        if used <= nonce {
            return Ok(false);
        }
        for attempt in attempts {
            if self.backend.receipt(attempt.hash).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(self.head().await?.number >= head)
    }

    /// Whose transaction used `nonce`. The block that holds it is searched for by the
    /// sender's count, and its transactions are looked at, because a node may hide receipts;
    /// where the node has no state that old, nobody knows.
    pub(crate) async fn nonce_user(
        &self,
        nonce: u64,
        attempts: &[Attempt],
    ) -> Result<NonceUser, RpcError> {
        match self.search_nonce(nonce, attempts).await {
            Err(error) if error.kind.is_endpoint_fault() => Err(error),
            Err(error) => {
                tracing::warn!(nonce, %error, "cannot find what used a nonce");
                Ok(NonceUser::Unknown)
            }
            found => found,
        }
    }

    async fn search_nonce(&self, nonce: u64, attempts: &[Attempt]) -> Result<NonceUser, RpcError> {
        let used = async |height| {
            let count = self.backend.nonce(self.scope.sender, BlockRef::Number(height)).await?;
            Ok::<_, RpcError>(count > nonce)
        };
        let Some(mut high) = self.final_height(1).await? else { return Ok(NonceUser::Unknown) };
        if !used(high).await? {
            return Ok(NonceUser::Unknown);
        }
        // Used after `high`, and, from here on, not after `low`.
        let mut step = 1;
        let mut low = loop {
            if high == 0 {
                return Ok(NonceUser::Unknown);
            }
            let below = high.saturating_sub(step);
            if !used(below).await? {
                break below;
            }
            (high, step) = (below, step.saturating_mul(2));
        };
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if used(middle).await? { high = middle } else { low = middle }
        }
        let Some(hashes) = self.backend.transactions(high).await? else {
            return Ok(NonceUser::Unknown);
        };
        let ours = attempts.iter().any(|attempt| hashes.contains(&attempt.hash));
        Ok(if ours { NonceUser::Ours { block: high } } else { NonceUser::Foreign })
    }

    /// True if the job's effect is seen at the head of the chain.
    pub(crate) async fn effect_at_head(&self, look: &Look, job: &Job) -> Result<bool, RpcError> {
        let Some(effect) = &job.request.effect else { return Ok(false) };
        effect.is_there(self.backend.as_ref(), look.head().await?.number).await
    }

    /// True if the job's effect is seen in a final block's state.
    pub(crate) async fn effect_for_good(&self, look: &Look, job: &Job) -> Result<bool, RpcError> {
        let Some(effect) = &job.request.effect else { return Ok(false) };
        let Some(height) = look.final_height().await? else { return Ok(false) };
        effect.is_there(self.backend.as_ref(), height).await
    }

    /// True if the call reverts with "already recorded" in a final block's state.
    pub(crate) async fn recorded_for_good(
        &self,
        look: &Look,
        job: &Job,
    ) -> Result<bool, RelayerError> {
        let Some(height) = look.final_height().await? else { return Ok(false) };
        let call = call_of(job, self.scope.sender);
        match self.backend.call(&call, BlockRef::Number(height)).await? {
            Simulated::Reverted(data) => Ok(self.decoder.decode(&data).already_recorded),
            Simulated::Ok(_) => Ok(false),
        }
    }

    /// Why a mined transaction reverted: the call is replayed on the state before its block
    /// and, if it passes there, on the state after it.
    pub(crate) async fn replay(
        &self,
        job: &Job,
        receipt: &TxReceipt,
    ) -> Result<Option<DecodedRevert>, RpcError> {
        let call = call_of(job, self.scope.sender);
        let after = receipt.block_number;
        for height in [after.saturating_sub(1), after] {
            match self.backend.call(&call, BlockRef::Number(height)).await {
                Ok(Simulated::Reverted(data)) => return Ok(Some(self.decode(&data))),
                Ok(Simulated::Ok(_)) => {}
                // Worth another try; anything else (a pruned state) will not get better.
                Err(error) if error.kind.is_endpoint_fault() => return Err(error),
                Err(error) => tracing::warn!(%error, "cannot replay a reverted transaction"),
            }
        }
        Ok(None)
    }

    pub(crate) fn decode(&self, data: &Bytes) -> DecodedRevert {
        self.decoder.decode(data)
    }
}

/// The head of the chain behind `backend`.
pub(crate) async fn head(backend: &dyn ChainBackend) -> Result<BlockInfo, RpcError> {
    let head = backend.block(BlockRef::Latest).await?;
    head.ok_or_else(|| {
        let name = backend.name();
        RpcError::new(RpcErrorKind::Malformed, &name, "eth_getBlockByNumber", "no latest block")
    })
}
