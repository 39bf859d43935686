//! Arguments of the service.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args as ClapArgs;
use clap::Subcommand;
use serde::Serialize;
use verdict_service::store::Scope;

use super::Computing;

/// Settings that are set; the others come from the environment, the configuration file, or are as
/// they are by default.
#[derive(Debug, Clone, Default, Serialize, ClapArgs)]
pub(crate) struct Settings {
    /// A configuration file (TOML); docs/operations.md lists the settings. Environment variables
    /// VERDICT_SERVE_… go before it, flags before both
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the databases and of the keys made here (default: verdict-data)
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// A PostgreSQL database instead of SQLite in the data folder. A password is taken from the
    /// environment variable PGPASSWORD, never from here
    #[arg(long, value_name = "postgres://…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
}

/// The chain, and who sends.
#[derive(Debug, Clone, Default, Serialize, ClapArgs)]
pub(crate) struct ChainFlags {
    /// JSON-RPC endpoint. Of several, those that answer have to agree on everything that is
    /// recorded, mined or deployed (default: http://127.0.0.1:8545)
    #[arg(long = "rpc-url", value_name = "URL", env = "ETH_RPC_URL", hide_env_values = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rpc_urls: Vec<String>,
    /// How many of the endpoints have to answer (default: 1)
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quorum: Option<usize>,
    /// Refuse any other chain
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain_id: Option<u64>,
}

/// The key comes from a keystore file, or from the environment variable VERDICT_PRIVATE_KEY; inputs
/// are sealed with the key in VERDICT_DATA_KEY, or with one made in the data folder.
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Setup folders, deployed ones for scores; NAME=FOLDER gives a model a name of your own
    #[arg(value_name = "[NAME=]SETUP")]
    pub(crate) setups: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(flatten)]
    pub(crate) chain: ChainFlags,
    /// Address of the API and the page (default: 127.0.0.1:7878)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Encrypted keystore file of a sending key; repeat for several
    #[arg(long, value_name = "FILE")]
    pub(crate) keystore: Vec<PathBuf>,
    /// File whose first line is the keystores' password (default: the environment variable
    /// VERDICT_KEYSTORE_PASSWORD)
    #[arg(long, value_name = "FILE", requires = "keystore")]
    pub(crate) password_file: Option<PathBuf>,
    /// Blocks after which a transaction counts as final (default: 1 on a development chain, else 3)
    #[arg(long, value_name = "BLOCKS")]
    pub(crate) confirmations: Option<u64>,
    /// Leave proving to `verdict worker`
    #[arg(long)]
    pub(crate) no_prove: bool,
    /// Leave sending to another `verdict serve` of the same database
    #[arg(long)]
    pub(crate) no_send: bool,
    /// Answer anyone on this machine without a token; only for a loopback address
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Check settings, models, database, node and keys, and end
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

/// Settings, database, data key and setups have to be those of the `serve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Work {
    /// Setup folders, named as those of the `serve`
    #[arg(value_name = "[NAME=]SETUP")]
    pub(crate) setups: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(flatten)]
    pub(crate) chain: ChainFlags,
    /// Address on which it answers /healthz, /readyz and /metrics (default: none)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print its secret, which is stored nowhere else
    Create {
        /// What to call it
        name: String,
        /// What it allows: read, submit, manage, metrics
        #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List the tokens
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// End a token
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
}
