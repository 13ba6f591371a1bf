//! The actors that live by a store, over a real one.
#![allow(clippy::unwrap_used)]

mod retention;
mod session_registry;
mod world;
