//! The database: every job, its story, its proof. What a state is, it says, and nobody else.
//!
//! SQLite by default, in one file with write-ahead logging and `synchronous = FULL`; PostgreSQL when
//! one machine is not enough. Each change of a state is one transaction with its event, and names
//! the state (and the lease) that it starts from: whoever comes too late changes nothing.
//!
//! # Why the queue is a column
//! A queue of a library's (apalis was read, its SQLite and PostgreSQL storages resolve beside ours)
//! keeps tasks in a table of its own, acknowledged in a transaction of its own: a job would have two
//! states, and a process that dies between two writes leaves them apart. It knows neither that jobs
//! about one subject go one after the other nor that up to N of a model make one proof, and counts
//! a worker's life in whole seconds for all its tasks. A lease is two columns in the job's row; taking,
//! renewing, losing and ending it are the four statements of `queue`.

mod deliveries;
mod intake;
mod lists;
mod queue;
mod relay;
mod retention;
mod retry;
mod rows;
mod schema;
mod tokens;

use std::{
    fmt,
    path::Path,
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Any, AnyPool, AssertSqlSafe, Connection, Row, SqlSafeStr, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use thiserror::Error;
use tokio::sync::Notify;
use verdict_relayer::clock::Clock;

use crate::job::{Event, Job, Reason, ReasonCode, State};

pub use deliveries::Delivery;
pub use intake::{Accepted, Intake, IntakeError, NewBundle, NewJob};
pub use lists::{Filter, Sample};
pub use queue::{AT_A_TIME, Claimed, Claims, Done, Then};
pub use relay::{Outcome, Relay};
pub use tokens::{Scope, Token, TokenError, hash, new_secret};

type Result<T> = std::result::Result<T, StoreError>;

/// Why the database did not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be opened.
    #[error("the database {place} cannot be opened: {source}")]
    Open {
        /// Where, without a password.
        place: String,
        /// Why.
        source: Box<sqlx::Error>,
    },
    /// It failed.
    #[error("the database failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// It holds what this program does not write.
    #[error("the database holds {value} in {column}, which this version does not write")]
    Corrupt {
        /// Where.
        column: &'static str,
        /// What.
        value: String,
    },
    /// There is no such job.
    #[error("there is no job {}", shown(.0))]
    NoJob(String),
    /// The job's state does not allow it.
    #[error("job {id} is {state}: {why}")]
    WrongState {
        /// The job.
        id: String,
        /// Its state.
        state: State,
        /// What it would take.
        why: &'static str,
    },
}

impl StoreError {
    /// Whether another process was faster: it has what may be there once only.
    pub fn is_taken(&self) -> bool {
        let Self::Failed(sqlx::Error::Database(error)) = self else { return false };
        error.is_unique_violation()
    }

    /// Whether PostgreSQL ended a transaction for another one's sake (a deadlock, an order that cannot
    /// be kept): nothing is done, and it may be done again.
    fn is_passing(&self) -> bool {
        let Self::Failed(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| ["40P01", "40001"].contains(&code.as_ref()))
    }
}

/// What a client has sent, as far as it is shown to him again.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// The service's database.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    /// For questions, which then wait for no writer; of PostgreSQL, the same.
    reading: AnyPool,
    /// For tokens: lists, however many, keep nobody at the door.
    door: AnyPool,
    dialect: Dialect,
    clock: Arc<dyn Clock>,
    changed: Arc<Notify>,
    ids: Arc<Mutex<ulid::Generator>>,
    /// When it was last written to for trial.
    pinged_ms: Arc<AtomicU64>,
    /// What was counted last, and when.
    counted: Arc<tokio::sync::Mutex<Option<lists::Counted>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

/// What comes before the key of a job that ended without a record, and with it of no other.
fn ended(id: &str) -> String {
    format!("ended:{id}:")
}

/// Connections to a SQLite file.
fn sqlite_pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in [
                    "PRAGMA busy_timeout = 10000",
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                ] {
                    sqlx::query(pragma).fetch_all(&mut *connection).await?;
                }
                Ok(())
            })
        })
        // SQLite ends a transaction by itself when the disk is full, and the connection that was in it
        // is of no more use: another one is opened.
        .before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
}

