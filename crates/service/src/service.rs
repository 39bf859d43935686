//! Everything together, from settings to an end in order.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use verdict::{ChainReader, EngineOptions};
use verdict_relayer::clock::{Clock, SystemClock};

use crate::{
    accept::Acceptance,
    api::{App, listen, router, worker_router},
    chains::{Base, Chains, ChainsError, look_for_oracles},
    config::{HiddenUrl, ServiceConfig},
    metrics::Metrics,
    models::{ModelError, Models},
    refresh::Refresh,
    seal::{DATA_KEY, DataKey, SealError},
    sender::Sender,
    stopped,
    store::{AT_A_TIME, Scope, Store, StoreError, TokenError, new_secret},
    webhook::{SECRET, Webhooks},
    worker::Worker,
};

/// Jobs that are deleted at a time, so that nobody waits long for it.
const FORGOTTEN: u32 = 500;
/// How long others have the database between two of these.
const BETWEEN: Duration = Duration::from_millis(50);
/// Name of the SQLite file in the data folder.
const DATABASE: &str = "service.sqlite";
/// Name of the file with the key of inputs.
const KEY_FILE: &str = "data.key";
/// Name of the file with the first token.
const TOKEN_FILE: &str = "admin.token";

/// Why there is no service.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of inputs.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The tokens.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Keys or SRS of a model.
    #[error(transparent)]
    Keys(#[from] verdict::Error),
    /// The data folder or a file in it.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Two services in one folder.
    #[error("another process uses the data folder {0}: stop it, or give --data another one")]
    InUse(PathBuf),
    /// Several processes have to have one key of inputs.
    #[error(
        "the environment variable {DATA_KEY} is empty: processes that share a database share it"
    )]
    NoDataKey,
    /// The database's inputs were sealed with another one.
    #[error("the key of inputs is not the one that this database was begun with")]
    OtherDataKey,
    /// A part of it is gone.
    #[error("a part of the service ended before it was to: {0}")]
    Ended(String),
    /// Announcements need a secret to be signed with.
    #[error("webhooks are configured, and the environment variable {SECRET} is empty")]
    NoSecret,
    /// A schedule names no model.
    #[error("refresh: there is no model {0}")]
    NoModel(String),
    /// There is no way to the chain.
    #[error(transparent)]
    Chain(Box<ChainsError>),
    /// There is no way to make connections.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl From<ChainsError> for ServiceError {
    fn from(error: ChainsError) -> Self {
        Self::Chain(Box::new(error))
    }
}

/// A service that is ready to run.
#[derive(Debug)]
pub struct Service {
    config: Arc<ServiceConfig>,
    models: Arc<Models>,
    store: Store,
    key: DataKey,
    metrics: Metrics,
    engine: EngineOptions,
    /// The name of this folder's service, for ever.
    instance: String,
    /// Held while the service uses its folder.
    _lock: std::fs::File,
}

