//! The tables, in words that SQLite and PostgreSQL both take.
//!
//! Ids sort by time, numbers are 64 bits, times are milliseconds since 1970; what has a structure is
//! JSON. A step that has run anywhere never changes.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// Jobs, their stories, their proofs, and who may ask.
const FIRST: &str = "
CREATE TABLE jobs (
    id              TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    model           TEXT NOT NULL,
    subject         TEXT,
    state           TEXT NOT NULL,
    reason          TEXT,
    priority        BIGINT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    -- an HMAC: whether a repeated submission asks for the same
    fingerprint     TEXT NOT NULL,
    -- sealed; gone when the proof is stored, unless it is to be kept
    input           TEXT,
    keep_input      BIGINT NOT NULL,
    attestations    TEXT,
    -- 1 if the client chose it
    nonce_given     BIGINT NOT NULL,
    nonce           BIGINT,
    -- seconds since 1970; of a request that has none yet, valid_for seconds from its proof on
    deadline        BIGINT,
    -- 1 if the client chose it
    deadline_given  BIGINT NOT NULL,
    valid_for       BIGINT NOT NULL,
    bundle          TEXT,
    outputs         TEXT,
    score           TEXT,
    proof_ms        BIGINT,
    tx              TEXT,
    webhook         TEXT,
    client          TEXT NOT NULL,
    attempts        BIGINT NOT NULL,
    not_before_ms   BIGINT NOT NULL,
    -- model and subject while a job about them is on its way: one at a time, because nonces only grow
    lane            TEXT UNIQUE,
    lease           TEXT,
    lease_until_ms  BIGINT,
    created_ms      BIGINT NOT NULL,
    updated_ms      BIGINT NOT NULL
);
CREATE INDEX jobs_state ON jobs (state, model, id);
CREATE INDEX jobs_kind ON jobs (kind, state);
CREATE INDEX jobs_model ON jobs (model, id);
CREATE INDEX jobs_subject ON jobs (subject, id);
CREATE INDEX jobs_bundle ON jobs (bundle);
CREATE INDEX jobs_updated ON jobs (updated_ms);
CREATE INDEX jobs_client ON jobs (client, model, created_ms);

CREATE TABLE events (
    job_id TEXT NOT NULL,
    seq    BIGINT NOT NULL,
    at_ms  BIGINT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT,
    by_whom TEXT,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE bundles (
    id            TEXT PRIMARY KEY,
    model         TEXT NOT NULL,
    body          TEXT NOT NULL,
    -- 'none', 'wanted' or 'done'
    relay         TEXT NOT NULL,
    -- 1 if its transaction is not wanted any more
    cancel        BIGINT NOT NULL,
    -- 1 once a relayer was given it
    handed        BIGINT NOT NULL DEFAULT 0,
    -- the key that sends it, once one has taken it
    sender        TEXT,
    created_ms    BIGINT NOT NULL
);
CREATE INDEX bundles_relay ON bundles (relay, created_ms);

CREATE TABLE senders (
    address  TEXT PRIMARY KEY,
    owner    TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    hash       TEXT NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE deliveries (
    id         TEXT PRIMARY KEY,
    job_id     TEXT NOT NULL,
    url        TEXT NOT NULL,
    body       TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    next_ms    BIGINT NOT NULL,
    -- 'waiting', 'delivered' or 'given up'
    state      TEXT NOT NULL,
    last_error TEXT
);
CREATE INDEX deliveries_next ON deliveries (state, next_ms);
";

/// Whoever looks for the next job of a long queue finds it first, and sorts nothing; what was paid is
/// remembered.
const NEXT: &str = "
CREATE INDEX jobs_next ON jobs (model, priority DESC, id) WHERE state = 'queued';
CREATE INDEX deliveries_job ON deliveries (job_id);

-- what transactions of a key took, whatever became of their jobs
CREATE TABLE fees (
    hash   TEXT PRIMARY KEY,
    sender TEXT NOT NULL,
    wei    TEXT NOT NULL,
    at_ms  BIGINT NOT NULL
);
CREATE INDEX fees_sender ON fees (sender, at_ms);

-- where the proof's model was deployed when it was made, as JSON: it goes there whatever is served later
ALTER TABLE bundles ADD COLUMN deployment TEXT;
";

/// A filter of a list, or a figure, reads what it shows; announcements know their receivers.
const LISTS: &str = "
CREATE INDEX jobs_in_state ON jobs (state, id);
-- said as lists say it, in words that no other index answers
CREATE INDEX jobs_ended ON jobs (updated_ms)
    WHERE state || '/' || kind IN ('finalized/score', 'finalized/relay', 'proved/proof');
CREATE INDEX jobs_waiting ON jobs (created_ms) WHERE state || '' = 'queued';

-- the URL's origin; of what was queued before this column, nothing
ALTER TABLE deliveries ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_origin ON deliveries (origin, next_ms) WHERE state = 'waiting';
";

/// The tables' history.
pub(super) fn migrator() -> Migrator {
    let steps = [("jobs", FIRST), ("next", NEXT), ("lists", LISTS)];
    let steps = (1..).zip(steps).map(|(version, (name, statements))| {
        let statements = statements.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, statements, false)
    });
    Migrator::with_migrations(steps.collect())
}
