//! What a sender does: take proofs, and write down what the chain made of them.

use std::collections::HashSet;

use alloy::primitives::B256;
use sqlx::Row;
use verdict::{Attestation, Deployment, ProofBundle};

use super::{Result, Store, rows};
use crate::job::{Job, Reason, ReasonCode, State, Transaction};

/// A proof that is to go to the chain.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its id.
    pub id: String,
    /// Its jobs.
    pub jobs: Vec<String>,
    /// Its model.
    pub model: String,
    /// The proof.
    pub bundle: ProofBundle,
    /// What vouches for its input.
    pub attestations: Vec<Attestation>,
    /// Last second, since 1970, in which all of it may be recorded.
    pub deadline: u64,
    /// Whether the relayer was given it: a transaction with it may be on its way.
    pub sent: bool,
    /// Where its model was deployed when it was made.
    pub deployment: Option<Deployment>,
}

/// What became of a proof.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// On its way.
    Submitted,
    /// In a block.
    Included(Transaction),
    /// Recorded for good; by somebody else's transaction if there is none.
    Finalized(Option<Transaction>),
    /// It ended otherwise; if a transaction was mined and reverted, by that.
    Ended(State, Reason, Option<Transaction>),
}

impl Outcome {
    fn state(&self) -> State {
        match self {
            Self::Submitted => State::Submitted,
            Self::Included(_) => State::Included,
            Self::Finalized(_) => State::Finalized,
            Self::Ended(state, ..) => *state,
        }
    }
}

/// Of a proof: no key has it, or one that no process has any more and whose relayer was not given it.
/// With the time in milliseconds as `$2`.
pub(super) const NOBODYS: &str = "handed = 0 AND (sender IS NULL OR NOT EXISTS (
    SELECT 1 FROM senders WHERE senders.address = bundles.sender AND senders.until_ms >= $2))";

/// Among so many of a sender's newest proofs those are looked for whose transactions were undone.
const MOST_UNDONE: i64 = 4096;

/// So many placeholders of a statement, from the number `first` on.
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

