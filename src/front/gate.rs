//! The outermost service: counts requests, refuses them during a drain or above the bound, and tells the connection's
//! watch when a request begins and ends. Around actix-web's application, so that nothing of it runs for a refused one.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::header::UPGRADE;
use actix_http::{ConnectionType, HttpMessage as _, Payload, Request, Response, Version};
use actix_service::{Service, ServiceFactory};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::LocalBoxFuture;
use tokio::time::Sleep;

use super::body::declared_length;
use super::connection::Connection;
use super::drain::{Drain, NotNow, Sender};
use super::pacer::RefusalPacer;
use super::refusal::{Refusal, RefusalRenderer, plain_refusal};
use super::watch::{ExpectedBody, Watch};

/// What the gates of all workers have in common.
#[derive(Clone)]
pub(super) struct GateRules {
    /// Absent on the loopback listener, which is open during a drain.
    pub(super) drain: Option<Arc<Drain>>,
    pub(super) render: RefusalRenderer,
    pub(super) max_body_bytes: usize,
    pub(super) pacer: Arc<RefusalPacer>,
}

impl GateRules {
    /// How long a refusal with 503 waits for its turn, if at all: not on the loopback listener, where readiness says
    /// 503, nor during a drain, when each caller comes but once.
    fn wait_of_a_refusal(&self) -> Option<Duration> {
        let drain = self.drain.as_ref()?;
        if drain.is_draining() {
            return None;
        }
        let wait = self.pacer.wait();
        (!wait.is_zero()).then_some(wait)
    }
}

/// Makes a [`Gate`] around the application of each worker.
pub(super) struct GateFactory<F> {
    pub(super) application: F,
    pub(super) rules: GateRules,
}

impl<F> ServiceFactory<Request> for GateFactory<F>
where
    F: ServiceFactory<
            Request,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = actix_web::Error,
        >,
    F::Future: 'static,
    F::InitError: 'static,
    <F::Service as Service<Request>>::Future: Unpin,
{
    type Response = Response<GateBody>;
    type Error = actix_web::Error;
    type Config = ();
    type Service = Gate<F::Service>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let application = self.application.new_service(());
        let rules = Rc::new(self.rules.clone());
        Box::pin(async move {
            Ok(Gate {
                application: application.await?,
                rules,
            })
        })
    }
}

/// See the module.
pub(super) struct Gate<S> {
    application: S,
    rules: Rc<GateRules>,
}

impl<S> Service<Request> for Gate<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>,
    S::Future: Unpin,
{
    type Response = Response<GateBody>;
    type Error = actix_web::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.application.poll_ready(context)
    }

    fn call(&self, mut request: Request) -> Self::Future {
        let connection = request.conn_data::<Connection>();
        let watch = connection.map(|connection| Rc::clone(&connection.watch));
        let sender = match connection.and_then(|connection| connection.info.certificate.as_ref()) {
            Some(_) => Sender::Known,
            None => Sender::Stranger,
        };
        let asks_upgrade = asks_upgrade(&request);
        if asks_upgrade {
            bound_body(&mut request);
        }
        if let Some(watch) = &watch {
            watch.on_request(expected_body(&mut request));
        }
        let entered = self
            .rules
            .drain
            .as_ref()
            .map_or(Ok(()), |drain| drain.enter(sender));
        let held = Held {
            watch,
            rules: Rc::clone(&self.rules),
            shape: Shape {
                unchunked: asks_upgrade || request.head().version < Version::HTTP_11,
                asks_upgrade,
            },
            entered: entered.is_ok().then_some(sender),
        };
        let progress = match entered {
            Ok(()) => Progress::Running(self.application.call(request)),
            Err(not_now) => Progress::ReadingAway {
                payload: request.take_payload(),
                unread: self.rules.max_body_bytes,
                refusal: match not_now {
                    NotNow::Draining => Refusal::Draining,
                    NotNow::Full => Refusal::Unavailable,
                },
            },
        };
        GateFuture {
            progress,
            held: Some(held),
        }
    }
}

/// What a request holds until its answer is written.
pub(super) struct Held {
    watch: Option<Rc<Watch>>,
    rules: Rc<GateRules>,
    shape: Shape,
    /// As what it was counted in, if it was.
    entered: Option<Sender>,
}

impl Held {
    /// Counts the request out.
    fn leave(&mut self) {
        if let (Some(sender), Some(drain)) = (self.entered.take(), &self.rules.drain) {
            drain.leave(sender);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.on_answered();
        }
        self.leave();
    }
}

/// What a request asks of the form of its answer that actix-http does not see to.
#[derive(Clone, Copy)]
struct Shape {
    /// A streamed answer ends with the connection: HTTP/1.0 knows no chunks, and to who asks for WebSocket actix-http makes none.
    unchunked: bool,
    /// An upgrade (h2c, WebSocket) is not taken; actix-http would still answer `Connection: upgrade`.
    asks_upgrade: bool,
}

