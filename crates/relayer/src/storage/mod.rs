//! The database: every job and every signed transaction, in one SQLite file.
//!
//! Write-ahead logging with `synchronous = FULL`: when a write returns, it survives a power
//! cut. One connection, so that statements run in the order they were issued even if the
//! future that issued one is dropped half way. Keys are never stored.

pub mod place;
mod rows;

use std::{
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
    backend::MAX_NONCE,
    effect::Effect,
    error::StorageError,
    fees::Fees,
    job::{Attempt, AttemptOutcome, JobId, JobState, JobStatus, SubmitRequest, TxReceipt},
};
pub(crate) use place::SenderLock;
use rows::{attempt_from, integer, job_from, nonce_of, reason_of, unsigned};

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
    pub(crate) chain_id: u64,
    pub(crate) sender: Address,
    pub(crate) request: SubmitRequest,
    pub(crate) kind: JobKind,
    pub(crate) state: JobState,
    /// Set while a self-transfer is to use up the nonce in the call's place: the state the
    /// job ends in then.
    pub(crate) ending: Option<JobState>,
    pub(crate) note: Option<String>,
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
    locks: Option<PathBuf>,
}

/// The tables' history. A step that has run anywhere never changes.
fn migrator() -> Migrator {
    let jobs = include_str!("../../migrations/0001_jobs.sql").into_sql_str();
    let effects = include_str!("../../migrations/0002_effects.sql").into_sql_str();
    let simple = MigrationType::Simple;
    Migrator::with_migrations(vec![
        Migration::new(1, "jobs".into(), simple, jobs, false),
        Migration::new(2, "effects".into(), simple, effects, false),
    ])
}