impl Service {
    /// Opens models, database and keys.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn open(config: ServiceConfig, engine: EngineOptions) -> Result<Self, ServiceError> {
        Self::with_clock(config, engine, Arc::new(SystemClock)).await
    }

    /// The same, with another clock.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn with_clock(
        config: ServiceConfig,
        engine: EngineOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceError> {
        let models = Models::open(&config.models)?;
        for refresh in &config.refresh {
            if models.get(&refresh.model).is_none() {
                return Err(ServiceError::NoModel(refresh.model.clone()));
            }
        }
        let lock = lock(&config.data)?;
        let store = open_store(&config, clock).await?;
        let key = match std::env::var(DATA_KEY) {
            Ok(text) => DataKey::parse(&text, DATA_KEY)?,
            Err(_) if config.database.is_some() => return Err(ServiceError::NoDataKey),
            Err(_) => DataKey::of_file(&config.data.join(KEY_FILE))?,
        };
        let instance = instance(&config.data, &store)?;
        let known = key.fingerprint(b"which key");
        if store.fact("data_key", &known).await? != known {
            return Err(ServiceError::OtherDataKey);
        }
        Ok(Self {
            config: Arc::new(config),
            models: Arc::new(models),
            store,
            key,
            metrics: Metrics::default(),
            engine,
            instance,
            _lock: lock,
        })
    }

    /// The models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What its way to the chain begins with.
    pub fn data(&self) -> Base<'_> {
        let ServiceConfig { data, max_in_flight, .. } = self.config.as_ref();
        Base { data, models: &self.models, max_in_flight: *max_in_flight }
    }

    /// The key of inputs.
    pub fn data_key(&self) -> &DataKey {
        &self.key
    }

    /// Makes the first token, if there is none, and writes it to a file that only its owner reads.
    ///
    /// # Errors
    /// The database or the file.
    pub async fn first_token(&self) -> Result<Option<PathBuf>, ServiceError> {
        if !self.config.authenticate || !self.store.tokens().await?.is_empty() {
            return Ok(None);
        }
        let path = self.config.data.join(TOKEN_FILE);
        let fail = |source| ServiceError::File { path: path.clone(), source };
        let mut file = tempfile::NamedTempFile::new_in(&self.config.data).map_err(fail)?;
        // In the file before it works: whoever dies in between makes another one.
        let secret = new_secret();
        std::io::Write::write_all(&mut file, format!("{secret}\n").as_bytes()).map_err(fail)?;
        file.as_file().sync_all().map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        match self.store.admit_token("admin", &Scope::ALL, &secret).await {
            Ok(_) => {}
            // Another process was faster, and has it in its folder.
            Err(TokenError::Taken(_)) => {
                std::fs::remove_file(&path).map_err(fail)?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Some(path))
    }

    /// A worker of this process.
    pub fn worker(&self, chain: Option<ChainReader>) -> Worker {
        Worker {
            name: format!("worker-{}", self.store.new_id()),
            store: self.store.clone(),
            models: self.models.clone(),
            key: self.key.clone(),
            chain,
            engine: self.engine.clone(),
            config: self.config.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// Proves only, until `signal` is there. Whoever runs it is answered on `listener`: whether it
    /// lives, whether it works, and its metrics.
    ///
    /// # Errors
    /// The keys of a model cannot be read, or its oracle is not there.
    pub async fn work(
        self,
        listener: Option<TcpListener>,
        chain: Option<ChainReader>,
        signal: impl Future<Output = ()> + Send,
    ) -> Result<(), ServiceError> {
        if let Some(chain) = &chain {
            look_for_oracles(chain, &self.models).await?;
        }
        let worker = self.worker(chain.clone());
        let app = Arc::new(App::new(self.acceptance(chain), self.metrics.clone(), &self.config));
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if let Some(listener) = listener {
            tasks.spawn(listen(listener, worker_router(app.clone()), stopping.clone()));
        }
        worker.warm_up().await?;
        tasks.spawn(self.housekeeping(stopping.clone()));
        tasks.spawn(async move { worker.run(stopping).await });
        app.open();
        let ended = until(signal, &mut tasks).await;
        app.close();
        self.wind_up(&stop, tasks).await;
        ended
    }

    fn acceptance(&self, chain: Option<ChainReader>) -> Arc<Acceptance> {
        let (store, models, key) = (self.store.clone(), self.models.clone(), self.key.clone());
        Arc::new(Acceptance::new(store, models, key, chain, &self.config))
    }

    /// Serves on `listener` until `signal` is there, then ends in order: no new work is taken, the
    /// proof that is being made is stored, and what is on its way to the chain is left to the next
    /// start.
    ///
    /// # Errors
    /// The keys of a model cannot be read, or an address cannot be used.
    pub async fn serve(
        self,
        listener: TcpListener,
        chains: Chains,
        signal: impl Future<Output = ()> + Send,
    ) -> Result<(), ServiceError> {
        let secret = std::env::var(SECRET).unwrap_or_default();
        if !self.config.webhooks.is_empty() && secret.is_empty() {
            return Err(ServiceError::NoSecret);
        }
        let Chains { reader, senders } = chains;
        let acceptance = self.acceptance(reader.clone());
        let app = Arc::new(App::new(acceptance.clone(), self.metrics.clone(), &self.config));
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, router(app.clone()), stopping.clone()));
        tasks.spawn(self.housekeeping(stopping.clone()));
        for chain in senders {
            let (store, models) = (self.store.clone(), self.models.clone());
            let (config, metrics) = (self.config.clone(), self.metrics.clone());
            let sender = Sender::new(self.instance.clone(), store, chain, models, config, metrics);
            tasks.spawn(sender.run(stopping.clone()));
        }
        if !secret.is_empty() {
            let webhooks = Webhooks::new(self.store.clone(), self.metrics.clone(), secret)?;
            tasks.spawn(webhooks.run(stopping.clone()));
        }
        for config in self.config.refresh.clone() {
            let acceptance = acceptance.clone();
            tasks.spawn(Refresh { config, acceptance }.run(stopping.clone()));
        }
        if self.config.prove {
            let worker = self.worker(reader);
            // Whatever ends the reading of keys ends the service: nobody would prove.
            worker.warm_up().await?;
            tasks.spawn(async move { worker.run(stopping).await });
        }
        app.open();
        let ended = until(signal, &mut tasks).await;
        app.close();
        self.wind_up(&stop, tasks).await;
        ended
    }

    /// Ends everything, within the bound.
    async fn wind_up(&self, stop: &watch::Sender<bool>, mut tasks: JoinSet<()>) {
        stop.send_replace(true);
        let grace = Duration::from_millis(ServiceConfig::ms(self.config.grace));
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("not everything ended in time; what was begun is taken up later");
        }
        tasks.abort_all();
        self.store.close().await;
    }

    fn housekeeping(&self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + use<> {
        housekeeping(self.store.clone(), self.config.clone(), self.metrics.clone(), stop)
    }
}

