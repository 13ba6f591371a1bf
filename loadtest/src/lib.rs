//! Load tests of the Sistema TS services. It meets the server on the wire alone, like any client.
//!
//! One thread drives all connections with readiness events and TLS by hand, without a runtime: on a machine that serves both
//! sides, what the client spends is missing to the server. Submissions are a closed loop: each connection has one request
//! under way, and sends the next when its answer is there. Verifications and unlocks are an open loop: they leave at their times, and
//! count from these. Listings are read by a thread each.

mod answer;
mod arguments;
mod connection;
mod counts;
mod cpu;
mod desk;
mod engine;
mod error;
mod listing;
mod listing_scan;
mod paced;
mod people;
mod report;
mod request;
mod target;
mod timer;
mod tls;

pub use arguments::run;
pub use desk::{DeskReport, Operators, Positives, unlock, verify};
pub use engine::{Settings, submit};
pub use error::LoadtestError;
pub use listing::{Listing, ListingReport, list};
pub use paced::Pace;
pub use report::{Latency, Method, Report, Window};
pub use request::{Credentials, Submission};
pub use target::Target;
