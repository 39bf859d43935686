//! What may be begun before the day's budget is spent.

use super::{DAY_MS, RoundError, Sender};
use crate::job::{Reason, ReasonCode};

/// How many more proofs may be begun, and why no more than that.
#[derive(Debug)]
pub(super) struct Allowance(Option<(usize, Reason)>);

impl Allowance {
    /// So many are begun, or may be.
    pub(super) fn take(&mut self, count: usize) {
        if let Some((left, _)) = &mut self.0 {
            *left = left.saturating_sub(count);
        }
    }

    /// How many more there may be; none if there is no limit.
    pub(super) fn left(&self) -> Option<usize> {
        self.0.as_ref().map(|(left, _)| *left)
    }

    /// Why none may be begun any more, if so.
    pub(super) fn refused(&self) -> Option<Reason> {
        self.0.as_ref().filter(|(left, _)| *left == 0).map(|(_, reason)| reason.clone())
    }
}

/// How many transactions pay for themselves out of the rest of a budget; one, to learn its price, if
/// none is known.
fn affordable(budget: f64, spent: f64, price: Option<f64>) -> usize {
    let rest = budget - spent;
    match price {
        _ if rest <= 0.0 => 0,
        // Saturates, and a price of zero allows any number.
        Some(price) => (rest / price) as usize,
        None => 1,
    }
}

impl Sender {
    /// What may be begun now with the day's budget.
    pub(super) async fn allowance(&self) -> Result<Allowance, RoundError> {
        let Some(budget) = self.config.chain.max_cost_a_day else { return Ok(Allowance(None)) };
        let spent = self.store.spent(&self.name, DAY_MS).await? as f64 / 1e18;
        // What is signed and not mined will be paid for, at its price at most.
        let signed = f64::from(self.chain.relayer().committed().await?) / 1e18;
        let price = self.store.last_price(&self.name).await?.map(|wei| wei as f64 / 1e18);
        let most = affordable(budget, spent + signed, price);
        let about = price.map(|price| format!("; the next takes about {price}"));
        let message = format!(
            "{spent} of {budget} ether were spent in the last 24 hours (`max_cost_a_day`), and \
             {signed} at most will be for what is signed{}: it waits",
            about.unwrap_or_default()
        );
        Ok(Allowance(Some((most, Reason::new(ReasonCode::Budget, message)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_begun_than_the_rest_of_the_budget_pays_for() {
        assert_eq!(affordable(1.0, 0.0, Some(0.25)), 4);
        assert_eq!(affordable(1.0, 0.3, Some(0.25)), 2);
        assert_eq!(affordable(1.0, 0.9, Some(0.25)), 0);
        assert_eq!(affordable(1.0, 1.5, Some(0.25)), 0);
        assert_eq!((affordable(1.0, 0.0, None), affordable(1.0, 1.0, None)), (1, 0));
        assert_eq!(affordable(1.0, 0.0, Some(0.0)), usize::MAX);
    }
}
