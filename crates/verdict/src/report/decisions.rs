//! Decisions that are made with outputs, and whether what is proven makes another one.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;
use verdict_prover::quantize::{OutputSchema, OutputTensor};

use super::accuracy::{Run, element};

/// Changed decisions that are named; more are counted only.
const NAMED: usize = 20;

/// A value above which something is decided: `T`, `NAME=T` or `NAME:INDEX=T`.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The output, if it is named.
    pub output: Option<String>,
    /// Which of its elements, from 0.
    pub index: Option<usize>,
    /// The least value that is above.
    pub at: f64,
}

impl FromStr for Threshold {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a number, or one with an output's name and perhaps an \
                                element of it before it: T, NAME=T or NAME:INDEX=T";
        let (output, at) = match text.rsplit_once('=') {
            Some((output, at)) => (Some(output), at),
            None => (None, text),
        };
        let at = at.trim().parse().ok().filter(|at: &f64| at.is_finite()).ok_or(EXPECTED)?;
        let numbered = output.and_then(|output| output.rsplit_once(':'));
        let numbered = numbered.and_then(|(name, index)| Some((name, index.parse().ok()?)));
        let (output, index) = match numbered {
            Some((name, index)) => (Some(name), Some(index)),
            None => (output, None),
        };
        if output == Some("") {
            return Err(EXPECTED);
        }
        Ok(Self { output: output.map(str::to_owned), index, at })
    }
}

/// Why a threshold is of no output.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// No such output.
    #[error("no output is called {name}, the model has {}", names.join(", "))]
    Unknown {
        /// The name given.
        name: String,
        /// The model's outputs.
        names: Vec<String>,
    },
    /// The output has several elements, or all outputs together.
    #[error("a threshold decides by one number, and {what} has {count}")]
    Several {
        /// The output.
        what: String,
        /// Its elements.
        count: usize,
    },
    /// The output has no such element.
    #[error("output {name} has {count} elements, none of number {index}")]
    Beyond {
        /// The output.
        name: String,
        /// Its elements.
        count: usize,
        /// The one asked for.
        index: usize,
    },
}

/// A decision by outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// Which of these elements is the greatest, the first of equal ones.
    Greatest { first: usize, count: usize },
    /// Whether an element is at least so much.
    AtLeast { index: usize, at: f64 },
}

impl Rule {
    /// The decision, and how much the outputs were from another one.
    fn decide(self, outputs: &[f64]) -> (usize, f64) {
        match self {
            Self::AtLeast { index, at } => {
                (usize::from(outputs[index] >= at), (outputs[index] - at).abs())
            }
            Self::Greatest { first, count } => {
                let own = &outputs[first..first + count];
                let greater = |best, at| if own[at] > own[best] { at } else { best };
                let best = (1..count).fold(0, greater);
                let others = (0..count).filter(|at| *at != best).map(|at| own[at]);
                (best, own[best] - others.fold(f64::NEG_INFINITY, f64::max))
            }
        }
    }
}

/// A sample of which something else is decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// Its name.
    pub sample: String,
    /// What the float model's outputs decide.
    pub float: usize,
    /// What the proven ones do.
    pub proven: usize,
    /// How far the float model's outputs are from deciding otherwise.
    pub margin: f64,
}

/// Decisions by one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decisions {
    /// The rule in words.
    pub rule: String,
    /// Samples of which the same is decided.
    pub same: usize,
    /// Samples of which something else is.
    pub changed_count: usize,
    /// The first of them.
    pub changed: Vec<Changed>,
    /// The sample whose decision is closest, by the float model.
    pub closest: String,
    /// How close it is.
    pub margin: f64,
}

/// Decides by the greatest element of each output of several elements, and by the thresholds.
///
/// # Errors
/// A threshold of no output, or of several numbers.
pub(super) fn decisions(
    runs: &[Run],
    output: &OutputSchema,
    thresholds: &[Threshold],
) -> Result<Vec<Decisions>, ThresholdError> {
    let mut rules = Vec::new();
    for threshold in thresholds {
        let index = place(threshold, output)?;
        let rule = format!("whether {} is at least {}", element(output, index), threshold.at);
        rules.push((rule, Rule::AtLeast { index, at: threshold.at }));
    }
    let mut first = 0;
    for tensor in &output.tensors {
        let count = len(tensor);
        if count > 1 {
            let rule = format!("which element of {} is the greatest", tensor.name);
            rules.push((rule, Rule::Greatest { first, count }));
        }
        first += count;
    }
    Ok(rules.into_iter().map(|(name, rule)| by(name, rule, runs)).collect())
}

