//! Bounds of sums over elements.

use std::collections::BTreeSet;

use super::*;

impl Analysis {
    /// Bounds of a sum over elements.
    pub(super) fn row_bounds(&self, terms: &Terms) -> Option<Interval> {
        let is_product = |at: &Element| matches!(self.derived(*at), Derived::Product(_));
        if !terms.keys().any(is_product) {
            return self.sum_of_values(terms);
        }
        // Around what the other terms say is the middle, and as they are.
        let bounds = [true, false].into_iter().filter_map(|around| {
            let (rest, sum) = self.without_products(terms.clone(), around)?;
            add(self.sum_of_values(&rest)?, sum)
        });
        bounds.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// A sum without its products, of which c·ab became c·(a − α)·(b − β) and terms of a and b;
    /// and the bounds of what they became.
    pub(super) fn without_products(
        &self,
        mut terms: Terms,
        around: bool,
    ) -> Option<(Terms, Interval)> {
        let mut products: Vec<([Element; 2], i128)> = Vec::new();
        terms.retain(|at, c| match self.derived(*at) {
            Derived::Product(factors) => {
                products.push((*factors, *c));
                false
            }
            _ => true,
        });
        let mut sum = (0, 0);
        for ([a, b], c) in products.into_iter().filter(|(_, c)| *c != 0) {
            // −(the factor of a) / c, rounded, is what b counts from.
            let origin = |of: Element, share: i128| match terms.get(&of) {
                Some(factor) if around => {
                    let by = c.checked_mul(share)?;
                    let half = by.abs() / 2;
                    Some((-factor * by.signum()).checked_add(half)?.div_euclid(by.abs()))
                }
                _ => Some(0),
            };
            let of = |at: Element| self.known[at.0].bounds[at.1];
            let less =
                |(lo, hi): Interval, by: i128| Some((lo.checked_sub(by)?, hi.checked_sub(by)?));
            let (alpha, beta, own) = if a == b {
                let middle = origin(a, 2)?;
                let (lo, hi) = less(of(a), middle)?;
                let ends = (lo.checked_mul(lo)?, hi.checked_mul(hi)?);
                let least = if lo <= 0 && hi >= 0 { 0 } else { ends.0.min(ends.1) };
                (middle, middle, (least, ends.0.max(ends.1)))
            } else {
                let (alpha, beta) = (origin(b, 1)?, origin(a, 1)?);
                (alpha, beta, product(less(of(a), alpha)?, less(of(b), beta)?)?)
            };
            sum = add(sum, scale(c, own)?)?;
            for (at, factor) in [(a, beta), (b, alpha)] {
                let entry = terms.entry(at).or_insert(0);
                *entry = entry.checked_add(c.checked_mul(factor)?)?;
            }
            let constant = c.checked_mul(alpha)?.checked_mul(beta)?;
            sum = less(sum, constant)?;
        }
        Some((terms, sum))
    }

    /// Bounds of a sum over elements that are no products: the tightest that any rewriting
    /// gives.
    pub(super) fn sum_of_values(&self, terms: &Terms) -> Option<Interval> {
        let is_difference = |at: &Element| matches!(self.derived(*at), Derived::Difference { .. });
        if !terms.keys().any(is_difference) {
            return self.over_variables(terms.iter().map(|(at, c)| (*at, *c)), &[]);
        }
        let bounds = Rewriting::ALL.into_iter().filter_map(|rewriting| {
            let Rewritten { rest, extremes } = self.rewrite(terms.clone(), rewriting)?;
            let extremes: Vec<_> = extremes.into_iter().map(|(_, c, bounds)| (c, bounds)).collect();
            self.over_variables(rest.into_iter(), &extremes)
        });
        bounds.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// Replaces every c·r by c·max(A, B) − c·B, or by c·A − c·min(A, B), latest values first.
    pub(super) fn rewrite(&self, mut terms: Terms, rewriting: Rewriting) -> Option<Rewritten> {
        if rewriting == Rewriting::None {
            return Some(Rewritten { rest: terms, extremes: Vec::new() });
        }
        let mut result = Rewritten::default();
        while let Some((at, c)) = terms.pop_last() {
            let Derived::Difference { maximum, minimum } = self.derived(at) else {
                result.rest.insert(at, c);
                continue;
            };
            if c == 0 {
                continue;
            }
            let (extreme, c) = match rewriting {
                Rewriting::Maxima => (maximum, c),
                _ => (minimum, -c),
            };
            subtract(&mut terms, c, &extreme.base)?;
            result.extremes.push((at, c, extreme.bounds));
        }
        Some(result)
    }

    /// Bounds of a sum of terms and of other bounded numbers, terms of one variable together.
    pub(super) fn over_variables(
        &self,
        terms: impl Iterator<Item = (Element, i128)>,
        others: &[(i128, Interval)],
    ) -> Option<Interval> {
        let terms: Vec<(Element, i128)> = terms.collect();
        let own = self.grouped(&terms, others, &BTreeSet::new())?;
        // What follows from one value may be the variable of others, as x is of max(0, x − c):
        // either way of putting them together bounds the sum.
        let follows = |(at, _): &(Element, i128)| match self.derived(*at) {
            Derived::Knot { source, .. } => Some(*source),
            _ => None,
        };
        let sources: BTreeSet<Element> = terms.iter().filter_map(follows).collect();
        if !terms.iter().any(|term| follows(term).is_some() && sources.contains(&term.0)) {
            return Some(own);
        }
        Some(match self.grouped(&terms, others, &sources) {
            Some(other) => (own.0.max(other.0), own.1.min(other.1)),
            None => own,
        })
    }

    /// The same, what stands among `variables` being one, whatever it follows from.
    fn grouped(
        &self,
        terms: &[(Element, i128)],
        others: &[(i128, Interval)],
        variables: &BTreeSet<Element>,
    ) -> Option<Interval> {
        let mut sum = (0, 0);
        let mut functions: BTreeMap<Element, Vec<(i128, i128, i128)>> = BTreeMap::new();
        let mut steps: BTreeMap<Element, Vec<(i128, i128)>> = BTreeMap::new();
        // Those of one tensor, as the leaves of one tree are.
        let mut boxes: BTreeMap<usize, Vec<(i128, &Sides)>> = BTreeMap::new();
        let mut plain = Vec::new();
        for (at, c) in terms.iter().copied() {
            match self.derived(at) {
                _ if variables.contains(&at) => plain.push((at, c)),
                Derived::Step { source, at } => steps.entry(*source).or_default().push((*at, c)),
                Derived::Box(sides) => boxes.entry(at.0).or_default().push((c, sides)),
                Derived::Knot { source, m, q } => {
                    functions.entry(*source).or_default().push((c, *m, *q));
                }
                _ => plain.push((at, c)),
            }
        }
        for (at, c) in plain {
            match functions.get_mut(&at) {
                // A value is its own ReLU.
                Some(function) => function.push((c, 1, 0)),
                None => sum = add(sum, scale(c, self.known[at.0].bounds[at.1])?)?,
            }
        }
        for (c, bounds) in others {
            sum = add(sum, scale(*c, *bounds)?)?;
        }
        for (source, function) in functions {
            sum = add(sum, function_bounds(&function, self.known[source.0].bounds[source.1])?)?;
        }
        for (source, mut terms) in steps {
            let bounds = self.known[source.0].bounds[source.1];
            sum = add(sum, boxes::steps(&mut terms, bounds)?)?;
        }
        for terms in boxes.values() {
            sum = add(sum, boxes::boxes(terms)?)?;
        }
        Some(sum)
    }
}

/// Takes c times a sum off another.
pub(in crate::integer) fn subtract(
    from: &mut Terms,
    c: i128,
    terms: &[(Element, i128)],
) -> Option<()> {
    for (element, factor) in terms {
        let entry = from.entry(*element).or_insert(0);
        *entry = entry.checked_sub(c.checked_mul(*factor)?)?;
    }
    Some(())
}

pub(in crate::integer) fn add(a: Interval, b: Interval) -> Option<Interval> {
    Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?))
}

