//! When requests leave.

pub(crate) mod arrival;
pub(crate) mod timer;
