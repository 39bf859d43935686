//! Forgets what is over.

use sqlx::Row;

use super::{Result, Store, rows};

impl Store {
    /// Deletes up to `most` jobs that ended and were last touched before `before_ms`, with their stories,
    /// inputs that were kept, and proofs that belong to no other job. Jobs whose end is still to be
    /// announced stay, and so does every job of a proof that another one's end is open for. Returns how
    /// many were deleted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget(&self, before_ms: u64, most: u32) -> Result<usize> {
        let mut tx = self.begin().await?;
        let statement = self.taking(
            "SELECT id, bundle FROM jobs
             WHERE updated_ms < $1
               AND (state IN ('finalized', 'rejected', 'dropped', 'cancelled')
                    OR (state = 'proved' AND kind = 'proof'))
               AND NOT EXISTS (SELECT 1 FROM deliveries
                               WHERE deliveries.job_id = jobs.id AND deliveries.state = 'waiting')
               AND NOT EXISTS (SELECT 1 FROM bundles
                               WHERE bundles.id = jobs.bundle AND bundles.relay = 'wanted')
             ORDER BY updated_ms LIMIT $2 {skip}",
        );
        let found = sqlx::query(statement)
            .bind(rows::integer(before_ms))
            .bind(i64::from(most))
            .fetch_all(&mut *tx)
            .await?;
        for row in &found {
            let (id, bundle): (String, Option<String>) =
                (row.try_get("id")?, row.try_get("bundle")?);
            for statement in [
                "DELETE FROM events WHERE job_id = $1",
                "DELETE FROM deliveries WHERE job_id = $1",
                "DELETE FROM jobs WHERE id = $1",
            ] {
                sqlx::query(statement).bind(&id).execute(&mut *tx).await?;
            }
            sqlx::query(
                "DELETE FROM bundles WHERE id = $1
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.bundle = $1)",
            )
            .bind(bundle)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(found.len())
    }
}
