//! The services of the document, one folder each, and what they have in common.
//!
//! [`endpoint`] leads a request to its service; [`state`] is what a service works with; a service is thin: rules, one call of the store, an
//! answer.

pub mod access;
pub mod asl_otp;
pub mod cancellation;
pub mod confirmation;
mod delivery;
pub mod desk;
pub mod ending;
pub mod endpoint;
pub mod faults;
mod identity;
pub mod listing;
pub mod metrics;
pub mod option_filter;
mod receipt;
pub mod rules;
pub mod security_log;
pub mod state;
pub mod submission;
pub mod unlock;
pub mod verification;
