//! The command line.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use alloy::primitives::{Address, B256};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use verdict::{Objective, ScoreDirection};
use verdict_engine::{Backend, Options};
use verdict_relayer::RpcUrl;

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

use crate::{
    failure::{Failure, Outcome},
    limits::{Change, Jobs, Limits, Status},
};

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
    /// Run everything on a local chain with an example model
    Demo(Demo),
    /// Measure keys, proofs, memory and gas of the example models
    Bench(Bench),
}

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
    /// Largest output error against the float model (default: 1e-4, or what can be
    /// reached if outputs may be large)
    #[arg(long, value_name = "ERROR", allow_negative_numbers = true)]
    pub(crate) target_error: Option<f64>,
    /// Decimals of the outputs (default: the most that fit, 6 at most)
    #[arg(long, value_name = "N")]
    pub(crate) decimals: Option<u32>,
    /// Make one proof of N inferences, which `prove --batch` takes together
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<usize>,
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

impl ModelOptions {
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

/// Which way a score is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Score {
    /// Not said, or the outputs are no score
    #[default]
    Unspecified,
    /// For example the probability of a good credit
    HigherIsBetter,
    /// For example the probability of a default
    LowerIsBetter,
}

impl From<Score> for ScoreDirection {
    fn from(score: Score) -> Self {
        match score {
            Score::Unspecified => Self::Unspecified,
            Score::HigherIsBetter => Self::HigherIsBetter,
            Score::LowerIsBetter => Self::LowerIsBetter,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inspect {
    /// The ONNX model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
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
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "subject"])]
    pub(crate) batch: Option<PathBuf>,
    /// The requests that a batch answers, one a sample, a JSON list: chain_id, oracle, model_id,
    /// verification_hash, subject, nonce and deadline of each
    #[arg(long, value_name = "FILE", requires = "batch")]
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
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Codegen {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    /// The folder to write (default: the setup's public part)
    #[arg(long, short)]
    pub(crate) out: Option<PathBuf>,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

/// How a chain is reached.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Node {
    /// JSON-RPC endpoint. Of several, those that answer have to agree on everything that is
    /// recorded, mined or deployed; one that does not answer is passed over
    #[arg(
        long,
        value_name = "URL",
        env = "ETH_RPC_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8545"
    )]
    pub(crate) rpc_url: Vec<RpcUrl>,
}

/// The chain and the sending key. The key itself comes from a keystore file or from
/// the environment variable VERDICT_PRIVATE_KEY, never from an argument.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Chain {
    #[command(flatten)]
    pub(crate) node: Node,
    /// Refuse any other chain
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// Encrypted keystore file of the sending key
    #[arg(long, value_name = "FILE")]
    pub(crate) keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password (default: the environment
    /// variable VERDICT_KEYSTORE_PASSWORD)
    #[arg(long, value_name = "FILE", requires = "keystore")]
    pub(crate) password_file: Option<PathBuf>,
    /// The relayer's database (default: one for each chain and sender in
    /// $XDG_STATE_HOME/verdict, else in ~/.local/state/verdict)
    #[arg(long, value_name = "FILE", env = "VERDICT_DATABASE")]
    pub(crate) database: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Blocks after which a transaction counts as final (default: 1 on a development
    /// chain, else 3)
    #[arg(long, value_name = "BLOCKS")]
    pub(crate) confirmations: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Deploy {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    #[command(flatten)]
    pub(crate) chain: Chain,
    /// A registry that exists already
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) registry: Option<Address>,
    /// An oracle of yours that exists already
    #[arg(long, value_name = "ADDRESS", requires = "registry")]
    pub(crate) oracle: Option<Address>,
    /// Seconds for which a recorded score counts as fresh, a year at most
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u64).range(1..=365 * 86_400)
    )]
    pub(crate) time_to_live: u64,
    /// Which way the first output is to be read as a score. It is registered with the model
    /// for good, and a contract that ranks by the score refuses a model that doesn't say
    #[arg(long, value_enum, default_value_t = Score::Unspecified)]
    pub(crate) score: Score,
    #[command(flatten)]
    pub(crate) attestors: Attestors,
    /// A contract where the oracle reads the inputs of every score, instead of data providers who
    /// vouch for them: one that inherits from InputSource and has the setup's schema
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["threshold", "attestor"])]
    pub(crate) source: Option<Address>,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
    /// Deploy to a public chain although the SRS is a development one. Anyone who has
    /// its secret can forge proofs
    #[arg(long)]
    pub(crate) force_insecure_srs: bool,
}

