//! The services of the document, one folder each.

pub mod submission;
