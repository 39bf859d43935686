//! What workers do: take jobs, keep their leases, store proofs, give up.

use sqlx::{Any, AssertSqlSafe, Row, Transaction};
use verdict::{Deployment, ProofBundle};

use super::{Result, Store, relay::NOBODYS, rows};
use crate::job::{Kind, Reason, ReasonCode, State};

/// How many times as long as another's the time of a job of the same proof may be.
const HURRY: u64 = 4;
/// Rows that are looked through for jobs that can go together.
const LOOKED_AT: i64 = 512;
/// Jobs that one transaction of the housekeeping changes, so that nobody waits long for it.
pub const AT_A_TIME: usize = 500;

/// What a worker can take of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The model.
    pub model: String,
    /// Inferences of one proof.
    pub batch: usize,
    /// Milliseconds that a job waits for others to fill a batch.
    pub wait_ms: u64,
    /// Whether a node is there to be asked for nonces: without one, only jobs that need none are taken.
    pub node: bool,
}

/// A job in a worker's hands.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: Kind,
    /// Its model.
    pub model: String,
    /// Whom it is about.
    pub subject: Option<alloy::primitives::Address>,
    /// Its sealed input.
    pub input: String,
    /// The nonce that its client chose.
    pub nonce: Option<u64>,
    /// The deadline that its client chose.
    pub deadline: Option<u64>,
    /// Seconds for which its request is valid.
    pub valid_for: u64,
}

/// What becomes of a job that a worker gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is over.
    End(State),
    /// It failed: it is tried again, unless that was its last attempt of `most`.
    Again {
        /// Attempts in all.
        most: u32,
        /// Milliseconds until then.
        after_ms: u64,
    },
    /// It was not tried: that counts for no attempt.
    Untried {
        /// Milliseconds until it is taken again.
        after_ms: u64,
    },
}

/// A proof that a worker made, and its jobs in the order of its inferences.
#[derive(Clone, Debug)]
pub struct Done {
    /// The jobs.
    pub jobs: Vec<Claimed>,
    /// The proof.
    pub bundle: ProofBundle,
    /// The request that answers each of them, if any does: nonce and deadline.
    pub requests: Vec<(u64, u64)>,
    /// Inferences of the proof: a batch may be filled up with more than its jobs.
    pub inferences: usize,
    /// Milliseconds that it took.
    pub proof_ms: u64,
    /// Where its model is deployed, if it is.
    pub deployment: Option<Deployment>,
}

