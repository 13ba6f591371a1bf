//! The Sistema TS server.
pub mod auth;
pub mod cli;
pub mod config;
pub mod front;
pub mod pki;
pub mod services;
pub mod soap;
