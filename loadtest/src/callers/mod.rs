//! Who calls, and about whom.

pub(crate) mod people;
