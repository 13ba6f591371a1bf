//! What is refused before a service sees it, and how the refusal looks on the wire.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use bytes::Bytes;
use rand::RngExt as _;

/// A request that no service will see. Always before any effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another method than the resource has (405).
    #[error("method not allowed")]
    Method {
        /// Value of the `Allow` header.
        allowed: &'static str,
    },
    /// The body is, or says it is, larger than the limit (413).
    #[error("body too large")]
    TooLarge,
    /// The body did not come within its time limit (408).
    #[error("body not whole in its time")]
    SlowBody,
    /// The body broke off or its framing is wrong (400).
    #[error("body broken off")]
    BrokenBody,
    /// More work is in flight than the server, or this caller's share of it, can take; or what the request needs cannot serve now (503).
    #[error("busy or stopping; nothing was done")]
    Unavailable,
    /// The server is shutting down (503).
    #[error("busy or stopping; nothing was done")]
    Draining,
}

/// What the body of a refusal holds; the front knows no SOAP, so its owner says.
#[derive(Clone, Debug)]
pub struct RefusalBody {
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The bytes.
    pub bytes: Bytes,
}

/// Writes the body of a refusal, e.g. a SOAP fault.
pub type RefusalRenderer = fn(&Refusal) -> RefusalBody;

impl Refusal {
    /// The HTTP status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Unavailable | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Seconds for `Retry-After`, drawn anew each time so that those refused together do not return together:
    /// 1 to 5 while busy, 5 to 15 while shutting down, none for what repeating does not mend.
    pub fn retry_after_seconds(&self) -> Option<u8> {
        match self {
            Self::Unavailable => Some(rand::rng().random_range(1..=5)),
            Self::Draining => Some(rand::rng().random_range(5..=15)),
            _ => None,
        }
    }

    /// Whether the connection is of no more use after this answer.
    pub fn closes_connection(&self) -> bool {
        matches!(self, Self::Draining | Self::SlowBody | Self::BrokenBody)
    }

    /// The whole response around `body`.
    pub fn response(&self, body: RefusalBody) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((RETRY_AFTER, usize::from(seconds)));
        }
        if let Self::Method { allowed } = self {
            response.insert_header((ALLOW, *allowed));
        }
        if self.closes_connection() {
            response.force_close();
        }
        response.content_type(body.content_type).body(body.bytes)
    }
}

/// The plainest renderer: one line of text.
pub fn plain_refusal(refusal: &Refusal) -> RefusalBody {
    RefusalBody {
        content_type: "text/plain; charset=utf-8",
        bytes: Bytes::from(format!("{refusal}\n")),
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means: a refusal carries another status or header than the contract says.

    use super::*;

    #[test]
    fn only_what_repeating_mends_says_when_to_repeat() {
        for (refusal, status, seconds) in [
            (Refusal::Method { allowed: "POST" }, 405, None),
            (Refusal::TooLarge, 413, None),
            (Refusal::SlowBody, 408, None),
            (Refusal::BrokenBody, 400, None),
            (Refusal::Unavailable, 503, Some(1..=5)),
            (Refusal::Draining, 503, Some(5..=15)),
        ] {
            let response = refusal.response(plain_refusal(&refusal));
            assert_eq!(response.status().as_u16(), status);
            let header = response.headers().get(RETRY_AFTER);
            let told = header.and_then(|value| value.to_str().ok()?.parse::<u16>().ok());
            match (told, seconds) {
                (None, None) => assert!(header.is_none()),
                (Some(told), Some(range)) => assert!(range.contains(&told), "{refusal:?}: {told}"),
                (told, range) => panic!("{refusal:?}: {told:?} instead of {range:?}"),
            }
        }
    }

    #[test]
    fn retry_after_is_spread_over_its_whole_range() {
        let drawn: std::collections::BTreeSet<_> = (0..500)
            .filter_map(|_| Refusal::Unavailable.retry_after_seconds())
            .collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
}
