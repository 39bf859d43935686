//! What goes to a chain.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};

use alloy::primitives::{Address, B256};
use pyo3::{prelude::*, types::PyType};
use serde::{Deserialize, Serialize};
use verdict::{
    AttestRequest, Attestors, Chain, ChainError, ChainReader, Contracts, DeployOptions, Error,
    NodeOptions, Progress, PublicSetup, RelayerSigner, RpcUrl, ScoreDirection, accept_signer,
    is_development, next_nonces, read_attestation, read_commitments, salts, write_attestation,
};
use verdict_relayer::{
    Finality, Node, RelayerConfig, Storage,
    backend::ChainBackend,
    devchain::{DevChain, DevChainOptions},
    signer::PasswordSource,
};

use crate::{
    error::{Failure, Outcome},
    model::json,
    proof::{Proof, request},
    setup::{Setup, read},
    work::{self, Task},
};

/// An address, or what of an argument is none.
pub(crate) fn address(name: &str, text: &str) -> Outcome<Address> {
    let address: Address = text.parse().map_err(|_| {
        Failure::usage(format!("{name} is {text:?}, which is no address"))
            .hint("an address is 0x and 40 hexadecimal digits")
    })?;
    // Digits of one case have no checksum (EIP-55).
    let digits = text.trim_start_matches("0x");
    let mixed = digits.contains(|c: char| c.is_ascii_uppercase())
        && digits.contains(|c: char| c.is_ascii_lowercase());
    let checked = address.to_checksum(None);
    if mixed && checked.trim_start_matches("0x") != digits {
        return Err(Failure::usage(format!(
            "{name} is {text:?}, whose checksum (EIP-55) is wrong: a digit is mistaken"
        ))
        .hint("copy the address again; in lowercase it is taken without a checksum"));
    }
    Ok(address)
}

/// Senders that something of this process sends with now.
type Senders = Mutex<HashMap<(u64, Address), Arc<tokio::sync::Mutex<()>>>>;
static SENDERS: LazyLock<Senders> = LazyLock::new(Mutex::default);

/// A chain, and the turn of its sender: a second thread of this process waits for it, as the lock of
/// the sender's file is for other processes.
struct Connected {
    chain: Chain,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

async fn turn(chain_id: u64, sender: Address) -> tokio::sync::OwnedMutexGuard<()> {
    let of_sender = {
        let mut senders = SENDERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        senders.entry((chain_id, sender)).or_default().clone()
    };
    of_sender.lock_owned().await
}

/// Takes no exception for one that asks a chain.
fn chain_error(error: impl Into<ChainError>) -> Failure {
    Error::from(error.into()).into()
}

/// A sending key. It is never shown.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Account {
    signer: RelayerSigner,
}

#[pymethods]
impl Account {
    /// The key in an environment variable.
    #[classmethod]
    #[pyo3(signature = (variable="VERDICT_PRIVATE_KEY"))]
    fn from_env(_class: &Bound<'_, PyType>, variable: &str) -> PyResult<Self> {
        Ok(Self { signer: RelayerSigner::from_env(variable).map_err(Failure::from)? })
    }

    /// The key in an encrypted keystore file, whose password is the first line of a file, or in an
    /// environment variable.
    #[classmethod]
    #[pyo3(signature = (path, password_file=None, password_variable="VERDICT_KEYSTORE_PASSWORD"))]
    fn from_keystore(
        class: &Bound<'_, PyType>,
        path: PathBuf,
        password_file: Option<PathBuf>,
        password_variable: &str,
    ) -> PyResult<Self> {
        let password = match password_file {
            Some(file) => PasswordSource::File(file),
            None => PasswordSource::Env(password_variable.to_owned()),
        };
        work::run(class.py(), None, move |_| {
            Ok(Self { signer: RelayerSigner::from_keystore(&path, &password)? })
        })
    }

    /// Its address.
    #[getter]
    fn address(&self) -> String {
        self.signer.address().to_string()
    }

    fn __repr__(&self) -> String {
        format!("Account({})", self.signer.address())
    }
}

/// A local development chain.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct LocalChain {
    url: String,
    chain: Arc<Mutex<Option<DevChain>>>,
}

impl LocalChain {
    /// Works on the running chain; nothing else does meanwhile.
    fn with<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Task, &DevChain) -> Outcome<T> + Send + 'static,
    ) -> PyResult<T> {
        let chain = self.chain.clone();
        work::run(py, None, move |task| {
            let chain = chain.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match &*chain {
                Some(chain) => work(task, chain),
                None => Err(Failure::new("the local chain is stopped")),
            }
        })
    }
}

