//! Rows to values and back. A value that does not parse is an error, never a guess.

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use super::{Job, JobKind, Result};
use crate::{
    backend::MAX_NONCE,
    error::StorageError,
    fees::Fees,
    job::{Attempt, AttemptOutcome, JobId, JobState, SubmitRequest, TxReceipt},
};

impl JobKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Gap => "gap",
        }
    }
}

/// SQLite's integers are signed.
pub(super) fn integer(column: &'static str, value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| StorageError::OutOfRange { column, value })
}

/// A nonce that some account may have: anything larger would be there for ever.
pub(super) fn nonce_of(value: u64) -> Result<i64> {
    if value >= MAX_NONCE {
        return Err(StorageError::OutOfRange { column: "nonce", value });
    }
    integer("nonce", value)
}

pub(super) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StorageError::Corrupt { column, value: value.to_string() })
}

fn optional(row: &SqliteRow, column: &'static str) -> Result<Option<u64>> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|_| unsigned(row, column)).transpose()
}

fn parsed<T: FromStr>(column: &'static str, text: String) -> Result<T> {
    text.parse().map_err(|_| StorageError::Corrupt { column, value: text })
}

fn json<T: DeserializeOwned>(column: &'static str, text: Option<String>) -> Result<T> {
    let text = text.unwrap_or_default();
    serde_json::from_str(&text).map_err(|_| StorageError::Corrupt { column, value: text })
}

pub(super) fn reason_of(state: &JobState) -> Option<String> {
    fn text(reason: &impl Serialize) -> Option<String> {
        serde_json::to_string(reason).ok()
    }
    match state {
        JobState::Rejected(reason) => text(reason),
        JobState::Dropped(reason) => text(reason),
        _ => None,
    }
}

pub(super) fn job_from(row: &SqliteRow) -> Result<Job> {
    let reason: Option<String> = row.try_get("reason")?;
    let name: String = row.try_get("state")?;
    let state = match name.as_str() {
        "queued" => JobState::Queued,
        "submitted" => JobState::Submitted,
        "included" => JobState::Included,
        "finalized" => JobState::Finalized,
        "rejected" => JobState::Rejected(json("jobs.reason", reason)?),
        "dropped" => JobState::Dropped(json("jobs.reason", reason)?),
        _ => return Err(StorageError::Corrupt { column: "jobs.state", value: name }),
    };
    let kind: String = row.try_get("kind")?;
    let kind = [JobKind::Call, JobKind::Gap]
        .into_iter()
        .find(|candidate| candidate.name() == kind)
        .ok_or(StorageError::Corrupt { column: "jobs.kind", value: kind })?;
    let effect: Option<String> = row.try_get("effect")?;
    let effect = effect.map(|text| json("jobs.effect", Some(text))).transpose()?;
    let ending: Option<String> = row.try_get("ending")?;
    let ending = ending.map(|text| json("jobs.ending", Some(text))).transpose()?;
    let target: Option<String> = row.try_get("target")?;
    let receipt: Option<String> = row.try_get("receipt")?;
    let receipt: Option<TxReceipt> =
        receipt.map(|text| json("jobs.receipt", Some(text))).transpose()?;
    Ok(Job {
        id: JobId(row.try_get("id")?),
        request: SubmitRequest {
            to: target.map(|text| parsed("jobs.target", text)).transpose()?,
            calldata: row.try_get::<Vec<u8>, _>("calldata")?.into(),
            value: parsed("jobs.value", row.try_get("value")?)?,
            idempotency_key: row.try_get("idempotency_key")?,
            label: row.try_get("label")?,
            effect,
        },
        chain_id: unsigned(row, "chain_id")?,
        sender: parsed("jobs.sender", row.try_get("sender")?)?,
        ending,
        note: row.try_get("note")?,
        kind,
        state,
        nonce: optional(row, "nonce")?,
        receipt,
        created_ms: unsigned(row, "created_ms")?,
        updated_ms: unsigned(row, "updated_ms")?,
    })
}

pub(super) fn attempt_from(row: &SqliteRow) -> Result<Attempt> {
    let outcome: String = row.try_get("outcome")?;
    Ok(Attempt {
        hash: parsed("attempts.hash", row.try_get("hash")?)?,
        nonce: unsigned(row, "nonce")?,
        fees: Fees {
            max_fee: parsed("attempts.max_fee", row.try_get("max_fee")?)?,
            tip: parsed("attempts.tip", row.try_get("tip")?)?,
        },
        gas_limit: unsigned(row, "gas_limit")?,
        outcome: AttemptOutcome::parse(&outcome)
            .ok_or(StorageError::Corrupt { column: "attempts.outcome", value: outcome })?,
        created_ms: unsigned(row, "created_ms")?,
        broadcast_ms: optional(row, "broadcast_ms")?,
        cancels: row.try_get::<i64, _>("cancels")? != 0,
        raw: row.try_get::<Vec<u8>, _>("raw")?.into(),
    })
}
