//! Settings: a file, then the environment, then flags, each over the one before.

use std::{fmt, net::SocketAddr, path::PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::Dict,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::models::ModelConfig;

/// A URL that may hold a key: it is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenUrl(pub String);

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenUrl(..)")
    }
}

/// What names of environment variables begin with. `VERDICT_SERVE_MAX_QUEUED=10` sets `max_queued`,
/// `VERDICT_SERVE_CHAIN__CONFIRMATIONS=3` sets `confirmations` of `[chain]`.
pub const PREFIX: &str = "VERDICT_SERVE_";

/// The settings of a service. Start from [`Default`] and change what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// Where the API and the page are served.
    pub listen: SocketAddr,
    /// The folder of the database, the relayer's database and the keys made here.
    pub data: PathBuf,
    /// A PostgreSQL database, `postgres://…`, instead of SQLite in `data`.
    pub database: Option<HiddenUrl>,
    /// The models.
    pub models: Vec<ModelConfig>,
    /// The chain.
    pub chain: ChainConfig,
    /// Whether this process proves as well; without, workers do.
    pub prove: bool,
    /// Whether callers need tokens. Without, only a loopback address is served.
    pub authenticate: bool,
    /// Seconds that a job waits for others to fill a batch.
    pub batch_wait: f64,
    /// Seconds for which a worker holds a job without renewing.
    pub lease: f64,
    /// How often a job is tried, its worker lost or its proof failed, before it is dropped.
    pub max_attempts: u32,
    /// Proofs for which a worker takes jobs ahead.
    pub prefetch: usize,
    /// Jobs that may wait for a worker.
    pub max_queued: u64,
    /// Transactions under way at one time, of one key.
    pub max_in_flight: usize,
    /// Seconds for which a request is valid from its proof on, where the client doesn't say.
    pub valid_for: u64,
    /// Largest body of a request in bytes.
    pub max_body: usize,
    /// Requests a second of one client, on average; twice as many at once.
    pub rate: u32,
    /// Seconds that running work has to end after a signal.
    pub grace: f64,
    /// Days after which jobs that ended are deleted, with their stories, proofs and idempotency keys.
    /// Without it they stay.
    pub keep_jobs: Option<f64>,
    /// Address on which a `worker` answers `/healthz`, `/readyz` and `/metrics`; without it, none.
    pub worker_listen: Option<SocketAddr>,
    /// Origins (`https://host`) that may be told of the ends of jobs. The secret that signs what
    /// they are told is in the environment variable VERDICT_WEBHOOK_SECRET.
    pub webhooks: Vec<String>,
    /// Scores that are made again on a schedule.
    pub refresh: Vec<RefreshConfig>,
}

/// How the chain is reached, and what may be spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// JSON-RPC endpoints; those that answer have to agree.
    pub rpc_urls: Vec<HiddenUrl>,
    /// How many of them have to answer.
    pub quorum: usize,
    /// Any other chain is refused.
    pub chain_id: Option<u64>,
    /// Whether this process sends transactions.
    pub send: bool,
    /// Keystore files, each a sending key. Without one, the key is in the environment variable
    /// VERDICT_PRIVATE_KEY.
    pub keystores: Vec<PathBuf>,
    /// A file whose first line is the keystores' password; without, it is in the environment
    /// variable VERDICT_KEYSTORE_PASSWORD.
    pub password_file: Option<PathBuf>,
    /// Signers elsewhere, each of one account: web3signer, or whatever answers `eth_signTransaction`.
    pub signers: Vec<SignerConfig>,
    /// Jobs of one key about which nodes are asked at the same time.
    pub concurrency: usize,
    /// Blocks after which a transaction counts as final; 1 on a development chain, else 3.
    pub confirmations: Option<u64>,
    /// Most gwei for a gas, base fee and tip.
    pub max_fee: Option<f64>,
    /// Most gwei of tip for a gas.
    pub max_tip: Option<f64>,
    /// Most ether for a transaction.
    pub max_cost: Option<f64>,
    /// How many times the price of its first offer a transaction's replacements may pay.
    pub max_raise: Option<u32>,
    /// How far the node's count of a key's transactions may be from what is known.
    pub max_nonce_distance: Option<u64>,
    /// How many gaps in a key's nonces to fill with self-transfers.
    pub max_gaps: Option<u64>,
    /// Most ether for the transactions of one key in any 24 hours: no more are begun then. What is under
    /// way may exceed it.
    pub max_cost_a_day: Option<f64>,
}

