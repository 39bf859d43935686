//! The command line.

mod chain;
mod model;
mod service;

pub(crate) use self::{
    chain::{Attach, Attest, Chain, Commit, Deploy, Node, Score, Submit},
    model::{InputRange, ModelOptions, Optimize},
    service::{Serve, Settings, TokenCommand, Work},
};

use std::{path::PathBuf, str::FromStr};

use alloy::primitives::{Address, B256};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use verdict::report::Threshold;
use verdict_engine::{Backend, Options};

/// What the program ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: a file, a value or the machine is not as it has to be
  2  the arguments were not understood, contradict each other, or one is missing
  3  rejected: a contract refused, or another score stands on chain
  4  pending: a transaction is under way; run again to wait for it
  5  not reachable: no node answers
  6  invalid proof: it does not hold, or is not about this setup

With --json, failures are {\"error\": {\"kind\", \"exit_code\", \"message\", \"hint\"}} on standard output.";

use crate::limits::{Change, Jobs, Status};

/// Proves what a machine-learning model said, and takes it to Ethereum.
///
/// The usual order: `inspect` a model to see what it will cost, `setup` its keys and
/// Solidity verifier once, `prove` an inference, `verify` it, `deploy` the contracts,
/// `submit` the proof. `demo` does all of it on a local chain.
#[derive(Debug, Parser)]
#[command(name = "verdict", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Print results as JSON, without progress
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a model will cost, before any key is made
    Inspect(Inspect),
    /// Measure a setup on your own data: errors, decisions, rows, time and gas, as one page
    Report(Report),
    /// Make, import or check a structured reference string (SRS)
    #[command(subcommand)]
    Srs(SrsCommand),
    /// Make a model's keys and its Solidity verifier
    Setup(Setup),
    /// Prove one inference
    Prove(Prove),
    /// Check a proof
    Verify(Verify),
    /// Write the Solidity verifier and the key contract again, and compile them
    Codegen(Codegen),
    /// Deploy verifier, key, registry and oracle, and register the model
    Deploy(Deploy),
    /// Use an oracle that somebody else deployed, after checking that it has this model
    Attach(Attach),
    /// Commit to inputs with a random salt: what a proof states instead of them
    Commit(Commit),
    /// Vouch for a subject's inputs: sign that they are what a proof says
    Attest(Attest),
    /// Take a proof to the chain and wait until it is final
    Submit(Submit),
    /// List what was sent and is not done
    Jobs(Jobs),
    /// Show one job: its state, what holds it up, its transactions
    Status(Status),
    /// Try a rejected or dropped job again
    Retry(Change),
    /// Give a job up: what was signed is replaced by a self-transfer
    Cancel(Change),
    /// Take jobs over HTTP, prove them, and take the proofs to the chain
    Serve(Box<Serve>),
    /// Prove the jobs of a `serve` on another machine
    Worker(Box<Work>),
    /// Make, list and revoke the tokens of those who may ask a `serve`
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run everything on a local chain with an example model
    Demo(Demo),
    /// Measure keys, proofs, memory and gas of the example models
    Bench(Bench),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inspect {
    /// The ONNX model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    /// The setup folder, with both its parts
    pub(crate) setup: PathBuf,
    /// Samples to measure on, a file as for `prove`: JSON, NumPy's .npy or .npz, CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Where to write the page (with --json also where not given: then none is written)
    #[arg(long, short, required_unless_present = "json")]
    pub(crate) out: Option<PathBuf>,
    /// A value of an output from which on something is decided otherwise, of an output of one
    /// number, or of an element of one; repeat for several. Of outputs of several elements the
    /// greatest one is compared without being asked for
    #[arg(long, value_name = "[NAME[:INDEX]=]T", allow_negative_numbers = true)]
    pub(crate) threshold: Vec<Threshold>,
    /// The ONNX model, if it is no longer where the setup was made from it
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) srs: SrsSource,
    #[command(flatten)]
    pub(crate) computing: Computing,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SrsCommand {
    /// Make a development SRS. INSECURE: whoever made it can forge proofs
    Dev {
        /// log2 of the number of rows
        #[arg(long)]
        k: u32,
        /// Where to write it
        #[arg(long, short)]
        out: PathBuf,
    },
    /// Import the powers of tau: a snarkjs .ptau file, or halo2's own parameter file
    Import {
        /// The file
        file: PathBuf,
        /// log2 of the number of rows wanted (default: all the file has)
        #[arg(long)]
        k: Option<u32>,
        /// Where to write it
        #[arg(long, short)]
        out: PathBuf,
        /// Accept a ceremony other than the perpetual powers of tau
        #[arg(long)]
        allow_unknown: bool,
    },
    /// Check an SRS: points, powers and the Lagrange basis
    Check {
        /// The file
        file: PathBuf,
    },
}

/// How the engine computes. Keys and proofs do not depend on it.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Computing {
    /// Threads (default: one a core)
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: usize,
    /// Refuse a proof that would need more memory than this, keys and SRS not counted
    #[arg(long, value_name = "MB")]
    pub(crate) memory_budget: Option<usize>,
    /// Field arithmetic (default: the fastest this CPU has)
    #[arg(long, value_enum)]
    pub(crate) backend: Option<Arithmetic>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Arithmetic {
    /// 64-bit words, any CPU
    Portable,
    /// AVX2
    Avx2,
    /// AVX-512 IFMA
    Ifma,
}

impl Computing {
    /// The engine's options.
    pub(crate) fn options(&self) -> Options {
        Options {
            threads: self.threads,
            memory_budget: self.memory_budget.map(|megabytes| megabytes.saturating_mul(1_000_000)),
            backend: self.backend.map(|arithmetic| match arithmetic {
                Arithmetic::Portable => Backend::Portable,
                Arithmetic::Avx2 => Backend::Avx2,
                Arithmetic::Ifma => Backend::Ifma,
            }),
            ..Options::default()
        }
    }
}

/// Which SRS to use.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct SrsSource {
    /// An SRS made by `verdict srs`
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Setup {
    /// The ONNX model
    pub(crate) model: PathBuf,
    /// The folder to write
    #[arg(long, short, required_unless_present = "check")]
    pub(crate) out: Option<PathBuf>,
    /// Make nothing: make the key of this setup (or of its public part) again from the
    /// model, and say whether it is the same or what differs
    #[arg(
        long,
        value_name = "SETUP",
        conflicts_with_all = [
            "out", "public_weights", "ranges", "range", "calibration", "public_inputs", "public",
            "commit_inputs", "commit", "target_error", "decimals",
        ]
    )]
    pub(crate) check: Option<PathBuf>,
    /// Do not hide the weights: the key is one that anyone makes again from the model, see
    /// --check. What is on chain then tells the model to whoever can guess it
    #[arg(long)]
    pub(crate) public_weights: bool,
    #[command(flatten)]
    pub(crate) srs: SrsSource,
    /// Use a development SRS from the cache. INSECURE: for trying things out only
    #[arg(long, conflicts_with = "srs")]
    pub(crate) dev_srs: bool,
    #[command(flatten)]
    pub(crate) computing: Computing,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Prove {
    /// The setup folder
    pub(crate) setup: PathBuf,
    /// The sample, or a file of several: JSON (lists, {"input": …}, by the names of the
    /// model's inputs, objects with ids, EZKL's input_data), NumPy's .npy or .npz, CSV
    #[arg(long, short, required_unless_present_any = ["batch", "from_source"])]
    pub(crate) input: Option<PathBuf>,
    /// Instead of a file, ask the source that the model was deployed with (`deploy --source`)
    #[arg(long, conflicts_with_all = ["input", "batch"], requires = "subject")]
    pub(crate) from_source: bool,
    /// Which of the file's samples: its id, or its index from 0 if it has none
    #[arg(long, requires = "input")]
    pub(crate) id: Option<String>,
    /// Instead of one sample, all of a file in one proof: as many as the setup is for
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub(crate) batch: Option<PathBuf>,
    /// The requests that a batch answers, one a sample, a JSON list: chain_id, oracle, model_id,
    /// verification_hash, subject, nonce and deadline of each
    #[arg(long, value_name = "FILE", requires = "batch", conflicts_with = "subject")]
    pub(crate) requests: Option<PathBuf>,
    /// Of a setup that commits to inputs, the file that `commit` wrote for the sample, or for
    /// all of a batch
    #[arg(long, value_name = "FILE")]
    pub(crate) commitment: Option<PathBuf>,
    /// Where to write the proof bundle
    #[arg(long, short)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) computing: Computing,
    #[command(flatten)]
    pub(crate) srs: SrsSource,
    #[command(flatten)]
    pub(crate) request: Request,
}

