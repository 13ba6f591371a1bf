//! `POST /v1/otp`: from a request to its answer, by way of what is to go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::behaviour::{Fault, Meets};
use crate::rules::Answer;
use crate::shared::Shared;

/// No body of a request is longer, in bytes.
pub(crate) const LONGEST_BODY: usize = 64 * 1024;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
pub(crate) struct Reset;

/// Answers a request as the switches say.
pub(crate) async fn respond(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    resets: &AtomicBool,
) -> Result<Response<Full<Bytes>>, Reset> {
    match (request.uri().path(), request.method()) {
        ("/v1/otp" | "/v1/otp/", &Method::POST) => {}
        ("/", &Method::GET) => return Ok(response(Answer::Alive)),
        ("/v1/otp" | "/v1/otp/" | "/", _) => return Ok(response(Answer::MethodNotAllowed)),
        _ => return Ok(response(Answer::NotFound)),
    }
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await
        .map_err(|_| Reset)?
        .to_bytes();
    shared.authorisations.count_request();
    shared.count_towards_recycling();
    let Meets {
        delay,
        latency,
        fault,
    } = shared.switches.next();
    let reset = || {
        resets.store(true, Ordering::Release);
        Err(Reset)
    };
    match fault {
        Some(Fault::ResetBeforeStoring) => return reset(),
        Some(Fault::ErrorBeforeStoring) => return Ok(response(Answer::Failed)),
        Some(Fault::Unavailable) => return Ok(response(Answer::Unavailable)),
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::Status(status)) => return Ok(response(Answer::Other(status))),
        Some(Fault::ResetAfterStoring | Fault::ErrorAfterStoring | Fault::HangAfterStoring)
        | None => {}
    }
    // Beside the connection: a client that leaves does not undo what it sent.
    let storing = Arc::clone(shared);
    let answer = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        storing.answer(content_type.as_deref(), &body)
    })
    .await
    .unwrap_or(Answer::Failed);
    tokio::time::sleep(latency).await;
    match fault {
        Some(Fault::ResetAfterStoring) => reset(),
        Some(Fault::ErrorAfterStoring) => Ok(response(Answer::Failed)),
        Some(Fault::HangAfterStoring) => std::future::pending().await,
        _ => Ok(response(answer)),
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body()));
    // Every status of the backend is a valid one.
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if matches!(answer, Answer::Authorised | Answer::Alive) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if answer != Answer::Alive {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
    }
    response
}
