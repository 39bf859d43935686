//! The database: every job and every signed transaction, in one SQLite file.
//!
//! Write-ahead logging with `synchronous = FULL`: when a write returns, it survives a power
//! cut. One connection, so that statements run in the order they were issued even if the
//! future that issued one is dropped half way. Keys are never stored.

mod rows;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes, U256};
use sqlx::{
    Row, SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    error::StorageError,
    fees::Fees,
    job::{Attempt, AttemptOutcome, JobId, JobState, SubmitRequest, TxReceipt},
};
use rows::{attempt_from, integer, job_from, reason_of, unsigned};

type Result<T> = std::result::Result<T, StorageError>;

/// The sender on its chain that a relayer works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) chain_id: u64,
    pub(crate) sender: Address,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// A user's call.
    Call,
    /// A self-transfer that fills a hole in the nonces.
    Gap,
}

/// A job's row.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) request: SubmitRequest,
    pub(crate) kind: JobKind,
    pub(crate) state: JobState,
    pub(crate) nonce: Option<u64>,
    pub(crate) receipt: Option<TxReceipt>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

/// The relayer's database.
#[derive(Clone, Debug)]
pub struct Storage {
    pool: SqlitePool,
    path: PathBuf,
}

/// Holds the lock file of a sender; the operating system frees it when the process ends.
#[derive(Debug)]
pub(crate) struct SenderLock {
    _file: File,
}

/// The tables' history. A step that has run anywhere never changes.
fn migrator() -> Migrator {
    let jobs = include_str!("../../migrations/0001_jobs.sql").into_sql_str();
    let simple = MigrationType::Simple;
    Migrator::with_migrations(vec![Migration::new(1, "jobs".into(), simple, jobs, false)])
}

