//! The real server over a cluster: the same answers as over the embedded store, and two servers that share everything.
//!
//! A failure is something that a caller or an administrator could tell the stores apart by, or something that one server has answered and the other
//! does not know.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../cql/tests/support/mod.rs"]
mod cluster;
// Each test program uses a part of what the tests of the system share.
#[allow(dead_code, unused_imports)]
#[path = "../system/support/mod.rs"]
mod support;

mod alike;
mod killed;
mod node;
mod signing_in;
mod tls;
mod two_servers;
