//! Options of everything that sends: what a transaction may cost, how far a node is
//! believed, and which jobs are meant.

use std::path::PathBuf;

use alloy::primitives::{
    Address, U256,
    utils::{ParseUnits, parse_units},
};
use clap::Args as ClapArgs;
use verdict_relayer::RelayerConfig;

use crate::args::Chain;

/// What a transaction may cost, and how far a node is believed.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Limits {
    /// Largest price of gas, base fee and tip, in gwei (default: 500)
    #[arg(long, value_name = "GWEI", value_parser = gwei)]
    pub(crate) max_fee: Option<u128>,
    /// Largest tip in gwei, whatever the node suggests (default: 50)
    #[arg(long, value_name = "GWEI", value_parser = gwei)]
    pub(crate) max_tip: Option<u128>,
    /// Most ether that one transaction may cost (default: 1)
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    pub(crate) max_cost: Option<U256>,
    /// How many times the price of its first offer a transaction's replacements may pay
    /// (default: 10)
    #[arg(long, value_name = "TIMES")]
    pub(crate) max_raise: Option<u32>,
    /// How many gaps in the sender's nonces to fill with self-transfers (default: 16)
    #[arg(long, value_name = "N")]
    pub(crate) max_gaps: Option<u64>,
    /// How far the node's count of the sender's transactions may be from what is known
    /// (default: 64)
    #[arg(long, value_name = "N")]
    pub(crate) max_nonce_distance: Option<u64>,
}

impl Limits {
    /// Changes what was given.
    pub(crate) fn apply(&self, config: &mut RelayerConfig) {
        fn set<T: Copy>(field: &mut T, given: Option<T>) {
            *field = given.unwrap_or(*field);
        }
        set(&mut config.max_fee_ceiling, self.max_fee);
        set(&mut config.max_tip, self.max_tip);
        set(&mut config.max_cost, self.max_cost);
        set(&mut config.max_raise, self.max_raise);
        set(&mut config.max_gaps, self.max_gaps);
        set(&mut config.max_nonce_distance, self.max_nonce_distance);
    }
}

fn gwei(text: &str) -> Result<u128, String> {
    units(text, "gwei")?.try_into().map_err(|_| "it is too large".to_owned())
}

fn ether(text: &str) -> Result<U256, String> {
    units(text, "ether")
}

fn units(text: &str, unit: &str) -> Result<U256, String> {
    match parse_units(text, unit) {
        // An empty text is read as zero.
        Ok(ParseUnits::U256(wei)) if !text.is_empty() => Ok(wei),
        _ => Err(format!("expected a number of {unit}, for example 1.5")),
    }
}

/// Which jobs are looked at; nothing is asked of a node, and no key is needed.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Which {
    /// Only this chain's
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// Only this sender's
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) sender: Option<Address>,
    /// Only those in this file (default: all in $XDG_STATE_HOME/verdict, else in
    /// ~/.local/state/verdict)
    #[arg(long, value_name = "FILE", env = "VERDICT_DATABASE")]
    pub(crate) database: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Those that are done as well
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The job's number
    pub(crate) id: i64,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Change {
    /// The job's number, among those of the chain and the sending key
    pub(crate) id: i64,
    #[command(flatten)]
    pub(crate) chain: Chain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_gwei_and_ether() {
        assert_eq!(gwei("1.5"), Ok(1_500_000_000));
        assert_eq!(ether("0.25"), Ok(U256::from(250_000_000_000_000_000_u64)));
        for text in ["", "-1", "much", "1e400", "0.1.2"] {
            assert!(gwei(text).is_err() && ether(text).is_err(), "{text}");
        }
        assert!(gwei(&"9".repeat(60)).is_err());
    }
}
