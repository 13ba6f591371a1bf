//! When requests leave.

pub(crate) mod arrival;
pub(crate) mod spin;
pub(crate) mod timer;
