//! What is measured.

pub(crate) mod outcome;
pub(crate) mod process;
