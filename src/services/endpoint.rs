//! What every service has in common: from a request on a listener to its service, and back.
//!
//! A request passes these checks, in this order: who calls, as far as the head of the request says; method; media type; body; admission, before
//! anything costs; the message. Callers who prove themselves by a pincode are checked and admitted here, since the pincode lies in the body. Then
//! the service judges the message and carries it out. Whatever is refused on the way has changed nothing.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use sistema_ts_model::{Finding, Outcome};
use sistema_ts_store::StoreError;

use super::access::ending_now;
use super::answer::{AnswerBody, Answered};
use super::call::{Call, Permits};
use super::faults::fault_response;
use super::identity::Claimed;
use super::metrics::Ended;
use super::security_log;
use super::service::{Access, CarryOut, SoapService};
use super::state::WorkerState;
use crate::front::{Connection, Refusal, gather_body};
use crate::soap::{CONTENT_TYPE, SoapFault, asks_for_wsdl, body_text, check_media_type, decode};

/// The handler of `/soap/v1/<service>`, for any method.
pub async fn handle<S: CarryOut>(
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
        Ok((answered, permits)) => {
            begun.end(Ended::Answered(answered.verdict));
            let mut response = HttpResponse::Ok();
            response.content_type(CONTENT_TYPE);
            match answered.body {
                AnswerBody::Whole(body) => response.body(body),
                AnswerBody::Parts(parts) => response.streaming(HeldParts {
                    parts,
                    _permits: permits,
                }),
            }
        }
        Err(fault) => {
            let fault = fault.of_request(S::REQUEST);
            let connection = Connection::of(&request).map(|connection| &*connection.info);
            security_log::fault(S::SERVICE, connection, &fault);
            let response = fault_response(&fault);
            begun.end(Ended::Refused(response.status()));
            response
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
    _permits: Permits,
}

impl Stream for HeldParts {
    type Item = Result<Bytes, SoapFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.parts.as_mut().poll_next(context)
    }
}

async fn answer<S: CarryOut>(
    request: &HttpRequest,
    mut payload: web::Payload,
    worker: &WorkerState,
) -> Result<(Answered, Permits), SoapFault> {
    let server = &worker.server;
    let at = server.clock.now();
    if let Some(fault) = server.store.clock_fault() {
        // Before anything has happened: what would be stamped now would be stamped wrongly.
        return Err(StoreError::from(fault).into());
    }
    let connection = Connection::of(request).ok_or(SoapFault::Internal)?;
    let claimed = match Claimed::by(request, &connection.info, worker) {
        Ok(claimed) => claimed,
        Err(fault) => {
            // Read away, so that the connection lives on: many a toolkit sends its first request without credentials, to be asked for them.
            // Whatever comes of it, the answer is the same.
            let _ = gather_body(request, &mut payload, server.maximum_body_bytes).await;
            return Err(fault);
        }
    };
    if request.method() != Method::POST {
        return Err(Refusal::Method {
            allowed: "GET, HEAD, POST",
        }
        .into());
    }
    let charset = check_media_type(request.headers())?;
    let body = gather_body(request, payload, server.maximum_body_bytes).await?;

    if !server.register.is_in_place() {
        // Whom an administrator has disabled meanwhile is not known.
        return Err(SoapFault::UNAVAILABLE);
    }
    let permit_of_caller = claimed.admit(worker, S::LANE)?;
    let text = body_text(&body, charset)?;
    let mut fields = decode(&text, S::REQUEST)?;
    let pin_code = match S::PIN_CODE {
        Some(node) if claimed.has_pin_code() => fields.take(node),
        _ => None,
    };
    let proved = claimed
        .prove::<S>(worker, &connection.info, pin_code)
        .await?;
    let client = connection.info.source.unwrap_or(connection.info.peer);
    let call = Call {
        caller: proved.caller,
        user: proved.user,
        at,
        client_address: client.ip(),
        permits: Permits::of(permit_of_caller, proved.permit),
    };
    let permits = call.permits.clone();
    // The values of the message are overwritten here, and its body is given back: nothing of them is needed while the store is waited for.
    let judged = S::judge(server, &call, fields);
    drop(text);
    drop(body);
    let access = Access::<S> {
        call,
        named: judged.named,
    };
    let answered = match judged.request {
        Ok(request) if proved.may_call => S::carry_out(worker, access, request).await?,
        Err(mistakes) if proved.may_call => {
            access.answer(server, ending_now(server), &mistakes).await?
        }
        // To a caller that it is not for, nothing is said of the message.
        _ => {
            let refused = [Finding::whole(Outcome::ServiceNotAllowed)];
            access.answer(server, ending_now(server), &refused).await?
        }
    };
    Ok((answered, permits))
}