impl Store {
    /// Makes `owner` the process that sends with a key, for `ms` from now, unless another one is.
    /// Whether it is.
    ///
    /// # Errors
    /// The database fails.
    pub async fn own_sender(&self, sender: &str, owner: &str, ms: u64) -> Result<bool> {
        let now = self.now_ms();
        let done = sqlx::query(
            "INSERT INTO senders (address, owner, until_ms) VALUES ($1, $2, $3)
             ON CONFLICT (address) DO UPDATE SET owner = $2, until_ms = $3
             WHERE senders.owner = $2 OR senders.until_ms < $4",
        )
        .bind(sender)
        .bind(owner)
        .bind(rows::integer(now + ms))
        .bind(rows::integer(now))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Remembers what a transaction in a block took, once; of others it forgets what is older than
    /// `keep_ms`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn paid(&self, transaction: &Transaction, keep_ms: u64) -> Result<()> {
        let now = self.now_ms();
        sqlx::query(
            "INSERT INTO fees (hash, sender, wei, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO UPDATE SET wei = $3",
        )
        .bind(transaction.hash.to_string())
        .bind(transaction.sender.to_string())
        .bind(&transaction.fee_wei)
        .bind(rows::integer(now))
        .execute(&self.pool)
        .await?;
        sqlx::query("DELETE FROM fees WHERE at_ms < $1")
            .bind(rows::integer(now.saturating_sub(keep_ms)))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Wei that a sender's transactions of the last `ms` took, those included that reverted or took the
    /// place of others.
    ///
    /// # Errors
    /// The database fails.
    pub async fn spent(&self, sender: &str, ms: u64) -> Result<u128> {
        let found = sqlx::query("SELECT wei FROM fees WHERE sender = $1 AND at_ms > $2")
            .bind(sender)
            .bind(rows::integer(self.now_ms().saturating_sub(ms)))
            .fetch_all(&self.pool)
            .await?;
        found.iter().try_fold(0_u128, |spent, row| {
            let wei: String = row.try_get("wei")?;
            let fee: u128 = wei.parse().map_err(|_| rows::corrupt("fees.wei", wei))?;
            Ok(spent.saturating_add(fee))
        })
    }

    /// What a sender's transactions took last: the most of the newest few, as those that only take
    /// another's place take less. Nothing if none is remembered.
    ///
    /// # Errors
    /// The database fails.
    pub async fn last_price(&self, sender: &str) -> Result<Option<u128>> {
        let found =
            sqlx::query("SELECT wei FROM fees WHERE sender = $1 ORDER BY at_ms DESC LIMIT 16")
                .bind(sender)
                .fetch_all(&self.pool)
                .await?;
        found.iter().try_fold(None, |most: Option<u128>, row| {
            let wei: String = row.try_get("wei")?;
            let fee: u128 = wei.parse().map_err(|_| rows::corrupt("fees.wei", wei))?;
            Ok(most.max(Some(fee)))
        })
    }

    /// Writes down that the relayer of `sender` is given a proof: it may be sent from then on, and is
    /// never another key's. Whether it is still this one's.
    ///
    /// # Errors
    /// The database fails.
    pub async fn handed(&self, sender: &str, bundle: &str) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE bundles SET handed = 1 WHERE id = $1 AND sender = $2 AND relay = 'wanted'",
        )
        .bind(bundle)
        .bind(sender)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets another process send with a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn leave_sender(&self, sender: &str, owner: &str) -> Result<()> {
        sqlx::query("DELETE FROM senders WHERE address = $1 AND owner = $2")
            .bind(sender)
            .bind(owner)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives `sender` proofs of `models` that nobody takes to the chain yet, `most` at most, oldest
    /// first; how many. What a key took that no process has any more, and gave no relayer, is nobody's.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_relays(&self, sender: &str, models: &[&str], most: usize) -> Result<usize> {
        let mut tx = self.begin().await?;
        let statement = self.taking(&format!(
            "SELECT id FROM bundles WHERE relay = 'wanted' AND {NOBODYS} AND model IN ({})
               AND (sender IS NULL OR sender <> $3) ORDER BY created_ms, id LIMIT $1 {{skip}}",
            places(4, models.len())
        ));
        let mut query = sqlx::query(statement)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(rows::integer(self.now_ms()))
            .bind(sender);
        for model in models {
            query = query.bind(*model);
        }
        let free = query.fetch_all(&mut *tx).await?;
        for row in &free {
            let id: String = row.try_get("id")?;
            sqlx::query("UPDATE bundles SET sender = $1 WHERE id = $2 AND handed = 0")
                .bind(sender)
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(free.len())
    }

    /// Says what the jobs wait for whose proofs, of `models`, no sender has taken, where nothing was said.
    ///
    /// # Errors
    /// The database fails.
    pub async fn say_untaken(&self, models: &[&str], reason: &Reason) -> Result<()> {
        if models.is_empty() {
            return Ok(());
        }
        let statement = format!(
            "UPDATE jobs SET reason = $1 WHERE state = 'proved' AND reason IS NULL AND bundle IN (
                 SELECT id FROM bundles WHERE relay = 'wanted' AND sender IS NULL AND model IN ({}))",
            places(2, models.len())
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(rows::json(reason));
        for model in models {
            query = query.bind(*model);
        }
        query.execute(&self.pool).await?;
        Ok(())
    }

    /// Says what the jobs wait for whose proofs were given to the relayer of another key than `sender`,
    /// which no process has now, where nothing was said.
    ///
    /// # Errors
    /// The database fails.
    pub async fn say_stranded(&self, sender: &str) -> Result<()> {
        let silent = sqlx::query(
            "SELECT DISTINCT sender FROM bundles WHERE relay = 'wanted' AND handed = 1
               AND sender <> $1 AND NOT EXISTS (
                 SELECT 1 FROM senders
                 WHERE senders.address = bundles.sender AND senders.until_ms >= $2)",
        )
        .bind(sender)
        .bind(rows::integer(self.now_ms()))
        .fetch_all(&self.pool)
        .await?;
        for row in &silent {
            let key: String = row.try_get("sender")?;
            let message = format!(
                "key {key} was given it, and no process that sends with that key is heard of: it \
                 waits for one, as its transaction may be on its way"
            );
            sqlx::query(
                "UPDATE jobs SET reason = $1
                 WHERE state IN ('proved', 'submitted', 'included') AND reason IS NULL
                   AND bundle IN (SELECT id FROM bundles
                                  WHERE relay = 'wanted' AND handed = 1 AND sender = $2)",
            )
            .bind(rows::json(&Reason::new(ReasonCode::Chain, message)))
            .bind(key)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// Takes up a sender's jobs again whose transactions, of these hashes, were final and are not on the
    /// chain any more: how many.
    ///
    /// # Errors
    /// The database fails.
    pub async fn undone(&self, sender: &str, hashes: &HashSet<B256>) -> Result<usize> {
        if hashes.is_empty() {
            return Ok(0);
        }
        let now = rows::integer(self.now_ms());
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT * FROM jobs WHERE state = 'finalized' AND bundle IN (
               SELECT id FROM bundles WHERE relay = 'done' AND sender = $1
               ORDER BY created_ms DESC LIMIT $2) ORDER BY id {lock}",
        );
        let found =
            sqlx::query(statement).bind(sender).bind(MOST_UNDONE).fetch_all(&mut *tx).await?;
        let mut undone = 0;
        for row in &found {
            let job = rows::job(row)?;
            let Some(transaction) = job.transaction.filter(|own| hashes.contains(&own.hash)) else {
                continue;
            };
            let message = format!(
                "its transaction was in block {}, which was final and is not on the chain any more: \
                 it is sent again",
                transaction.block
            );
            let reason = Reason::new(ReasonCode::Chain, message);
            sqlx::query(
                "UPDATE jobs SET state = 'submitted', tx = NULL, reason = $1, updated_ms = $2
                 WHERE id = $3",
            )
            .bind(rows::json(&reason))
            .bind(now)
            .bind(&job.id)
            .execute(&mut *tx)
            .await?;
            self.event(&mut tx, &job.id, State::Submitted, Some(&reason), Some(sender)).await?;
            sqlx::query("UPDATE bundles SET relay = 'wanted' WHERE id = $1")
                .bind(&job.bundle)
                .execute(&mut *tx)
                .await?;
            undone += 1;
        }
        tx.commit().await?;
        self.tell();
        Ok(undone)
    }

    /// The proofs that are `sender`'s to take to the chain, oldest first; of each, whether it is
    /// not wanted any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn own_relays(&self, sender: &str) -> Result<Vec<(String, bool)>> {
        let own = sqlx::query(
            "SELECT id, cancel FROM bundles WHERE relay = 'wanted' AND sender = $1
             ORDER BY created_ms, id",
        )
        .bind(sender)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let cancel: i64 = row.try_get("cancel")?;
            Ok((row.try_get("id")?, cancel == 1))
        };
        own.iter().map(read).collect()
    }

