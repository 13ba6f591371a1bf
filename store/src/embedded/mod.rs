//! The embedded store.

pub mod index;
pub mod register;
