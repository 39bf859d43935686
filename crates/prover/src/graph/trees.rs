//! Ensembles of decision trees, as ONNX-ML has them.
//!
//! The numbers are those of the file: features are rounded to float32 before they are
//! compared (float64 where the model computes in doubles), so that a comparison is decided
//! exactly as the model decides it. Scores are summed in f64.

use std::sync::Arc;

use super::Doubt;

/// Decision trees whose leaves add to scores, applied to every row of a matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TreeEnsemble {
    /// Rows of x and of the scores.
    pub positions: usize,
    /// Elements of a row of x.
    pub features: usize,
    /// Scores of a row.
    pub outputs: usize,
    /// Whether features are compared as float64 rather than float32.
    pub double: bool,
    /// Inner nodes of all trees: the children of a branch stand after it.
    pub branches: Vec<Branch>,
    /// Leaves of all trees.
    pub leaves: Vec<Leaf>,
    /// Where each tree starts.
    pub roots: Vec<Child>,
    /// What the scores of a row start with.
    pub base: Vec<f64>,
    /// Whether tests are of what the file's own features are made of.
    pub moved: bool,
    /// Why features may not be what the file compares, if they may not.
    pub doubt: Option<Arc<Doubt>>,
    /// Features that may not be missing: the file makes integers of them.
    pub numbers: Vec<usize>,
    /// Features, and where these must stay lest integers that the file makes of them wrap.
    pub limits: Vec<(usize, Test)>,
}

/// An inner node: one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The element of a row that is compared.
    pub feature: usize,
    /// With what.
    pub test: Test,
    /// Where to go if the test holds …
    pub holds: Child,
    /// … and if it does not.
    pub fails: Child,
    /// Whether a missing value, which is NaN, goes where the test holds.
    pub missing_holds: bool,
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Child {
    /// By index in [`TreeEnsemble::branches`].
    Branch(usize),
    /// By index in [`TreeEnsemble::leaves`].
    Leaf(usize),
}

/// What a leaf adds to which scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Leaf {
    /// (score, weight), each score once.
    pub weights: Vec<(usize, f64)>,
}

/// A comparison of a feature with constants.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// x ≤ t.
    AtMost(f64),
    /// x < t.
    Below(f64),
    /// x ≥ t.
    AtLeast(f64),
    /// x > t.
    Above(f64),
    /// x = t.
    Equal(f64),
    /// x ≠ t.
    NotEqual(f64),
    /// x is one of a set.
    Member(Vec<f64>),
    /// x lies in one of some closed intervals: their ends in order, two each; they may be infinite.
    Within(Vec<f64>),
}

impl Test {
    /// Whether it holds for a feature, rounded as the model rounds it.
    pub fn holds(&self, x: f64) -> bool {
        match self {
            Self::AtMost(t) => x <= *t,
            Self::Below(t) => x < *t,
            Self::AtLeast(t) => x >= *t,
            Self::Above(t) => x > *t,
            Self::Equal(t) => x == *t,
            Self::NotEqual(t) => x != *t,
            Self::Member(set) => set.contains(&x),
            Self::Within(ends) => ends.chunks_exact(2).any(|ends| (ends[0]..=ends[1]).contains(&x)),
        }
    }

    /// Whether it holds for all features from one to another.
    pub(crate) fn holds_throughout(&self, [low, high]: [f64; 2]) -> bool {
        match self {
            Self::Within(ends) => {
                let covers = |ends: &[f64]| ends[0] <= low && high <= ends[1];
                ends.chunks_exact(2).any(covers)
            }
            Self::NotEqual(t) => !(low..=high).contains(t),
            Self::Member(_) => low == high && self.holds(low),
            _ => self.holds(low) && self.holds(high),
        }
    }

    /// The constants it compares with.
    pub fn constants(&self) -> &[f64] {
        match self {
            Self::AtMost(t)
            | Self::Below(t)
            | Self::AtLeast(t)
            | Self::Above(t)
            | Self::Equal(t)
            | Self::NotEqual(t) => std::slice::from_ref(t),
            Self::Member(set) | Self::Within(set) => set,
        }
    }
}

impl TreeEnsemble {
    /// A feature as the model compares it.
    pub fn rounded(&self, x: f64) -> f64 {
        if self.double { x } else { f64::from(x as f32) }
    }

    /// The scores of all rows of x.
    pub(crate) fn run(&self, x: &[f64]) -> Vec<f64> {
        let mut scores = Vec::with_capacity(self.positions * self.outputs);
        for row in x.chunks_exact(self.features.max(1)) {
            let mut own = self.base.clone();
            for root in &self.roots {
                for (output, weight) in &self.leaves[self.leaf(*root, row)].weights {
                    own[*output] += weight;
                }
            }
            scores.append(&mut own);
        }
        scores
    }

