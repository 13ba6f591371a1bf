//! What is measured.

pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod series;
pub(crate) mod stages;
pub(crate) mod times;