/// Connections, not made yet.
struct Pools {
    pool: AnyPoolOptions,
    reading: Option<AnyPoolOptions>,
    door: AnyPoolOptions,
}

impl Store {
    /// Opens a SQLite file, which is made if there is none.
    ///
    /// # Errors
    /// [`StoreError::Open`].
    pub async fn sqlite(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let place = path.display().to_string();
        let url = format!("sqlite://{}?mode=rwc", place.replace('%', "%25").replace('?', "%3F"));
        // One writes at a time; those who only read see what was written.
        let (pool, reading) = (sqlite_pool(1), sqlite_pool(3));
        let pools = Pools { pool, reading: Some(reading), door: sqlite_pool(1) };
        Self::open(pools, &url, place, Dialect::Sqlite, clock).await
    }

    /// Opens the database of a `postgres://` address.
    ///
    /// # Errors
    /// [`StoreError::Open`], which names the address without its password.
    pub async fn postgres(url: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
        let place = place.split_once('?').map_or(place, |(place, _)| place).to_owned();
        let connections = |most| {
            let pool = AnyPoolOptions::new().max_connections(most);
            pool.acquire_timeout(Duration::from_secs(10))
        };
        let pools = Pools { pool: connections(8), reading: None, door: connections(1) };
        Self::open(pools, url, place, Dialect::Postgres, clock).await
    }

    async fn open(
        pools: Pools,
        url: &str,
        place: String,
        dialect: Dialect,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let fail =
            |source: sqlx::Error| StoreError::Open { place: place.clone(), source: source.into() };
        let options = AnyConnectOptions::from_str(url).map_err(fail)?;
        let pool = pools.pool.connect_with(options.clone()).await.map_err(fail)?;
        schema::migrator()
            .run(&pool)
            .await
            .map_err(|error| fail(sqlx::Error::Migrate(Box::new(error))))?;
        let reading = match pools.reading {
            Some(reading) => reading.connect_with(options.clone()).await.map_err(fail)?,
            None => pool.clone(),
        };
        let door = pools.door.connect_with(options).await.map_err(fail)?;
        let (changed, ids) = (Arc::new(Notify::new()), Arc::default());
        let (pinged_ms, counted) = (Arc::default(), Arc::default());
        Ok(Self { pool, reading, door, dialect, clock, changed, ids, pinged_ms, counted })
    }

    /// Closes it.
    pub async fn close(&self) {
        self.door.close().await;
        self.reading.close().await;
        self.pool.close().await;
    }

