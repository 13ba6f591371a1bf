//! `sistema-ts admin …`, the real binary beside a register that a server would have open. A failure means that an administrator
//! cannot do what docs/administration.md says, that a change does not reach the running server within a second or is lost between
//! two processes, or that a secret or a fiscal code turns up where it must not.
#![allow(clippy::unwrap_used, missing_docs)]

mod callers;
#[path = "../command_support/mod.rs"]
mod command_support;
mod house;
mod operators;
mod register;
mod removals;
mod users;