impl Store {
    /// Takes jobs for one proof of a model: those that are first in line, or all that make a batch.
    /// None if there are none, or a batch waits for more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim(
        &self,
        worker: &str,
        claims: &Claims,
        lease_ms: u64,
    ) -> Result<Vec<Claimed>> {
        let now = self.now_ms();
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT * FROM jobs WHERE state = 'queued' AND model = $1 AND not_before_ms <= $2
               AND ($4 = 1 OR kind = 'proof' OR nonce_given = 1)
               AND (subject IS NULL
                    OR NOT EXISTS (SELECT 1 FROM jobs AS busy
                                   WHERE busy.lane = jobs.model || '/' || jobs.subject))
             ORDER BY priority DESC, id LIMIT $3 {skip}",
        );
        let most = if claims.batch == 1 { 1 } else { LOOKED_AT };
        let found = sqlx::query(statement)
            .bind(&claims.model)
            .bind(rows::integer(now))
            .bind(most)
            .bind(i64::from(claims.node))
            .fetch_all(&mut *tx)
            .await?;
        let mut taken: Vec<Claimed> = Vec::new();
        let (mut oldest, mut tried) = (u64::MAX, false);
        for row in &found {
            let job = rows::job(row)?;
            let valid_for = rows::unsigned(row, "valid_for")?;
            let own_time = job.deadline.map_or(valid_for, |d| d.saturating_sub(now / 1000));
            // One job about a subject at a time, and in one proof either requests or none. The
            // earliest deadline is that of all: none that is in a hurry makes others late.
            let fits = taken.iter().all(|other| {
                let time = other.deadline.map_or(other.valid_for, |d| d.saturating_sub(now / 1000));
                other.kind == job.kind
                    && (job.subject.is_none() || other.subject != job.subject)
                    && time.max(own_time) <= HURRY * time.min(own_time)
            });
            // What failed before is tried alone, so that it fails alone.
            let alone = tried || job.attempts > 0;
            if !fits || taken.len() == claims.batch || alone && !taken.is_empty() {
                continue;
            }
            tried = alone;
            oldest = oldest.min(job.created_ms);
            let given: i64 = row.try_get("nonce_given")?;
            let input: Option<String> = row.try_get("input")?;
            taken.push(Claimed {
                id: job.id,
                kind: job.kind,
                model: job.model,
                subject: job.subject,
                input: input.unwrap_or_default(),
                nonce: job.nonce.filter(|_| given == 1),
                deadline: job.deadline,
                valid_for,
            });
        }
        let waits =
            !tried && taken.len() < claims.batch && now.saturating_sub(oldest) < claims.wait_ms;
        if taken.is_empty() || waits {
            // Now, and not when the connection is used next: rows are locked.
            tx.rollback().await?;
            return Ok(vec![]);
        }
        for job in &taken {
            let lane = job.subject.map(|subject| format!("{}/{subject}", job.model));
            sqlx::query(
                "UPDATE jobs SET state = 'proving', lease = $1, lease_until_ms = $2, lane = $3,
                        attempts = attempts + 1, updated_ms = $4 WHERE id = $5",
            )
            .bind(worker)
            .bind(rows::integer(now + lease_ms))
            .bind(lane)
            .bind(rows::integer(now))
            .bind(&job.id)
            .execute(&mut *tx)
            .await?;
            self.event(&mut tx, &job.id, State::Proving, None, Some(worker)).await?;
        }
        tx.commit().await?;
        self.tell();
        Ok(taken)
    }

    /// Renews a worker's leases; those that ran out already may be another's.
    ///
    /// # Errors
    /// The database fails.
    pub async fn renew(&self, worker: &str, lease_ms: u64) -> Result<u64> {
        let until = rows::integer(self.now_ms() + lease_ms);
        let done = sqlx::query(
            "UPDATE jobs SET lease_until_ms = $1 WHERE state = 'proving' AND lease = $2",
        )
        .bind(until)
        .bind(worker)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Stores a proof, and with it the end of its jobs' leases. False if one of them was lost: then
    /// nothing is stored, and somebody else has the jobs.
    ///
    /// # Errors
    /// The database fails.
    pub async fn proved(&self, worker: &str, done: &Done) -> Result<bool> {
        let now = rows::integer(self.now_ms());
        let bundle_id = self.new_id();
        let mut tx = self.begin().await?;
        let relays = done.jobs.iter().any(|job| job.kind != Kind::Proof);
        for (index, job) in done.jobs.iter().enumerate() {
            let outputs = verdict::of_inference(&done.bundle.decoded, done.inferences, index);
            let request = done.requests.get(index);
            let changed = sqlx::query(
                "UPDATE jobs SET state = 'proved', bundle = $1, outputs = $2, score = $3,
                        proof_ms = $4, nonce = COALESCE($5, nonce), deadline = COALESCE($6, deadline),
                        input = CASE WHEN keep_input = 1 THEN input END, lease = NULL,
                        lane = CASE WHEN kind = 'proof' THEN NULL ELSE lane END,
                        reason = NULL, updated_ms = $7
                 WHERE id = $8 AND state = 'proving' AND lease = $9",
            )
            .bind(&bundle_id)
            .bind(rows::json(&outputs))
            .bind(done.bundle.outputs.get(index).map(ToString::to_string))
            .bind(rows::integer(done.proof_ms))
            .bind(request.map(|(nonce, _)| rows::integer(*nonce)))
            .bind(request.map(|(_, deadline)| rows::integer(*deadline)))
            .bind(now)
            .bind(&job.id)
            .bind(worker)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() != 1 {
                tx.rollback().await?;
                return Ok(false);
            }
            self.event(&mut tx, &job.id, State::Proved, None, Some(worker)).await?;
            if job.kind == Kind::Proof {
                self.announce(&mut tx, &job.id).await?;
            }
        }
        sqlx::query(
            "INSERT INTO bundles (id, model, body, relay, cancel, created_ms, deployment)
             VALUES ($1, $2, $3, $4, 0, $5, $6)",
        )
        .bind(&bundle_id)
        .bind(done.jobs.first().map(|job| job.model.as_str()).unwrap_or_default())
        .bind(rows::json(&done.bundle))
        .bind(if relays { "wanted" } else { "none" })
        .bind(now)
        .bind(done.deployment.as_ref().map(rows::json))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.tell();
        Ok(true)
    }

    /// Gives a job back. Does nothing if the lease is another's.
    ///
    /// # Errors
    /// The database fails.
    pub async fn give_back(
        &self,
        worker: &str,
        id: &str,
        reason: &Reason,
        then: Then,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let statement = self
            .taking("SELECT * FROM jobs WHERE id = $1 AND state = 'proving' AND lease = $2 {lock}");
        let held = sqlx::query(statement).bind(id).bind(worker).fetch_optional(&mut *tx).await?;
        let Some(row) = held else {
            tx.rollback().await?;
            return Ok(());
        };
        let attempts = rows::job(&row)?.attempts;
        match then {
            Then::End(state) => self.end(&mut tx, id, state, reason, worker).await?,
            Then::Again { most, .. } if attempts >= most => {
                self.end(&mut tx, id, State::Dropped, reason, worker).await?;
            }
            Then::Again { after_ms, .. } => {
                self.requeue(&mut tx, id, reason, worker, after_ms).await?;
            }
            Then::Untried { after_ms } => {
                self.requeue(&mut tx, id, reason, worker, after_ms).await?;
                sqlx::query("UPDATE jobs SET attempts = attempts - 1 WHERE id = $1")
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        self.tell();
        Ok(())
    }

    /// Takes the jobs back whose leases ran out: a worker died, or lost its way to the database.
    /// Those that have been taken `most` times are dropped: they may be why. How many were, of
    /// [`AT_A_TIME`] at most.
    ///
    /// # Errors
    /// The database fails.
    pub async fn expire_leases(&self, most: u32) -> Result<usize> {
        let now = rows::integer(self.now_ms());
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT * FROM jobs WHERE state = 'proving' AND lease_until_ms < $1 LIMIT $2 {skip}",
        );
        let most_rows = i64::try_from(AT_A_TIME).unwrap_or(i64::MAX);
        let found = sqlx::query(statement).bind(now).bind(most_rows).fetch_all(&mut *tx).await?;
        for row in &found {
            let (job, worker): (_, Option<String>) = (rows::job(row)?, row.try_get("lease")?);
            let worker = worker.unwrap_or_default();
            let message = format!("{worker} took it and did not come back within its lease");
            let reason = Reason::new(ReasonCode::LeaseExpired, message);
            if job.attempts >= most {
                self.end(&mut tx, &job.id, State::Dropped, &reason, &worker).await?;
            } else {
                self.requeue(&mut tx, &job.id, &reason, &worker, 0).await?;
            }
        }
        tx.commit().await?;
        if !found.is_empty() {
            self.tell();
        }
        Ok(found.len())
    }

    /// Drops the jobs that wait for a worker, or for a sender to take their proof, although their deadline
    /// has passed or they are cancelled. How many were: of either, [`AT_A_TIME`] at most, and none may be
    /// left only if it was less.
    ///
    /// # Errors
    /// The database fails.
    pub async fn drop_overdue(&self) -> Result<usize> {
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT id FROM jobs WHERE state = 'queued' AND deadline IS NOT NULL AND deadline <= $1
             ORDER BY id LIMIT $2 {skip}",
        );
        let found = sqlx::query(statement)
            .bind(rows::integer(self.now_ms() / 1000))
            .bind(i64::try_from(AT_A_TIME).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx)
            .await?;
        for row in &found {
            let id: String = row.try_get("id")?;
            let message = "its deadline passed before a worker had time for it";
            let reason = Reason::new(ReasonCode::DeadlinePassed, message);
            self.end(&mut tx, &id, State::Dropped, &reason, "deadline").await?;
        }
        tx.commit().await?;
        Ok(found.len() + self.drop_untaken().await?)
    }

    /// The same of proofs that no sender has taken.
    async fn drop_untaken(&self) -> Result<usize> {
        let now = rows::integer(self.now_ms() / 1000);
        let statement = format!(
            "SELECT id FROM bundles WHERE relay = 'wanted' AND {NOBODYS}
               AND (cancel = 1 OR EXISTS (SELECT 1 FROM jobs WHERE jobs.bundle = bundles.id
                                          AND jobs.deadline <= $1))
             LIMIT $3"
        );
        let untaken = sqlx::query(AssertSqlSafe(statement))
            .bind(now)
            .bind(rows::integer(self.now_ms()))
            .bind(i64::try_from(AT_A_TIME).unwrap_or(i64::MAX))
            .fetch_all(&self.reading)
            .await?;
        let mut dropped = 0;
        for row in &untaken {
            dropped += usize::from(self.drop_one(row.try_get("id")?, now).await?);
        }
        Ok(dropped)
    }

    /// Ends the jobs of a proof, unless a sender has taken it since.
    async fn drop_one(&self, id: String, now: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        // As everywhere, jobs before their proof: who locks in another order may wait for ever.
        let statement =
            self.taking("SELECT id, state FROM jobs WHERE bundle = $1 ORDER BY id {lock}");
        let jobs = sqlx::query(statement).bind(&id).fetch_all(&mut *tx).await?;
        let statement = self.taking(&format!(
            "SELECT cancel FROM bundles WHERE id = $1 AND relay = 'wanted' AND {NOBODYS}
               AND (cancel = 1 OR EXISTS (SELECT 1 FROM jobs WHERE jobs.bundle = bundles.id
                                          AND jobs.deadline <= $3)) {{lock}}",
        ));
        let bundle = sqlx::query(statement)
            .bind(&id)
            .bind(rows::integer(self.now_ms()))
            .bind(now)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(bundle) = bundle else {
            tx.rollback().await?;
            return Ok(false);
        };
        let (state, code, message) = match bundle.try_get::<i64, _>("cancel")? {
            1 => (State::Cancelled, ReasonCode::Cancelled, "cancelled before a sender took it"),
            _ => (
                State::Dropped,
                ReasonCode::DeadlinePassed,
                "its deadline passed before a sender took its proof",
            ),
        };
        let reason = Reason::new(code, message);
        for job in &jobs {
            if rows::state(job)? == State::Proved {
                let job: String = job.try_get("id")?;
                self.end(&mut tx, &job, state, &reason, "housekeeping").await?;
            }
        }
        sqlx::query("UPDATE bundles SET relay = 'done' WHERE id = $1")
            .bind(&id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Says of a model's queued jobs whose nonces a node has to be asked for that they wait for it, and
    /// why: of up to [`AT_A_TIME`] that say nothing yet, those that are first in line. With `None`, takes
    /// back what was said so. How many changed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waits_for_node(&self, model: &str, why: Option<&Reason>) -> Result<usize> {
        let which = match why {
            Some(_) => "reason IS NULL",
            None => "reason LIKE '{\"code\":\"chain\",%'",
        };
        let statement = self.taking(&format!(
            "UPDATE jobs SET reason = $1 WHERE id IN
               (SELECT id FROM jobs WHERE state = 'queued' AND model = $2 AND kind = 'score'
                  AND nonce_given = 0 AND {which} ORDER BY priority DESC, id LIMIT $3 {{skip}})"
        ));
        let changed = sqlx::query(statement)
            .bind(why.map(rows::json))
            .bind(model)
            .bind(i64::try_from(AT_A_TIME).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await?;
        Ok(usize::try_from(changed.rows_affected()).unwrap_or(usize::MAX))
    }

    async fn requeue(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
        reason: &Reason,
        by: &str,
        after_ms: u64,
    ) -> Result<()> {
        let now = self.now_ms();
        sqlx::query(
            "UPDATE jobs SET state = 'queued', reason = $1, lease = NULL, lane = NULL,
                    not_before_ms = $2, updated_ms = $3 WHERE id = $4",
        )
        .bind(rows::json(reason))
        .bind(rows::integer(now + after_ms))
        .bind(rows::integer(now))
        .bind(id)
        .execute(&mut **tx)
        .await?;
        self.event(tx, id, State::Queued, Some(reason), Some(by)).await
    }
}
