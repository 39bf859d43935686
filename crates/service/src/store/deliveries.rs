//! What clients want to hear of: the ends of their jobs.

use sqlx::{Any, Row, Transaction};

use super::{Result, Store, rows};

/// An announcement on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same at every attempt.
    pub id: String,
    /// Where it goes.
    pub url: String,
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
        sqlx::query(
            "INSERT INTO deliveries (id, job_id, url, body, attempts, next_ms, state)
             VALUES ($1, $2, $3, $4, 0, $5, 'waiting')",
        )
        .bind(self.new_id())
        .bind(id)
        .bind(url)
        .bind(rows::json(&rows::job(&row)?))
        .bind(rows::integer(self.now_ms()))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Announcements that are due, each put off so that nobody else takes it meanwhile.
    ///
    /// # Errors
    /// The database fails.
    pub async fn due_deliveries(&self, most: u32, put_off_ms: u64) -> Result<Vec<Delivery>> {
        let now = self.now_ms();
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT * FROM deliveries WHERE state = 'waiting' AND next_ms <= $1
             ORDER BY next_ms LIMIT $2 {skip}",
        );
        let found = sqlx::query(statement)
            .bind(rows::integer(now))
            .bind(i64::from(most))
            .fetch_all(&mut *tx)
            .await?;
        let mut due = Vec::with_capacity(found.len());
        for row in &found {
            let delivery = Delivery {
                id: row.try_get("id")?,
                url: row.try_get("url")?,
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
