//! Reading rows.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, any::AnyRow};

use super::{Result, StoreError};
use crate::job::{Event, Job, Kind, State};

pub(super) fn corrupt(column: &'static str, value: impl ToString) -> StoreError {
    StoreError::Corrupt { column, value: value.to_string() }
}

/// A number as the database keeps it; none here is anywhere near 2^63.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &AnyRow, column: &'static str) -> Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| corrupt(column, number))
}

pub(super) fn maybe_unsigned(row: &AnyRow, column: &'static str) -> Result<Option<u64>> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|number| u64::try_from(number).map_err(|_| corrupt(column, number))).transpose()
}

/// JSON of our own types, which have no keys that JSON has not.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn parsed<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    let Some(text) = text else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| corrupt(column, text))
}

pub(super) fn state(row: &AnyRow) -> Result<State> {
    let name: String = row.try_get("state")?;
    State::parse(&name).ok_or_else(|| corrupt("state", name))
}

pub(super) fn kind(row: &AnyRow) -> Result<Kind> {
    let name: String = row.try_get("kind")?;
    Kind::parse(&name).ok_or_else(|| corrupt("kind", name))
}

pub(super) fn job(row: &AnyRow) -> Result<Job> {
    let subject: Option<String> = row.try_get("subject")?;
    let subject = subject.map(|text| text.parse().map_err(|_| corrupt("subject", text)));
    let attempts = unsigned(row, "attempts")?;
    Ok(Job {
        id: row.try_get("id")?,
        kind: kind(row)?,
        model: row.try_get("model")?,
        subject: subject.transpose()?,
        state: state(row)?,
        reason: parsed(row, "reason")?,
        priority: row.try_get("priority")?,
        idempotency_key: row.try_get("idempotency_key")?,
        nonce: maybe_unsigned(row, "nonce")?,
        deadline: maybe_unsigned(row, "deadline")?,
        outputs: parsed(row, "outputs")?,
        score: row.try_get("score")?,
        bundle: row.try_get("bundle")?,
        proof_ms: maybe_unsigned(row, "proof_ms")?,
        transaction: parsed(row, "tx")?,
        attempts: u32::try_from(attempts).map_err(|_| corrupt("attempts", attempts))?,
        created_ms: unsigned(row, "created_ms")?,
        updated_ms: unsigned(row, "updated_ms")?,
    })
}

pub(super) fn event(row: &AnyRow) -> Result<Event> {
    Ok(Event {
        seq: unsigned(row, "seq")?,
        at_ms: unsigned(row, "at_ms")?,
        state: state(row)?,
        reason: parsed(row, "reason")?,
        by: row.try_get("by_whom")?,
    })
}
