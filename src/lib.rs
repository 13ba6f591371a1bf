//! The Sistema TS server.