impl Shape {
    fn apply(self, response: &mut Response<BoxBody>, is_unread: bool) {
        let unchunked = self.unchunked && response.body().size() == BodySize::Stream;
        if unchunked {
            response.head_mut().no_chunking(true);
        }
        if unchunked || self.asks_upgrade || is_unread {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
    }
}

/// A request on its way through.
pub(super) struct GateFuture<F> {
    progress: Progress<F>,
    /// Until the answer takes it over.
    held: Option<Held>,
}

enum Progress<F> {
    /// The application works on it.
    Running(F),
    /// It is refused, once its body has been read away: an answer before that would have to close the connection, and
    /// the next handshake costs more than ten requests.
    ReadingAway {
        payload: Payload,
        unread: usize,
        refusal: Refusal,
    },
    /// It is refused, here or by the application, and waits for its turn.
    Pausing {
        turn: Pin<Box<Sleep>>,
        response: Option<Response<BoxBody>>,
    },
}

impl<F> Future for GateFuture<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, actix_web::Error>> + Unpin,
{
    type Output = Result<Response<GateBody>, actix_web::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { progress, held } = &mut *self;
        let response: Response<BoxBody> = match progress {
            Progress::Running(future) => ready!(Pin::new(future).poll(context))?.into(),
            Progress::ReadingAway {
                payload,
                unread,
                refusal,
            } => {
                ready!(read_away(payload, unread, held.as_ref(), context));
                let render = held
                    .as_ref()
                    .map_or(plain_refusal as RefusalRenderer, |held| held.rules.render);
                refusal.response(render(refusal)).into()
            }
            Progress::Pausing { turn, response } => {
                ready!(turn.as_mut().poll(context));
                let response = response
                    .take()
                    .unwrap_or_else(Response::internal_server_error);
                return Poll::Ready(Ok(held_until_written(response, held.take())));
            }
        };
        if response.status() == StatusCode::SERVICE_UNAVAILABLE
            && let Some(wait) = held
                .as_ref()
                .and_then(|held| held.rules.wait_of_a_refusal())
        {
            // It is no work any more: counted on, the refusals of one flood would take the places of everybody else's requests.
            if let Some(held) = held {
                held.leave();
            }
            let turn = Box::pin(tokio::time::sleep(wait));
            *progress = Progress::Pausing {
                turn,
                response: Some(response),
            };
            return self.poll(context);
        }
        Poll::Ready(Ok(held_until_written(response, held.take())))
    }
}

/// The answer, which holds what its request held.
fn held_until_written(mut response: Response<BoxBody>, held: Option<Held>) -> Response<GateBody> {
    if let Some(held) = &held {
        // Of a body of unknown length that nobody read, it cannot be told where the next header begins.
        let is_unread = held
            .watch
            .as_ref()
            .is_some_and(|watch| watch.expects_unknown_length());
        held.shape.apply(&mut response, is_unread);
    }
    response.map_body(|_, body| GateBody { body, _held: held })
}

/// Whether a request asks for another protocol: by its `Connection`, or as actix-http looks for WebSocket.
fn asks_upgrade(request: &Request) -> bool {
    let head = request.head();
    head.upgrade() || head.headers.contains_key(UPGRADE)
}

/// Bounds the body of a request that asks for an upgrade by its own length. actix-http takes everything that follows a request for
/// WebSocket as its body; no upgrade is taken here, so that the request is one like others, and what follows it is not read.
fn bound_body(request: &mut Request) {
    if request.chunked().unwrap_or(false) {
        return;
    }
    let declared = declared_length(&request.head().headers);
    let left = declared.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    let payload = request.take_payload();
    if left > 0 && !matches!(payload, Payload::None) {
        *request.payload() = Payload::Stream {
            payload: Box::pin(BoundedPayload { payload, left }),
        };
    }
}

/// The first bytes of a payload.
struct BoundedPayload {
    payload: Payload,
    left: usize,
}

impl Stream for BoundedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(Pin::new(&mut self.payload).poll_next(context));
        Poll::Ready(Some(match piece {
            Some(Ok(mut bytes)) => {
                bytes.truncate(self.left);
                self.left -= bytes.len();
                Ok(bytes)
            }
            Some(Err(error)) => Err(error),
            None => Err(PayloadError::Incomplete(None)),
        }))
    }
}

/// How much is to come after a request's header.
fn expected_body(request: &mut Request) -> ExpectedBody {
    if matches!(request.payload(), Payload::None) {
        return ExpectedBody::None;
    }
    match declared_length(&request.head().headers).map(usize::try_from) {
        Some(Ok(length)) => ExpectedBody::Length(length),
        _ => ExpectedBody::Unknown,
    }
}

/// Reads a body away until its end, `unread` bytes, or the body's time limit.
fn read_away(
    payload: &mut Payload,
    unread: &mut usize,
    held: Option<&Held>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let watch = held.and_then(|held| held.watch.as_ref());
    loop {
        if watch.is_some_and(|watch| watch.body_is_late()) {
            return Poll::Ready(());
        }
        match Pin::new(&mut *payload).poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) if chunk.len() <= *unread => *unread -= chunk.len(),
            Poll::Ready(last) => {
                if let (None, Some(watch)) = (last, watch) {
                    watch.on_body_end();
                }
                return Poll::Ready(());
            }
            Poll::Pending => {
                if let Some(watch) = watch {
                    watch.on_body_pending(context);
                }
                return Poll::Pending;
            }
        }
    }
}

/// An answer's body; the request counts as in flight until it is written or given up.
pub(super) struct GateBody {
    body: BoxBody,
    _held: Option<Held>,
}

impl MessageBody for GateBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
