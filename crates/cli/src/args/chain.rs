//! Arguments of what goes to a chain.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use clap::{Args as ClapArgs, ValueEnum};
use verdict::ScoreDirection;
use verdict_relayer::RpcUrl;

use crate::limits::Limits;

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
    /// How many of the endpoints have to answer
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) quorum: usize,
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
    /// Take --attestor or --source although some inputs are private beside the public ones: nobody
    /// vouches for these, and a prover takes any in range
    #[arg(long)]
    pub(crate) partial: bool,
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
    /// Where to write commitment and salt, which the owner alone can read then (default: both are
    /// printed)
    #[arg(long, short)]
    pub(crate) out: Option<PathBuf>,
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
    /// Vouch for the inputs that proofs state although others are private: a prover takes any in
    /// range for these
    #[arg(long, requires = "input")]
    pub(crate) partial: bool,
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
    /// Another proof of a model of the same oracle, to go in the same transaction, which pairs once for
    /// all of them; repeat for several
    #[arg(long, num_args = 2, value_names = ["SETUP", "PROOF"])]
    pub(crate) with: Vec<PathBuf>,
    /// A data provider's statement, as `attest` writes it; repeat for several
    #[arg(long, value_name = "FILE")]
    pub(crate) attestation: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) chain: Chain,
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
