//! Accepting jobs: many submissions, one transaction.
//!
//! An answer is given once the job is on disk, and a disk takes hundreds of flushes a second, not
//! thousands. One task therefore writes what has come in since its last transaction together.

use std::{
    sync::PoisonError,
    time::{Duration, UNIX_EPOCH},
};

use alloy::primitives::Address;
use sqlx::{Any, Row, Transaction, any::AnyRow};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use verdict::Deployment;

use super::{Result, Store, rows};
use crate::job::{Job, Kind, State};

/// Submissions that wait for the writer.
const WAITING: usize = 2048;
/// Submissions of one transaction.
const TOGETHER: usize = 256;
/// How often a transaction is tried again that another one was in the way of.
const AGAIN: usize = 5;

/// A job that is to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id; see [`Store::new_id`].
    pub id: String,
    /// What it does.
    pub kind: Kind,
    /// Its model.
    pub model: String,
    /// Whom it is about.
    pub subject: Option<Address>,
    /// The larger, the earlier.
    pub priority: i64,
    /// What makes the submission idempotent.
    pub idempotency_key: String,
    /// What it asks for, as [`crate::seal::DataKey::fingerprint`] says it.
    pub fingerprint: String,
    /// The sealed input.
    pub input: Option<String>,
    /// Whether that outlives the proof.
    pub keep_input: bool,
    /// Attestations, as JSON.
    pub attestations: Option<String>,
    /// The nonce that the client chose.
    pub nonce: Option<u64>,
    /// The deadline that the client chose.
    pub deadline: Option<u64>,
    /// Seconds for which its request is valid, from the proof on.
    pub valid_for: u64,
    /// A proof that was made elsewhere, and the ids of what it answers.
    pub bundle: Option<NewBundle>,
    /// Where its end is announced.
    pub webhook: Option<String>,
    /// Who asks.
    pub client: String,
}

/// The proof of a job that only relays.
#[derive(Clone, Debug)]
pub struct NewBundle {
    /// JSON.
    pub body: String,
    /// What the model said, as JSON.
    pub outputs: String,
    /// The first output, as recorded.
    pub score: String,
    /// Where its model is deployed.
    pub deployment: Deployment,
}

/// A job that is stored.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The job.
    pub job: Job,
    /// Whether this submission made it.
    pub new: bool,
}

/// Why a job is not stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The key belongs to another request.
    #[error("idempotency key {key} is that of job {job}, which asks for something else")]
    Conflict {
        /// The key.
        key: String,
        /// The job.
        job: String,
    },
    /// There is no room.
    #[error("the queue is full")]
    Full,
    /// The database failed: nothing is stored.
    #[error("the database failed: {0}")]
    Failed(String),
}

type Answer = std::result::Result<Accepted, IntakeError>;

/// The way into the database.
#[derive(Clone, Debug)]
pub struct Intake {
    sender: mpsc::Sender<(NewJob, oneshot::Sender<Answer>)>,
}

impl Intake {
    /// Starts the writer, which ends with the last of its handles.
    pub fn start(store: Store, most_queued: u64) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(NewJob, oneshot::Sender<Answer>)>(WAITING);
        tokio::spawn(async move {
            let mut together = Vec::with_capacity(TOGETHER);
            while receiver.recv_many(&mut together, TOGETHER).await > 0 {
                let (jobs, waiting): (Vec<_>, Vec<_>) = together.drain(..).unzip();
                let answers = match store.insert(&jobs, most_queued).await {
                    Ok(answers) => answers,
                    Err(error) => {
                        tracing::error!(%error, jobs = jobs.len(), "jobs are not stored");
                        let error = error.to_string();
                        jobs.iter().map(|_| Err(IntakeError::Failed(error.clone()))).collect()
                    }
                };
                for (waiting, answer) in waiting.into_iter().zip(answers) {
                    // Whoever asked may be gone; the job is there.
                    let _ = waiting.send(answer);
                }
            }
        });
        Self { sender }
    }

    /// Whether the writer is gone, so that nothing can be stored.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Stores a job: when this returns, it survives the process.
    ///
    /// # Errors
    /// See [`IntakeError`].
    pub async fn submit(&self, job: NewJob) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.sender.try_send((job, sender)).map_err(|_| IntakeError::Full)?;
        receiver.await.unwrap_or_else(|_| Err(IntakeError::Failed("it is closed".into())))
    }
}

/// A stored job, if it is what was asked for.
fn same(row: &AnyRow, fingerprint: &str) -> Result<std::result::Result<Job, IntakeError>> {
    let (stored, job): (String, _) = (row.try_get("fingerprint")?, rows::job(row)?);
    Ok(match stored == fingerprint {
        true => Ok(job),
        false => {
            Err(IntakeError::Conflict { key: job.idempotency_key.clone(), job: job.id.clone() })
        }
    })
}

impl Store {
    /// An id that sorts by time; of one process, also within a millisecond.
    pub fn new_id(&self) -> String {
        let time = UNIX_EPOCH + Duration::from_millis(self.now_ms());
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // It only fails after 2^80 ids of one millisecond.
        let id = ids.generate_from_datetime(time);
        id.unwrap_or_else(|_| ulid::Ulid::from_datetime(time)).to_string().to_lowercase()
    }