/// A signer elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerConfig {
    /// Where it answers.
    pub url: HiddenUrl,
    /// The account that it signs for.
    pub address: alloy::primitives::Address,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            rpc_urls: vec![HiddenUrl("http://127.0.0.1:8545".into())],
            quorum: 1,
            chain_id: None,
            send: true,
            keystores: vec![],
            password_file: None,
            signers: vec![],
            concurrency: 32,
            confirmations: None,
            max_fee: None,
            max_tip: None,
            max_cost: None,
            max_raise: None,
            max_nonce_distance: None,
            max_gaps: None,
            max_cost_a_day: None,
        }
    }
}

/// A schedule on which a model's subjects are scored again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshConfig {
    /// The model.
    pub model: String,
    /// When: a cron expression of five fields, in UTC.
    pub schedule: String,
    /// A command that prints a list of `{"subject", "input"}` as JSON: program and arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// Names of variables that the command has of the service's environment, beside `PATH`, `HOME`,
    /// `LANG`, `TZ` and `TMPDIR`.
    #[serde(default)]
    pub env: Vec<String>,
    /// A URL that answers the same, instead of a command.
    #[serde(default)]
    pub url: Option<HiddenUrl>,
    /// Priority of the jobs; below those of clients by default.
    #[serde(default = "behind")]
    pub priority: i64,
}

const fn behind() -> i64 {
    -10
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7878)),
            data: "verdict-data".into(),
            database: None,
            models: vec![],
            chain: ChainConfig::default(),
            prove: true,
            authenticate: true,
            batch_wait: 2.0,
            lease: 60.0,
            max_attempts: 5,
            prefetch: 4,
            max_queued: 100_000,
            max_in_flight: 32,
            valid_for: 3600,
            max_body: 1 << 20,
            rate: 2000,
            grace: 20.0,
            keep_jobs: None,
            worker_listen: None,
            webhooks: vec![],
            refresh: vec![],
        }
    }
}

/// Why settings are none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceConfigError {
    /// They cannot be read.
    #[error("{0}")]
    Read(Box<figment::Error>),
    /// There is no such file.
    #[error("there is no configuration file {0}")]
    NoFile(PathBuf),
    /// One is out of its range.
    #[error("{field} is {value}: {constraint}")]
    Value {
        /// The setting.
        field: String,
        /// Its value.
        value: String,
        /// What it has to be.
        constraint: String,
    },
}