pub(in crate::integer) fn scale(factor: i128, (lo, hi): Interval) -> Option<Interval> {
    let (at_lo, at_hi) = (factor.checked_mul(lo)?, factor.checked_mul(hi)?);
    Some((at_lo.min(at_hi), at_lo.max(at_hi)))
}

/// Bounds of bias + Σ map·x, x within its bounds.
pub(in crate::integer) fn fold_bounds(
    bias: &[i64],
    maps: &[(&LinearMap<i64>, Vec<Interval>)],
) -> Vec<Interval> {
    // In 64 bits where these suffice, which is faster: |z| is below Σ |w|·|x| over a row.
    let largest = |map: &LinearMap<i64>, x: &[Interval]| {
        let weight = match map {
            LinearMap::Dense { weights, .. } => weights.iter().map(|w| w.unsigned_abs()).max(),
            map => map.values().map(i64::unsigned_abs).max(),
        };
        let value = x.iter().map(|(lo, hi)| lo.unsigned_abs().max(hi.unsigned_abs())).max();
        let terms = match map {
            LinearMap::Sparse(rows) => rows.starts.windows(2).map(|s| s[1] - s[0]).max(),
            map => Some(map.term_count() / bias.len().max(1) + 1),
        };
        weight.unwrap_or(0) as f64 * value.unwrap_or(0) as f64 * terms.unwrap_or(0) as f64
    };
    let magnitude: f64 = maps.iter().map(|(map, x)| largest(map, x)).sum();
    let constant = bias.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0) as f64;
    if magnitude + constant < 2f64.powi(62) {
        let mut bounds: Vec<(i64, i64)> = bias.iter().map(|c| (*c, *c)).collect();
        for (map, x) in maps {
            let x: Vec<(i64, i64)> = x.iter().map(|(lo, hi)| (*lo as i64, *hi as i64)).collect();
            map.fold(&x, &mut bounds, |(lo, hi), w, x: (i64, i64)| {
                let (at_lo, at_hi) = (w * x.0, w * x.1);
                (lo + at_lo.min(at_hi), hi + at_lo.max(at_hi))
            });
        }
        return bounds.into_iter().map(|(lo, hi)| (lo.into(), hi.into())).collect();
    }
    let mut bounds: Vec<Option<Interval>> =
        bias.iter().map(|c| Some((i128::from(*c), i128::from(*c)))).collect();
    for (map, x) in maps {
        map.fold(x, &mut bounds, |sum, w, x: Interval| add(sum?, scale(i128::from(w), x)?));
    }
    bounds.into_iter().map(|bounds| bounds.unwrap_or(UNBOUNDED)).collect()
}

