//! A queued job's first transaction: whether it is due, what it would do, what it may cost.

use alloy::primitives::U256;

use crate::{
    backend::{BlockRef, Call, RpcError, RpcErrorKind, Simulated},
    drive::{Core, Result, call_of},
    error::RelayerError,
    fees::{self, Fees},
    job::{JobState, Rejection},
    look::Look,
    storage::{Job, JobKind, Scope},
};

/// What is to be signed for a queued job.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) fees: Fees,
    pub(crate) gas_limit: u64,
    /// The market's.
    pub(crate) tip: u128,
}

/// What became of looking at a queued job.
pub(crate) enum Prepared {
    Offer(Offer),
    /// Nothing is to be sent now.
    Over(JobState),
}

/// A transaction that is not signed yet.
#[derive(Clone, Copy)]
pub(crate) struct Unsigned {
    pub(crate) nonce: u64,
    pub(crate) offer: Offer,
    /// It is the self-transfer that takes a call's place.
    pub(crate) cancels: bool,
}

impl Core {
    /// Queued: look whether it is done, simulate, price.
    pub(crate) async fn prepare(&self, look: &Look, job: &Job) -> Result<Prepared> {
        if job.nonce.is_none() && self.waits_for_others(look, job).await? {
            return Ok(Prepared::Over(JobState::Queued));
        }
        if self.effect_at_head(look, job).await? {
            return if self.effect_for_good(look, job).await? {
                self.set_state(job.id, JobState::Finalized, None).await.map(Prepared::Over)
            } else {
                Ok(Prepared::Over(JobState::Queued))
            };
        }
        let call = call_of(job, self.scope.sender);
        // Shared, so that asking beside the simulation costs nothing.
        let simulated = self.simulate(look, job, &call);
        let (simulated, market, _) = tokio::join!(simulated, look.market(), look.held());
        let estimate = match simulated? {
            Ok(estimate) => estimate,
            Err(state) => return Ok(Prepared::Over(state)),
        };
        let limit = self.config.max_gas_limit;
        let gas_limit = fees::gas_limit(estimate, self.config.gas_margin_percent, 0, limit);
        let market = market?;
        let caps = self.config.fee_policy();
        let fees = match job.nonce {
            // A gap: its nonce is given, and earlier transactions at it have to be outbid. One that
            // cannot be is offered below its price: where it is pending, there is no gap.
            Some(nonce) => {
                let earlier = self.storage.fees_at(self.scope, nonce).await?;
                let price = |earlier| fees::transfer(earlier, market, &caps, gas_limit);
                price(earlier).or_else(|_| price(None))?
            }
            None => {
                let policy = caps.with_room();
                let fees = fees::initial(market, &policy)?;
                policy.check_cost(fees::cost(fees, gas_limit, call.value), None)?;
                fees
            }
        };
        self.check_funds(look, fees::cost(fees, gas_limit, call.value)).await?;
        Ok(Prepared::Offer(Offer { fees, gas_limit, tip: market.tip }))
    }

    /// Says so where the market's tip is above what is offered.
    pub(crate) async fn note_tip(&self, job: &Job, tip: u128) -> Result<()> {
        let most = self.config.fee_policy().with_room().max_tip;
        if tip > most {
            let note = format!(
                "the market's tip is {tip} wei per gas; {most} is offered at most (--max-tip, less \
                 room for one replacement)"
            );
            self.storage.set_note(job.id, Some(&note)).await?;
        }
        Ok(())
    }

    /// Gas that the call needs, or the state it ends in because it cannot succeed.
    async fn simulate(
        &self,
        look: &Look,
        job: &Job,
        call: &Call,
    ) -> Result<std::result::Result<u64, JobState>> {
        let reject = |reason| self.set_state(job.id, JobState::Rejected(reason), None);
        let target = call.to.filter(|_| job.kind == JobKind::Call && !call.data.is_empty());
        let contract = async {
            match target {
                Some(address) => look.is_contract(address).await,
                None => Ok(true),
            }
        };
        // At once, and read in this order: an estimate counts only of a call that passes.
        let (contract, called, estimate) = tokio::join!(
            contract,
            self.backend.call(call, BlockRef::Latest),
            self.backend.estimate_gas(call)
        );
        if let (false, Some(address)) = (contract?, target) {
            return reject(Rejection::NoContract { address }).await.map(Err);
        }
        let limit = self.config.max_gas_limit;
        let answer = match called {
            Ok(Simulated::Ok(_)) => match estimate {
                Ok(estimate) => self.estimate_of(call, estimate).await,
                Err(error) => Err(error),
            },
            Ok(Simulated::Reverted(data)) => Ok(Simulated::Reverted(data)),
            Err(error) => Err(error),
        };
        match answer {
            Ok(Simulated::Ok(needed)) if needed <= limit => Ok(Ok(needed)),
            Ok(Simulated::Ok(needed)) => {
                reject(Rejection::TooMuchGas { needed: Some(needed), limit }).await.map(Err)
            }
            Ok(Simulated::Reverted(data)) => {
                let revert = self.decode(&data);
                if !revert.already_recorded {
                    return reject(Rejection::Simulation { revert }).await.map(Err);
                }
                if self.recorded_for_good(look, job).await? {
                    return self.set_state(job.id, JobState::Finalized, None).await.map(Err);
                }
                Ok(Err(JobState::Queued))
            }
            Err(error) if error.kind == RpcErrorKind::GasAboveLimit => {
                reject(Rejection::TooMuchGas { needed: None, limit }).await.map(Err)
            }
            Err(error) if error.kind == RpcErrorKind::InsufficientFunds => {
                self.check_funds(look, call.value + U256::from(1)).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The gas that a call needs which passed a moment ago. Only the call itself, which is agreed
    /// on, says that it reverts: an estimate says so of a later block, or is wrong.
    async fn estimate_of(
        &self,
        call: &Call,
        estimate: Simulated<u64>,
    ) -> std::result::Result<Simulated<u64>, RpcError> {
        let Simulated::Reverted(_) = estimate else { return Ok(estimate) };
        match self.backend.call(call, BlockRef::Latest).await? {
            Simulated::Reverted(data) => Ok(Simulated::Reverted(data)),
            Simulated::Ok(_) => {
                let message = "the call passes, and the estimate of its gas reverts";
                let name = self.backend.name();
                Err(RpcError::new(RpcErrorKind::Other, &name, "eth_estimateGas", message))
            }
        }
    }

    async fn check_funds(&self, look: &Look, needed: U256) -> Result<()> {
        let Scope { chain_id, sender: address } = self.scope;
        // One endpoint's word stops no key: a node takes nothing that cannot be paid for.
        let balance = look.held().await?;
        if balance >= needed {
            return Ok(());
        }
        Err(RelayerError::NoFunds { address, chain_id, balance, needed })
    }
}
