-- The register: callers with their certificates, structures, users, and the count of each user's failed attempts.
-- Times are milliseconds since 1970-01-01T00:00Z. Changes to what a snapshot holds raise register.generation.

CREATE TABLE register (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL,
    key_check  BLOB NOT NULL CHECK (length(key_check) = 16)
) STRICT;

-- Callers that prove themselves by certificate, under Caller::to_key.
CREATE TABLE callers (
    caller     TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
    caller      TEXT NOT NULL REFERENCES callers (caller),
    not_after   INTEGER NOT NULL,
    added_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE structures (
    structure   TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at  INTEGER NOT NULL,
    generation  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX structures_by_generation ON structures (generation);

-- fiscal_code is sealed under the register key; credential is a hash that takes in a pepper derived from that key.
CREATE TABLE users (
    user_id           TEXT PRIMARY KEY,
    structure         TEXT NOT NULL REFERENCES structures (structure),
    fiscal_code       BLOB NOT NULL,
    credential        TEXT NOT NULL,
    credential_set_at INTEGER NOT NULL,
    expires_at        INTEGER,
    profiles          TEXT NOT NULL,
    enabled           INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at        INTEGER NOT NULL,
    generation        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_generation ON users (generation);
CREATE INDEX users_by_structure ON users (structure);

-- The row with the empty user_id counts the attempts of all who are not registered.
CREATE TABLE attempts (
    user_id        TEXT PRIMARY KEY,
    window_started INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    locked_until   INTEGER,
    refused        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
