//! Decisions that are made with outputs, and whether what is proven makes another one.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;
use verdict_prover::quantize::{OutputSchema, OutputTensor};

use super::accuracy::Run;

/// Changed decisions that are named; more are counted only.
const NAMED: usize = 20;

/// A value above which something is decided: `T`, `NAME=T` or `NAME:INDEX=T`.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The output, if it is named: `NAME`, or `NAME:INDEX` for one of its elements, from 0.
    pub output: Option<String>,
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
        if output == Some("") {
            return Err(EXPECTED);
        }
        Ok(Self { output: output.map(str::to_owned), at })
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
    /// Which whole number an element is, as a label.
    Label { index: usize },
}

impl Rule {
    /// The decision, and how much the outputs were from another one.
    fn decide(self, outputs: &[f64]) -> (i64, f64) {
        match self {
            Self::Label { index } => (outputs[index].round() as i64, f64::INFINITY),
            Self::AtLeast { index, at } => {
                (i64::from(outputs[index] >= at), (outputs[index] - at).abs())
            }
            Self::Greatest { first, count } => {
                let own = &outputs[first..first + count];
                let greater = |best, at| if own[at] > own[best] { at } else { best };
                let best = (1..count).fold(0, greater);
                let others = (0..count).filter(|at| *at != best).map(|at| own[at]);
                (best as i64, own[best] - others.fold(f64::NEG_INFINITY, f64::max))
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
    pub float: i64,
    /// What the proven ones do.
    pub proven: i64,
    /// How far the float model's outputs are from deciding otherwise; none of labels.
    pub margin: Option<f64>,
}

/// Decisions by one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decisions {
    /// The rule in words.
    pub rule: String,
    /// Decisions that are the same: one a sample, or one for each row or label of it.
    pub same: usize,
    /// Those that are others.
    pub changed_count: usize,
    /// The first of them.
    pub changed: Vec<Changed>,
    /// The sample whose decision is closest, by the float model; none of labels, …
    pub closest: Option<String>,
    /// … and how close it is.
    pub margin: Option<f64>,
}

/// Decides by the greatest element of each row of an output of several elements, by labels (which
/// of the outputs are whole numbers is told by `whole`), and by the thresholds.
///
/// # Errors
/// A threshold of no output, or of several numbers.
pub(super) fn decisions(
    runs: &[Run],
    output: &OutputSchema,
    whole: &[bool],
    thresholds: &[Threshold],
) -> Result<Vec<Decisions>, ThresholdError> {
    let mut rules = Vec::new();
    for threshold in thresholds {
        let index = place(threshold, output)?;
        let rule = format!("whether {} is at least {:?}", output.element(index), threshold.at);
        rules.push((rule, Rule::AtLeast { index, at: threshold.at }));
    }
    let mut first = 0;
    let mut all: Vec<(String, Vec<Rule>)> =
        rules.into_iter().map(|(name, rule)| (name, vec![rule])).collect();
    for (tensor, whole) in output.tensors.iter().zip(whole) {
        let (count, columns) = (len(tensor), tensor.dims.last().copied().unwrap_or(1));
        if *whole {
            let rules = (first..first + count).map(|index| Rule::Label { index }).collect();
            all.push((format!("what {} is", tensor.name), rules));
        } else if columns > 1 {
            let rows = (first..first + count).step_by(columns);
            let rules = rows.map(|first| Rule::Greatest { first, count: columns }).collect();
            let of = if count > columns { "each row of " } else { "" };
            all.push((format!("which element of {of}{} is the greatest", tensor.name), rules));
        }
        first += count;
    }
    Ok(all.into_iter().map(|(name, rules)| by(name, &rules, runs)).collect())
}

fn by(name: String, rules: &[Rule], runs: &[Run]) -> Decisions {
    let mut made = Decisions {
        rule: name,
        same: 0,
        changed_count: 0,
        changed: Vec::new(),
        closest: None,
        margin: None,
    };
    for (run, rule) in runs.iter().flat_map(|run| rules.iter().map(move |rule| (run, rule))) {
        let ((float, margin), (proven, _)) = (rule.decide(&run.float), rule.decide(&run.proven));
        let margin = Some(margin).filter(|margin| margin.is_finite());
        if margin.is_some_and(|own| made.margin.is_none_or(|least| own < least)) {
            (made.margin, made.closest) = (margin, Some(run.name.clone()));
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
    let Some(given) = &threshold.output else {
        return match output.count {
            1 => Ok(0),
            count => Err(ThresholdError::Several { what: "the model".into(), count }),
        };
    };
    // Names of outputs may have a colon and a number at their end themselves.
    let is_name = |name: &str| output.tensors.iter().any(|tensor| tensor.name == name);
    let numbered = given.rsplit_once(':').filter(|(name, _)| !is_name(given) && is_name(name));
    let numbered = numbered.and_then(|(name, index)| Some((name, index.parse().ok()?)));
    let (name, index) = match numbered {
        Some((name, index)) => (name, Some(index)),
        None => (given.as_str(), None),
    };
    let mut first = 0;
    for tensor in &output.tensors {
        let count = len(tensor);
        if tensor.name != *name {
            first += count;
            continue;
        }
        return match index {
            None if count == 1 => Ok(first),
            None => Err(ThresholdError::Several { what: format!("output {name}"), count }),
            Some(index) if index < count => Ok(first + index),
            Some(index) => Err(ThresholdError::Beyond { name: name.to_owned(), count, index }),
        };
    }
    let names = output.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    Err(ThresholdError::Unknown { name: name.to_owned(), names })
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
        let input = Vec::new();
        Run { name: name.into(), input, float: float.to_vec(), proven: proven.to_vec() }
    }

    #[test]
    fn changed_decisions_are_counted_by_each_rule() {
        let runs = [
            run("same", [1.0, 0.1, 0.6, 0.3], [1.0, 0.1, 0.6, 0.3]),
            run("tie", [1.0, 0.2, 0.41, 0.39], [2.0, 0.2, 0.4, 0.4]),
            run("other", [1.0, 0.2, 0.4001, 0.3999], [2.0, 0.2, 0.3999, 0.4001]),
        ];
        let thresholds = ["p:1=0.4".parse().expect("one")];
        let whole = [true, false];
        let made = decisions(&runs, &output(), &whole, &thresholds).expect("of outputs");
        let [threshold, label, greatest] = &made[..] else { panic!("{made:?}") };
        // Labels have no margin.
        assert_eq!((label.same, label.changed_count, label.margin), (1, 2, None));
        assert_eq!((label.changed[0].float, label.changed[0].proven), (1, 2));
        assert_eq!((threshold.same, threshold.changed_count), (2, 1));
        assert_eq!(threshold.rule, "whether p[0][1] is at least 0.4");
        // The first of equal ones stays.
        assert_eq!((greatest.same, greatest.changed_count), (2, 1));
        let changed = &greatest.changed[0];
        assert_eq!((&*changed.sample, changed.float, changed.proven), ("other", 1, 2));
        assert_eq!(greatest.closest.as_deref(), Some("other"));
        assert!(greatest.margin.is_some_and(|margin| (margin - 0.0002).abs() < 1e-12));
    }

    #[test]
    fn thresholds_are_of_one_number() {
        let decide = |text: &str| {
            let threshold = text.parse::<Threshold>().expect("understood");
            decisions(&[], &output(), &[false; 2], &[threshold]).map(|made| made.len())
        };
        assert_eq!(decide("label=0.5"), Ok(2));
        assert!(matches!(decide("0.5"), Err(ThresholdError::Several { count: 4, .. })));
        assert!(matches!(decide("p=0.5"), Err(ThresholdError::Several { count: 3, .. })));
        assert!(matches!(decide("p:3=0.5"), Err(ThresholdError::Beyond { index: 3, .. })));
        assert!(matches!(decide("q=0.5"), Err(ThresholdError::Unknown { .. })));
        // A name may end as a number of an element does.
        let tensors = vec![OutputTensor { name: "dense:0".into(), dims: vec![1, 1] }];
        let keras = OutputSchema { tensors, count: 1, decimals: 6, min: 0, max: 1 };
        for text in ["dense:0=0.5", "dense:0:0=0.5"] {
            let threshold = text.parse::<Threshold>().expect("understood");
            assert_eq!(place(&threshold, &keras), Ok(0), "{text}");
        }
        for wrong in ["", "p", "=1", "p=x", "p=nan", "p:1=inf"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
    }
}
