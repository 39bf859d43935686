//! Arguments about a model.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use clap::{Args as ClapArgs, ValueEnum};
use verdict::{Figure, Objective, Question};

use crate::failure::{Failure, Outcome};

/// What decides how a model becomes a circuit.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ModelOptions {
    /// An output to prove, by its name; repeat for several, in this order (default: all of
    /// the file's). What only other outputs need is left out
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Vec<String>,
    /// The size of a symbolic dimension, by its name or as input:axis; repeat for several.
    /// A first dimension that is not bound is the batch, of size 1
    #[arg(long = "dim", value_name = "NAME=N")]
    pub(crate) dim: Vec<Dimension>,
    /// Declared input ranges, a JSON file: {"input": [[lo, hi], …]}, {"min": …, "max": …},
    /// or by the names of the model's inputs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["range", "calibration"])]
    pub(crate) ranges: Option<PathBuf>,
    /// One range for all elements of all inputs, for example 0,1, or of the input named;
    /// repeat for several
    #[arg(
        long,
        value_name = "[NAME=]LO,HI",
        allow_hyphen_values = true,
        conflicts_with = "calibration"
    )]
    pub(crate) range: Vec<InputRange>,
    /// Take the ranges from sample inputs, widened by a tenth: a file of samples as for
    /// `prove`
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    /// Make all inputs public values of the proof
    #[arg(long)]
    pub(crate) public_inputs: bool,
    /// Make an input a public value of the proof, by its name; repeat for several. The others
    /// stay private
    #[arg(long = "public", value_name = "NAME", conflicts_with = "public_inputs")]
    pub(crate) public: Vec<String>,
    /// Let the proof state a commitment to all inputs: a Poseidon hash with a salt, see
    /// `verdict commit`
    #[arg(long, conflicts_with_all = ["public_inputs", "public"])]
    pub(crate) commit_inputs: bool,
    /// Let the proof state a commitment to an input, by its name; repeat for several. The others
    /// stay private
    #[arg(
        long = "commit",
        value_name = "NAME",
        conflicts_with_all = ["public_inputs", "public", "commit_inputs"]
    )]
    pub(crate) commit: Vec<String>,
    /// Largest output error against the float model (default: 1e-4, or where no circuit reaches
    /// that, what one does, up to 1e-2, or a twentieth of the outputs of a model that rounds)
    #[arg(long, value_name = "ERROR", allow_negative_numbers = true)]
    pub(crate) target_error: Option<f64>,
    /// Decimals of the outputs (default: the most that fit, 6 at most)
    #[arg(long, value_name = "N")]
    pub(crate) decimals: Option<u32>,
    /// Make one proof of N inferences, which `prove --batch` takes together
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<usize>,
    /// State the sum of each output over the batch instead of N outputs, and one commitment to
    /// all inputs, if they are committed
    #[arg(long, requires = "batch")]
    pub(crate) totals: bool,
    /// Prove how good the output is on the N samples of a batch instead of the output: each sample
    /// has an input `expected` more. Implies --totals and --commit-inputs
    #[arg(
        long,
        value_enum,
        requires = "batch",
        conflicts_with_all = ["commit", "public", "public_inputs"]
    )]
    pub(crate) measure: Option<Measured>,
    /// From which score on the class is 1 (default: 0.5)
    #[arg(long, value_name = "SCORE", requires = "measure", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f64>,
    /// Count approvals, answers of class 1, of two groups, too: each sample has an input `group`
    /// more, 0 or 1
    #[arg(long, requires = "measure")]
    pub(crate) groups: bool,
    /// The least and the greatest that may be expected (default: those of the classes)
    #[arg(long, value_name = "LO,HI", requires = "measure", allow_hyphen_values = true)]
    pub(crate) expected: Option<InputRange>,
    /// Do not let tract run the file as well and compare: for a model that tract itself gets
    /// wrong. Nothing else tells then that what is proven is what the file means, and the
    /// setup's manifest says so
    #[arg(long)]
    pub(crate) no_crosscheck: bool,
    /// What to optimize the circuit for
    #[arg(long, value_enum, default_value_t = Optimize::Balanced)]
    pub(crate) optimize: Optimize,
}

impl Optimize {
    /// As the planner names it.
    pub(crate) fn objective(self) -> Objective {
        match self {
            Self::Balanced => Objective::Balanced,
            Self::Gas => Objective::Gas,
            Self::Time => Objective::Time,
        }
    }
}

/// What is measured of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measured {
    /// How many answers are right
    Accuracy,
    /// How far answers are off on average
    Error,
}

impl ModelOptions {
    /// What is asked about the output, if not the output itself.
    pub(crate) fn question(&self) -> Option<Question> {
        let figure = match self.measure? {
            Measured::Accuracy => Figure::Accuracy { threshold: self.threshold },
            Measured::Error => Figure::Error,
        };
        let expected = self.expected.as_ref().map(|range| range.ends);
        Some(Question { figure, groups: self.groups, expected })
    }

    /// The outputs asked for, if any.
    pub(crate) fn outputs(&self) -> Option<Vec<String>> {
        if self.output.is_empty() { None } else { Some(self.output.clone()) }
    }

    /// The sizes of dimensions, each once.
    pub(crate) fn dims(&self) -> Outcome<BTreeMap<String, usize>> {
        let mut dims = BTreeMap::new();
        for Dimension { name, size } in &self.dim {
            if dims.insert(name.clone(), *size).is_some_and(|before| before != *size) {
                return Err(Failure::usage(format!("--dim gives {name} two sizes")));
            }
        }
        Ok(dims)
    }
}

/// A range [lo, hi], of one input or of all, as `[NAME=]LO,HI`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InputRange {
    pub(crate) input: Option<String>,
    pub(crate) ends: [f64; 2],
}

impl FromStr for InputRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (input, ends) = match text.rsplit_once('=') {
            Some((name, ends)) => (Some(name.to_owned()), ends),
            None => (None, text),
        };
        let ends = ends
            .split_once(',')
            .and_then(|(lo, hi)| Some([lo.trim().parse().ok()?, hi.trim().parse().ok()?]));
        let ends = ends.ok_or("expected two numbers, LO,HI")?;
        Ok(Self { input, ends })
    }
}

/// A symbolic dimension and its size, as `NAME=N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dimension {
    name: String,
    size: usize,
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('=').filter(|(name, _)| !name.is_empty());
        let size = parts.and_then(|(_, size)| size.parse().ok()).filter(|size| *size > 0);
        match (parts, size) {
            (Some((name, _)), Some(size)) => Ok(Self { name: name.to_owned(), size }),
            _ => Err("expected NAME=N, N being at least 1".into()),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Optimize {
    Balanced,
    Gas,
    Time,
}
