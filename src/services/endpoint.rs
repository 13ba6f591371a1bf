//! What every service has in common: from a request on a listener to one call of the service, and back.
//!
//! The order is the contract's ("What a request may be"): who calls, as far as the head of the request says; method; media type; body; then
//! admission, before anything costs; then the message; then the pincode, which lies in the body, and the admission of those who prove
//! themselves by it; then the service. Whatever is refused on the way has changed nothing.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use sistema_ts_model::{Caller, Finding, Outcome, Service, Timestamp, Verdict};
use sistema_ts_store::StoreError;
use sistema_ts_store::register::RegisteredUser;

use super::faults::fault_response;
use super::identity::Claimed;
use super::metrics::Ended;
use super::security_log;
use super::state::WorkerState;
use crate::front::{Connection, Lane, Permit, Refusal, check_media_type, gather_body};
use crate::soap::description::Message;
use crate::soap::{
    AnswerHead, CONTENT_TYPE, Fields, SoapFault, asks_for_wsdl, body_text, decode, encode_answer,
    render_refusal,
};

/// Who calls, and since when.
#[derive(Debug, Clone)]
pub struct Call {
    /// The registered caller.
    pub caller: Caller,
    /// The user of a Basic caller.
    pub user: Option<Arc<RegisteredUser>>,
    /// Whether this service is for this caller, as far as the register says.
    pub may_call: bool,
    /// When the request reached the service.
    pub at: Timestamp,
    /// Where the request comes from: the client, or the nearest proxy if that does not tell.
    pub client_address: IpAddr,
    /// The places that the request holds in its lane: taken as long as any copy of this lives, so that work which goes on after its client
    /// has left still counts as its caller's.
    pub places: Places,
}

impl Call {
    /// What `judge` makes of the message, of a caller that may call; of any other nothing is judged.
    ///
    /// # Errors
    /// The mistakes that `judge` finds; [`Outcome::ServiceNotAllowed`] alone for any other caller.
    pub fn if_allowed<T>(
        &self,
        judge: impl FnOnce() -> Result<T, Vec<Finding>>,
    ) -> Result<T, Vec<Finding>> {
        if self.may_call {
            judge()
        } else {
            Err(vec![Finding::whole(Outcome::ServiceNotAllowed)])
        }
    }
}

/// Places in a lane.
#[derive(Debug, Clone, Default)]
pub struct Places {
    _held: Arc<[Option<Permit>; 2]>,
}

/// An answer on its way out.
pub struct Answered {
    /// The envelope.
    pub body: AnswerBody,
    /// Its `esito`.
    pub verdict: Verdict,
}

/// An envelope.
pub enum AnswerBody {
    /// All of it.
    Whole(Vec<u8>),
    /// Its parts, as they are made. The request counts as at work, and holds its place in its lane, until the last part is taken or the
    /// client has left. A part that fails cuts the connection, so that nobody takes what was sent for the whole.
    Parts(BoxStream<'static, Result<Bytes, SoapFault>>),
}

impl Answered {
    /// An answer that has nothing beyond what every answer has.
    #[must_use]
    pub fn with_head_only(message: &'static Message, head: &AnswerHead<'_>) -> Self {
        Self {
            body: AnswerBody::Whole(encode_answer(message, head)),
            verdict: head.verdict,
        }
    }
}

/// One service of the document.
#[async_trait(?Send)]
pub trait SoapService: 'static {
    /// Which one.
    const SERVICE: Service;
    /// Among which work it is counted.
    const LANE: Lane;
    /// Where its request holds the pincode of a Basic caller; `None` for a service that no such caller has.
    const PIN_CODE_NODE: Option<usize>;
    /// The description of its request.
    const REQUEST: &'static Message;
    /// The description of its answer.
    const ANSWER: &'static Message;

    /// Does it: the caller is known, the message has the right elements, and no value of it has been looked at.
    ///
    /// # Errors
    /// A fault where there is nothing to answer; nothing was done then, unless the fault says that it is not known.
    async fn call(
        worker: &WorkerState,
        call: Call,
        fields: Fields<'_>,
    ) -> Result<Answered, SoapFault>;
}

