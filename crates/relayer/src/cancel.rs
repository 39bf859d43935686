//! Replacing what is not mined: at a higher price, or by a self-transfer if the call can no
//! longer succeed or is no longer wanted.
//!
//! A call that would revert is not bumped: it would be paid for and fail. A self-transfer at
//! its nonce costs a fraction, and the state the job ends in is stored before that is signed.
//! Whichever of the two is mined decides.

use crate::{
    backend::{BlockRef, Call, Simulated},
    drive::{Core, Result, call_of},
    error::RelayerError,
    fees::{self, Fees},
    job::{Attempt, AttemptOutcome, JobState, Rejection},
    look::Look,
    storage::{Job, JobKind},
};

/// Gas of a self-transfer if the node gives no estimate.
const TRANSFER_GAS: u64 = 21_000;

impl Core {
    /// Replaces the last of `attempts`, all at the job's nonce, at a higher price; if that is
    /// not possible, broadcasts it again.
    pub(crate) async fn replace(
        &self,
        look: &Look,
        job: &Job,
        attempts: &[Attempt],
    ) -> Result<JobState> {
        let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else {
            return Ok(JobState::Submitted);
        };
        let doomed;
        let (job, estimate) = match self.estimate(job).await {
            Ok(Simulated::Ok(estimate)) => (job, estimate),
            Ok(Simulated::Reverted(_)) => match self.doom(job, last.nonce).await? {
                Some(ending) => {
                    tracing::warn!(job = %job.id, %ending, "the call can no longer succeed");
                    self.storage.set_ending(job.id, &ending).await?;
                    doomed = Job { ending: Some(ending), ..job.clone() };
                    (&doomed, TRANSFER_GAS)
                }
                // The pending transaction was mined in between: keep the limit.
                None => (job, 0),
            },
            Err(_) => (job, 0),
        };
        let cancels = job.ending.is_some();
        let least = match cancels && !last.cancels {
            true => TRANSFER_GAS,
            false => last.gas_limit,
        };
        let (margin, limit) = (self.config.gas_margin_percent, self.config.max_gas_limit);
        let gas_limit = fees::gas_limit(estimate, margin, least, limit);
        match self.raised(look, job, first, last, gas_limit).await {
            Ok(fees) => {
                let attempt =
                    self.sign_and_store(job, last.nonce, fees, gas_limit, cancels).await?;
                self.broadcast(job, &attempt, false).await
            }
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "no replacement");
                if let RelayerError::Fees(cap) = &error {
                    self.storage.set_note(job.id, Some(&cap.to_string())).await?;
                }
                // The call itself is no longer wanted, but a nonce that is filled is better than
                // a hole, behind which every later one waits.
                let pending = last.outcome == AttemptOutcome::Accepted && !self.overdue(last);
                if cancels && !last.cancels && pending {
                    return Ok(JobState::Submitted);
                }
                self.broadcast(job, last, false).await
            }
        }
    }

    async fn estimate(&self, job: &Job) -> Result<Simulated<u64>> {
        let sender = self.scope.sender;
        let call = match job.ending {
            Some(_) => Call {
                from: sender,
                to: Some(sender),
                data: Default::default(),
                value: Default::default(),
            },
            None => call_of(job, sender),
        };
        Ok(self.backend.estimate_gas(&call).await?)
    }

    /// The state that a job ends in because its call, not mined at `nonce` yet, reverts now;
    /// `None` if it does not, or if it reverts because it has happened.
    async fn doom(&self, job: &Job, nonce: u64) -> Result<Option<JobState>> {
        if job.kind == JobKind::Gap || job.ending.is_some() {
            return Ok(None);
        }
        let call = call_of(job, self.scope.sender);
        let Simulated::Reverted(data) = self.backend.call(&call, BlockRef::Latest).await? else {
            return Ok(None);
        };
        if self.backend.nonce(self.scope.sender, BlockRef::Latest).await? > nonce {
            return Ok(None);
        }
        let revert = self.decode(&data);
        // What is recorded already is looked at again when the nonce is free.
        let done = revert.already_recorded;
        let rejected = || JobState::Rejected(Rejection::Simulation { revert });
        Ok(Some(if done { JobState::Queued } else { rejected() }))
    }

    /// Fees that a node takes for a replacement of `last`, within the caps.
    async fn raised(
        &self,
        look: &Look,
        job: &Job,
        first: &Attempt,
        last: &Attempt,
        gas_limit: u64,
    ) -> Result<Fees> {
        let market = look.market().await?;
        let policy = self.config.fee_policy();
        if job.ending.is_some() || job.kind == JobKind::Gap {
            // What it has to outbid is not its own; it is cheap, and capped by itself.
            // Calls leave room for it below the caps.
            return Ok(fees::transfer(Some(last.fees), market, &policy, gas_limit)?);
        }
        let value = job.request.value;
        // The first offer was for as much gas as was asked for then. What the call needs may have
        // changed, or a node have said too little: the price is what must not run away.
        let offered = fees::cost(first.fees, gas_limit.max(first.gas_limit), value);
        let fees = fees::bump(last.fees, market, &policy.with_room().after(first.fees))?;
        policy.check_cost(fees::cost(fees, gas_limit, value), Some(offered))?;
        Ok(fees)
    }

    /// Notes what keeps a job from being sent.
    pub(crate) async fn note(&self, job: &Job, note: String) -> Result<()> {
        if job.note.as_deref() != Some(note.as_str()) {
            self.storage.set_note(job.id, Some(&note)).await?;
        }
        Ok(())
    }
}
