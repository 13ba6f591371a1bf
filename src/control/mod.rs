//! Orders to the running server: what an administrator's command cannot do beside it, because only the server owns what is to be changed.
//!
//! The server listens on a Unix socket, by default `control.sock` in its data folder, which only its own user and root can reach. A command
//! connects, writes one [`Order`] as a line of JSON, and reads one [`Reply`] as another. What an order does is in `serve::orders`; adding one is
//! a variant here and an arm there.

mod client;
mod order;
mod socket;

pub use client::{AskError, ask};
pub use order::{Order, Reply};
pub use socket::{CarryOut, ControlError, ControlSocket, OpenControl, Peer};

/// Name of the socket in the data folder, unless the configuration says otherwise.
pub const SOCKET_NAME: &str = "control.sock";

/// Longest path of a Unix socket, in bytes: the system's 108 hold a zero at the end.
pub const LONGEST_PATH: usize = 107;

/// Longest line of an order or a reply, in bytes.
const LONGEST_LINE: usize = 4_096;
