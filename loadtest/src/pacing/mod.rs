//! When requests leave.

pub(crate) mod timer;
