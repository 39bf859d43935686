//! Lists and figures: each reads what it shows, by an index, and not the table.

use std::time::{Duration, Instant};

use alloy::primitives::Address;
use sqlx::{AssertSqlSafe, Row};

use super::{Result, Store, rows};
use crate::job::{Job, Kind, State};

/// How long what was counted is good for.
const COUNTED: Duration = Duration::from_secs(1);

const COUNTS: &str = "SELECT kind, state, COUNT(*) AS n FROM jobs GROUP BY kind, state";
const REFRESHED: &str =
    "SELECT model, MAX(created_ms) AS at_ms FROM jobs WHERE client = 'refresh' GROUP BY model";
const OLDEST: &str = "SELECT MIN(created_ms) AS first FROM jobs WHERE state || '' = 'queued'";
const SAMPLES: &str = "SELECT * FROM jobs
     WHERE state || '/' || kind IN ('finalized/score', 'finalized/relay', 'proved/proof')
     ORDER BY updated_ms DESC LIMIT $1";

/// What was counted, and when.
pub(super) type Counted = (Instant, Vec<(Kind, State, u64)>);

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this model.
    pub model: Option<String>,
    /// About this subject.
    pub subject: Option<Address>,
    /// Older than this job.
    pub before: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// A finished job in the figures.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Sample {
    /// When its state last changed.
    pub at_ms: u64,
    /// Milliseconds from its acceptance until then.
    pub took_ms: u64,
    /// Milliseconds of its proof.
    pub proof_ms: Option<u64>,
    /// Gas of its transaction, which jobs of a batch share.
    pub gas_used: Option<u64>,
    /// Ether paid for it.
    pub fee_ether: Option<f64>,
}

impl Filter {
    /// The statement, and what is bound in it before the limit. Only its own words are in it.
    fn statement(&self) -> (String, Vec<String>) {
        let subject = self.subject.map(|subject| subject.to_string());
        // A subject has few jobs. An index of another column, which a planner without statistics may
        // prefer, would lead through many: it is of no use for an expression.
        let (state, model) = match subject {
            Some(_) => ("state || '' =", "model || '' ="),
            None => ("state =", "model ="),
        };
        let given = [
            (state, self.state.map(|state| state.name().to_owned())),
            (model, self.model.clone()),
            ("subject =", subject),
            ("id <", self.before.clone()),
        ];
        let (mut conditions, mut values) = (vec![], vec![]);
        for (condition, value) in given {
            let Some(value) = value else { continue };
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        }
        let mut statement = "SELECT * FROM jobs".to_owned();
        if !conditions.is_empty() {
            statement += &format!(" WHERE {}", conditions.join(" AND "));
        }
        statement += &format!(" ORDER BY id DESC LIMIT ${}", values.len() + 1);
        (statement, values)
    }
}

