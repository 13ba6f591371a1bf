//! Gathering a request's body within its size and time.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::connection::Connection;
use super::refusal::Refusal;

/// Time limit where no front watches the connection, i.e. in tests that call an application directly.
const UNWATCHED_LIMIT: Duration = Duration::from_secs(15);

/// Gathers the body of `request`, at most `limit` bytes, within [`super::FrontLimits::body`] of its header's end.
///
/// A body that came in one piece is handed on without a copy, and no timer is set: the connection's watch knows the
/// time. Chunked bodies are gathered alike. A body that says it is too large is refused before a byte of it is read.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::SlowBody`] or [`Refusal::BrokenBody`].
pub async fn gather_body<P>(
    request: &HttpRequest,
    mut payload: P,
    limit: usize,
) -> Result<Bytes, Refusal>
where
    P: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let declared = declared_length(request.headers());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge);
    }
    let Some(connection) = Connection::of(request) else {
        let gathering = gather(&mut payload, declared, limit, None);
        return tokio::time::timeout(UNWATCHED_LIMIT, gathering)
            .await
            .unwrap_or(Err(Refusal::SlowBody));
    };
    gather(&mut payload, declared, limit, Some(connection)).await
}

/// The length a request says its body has.
pub(super) fn declared_length(headers: &actix_web::http::header::HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

async fn gather<P>(
    payload: &mut P,
    declared: Option<u64>,
    limit: usize,
    connection: Option<&Connection>,
) -> Result<Bytes, Refusal>
where
    P: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(chunk) = next(payload, connection).await? {
        if first.len().max(more.len()) + chunk.len() > limit {
            return Err(Refusal::TooLarge);
        }
        if more.is_empty() && first.is_empty() {
            first = chunk;
            continue;
        }
        if more.is_empty() {
            // Not more at once than has been seen twice over: a length alone must cost no memory.
            let declared = usize::try_from(declared.unwrap_or(0)).unwrap_or(limit);
            more.reserve(
                declared.clamp(first.len() + chunk.len(), (first.len() + chunk.len()) * 2),
            );
            more.extend_from_slice(&first);
        }
        more.extend_from_slice(&chunk);
    }
    Ok(if more.is_empty() {
        first
    } else {
        more.freeze()
    })
}

/// The next piece, or `None` at the end.
async fn next<P>(payload: &mut P, connection: Option<&Connection>) -> Result<Option<Bytes>, Refusal>
where
    P: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    std::future::poll_fn(|context| {
        if connection.is_some_and(|connection| connection.watch.body_is_late()) {
            return Poll::Ready(Err(Refusal::SlowBody));
        }
        // actix-http polls a handler again in the same turn in which it feeds the body, so in the connection's own task
        // a wake-up by the payload would only cause one more turn for nothing, at each request.
        let mut unwoken = Context::from_waker(Waker::noop());
        let in_own_task =
            connection.is_some_and(|connection| connection.watch.is_own_task(context));
        let payload_context = if in_own_task {
            &mut unwoken
        } else {
            &mut *context
        };
        let poll = Pin::new(&mut *payload).poll_next(payload_context);
        if let Some(connection) = connection {
            match &poll {
                Poll::Pending => connection.watch.on_body_pending(context),
                Poll::Ready(None) => connection.watch.on_body_end(),
                Poll::Ready(Some(_)) => connection.watch.on_body(),
            }
        }
        poll.map(|piece| match piece {
            Some(Ok(piece)) => Ok(Some(piece)),
            None => Ok(None),
            Some(Err(PayloadError::Overflow)) => Err(Refusal::TooLarge),
            Some(Err(_)) => Err(Refusal::BrokenBody),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    //! Failure here means: a body comes out changed, or one over the limit comes through.

    #![allow(clippy::unwrap_used)]

    use actix_web::test::TestRequest;
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    fn gathered(
        chunks: &[Vec<u8>],
        declared: Option<usize>,
        limit: usize,
    ) -> Result<Bytes, Refusal> {
        let mut request = TestRequest::default();
        if let Some(length) = declared {
            request = request.insert_header((CONTENT_LENGTH, length));
        }
        let request = request.to_http_request();
        let payload = stream::iter(chunks.iter().map(|chunk| Ok(Bytes::from(chunk.clone()))));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(gather_body(&request, payload, limit))
    }

    #[test]
    fn a_declared_length_over_the_limit_is_refused_unread() {
        assert_eq!(gathered(&[], Some(11), 10), Err(Refusal::TooLarge));
        assert_eq!(
            gathered(&[vec![b'x'; 10]], Some(10), 10),
            Ok(Bytes::from(vec![b'x'; 10]))
        );
    }

    #[test]
    fn a_body_of_one_piece_is_not_copied() {
        let piece = Bytes::from(vec![1_u8; 100]);
        let request = TestRequest::default().to_http_request();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let payload = stream::iter([Ok(piece.clone())]);
        let body = runtime
            .block_on(gather_body(&request, payload, 100))
            .unwrap();
        assert_eq!(body.as_ptr(), piece.as_ptr());
    }

    #[test]
    fn a_broken_body_is_no_body() {
        let request = TestRequest::default().to_http_request();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let pieces = [
            Ok(Bytes::from_static(b"half")),
            Err(PayloadError::Incomplete(None)),
        ];
        let verdict = runtime.block_on(gather_body(&request, stream::iter(pieces), 100));
        assert_eq!(verdict, Err(Refusal::BrokenBody));
    }

    proptest! {
        #[test]
        fn pieces_are_joined_in_order_or_refused(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10),
            limit in 0_usize..200,
            declares in any::<bool>(),
        ) {
            let whole = chunks.concat();
            let verdict = gathered(&chunks, declares.then_some(whole.len()), limit);
            if whole.len() <= limit {
                prop_assert_eq!(verdict, Ok(Bytes::from(whole)));
            } else {
                prop_assert_eq!(verdict, Err(Refusal::TooLarge));
            }
        }
    }
}
