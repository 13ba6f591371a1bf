//! A stand-in of the Immuni backend's `POST /v1/otp`, which authorises a one-time code for 150 seconds: the same answers, the same checks, the
//! same expiry, and switches for everything that can go wrong. It keeps what it was sent in memory, as SHA-256 alone. For made-up codes only.
//!
//! | module | |
//! |---|---|
//! | [`authorisations`] | codes and until when they are authorised |
//! | [`behaviour`] | the switches |
//! | `connection` | one connection, which can be reset |
//! | `control` | the control listener |
//! | `otp` | a request, by way of what is to go wrong |
//! | [`rules`] | from a request to the backend's answer |
//! | [`server`] | the whole: its start, what connections share, its port |

pub mod authorisations;
pub mod behaviour;
mod connection;
mod control;
mod otp;
pub mod rules;
pub mod server;
mod shared;

pub use self::authorisations::{Authorisations, Counts};
pub use self::behaviour::{Behaviour, Fault};
pub use self::server::{StandIn, StandInError, StandInSettings, TlsFiles};