    fn leaf(&self, mut at: Child, row: &[f64]) -> usize {
        loop {
            match at {
                Child::Leaf(leaf) => return leaf,
                Child::Branch(index) => {
                    let branch = &self.branches[index];
                    let x = self.rounded(row[branch.feature]);
                    let holds = branch.test.holds(x) || x.is_nan() && branch.missing_holds;
                    at = if holds { branch.holds } else { branch.fails };
                }
            }
        }
    }

    /// [lo, hi] of every score of a row, whatever the features.
    pub(crate) fn bounds(&self) -> Vec<(f64, f64)> {
        let mut bounds: Vec<(f64, f64)> = self.base.iter().map(|b| (*b, *b)).collect();
        // Of the trees from each branch on; children stand after their branch.
        let mut below: Vec<Vec<(usize, f64, f64)>> = vec![Vec::new(); self.branches.len()];
        let of = |child: &Child, below: &[Vec<(usize, f64, f64)>]| match child {
            Child::Branch(index) => below[*index].clone(),
            Child::Leaf(index) => {
                self.leaves[*index].weights.iter().map(|(o, w)| (*o, *w, *w)).collect()
            }
        };
        for (index, branch) in self.branches.iter().enumerate().rev() {
            let (mut both, other) = (of(&branch.holds, &below), of(&branch.fails, &below));
            // A score that a side does not name is left as it is there.
            for (output, lo, hi) in &mut both {
                let theirs = other.iter().find(|theirs| theirs.0 == *output);
                let (their_lo, their_hi) = theirs.map_or((0.0, 0.0), |(_, lo, hi)| (*lo, *hi));
                (*lo, *hi) = (lo.min(their_lo), hi.max(their_hi));
            }
            for (output, lo, hi) in other {
                if both.iter().all(|own| own.0 != output) {
                    both.push((output, lo.min(0.0), hi.max(0.0)));
                }
            }
            below[index] = both;
        }
        for root in &self.roots {
            for (output, lo, hi) in of(root, &below) {
                bounds[output] = (bounds[output].0 + lo, bounds[output].1 + hi);
            }
        }
        bounds.iter().copied().cycle().take(self.outputs * self.positions).collect()
    }

    /// How far a float32 sum of a score's weights may be from the exact one: a rounding for each tree
    /// and one more, each of the largest sum. 0 of what computes in doubles, or of a single tree.
    pub(crate) fn float32_sums(&self) -> f64 {
        if self.double || self.roots.len() < 2 {
            return 0.0;
        }
        let mut sums: Vec<f64> = self.base.iter().map(|base| base.abs()).collect();
        // By branch the last tree that it was seen in, from 1.
        let mut seen = vec![0; self.branches.len()];
        for (tree, root) in (1..).zip(&self.roots) {
            let mut most = vec![0.0f64; self.outputs];
            let mut open = vec![*root];
            while let Some(child) = open.pop() {
                match child {
                    Child::Leaf(index) => {
                        for (output, weight) in &self.leaves[index].weights {
                            most[*output] = most[*output].max(weight.abs());
                        }
                    }
                    Child::Branch(index) if seen[index] == tree => {}
                    Child::Branch(index) => {
                        seen[index] = tree;
                        open.extend([self.branches[index].holds, self.branches[index].fails]);
                    }
                }
            }
            sums.iter_mut().zip(most).for_each(|(sum, most)| *sum += most);
        }
        let roundings = (self.roots.len() + 1) as f64 * 2f64.powi(-24);
        sums.into_iter().fold(0.0, f64::max) * roundings
    }

    /// A lower bound of Σ factor·score over the scores of all rows.
    pub(crate) fn least(&self, factors: &std::collections::BTreeMap<usize, f64>) -> f64 {
        let mut sum = 0.0;
        for position in 0..self.positions {
            let first = position * self.outputs;
            let factor = |output: usize| factors.get(&(first + output)).copied().unwrap_or(0.0);
            sum += self.base.iter().enumerate().map(|(o, b)| factor(o) * b).sum::<f64>();
            let mut below = vec![0.0f64; self.branches.len()];
            let of = |child: Child, below: &[f64]| match child {
                Child::Branch(index) => below[index],
                Child::Leaf(index) => {
                    self.leaves[index].weights.iter().map(|(o, w)| factor(*o) * w).sum()
                }
            };
            for (index, branch) in self.branches.iter().enumerate().rev() {
                below[index] = of(branch.holds, &below).min(of(branch.fails, &below));
            }
            sum += self.roots.iter().map(|root| of(*root, &below)).sum::<f64>();
        }
        sum
    }

    /// Numbers it is stored with.
    pub(crate) fn size(&self) -> usize {
        let constants: usize = self.branches.iter().map(|b| b.test.constants().len() + 4).sum();
        let weights: usize = self.leaves.iter().map(|leaf| 2 * leaf.weights.len() + 3).sum();
        constants + weights + self.roots.len() + self.base.len()
    }