impl Store {
    /// Jobs, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs(&self, filter: &Filter) -> Result<Vec<Job>> {
        let (statement, values) = filter.statement();
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for value in values {
            query = query.bind(value);
        }
        let found = query.bind(i64::from(filter.limit)).fetch_all(&self.reading).await?;
        found.iter().map(rows::job).collect()
    }

    /// How many jobs of each kind are in each state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn counts(&self) -> Result<Vec<(Kind, State, u64)>> {
        let found = sqlx::query(COUNTS).fetch_all(&self.reading).await?;
        let all = Kind::ALL.into_iter().flat_map(|kind| State::ALL.map(|state| (kind, state, 0)));
        let mut counts: Vec<(Kind, State, u64)> = all.collect();
        for row in &found {
            let (kind, state, n) = (rows::kind(row)?, rows::state(row)?, rows::unsigned(row, "n")?);
            let one = counts.iter_mut().find(|(k, s, _)| (*k, *s) == (kind, state));
            if let Some((_, _, count)) = one {
                *count = n;
            }
        }
        Ok(counts)
    }

    /// The same of a moment ago: however many ask, it is counted once a second.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recent_counts(&self) -> Result<Vec<(Kind, State, u64)>> {
        // Held while counting: who comes meanwhile waits for that.
        let mut counted = self.counted.lock().await;
        if let Some((at, counts)) = &*counted
            && at.elapsed() < COUNTED
        {
            return Ok(counts.clone());
        }
        let counts = self.counts().await?;
        *counted = Some((Instant::now(), counts.clone()));
        Ok(counts)
    }

    /// When the schedule last submitted a subject of each model that has one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn refreshed(&self) -> Result<Vec<(String, u64)>> {
        let found = sqlx::query(REFRESHED).fetch_all(&self.reading).await?;
        found.iter().map(|row| Ok((row.try_get("model")?, rows::unsigned(row, "at_ms")?))).collect()
    }

    /// The age of the oldest job that waits for a worker, milliseconds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn oldest_queued_ms(&self) -> Result<u64> {
        let row = sqlx::query(OLDEST).fetch_one(&self.reading).await?;
        let first: Option<i64> = row.try_get("first")?;
        let first = first.and_then(|first| u64::try_from(first).ok());
        Ok(first.map_or(0, |first| self.now_ms().saturating_sub(first)))
    }

    /// The jobs that ended last, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn samples(&self, most: u32) -> Result<Vec<Sample>> {
        let found = sqlx::query(SAMPLES).bind(i64::from(most)).fetch_all(&self.reading).await?;
        let mut samples = Vec::with_capacity(found.len());
        for row in found.iter().rev() {
            let job = rows::job(row)?;
            let transaction = job.transaction.as_ref();
            samples.push(Sample {
                at_ms: job.updated_ms,
                took_ms: job.updated_ms.saturating_sub(job.created_ms),
                proof_ms: job.proof_ms,
                gas_used: transaction.map(|tx| tx.gas_used),
                fee_ether: transaction
                    .and_then(|tx| tx.fee_wei.parse::<f64>().ok())
                    .map(|wei| wei / 1e18),
            });
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use verdict_relayer::clock::SystemClock;

    use super::*;

    /// How SQLite goes about a statement.
    async fn plan(store: &Store, statement: &str, values: &[String]) -> String {
        let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        for value in values {
            query = query.bind(value);
        }
        if statement.contains("LIMIT") {
            query = query.bind(50_i64);
        }
        let steps = query.fetch_all(&store.reading).await.expect("a plan");
        let steps = steps.iter().map(|row| row.try_get("detail").expect("a step"));
        steps.collect::<Vec<String>>().join("; ")
    }

    #[tokio::test]
    async fn every_filter_and_figure_reads_an_index_and_sorts_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::sqlite(&folder.path().join("db"), Arc::new(SystemClock)).await;
        let store = store.expect("SQLite");
        for set in 0..16_u32 {
            let given = |bit: u32| set & (1 << bit) != 0;
            let filter = Filter {
                state: given(0).then_some(State::Queued),
                model: given(1).then(|| "credit".into()),
                subject: given(2).then_some(Address::ZERO),
                before: given(3).then(|| "01".into()),
                limit: 50,
            };
            let index = match (given(0), given(1), given(2), given(3)) {
                (_, _, true, _) => "SEARCH jobs USING INDEX jobs_subject (subject=?",
                (true, true, ..) => "SEARCH jobs USING INDEX jobs_state (state=? AND model=?",
                (true, ..) => "SEARCH jobs USING INDEX jobs_in_state (state=?",
                (_, true, ..) => "SEARCH jobs USING INDEX jobs_model (model=?",
                (.., true) => "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id<?)",
                _ => "SCAN jobs USING INDEX sqlite_autoindex_jobs_1",
            };
            let (statement, values) = filter.statement();
            let plan = plan(&store, &statement, &values).await;
            assert!(plan.starts_with(index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
            // From where the page begins.
            assert_eq!(plan.contains("id<?"), given(3), "{filter:?}: {plan}");
        }
        for (statement, index) in [
            (SAMPLES, "jobs_ended"),
            (OLDEST, "SEARCH jobs USING INDEX jobs_waiting"),
            (COUNTS, "COVERING INDEX jobs_kind"),
            (REFRESHED, "COVERING INDEX jobs_client"),
        ] {
            let plan = plan(&store, statement, &[]).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn tokens_are_read_while_lists_have_every_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::sqlite(&folder.path().join("db"), Arc::new(SystemClock)).await;
        let store = store.expect("SQLite");
        let mut held = vec![];
        for _ in 0..3 {
            held.push(store.reading.acquire().await.expect("a connection"));
        }
        let asked = tokio::time::timeout(Duration::from_secs(5), store.valid_tokens()).await;
        assert!(asked.expect("at once").expect("read").is_empty());
        drop(held);
        store.close().await;
    }
}