/// The request a proof answers, to the oracle where the setup is deployed. Without
/// `--subject` the proof is for no chain.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Request {
    /// Whom the score is about
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) subject: Option<Address>,
    /// Must exceed the last nonce recorded for the subject and the model, by 1000 at most
    /// (default: the next one, which the chain is asked for)
    #[arg(long, requires = "subject", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) nonce: Option<u64>,
    #[command(flatten)]
    pub(crate) node: Node,
    /// Seconds for which the proof may be recorded
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) valid_for: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    /// The proof bundle
    pub(crate) proof: PathBuf,
    /// The commitment to all samples that a proof of totals has to state: 0x and 64 digits
    #[arg(long, value_name = "HASH")]
    pub(crate) commitment: Option<B256>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Codegen {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    /// The folder to write (default: the setup's public part)
    #[arg(long, short)]
    pub(crate) out: Option<PathBuf>,
    /// Run a verification in an EVM and say where every gas of it goes, by the rules of today and
    /// by the repricings announced for Amsterdam (EIP-2780, 7976, 8037, 8038)
    #[arg(long)]
    pub(crate) explain: bool,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// The example's folder
    #[arg(long, default_value = "examples/credit")]
    pub(crate) example: PathBuf,
    /// The model within it
    #[arg(long, default_value = "model.onnx")]
    pub(crate) model: String,
    /// The output to prove (default: the first)
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<String>,
    /// The sample to score (default: the first)
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Keep what the run wrote in this folder (default: a temporary one)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Port of the local chain (default: a free one)
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    /// What to optimize the circuits for (default: the examples for a balance and for time,
    /// generated models for a balance)
    #[arg(long, value_enum)]
    pub(crate) optimize: Option<Optimize>,
    /// Instead of the examples, generate a model with dense layers of these sizes, and
    /// prove it with halo2's prover too, for example 784-128-10; repeat for several
    #[arg(long, value_name = "SIZES")]
    pub(crate) dense: Vec<LayerSizes>,
    /// Prove each of the models in so many of the shapes that the planner considers, in
    /// turn, and print what it expected
    #[arg(long, value_name = "N", requires = "dense")]
    pub(crate) shapes: Option<usize>,
    #[command(flatten)]
    pub(crate) computing: Computing,
    /// The example's folder
    #[arg(long, default_value = "examples/credit")]
    pub(crate) example: PathBuf,
    /// Committed figures to compare with: times as multiples of a fixed workload's
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks/baseline.json")]
    pub(crate) baseline: PathBuf,
    /// Replace the committed figures of this machine's backend
    #[arg(long)]
    pub(crate) write_baseline: bool,
    /// Timed runs of each step, after one warm-up
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

/// Sizes of dense layers, the input first.
#[derive(Debug, Clone)]
pub(crate) struct LayerSizes(pub(crate) Vec<usize>);

impl FromStr for LayerSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sizes: Option<Vec<usize>> = text
            .split('-')
            .map(|size| size.parse().ok().filter(|size| (1..=1 << 16).contains(size)))
            .collect();
        sizes.filter(|sizes| sizes.len() >= 2).map(Self).ok_or_else(|| {
            "expected two or more sizes from 1 to 65536, for example 784-128-10".into()
        })
    }
}
