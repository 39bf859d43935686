//! What clients want to hear of: the ends of their jobs.

use std::collections::BTreeMap;

use sqlx::{Any, Row, Transaction};

use super::{Result, Store, rows};

/// An announcement on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same at every attempt.
    pub id: String,
    /// Where it goes.
    pub url: String,
    /// The URL's origin, whose deliveries wait for one another only.
    pub origin: String,
    /// The job, as JSON.
    pub body: String,
    /// How often it was tried.
    pub attempts: u64,
}

impl Store {
    /// Queues the announcement of a job's end, in the transaction that ends it.
    pub(super) async fn announce(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<()> {
        let row =
            sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id).fetch_one(&mut **tx).await?;
        let url: Option<String> = row.try_get("webhook")?;
        let Some(url) = url else { return Ok(()) };
        let origin = reqwest::Url::parse(&url).map(|url| url.origin().ascii_serialization());
        sqlx::query(
            "INSERT INTO deliveries (id, job_id, url, origin, body, attempts, next_ms, state)
             VALUES ($1, $2, $3, $4, $5, 0, $6, 'waiting')",
        )
        .bind(self.new_id())
        .bind(id)
        .bind(url)
        .bind(origin.unwrap_or_default())
        .bind(rows::json(&rows::job(&row)?))
        .bind(rows::integer(self.now_ms()))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Announcements that are due, each put off so that nobody else takes it meanwhile: of every origin
    /// those that have waited longest, up to `of_each` with those that are on their way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn due_deliveries(
        &self,
        of_each: usize,
        on_their_way: &BTreeMap<String, usize>,
        put_off_ms: u64,
    ) -> Result<Vec<Delivery>> {
        let now = self.now_ms();
        // Nobody waits for the writer's turn where nothing is due.
        // From origin to origin by the index: what waits for one may be many rows.
        let origins = sqlx::query(
            "WITH RECURSIVE origins (origin) AS (
               SELECT MIN(origin) FROM deliveries WHERE state = 'waiting'
               UNION ALL
               SELECT (SELECT MIN(origin) FROM deliveries
                       WHERE state = 'waiting' AND origin > origins.origin)
               FROM origins WHERE origins.origin IS NOT NULL)
             SELECT origin FROM origins
             WHERE EXISTS (SELECT 1 FROM deliveries WHERE state = 'waiting'
                           AND deliveries.origin = origins.origin AND next_ms <= $1)",
        )
        .bind(rows::integer(now))
        .fetch_all(&self.reading)
        .await?;
        let mut due = Vec::new();
        for row in &origins {
            let origin: String = row.try_get("origin")?;
            let room = of_each.saturating_sub(on_their_way.get(&origin).copied().unwrap_or(0));
            if room > 0 {
                due.extend(self.due_of(&origin, room, now, put_off_ms).await?);
            }
        }
        Ok(due)
    }

    async fn due_of(
        &self,
        origin: &str,
        most: usize,
        now: u64,
        put_off_ms: u64,
    ) -> Result<Vec<Delivery>> {
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT * FROM deliveries WHERE state = 'waiting' AND origin = $1 AND next_ms <= $2
             ORDER BY next_ms LIMIT $3 {skip}",
        );
        let found = sqlx::query(statement)
            .bind(origin)
            .bind(rows::integer(now))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx)
            .await?;
        let mut due = Vec::with_capacity(found.len());
        for row in &found {
            let delivery = Delivery {
                id: row.try_get("id")?,
                url: row.try_get("url")?,
                origin: row.try_get("origin")?,
                body: row.try_get("body")?,
                attempts: rows::unsigned(row, "attempts")?,
            };
            sqlx::query(
                "UPDATE deliveries SET next_ms = $1, attempts = attempts + 1 WHERE id = $2",
            )
            .bind(rows::integer(now + put_off_ms))
            .bind(&delivery.id)
            .execute(&mut *tx)
            .await?;
            due.push(delivery);
        }
        tx.commit().await?;
        Ok(due)
    }

    /// Writes down how a delivery went: done, or to be tried again at a time, or given up.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delivered(
        &self,
        id: &str,
        error: Option<&str>,
        next_ms: Option<u64>,
    ) -> Result<()> {
        let state = match (error, next_ms) {
            (None, _) => "delivered",
            (Some(_), Some(_)) => "waiting",
            (Some(_), None) => "given up",
        };
        sqlx::query(
            "UPDATE deliveries SET state = $1, last_error = $2, next_ms = COALESCE($3, next_ms)
             WHERE id = $4",
        )
        .bind(state)
        .bind(error)
        .bind(next_ms.map(rows::integer))
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
