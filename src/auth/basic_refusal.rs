//! Why a user was not let in.

use thiserror::Error;

/// Why a user was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BasicRefusal {
    /// HTTP 401 with [`CHALLENGE`](super::CHALLENGE), and nothing about which part was wrong.
    #[error("the credentials are missing or not right")]
    Unauthorized,
    /// HTTP 503 with `Retry-After`: too many checks wait.
    #[error("too many checks of credentials wait")]
    Overloaded,
    /// HTTP 503 with `Retry-After`: the check could not be made.
    #[error("credentials cannot be checked")]
    Unavailable,
}