/// The data providers of whom some have to vouch for the inputs of every score. The model's
/// inputs have to be public. Providers accept with `verdict attest --accept`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Attestors {
    /// A data provider to propose as a signer: it has to accept, and counts two days after; repeat
    /// for several
    #[arg(long, value_name = "ADDRESS", requires = "threshold")]
    pub(crate) attestor: Vec<Address>,
    /// How many providers have to vouch for an input
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) threshold: Option<u8>,
    /// A registry of signers that exists already (default: one of the sender's)
    #[arg(long, value_name = "ADDRESS", requires = "threshold")]
    pub(crate) signers: Option<Address>,
    /// What the inputs mean, 32 bytes that the providers know it by (default: a hash of the
    /// inputs' names, ranges and encoding, so that one statement serves all models with these)
    #[arg(long, value_name = "HASH", requires = "threshold")]
    pub(crate) schema: Option<B256>,
}

impl Attestors {
    /// What the library takes; none if nobody has to vouch.
    pub(crate) fn options(&self) -> Option<verdict::Attestors> {
        let (signers, propose) = (self.signers, self.attestor.clone());
        let schema = self.schema;
        self.threshold.map(|threshold| verdict::Attestors { signers, propose, threshold, schema })
    }
}

/// No chain is asked, and no key is needed. Whoever has the file that is written can hold a guess of
/// the input against the commitment.
#[derive(Debug, ClapArgs)]
pub(crate) struct Commit {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    /// The input: a file as for `prove`
    #[arg(long, short, required_unless_present = "batch")]
    pub(crate) input: Option<PathBuf>,
    /// Which of the file's samples: its id, or its index from 0 if it has none
    #[arg(long, requires = "input")]
    pub(crate) id: Option<String>,
    /// Instead of one input, all samples of a file, each with a salt of its own
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub(crate) batch: Option<PathBuf>,
    /// Where to write commitment and salt
    #[arg(long, short)]
    pub(crate) out: PathBuf,
}

/// The statement names the chain and the registry where the setup is deployed. Signing asks no
/// chain; the key is that of a sender: from a keystore or from VERDICT_PRIVATE_KEY.
#[derive(Debug, ClapArgs)]
pub(crate) struct Attest {
    /// The setup folder, or its public part with its deployment.json
    pub(crate) setup: PathBuf,
    /// The input to vouch for: a file as for `prove`
    #[arg(long, short, required_unless_present = "accept", requires = "subject")]
    pub(crate) input: Option<PathBuf>,
    /// Which of the file's samples: its id, or its index from 0 if it has none
    #[arg(long, requires = "input")]
    pub(crate) id: Option<String>,
    /// Of a setup that commits to inputs, the file that `commit` wrote
    #[arg(long, value_name = "FILE", requires = "input")]
    pub(crate) commitment: Option<PathBuf>,
    /// Whose input it is
    #[arg(long, value_name = "ADDRESS", requires = "input")]
    pub(crate) subject: Option<Address>,
    /// Seconds for which the statement is valid
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) valid_for: u64,
    /// The contract in whose name the key signs (ERC-1271; default: the key's own account)
    #[arg(long, value_name = "ADDRESS", requires = "input")]
    pub(crate) account: Option<Address>,
    /// Where to write the attestation
    #[arg(long, short, required_unless_present = "accept", requires = "input")]
    pub(crate) out: Option<PathBuf>,
    /// Instead of signing, accept the oracle owner's offer to be a signer: sends a transaction
    #[arg(long, conflicts_with_all = ["input", "out"])]
    pub(crate) accept: bool,
    #[command(flatten)]
    pub(crate) chain: Chain,
}

/// Nothing is sent, and no key is needed. Afterwards `prove --subject` and `submit` work as
/// after `deploy`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Attach {
    /// The setup folder, or its public part
    pub(crate) setup: PathBuf,
    /// The oracle
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) oracle: Address,
    /// The model's id in the oracle's registry (default: the one that is this setup's)
    #[arg(long, value_name = "ID")]
    pub(crate) model_id: Option<u64>,
    #[command(flatten)]
    pub(crate) node: Node,
    /// Refuse any other chain
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// The Solidity compiler (default: solc on PATH, svm's, or the npm package's)
    #[arg(long, value_name = "FILE")]
    pub(crate) solc: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Submit {
    /// The setup folder, or its public part with its deployment.json
    pub(crate) setup: PathBuf,
    /// The proof bundle
    pub(crate) proof: PathBuf,
    /// A data provider's statement, as `attest` writes it; repeat for several
    #[arg(long, value_name = "FILE")]
    pub(crate) attestation: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) chain: Chain,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// The example's folder
    #[arg(long, default_value = "examples/credit")]
    pub(crate) example: PathBuf,
    /// The model within it
    #[arg(long, default_value = "model.onnx")]
    pub(crate) model: String,
    /// The applicant to score (default: the first)
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