    /// The job of an idempotency key, or that it is another order's; none if the key is new.
    ///
    /// # Errors
    /// The database fails.
    pub async fn known(
        &self,
        key: &str,
        fingerprint: &str,
    ) -> Result<Option<std::result::Result<Job, IntakeError>>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE idempotency_key = $1")
            .bind(key)
            .fetch_optional(&self.reading)
            .await?;
        row.map(|row| same(&row, fingerprint)).transpose()
    }

    /// Stores jobs, all or none of those that can be; again, if another process was in the way.
    async fn insert(&self, jobs: &[NewJob], most_queued: u64) -> Result<Vec<Answer>> {
        let mut tries = 0;
        loop {
            match self.try_insert(jobs, most_queued).await {
                Err(error) if error.is_passing() && tries < AGAIN => {
                    tries += 1;
                    tracing::debug!(%error, tries, "jobs are stored again");
                }
                answer => return answer,
            }
        }
    }

    async fn try_insert(&self, jobs: &[NewJob], most_queued: u64) -> Result<Vec<Answer>> {
        let now = rows::integer(self.now_ms());
        // Everybody stores keys in one order: of two who wait for each other's keys, none goes on.
        let mut order: Vec<(usize, &NewJob)> = jobs.iter().enumerate().collect();
        order.sort_by(|(_, one), (_, other)| one.idempotency_key.cmp(&other.idempotency_key));
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM jobs WHERE state = 'queued'")
            .fetch_one(&mut *tx)
            .await?;
        let mut room = most_queued.saturating_sub(rows::unsigned(&row, "n")?);
        let mut answers = Vec::with_capacity(jobs.len());
        for (place, job) in order {
            let known = sqlx::query("SELECT * FROM jobs WHERE idempotency_key = $1")
                .bind(&job.idempotency_key)
                .fetch_optional(&mut *tx)
                .await?;
            let answer = if let Some(row) = known {
                same(&row, &job.fingerprint)?.map(|job| Accepted { job, new: false })
            } else if room == 0 {
                Err(IntakeError::Full)
            } else {
                room -= 1;
                self.insert_one(&mut tx, job, now).await?
            };
            answers.push((place, answer));
        }
        tx.commit().await?;
        self.tell();
        answers.sort_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn insert_one(
        &self,
        tx: &mut Transaction<'static, Any>,
        job: &NewJob,
        now: i64,
    ) -> Result<Answer> {
        let state = if job.bundle.is_some() { State::Proved } else { State::Queued };
        let made = sqlx::query(
            "INSERT INTO jobs (id, kind, model, subject, state, priority, idempotency_key,
                fingerprint, input, keep_input, attestations, nonce_given, nonce, deadline, deadline_given,
                valid_for, bundle, outputs, score, webhook, client, attempts, not_before_ms,
                created_ms, updated_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                $18, $19, $20, $21, 0, 0, $22, $22)
             ON CONFLICT (idempotency_key) DO NOTHING",
        )
        .bind(&job.id)
        .bind(job.kind.name())
        .bind(&job.model)
        .bind(job.subject.map(|subject| subject.to_string()))
        .bind(state.name())
        .bind(job.priority)
        .bind(&job.idempotency_key)
        .bind(&job.fingerprint)
        .bind(&job.input)
        .bind(i64::from(job.keep_input))
        .bind(&job.attestations)
        .bind(i64::from(job.nonce.is_some()))
        .bind(job.nonce.map(rows::integer))
        .bind(job.deadline.map(rows::integer))
        .bind(i64::from(job.deadline.is_some()))
        .bind(rows::integer(job.valid_for))
        .bind(job.bundle.as_ref().map(|_| &job.id))
        .bind(job.bundle.as_ref().map(|bundle| &bundle.outputs))
        .bind(job.bundle.as_ref().map(|bundle| &bundle.score))
        .bind(&job.webhook)
        .bind(&job.client)
        .bind(now)
        .execute(&mut **tx)
        .await?;
        if made.rows_affected() == 0 {
            // Another process was faster.
            let row = sqlx::query("SELECT * FROM jobs WHERE idempotency_key = $1")
                .bind(&job.idempotency_key)
                .fetch_one(&mut **tx)
                .await?;
            return Ok(same(&row, &job.fingerprint)?.map(|job| Accepted { job, new: false }));
        }
        if let Some(bundle) = &job.bundle {
            sqlx::query(
                "INSERT INTO bundles (id, model, body, relay, cancel, created_ms, deployment)
                 VALUES ($1, $2, $3, 'wanted', 0, $4, $5)",
            )
            .bind(&job.id)
            .bind(&job.model)
            .bind(&bundle.body)
            .bind(now)
            .bind(rows::json(&bundle.deployment))
            .execute(&mut **tx)
            .await?;
        }
        self.event(tx, &job.id, state, None, Some(&job.client)).await?;
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(&job.id)
            .fetch_one(&mut **tx)
            .await?;
        Ok(Ok(Accepted { job: rows::job(&row)?, new: true }))
    }
}
