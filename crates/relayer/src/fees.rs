//! The price of a transaction: pure functions, no clock and no network.
//!
//! EIP-1559 fees. A first attempt pays the market's tip and caps the total at
//! `tip + 2 × base fee`, which stays enough through six full blocks in a row
//! (1.125⁶ ≈ 2.03). A replacement raises both fields by at least `bump_percent`, because
//! nodes refuse anything less, and by more if the market has moved further. Nothing is
//! ever priced above the ceiling; a replacement that cannot be both high enough for the
//! node and below the ceiling is not made, and the caller broadcasts the old one again.
//!
//! The market's tip is what was paid in the newest blocks, or what the node suggests where
//! these say too little. Whatever that is, a tip is never above its cap; a replacement is never above a
//! multiple of the job's first offer; and a transaction whose total could exceed the cap on
//! its cost is not signed.

use alloy::primitives::{U256, utils::format_ether};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Wei per gwei.
pub const GWEI: u128 = 1_000_000_000;

/// The two fee fields of a transaction, in wei per gas. `tip` never exceeds `max_fee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`.
    pub tip: u128,
}

/// What the chain charges now, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Base fee of the latest block.
    pub base_fee: u128,
    /// Tip that transactions pay.
    pub tip: u128,
}

/// How many of the newest blocks say what tips are paid: four minutes of Ethereum's.
pub const HISTORY: u64 = 20;
/// Fewer blocks with transactions say nothing: our own may be the only ones.
const LEAST_HISTORY: usize = 5;

/// The median of the tips that blocks with transactions paid, each block's median; `None` if there
/// are too few. A median of medians is moved neither by one block of a hurry nor by our own
/// replacements. The blocks are as a node tells them: of several endpoints, none alone decides (see
/// `node::offers`), and whatever they say is capped by [`FeePolicy::max_tip`].
pub fn market_tip(mut paid: Vec<u128>) -> Option<u128> {
    if paid.len() < LEAST_HISTORY {
        return None;
    }
    paid.sort_unstable();
    paid.get(paid.len() / 2).copied()
}

/// How to price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    /// Multiplier of the base fee in the cap.
    pub base_fee_multiplier: u32,
    /// Least raise of a replacement, in percent.
    pub bump_percent: u32,
    /// Least tip.
    pub min_tip: u128,
    /// Largest cap.
    pub ceiling: u128,
    /// Largest tip.
    pub max_tip: u128,
    /// Largest multiple of the first offer, for both fields and for the total.
    pub max_raise: u32,
    /// Most wei that a transaction may cost, its value included.
    pub max_cost: U256,
}

/// A relative cap does not hold a tip below this: a tip of one wei may be raised.
const SMALL_TIP: u128 = GWEI;

impl FeePolicy {
    /// The policy for replacements of `first`.
    pub fn after(self, first: Fees) -> Self {
        let times = u128::from(self.max_raise);
        let tip = first.tip.saturating_mul(times).max(SMALL_TIP);
        let ceiling = first.max_fee.saturating_mul(times).max(SMALL_TIP);
        Self { ceiling: self.ceiling.min(ceiling), max_tip: self.max_tip.min(tip), ..self }
    }

    /// The policy for what may have to be replaced: one raise below the caps.
    ///
    /// A call that can no longer succeed, or is no longer wanted, is replaced by a self-transfer
    /// at its nonce, at a raise that nodes insist on. Had the call been offered at a cap, no
    /// self-transfer would fit, and once the call has left the nodes' pools, every later nonce
    /// would wait behind its own. So calls leave that raise, and only self-transfers take it.
    pub fn with_room(self) -> Self {
        let below = |cap| lowered(cap, self.bump_percent);
        Self { ceiling: below(self.ceiling), max_tip: below(self.max_tip), ..self }
    }

