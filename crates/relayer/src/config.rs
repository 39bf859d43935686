//! Settings of a relayer.

use std::time::Duration;

use alloy::primitives::U256;

use crate::{
    error::ConfigError,
    fees::{FeePolicy, GWEI},
    node::{NodeOptions, RpcUrl},
};

/// When an included transaction counts as final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// After this many blocks, its own counted.
    Confirmations(u64),
    /// When the chain's `finalized` block has reached it.
    Tag,
}

/// Settings of a [`crate::Relayer`]. Start from [`Default`] and change what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayerConfig {
    /// The chain and how it is reached.
    pub node: NodeOptions,
    /// When a transaction is final.
    pub finality: Finality,
    /// Time between two looks at the chain.
    pub poll_interval: Duration,
    /// Time after which a transaction that is not mined is replaced at a higher price.
    pub resubmit_after: Duration,
    /// How long one `run_to_completion` waits; `None` waits for ever. The job stays stored
    /// and pending when the time is over.
    pub wait_timeout: Option<Duration>,
    /// Multiplier of the base fee in the fee cap.
    pub base_fee_multiplier: u32,
    /// Raise of both fees from one attempt to the next, in percent. Nodes ask for 10.
    pub bump_percent: u32,
    /// Smallest tip, in wei per gas.
    pub min_tip: u128,
    /// Largest fee cap, in wei per gas: the most this relayer ever pays for gas. Calls stay one
    /// raise of `bump_percent` below it: see [`crate::fees::FeePolicy::with_room`].
    pub max_fee_ceiling: u128,
    /// Largest tip, in wei per gas, whatever the node suggests. Calls stay one raise below it.
    pub max_tip: u128,
    /// Most wei that one transaction may cost, its value included.
    pub max_cost: U256,
    /// Largest multiple of a job's first offer that its replacements may pay.
    pub max_raise: u32,
    /// How far the node's count of the sender's transactions may be from what the database
    /// and the latest block say.
    pub max_nonce_distance: u64,
    /// How many gaps in the nonces are filled with self-transfers in one run.
    pub max_gaps: u64,
    /// Added to the node's gas estimate, in percent.
    pub gas_margin_percent: u32,
    /// Largest gas limit of a transaction (EIP-7825's by default).
    pub max_gas_limit: u64,
    /// How often a job may be signed again after something else used its nonce.
    pub max_nonce_losses: u32,
    /// Jobs about which nodes are asked at the same time.
    pub concurrency: usize,
    /// Jobs that may be signed and not final at the same time, of those that are driven together.
    pub max_in_flight: usize,
}

impl Default for RelayerConfig {
    fn default() -> Self {
        Self {
            node: NodeOptions::default(),
            finality: Finality::Confirmations(3),
            poll_interval: Duration::from_secs(2),
            resubmit_after: Duration::from_secs(48),
            wait_timeout: Some(Duration::from_secs(600)),
            base_fee_multiplier: 2,
            bump_percent: 10,
            min_tip: 1_000_000,
            max_fee_ceiling: 500 * GWEI,
            max_tip: 50 * GWEI,
            max_cost: U256::from(GWEI * GWEI),
            max_raise: 10,
            max_nonce_distance: 64,
            max_gaps: 16,
            gas_margin_percent: 20,
            max_gas_limit: 16_777_216,
            max_nonce_losses: 3,
            concurrency: 32,
            max_in_flight: usize::MAX,
        }
    }
}