impl ServiceConfig {
    /// The settings of a file, if one is given, the environment, and flags that are set.
    ///
    /// # Errors
    /// The file cannot be read, a name is unknown or a value of another type, or one is out of its
    /// range.
    pub fn load(file: Option<&std::path::Path>, flags: &Dict) -> Result<Self, ServiceConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ServiceConfigError::NoFile(path.to_owned()));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        let config: Self = figment
            .merge(Env::prefixed(PREFIX).split("__"))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ServiceConfigError::Read(Box::new(error)))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first one out of its range, with the range.
    pub fn validate(&self) -> Result<(), ServiceConfigError> {
        let rule = |holds: bool, field: &str, value: &dyn ToString, constraint: &str| {
            if holds {
                return Ok(());
            }
            let (field, value) = (field.to_owned(), value.to_string());
            Err(ServiceConfigError::Value { field, value, constraint: constraint.to_owned() })
        };
        let loopback = [Some(self.listen), self.worker_listen]
            .iter()
            .flatten()
            .all(|address| address.ip().is_loopback());
        rule(
            self.authenticate || loopback,
            "authenticate",
            &self.authenticate,
            "without tokens only a loopback address can be served",
        )?;
        // The budget of a day looks back as far.
        let fits = self.keep_jobs.is_none_or(|days| (2.0..=36_500.0).contains(&days));
        rule(fits, "keep_jobs", &self.keep_jobs.unwrap_or_default(), "must be 2 to 36500 days")?;
        if let Some(HiddenUrl(url)) = &self.database {
            let postgres =
                ["postgres://", "postgresql://"].iter().find_map(|s| url.strip_prefix(s));
            // Its value may hold a password: it is not shown.
            rule(postgres.is_some(), "database", &"not shown", "must begin with postgres://")?;
            let login = postgres.and_then(|rest| rest.split_once('@')).map(|(login, _)| login);
            rule(
                login.is_none_or(|login| !login.contains(':')) && !url.contains("password="),
                "database",
                &"not shown",
                "holds a password: give it in the environment variable PGPASSWORD",
            )?;
        }
        for (value, field, most) in [
            (self.batch_wait, "batch_wait", 86_400.0),
            (self.lease, "lease", 86_400.0),
            (self.grace, "grace", 3600.0),
        ] {
            let least = if field == "lease" { 0.5 } else { 0.0 };
            let constraint = format!("must be {least} to {most} seconds");
            rule((least..=most).contains(&value), field, &value, &constraint)?;
        }
        for (value, field, range) in [
            (u64::from(self.max_attempts), "max_attempts", 1..=1000),
            (self.prefetch as u64, "prefetch", 1..=1000),
            (self.max_queued, "max_queued", 1..=100_000_000),
            (self.max_in_flight as u64, "max_in_flight", 1..=1000),
            (self.chain.concurrency as u64, "chain.concurrency", 1..=256),
            (self.valid_for, "valid_for", 30..=30 * 86_400),
            (self.max_body as u64, "max_body", 1024..=1 << 30),
            (u64::from(self.rate), "rate", 1..=1_000_000),
        ] {
            let constraint = format!("must be {} to {}", range.start(), range.end());
            rule(range.contains(&value), field, &value, &constraint)?;
        }
        for (value, field) in [
            (self.chain.max_fee, "chain.max_fee"),
            (self.chain.max_tip, "chain.max_tip"),
            (self.chain.max_cost, "chain.max_cost"),
            (self.chain.max_cost_a_day, "chain.max_cost_a_day"),
        ] {
            let fits = value.is_none_or(|value| (1e-9..=1e9).contains(&value));
            rule(fits, field, &value.unwrap_or_default(), "must be 10^-9 to 10^9")?;
        }
        for (value, field, range) in [
            (self.chain.max_raise.map(u64::from), "chain.max_raise", 2..=1000),
            (self.chain.max_nonce_distance, "chain.max_nonce_distance", 1..=1_000_000),
            (self.chain.max_gaps, "chain.max_gaps", 0..=10_000),
        ] {
            let constraint = format!("must be {} to {}", range.start(), range.end());
            let fits = value.is_none_or(|value| range.contains(&value));
            rule(fits, field, &value.unwrap_or_default(), &constraint)?;
        }
        rule(!self.chain.rpc_urls.is_empty(), "chain.rpc_urls", &"empty", "needs an endpoint")?;
        let quorum = (1..=self.chain.rpc_urls.len()).contains(&self.chain.quorum);
        let constraint = "must be 1 to the number of `chain.rpc_urls`";
        rule(quorum, "chain.quorum", &self.chain.quorum, constraint)?;
        for origin in &self.webhooks {
            let host = ["https://", "http://"].iter().find_map(|s| origin.strip_prefix(s));
            let plain =
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '@', '?']));
            rule(plain, "webhooks", origin, "must be origins, for example https://hooks.example")?;
        }
        for refresh in &self.refresh {
            let one = refresh.command.is_empty() != refresh.url.is_none();
            rule(one, "refresh", &refresh.model, "needs either a command or a url")?;
            let schedule = crate::refresh::parse(&refresh.schedule);
            let told = schedule.err().unwrap_or_default();
            rule(told.is_empty(), "refresh.schedule", &refresh.schedule, &told)?;
            for name in &refresh.env {
                // The service's own are its keys and tokens.
                let own = name.to_ascii_uppercase().starts_with("VERDICT_");
                let plain = !name.is_empty() && !name.contains(['=', '\0']) && !own;
                let constraint = "must be names of variables, and none of the service's own";
                rule(plain, "refresh.env", name, constraint)?;
            }
        }
        Ok(())
    }

    /// A number of seconds in milliseconds.
    pub(crate) fn ms(seconds: f64) -> u64 {
        (seconds * 1000.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use figment::value::Value;

    use super::*;

    #[test]
    fn every_field_out_of_range_is_named() {
        type Spoil = fn(&mut ServiceConfig);
        let cases: &[(&str, Spoil)] = &[
            ("authenticate", |c| {
                c.authenticate = false;
                c.listen = SocketAddr::from(([0, 0, 0, 0], 80));
            }),
            ("database", |c| c.database = Some(HiddenUrl("mysql://x".into()))),
            ("database", |c| c.database = Some(HiddenUrl("postgres://me:hunter2@host/db".into()))),
            ("database", |c| {
                c.database = Some(HiddenUrl("postgres://me@host/db?password=hunter2".into()));
            }),
            ("batch_wait", |c| c.batch_wait = -1.0),
            ("lease", |c| c.lease = 0.0),
            ("lease", |c| c.lease = f64::NAN),
            ("grace", |c| c.grace = 1e9),
            ("keep_jobs", |c| c.keep_jobs = Some(1.0)),
            ("authenticate", |c| {
                c.authenticate = false;
                c.worker_listen = Some(SocketAddr::from(([0, 0, 0, 0], 80)));
            }),
            ("max_attempts", |c| c.max_attempts = 0),
            ("prefetch", |c| c.prefetch = 0),
            ("max_queued", |c| c.max_queued = 0),
            ("max_in_flight", |c| c.max_in_flight = 0),
            ("chain.concurrency", |c| c.chain.concurrency = 0),
            ("valid_for", |c| c.valid_for = 1),
            ("max_body", |c| c.max_body = 1),
            ("rate", |c| c.rate = 0),
            ("chain.max_fee", |c| c.chain.max_fee = Some(f64::INFINITY)),
            ("chain.max_cost", |c| c.chain.max_cost = Some(0.0)),
            ("chain.rpc_urls", |c| c.chain.rpc_urls.clear()),
            ("chain.quorum", |c| c.chain.quorum = 2),
            ("chain.max_raise", |c| c.chain.max_raise = Some(1)),
            ("chain.max_nonce_distance", |c| c.chain.max_nonce_distance = Some(0)),
            ("chain.max_gaps", |c| c.chain.max_gaps = Some(10_001)),
            ("webhooks", |c| c.webhooks = vec!["https://host/path".into()]),
            ("webhooks", |c| c.webhooks = vec!["ftp://host".into()]),
            ("refresh", |c| c.refresh = vec![refresh("0 * * * *", &[])]),
            ("refresh.env", |c| {
                let env = vec!["VERDICT_PRIVATE_KEY".into()];
                c.refresh = vec![RefreshConfig { env, ..refresh("0 * * * *", &["true"]) }];
            }),
            ("refresh.schedule", |c| c.refresh = vec![refresh("whenever", &["true"])]),
        ];
        ServiceConfig::default().validate().expect("the default");
        for &(field, spoil) in cases {
            let mut config = ServiceConfig::default();
            spoil(&mut config);
            let error = config.validate().expect_err(field).to_string();
            assert!(error.starts_with(field), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    fn refresh(schedule: &str, command: &[&str]) -> RefreshConfig {
        let command = command.iter().map(ToString::to_string).collect();
        let (model, schedule) = ("m".into(), schedule.into());
        RefreshConfig { model, schedule, command, env: vec![], url: None, priority: 0 }
    }

    #[test]
    fn the_example_lists_every_setting_and_is_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/serve.toml.example");
        let text = std::fs::read_to_string(path).expect("it is there");
        let figment = Figment::from(Serialized::defaults(ServiceConfig::default()));
        let config: ServiceConfig = figment.merge(Toml::string(&text)).extract().expect("settings");
        config.validate().expect("valid");
        let is_there = |name: &str| {
            text.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name} =")))
        };
        let all = Value::serialize(ServiceConfig::default()).expect("settings");
        let all = all.into_dict().expect("a section");
        let chain = all["chain"].as_dict().expect("a section");
        let sections = ["models", "chain", "refresh", "signers"];
        for name in all.keys().chain(chain.keys()) {
            assert!(sections.contains(&name.as_str()) || is_there(name), "{name}");
        }
    }

    #[test]
    fn flags_go_before_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, "max_queued = 5\nrate = 7\n[[models]]\nsetup = \"s\"\n")
            .expect("written");
        let flags = Dict::from([("rate".to_owned(), Value::from(9))]);
        let config = ServiceConfig::load(Some(&path), &flags).expect("valid");
        assert_eq!((config.max_queued, config.rate), (5, 9));
        assert_eq!(config.models[0].setup, PathBuf::from("s"));
        std::fs::write(&path, "max_quued = 5\n").expect("written");
        let error = ServiceConfig::load(Some(&path), &Dict::new()).expect_err("unknown");
        assert!(error.to_string().contains("max_quued"), "{error}");
        let missing = folder.path().join("none.toml");
        let error = ServiceConfig::load(Some(&missing), &Dict::new()).expect_err("none");
        assert!(error.to_string().contains("none.toml"), "{error}");
    }
}