    /// Refuses a transaction that may cost more than allowed: in all, or as a multiple of
    /// what the job's first one, if there is one, may have cost.
    ///
    /// # Errors
    /// [`FeeError::CostAboveCap`] with the smaller of both caps.
    pub fn check_cost(&self, cost: U256, first: Option<U256>) -> Result<(), FeeError> {
        let relative = first.map(|first| first.saturating_mul(U256::from(self.max_raise)));
        let cap = relative.unwrap_or(U256::MAX).min(self.max_cost);
        if cost > cap { Err(FeeError::CostAboveCap { needed: cost, cap }) } else { Ok(()) }
    }
}

/// Most that a transaction may cost.
pub fn cost(fees: Fees, gas_limit: u64, value: U256) -> U256 {
    let gas = U256::from(fees.max_fee).saturating_mul(U256::from(gas_limit));
    gas.saturating_add(value)
}

/// No acceptable price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FeeError {
    /// The base fee alone is above the ceiling.
    #[error(
        "the base fee of {base_fee} wei is above the most that is offered, {ceiling} wei per gas (max_fee_ceiling, less room for one replacement); wait or raise it (--max-fee)"
    )]
    CeilingBelowBaseFee {
        /// Base fee of the latest block.
        base_fee: u128,
        /// The policy's ceiling.
        ceiling: u128,
    },
    /// A replacement would have to cost more than the ceiling.
    #[error(
        "a replacement needs at least {needed} wei, above the ceiling of {ceiling} wei per gas; raise max_fee_ceiling or max_raise (--max-fee, --max-raise) if it is worth it"
    )]
    BumpAboveCeiling {
        /// Smallest cap that a node accepts as a replacement.
        needed: u128,
        /// The policy's ceiling, or the largest multiple of the first offer.
        ceiling: u128,
    },
    /// A replacement would have to pay more tip than allowed.
    #[error(
        "a replacement needs a tip of at least {needed} wei, above the cap of {cap} wei per gas; raise max_tip or max_raise (--max-tip, --max-raise) if it is worth it"
    )]
    TipAboveCap {
        /// Smallest tip that a node accepts in a replacement.
        needed: u128,
        /// The policy's cap, or the largest multiple of the first offer.
        cap: u128,
    },
    /// The transaction could cost more than allowed.
    #[error(
        "the transaction could cost {} ETH, above the cap of {} ETH; wait, or raise max_cost or max_raise (--max-cost, --max-raise) if it is worth it", format_ether(*needed), format_ether(*cap)
    )]
    CostAboveCap {
        /// What it could cost, in wei.
        needed: U256,
        /// The configured cap, or the largest multiple of the first offer.
        cap: U256,
    },
}

/// Fees of a first attempt.
///
/// # Errors
/// [`FeeError::CeilingBelowBaseFee`] if no transaction below the ceiling could be mined.
pub fn initial(market: Market, policy: &FeePolicy) -> Result<Fees, FeeError> {
    if market.base_fee > policy.ceiling {
        return Err(FeeError::CeilingBelowBaseFee {
            base_fee: market.base_fee,
            ceiling: policy.ceiling,
        });
    }
    let wanted = at_market(market, policy);
    let max_fee = wanted.max_fee.min(policy.ceiling);
    Ok(Fees { max_fee, tip: wanted.tip.min(max_fee) })
}

/// Fees of a replacement of a transaction that paid `previous`.
///
/// # Errors
/// [`FeeError::BumpAboveCeiling`] if every acceptable replacement is above the ceiling.
pub fn bump(previous: Fees, market: Market, policy: &FeePolicy) -> Result<Fees, FeeError> {
    let least = Fees {
        max_fee: raised(previous.max_fee, policy.bump_percent),
        tip: raised(previous.tip, policy.bump_percent),
    };
    if least.max_fee > policy.ceiling {
        return Err(FeeError::BumpAboveCeiling { needed: least.max_fee, ceiling: policy.ceiling });
    }
    if least.tip > policy.max_tip {
        return Err(FeeError::TipAboveCap { needed: least.tip, cap: policy.max_tip });
    }
    let wanted = at_market(Market { tip: market.tip.max(least.tip), ..market }, policy);
    let max_fee = wanted.max_fee.max(least.max_fee).min(policy.ceiling);
    // The raised tip is at most the raised cap, so this never undercuts it.
    let tip = wanted.tip.min(max_fee);
    Ok(Fees { max_fee, tip })
}

