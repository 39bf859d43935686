//! A model's figures on a set of samples: what a proof of totals says of what was measured.

use serde::Serialize;
use verdict_prover::onnx::measure::{Measure, Metric};

/// How good a model is on the samples that a proof is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Number of samples.
    pub samples: u64,
    /// What is counted, or how far answers are off.
    #[serde(flatten)]
    pub answers: Answers,
    /// Approvals of the two groups, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
}

/// What was measured of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answers {
    /// Of classes.
    Classes {
        /// Right answers.
        right: u64,
        /// Their part of all.
        accuracy: f64,
    },
    /// Of numbers.
    Numbers {
        /// Mean of |answer − expected|.
        mean_error: f64,
    },
}

/// Approvals, answers of class 1, of two groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Groups {
    /// Samples of each group.
    pub members: [u64; 2],
    /// Of these, approved.
    pub approved: [u64; 2],
    /// Approval rate of group 1 less that of group 0 (demographic parity is 0); none where a group
    /// has no members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
}

impl Groups {
    /// The approval rate of each group; none of a group without members.
    pub fn rates(&self) -> [Option<f64>; 2] {
        let rate = |group: usize| {
            let members = self.members[group];
            (members > 0).then(|| self.approved[group] as f64 / members as f64)
        };
        [rate(0), rate(1)]
    }
}

impl Figures {
    /// Those that the totals of a measure's outputs come to, over so many samples; none if they
    /// are not its outputs.
    pub fn new(measure: &Measure, samples: usize, totals: &[f64]) -> Option<Self> {
        let samples = samples as u64;
        let (first, rest) = totals.split_first()?;
        let part = |count: f64| count / samples as f64;
        let count = |total: f64| total.round().max(0.0) as u64;
        let answers = match measure.metric {
            Metric::AbsoluteError => Answers::Numbers { mean_error: part(*first) },
            _ => Answers::Classes { right: count(*first), accuracy: part(*first) },
        };
        let groups = match (measure.groups, rest) {
            (false, []) => None,
            (true, [first, second, members]) => {
                let members = [samples.saturating_sub(count(*members)), count(*members)];
                let approved = [count(*first), count(*second)];
                let groups = Groups { members, approved, difference: None };
                let difference = match groups.rates() {
                    [Some(first), Some(second)] => Some(second - first),
                    _ => None,
                };
                Some(Groups { difference, ..groups })
            }
            _ => return None,
        };
        Some(Self { samples, answers, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(metric: Metric, groups: bool) -> Measure {
        Measure { output: "score".into(), metric, groups }
    }

    #[test]
    fn rates_are_of_each_groups_own_members() {
        let counted = measure(Metric::Threshold(0.5), true);
        let figures =
            Figures::new(&counted, 200, &[153.0, 30.0, 60.0, 120.0]).expect("four totals");
        assert_eq!(figures.answers, Answers::Classes { right: 153, accuracy: 0.765 });
        let groups = figures.groups.expect("two groups");
        assert_eq!((groups.members, groups.approved), ([80, 120], [30, 60]));
        assert_eq!(groups.difference, Some(0.5 - 0.375));
        let alone = Figures::new(&counted, 10, &[5.0, 3.0, 0.0, 0.0]).expect("four totals");
        assert_eq!(alone.groups.expect("two groups").difference, None, "nobody in group 1");
        assert_eq!(Figures::new(&counted, 10, &[5.0]), None);
    }

    #[test]
    fn an_error_is_the_mean_of_all_samples() {
        let error = measure(Metric::AbsoluteError, false);
        let figures = Figures::new(&error, 4, &[0.5]).expect("a total");
        assert_eq!(figures.answers, Answers::Numbers { mean_error: 0.125 });
    }
}
