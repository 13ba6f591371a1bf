//! The Sistema TS server.
pub mod config;
