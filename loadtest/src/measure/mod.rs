//! What is measured.

pub(crate) mod process;
