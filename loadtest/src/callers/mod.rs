//! Who calls, and about whom.

pub(crate) mod environment;
pub(crate) mod people;
