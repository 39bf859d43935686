-- One row for each chain this database was used on. Two chains may share an id (every
-- development chain does); their genesis blocks differ.
CREATE TABLE chains (
    chain_id INTEGER PRIMARY KEY,
    genesis  TEXT NOT NULL
) STRICT;

-- One row for each call that has to happen once.
CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    chain_id        INTEGER NOT NULL,
    sender          TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    label           TEXT NOT NULL,
    -- 'call', or 'gap' for a self-transfer that fills a hole in the nonces
    kind            TEXT NOT NULL,
    -- NULL deploys
    target          TEXT,
    calldata        BLOB NOT NULL,
    value           TEXT NOT NULL,
    state           TEXT NOT NULL,
    -- JSON: why it was rejected or dropped
    reason          TEXT,
    -- the nonce it holds; given up again if something else used that nonce
    nonce           INTEGER,
    -- JSON: the receipt of the attempt that is in a block
    receipt         TEXT,
    created_ms      INTEGER NOT NULL,
    updated_ms      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX jobs_idempotency ON jobs (chain_id, sender, idempotency_key);
CREATE UNIQUE INDEX jobs_nonce ON jobs (chain_id, sender, nonce) WHERE nonce IS NOT NULL;
CREATE INDEX jobs_pending ON jobs (chain_id, sender, state);

-- One row for each signed transaction, written before it is broadcast. Never deleted.
CREATE TABLE attempts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL REFERENCES jobs (id),
    chain_id     INTEGER NOT NULL,
    sender       TEXT NOT NULL,
    nonce        INTEGER NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    raw          BLOB NOT NULL,
    max_fee      TEXT NOT NULL,
    tip          TEXT NOT NULL,
    gas_limit    INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    broadcast_ms INTEGER
) STRICT;

CREATE INDEX attempts_job ON attempts (job_id);
CREATE INDEX attempts_nonce ON attempts (chain_id, sender, nonce);
