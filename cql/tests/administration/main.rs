//! What an administrator does to a cluster, on a real one: its schema and its roles. The head of each module says what is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod migrations;
mod roles;
#[path = "../support/mod.rs"]
mod support;