    /// Whether it can be written to.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        // What can be read may not be written: a full disk, a database that is locked. Asked by
        // anyone, it is tried once a second.
        let now = self.now_ms();
        if now.saturating_sub(self.pinged_ms.load(Ordering::Relaxed)) < 1000 {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ('ping', $1)
             ON CONFLICT (name) DO UPDATE SET value = $1",
        )
        .bind(now.to_string())
        .execute(&self.pool)
        .await?;
        self.pinged_ms.store(now, Ordering::Relaxed);
        Ok(())
    }

    /// Remembers a fact of this name, and returns the one that was remembered first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn fact(&self, name: &str, value: &str) -> Result<String> {
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(value)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT value FROM facts WHERE name = $1")
            .bind(name)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get("value")?)
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns when this process changed something, or `most` is over: another process may have.
    pub async fn changed(&self, most: Duration) {
        tokio::select! {
            () = self.changed.notified() => {}
            () = self.clock.sleep(most) => {}
        }
    }

    fn tell(&self) {
        self.changed.notify_waiters();
    }

    /// A transaction that writes.
    async fn begin(&self) -> Result<Transaction<'static, Any>> {
        Ok(match self.dialect {
            // So that it waits for other processes at its start, where it can.
            Dialect::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.pool.begin().await?,
        })
    }

    /// A statement, of which `{skip}` is what keeps two processes off one row, and `{lock}` what makes
    /// one wait for the other.
    fn taking(&self, statement: &str) -> impl SqlSafeStr + use<> {
        let (skip, lock) = match self.dialect {
            Dialect::Sqlite => ("", ""),
            Dialect::Postgres => ("FOR UPDATE SKIP LOCKED", "FOR UPDATE"),
        };
        AssertSqlSafe(statement.replace("{skip}", skip).replace("{lock}", lock))
    }

    /// A job.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn job(&self, id: &str) -> Result<Job> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reading)
            .await?;
        rows::job(&row.ok_or_else(|| StoreError::NoJob(id.to_owned()))?)
    }

    /// A job's story from after event `after`, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn events(&self, id: &str, after: u64) -> Result<Vec<Event>> {
        let found = sqlx::query("SELECT * FROM events WHERE job_id = $1 AND seq > $2 ORDER BY seq")
            .bind(id)
            .bind(rows::integer(after))
            .fetch_all(&self.reading)
            .await?;
        found.iter().map(rows::event).collect()
    }

    /// A stored proof, as JSON.
    ///
    /// # Errors
    /// The database fails.
    pub async fn bundle(&self, id: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT body FROM bundles WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reading)
            .await?;
        Ok(row.map(|row| row.try_get("body")).transpose()?)
    }

    /// Cancels a job. One that is queued or being proven ends at once; what is on its way to the
    /// chain is replaced by the relayer, if it still can.
    ///
    /// # Errors
    /// It is done already, in a block, or shares its proof with others.
    pub async fn cancel(&self, id: &str, by: &str) -> Result<Job> {
        let reason = Reason::new(ReasonCode::Cancelled, "cancelled on request");
        let mut tx = self.begin().await?;
        let job = self.locked(&mut tx, id).await?;
        let wrong = |why| StoreError::WrongState { id: id.to_owned(), state: job.state, why };
        match job.state {
            State::Queued | State::Proving => {
                self.end(&mut tx, id, State::Cancelled, &reason, by).await?;
            }
            State::Proved | State::Submitted if !job.state.is_terminal(job.kind) => {
                let bundle = job.bundle.clone().unwrap_or_default();
                let others = sqlx::query("SELECT COUNT(*) AS n FROM jobs WHERE bundle = $1")
                    .bind(&bundle)
                    .fetch_one(&mut *tx)
                    .await?;
                if rows::unsigned(&others, "n")? > 1 {
                    return Err(wrong("its proof is that of a batch, which goes as a whole"));
                }
                sqlx::query("UPDATE bundles SET cancel = 1 WHERE id = $1 AND relay = 'wanted'")
                    .bind(&bundle)
                    .execute(&mut *tx)
                    .await?;
            }
            State::Included => return Err(wrong("its transaction is in a block")),
            _ => return Err(wrong("it is done")),
        }
        tx.commit().await?;
        self.tell();
        self.job(id).await
    }

    /// A job that nobody else changes until the transaction ends.
    async fn locked(&self, tx: &mut Transaction<'static, Any>, id: &str) -> Result<Job> {
        let statement = self.taking("SELECT * FROM jobs WHERE id = $1 {lock}");
        let row = sqlx::query(statement).bind(id).fetch_optional(&mut **tx).await?;
        rows::job(&row.ok_or_else(|| StoreError::NoJob(id.to_owned()))?)
    }

    /// Ends a job without a record: frees its lane and a key that is none of its client's choice, so that
    /// it can be asked for again, and queues what its client wants to hear of it.
    async fn end(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
        state: State,
        reason: &Reason,
        by: &str,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET state = $1, reason = $2, lane = NULL, lease = NULL, updated_ms = $3,
                    input = CASE WHEN keep_input = 1 THEN input END,
                    idempotency_key = CASE WHEN idempotency_key LIKE 'request:%'
                                             OR idempotency_key LIKE 'bundle:%'
                                           THEN $5 || idempotency_key ELSE idempotency_key END
             WHERE id = $4",
        )
        .bind(state.name())
        .bind(rows::json(reason))
        .bind(rows::integer(self.now_ms()))
        .bind(id)
        .bind(ended(id))
        .execute(&mut **tx)
        .await?;
        self.event(tx, id, state, Some(reason), Some(by)).await?;
        self.announce(tx, id).await
    }

    /// Writes a line of a job's story.
    async fn event(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
        state: State,
        reason: Option<&Reason>,
        by: Option<&str>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO events (job_id, seq, at_ms, state, reason, by_whom)
             SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5 FROM events WHERE job_id = $1",
        )
        .bind(id)
        .bind(rows::integer(self.now_ms()))
        .bind(state.name())
        .bind(reason.map(rows::json))
        .bind(by)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
