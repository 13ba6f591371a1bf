//! Load tests of the Sistema TS services. It meets the server on the wire alone, like any client.
//!
//! One thread drives all connections with readiness events and TLS by hand, without a runtime: on a machine that serves both
//! sides, what the client spends is missing to the server. Submissions are a closed loop: each connection has one request
//! under way, and sends the next when its answer is there. Verifications and unlocks are an open loop: they leave at their times, and
//! count from these. Listings are read by a thread each.

mod callers;
mod cli;
mod drive;
mod error;
mod former;
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
pub use former::{
    Credentials, DeskReport, Latency, Listing, ListingReport, Method, Operators, Pace, Positives,
    Report, Settings, Submission, Window, list, submit, unlock, verify,
};
pub use wire::target::Target;
