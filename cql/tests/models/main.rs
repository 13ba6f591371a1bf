//! Models of what several servers do at once to rows that live on three nodes, searched exhaustively: every order of messages, every message lost
//! or late, every server dead between two statements. A failure means that a decision of `docs/cql.md` does not hold, or that a guard which it
//! stands on is not needed.
//!
//! Each decision is searched as it is, and once with each of its guards switched off, which must then fail in the way that is expected; so must
//! each way that lost. A state in which a message is never delivered, or a server does nothing more, needs no step of its own: it is the state itself.
#![allow(clippy::unwrap_used)]

mod cancellation;
mod cluster;
mod code;
#[allow(dead_code, reason = "no model counts codes of the ASL")]
#[path = "../../src/counting.rs"]
mod counting;
mod guesses;
mod life;
mod receipt_by_claim;
mod receipt_by_condition;
mod row;
mod search;