/// Bounds of Σ c·max(0, m·t + q) over the integers t of an interval, exactly.
pub(in crate::integer) fn function_bounds(
    terms: &[(i128, i128, i128)],
    (lo, hi): Interval,
) -> Option<Interval> {
    // The sum is slope·t + constant between places where a term starts or ends.
    let (mut slope, mut constant) = (0i128, 0i128);
    let mut changes: Vec<(i128, i128, i128)> = Vec::new();
    for (c, m, q) in terms.iter().copied() {
        let part = (c.checked_mul(m)?, c.checked_mul(q)?);
        let active = m.checked_mul(lo)?.checked_add(q)? > 0;
        if active {
            slope = slope.checked_add(part.0)?;
            constant = constant.checked_add(part.1)?;
        }
        // The first t at which it is positive, or no longer.
        let at = match (m, active) {
            (1.., false) => (-q).div_euclid(m) + 1,
            (..=-1, true) => -(-q).div_euclid(-m),
            _ => continue,
        };
        if at > lo && at <= hi {
            let sign = if active { -1 } else { 1 };
            changes.push((at, sign * part.0, sign * part.1));
        }
    }
    changes.sort_unstable();
    let mut bounds = (i128::MAX, i128::MIN);
    let mut visit = |slope: i128, constant: i128, t: i128| {
        let value = slope.checked_mul(t)?.checked_add(constant)?;
        bounds = (bounds.0.min(value), bounds.1.max(value));
        Some(())
    };
    visit(slope, constant, lo)?;
    for together in changes.chunk_by(|a, b| a.0 == b.0) {
        let at = together[0].0;
        visit(slope, constant, at - 1)?;
        for (_, by_slope, by_constant) in together {
            slope = slope.checked_add(*by_slope)?;
            constant = constant.checked_add(*by_constant)?;
        }
        visit(slope, constant, at)?;
    }
    visit(slope, constant, hi)?;
    Some(bounds)
}
