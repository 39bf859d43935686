//! Bounds of sums of decisions: of steps of one variable, and of products of such steps, as
//! the leaves of a decision tree are.

use super::intervals::{Analysis, Derived, Element, Interval, Terms, add};

/// [from, to) of each of some variables.
pub(super) type Sides = Vec<(Element, i128, i128)>;

/// Most boxes that are told apart; of more, the sum is bounded one by one.
const MOST: usize = 1024;

impl Analysis {
    /// max(0, Σ terms + q) as a step or as a product of steps.
    pub(super) fn derive_decision(&self, terms: &Terms, q: i128) -> Option<Derived> {
        if let (1, Some((at, -1)), 1) = (terms.len(), terms.first_key_value(), q) {
            // max(0, 1 − max(0, T − x)).
            return match self.derived(*at) {
                Derived::Knot { source, m: -1, q } => {
                    Some(Derived::Step { source: *source, at: *q })
                }
                _ => None,
            };
        }
        // Σ of steps, less as many others, that reaches 1 where the first are all 1 and the
        // others all 0, and nowhere else.
        let positive = terms.values().filter(|w| **w == 1).count();
        if terms.len() < 2 || q != 1 - positive as i128 {
            return None;
        }
        let mut sides = Sides::new();
        for (element, w) in terms {
            let (Derived::Step { source, at }, 1 | -1) = (self.derived(*element), w) else {
                return None;
            };
            let place = match sides.iter().position(|(own, ..)| own == source) {
                Some(place) => place,
                None => {
                    sides.push((*source, i128::MIN, i128::MAX));
                    sides.len() - 1
                }
            };
            let (_, from, to) = &mut sides[place];
            if *w == 1 { *from = (*from).max(*at) } else { *to = (*to).min(*at) }
        }
        Some(Derived::Box(sides))
    }
}

/// Bounds of `Σ c·[x ≥ at]` over the integers x of an interval.
pub(super) fn steps(terms: &mut [(i128, i128)], (lo, hi): Interval) -> Option<Interval> {
    terms.sort_unstable();
    let mut sum = 0i128;
    let mut bounds = None;
    let mut rest = terms.iter().peekable();
    while let Some((_, c)) = rest.next_if(|(at, _)| *at <= lo) {
        sum = sum.checked_add(*c)?;
    }
    let mut visit = |sum: i128| {
        let (least, most) = bounds.unwrap_or((sum, sum));
        bounds = Some((sum.min(least), sum.max(most)));
    };
    visit(sum);
    while let Some((at, c)) = rest.next() {
        if *at > hi {
            break;
        }
        sum = sum.checked_add(*c)?;
        if rest.peek().is_none_or(|(next, _)| next != at) {
            visit(sum);
        }
    }
    bounds
}

/// Bounds of Σ c over the boxes that hold every variable within their sides.
///
/// Two boxes on different sides of a cut exclude each other, so that a sum over boxes that
/// one cut separates is one of the two sides' sums.
pub(super) fn boxes(terms: &[(i128, &Sides)]) -> Option<Interval> {
    match terms {
        [] => return Some((0, 0)),
        [(c, _)] => return Some(((*c).min(0), (*c).max(0))),
        _ => {}
    }
    if terms.len() <= MOST
        && let Some((source, at)) = separating(terms)
    {
        let (below, behind): (Vec<_>, Vec<_>) =
            terms.iter().copied().partition(|(_, sides)| side(sides, source, at) == Some(false));
        let (a, b) = (boxes(&below)?, boxes(&behind)?);
        return Some((a.0.min(b.0), a.1.max(b.1)));
    }
    let (first, second) = terms.split_at(terms.len() / 2);
    add(boxes(first)?, boxes(second)?)
}

/// Whether a box lies behind a cut, or before it; neither if it lies on both sides.
fn side(sides: &Sides, source: Element, at: i128) -> Option<bool> {
    let (_, from, to) = sides.iter().find(|(own, ..)| *own == source)?;
    if *from >= at { Some(true) } else { (*to <= at).then_some(false) }
}

/// A cut with every box on one side of it, and some on each.
fn separating(terms: &[(i128, &Sides)]) -> Option<(Element, i128)> {
    let mut cuts: Vec<(Element, i128)> = terms
        .iter()
        .flat_map(|(_, sides)| sides.iter())
        .flat_map(|(source, from, to)| [(*source, *from), (*source, *to)])
        .filter(|(_, at)| *at != i128::MIN && *at != i128::MAX)
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.into_iter().find(|(source, at)| {
        let mut some = [false, false];
        let separated = terms.iter().all(|(_, sides)| {
            side(sides, *source, *at).is_some_and(|behind| {
                some[usize::from(behind)] = true;
                true
            })
        });
        separated && some == [true, true]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_variable_are_bounded_together() {
        // 3·[x ≥ 2] − 3·[x ≥ 5] is 0 or 3; what x never reaches counts for nothing.
        assert_eq!(steps(&mut [(5, -3), (2, 3)], (0, 9)), Some((0, 3)));
        assert_eq!(steps(&mut [(5, -3), (2, 3)], (0, 4)), Some((0, 3)));
        assert_eq!(steps(&mut [(5, -3), (2, 3)], (3, 9)), Some((0, 3)));
        assert_eq!(steps(&mut [(2, 3), (2, -3), (12, 7)], (0, 9)), Some((0, 0)));
    }

    #[test]
    fn of_a_trees_leaves_one_counts() {
        let (x, y) = ((0, 0), (0, 1));
        let (min, max) = (i128::MIN, i128::MAX);
        let leaves: [Sides; 4] = [
            vec![(x, min, 3)],
            vec![(x, 3, max), (y, min, 7)],
            vec![(x, 3, 5), (y, 7, max)],
            vec![(x, 5, max), (y, 7, max)],
        ];
        let terms: Vec<(i128, &Sides)> = [4, -2, 9, 5].into_iter().zip(&leaves).collect();
        assert_eq!(boxes(&terms), Some((-2, 9)));
        // What no cut separates is added up.
        let overlapping: [Sides; 2] = [vec![(x, min, 3)], vec![(y, min, 3)]];
        let terms: Vec<(i128, &Sides)> = [4, 5].into_iter().zip(&overlapping).collect();
        assert_eq!(boxes(&terms), Some((0, 9)));
    }
}