/// Fees of a self-transfer of `gas_limit` gas, which has to outbid `earlier` if something was
/// signed for its nonce. It offers less than the market's price rather than cost more than allowed:
/// nonces wait behind its own.
///
/// # Errors
/// As [`initial`] and [`bump`]; [`FeeError::CostAboveCap`] if no acceptable price is within
/// `max_cost`.
pub fn transfer(
    earlier: Option<Fees>,
    market: Market,
    policy: &FeePolicy,
    gas_limit: u64,
) -> Result<Fees, FeeError> {
    let price = |policy: &FeePolicy| match earlier {
        Some(earlier) => bump(earlier, market, policy),
        None => initial(market, policy),
    };
    let fees = price(policy)?;
    let Err(dear) = policy.check_cost(cost(fees, gas_limit, U256::ZERO), None) else {
        return Ok(fees);
    };
    let most = policy.max_cost / U256::from(gas_limit.max(1));
    let most = u128::try_from(most).unwrap_or(u128::MAX).min(policy.ceiling);
    price(&FeePolicy { ceiling: most, ..*policy }).map_err(|_| dear)
}

/// Gas limit of a replacement or first attempt: the estimate with its margin, never less
/// than `previous` and never more than `limit` unless `previous` was.
pub fn gas_limit(estimate: u64, margin_percent: u32, previous: u64, limit: u64) -> u64 {
    let with_margin = u128::from(estimate) * (100 + u128::from(margin_percent)) / 100;
    let with_margin = u64::try_from(with_margin).unwrap_or(u64::MAX);
    with_margin.min(limit).max(previous)
}

/// What the market asks for: `tip + multiplier × base fee`.
fn at_market(market: Market, policy: &FeePolicy) -> Fees {
    let tip = market.tip.max(policy.min_tip).min(policy.max_tip);
    let base = market.base_fee.saturating_mul(u128::from(policy.base_fee_multiplier));
    Fees { max_fee: tip.saturating_add(base), tip }
}

/// `value` raised by `percent`, rounded up, and by one wei at least.
fn raised(value: u128, percent: u32) -> u128 {
    let percent = u128::from(percent);
    // Split to stay exact without a product of two large numbers.
    let whole = (value / 100).saturating_mul(percent);
    let rest = (value % 100 * percent).div_ceil(100);
    value.saturating_add(whole).saturating_add(rest.max(u128::from(whole == 0)))
}

