//! Who calls, and about whom.

pub(crate) mod environment;
pub(crate) mod people;
mod pool;

pub(crate) use pool::{Caller, Callers, Credentials, MOST_PEOPLE};