impl Storage {
    /// Opens the file at `path`, creating it if there is none, and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a database, or comes from a newer version.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let fail = |source| StorageError::Open { path: path.to_owned(), source: Box::new(source) };
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options)
            .await
            .map_err(fail)?;
        let migrated = migrator().run(&pool).await;
        migrated.map_err(|error| fail(sqlx::Error::Migrate(Box::new(error))))?;
        Ok(Self { pool, path: path.to_owned() })
    }

    /// Closes the file. Dropping does too, a moment later.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Takes the lock that makes this process the only owner of the sender's nonces.
    pub(crate) fn lock_sender(&self, scope: Scope) -> Result<SenderLock> {
        let Scope { chain_id, sender: address } = scope;
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{chain_id}-{address}.lock"));
        let path = PathBuf::from(path);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(source) => return Err(StorageError::Lock { path, source }),
        };
        match file.try_lock() {
            Ok(()) => Ok(SenderLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StorageError::InUse { address, chain_id, path }),
            Err(TryLockError::Error(source)) => Err(StorageError::Lock { path, source }),
        }
    }

    /// Remembers the chain's genesis block, or compares it with the one remembered.
    pub(crate) async fn check_genesis(&self, chain_id: u64, found: B256) -> Result<()> {
        let id = integer("chain_id", chain_id)?;
        sqlx::query("INSERT INTO chains (chain_id, genesis) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(found.to_string())
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT genesis FROM chains WHERE chain_id = ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        let text: String = row.try_get("genesis")?;
        let corrupt = || StorageError::Corrupt { column: "chains.genesis", value: text.clone() };
        let stored: B256 = text.parse().map_err(|_| corrupt())?;
        if stored == found {
            Ok(())
        } else {
            Err(StorageError::ForeignChain { chain_id, stored, found })
        }
    }

    /// Stores a job, or finds the one with its key. True if it is new.
    pub(crate) async fn create_job(
        &self,
        scope: Scope,
        request: &SubmitRequest,
        kind: JobKind,
        nonce: Option<u64>,
        now_ms: u64,
    ) -> Result<(Job, bool)> {
        let inserted = sqlx::query(
            "INSERT INTO jobs (chain_id, sender, idempotency_key, label, kind, target, calldata,
                               value, state, nonce, created_ms, updated_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?)
             ON CONFLICT (chain_id, sender, idempotency_key) DO NOTHING",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(&request.idempotency_key)
        .bind(&request.label)
        .bind(kind.name())
        .bind(request.to.map(|to| to.to_string()))
        .bind(request.calldata.as_ref())
        .bind(request.value.to_string())
        .bind(nonce.map(|nonce| integer("nonce", nonce)).transpose()?)
        .bind(integer("created_ms", now_ms)?)
        .bind(integer("updated_ms", now_ms)?)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query(
            "SELECT * FROM jobs WHERE chain_id = ? AND sender = ? AND idempotency_key = ?",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(&request.idempotency_key)
        .fetch_one(&self.pool)
        .await?;
        Ok((job_from(&row)?, inserted.rows_affected() == 1))
    }

    /// A job of this sender.
    pub(crate) async fn job(&self, scope: Scope, id: JobId) -> Result<Option<Job>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ? AND chain_id = ? AND sender = ?")
            .bind(id.0)
            .bind(integer("chain_id", scope.chain_id)?)
            .bind(scope.sender.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(job_from).transpose()
    }

    /// All jobs that are not done, those with a nonce first and in its order.
    pub(crate) async fn pending(&self, scope: Scope) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE chain_id = ? AND sender = ?
             AND state IN ('queued', 'submitted', 'included') ORDER BY nonce NULLS LAST, id",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(job_from).collect()
    }

    /// The job that holds `nonce`.
    pub(crate) async fn holder(&self, scope: Scope, nonce: u64) -> Result<Option<Job>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE chain_id = ? AND sender = ? AND nonce = ?")
            .bind(integer("chain_id", scope.chain_id)?)
            .bind(scope.sender.to_string())
            .bind(integer("nonce", nonce)?)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(job_from).transpose()
    }

    /// A job's attempts, oldest first.
    pub(crate) async fn attempts(&self, id: JobId) -> Result<Vec<Attempt>> {
        let rows = sqlx::query("SELECT * FROM attempts WHERE job_id = ? ORDER BY id")
            .bind(id.0)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(attempt_from).collect()
    }

    /// The largest fees ever signed for `nonce`, field by field, whatever the job.
    pub(crate) async fn fees_at(&self, scope: Scope, nonce: u64) -> Result<Option<Fees>> {
        let rows =
            sqlx::query("SELECT * FROM attempts WHERE chain_id = ? AND sender = ? AND nonce = ?")
                .bind(integer("chain_id", scope.chain_id)?)
                .bind(scope.sender.to_string())
                .bind(integer("nonce", nonce)?)
                .fetch_all(&self.pool)
                .await?;
        let mut largest: Option<Fees> = None;
        for row in &rows {
            let fees = attempt_from(row)?.fees;
            let before = largest.unwrap_or(fees);
            largest = Some(Fees {
                max_fee: before.max_fee.max(fees.max_fee),
                tip: before.tip.max(fees.tip),
            });
        }
        Ok(largest)
    }

    /// The nonce after the highest one that was ever given to a job or signed for.
    pub(crate) async fn next_nonce(&self, scope: Scope) -> Result<u64> {
        let row = sqlx::query(
            "SELECT MAX(COALESCE((SELECT MAX(nonce) FROM jobs
                                  WHERE chain_id = ?1 AND sender = ?2), -1),
                        COALESCE((SELECT MAX(nonce) FROM attempts
                                  WHERE chain_id = ?1 AND sender = ?2), -1)) + 1 AS next",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .fetch_one(&self.pool)
        .await?;
        unsigned(&row, "next")
    }

    /// Stores a signed transaction and makes its job `Submitted` with its nonce: both or
    /// neither. Must return before the transaction is broadcast.
    pub(crate) async fn add_attempt(
        &self,
        scope: Scope,
        id: JobId,
        attempt: &Attempt,
    ) -> Result<()> {
        let (nonce, now) =
            (integer("nonce", attempt.nonce)?, integer("created_ms", attempt.created_ms)?);
        let mut both = self.pool.begin().await?;
        sqlx::query("UPDATE jobs SET state = 'submitted', nonce = ?, updated_ms = ? WHERE id = ?")
            .bind(nonce)
            .bind(now)
            .bind(id.0)
            .execute(&mut *both)
            .await?;
        sqlx::query(
            "INSERT INTO attempts (job_id, chain_id, sender, nonce, hash, raw, max_fee, tip,
                                   gas_limit, outcome, created_ms, broadcast_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        )
        .bind(id.0)
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(nonce)
        .bind(attempt.hash.to_string())
        .bind(attempt.raw.as_ref())
        .bind(attempt.fees.max_fee.to_string())
        .bind(attempt.fees.tip.to_string())
        .bind(integer("gas_limit", attempt.gas_limit)?)
        .bind(attempt.outcome.name())
        .bind(now)
        .execute(&mut *both)
        .await?;
        both.commit().await?;
        Ok(())
    }

    /// Notes what the node said about an attempt.
    pub(crate) async fn set_outcome(
        &self,
        hash: B256,
        outcome: AttemptOutcome,
        now_ms: u64,
    ) -> Result<()> {
        sqlx::query("UPDATE attempts SET outcome = ?, broadcast_ms = ? WHERE hash = ?")
            .bind(outcome.name())
            .bind(integer("broadcast_ms", now_ms)?)
            .bind(hash.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Moves a job to `state` and replaces its receipt.
    pub(crate) async fn set_state(
        &self,
        id: JobId,
        state: &JobState,
        receipt: Option<&TxReceipt>,
        now_ms: u64,
    ) -> Result<()> {
        let receipt = receipt.and_then(|receipt| serde_json::to_string(receipt).ok());
        sqlx::query(
            "UPDATE jobs SET state = ?, reason = ?, receipt = ?, updated_ms = ? WHERE id = ?",
        )
        .bind(state.name())
        .bind(reason_of(state))
        .bind(receipt)
        .bind(integer("updated_ms", now_ms)?)
        .bind(id.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes the nonce from a job; its attempts are kept. A job that is queued again by
    /// this may get new call data.
    pub(crate) async fn release(
        &self,
        id: JobId,
        state: &JobState,
        calldata: Option<&Bytes>,
        now_ms: u64,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET state = ?, reason = ?, receipt = NULL, nonce = NULL,
                             calldata = COALESCE(?, calldata), updated_ms = ? WHERE id = ?",
        )
        .bind(state.name())
        .bind(reason_of(state))
        .bind(calldata.map(|data| data.to_vec()))
        .bind(integer("updated_ms", now_ms)?)
        .bind(id.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a job and gives its nonce to a self-transfer. If the process dies in between,
    /// the next start finds a nonce that was signed for and that nobody holds: a gap.
    pub(crate) async fn replace_by_gap(
        &self,
        scope: Scope,
        id: JobId,
        nonce: u64,
        state: &JobState,
        now_ms: u64,
    ) -> Result<()> {
        self.release(id, state, None, now_ms).await?;
        self.create_gap(scope, nonce, now_ms).await
    }

    /// Stores a self-transfer that will use up `nonce`.
    pub(crate) async fn create_gap(&self, scope: Scope, nonce: u64, now_ms: u64) -> Result<()> {
        let request = SubmitRequest {
            to: Some(scope.sender),
            calldata: Bytes::new(),
            value: U256::ZERO,
            // A nonce may need filling again after a reorganization: the time keeps keys apart.
            idempotency_key: format!("gap:{nonce}:{now_ms}"),
            label: format!("self-transfer at nonce {nonce}"),
        };
        self.create_job(scope, &request, JobKind::Gap, Some(nonce), now_ms).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database remembers what it has run by version and SHA-384, and is not opened once
    /// they differ.
    #[test]
    fn a_step_of_the_tables_history_that_has_run_anywhere_is_what_it_was() {
        let steps: Vec<_> = (migrator().iter())
            .map(|step| (step.version, alloy::hex::encode(&step.checksum)))
            .collect();
        let jobs = "06f07f0450ba89b03d7f44c8f56864ee30af5fb05484db5713badcda718ed40e\
                    66f8df3cfc0078a55ae8ad73f8dc31c3";
        assert_eq!(steps, [(1, jobs.to_owned())]);
    }
}
