-- A user belongs to a structure, or to an ASL and no structure (§5.1). Callers have administrators of their own (§3.3). Structures and users may
-- be removed: a snapshot from before the last removal reads all of them anew.

CREATE TABLE users_of_workplaces (
    user_id           TEXT PRIMARY KEY,
    structure         TEXT REFERENCES structures (structure),
    asl               TEXT,
    fiscal_code       BLOB NOT NULL,
    credential        TEXT NOT NULL,
    credential_set_at INTEGER NOT NULL,
    expires_at        INTEGER,
    profiles          TEXT NOT NULL,
    enabled           INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at        INTEGER NOT NULL,
    generation        INTEGER NOT NULL,
    CHECK ((structure IS NULL) <> (asl IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO users_of_workplaces (user_id, structure, fiscal_code, credential, credential_set_at, expires_at, profiles, enabled, created_at, generation)
    SELECT user_id, structure, fiscal_code, credential, credential_set_at, expires_at, profiles, enabled, created_at, generation FROM users;

DROP TABLE users;
ALTER TABLE users_of_workplaces RENAME TO users;

CREATE INDEX users_by_generation ON users (generation);
CREATE INDEX users_by_structure ON users (structure);

-- name is unique within the caller.
CREATE TABLE administrators (
    caller     TEXT NOT NULL REFERENCES callers (caller),
    name       TEXT NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, name)
) STRICT, WITHOUT ROWID;

-- A fingerprint is in this table or in that of the callers' certificates, never in both: whoever adds one looks into both.
CREATE TABLE administrator_certificates (
    fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
    caller      TEXT NOT NULL,
    name        TEXT NOT NULL,
    not_after   INTEGER NOT NULL,
    added_at    INTEGER NOT NULL,
    FOREIGN KEY (caller, name) REFERENCES administrators (caller, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX administrator_certificates_by_holder ON administrator_certificates (caller, name);
CREATE INDEX certificates_by_caller ON certificates (caller);

ALTER TABLE register ADD COLUMN structures_removed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE register ADD COLUMN users_removed_at INTEGER NOT NULL DEFAULT 0;
