//! Load tests of the Sistema TS services. It meets the server on the wire alone, like any client.
//!
//! A run is a scenario (what is sent, when, by whom, and what must come of it) in an environment (where the server is, and who may call it). One
//! thread drives all connections with readiness events and TLS by hand, without a runtime: on a machine that serves both sides, what
//! the client spends is missing to the server. An open stream's requests leave at their times and count from these; a closed
//! stream has one request under way on each connection. Every request stands in the ledger before it leaves, and the truth is judged from it.

mod callers;
mod cli;
mod drive;
mod error;
pub mod ledger;
mod measure;
mod mirror;
mod pacing;
pub mod prepare;
pub mod report;
pub mod run;
pub mod scenario;
mod steps;
mod wire;

pub use cli::run;
pub use error::LoadtestError;
