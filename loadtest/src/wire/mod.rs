//! What goes over the wire: connections, TLS, and answers as they come.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod listing;
pub(crate) mod reading;
pub(crate) mod target;
pub(crate) mod tls;
