//! Runs against a small TLS server that does what a test orders.
//!
//! A failure: a request that arrives wrong or twice, an answer counted as something else, a lost one not counted, a run that does
//! not end when its server is gone, or a result that claims more than was answered.

#![allow(clippy::unwrap_used)]

mod commands;
mod scenario;
mod server;
#[path = "../support/mod.rs"]
mod support;
