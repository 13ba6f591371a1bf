//! Load tests of the Sistema TS services. It meets the server on the wire alone, like any client.
//!
//! One thread drives all connections with readiness events and TLS by hand, without a runtime: on a machine that serves both
//! sides, what the client spends is missing to the server. A run is a closed loop: each connection has one request under way,
//! and sends the next when its answer is there.

mod answer;
mod arguments;
mod connection;
mod counts;
mod cpu;
mod engine;
mod error;
mod people;
mod report;
mod request;
mod tls;

pub use arguments::run;
pub use engine::{Settings, submit};
pub use error::LoadtestError;
pub use report::{Latency, Report, Window};
pub use request::{Credentials, Submission};
pub use tls::client_config;
