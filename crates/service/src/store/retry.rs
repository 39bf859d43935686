//! Takes jobs up again that ended without a record.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use sqlx::{Any, Row, Transaction, any::AnyRow};
use verdict::ProofBundle;

use super::{Result, Store, StoreError, ended, rows};
use crate::job::{Job, Kind, Reason, ReasonCode, State};

/// Why a job is not taken up again.
type Why = std::result::Result<(), &'static str>;

fn is_over(state: State) -> bool {
    matches!(state, State::Rejected | State::Dropped | State::Cancelled)
}

impl Store {
    /// Takes up a job again that was rejected, dropped or cancelled: its stored proof, if there is
    /// one that may still be recorded, else its input, if it was kept. The proof of a batch is recorded
    /// whole: with it, all of its jobs are taken up again.
    ///
    /// # Errors
    /// It is in another state, or there is neither; of a batch, another of its jobs cannot be taken up.
    pub async fn retry(&self, id: &str, by: &str) -> Result<Job> {
        let now = self.now_ms() / 1000;
        let mut tx = self.begin().await?;
        let found = self.with_its_batch(&mut tx, id).await?;
        let (mut job, mut others) = (None, Vec::new());
        for row in &found {
            let found = rows::job(row)?;
            if found.id == id { job = Some((found, row)) } else { others.push(found) }
        }
        let (job, row) = job.ok_or_else(|| StoreError::NoJob(id.to_owned()))?;
        let wrong = |why| StoreError::WrongState { id: id.to_owned(), state: job.state, why };
        if !is_over(job.state) {
            return Err(wrong("only what was rejected, dropped or cancelled can be tried again"));
        }
        let given: i64 = row.try_get("deadline_given")?;
        if given == 1 && job.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(wrong("the deadline that its client chose has passed"));
        }
        self.is_still_its_own(&mut tx, &job).await?.map_err(wrong)?;
        // Of a batch, the earliest is that of all.
        let earliest = found.iter().map(|row| rows::maybe_unsigned(row, "deadline"));
        let earliest = earliest.collect::<Result<Vec<_>>>()?.into_iter().flatten().min();
        let in_time = earliest.is_none_or(|deadline| deadline > now);
        let input: Option<String> = row.try_get("input")?;
        let whole = match &job.bundle {
            Some(bundle) if in_time => self.is_whole(&mut tx, bundle, &job, &others).await?,
            _ => Err("its input was deleted with its proof; submit it again"),
        };
        match (&job.bundle, whole) {
            (Some(bundle), Ok(())) => {
                sqlx::query(
                    // Nobody has it under way: whichever key is served now takes it.
                    "UPDATE bundles SET relay = 'wanted', sender = NULL, cancel = 0, handed = 0
                     WHERE id = $1",
                )
                .bind(bundle)
                .execute(&mut *tx)
                .await?;
                self.revive(&mut tx, &job, State::Proved, "tried again on request", by).await?;
                let message = format!("tried again with job {id}, which has the same proof");
                for other in &others {
                    self.revive(&mut tx, other, State::Proved, &message, by).await?;
                }
            }
            _ if input.is_some() => {
                self.revive(&mut tx, &job, State::Queued, "tried again on request", by).await?;
            }
            (_, whole) => whole.map_err(wrong)?,
        }
        tx.commit().await?;
        self.tell();
        self.job(id).await
    }

    /// A job and those that share its proof, which nobody else changes until the transaction ends.
    async fn with_its_batch(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Vec<AnyRow>> {
        // In the order of their ids, as everywhere: who locks in another may wait for ever.
        let statement = self.taking(
            "SELECT * FROM jobs WHERE id = $1
               OR bundle = (SELECT bundle FROM jobs WHERE id = $1) ORDER BY id {lock}",
        );
        Ok(sqlx::query(statement).bind(id).fetch_all(&mut **tx).await?)
    }

    /// Whether the key that a job's end freed is nobody else's, so that its order finds it again.
    async fn is_still_its_own(&self, tx: &mut Transaction<'static, Any>, job: &Job) -> Result<Why> {
        let Some(key) = job.idempotency_key.strip_prefix(&ended(&job.id)) else {
            return Ok(Ok(()));
        };
        let other = sqlx::query("SELECT id FROM jobs WHERE idempotency_key = $1")
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
        Ok(match other {
            Some(_) => Err("its order was sent again since, and is another job's"),
            None => Ok(()),
        })
    }

    /// Whether the proof of a batch may be recorded for all that it is about: each is still there, ended
    /// without a record, and has no later order.
    async fn is_whole(
        &self,
        tx: &mut Transaction<'static, Any>,
        bundle: &str,
        job: &Job,
        others: &[Job],
    ) -> Result<Why> {
        // A proof that was made elsewhere is one job, whatever it is about.
        if job.kind != Kind::Score {
            return Ok(Ok(()));
        }
        let row = sqlx::query("SELECT body FROM bundles WHERE id = $1")
            .bind(bundle)
            .fetch_one(&mut **tx)
            .await?;
        let body: String = row.try_get("body")?;
        let proof: ProofBundle =
            serde_json::from_str(&body).map_err(|error| rows::corrupt("bundles.body", error))?;
        let all = others.iter().chain([job]).filter_map(|job| job.subject);
        let all: BTreeSet<Address> = all.collect();
        if proof.answered().iter().any(|request| !all.contains(&request.subject)) {
            return Ok(Err("another job of its batch was taken up by itself"));
        }
        if !others.is_empty() && self.has_later(tx, job).await? {
            return Ok(Err("a later order is about its subject, and its batch is recorded whole"));
        }
        for other in others {
            if !is_over(other.state) {
                return Ok(Err("another job of its batch is not over"));
            }
            if self.is_still_its_own(tx, other).await?.is_err() || self.has_later(tx, other).await?
            {
                return Ok(Err(
                    "a later order is about the subject of another job of its batch, which would be \
                     recorded, too",
                ));
            }
        }
        Ok(Ok(()))
    }

    /// Whether a later order is about a job's subject, and under way or recorded.
    async fn has_later(&self, tx: &mut Transaction<'static, Any>, job: &Job) -> Result<bool> {
        let later = sqlx::query(
            "SELECT id FROM jobs WHERE subject = $1 AND id > $2 AND model = $3
               AND kind <> 'proof' AND (bundle IS NULL OR bundle <> $4)
               AND state NOT IN ('rejected', 'dropped', 'cancelled') LIMIT 1",
        )
        .bind(job.subject.map(|subject| subject.to_string()))
        .bind(&job.id)
        .bind(&job.model)
        .bind(job.bundle.clone().unwrap_or_default())
        .fetch_optional(&mut **tx)
        .await?;
        Ok(later.is_some())
    }

    /// Puts a job where it goes on, and says so in its story.
    async fn revive(
        &self,
        tx: &mut Transaction<'static, Any>,
        job: &Job,
        state: State,
        message: &str,
        by: &str,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET state = $1, idempotency_key = COALESCE($4, idempotency_key),
                    reason = NULL, lease = NULL, attempts = 0,
                    not_before_ms = 0, updated_ms = $2,
                    lane = CASE WHEN $1 = 'proved' AND kind = 'score' AND NOT EXISTS (
                               SELECT 1 FROM jobs AS busy
                               WHERE busy.lane = jobs.model || '/' || jobs.subject
                           ) THEN model || '/' || subject END,
                    bundle = CASE WHEN $1 = 'queued' THEN NULL ELSE bundle END,
                    nonce = CASE WHEN $1 = 'queued' AND nonce_given = 0 THEN NULL ELSE nonce END,
                    deadline = CASE WHEN $1 = 'queued' AND deadline_given = 0 THEN NULL ELSE deadline END
             WHERE id = $3",
        )
        .bind(state.name())
        .bind(rows::integer(self.now_ms()))
        .bind(&job.id)
        .bind(job.idempotency_key.strip_prefix(&ended(&job.id)))
        .execute(&mut **tx)
        .await?;
        let reason = Reason::new(ReasonCode::Retried, message);
        self.event(tx, &job.id, state, Some(&reason), Some(by)).await
    }
}
