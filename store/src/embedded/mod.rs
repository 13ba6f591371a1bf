//! The embedded store.

pub mod index;
