//! The Sistema TS server.
pub mod auth;
pub mod backend;
pub mod cli;
pub mod config;
pub mod control;
pub mod front;
pub mod immuni;
pub mod pki;
pub mod plain_text;
pub mod serve;
pub mod services;
pub mod soap;
pub mod status;
pub mod telemetry;
pub mod x509;