#[pymethods]
impl LocalChain {
    /// Starts anvil, found in a node_modules above the working directory or on PATH.
    #[staticmethod]
    #[pyo3(signature = (anvil=None, port=0))]
    fn start(py: Python<'_>, anvil: Option<PathBuf>, port: u16) -> PyResult<Self> {
        work::run(py, None, move |_| {
            let options = DevChainOptions { binary: anvil, port, ..DevChainOptions::default() };
            let chain = DevChain::start(&options)?;
            Ok(Self { url: chain.url().to_owned(), chain: Arc::new(Mutex::new(Some(chain))) })
        })
    }

    /// Its URL.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// A new random key with so many ether.
    fn account(&self, py: Python<'_>, ether: u64) -> PyResult<Account> {
        self.with(py, move |task, chain| {
            let key = task.wait_for(async { Ok(chain.funded_key(ether).await?) })?;
            Ok(Account { signer: key.into() })
        })
    }

    /// Lets so many seconds pass, and mines a block.
    fn pass_time(&self, py: Python<'_>, seconds: u64) -> PyResult<()> {
        self.with(py, move |task, chain| {
            task.wait_for(async {
                chain.rpc::<_, serde_json::Value>("evm_increaseTime", (seconds,)).await?;
                chain.rpc::<_, serde_json::Value>("evm_mine", ()).await?;
                Ok(())
            })
        })
    }

    /// Stops it. A stopped one stays stopped.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let chain = self.chain.clone();
        work::run(py, None, move |_| {
            drop(chain.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
            Ok(())
        })
    }
}

/// How a chain is reached.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    rpc_urls: Vec<String>,
    chain_id: Option<u64>,
    confirmations: Option<u64>,
    database: Option<PathBuf>,
}

impl Reach {
    fn parse(text: &str) -> Outcome<Self> {
        Ok(serde_json::from_str(text)?)
    }

    fn node(&self, chain_id: Option<u64>) -> NodeOptions {
        let rpc_urls = self.rpc_urls.iter().map(|url| RpcUrl::from(url.as_str())).collect();
        NodeOptions { rpc_urls, chain_id: self.chain_id.or(chain_id), ..NodeOptions::default() }
    }

    /// Connects with the settings that the command line has by default.
    async fn connect(&self, signer: &RelayerSigner) -> Outcome<Connected> {
        let node = self.node(None);
        let connected = Arc::new(Node::new(node.clone()).map_err(chain_error)?);
        let chain_id = connected.chain_id().await.map_err(chain_error)?;
        let mut config = match is_development(chain_id) {
            true => RelayerConfig { node, ..RelayerConfig::development("") },
            false => RelayerConfig { node, ..RelayerConfig::default() },
        };
        if let Some(blocks) = self.confirmations {
            config.finality = Finality::Confirmations(blocks);
        }
        let (sender, file) = (signer.address(), self.database.as_deref());
        let turn = turn(chain_id, sender).await;
        let storage = Storage::of_sender(connected.as_ref(), sender, file).await;
        let storage = storage.map_err(chain_error)?;
        let chain = Chain::open(connected, config, signer.clone(), storage).await;
        Ok(Connected { chain: chain.map_err(chain_error)?, _turn: turn })
    }
}

/// Requests about subjects, with the nonces given or the next ones that the chain says, as JSON.
#[pyfunction]
#[pyo3(signature = (setup, reach, subjects, nonces=None, valid_for=3600))]
pub(crate) fn next_nonce(
    py: Python<'_>,
    setup: &Setup,
    reach: &str,
    subjects: Vec<String>,
    nonces: Option<Vec<u64>>,
    valid_for: u64,
) -> PyResult<String> {
    let (public, reach) = (setup.public.clone(), Reach::parse(reach)?);
    work::run(py, None, move |task| {
        let deployment = public.deployment().map_err(Error::from)?;
        let parsed: Outcome<Vec<Address>> =
            subjects.iter().map(|subject| address("subject", subject)).collect();
        let parsed = parsed?;
        let nonces = match nonces {
            Some(nonces) if nonces.len() == parsed.len() => nonces,
            Some(nonces) => {
                let (got, expected) = (nonces.len(), parsed.len());
                return Err(Failure::usage(format!("{got} nonces for {expected} subjects")));
            }
            None => task
                .wait(async {
                    let node = reach.node(Some(deployment.chain_id));
                    let chain = ChainReader::connect(node).await.map_err(Error::from)?;
                    next_nonces(&chain, &deployment, parsed).await
                })
                .map_err(|failure| failure.hint("give a node with rpc_url, or the nonce"))?,
        };
        let each = subjects.iter().zip(nonces);
        let each: Outcome<Vec<String>> =
            each.map(|(own, nonce)| request(&deployment, own, nonce, valid_for)).collect();
        Ok(format!("[{}]", each?.join(",")))
    })
}

