//! The front with a handler that answers a constant.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sistema_ts::front::{
    Connection, Front, FrontLimits, FrontSettings, ListenerKind, ListenerSettings, Refusal,
    TlsFiles, gather_body, plain_refusal,
};
use sistema_ts::services::admission::{Admission, Lane, LaneCapacities};
use sistema_ts::soap::check_media_type;

/// Serves until killed, after printing its address.
pub fn serve(folder: &Path) {
    let settings = FrontSettings {
        workers: 1,
        listeners: vec![ListenerSettings {
            name: "regions".into(),
            kind: ListenerKind::MutualTls,
            address: "127.0.0.1:0".parse().unwrap(),
            tls: Some(TlsFiles {
                certificate_chain: folder.join("server.pem"),
                private_key: folder.join("server.key"),
                client_authorities: Some(folder.join("ca.pem")),
                revocation_lists: vec![folder.join("ca.crl")],
                ..TlsFiles::default()
            }),
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_connections_per_source: 10_000,
            backlog: 4_096,
        }],
        limits: FrontLimits::default(),
    };
    let admission = web::Data::from(Admission::new(LaneCapacities::default()));
    let answer = web::Data::new(Bytes::from(vec![b'x'; super::ANSWER_BYTES]));
    let front = Front::bind(settings, plain_refusal, move |_, config| {
        config
            .app_data(admission.clone())
            .app_data(answer.clone())
            .route("/soap/v1/constant", web::post().to(constant));
    })
    .unwrap();
    println!("{}", front.listeners()[0].address);
    actix_rt::System::new().block_on(front.run()).unwrap();
}

async fn constant(
    request: HttpRequest,
    payload: web::Payload,
    admission: web::Data<Admission>,
    answer: web::Data<Bytes>,
) -> HttpResponse {
    match work(&request, payload, &admission).await {
        Ok(()) => HttpResponse::Ok()
            .content_type("text/xml; charset=utf-8")
            .body(Bytes::clone(&answer)),
        Err(refusal) => refusal.response(plain_refusal(&refusal)),
    }
}

async fn work(
    request: &HttpRequest,
    payload: web::Payload,
    admission: &Arc<Admission>,
) -> Result<(), Refusal> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let connection = Connection::of(request).unwrap();
    let certificate = connection
        .info
        .valid_certificate(now.try_into().unwrap())
        .unwrap();
    check_media_type(request.headers()).unwrap();
    let body = gather_body(request, payload, 64 * 1024).await?;
    assert_eq!(body.len(), super::BODY_BYTES);
    let share = admission.share_of(certificate.subject.organizational_unit.as_deref().unwrap());
    let _permit = admission.try_enter(Lane::Submission, &share)?;
    Ok(())
}
