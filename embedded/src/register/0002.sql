-- Networks from which call centres call (§4, §4.3.3), and operators who are known by codice fiscale (§2.4.3, §3.3, §5.1).

-- In CIDR notation. A call centre without networks calls from nowhere.
CREATE TABLE networks (
    caller   TEXT NOT NULL REFERENCES callers (caller),
    network  TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (caller, network)
) STRICT, WITHOUT ROWID;

-- person is a keyed hash of the fiscal code, by which an operator is found; fiscal_code is sealed under the register key.
CREATE TABLE operators (
    caller      TEXT NOT NULL REFERENCES callers (caller),
    person      BLOB NOT NULL CHECK (length(person) = 16),
    fiscal_code BLOB NOT NULL,
    profiles    TEXT NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at  INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    PRIMARY KEY (caller, person)
) STRICT, WITHOUT ROWID;

CREATE INDEX operators_by_generation ON operators (generation);