fn by(name: String, rule: Rule, runs: &[Run]) -> Decisions {
    let mut made = Decisions {
        rule: name,
        same: 0,
        changed_count: 0,
        changed: Vec::new(),
        closest: String::new(),
        margin: f64::INFINITY,
    };
    for run in runs {
        let ((float, margin), (proven, _)) = (rule.decide(&run.float), rule.decide(&run.proven));
        if margin < made.margin {
            (made.margin, made.closest) = (margin, run.name.clone());
        }
        if float == proven {
            made.same += 1;
            continue;
        }
        made.changed_count += 1;
        if made.changed.len() < NAMED {
            made.changed.push(Changed { sample: run.name.clone(), float, proven, margin });
        }
    }
    made
}

fn len(tensor: &OutputTensor) -> usize {
    tensor.dims.iter().product()
}

/// The element that a threshold is of, of all outputs together.
fn place(threshold: &Threshold, output: &OutputSchema) -> Result<usize, ThresholdError> {
    let Some(name) = &threshold.output else {
        return match output.count {
            1 => Ok(0),
            count => Err(ThresholdError::Several { what: "the model".into(), count }),
        };
    };
    let mut first = 0;
    for tensor in &output.tensors {
        let count = len(tensor);
        if tensor.name != *name {
            first += count;
            continue;
        }
        return match threshold.index {
            None if count == 1 => Ok(first),
            None => Err(ThresholdError::Several { what: format!("output {name}"), count }),
            Some(index) if index < count => Ok(first + index),
            Some(index) => Err(ThresholdError::Beyond { name: name.clone(), count, index }),
        };
    }
    let names = output.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    Err(ThresholdError::Unknown { name: name.clone(), names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> OutputSchema {
        let tensor =
            |name: &str, dims: &[usize]| OutputTensor { name: name.into(), dims: dims.into() };
        let tensors = vec![tensor("label", &[1]), tensor("p", &[1, 3])];
        OutputSchema { tensors, count: 4, decimals: 6, min: 0, max: 1 }
    }

    fn run(name: &str, float: [f64; 4], proven: [f64; 4]) -> Run {
        Run { name: name.into(), float: float.to_vec(), proven: proven.to_vec() }
    }

    #[test]
    fn changed_decisions_are_counted_by_each_rule() {
        let runs = [
            run("same", [1.0, 0.1, 0.6, 0.3], [1.0, 0.1, 0.6, 0.3]),
            run("tie", [1.0, 0.2, 0.41, 0.39], [2.0, 0.2, 0.4, 0.4]),
            run("other", [1.0, 0.2, 0.4001, 0.3999], [2.0, 0.2, 0.3999, 0.4001]),
        ];
        let thresholds = ["p:1=0.4".parse().expect("one")];
        let made = decisions(&runs, &output(), &thresholds).expect("of outputs");
        let [threshold, greatest] = &made[..] else { panic!("{made:?}") };
        assert_eq!((threshold.same, threshold.changed_count), (2, 1));
        assert_eq!(threshold.rule, "whether p[0][1] is at least 0.4");
        // The first of equal ones stays.
        assert_eq!((greatest.same, greatest.changed_count), (2, 1));
        let changed = &greatest.changed[0];
        assert_eq!((&*changed.sample, changed.float, changed.proven), ("other", 1, 2));
        assert_eq!(greatest.closest, "other");
        assert!((greatest.margin - 0.0002).abs() < 1e-12);
    }

    #[test]
    fn thresholds_are_of_one_number() {
        let decide = |text: &str| {
            let threshold = text.parse::<Threshold>().expect("understood");
            decisions(&[], &output(), &[threshold]).map(|made| made.len())
        };
        assert_eq!(decide("label=0.5"), Ok(2));
        assert!(matches!(decide("0.5"), Err(ThresholdError::Several { count: 4, .. })));
        assert!(matches!(decide("p=0.5"), Err(ThresholdError::Several { count: 3, .. })));
        assert!(matches!(decide("p:3=0.5"), Err(ThresholdError::Beyond { index: 3, .. })));
        assert!(matches!(decide("q=0.5"), Err(ThresholdError::Unknown { .. })));
        for wrong in ["", "p", "=1", "p=x", "p=nan", "p:1=inf"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
    }
}
