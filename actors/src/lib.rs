//! The actors of the server.
