//! The services of the document, one folder each, and what they have in common.
//!
//! [`endpoint`] leads a request to its service; [`service`] says what a service is; [`state`] is what it works with. A service is thin: its rules
//! judge the message, one or two calls of the store carry it out, and its answer leaves when the access record is durable ([`access`]).

pub mod access;
pub mod admission;
pub mod answer;
pub mod asl_otp;
pub mod bookmark;
pub mod call;
pub mod cancellation;
pub mod confirmation;
mod delivery;
pub mod detached;
pub mod endpoint;
pub mod faults;
mod identity;
pub mod listing;
pub mod metrics;
pub mod option_filter;
mod registered;
mod repeatable;
pub mod routes;
pub mod rules;
pub mod security_log;
pub mod service;
pub mod settings;
pub mod state;
pub mod submission;
pub mod under_way;
pub mod unlock;
pub mod verification;