    /// A proof with what goes with it; none if it is gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn relay(&self, id: &str) -> Result<Option<Relay>> {
        let row = sqlx::query("SELECT * FROM bundles WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = row.try_get("body")?;
        let bundle: ProofBundle =
            serde_json::from_str(&body).map_err(|error| rows::corrupt("bundles.body", error))?;
        let found = sqlx::query("SELECT id, attestations FROM jobs WHERE bundle = $1 ORDER BY id")
            .bind(id)
            .fetch_all(&self.pool)
            .await?;
        let (mut jobs, mut attestations) = (Vec::new(), Vec::new());
        let handed: i64 = row.try_get("handed")?;
        for job in &found {
            jobs.push(job.try_get("id")?);
            let own: Option<Vec<Attestation>> = rows::parsed(job, "attestations")?;
            attestations.extend(own.into_iter().flatten());
        }
        let deadline = bundle.answered().iter().map(|request| request.deadline).min();
        Ok(Some(Relay {
            id: id.to_owned(),
            jobs,
            model: row.try_get("model")?,
            bundle,
            attestations,
            deadline: deadline.unwrap_or(0),
            sent: handed == 1,
            deployment: rows::parsed(&row, "deployment")?,
        }))
    }

    /// The jobs of a proof.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs_of(&self, bundle: &str) -> Result<Vec<Job>> {
        let found = sqlx::query("SELECT * FROM jobs WHERE bundle = $1 ORDER BY id")
            .bind(bundle)
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(rows::job).collect()
    }

    /// Writes down what the chain made of a proof; nothing if its jobs are there already. Only the
    /// sender that has the proof may: another's word changes nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn relayed(&self, sender: &str, bundle: &str, outcome: &Outcome) -> Result<()> {
        let now = rows::integer(self.now_ms());
        let mut tx = self.begin().await?;
        let owned =
            sqlx::query("SELECT 1 FROM bundles WHERE id = $1 AND sender = $2 AND relay = 'wanted'")
                .bind(bundle)
                .bind(sender)
                .fetch_optional(&mut *tx)
                .await?;
        if owned.is_none() {
            tx.rollback().await?;
            return Ok(());
        }
        let state = outcome.state();
        let statement = self.taking("SELECT * FROM jobs WHERE bundle = $1 ORDER BY id {lock}");
        let found = sqlx::query(statement).bind(bundle).fetch_all(&mut *tx).await?;
        let transaction = match outcome {
            Outcome::Included(transaction) => Some(transaction),
            Outcome::Finalized(transaction) | Outcome::Ended(.., transaction) => {
                transaction.as_ref()
            }
            Outcome::Submitted => None,
        };
        let mut ended = false;
        for row in &found {
            let job = rows::job(row)?;
            if job.state == state && job.transaction.as_ref() == transaction {
                continue;
            }
            let by = Some(sender);
            match outcome {
                Outcome::Ended(state, reason, _) => {
                    ended = true;
                    sqlx::query("UPDATE jobs SET tx = COALESCE($1, tx) WHERE id = $2")
                        .bind(transaction.map(rows::json))
                        .bind(&job.id)
                        .execute(&mut *tx)
                        .await?;
                    self.end(&mut tx, &job.id, *state, reason, sender).await?;
                }
                Outcome::Submitted | Outcome::Included(_) | Outcome::Finalized(_) => {
                    let end = state == State::Finalized;
                    let left = job.state == State::Included && state == State::Submitted;
                    sqlx::query(
                        "UPDATE jobs SET state = $1, tx = $2, updated_ms = $3, reason = NULL,
                                lane = CASE WHEN $4 = 1 THEN NULL ELSE lane END WHERE id = $5",
                    )
                    .bind(state.name())
                    .bind(transaction.map(rows::json))
                    .bind(now)
                    .bind(i64::from(end))
                    .bind(&job.id)
                    .execute(&mut *tx)
                    .await?;
                    let reason = left.then(|| {
                        Reason::new(ReasonCode::Chain, "its block is not on the chain any more")
                    });
                    self.event(&mut tx, &job.id, state, reason.as_ref(), by).await?;
                    if end {
                        ended = true;
                        self.announce(&mut tx, &job.id).await?;
                    }
                }
            }
        }
        if ended || matches!(outcome, Outcome::Finalized(_) | Outcome::Ended(..)) {
            sqlx::query("UPDATE bundles SET relay = 'done' WHERE id = $1")
                .bind(bundle)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        self.tell();
        Ok(())
    }

    /// Says of a proof's jobs what holds them up, without changing their state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn hold(&self, bundle: &str, reason: Option<&Reason>) -> Result<()> {
        sqlx::query("UPDATE jobs SET reason = $1 WHERE bundle = $2 AND state IN ('proved', 'submitted', 'included')")
            .bind(reason.map(rows::json))
            .bind(bundle)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
