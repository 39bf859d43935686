//! What is asked for, checked before it is a job: a client hears at once what can't be done.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alloy::primitives::{Address, keccak256};
use serde_json::{Value, json};
use thiserror::Error;
use verdict::{
    Attestation, ChainError, ChainReader, Deployment, Error as VerdictError, ProofBundle, Salt,
    Submission, next_nonce, source_inputs, verify,
};

use crate::{
    config::ServiceConfig,
    job::Kind,
    models::{InputError, Model, Models},
    seal::{DataKey, SealError},
    store::{Accepted, Intake, IntakeError, NewBundle, NewJob, Store, StoreError, shown},
    worker::Input,
};

/// Longest idempotency key.
const MAX_KEY: usize = 200;
/// Longest URL of a webhook.
const MAX_URL: usize = 2000;
/// Seconds between now and the latest deadline that an oracle records (30 days), and a minute for
/// clocks that differ.
const MAX_LIFETIME: u64 = 30 * 86_400 - 60;
/// Seconds that have to be left for a proof and its transaction.
const MIN_LIFETIME: u64 = 30;
/// How long a node may take to say what a nonce is held against.
const NONCE_TIME: Duration = Duration::from_secs(2);
/// How long a node may take to say what an input on chain is.
const SOURCE_TIME: Duration = Duration::from_secs(10);

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to do.
    pub kind: Kind,
    /// With which model.
    pub model: String,
    /// On what.
    pub input: Value,
    /// Of a model that commits to inputs, what the commitment is made with: of `verdict commit`.
    /// Without one, nobody can open it.
    pub salt: Option<Salt>,
    /// Whom the score is about.
    pub subject: Option<Address>,
    /// The request's nonce; the next one on chain if none is given.
    pub nonce: Option<u64>,
    /// The last second in which it may be recorded.
    pub deadline: Option<u64>,
    /// The larger, the earlier.
    pub priority: i64,
    /// The client's name for this order: the same one again answers the same job.
    pub idempotency_key: Option<String>,
    /// Whether the input stays stored when the proof is made.
    pub keep_input: bool,
    /// Statements of data providers.
    pub attestations: Vec<Attestation>,
    /// Where the job's end is announced.
    pub webhook: Option<String>,
    /// Who asks.
    pub client: String,
}

impl Order {
    /// An order with nothing but its input.
    pub fn new(kind: Kind, model: &str, input: Value, client: &str) -> Self {
        Self {
            kind,
            model: model.to_owned(),
            input,
            salt: None,
            subject: None,
            nonce: None,
            deadline: None,
            priority: 0,
            idempotency_key: None,
            keep_input: false,
            attestations: vec![],
            webhook: None,
            client: client.to_owned(),
        }
    }
}

/// Why an order is no job.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// There is no such model.
    #[error("there is no model {}; GET /v1/models lists them", shown(.0))]
    UnknownModel(String),
    /// The model is not deployed.
    #[error("model {0} is not deployed, so no oracle records its scores; ask for a proof alone")]
    NotDeployed(String),
    /// The input is none of the model.
    #[error("{0}")]
    Input(InputError),
    /// The deadline is too soon or too late.
    #[error("deadline {deadline} is {what}")]
    Deadline {
        /// The deadline.
        deadline: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The nonce is taken.
    #[error("nonce {nonce} is too old: the next one for {subject} is {next}")]
    NonceTooOld {
        /// The nonce.
        nonce: u64,
        /// The subject.
        subject: Address,
        /// The next one.
        next: u64,
    },
    /// The nonce is further from the last one than the oracle allows.
    #[error("nonce {nonce} is too far ahead: the next one for {subject} is {next}")]
    NonceTooFar {
        /// The nonce.
        nonce: u64,
        /// The subject.
        subject: Address,
        /// The next one.
        next: u64,
    },
    /// The model's proofs are of batches, for which the service chooses nonces.
    #[error("model {0} is proven in batches, of which the service chooses the nonces")]
    BatchNonce(String),
    /// Too few vouch for the input.
    #[error("model {model} demands statements of {threshold} data providers, {got} are given")]
    Attestations {
        /// The model.
        model: String,
        /// How many it takes.
        threshold: u8,
        /// How many there are.
        got: usize,
    },
    /// Something else in the order.
    #[error("{field}: {what}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The proof is not one that can be recorded.
    #[error("{0}")]
    Bundle(String),
    /// The node does not say what is to be proven.
    #[error("the input is read on chain, and the node does not answer: {0}")]
    Node(String),
    /// Its proof could not be looked at.
    #[error("the proof could not be verified; the log says more")]
    Verifier,
    /// It is not stored.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The input cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl AcceptError {
    /// What a program knows it by.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel(_) => "unknown_model",
            Self::NotDeployed(_) => "not_deployed",
            Self::Input(_) => "input",
            Self::Deadline { .. } => "deadline",
            Self::NonceTooOld { .. } => "nonce_too_old",
            Self::NonceTooFar { .. } => "nonce_too_far",
            Self::BatchNonce(_) => "batch_nonce",
            Self::Attestations { .. } => "attestations",
            Self::Field { .. } => "field",
            Self::Bundle(_) => "bundle",
            Self::Node(_) => "node",
            Self::Verifier => "internal",
            Self::Intake(IntakeError::Conflict { .. }) => "idempotency_conflict",
            Self::Intake(IntakeError::Full) => "queue_full",
            Self::Intake(IntakeError::Failed(_)) | Self::Seal(_) => "unavailable",
        }
    }
}