/// What a deployment reuses and decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deploy {
    registry: Option<String>,
    oracle: Option<String>,
    time_to_live: u64,
    score: Score,
    attestors: Vec<String>,
    threshold: Option<u8>,
    signers: Option<String>,
    schema: Option<B256>,
    source: Option<String>,
    partial: bool,
    force_insecure_srs: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Score {
    Unspecified,
    HigherIsBetter,
    LowerIsBetter,
}

impl Deploy {
    fn options(&self) -> Outcome<DeployOptions> {
        let optional = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| address(name, text)).transpose()
        };
        let attestors = match self.threshold {
            Some(threshold) => Some(Attestors {
                signers: optional("signers", &self.signers)?,
                propose: self
                    .attestors
                    .iter()
                    .map(|own| address("attestors", own))
                    .collect::<Outcome<_>>()?,
                threshold,
                schema: self.schema,
            }),
            None if self.attestors.is_empty()
                && self.signers.is_none()
                && self.schema.is_none() =>
            {
                None
            }
            None => return Err(Failure::usage("attestors, signers and schema need a threshold")),
        };
        Ok(DeployOptions {
            registry: optional("registry", &self.registry)?,
            oracle: optional("oracle", &self.oracle)?,
            time_to_live: self.time_to_live,
            score: match self.score {
                Score::Unspecified => ScoreDirection::Unspecified,
                Score::HigherIsBetter => ScoreDirection::HigherIsBetter,
                Score::LowerIsBetter => ScoreDirection::LowerIsBetter,
            },
            attestors,
            source: optional("source", &self.source)?,
            partial: self.partial,
            force_insecure_srs: self.force_insecure_srs,
        })
    }
}

/// Deploys a setup, as JSON options say. Returns where everything is, as JSON.
#[pyfunction]
#[pyo3(signature = (setup, account, reach, options, solc=None, progress=None))]
pub(crate) fn deploy(
    py: Python<'_>,
    setup: &Setup,
    account: &Account,
    reach: &str,
    options: &str,
    solc: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let (public, signer, reach) =
        (setup.public.clone(), account.signer.clone(), Reach::parse(reach)?);
    let options: Deploy = serde_json::from_str(options).map_err(Failure::from)?;
    let options = options.options()?;
    work::run(py, progress, move |task| {
        let contracts = verdict::step(task, "compile the Solidity verifier", || {
            Contracts::new(&public, solc.as_deref())
        })?;
        let deployed = task.wait_for(async {
            let connected = reach.connect(&signer).await?;
            Ok(verdict::deploy(&public, &contracts, &connected.chain, &options, task).await?)
        })?;
        contracts.write_input(public.folder())?;
        let gas: u64 = deployed.steps.iter().filter_map(|step| step.gas).sum();
        task.note(&format!("{} gas in all", verdict::figures::grouped(gas)));
        json(&deployed.deployment)
    })
}

/// Takes up an oracle that somebody else deployed. Returns where everything is, as JSON.
#[pyfunction]
#[pyo3(signature = (setup, reach, oracle, model_id=None, solc=None, progress=None))]
pub(crate) fn attach(
    py: Python<'_>,
    setup: &Setup,
    reach: &str,
    oracle: &str,
    model_id: Option<u64>,
    solc: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let (public, reach) = (setup.public.clone(), Reach::parse(reach)?);
    let oracle = address("oracle", oracle)?;
    work::run(py, progress, move |task| {
        let deployment = task.wait(async {
            let chain = ChainReader::connect(reach.node(None)).await.map_err(Error::from)?;
            verdict::attach(&public, &chain, oracle, model_id, solc.as_deref(), task).await
        })?;
        json(&deployment)
    })
}