impl Storage {
    /// Opens the file at `path`, creating it if there is none, and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a database, or comes from a newer version.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = &place::resolved(path);
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
        Ok(Self { pool, path: path.to_owned(), locks: None })
    }

    /// Keeps the senders' locks in `folder` instead of beside the file, so that whoever uses
    /// another file is kept out as well.
    pub fn with_locks_in(self, folder: impl Into<PathBuf>) -> Self {
        Self { locks: Some(folder.into()), ..self }
    }

    /// Closes the file. Dropping does too, a moment later.
    pub async fn close(&self) {
        self.pool.close().await;
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
                               value, effect, state, nonce, created_ms, updated_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?)
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
        .bind(request.effect.as_ref().and_then(|effect| serde_json::to_string(effect).ok()))
        .bind(nonce.map(nonce_of).transpose()?)
        .bind(integer("created_ms", now_ms)?)
        .bind(integer("updated_ms", now_ms)?)
        .execute(&self.pool)
        .await?;
        let found = self.job_of_key(scope, &request.idempotency_key).await?;
        let job = found.ok_or(sqlx::Error::RowNotFound)?;
        Ok((job, inserted.rows_affected() == 1))
    }

    /// The job of this sender that a key names.
    pub(crate) async fn job_of_key(&self, scope: Scope, key: &str) -> Result<Option<Job>> {
        let row = sqlx::query(
            "SELECT * FROM jobs WHERE chain_id = ? AND sender = ? AND idempotency_key = ?",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(job_from).transpose()
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

    /// The jobs that hold a nonce from `nonce` on, in the order of their nonces.
    pub(crate) async fn holders(&self, scope: Scope, nonce: u64) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE chain_id = ? AND sender = ? AND nonce >= ? ORDER BY nonce",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(integer("nonce", nonce)?)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(job_from).collect()
    }

    /// Forgets self-transfers that nothing was signed for: which are needed is counted anew.
    pub(crate) async fn forget_unsigned_gaps(&self, scope: Scope) -> Result<()> {
        sqlx::query(
            "DELETE FROM jobs WHERE chain_id = ? AND sender = ? AND kind = 'gap'
             AND state = 'queued' AND id NOT IN (SELECT job_id FROM attempts)",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// All jobs in the file, the newest first.
    pub async fn list(&self, most: u32) -> Result<Vec<JobStatus>> {
        let rows = sqlx::query("SELECT * FROM jobs ORDER BY id DESC LIMIT ?")
            .bind(i64::from(most))
            .fetch_all(&self.pool)
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            all.push(self.status(job_from(row)?).await?);
        }
        Ok(all)
    }

    /// One job of the file, whoever sent it.
    pub async fn find(&self, id: JobId) -> Result<Option<JobStatus>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        match row {
            Some(row) => self.status(job_from(&row)?).await.map(Some),
            None => Ok(None),
        }
    }

    /// A job with its attempts.
    pub(crate) async fn status(&self, job: Job) -> Result<JobStatus> {
        Ok(JobStatus {
            id: job.id,
            chain_id: job.chain_id,
            sender: job.sender,
            attempts: self.attempts(job.id).await?,
            label: job.request.label,
            idempotency_key: job.request.idempotency_key,
            state: job.state,
            note: job.note,
            cancelling: job.ending.is_some(),
            nonce: job.nonce,
            receipt: job.receipt,
            created_ms: job.created_ms,
            updated_ms: job.updated_ms,
        })
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
        // Nonces that no account reaches are left from nodes that lied.
        let row = sqlx::query(
            "SELECT MAX(COALESCE((SELECT MAX(nonce) FROM jobs
                                  WHERE chain_id = ?1 AND sender = ?2 AND nonce < ?3), -1),
                        COALESCE((SELECT MAX(nonce) FROM attempts
                                  WHERE chain_id = ?1 AND sender = ?2 AND nonce < ?3), -1))
                    + 1 AS next",
        )
        .bind(integer("chain_id", scope.chain_id)?)
        .bind(scope.sender.to_string())
        .bind(integer("nonce", MAX_NONCE)?)
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
        let (nonce, now) = (nonce_of(attempt.nonce)?, integer("created_ms", attempt.created_ms)?);
        let mut both = self.pool.begin().await?;
        sqlx::query(
            "UPDATE jobs SET state = 'submitted', nonce = ?, note = NULL, updated_ms = ?
                     WHERE id = ?",
        )
        .bind(nonce)
        .bind(now)
        .bind(id.0)
        .execute(&mut *both)
        .await?;
        sqlx::query(
            "INSERT INTO attempts (job_id, chain_id, sender, nonce, hash, raw, max_fee, tip,
                                   gas_limit, outcome, cancels, created_ms, broadcast_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
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
        .bind(attempt.cancels)
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
            "UPDATE jobs SET state = ?1, reason = ?2, receipt = ?3, updated_ms = ?4,
                ending = CASE WHEN ?1 IN ('submitted', 'included') THEN ending END,
                note = CASE WHEN ?1 IN ('submitted', 'included') THEN note END WHERE id = ?5",
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
            "UPDATE jobs SET state = ?, reason = ?, receipt = NULL, nonce = NULL, ending = NULL,
                             note = NULL, calldata = COALESCE(?, calldata), updated_ms = ?
             WHERE id = ?",
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

    /// Sets what holds a job up, or nothing.
    pub(crate) async fn set_note(&self, id: JobId, note: Option<&str>) -> Result<()> {
        sqlx::query("UPDATE jobs SET note = ? WHERE id = ?")
            .bind(note)
            .bind(id.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// From now on only self-transfers are signed at the job's nonce; once one is final, the
    /// job ends in `ending`.
    pub(crate) async fn set_ending(&self, id: JobId, ending: &JobState) -> Result<()> {
        sqlx::query("UPDATE jobs SET ending = ? WHERE id = ?")
            .bind(serde_json::to_string(ending).ok())
            .bind(id.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Replaces the way in which a job's effect is seen.
    pub(crate) async fn set_effect(&self, id: JobId, effect: &Effect) -> Result<()> {
        sqlx::query("UPDATE jobs SET effect = ? WHERE id = ?")
            .bind(serde_json::to_string(effect).ok())
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
            effect: None,
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
        let effects = "e4ddaea84ccb78cbb1d0e74543a68df78d19a43970f932f7\
                    5fd357bf0e9ce68cfecf8018792d03a1dc85c21cf8049c33";
        assert_eq!(steps, [(1, jobs.to_owned()), (2, effects.to_owned())]);
    }
}