/// The handler of `/soap/v1/<service>`, for any method.
pub async fn handle<S: SoapService>(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<WorkerState>,
    wsdl: web::Data<PublishedWsdl<S>>,
) -> HttpResponse {
    // Of an answer to HEAD actix-http sends the header alone.
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_reading && asks_for_wsdl(request.query_string()) {
        return HttpResponse::Ok()
            .content_type(CONTENT_TYPE)
            .body(wsdl.text.clone());
    }
    let begun = worker.metrics.of(S::SERVICE).begin();
    match answer::<S>(&request, payload, &worker).await {
        Ok((answered, places)) => {
            begun.end(Ended::Answered(answered.verdict));
            let mut response = HttpResponse::Ok();
            response.content_type(CONTENT_TYPE);
            match answered.body {
                AnswerBody::Whole(body) => response.body(body),
                AnswerBody::Parts(parts) => response.streaming(HeldParts {
                    parts,
                    _places: places,
                }),
            }
        }
        Err(NoAnswer::Fault(fault)) => {
            let fault = fault.of_request(S::REQUEST);
            let connection = Connection::of(&request).map(|connection| &*connection.info);
            security_log::fault(S::SERVICE, connection, &fault);
            let response = fault_response(&fault);
            begun.end(Ended::Refused(response.status()));
            response
        }
        Err(NoAnswer::Refusal(refusal)) => {
            begun.end(Ended::Refused(refusal.status()));
            refusal.response(render_refusal(&refusal))
        }
    }
}

/// The answer to a path that has no service.
pub async fn not_found() -> HttpResponse {
    fault_response(&SoapFault::NotFound)
}

/// The WSDL of one service on one listener.
pub struct PublishedWsdl<S> {
    text: Bytes,
    service: PhantomData<S>,
}

impl<S: SoapService> PublishedWsdl<S> {
    /// Makes it, with the address that callers of this listener shall use.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        let address = format!("{public_url}/soap/v1/{}", S::SERVICE.name());
        let text = crate::soap::wsdl(S::SERVICE, S::REQUEST, S::ANSWER, &address);
        Self {
            text: text.into(),
            service: PhantomData,
        }
    }
}

/// The parts of an answer, with the places that it holds until it is gone.
struct HeldParts {
    parts: BoxStream<'static, Result<Bytes, SoapFault>>,
    _places: Places,
}

impl Stream for HeldParts {
    type Item = Result<Bytes, SoapFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.parts.as_mut().poll_next(context)
    }
}

/// Why there is no answer of the service.
enum NoAnswer {
    Fault(SoapFault),
    Refusal(Refusal),
}

impl From<SoapFault> for NoAnswer {
    fn from(fault: SoapFault) -> Self {
        match fault {
            // One way to say it, with its Retry-After.
            SoapFault::Unavailable => Self::Refusal(Refusal::Overloaded),
            fault => Self::Fault(fault),
        }
    }
}

impl From<Refusal> for NoAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

async fn answer<S: SoapService>(
    request: &HttpRequest,
    mut payload: web::Payload,
    worker: &WorkerState,
) -> Result<(Answered, Places), NoAnswer> {
    let server = &worker.server;
    let at = server.clock.now();
    if let Some(fault) = server.store.clock_fault() {
        // Before anything has happened: what would be stamped now would be stamped wrongly.
        return Err(SoapFault::from(StoreError::from(fault)).into());
    }
    let connection = Connection::of(request).ok_or(SoapFault::Internal)?;
    let claimed = match Claimed::by(request, &connection.info, worker) {
        Ok(claimed) => claimed,
        Err(fault) => {
            // Read away, so that the connection lives on: many a toolkit sends its first request without credentials, to be asked for them.
            // Whatever comes of it, the answer is the same.
            let _ = gather_body(request, &mut payload, server.maximum_body_bytes).await;
            return Err(fault.into());
        }
    };
    if request.method() != Method::POST {
        return Err(Refusal::Method {
            allowed: "GET, HEAD, POST",
        }
        .into());
    }
    let charset = check_media_type(request.headers()).map_err(SoapFault::MediaType)?;
    let body = gather_body(request, payload, server.maximum_body_bytes).await?;

    if !server.register.is_in_place() {
        // Whom an administrator has disabled meanwhile is not known.
        return Err(SoapFault::Unavailable.into());
    }
    let permit = claimed.admit(worker, S::LANE)?;
    let text = body_text(&body, charset)?;
    let mut fields = decode(&text, S::REQUEST)?;
    let pin_code = claimed
        .has_pin_code()
        .then(|| S::PIN_CODE_NODE.and_then(|node| fields.take(node)))
        .flatten();
    let (mut call, permit_of_user) = claimed
        .prove(
            worker,
            &connection.info,
            pin_code,
            (S::SERVICE, S::LANE),
            at,
        )
        .await?;
    call.places = Places {
        _held: Arc::new([permit, permit_of_user]),
    };
    let places = call.places.clone();
    let answered = S::call(worker, call, fields).await?;
    Ok((answered, places))
}
