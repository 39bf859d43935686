//! Bounds of quotients that are shares of a sum.

use super::*;

impl Analysis {
    /// Bounds of quotients, lifts included; none where the divisor may be less than 1.
    pub(crate) fn quotients(
        &self,
        inputs: &[TensorId],
        divisions: &[Division],
    ) -> Vec<Option<Interval>> {
        let of = |own: &Division| {
            let at = |at: Selected| self.bounds(inputs[at.input])[at.index];
            own.bounds(at(own.numerator.of), at(own.divisor), self.share(inputs, own))
        };
        divisions.iter().map(of).collect()
    }

    /// The sum that an element is, and its constant.
    fn sum(&self, at: Element) -> Option<(&[(Element, i128)], i128)> {
        match self.derived(at) {
            Derived::Sum(terms, q) => Some((terms, *q)),
            _ => None,
        }
    }

    /// Bounds of a quotient without its lift that follow from its divisor being a sum:
    /// w·(x + c) / D lies between −w and w where neither D − (x + c) nor D + (x + c) is ever
    /// negative.
    pub(super) fn share(&self, inputs: &[TensorId], own: &Division) -> Option<Interval> {
        let element = |at: Selected| self.root(self.place(inputs[at.input]), at.index);
        let weight = i128::from(own.numerator.weight);
        let constant = i128::from(own.numerator.constant);
        if weight <= 0 || constant % weight != 0 {
            return None;
        }
        let Derived::Sum(sum, q) = self.derived(element(own.divisor)) else { return None };
        let x = element(own.numerator.of);
        let never_negative = |sign: i128| {
            let mut terms: Terms = BTreeMap::new();
            subtract(&mut terms, -1, sum)?;
            subtract(&mut terms, -sign, &[(x, 1)])?;
            // The sum may be of sums.
            let of_sums: Vec<_> =
                sum.iter().filter_map(|(at, c)| Some((*at, *c, self.sum(*at)?))).collect();
            let mut q = *q;
            for (at, c, (own, constant)) in of_sums {
                subtract(&mut terms, c, &[(at, 1)])?;
                subtract(&mut terms, -c, own)?;
                q = q.checked_add(c.checked_mul(constant)?)?;
            }
            terms.retain(|_, c| *c != 0);
            let bounds = self.row_bounds(&terms)?;
            let least = bounds.0.checked_add(q)?.checked_add(i128::from(own.offset))?;
            Some(least.checked_add(sign * (constant / weight))? >= 0)
        };
        let below = never_negative(-1)?;
        let above = never_negative(1)?;
        (below && above).then_some((-weight, weight))
    }
}
