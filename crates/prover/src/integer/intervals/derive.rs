//! How values follow from others without rounding.

use super::*;

impl Analysis {
    /// How the values of a linear node follow from others without rounding.
    pub(super) fn derive(
        &self,
        inputs: &[TensorId],
        linear: &Linear<i64>,
        bounds: &[Interval],
    ) -> Vec<Derived> {
        let few = |map: &LinearMap<i64>| match map {
            LinearMap::Sparse(_) | LinearMap::Diagonal(_) => true,
            LinearMap::Dense { .. } | LinearMap::Convolution(_) => false,
        };
        if !linear.maps.iter().all(few) {
            return Vec::new();
        }
        let maps: Vec<_> = inputs.iter().copied().zip(&linear.maps).collect();
        let derived: Vec<Derived> = linear
            .bias
            .iter()
            .enumerate()
            .map(|(row, bias)| self.derive_row(self.row_terms(&maps, row), *bias, bounds[row]))
            .collect();
        let plain = derived.iter().all(|derived| matches!(derived, Derived::Plain));
        if plain { Vec::new() } else { derived }
    }

    pub(super) fn derive_row(&self, mut terms: Terms, bias: i64, bounds: Interval) -> Derived {
        let unit = 1i128 << self.shift_bits;
        terms.retain(|_, w| *w != 0);
        if let (1, Some((source, 1))) = (terms.len(), terms.first_key_value()) {
            // max(0, ⌊(x − at) / 2^n⌋ + 1), which goes no further than 1.
            let at = unit - i128::from(bias);
            let (_, hi) = self.known[source.0].bounds[source.1];
            if hi.checked_sub(at).is_some_and(|over| over < unit) {
                return Derived::Step { source: *source, at };
            }
        }
        if terms.len() > MAX_DIFFERENCE_TERMS || terms.values().any(|w| w % unit != 0) {
            return Derived::Plain;
        }
        terms.values_mut().for_each(|w| *w /= unit);
        let q = i128::from(bias >> self.shift_bits);
        if let Some(derived) = self.derive_decision(&terms, q) {
            return derived;
        }
        // A difference stays one, so that its own terms can be taken apart.
        if let (1, Some((source, m))) = (terms.len(), terms.first_key_value())
            && !matches!(self.derived(*source), Derived::Difference { .. })
        {
            return Derived::Knot { source: *source, m: *m, q };
        }
        // A sum that is never cut at 0 is a value of its own, whose bounds are known.
        if bounds.0 >= 0 {
            return match terms.len() {
                0..=MAX_DIFFERENCE_TERMS => Derived::Sum(terms.into_iter().collect(), q),
                _ => Derived::Plain,
            };
        }
        self.derive_difference(&terms, q).unwrap_or(Derived::Plain)
    }

    /// max(0, Σ terms + q) as max(0, A − B), q belonging to A.
    pub(super) fn derive_difference(&self, terms: &Terms, q: i128) -> Option<Derived> {
        let width = |extreme: &Extreme| extreme.bounds.1.saturating_sub(extreme.bounds.0);
        let (mut best_maximum, mut best_minimum) = (None::<Extreme>, None::<Extreme>);
        for rewriting in Rewriting::ALL {
            let Some(rewritten) = self.rewrite(terms.clone(), rewriting) else { continue };
            let (a, b) = (self.side(&rewritten, 1), self.side(&rewritten, -1));
            let (Some(a), Some(b)) = (a, b) else { continue };
            // B + r = max(A + q, B) and A − r = min(A, B − q).
            let (Some(raised), Some(lowered)) = (add(a, (q, q)), add(b, (-q, -q))) else {
                continue;
            };
            let maximum = (raised.0.max(b.0), raised.1.max(b.1));
            let minimum = (lowered.0.min(a.0), lowered.1.min(a.1));
            for (best, sign, bounds) in
                [(&mut best_maximum, -1, maximum), (&mut best_minimum, 1, minimum)]
            {
                let Some(base) = self.base(&rewritten, rewriting, sign) else { continue };
                let extreme = Extreme { base, bounds };
                if best.as_ref().is_none_or(|best| width(&extreme) < width(best)) {
                    *best = Some(extreme);
                }
            }
        }
        Some(Derived::Difference { maximum: best_maximum?, minimum: best_minimum? })
    }

    /// Bounds of the part of a sum whose coefficients have this sign.
    pub(super) fn side(&self, sum: &Rewritten, sign: i128) -> Option<Interval> {
        let own = |c: i128| c.signum() == sign;
        let terms = sum.rest.iter().filter(|(_, c)| own(**c)).map(|(at, c)| (*at, c * sign));
        let extremes: Vec<_> = sum
            .extremes
            .iter()
            .filter(|(_, c, _)| own(*c))
            .map(|(_, c, bounds)| (c * sign, *bounds))
            .collect();
        self.over_variables(terms, &extremes)
    }

    /// That part in terms of elements: a maximum is its base and r, a minimum its base less r.
    pub(super) fn base(
        &self,
        sum: &Rewritten,
        rewriting: Rewriting,
        sign: i128,
    ) -> Option<Vec<(Element, i128)>> {
        let own = |c: i128| c.signum() == sign;
        let mut base: Terms = BTreeMap::new();
        for (at, c) in sum.rest.iter().filter(|(_, c)| own(**c)) {
            base.insert(*at, c * sign);
        }
        for (at, c, _) in sum.extremes.iter().filter(|(_, c, _)| own(*c)) {
            let Derived::Difference { maximum, minimum } = self.derived(*at) else { continue };
            let (extreme, r) = match rewriting {
                Rewriting::Maxima => (maximum, 1),
                _ => (minimum, -1),
            };
            subtract(&mut base, -c * sign, &extreme.base)?;
            subtract(&mut base, -c * sign, &[(*at, r)])?;
        }
        base.retain(|_, c| *c != 0);
        (base.len() <= MAX_DIFFERENCE_TERMS).then(|| base.into_iter().collect())
    }
}