    /// Thresholds and weights of leaves.
    pub(crate) fn parameters(&self) -> usize {
        let constants: usize = self.branches.iter().map(|b| b.test.constants().len()).sum();
        constants + self.leaves.iter().map(|leaf| leaf.weights.len()).sum::<usize>()
    }

    /// What does not fit about it, for tensors of `inputs` and `outputs` elements.
    pub(crate) fn misfit(&self, inputs: usize, outputs: usize) -> Option<String> {
        let sizes = |a: usize| self.positions.checked_mul(a);
        if sizes(self.features) != Some(inputs) || sizes(self.outputs) != Some(outputs) {
            return Some(format!(
                "{} rows of {} features and {} scores for {inputs} and {outputs} elements",
                self.positions, self.features, self.outputs
            ));
        }
        if self.base.len() != self.outputs {
            return Some(format!("{} base values, {} scores", self.base.len(), self.outputs));
        }
        let (mut branches, mut leaves) =
            (vec![false; self.branches.len()], vec![false; self.leaves.len()]);
        let mut reach = |child: Child, after: Option<usize>| {
            let seen = match child {
                Child::Branch(index) if after.is_none_or(|after| index > after) => {
                    branches.get_mut(index)
                }
                Child::Branch(_) => None,
                Child::Leaf(index) => leaves.get_mut(index),
            };
            seen.is_some_and(|seen| !std::mem::replace(seen, true))
        };
        let mut whole = self.roots.iter().all(|root| reach(*root, None));
        for (index, branch) in self.branches.iter().enumerate() {
            whole &= branch.feature < self.features
                && reach(branch.holds, Some(index))
                && reach(branch.fails, Some(index));
        }
        if !whole {
            return Some("its nodes are not trees".into());
        }
        let fits = |leaf: &Leaf| leaf.weights.iter().all(|(output, _)| *output < self.outputs);
        (!self.leaves.iter().all(fits)).then(|| "a leaf adds to a score that is none".into())
    }

    /// A number that is none.
    pub(crate) fn first_not_finite(&self) -> Option<f64> {
        let thresholds = self.branches.iter().flat_map(|branch| branch.test.constants());
        let nan = thresholds.copied().find(|t| t.is_nan());
        let weights = self.leaves.iter().flat_map(|leaf| leaf.weights.iter().map(|(_, w)| *w));
        nan.or_else(|| weights.chain(self.base.iter().copied()).find(|w| !w.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x₀ ≤ t ? (x₁ = 2 ? 1 : 2) : 4, beside a tree of one leaf.
    pub(crate) fn ensemble(test: Test) -> TreeEnsemble {
        let branch = |feature, test, holds, fails| Branch {
            feature,
            test,
            holds,
            fails,
            missing_holds: false,
        };
        let leaf = |output, weight| Leaf { weights: vec![(output, weight)] };
        TreeEnsemble {
            positions: 1,
            features: 2,
            outputs: 2,
            double: false,
            branches: vec![
                branch(0, test, Child::Branch(1), Child::Leaf(2)),
                branch(1, Test::Equal(2.0), Child::Leaf(0), Child::Leaf(1)),
            ],
            leaves: vec![leaf(0, 1.0), leaf(0, 2.0), leaf(1, 4.0), leaf(1, 0.25)],
            roots: vec![Child::Branch(0), Child::Leaf(3)],
            base: vec![0.0, 0.5],
            ..TreeEnsemble::default()
        }
    }

    #[test]
    fn a_comparison_is_one_of_float32() {
        let third = f64::from(1.0f32 / 3.0);
        let trees = ensemble(Test::AtMost(third));
        // Above the threshold as a double, on it as a float32.
        assert_eq!(trees.run(&[1.0 / 3.0 + 1e-9, 2.0]), [1.0, 0.75]);
        assert_eq!(trees.run(&[0.334, 2.0]), [0.0, 4.75]);
        let doubles = TreeEnsemble { double: true, ..trees };
        assert_eq!(doubles.run(&[1.0 / 3.0 + 1e-7, 2.0]), [0.0, 4.75]);
    }

    #[test]
    fn scores_stay_within_their_bounds_and_reach_them() {
        assert_eq!(ensemble(Test::AtMost(0.5)).bounds(), [(0.0, 2.0), (0.75, 4.75)]);
    }

    #[test]
    fn what_is_no_tree_is_found() {
        let mut trees = ensemble(Test::Above(0.0));
        assert_eq!(trees.misfit(2, 2), None);
        assert!(trees.misfit(2, 1).is_some());
        trees.branches[1].holds = Child::Branch(0);
        assert!(trees.misfit(2, 2).is_some());
        trees.branches[1].holds = Child::Leaf(2);
        assert!(trees.misfit(2, 2).is_some());
        trees.branches[1].holds = Child::Leaf(9);
        assert!(trees.misfit(2, 2).is_some());
    }
}
