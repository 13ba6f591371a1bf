//! What one try of a post came to, and what became of the post.

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayOutcome {
    /// The backend has authorised the code.
    Authorised,
    /// The backend says that this code is authorised already, and not by an earlier try of this post.
    AlreadyAuthorised,
    /// The backend refuses code or date.
    Refused,
    /// Surely nothing was authorised.
    NotSent(NotSent),
    /// Sent, and no answer settled it.
    Unknown(NoAnswer),
}

/// Why surely nothing was authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// No connection.
    Unreachable,
    /// No handshake: a certificate of either side is not accepted.
    Handshake,
    /// The deadline came first.
    Deadline,
    /// The backend answers as something else would: a wrong address, or a proxy that refuses.
    Misconfigured,
    /// The relay stopped before.
    Stopped,
}

/// Why it is not known whether a code was authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection broke.
    Broken,
    /// No answer in time.
    TooSlow,
    /// The backend answered that it failed.
    ServerError,
    /// An answer that the backend never gives, and that may stand for one of its own.
    Unexpected,
}

/// What one try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryOutcome {
    /// The backend answered, with this status.
    Answered(u16),
    /// Something that stands before the backend, or in its place, refused the request with this status.
    Misdirected(u16),
    /// Surely not a byte of the code reached it.
    NotSent(NotSent),
    /// It may have reached it.
    NoAnswer(NoAnswer),
}

impl RelayOutcome {
    /// A short name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::AlreadyAuthorised => "already_authorised",
            Self::Refused => "refused",
            Self::NotSent(NotSent::Unreachable) => "unreachable",
            Self::NotSent(NotSent::Handshake) => "handshake_failed",
            Self::NotSent(NotSent::Deadline) => "deadline",
            Self::NotSent(NotSent::Misconfigured) => "misconfigured",
            Self::NotSent(NotSent::Stopped) => "stopped",
            Self::Unknown(NoAnswer::Broken) => "unknown_broken",
            Self::Unknown(NoAnswer::TooSlow) => "unknown_too_slow",
            Self::Unknown(NoAnswer::ServerError) => "unknown_server_error",
            Self::Unknown(NoAnswer::Unexpected) => "unknown_unexpected",
        }
    }
}