/// The largest value that raised by `percent` is not above `cap`; 0 if there is none.
fn lowered(cap: u128, percent: u32) -> u128 {
    let whole = 100 + u128::from(percent);
    // At most one above it: a raise is rounded up, and by one wei at least.
    let about = (cap / whole).saturating_mul(100) + (cap % whole) * 100 / whole;
    [about, about.saturating_sub(1)]
        .into_iter()
        .find(|value| raised(*value, percent) <= cap)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: FeePolicy = FeePolicy {
        base_fee_multiplier: 2,
        bump_percent: 10,
        min_tip: 1,
        ceiling: 500 * GWEI,
        max_tip: u128::MAX,
        max_raise: 10,
        max_cost: U256::MAX,
    };

    #[test]
    fn the_markets_tip_is_the_median_of_what_blocks_paid() {
        assert_eq!(market_tip(vec![]), None);
        assert_eq!(market_tip(vec![9; 4]), None);
        assert_eq!(market_tip(vec![2, 900, 1, 3, 2]), Some(2));
        assert_eq!(market_tip(vec![5, 1, 4, 2, 3, 6]), Some(4));
    }

    #[test]
    fn a_suggested_tip_above_its_cap_is_not_paid() {
        let policy = FeePolicy { max_tip: 50 * GWEI, ..POLICY };
        let market = Market { base_fee: GWEI, tip: 499 * GWEI };
        let first = initial(market, &policy).expect("priced");
        assert_eq!(first, Fees { max_fee: 52 * GWEI, tip: 50 * GWEI });
        let second = bump(first, market, &policy);
        let needed = 55 * GWEI;
        assert_eq!(second, Err(FeeError::TipAboveCap { needed, cap: 50 * GWEI }));
    }

    #[test]
    fn a_replacement_ends_at_a_multiple_of_the_first_offer() {
        let first = Fees { max_fee: 10 * GWEI, tip: 2 * GWEI };
        let policy = POLICY.after(first);
        let mad = Market { base_fee: 60 * GWEI, tip: 300 * GWEI };
        let second = bump(first, mad, &policy).expect("bumped");
        assert_eq!(second, Fees { max_fee: 100 * GWEI, tip: 20 * GWEI });
        assert!(bump(second, mad, &policy).is_err());
        let tiny = POLICY.after(Fees { max_fee: 5, tip: 1 });
        assert_eq!((tiny.max_tip, tiny.ceiling), (GWEI, GWEI));
    }

    #[test]
    fn a_total_above_its_caps_is_refused_with_the_smaller_one() {
        let policy = FeePolicy { max_cost: U256::from(1000), ..POLICY };
        let wei = U256::from;
        policy.check_cost(wei(1000), None).expect("at the cap");
        policy.check_cost(wei(500), Some(wei(50))).expect("at the multiple");
        for (cost, first, cap) in
            [(1001, None, 1000), (501, Some(50), 500), (1001, Some(999), 1000)]
        {
            let refused = policy.check_cost(wei(cost), first.map(wei));
            assert_eq!(refused, Err(FeeError::CostAboveCap { needed: wei(cost), cap: wei(cap) }));
        }
        let all = Fees { max_fee: u128::MAX, tip: 0 };
        assert!(policy.check_cost(super::cost(all, u64::MAX, U256::MAX), None).is_err());
    }

    #[test]
    fn the_first_cap_is_the_tip_and_twice_the_base_fee() {
        let market = Market { base_fee: 30 * GWEI, tip: 2 * GWEI };
        let fees = initial(market, &POLICY).expect("priced");
        assert_eq!(fees, Fees { max_fee: 62 * GWEI, tip: 2 * GWEI });
    }

    #[test]
    fn a_replacement_in_a_calm_market_is_ten_percent_dearer_on_both_fields() {
        let market = Market { base_fee: 30 * GWEI, tip: 2 * GWEI };
        let first = initial(market, &POLICY).expect("priced");
        let second = bump(first, market, &POLICY).expect("bumped");
        assert_eq!(second, Fees { max_fee: 68_200_000_000, tip: 2_200_000_000 });
    }

    #[test]
    fn a_replacement_follows_a_market_that_moved_further() {
        let first = Fees { max_fee: 62 * GWEI, tip: 2 * GWEI };
        let market = Market { base_fee: 100 * GWEI, tip: 3 * GWEI };
        let second = bump(first, market, &POLICY).expect("bumped");
        assert_eq!(second, Fees { max_fee: 203 * GWEI, tip: 3 * GWEI });
    }

    #[test]
    fn the_ceiling_caps_a_first_attempt_and_ends_the_replacements() {
        let market = Market { base_fee: 400 * GWEI, tip: 2 * GWEI };
        let first = initial(market, &POLICY).expect("priced");
        assert_eq!(first.max_fee, POLICY.ceiling);
        assert!(matches!(bump(first, market, &POLICY), Err(FeeError::BumpAboveCeiling { .. })));
        let mad = Market { base_fee: 501 * GWEI, tip: 0 };
        assert!(matches!(initial(mad, &POLICY), Err(FeeError::CeilingBelowBaseFee { .. })));
    }

    #[test]
    fn a_zero_fee_still_rises() {
        let zero = Fees { max_fee: 0, tip: 0 };
        let market = Market { base_fee: 0, tip: 0 };
        let policy = FeePolicy { min_tip: 0, ..POLICY };
        assert_eq!(bump(zero, market, &policy).expect("bumped"), Fees { max_fee: 1, tip: 1 });
    }

    fn any_fee() -> impl Strategy<Value = u128> {
        prop_oneof![0..1_000_u128, 0..10_000 * GWEI, any::<u128>()]
    }

    proptest! {
        #[test]
        fn raising_matches_exact_arithmetic(value in 0..u128::MAX / 2000, percent in 10_u32..=1000) {
            let exact = (value * (100 + u128::from(percent))).div_ceil(100);
            prop_assert_eq!(raised(value, percent), exact.max(value + 1));
        }

        #[test]
        fn what_leaves_room_can_be_raised_once_and_no_more_than_a_wei_of_it_is_wasted(
            cap in any_fee(), percent in 10_u32..=1000,
        ) {
            let low = lowered(cap, percent);
            prop_assert!(raised(low, percent) <= cap || (low, cap) == (0, 0));
            prop_assert!(low == u128::MAX || raised(low.saturating_add(1), percent) > cap || cap == u128::MAX);
        }

        #[test]
        fn a_self_transfer_always_fits_above_what_calls_may_offer(
            base_fee in any_fee(), tip in any_fee(), ceiling in 1_000_u128..10_000 * GWEI,
            max_tip in 1_000_u128..10_000 * GWEI, bump_percent in 10_u32..=1000,
        ) {
            let policy = FeePolicy { ceiling, max_tip, bump_percent, ..POLICY };
            let market = Market { base_fee, tip };
            if let Ok(mut call) = initial(market, &policy.with_room()) {
                while let Ok(next) = bump(call, market, &policy.with_room().after(call)) {
                    call = next;
                }
                let transfer = bump(call, market, &policy);
                prop_assert!(transfer.is_ok(), "{:?} {:?}", call, transfer);
            }
        }

        #[test]
        fn first_fees_are_well_formed_and_can_be_mined(
            base_fee in any_fee(), tip in any_fee(), min_tip in any_fee(), ceiling in any_fee(),
        ) {
            let policy = FeePolicy { min_tip, ceiling, ..POLICY };
            match initial(Market { base_fee, tip }, &policy) {
                Ok(fees) => {
                    prop_assert!(fees.tip <= fees.max_fee);
                    prop_assert!(fees.max_fee <= ceiling);
                    prop_assert!(fees.max_fee >= base_fee);
                }
                Err(_) => prop_assert!(base_fee > ceiling),
            }
        }

        #[test]
        fn a_replacement_is_dear_enough_for_the_node_and_below_the_ceiling(
            max_fee in any_fee(), tip in any_fee(), base_fee in any_fee(), market_tip in any_fee(),
            ceiling in any_fee(), bump_percent in 10_u32..=1000,
        ) {
            let previous = Fees { max_fee, tip: tip.min(max_fee) };
            let policy = FeePolicy { ceiling, bump_percent, ..POLICY };
            match bump(previous, Market { base_fee, tip: market_tip }, &policy) {
                Ok(fees) => {
                    prop_assert!(fees.tip <= fees.max_fee);
                    prop_assert!(fees.max_fee <= ceiling);
                    // 110 % of both, without overflow: 10 × new ≥ 11 × old.
                    for (new, old) in [(fees.max_fee, previous.max_fee), (fees.tip, previous.tip)] {
                        prop_assert!(new - old >= old / 10);
                        prop_assert!(new > old || old == u128::MAX);
                    }
                }
                Err(_) => prop_assert!(raised(max_fee, bump_percent) > ceiling),
            }
        }

        #[test]
        fn repeated_replacements_end_at_the_ceiling(start in 1..500 * GWEI, base_fee in any_fee()) {
            let mut fees = Fees { max_fee: start, tip: start };
            let market = Market { base_fee, tip: 0 };
            let mut rounds = 0;
            while let Ok(next) = bump(fees, market, &POLICY) {
                fees = next;
                rounds += 1;
                prop_assert!(rounds < 400);
            }
            prop_assert!(fees.max_fee <= POLICY.ceiling);
        }

        #[test]
        fn the_gas_limit_never_shrinks(estimate: u64, margin in 0_u32..=400, previous: u64, limit: u64) {
            let chosen = gas_limit(estimate, margin, previous, limit);
            prop_assert!(chosen >= previous);
            prop_assert!(chosen <= limit.max(previous));
            prop_assert!(chosen >= estimate.min(limit));
        }
    }
}