/// Takes back what dead workers held, drops what is too late, and forgets what is long over.
async fn housekeeping(
    store: Store,
    config: Arc<ServiceConfig>,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let every = Duration::from_millis((ServiceConfig::ms(config.lease) / 4).max(250));
    while !*stop.borrow() {
        let mut more = false;
        match store.expire_leases(config.max_attempts).await {
            Ok(count) => {
                metrics.expired(count);
                more |= count >= AT_A_TIME;
            }
            Err(error) => tracing::warn!(%error, "leases are not looked at"),
        }
        match store.drop_overdue().await {
            Ok(count) => more |= count >= AT_A_TIME,
            Err(error) => tracing::warn!(%error, "deadlines are not looked at"),
        }
        if let Some(days) = config.keep_jobs {
            let before = store.now_ms().saturating_sub(ServiceConfig::ms(days * 86_400.0));
            match store.forget(before, FORGOTTEN).await {
                Ok(count) => more |= count == FORGOTTEN as usize,
                Err(error) => tracing::warn!(%error, "old jobs are not deleted"),
            }
        }
        // What is left over goes soon, and others have their turn at the database first.
        let wait = if more { BETWEEN } else { every };
        tokio::select! {
            () = store.clock().sleep(wait) => {}
            () = stopped(&mut stop) => {}
        }
    }
}

/// Returns on the signal, or when a part ends that should not: whoever started the service starts it
/// again.
async fn until(
    signal: impl Future<Output = ()> + Send,
    tasks: &mut JoinSet<()>,
) -> Result<(), ServiceError> {
    tokio::select! {
        () = signal => Ok(()),
        ended = tasks.join_next() => {
            let why = ended.and_then(Result::err).map(|error| error.to_string());
            Err(ServiceError::Ended(why.unwrap_or_default()))
        }
    }
}

/// Opens the database of some settings.
///
/// # Errors
/// It cannot be opened.
pub async fn open_store(
    config: &ServiceConfig,
    clock: Arc<dyn Clock>,
) -> Result<Store, ServiceError> {
    match &config.database {
        Some(HiddenUrl(url)) => Ok(Store::postgres(url, clock).await?),
        None => {
            create(&config.data)?;
            Ok(Store::sqlite(&config.data.join(DATABASE), clock).await?)
        }
    }
}

fn create(data: &std::path::Path) -> Result<(), ServiceError> {
    let made = verdict_relayer::storage::place::create_private(data);
    made.map_err(|source| ServiceError::File { path: data.to_owned(), source })
}

/// The data folder, for one process.
fn lock(data: &std::path::Path) -> Result<std::fs::File, ServiceError> {
    create(data)?;
    let path = data.join("lock");
    let file = std::fs::File::create(&path)
        .map_err(|source| ServiceError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServiceError::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(ServiceError::File { path, source }),
    }
}

/// The name of a data folder's service, which is made once.
fn instance(data: &std::path::Path, store: &Store) -> Result<String, ServiceError> {
    let path = data.join("instance");
    let fail = |source| ServiceError::File { path: path.clone(), source };
    if let Ok(name) = std::fs::read_to_string(&path)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let name = store.new_id();
    let mut file = tempfile::NamedTempFile::new_in(data).map_err(fail)?;
    std::io::Write::write_all(&mut file, name.as_bytes()).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(&path).map_err(|error| fail(error.error))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::Kind,
        store::{Filter, Intake, NewJob},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_past_is_forgotten_without_waiting_for_the_next_look() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(SystemClock);
        let store = Store::sqlite(&folder.path().join("db"), clock).await.expect("SQLite");
        let intake = Intake::start(store.clone(), 10_000);
        let jobs = (0..2 * FORGOTTEN + 1).map(|_| {
            let id = store.new_id();
            intake.submit(NewJob {
                kind: Kind::Proof,
                model: "credit".into(),
                subject: None,
                priority: 0,
                idempotency_key: format!("job:{id}"),
                fingerprint: "f".into(),
                input: None,
                keep_input: false,
                attestations: None,
                nonce: None,
                deadline: Some(1),
                valid_for: 3600,
                bundle: None,
                webhook: None,
                client: "tester".into(),
                id,
            })
        });
        for job in futures::future::join_all(jobs).await {
            job.expect("stored");
        }
        // They are too late, so they end at the first look; the next one is in a quarter of an hour.
        let config =
            ServiceConfig { lease: 3600.0, keep_jobs: Some(1e-9), ..ServiceConfig::default() };
        store.drop_overdue().await.expect("dropped");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (stop, stopping) = watch::channel(false);
        let keeping = housekeeping(store.clone(), Arc::new(config), Metrics::default(), stopping);
        let keeping = tokio::spawn(keeping);
        let left = Filter { limit: 1, ..Filter::default() };
        let start = std::time::Instant::now();
        while !store.jobs(&left).await.expect("jobs").is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "some are left");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.send_replace(true);
        keeping.await.expect("it ends");
        store.close().await;
    }
}
