//! What comes of a post.

/// Why no place was given. Nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayRefusal {
    /// All places are taken.
    #[error("all places of the relay are taken")]
    Full,
    /// The backend has failed too often in a row, and it is not yet time, or another's turn, to try it again.
    #[error("the Immuni backend does not answer")]
    BreakerOpen,
    /// The server is stopping.
    #[error("the relay is stopping")]
    Stopping,
}

/// What came of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayOutcome {
    /// The backend has authorised the OTP by this post: 204, or a 409 that a try of this post before it explains.
    Authorised,
    /// 409 without such a try: the OTP was authorised by another post, within the last 150 s.
    AlreadyAuthorised,
    /// 400: the backend does not take this OTP or date.
    Refused,
    /// This post has surely authorised nothing.
    NotSent(NotSentReason),
    /// This post may have authorised the OTP.
    Unknown(UnknownReason),
}

/// Why a post surely authorised nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// The deadline came before the post could be sent.
    DeadlinePassed,
    /// No connection: refused, name unknown, TLS failed, no answer to it in time.
    Unreachable,
    /// What answers is not the backend, or not as it should be asked (404, 405, 415, 3xx, 401 …): the configured address or certificate is wrong.
    Misdirected,
    /// The backend was found dead by other posts while this one waited.
    BreakerOpen,
    /// The server is stopping.
    Stopping,
    /// The relay is not running, or the place was another's. Does not happen in a server that is whole.
    NoRelay,
}

/// Why it is not known whether a post authorised the OTP. The last try tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownReason {
    /// No answer in time.
    TimedOut,
    /// The connection broke after the request was sent.
    ConnectionLost,
    /// 5xx.
    ServerError,
    /// An answer that the backend never gives.
    UnexpectedAnswer,
    /// The server stopped while the answer was outstanding.
    Stopping,
}

impl RelayOutcome {
    /// Names in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::AlreadyAuthorised => "already_authorised",
            Self::Refused => "refused",
            Self::NotSent(reason) => match reason {
                NotSentReason::DeadlinePassed => "not_sent_deadline",
                NotSentReason::Unreachable => "not_sent_unreachable",
                NotSentReason::Misdirected => "not_sent_misdirected",
                NotSentReason::BreakerOpen => "not_sent_breaker",
                NotSentReason::Stopping => "not_sent_stopping",
                NotSentReason::NoRelay => "not_sent_no_relay",
            },
            Self::Unknown(reason) => match reason {
                UnknownReason::TimedOut => "unknown_timed_out",
                UnknownReason::ConnectionLost => "unknown_connection_lost",
                UnknownReason::ServerError => "unknown_server_error",
                UnknownReason::UnexpectedAnswer => "unknown_unexpected_answer",
                UnknownReason::Stopping => "unknown_stopping",
            },
        }
    }
}