type Result<T> = std::result::Result<T, AcceptError>;

/// The way from an order to a job.
#[derive(Debug)]
pub struct Acceptance {
    store: Store,
    intake: Intake,
    models: Arc<Models>,
    key: DataKey,
    chain: Option<ChainReader>,
    webhooks: BTreeSet<String>,
    valid_for: u64,
}

impl Acceptance {
    /// Takes orders for `models`; nonces that clients choose are held against `chain`.
    pub fn new(
        store: Store,
        models: Arc<Models>,
        key: DataKey,
        chain: Option<ChainReader>,
        config: &ServiceConfig,
    ) -> Self {
        let intake = Intake::start(store.clone(), config.max_queued);
        let webhooks = config.webhooks.iter().cloned().collect();
        Self { store, intake, models, key, chain, webhooks, valid_for: config.valid_for }
    }

    /// Whether orders can be stored.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn check(&self) -> Result<()> {
        match self.intake.is_closed() {
            true => Err(IntakeError::Failed("its writer is gone".into()).into()),
            false => Ok(()),
        }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The chain, if there is one.
    pub fn chain(&self) -> Option<&ChainReader> {
        self.chain.as_ref()
    }

    /// Makes a job of an order, or finds the one that it made before. The job is on disk when this
    /// returns.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(&self, order: Order) -> Result<Accepted> {
        let unknown = || AcceptError::UnknownModel(order.model.clone());
        let model = self.models.get(&order.model).ok_or_else(unknown)?;
        let sourced = model.deployment().is_some_and(is_sourced) && order.kind == Kind::Score;
        let given = match order.input.is_null() && sourced {
            true => None,
            false => Some(model.input(&order.input).map_err(AcceptError::Input)?),
        };
        let asked = json!([order.kind, order.model, order.subject, order.nonce]).to_string();
        let values = serde_json::to_vec(&(&given, order.salt)).unwrap_or_default();
        let fingerprint = self.key.fingerprint(&[asked.as_bytes(), &values].concat());
        let own = match (model.deployment(), order.subject, order.nonce) {
            (Some(deployment), Some(subject), Some(nonce)) if order.kind == Kind::Score => {
                let Deployment { chain_id, oracle, model_id, .. } = deployment;
                let client = &order.client;
                Some(format!("request:{client}:{chain_id}:{oracle}:{model_id}:{subject}:{nonce}"))
            }
            _ => None,
        };
        let key = client_key(&order)?.or(own);
        // Whoever asks again is answered, whatever has become of nonce and deadline since.
        if let Some(key) = &key
            && let Some(job) = self.store.known(key, &fingerprint).await.map_err(failed)?
        {
            return Ok(Accepted { job: job?, new: false });
        }
        self.check_deadline(order.deadline)?;
        let deployment = match order.kind {
            Kind::Score => Some(self.check_request(model, &order).await?),
            _ => None,
        };
        let input = match (given, deployment, order.subject) {
            (Some(input), ..) => input,
            (None, Some(_), Some(subject)) => self.source_input(model, subject).await?,
            _ => vec![],
        };
        let committed = model.setup().manifest().shape.committed();
        if order.salt.is_some() && !committed {
            let what = format!("model {} does not commit to inputs", order.model);
            return Err(AcceptError::Field { field: "salt", what });
        }
        let plain = Input { values: input, salt: order.salt };
        let plain = serde_json::to_vec(&plain).unwrap_or_default();
        let id = self.store.new_id();
        let sealed = self.key.seal(&id, &plain)?;
        let job = NewJob {
            kind: order.kind,
            model: order.model.clone(),
            subject: order.subject,
            priority: check_priority(order.priority)?,
            idempotency_key: key.unwrap_or_else(|| format!("job:{id}")),
            fingerprint,
            input: Some(sealed),
            keep_input: order.keep_input,
            attestations: listed(&order.attestations),
            nonce: order.nonce,
            deadline: order.deadline,
            valid_for: self.valid_for,
            bundle: None,
            webhook: self.check_webhook(order.webhook)?,
            client: order.client,
            id,
        };
        Ok(self.intake.submit(job).await?)
    }

    /// Makes a job of a proof that was made elsewhere.
    ///
    /// # Errors
    /// It does not verify, is of no model here, or answers no request to its deployment; else as
    /// [`Self::accept`].
    pub async fn relay(self: &Arc<Self>, bundle: ProofBundle, order: Order) -> Result<Accepted> {
        let refuse = |error: &dyn ToString| AcceptError::Bundle(error.to_string());
        bundle.validate().map_err(|error| refuse(&error))?;
        let own = format!("bundle:{}:{}", order.client, keccak256(&bundle.evm_proof));
        let key = client_key(&order)?.unwrap_or(own);
        let fingerprint = self.key.fingerprint(&bundle.evm_proof);
        if let Some(job) = self.store.known(&key, &fingerprint).await.map_err(failed)? {
            return Ok(Accepted { job: job?, new: false });
        }
        let model = self.models.of_setup(bundle.model.setup_id).ok_or_else(|| {
            let what = format!("it is of setup {}, which is not served", bundle.model.setup_id);
            AcceptError::Bundle(what)
        })?;
        let name = model.name().to_owned();
        let deployment =
            model.deployment().ok_or_else(|| AcceptError::NotDeployed(name.clone()))?;
        Submission::new(deployment, &bundle, &order.attestations)
            .map_err(|error| refuse(&error))?;
        for request in bundle.answered() {
            self.check_deadline(Some(request.deadline))?;
        }
        let (own, proof, checked) = (self.clone(), bundle.clone(), name.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let model = own.models.get(&checked)?;
            Some(verify(model.setup(), &proof).map(drop).map_err(|error| error.to_string()))
        });
        match verified.await {
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(error))) => return Err(AcceptError::Bundle(error)),
            Ok(None) => return Err(AcceptError::UnknownModel(name)),
            Err(error) => {
                tracing::error!(%error, model = name, "a proof could not be verified");
                return Err(AcceptError::Verifier);
            }
        }
        let id = self.store.new_id();
        let body = serde_json::to_string(&bundle).unwrap_or_default();
        let (first, several) = (bundle.answered().first(), bundle.answered().len() > 1);
        let outputs = verdict::of_inference(&bundle.decoded, bundle.answered().len(), 0);
        let job = NewJob {
            kind: Kind::Relay,
            model: name,
            subject: first.map(|request| request.subject).filter(|_| !several),
            priority: check_priority(order.priority)?,
            idempotency_key: key,
            fingerprint,
            input: None,
            keep_input: false,
            attestations: listed(&order.attestations),
            nonce: first.map(|request| request.nonce),
            deadline: bundle.answered().iter().map(|request| request.deadline).min(),
            valid_for: self.valid_for,
            bundle: Some(NewBundle {
                body,
                outputs: serde_json::to_string(&outputs).unwrap_or_default(),
                score: bundle.outputs.first().map(ToString::to_string).unwrap_or_default(),
                deployment: deployment.clone(),
            }),
            webhook: self.check_webhook(order.webhook)?,
            client: order.client,
            id,
        };
        Ok(self.intake.submit(job).await?)
    }

    /// What has to hold of a request to an oracle.
    async fn check_request<'a>(&self, model: &'a Model, order: &Order) -> Result<&'a Deployment> {
        let name = || model.name().to_owned();
        let deployment = model.deployment().ok_or_else(|| AcceptError::NotDeployed(name()))?;
        let Some(subject) = order.subject else {
            return Err(AcceptError::Field {
                field: "subject",
                what: "a score is about one".into(),
            });
        };
        if let Some(policy) = deployment.attestations.as_ref().filter(|policy| !policy.source) {
            let (threshold, got) = (policy.threshold, order.attestations.len());
            if got < usize::from(threshold) {
                return Err(AcceptError::Attestations { model: name(), threshold, got });
            }
        }
        let Some(nonce) = order.nonce else { return Ok(deployment) };
        if model.batch() > 1 {
            return Err(AcceptError::BatchNonce(name()));
        }
        // Without an answer in time, the worker and the oracle say so later.
        if let Some(chain) = &self.chain
            && let next = next_nonce(chain, deployment, subject)
            && let Ok(Ok(next)) = tokio::time::timeout(NONCE_TIME, next).await
        {
            if nonce < next {
                return Err(AcceptError::NonceTooOld { nonce, subject, next });
            }
            if nonce - next >= verdict::MAX_NONCE_STEP {
                return Err(AcceptError::NonceTooFar { nonce, subject, next });
            }
        }
        Ok(deployment)
    }

    /// The input of a model whose oracle reads it on chain itself.
    async fn source_input(&self, model: &Model, subject: Address) -> Result<Vec<Option<f64>>> {
        let wrong = |what: String| AcceptError::Field { field: "input", what };
        let chain = self.chain.as_ref().ok_or_else(|| wrong("no node is configured".into()))?;
        let input = source_inputs(model.setup(), chain, subject);
        let input = tokio::time::timeout(SOURCE_TIME, input).await;
        let input = input.map_err(|_| {
            let seconds = SOURCE_TIME.as_secs();
            AcceptError::Node(format!("it did not answer within {seconds} s"))
        })?;
        let input = input.map_err(|error| match error {
            VerdictError::Chain(chain) if matches!(*chain, ChainError::Node(_)) => {
                AcceptError::Node(chain.to_string())
            }
            error => wrong(error.to_string()),
        })?;
        Ok(input.into_iter().map(Some).collect())
    }

    fn check_deadline(&self, deadline: Option<u64>) -> Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        let now = self.store.now_ms() / 1000;
        let what = if deadline <= now {
            format!("in the past: it is {now} now, in seconds since 1970")
        } else if deadline < now + MIN_LIFETIME {
            format!("too soon: a score takes up to {MIN_LIFETIME} seconds to be recorded")
        } else if deadline > now + MAX_LIFETIME {
            format!("too far: the oracle allows {MAX_LIFETIME} seconds from now, {now}")
        } else {
            return Ok(());
        };
        Err(AcceptError::Deadline { deadline, what })
    }

    fn check_webhook(&self, url: Option<String>) -> Result<Option<String>> {
        let Some(url) = url else { return Ok(None) };
        let wrong = |what: &str| AcceptError::Field { field: "webhook", what: what.to_owned() };
        let parsed = reqwest::Url::parse(&url).map_err(|_| wrong("it is no URL"))?;
        if url.len() > MAX_URL || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong("it is too long, or holds a name or a password"));
        }
        let origin = parsed.origin().ascii_serialization();
        if !self.webhooks.contains(&origin) {
            return Err(wrong("its origin is not among the configured ones (`webhooks`)"));
        }
        // As it was read: what was left out of it is not stored.
        Ok(Some(parsed.to_string()))
    }
}

fn failed(error: StoreError) -> AcceptError {
    AcceptError::Intake(IntakeError::Failed(error.to_string()))
}

fn is_sourced(deployment: &Deployment) -> bool {
    deployment.attestations.as_ref().is_some_and(|policy| policy.source)
}

fn listed(attestations: &[Attestation]) -> Option<String> {
    if attestations.is_empty() { None } else { serde_json::to_string(attestations).ok() }
}

fn check_priority(priority: i64) -> Result<i64> {
    match (-1000..=1000).contains(&priority) {
        true => Ok(priority),
        false => {
            Err(AcceptError::Field { field: "priority", what: "must be −1000 to 1000".into() })
        }
    }
}

/// The client's own key, which is nobody else's.
fn client_key(order: &Order) -> Result<Option<String>> {
    let Some(key) = &order.idempotency_key else { return Ok(None) };
    let fits = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| (0x20..0x7f).contains(&b));
    if fits {
        return Ok(Some(format!("client:{}:{key}", order.client)));
    }
    let what = format!("must be 1 to {MAX_KEY} printable ASCII characters");
    Err(AcceptError::Field { field: "idempotency_key", what })
}
