//! The whole system: the real binary, real TLS, real SOAP clients, on free ports and in folders of their own.
//!
//! Failure here means that what the parts promise each on its own does not hold where a caller meets it. Each module says which promise.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

mod access_records;
mod asl_otp;
mod authentication;
mod backend_trouble;
mod callers;
mod cancellation;
mod cards;
mod chain_crash;
mod clients;
mod clock;
mod confirmation;
mod control;
mod crash;
mod draining;
mod erasure;
mod failing_store;
mod files;
mod hostile;
mod leaks;
mod listing;
mod listing_stream;
mod load;
mod log;
mod overload;
mod races;
mod recorded;
mod register_file;
mod relay_turns;
mod request_keys;
mod revocation;
mod runs_out;
mod shut_out;
mod startup;
mod status;
mod support;
mod unlock;
mod unlock_crash;
mod unlock_races;
mod verification;
