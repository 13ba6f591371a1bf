//! The control listener, in the clear.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::behaviour::Behaviour;
use crate::otp::LONGEST_BODY;
use crate::shared::Shared;

/// `GET` and `PUT /behaviour`, `GET /counts`, in JSON.
pub(crate) async fn serve_control(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(control(request, &shared).await) }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn control(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method, path.as_str()) {
        (Method::GET, "/behaviour") => json(&shared.switches.get()),
        (Method::GET, "/counts") => json(&shared.authorisations.counts()),
        (Method::PUT, "/behaviour") => {
            let body = Limited::new(request.into_body(), LONGEST_BODY)
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            match serde_json::from_slice::<Behaviour>(&body) {
                Ok(behaviour) => {
                    shared.set(behaviour);
                    json(&behaviour)
                }
                Err(error) => {
                    let mut response = Response::new(Full::from(format!("{error}\n")));
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                    response
                }
            }
        }
        _ => {
            let mut response = Response::new(Full::from("GET or PUT /behaviour, GET /counts\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    let mut response = Response::new(Full::from(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
