//! The store over ScyllaDB and Apache Cassandra: so far its decisions alone, no statement of it.
//!
//! What several servers do to rows that live on several nodes was decided by search, before it was written: `tests/models` holds a model of each
//! decision, of what lost against it, and of each guard that it stands on. `docs/cql.md` says what was decided, and why.
