//! What the tests of the front share: certificates made on the spot, a front on its own thread and ports, and a client
//! that sees single bytes and TLS sessions.
//!
//! Nothing here waits for time to pass: limits are set short, and a test waits for what they cause.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod client;
pub mod openssl;
pub mod pki;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sistema_ts::front::{
    Connection, DrainReport, Front, FrontError, FrontLimits, FrontSettings, ListenerInfo,
    ListenerKind, ListenerSettings, Refusal, Reloader, ShutdownHandle, TlsFiles, gather_body,
    plain_refusal,
};
use sistema_ts::soap::check_media_type;
use tokio::sync::Semaphore;

/// A running front with one listener, stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub listeners: Vec<ListenerInfo>,
    pub shutdown: ShutdownHandle,
    pub reloader: Reloader,
    /// One message for each request that reached `/hold` or `/busy`.
    pub held: Receiver<()>,
    /// Lets requests at `/hold` go on.
    pub release: Arc<Semaphore>,
    thread: Option<JoinHandle<Result<DrainReport, FrontError>>>,
}

/// Short enough for tests that wait for a limit, long enough for a slow machine to do real work in between.
pub fn short_limits() -> FrontLimits {
    FrontLimits {
        handshake: Duration::from_millis(400),
        header: Duration::from_millis(400),
        body: Duration::from_millis(400),
        idle: Duration::from_millis(400),
        write_stall: Duration::from_millis(400),
        linger: Duration::from_millis(500),
        ..relaxed_limits()
    }
}

/// For tests in which no limit is to strike.
pub fn relaxed_limits() -> FrontLimits {
    FrontLimits {
        file_poll: Duration::ZERO,
        ..FrontLimits::default()
    }
}

pub fn listener(kind: ListenerKind, tls: Option<TlsFiles>) -> ListenerSettings {
    ListenerSettings {
        name: "test".into(),
        kind,
        address: "127.0.0.1:0".parse().unwrap(),
        tls,
        trusted_proxies: Vec::new(),
        max_connections: 1_000,
        max_connections_per_source: 1_000,
        backlog: 1_024,
    }
}

impl Running {
    pub fn start(listener: ListenerSettings, limits: FrontLimits) -> Self {
        Self::start_all(vec![listener], limits)
    }

    pub fn start_all(listeners: Vec<ListenerSettings>, limits: FrontLimits) -> Self {
        let (entered, held) = channel();
        let release = Arc::new(Semaphore::new(0));
        let hold = Hold {
            entered,
            release: Arc::clone(&release),
        };
        let max_body = limits.max_body_bytes;
        let settings = FrontSettings {
            workers: 2,
            listeners,
            limits,
        };
        let front = Front::bind(settings, plain_refusal, move |_, config| {
            config
                .app_data(web::Data::new(max_body))
                .app_data(web::Data::new(hold.clone()))
                .route("/who", web::get().to(who))
                .route("/echo", web::post().to(echo))
                .route("/hold", web::get().to(wait))
                .route("/hold", web::post().to(gather_and_wait))
                .route("/busy", web::get().to(busy))
                .route("/panic", web::get().to(panic))
                .route("/large", web::get().to(large))
                .route("/stream", web::get().to(stream));
        })
        .unwrap();
        let listeners = front.listeners().to_vec();
        let (shutdown, reloader) = (front.shutdown_handle(), front.reloader());
        let thread = std::thread::spawn(move || actix_rt::System::new().block_on(front.run()));
        let address = listeners[0].address;
        Self {
            address,
            listeners,
            shutdown,
            reloader,
            held,
            release,
            thread: Some(thread),
        }
    }

    /// Waits until the front has ended, which a drain must have begun.
    pub fn ended(&mut self) -> DrainReport {
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.release.add_permits(10_000);
            self.shutdown.drain();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

#[derive(Clone)]
struct Hold {
    entered: Sender<()>,
    release: Arc<Semaphore>,
}

/// Tells who the front says is calling, one fact a line.
async fn who(request: HttpRequest) -> HttpResponse {
    let info = &Connection::of(&request).unwrap().info;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let verdict = match info.valid_certificate(now.try_into().unwrap()) {
        Ok(certificate) => {
            let subject = &certificate.subject;
            format!(
                "C={:?} O={:?} OU={:?} CN={:?} fingerprint={}",
                subject.country,
                subject.organization,
                subject.organizational_unit,
                subject.common_name,
                certificate.fingerprint_hex()
            )
        }
        Err(refusal) => format!("refused: {refusal}"),
    };
    let source = info.source.map(|address| address.to_string());
    HttpResponse::Ok().body(format!(
        "source={source:?}\nresumed={}\n{verdict}\n",
        info.resumed
    ))
}

async fn echo(
    request: HttpRequest,
    payload: web::Payload,
    max_body: web::Data<usize>,
) -> HttpResponse {
    let refuse = |refusal: Refusal| refusal.response(plain_refusal(&refusal));
    if let Err(error) = check_media_type(request.headers()) {
        return HttpResponse::UnsupportedMediaType().body(error.to_string());
    }
    match gather_body(&request, payload, **max_body).await {
        Ok(body) => HttpResponse::Ok().content_type("text/xml").body(body),
        Err(refusal) => refuse(refusal),
    }
}

async fn wait(hold: web::Data<Hold>) -> HttpResponse {
    hold.entered.send(()).unwrap();
    hold.release.acquire().await.unwrap().forget();
    HttpResponse::Ok().body("released")
}

async fn gather_and_wait(
    request: HttpRequest,
    payload: web::Payload,
    hold: web::Data<Hold>,
) -> HttpResponse {
    gather_body(&request, payload, 1_000).await.unwrap();
    wait(hold).await
}

/// A service that has no time.
async fn busy(hold: web::Data<Hold>) -> HttpResponse {
    hold.entered.send(()).unwrap();
    Refusal::Unavailable.response(plain_refusal(&Refusal::Unavailable))
}

/// A handler with a defect.
async fn panic() -> HttpResponse {
    panic!("a handler's defect, made on purpose");
}

/// More than any socket buffer holds, known at once.
async fn large() -> HttpResponse {
    HttpResponse::Ok().body(Bytes::from(vec![b'x'; 32 * 1024 * 1024]))
}

/// Three pieces of unknown length in all.
async fn stream() -> HttpResponse {
    let pieces =
        ["one ", "two ", "three"].map(|piece| Ok::<_, actix_web::Error>(Bytes::from(piece)));
    HttpResponse::Ok().streaming(futures_util::stream::iter(pieces))
}
