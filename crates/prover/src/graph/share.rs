//! Shares of sums of absolute values.

/// y_i = x_j / Σ |x| over a group that j is in; 0 where all of the group are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// The groups: elements of the input.
    pub groups: Vec<Vec<usize>>,
    /// For each output, an element and the group that it is a share of.
    pub of: Vec<(usize, usize)>,
    /// Whether elements may be negative; a graph in which others are is refused.
    pub signed: bool,
}

impl Shares {
    /// Each row's elements as shares of it.
    pub fn rows(rows: usize, columns: usize) -> Self {
        let group = |row: usize| (row * columns..(row + 1) * columns).collect();
        let of = (0..rows * columns).map(|at| (at, at / columns.max(1))).collect();
        Self { groups: (0..rows).map(group).collect(), of, signed: true }
    }

    /// The sum of each group.
    pub(crate) fn sums(&self, x: &[f64]) -> Vec<f64> {
        self.groups.iter().map(|group| group.iter().map(|index| x[*index].abs()).sum()).collect()
    }

    pub(crate) fn run(&self, x: &[f64]) -> Vec<f64> {
        let sums = self.sums(x);
        let share = |(index, group): &(usize, usize)| match sums[*group] {
            0.0 => 0.0,
            sum => x[*index] / sum,
        };
        self.of.iter().map(share).collect()
    }

    /// Bounds of each share.
    pub(crate) fn bounds(&self, x: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let least = |(lo, hi): (f64, f64)| lo.max(-hi).max(0.0);
        let of = |(index, group): &(usize, usize)| {
            let others = self.groups[*group].iter().filter(|other| *other != index);
            let rest: f64 = others.map(|other| least(x[*other])).sum();
            let (lo, hi) = x[*index];
            let low = if lo < 0.0 { lo / (rest - lo) } else { 0.0 };
            (low, if hi > 0.0 { hi / (rest + hi) } else { 0.0 })
        };
        self.of.iter().map(of).collect()
    }

    /// Adds to the input's gradient what the outputs' is.
    pub(crate) fn back(&self, x: &[f64], output: &[f64], input: &mut [f64]) {
        let sums = self.sums(x);
        for ((index, group), gradient) in self.of.iter().zip(output) {
            let sum = sums[*group];
            if *gradient == 0.0 || sum == 0.0 {
                continue;
            }
            input[*index] += gradient / sum;
            for other in &self.groups[*group] {
                input[*other] -= gradient * x[*index] * x[*other].signum() / (sum * sum);
            }
        }
    }

    /// Why it does not fit an input and an output of these lengths.
    pub(super) fn misfit(&self, inputs: usize, outputs: usize) -> Option<String> {
        let exist = self.groups.iter().flatten().all(|index| *index < inputs);
        let within = |(index, group): &(usize, usize)| {
            self.groups.get(*group).is_some_and(|group| group.contains(index))
        };
        (self.of.len() != outputs || !exist || !self.of.iter().all(within))
            .then(|| format!("shares of {inputs} elements for {outputs} outputs"))
    }
}