impl RelayerConfig {
    /// Settings for a local development chain: final in the first block, fast polling.
    pub fn development(rpc_url: impl Into<RpcUrl>) -> Self {
        Self {
            node: NodeOptions { rpc_urls: vec![rpc_url.into()], ..NodeOptions::default() },
            finality: Finality::Confirmations(1),
            poll_interval: Duration::from_millis(50),
            resubmit_after: Duration::from_secs(5),
            wait_timeout: Some(Duration::from_secs(60)),
            ..Self::default()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field out of its range, with the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rule = |holds: bool, field: &'static str, value: &dyn ToString, constraint| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError { field, value: value.to_string(), constraint })
            }
        };
        let millis = |duration: Duration| format!("{} ms", duration.as_millis());
        self.node.validate()?;
        if let Finality::Confirmations(blocks) = self.finality {
            rule((1..=10_000).contains(&blocks), "finality", &blocks, "must be 1 to 10000 blocks")?;
        }
        for (duration, field) in
            [(self.poll_interval, "poll_interval"), (self.resubmit_after, "resubmit_after")]
        {
            let fits = (1..=86_400_000).contains(&duration.as_millis());
            rule(fits, field, &millis(duration), "must be 1 ms to one day")?;
        }
        rule(
            self.resubmit_after >= self.poll_interval,
            "resubmit_after",
            &millis(self.resubmit_after),
            "must not be shorter than poll_interval",
        )?;
        if let Some(timeout) = self.wait_timeout {
            let fits = timeout >= self.poll_interval;
            rule(fits, "wait_timeout", &millis(timeout), "must not be shorter than poll_interval")?;
        }
        rule(
            (1..=100).contains(&self.base_fee_multiplier),
            "base_fee_multiplier",
            &self.base_fee_multiplier,
            "must be 1 to 100",
        )?;
        rule(
            (10..=1000).contains(&self.bump_percent),
            "bump_percent",
            &self.bump_percent,
            "must be 10 to 1000; nodes refuse a smaller raise",
        )?;
        rule(
            self.max_fee_ceiling > 0 && self.max_fee_ceiling >= self.min_tip,
            "max_fee_ceiling",
            &self.max_fee_ceiling,
            "must be positive and at least min_tip",
        )?;
        rule(self.max_tip >= self.min_tip, "max_tip", &self.max_tip, "must be at least min_tip")?;
        rule(!self.max_cost.is_zero(), "max_cost", &self.max_cost, "must be positive")?;
        rule(
            (2..=1000).contains(&self.max_raise),
            "max_raise",
            &self.max_raise,
            "must be 2 to 1000",
        )?;
        rule(
            (1..=1_000_000).contains(&self.max_nonce_distance),
            "max_nonce_distance",
            &self.max_nonce_distance,
            "must be 1 to 1000000",
        )?;
        rule(self.max_gaps <= 10_000, "max_gaps", &self.max_gaps, "must be at most 10000")?;
        rule(
            self.gas_margin_percent <= 400,
            "gas_margin_percent",
            &self.gas_margin_percent,
            "must be at most 400",
        )?;
        let fits = (1..=256).contains(&self.concurrency);
        rule(fits, "concurrency", &self.concurrency, "must be 1 to 256")?;
        rule(self.max_in_flight > 0, "max_in_flight", &self.max_in_flight, "must be positive")?;
        let gas = self.max_gas_limit;
        let fits = (21_000..=1 << 40).contains(&gas);
        rule(fits, "max_gas_limit", &gas, "must be 21000 to 2^40")
    }

    /// The part that prices transactions.
    pub(crate) const fn fee_policy(&self) -> FeePolicy {
        FeePolicy {
            base_fee_multiplier: self.base_fee_multiplier,
            bump_percent: self.bump_percent,
            min_tip: self.min_tip,
            ceiling: self.max_fee_ceiling,
            max_tip: self.max_tip,
            max_raise: self.max_raise,
            max_cost: self.max_cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_and_the_development_settings_are_valid() {
        RelayerConfig::default().validate().expect("default");
        RelayerConfig::development("http://127.0.0.1:1").validate().expect("development");
    }

    #[test]
    fn every_field_out_of_range_is_named() {
        type Spoil = fn(&mut RelayerConfig);
        let cases: &[(&str, Spoil)] = &[
            ("rpc_urls", |c| c.node.rpc_urls.clear()),
            ("rpc_urls", |c| c.node.rpc_urls = vec!["ftp://node".into()]),
            ("chain_id", |c| c.node.chain_id = Some(0)),
            ("rpc_timeout", |c| c.node.rpc_timeout = Duration::MAX),
            ("rpc_deadline", |c| c.node.rpc_deadline = Duration::ZERO),
            ("max_answer_bytes", |c| c.node.max_answer_bytes = 0),
            ("retries", |c| c.node.retries = u32::MAX),
            ("agreement_time", |c| c.node.agreement_time = Duration::MAX),
            ("finality", |c| c.finality = Finality::Confirmations(0)),
            ("finality", |c| c.finality = Finality::Confirmations(u64::MAX)),
            ("poll_interval", |c| c.poll_interval = Duration::ZERO),
            ("resubmit_after", |c| c.resubmit_after = Duration::from_millis(1)),
            ("wait_timeout", |c| c.wait_timeout = Some(Duration::ZERO)),
            ("base_fee_multiplier", |c| c.base_fee_multiplier = 0),
            ("bump_percent", |c| c.bump_percent = 9),
            ("max_fee_ceiling", |c| c.max_fee_ceiling = 0),
            ("gas_margin_percent", |c| c.gas_margin_percent = 401),
            ("max_gas_limit", |c| c.max_gas_limit = 20_999),
            ("max_gas_limit", |c| c.max_gas_limit = u64::MAX),
            ("max_tip", |c| c.max_tip = 0),
            ("max_cost", |c| c.max_cost = U256::ZERO),
            ("max_raise", |c| c.max_raise = 1),
            ("max_nonce_distance", |c| c.max_nonce_distance = 0),
            ("max_gaps", |c| c.max_gaps = u64::MAX),
            ("concurrency", |c| c.concurrency = 0),
            ("max_in_flight", |c| c.max_in_flight = 0),
        ];
        for &(field, spoil) in cases {
            let mut config = RelayerConfig::default();
            spoil(&mut config);
            let error = config.validate().expect_err(field);
            assert_eq!(error.field, field);
            assert!(error.to_string().contains("must"), "{error}");
        }
    }
}