/// Vouches for a sample in JSON, and writes the attestation. Returns it as JSON.
#[pyfunction]
#[pyo3(signature = (setup, account, sample, subject, out, commitment=None, valid_for=86_400, contract=None, partial=false))]
#[allow(clippy::too_many_arguments)] // Python names them.
pub(crate) fn attest(
    py: Python<'_>,
    setup: &Setup,
    account: &Account,
    sample: String,
    subject: &str,
    out: PathBuf,
    commitment: Option<PathBuf>,
    valid_for: u64,
    contract: Option<&str>,
    partial: bool,
) -> PyResult<String> {
    let (public, signer) = (setup.public.clone(), account.signer.clone());
    let subject = address("subject", subject)?;
    let contract = contract.map(|text| address("contract", text)).transpose()?;
    work::run(py, None, move |task| {
        let input = one(&public, &sample)?;
        let salt = match commitment {
            Some(path) => salts(&public, &[&input], &read_commitments(&path)?)?.pop(),
            None => None,
        };
        let request =
            AttestRequest { subject, input: &input, salt, valid_for, account: contract, partial };
        let attestation = task.wait(verdict::attest(&public, &request, &signer))?;
        write_attestation(&attestation, &out)?;
        json(&attestation)
    })
}

/// The only sample.
fn one(public: &PublicSetup, samples: &str) -> Outcome<Vec<f64>> {
    let samples = read(public, samples)?;
    samples.select(None)?;
    Ok(samples.into_iter().next().map(|sample| sample.values).unwrap_or_default())
}

/// Accepts to be one of the deployment's data providers. Returns from when on statements count,
/// Unix time.
#[pyfunction]
#[pyo3(signature = (setup, account, reach, progress=None))]
pub(crate) fn accept(
    py: Python<'_>,
    setup: &Setup,
    account: &Account,
    reach: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<u64> {
    let (public, signer, reach) =
        (setup.public.clone(), account.signer.clone(), Reach::parse(reach)?);
    work::run(py, progress, move |task| {
        task.wait_for(async {
            let connected = reach.connect(&signer).await?;
            Ok(accept_signer(&public, &connected.chain, task).await?.counts_from)
        })
    })
}

/// What the chain recorded.
#[derive(Serialize)]
struct Recorded {
    transaction: Option<B256>,
    block: Option<u64>,
    gas: Option<u64>,
    model_id: u64,
    records: Vec<OneScore>,
}

#[derive(Serialize)]
struct OneScore {
    score: f64,
    #[serde(flatten)]
    record: Named,
}

/// A record without its score in units.
#[derive(Serialize)]
struct Named {
    subject: Address,
    nonce: u64,
    updated_at: u64,
    signers: Vec<Address>,
}

/// Takes a proof to its oracle, with attestations from files, and waits until it is final. Returns
/// what is recorded, as JSON.
#[pyfunction]
#[pyo3(signature = (setup, proof, account, reach, attestations, progress=None))]
pub(crate) fn submit(
    py: Python<'_>,
    setup: &Setup,
    proof: &Proof,
    account: &Account,
    reach: &str,
    attestations: Vec<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let (public, bundle) = (setup.public.clone(), proof.bundle.clone());
    let (signer, reach) = (account.signer.clone(), Reach::parse(reach)?);
    work::run(py, progress, move |task| {
        let attestations: Result<Vec<_>, _> =
            attestations.iter().map(|path| read_attestation(path)).collect();
        let attestations = attestations?;
        // Before the node is asked anything.
        let model_id = public.deployment().map_err(Error::from)?.model_id;
        let submitted = task.wait_for(async {
            let connected = reach.connect(&signer).await?;
            Ok(verdict::submit(&public, &bundle, &attestations, &connected.chain, task).await?)
        })?;
        let unit = 10f64.powi(public.manifest().output.decimals as i32);
        let records = submitted.records.into_iter().map(|record| OneScore {
            score: record.score as f64 / unit,
            record: Named {
                subject: record.subject,
                nonce: record.nonce,
                updated_at: record.updated_at,
                signers: record.signers,
            },
        });
        let receipt = submitted.receipt;
        json(&Recorded {
            transaction: receipt.as_ref().map(|receipt| receipt.hash),
            block: receipt.as_ref().map(|receipt| receipt.block_number),
            gas: receipt.as_ref().map(|receipt| receipt.gas_used),
            model_id,
            records: records.collect(),
        })
    })
}
