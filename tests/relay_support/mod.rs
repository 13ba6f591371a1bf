//! A stand-in, and a relay that posts to it over the real client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use immuni_stand_in::{Behaviour, Counts, Fault, StandIn, StandInSettings, TlsFiles};
use sistema_ts::immuni::{BackendAddress, BackendFiles, BackendTls, HttpBackend};
use sistema_ts::pki::{Authority, Kind, Subject};
use sistema_ts_actors::relay::{OtpPost, OtpSender as _, RelayHandle, RelayOutcome, RelaySettings};
use sistema_ts_model::{CallCenterCode, Caller, Cun, Otp, SystemClock};
use tokio::time::Instant;

/// The deadline of each post. Every outcome must be there by then.
pub const DEADLINE: Duration = Duration::from_secs(4);

/// What a machine under load may add to it.
pub const GRACE: Duration = Duration::from_secs(2);

/// Both ways of reaching the backend; every test of trouble goes over both.
pub const WAYS: [Way; 2] = [Way::Plain, Way::MutualTls];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    MutualTls,
}

/// Certificates of both sides, each under an authority of its own.
pub struct Pki {
    pub folder: tempfile::TempDir,
}

impl Pki {
    pub fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        this.authority("backend");
        this.authority("client");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        this.open("backend")
            .issue_server("server", &names, 30)
            .unwrap();
        this.issue_client("client", "client");
        this
    }

    /// Makes an authority in a folder of its name.
    pub fn authority(&self, name: &str) {
        Authority::create(&self.folder.path().join(name), name, 30, 30).unwrap();
    }

    /// Makes a client's certificate.
    pub fn issue_client(&self, authority: &str, stem: &str) {
        let subject = Subject::new(Kind::Region, Some("010"), "Sistema TS").unwrap();
        self.open(authority)
            .issue_client(stem, &subject, 30)
            .unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn server_files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("backend/server.crt"),
            private_key: self.path("backend/server.key"),
            client_authority: self.path("client/ca.crt"),
        }
    }

    pub fn client_files(&self) -> BackendFiles {
        BackendFiles {
            authority: self.path("backend/ca.crt"),
            certificate: self.path("client/client.crt"),
            private_key: self.path("client/client.key"),
        }
    }

    fn open(&self, name: &str) -> Authority {
        Authority::open(&self.folder.path().join(name)).unwrap()
    }
}

pub struct Bench {
    pub backend: StandIn,
    pub relay: RelayHandle,
    pub tls: Option<Arc<BackendTls>>,
    _pki: Option<Pki>,
}

impl Bench {
    pub async fn new(way: Way, behaviour: Behaviour) -> Self {
        Self::with(way, behaviour, settings()).await
    }

    pub async fn with(way: Way, behaviour: Behaviour, settings: RelaySettings) -> Self {
        let pki = (way == Way::MutualTls).then(Pki::new);
        let files = pki.as_ref().map(Pki::client_files);
        Self::assemble(pki, files, behaviour, settings).await
    }

    /// With mutual TLS, and these files on the client's side.
    pub async fn with_files(pki: Pki, files: BackendFiles) -> Self {
        Self::assemble(Some(pki), Some(files), Behaviour::default(), settings()).await
    }

    async fn assemble(
        pki: Option<Pki>,
        files: Option<BackendFiles>,
        behaviour: Behaviour,
        settings: RelaySettings,
    ) -> Self {
        let backend = StandIn::start(StandInSettings {
            tls: pki.as_ref().map(Pki::server_files),
            ..StandInSettings::default()
        })
        .await
        .unwrap();
        backend.behave(behaviour);
        let tls = files.map(|files| Arc::new(BackendTls::load(files).unwrap()));
        let base = match tls {
            Some(_) => format!("https://localhost:{}", backend.address.port()),
            None => format!("http://{}", backend.address),
        };
        let relay = relay_to(&base, tls.clone(), settings);
        Self {
            backend,
            relay,
            tls,
            _pki: pki,
        }
    }

    /// Posts, and sees to it that the outcome is there by the deadline.
    pub async fn post(&self, otp: &str) -> RelayOutcome {
        let began = Instant::now();
        let mut slot = self.relay.reserve(caller()).unwrap();
        let outcome = self
            .relay
            .send(&mut slot, post(otp), began + DEADLINE)
            .await;
        let took = began.elapsed();
        assert!(took < DEADLINE + GRACE, "{outcome:?} took {took:?}");
        outcome
    }

    /// Posts and stores of an OTP, as the stand-in counted them.
    pub fn counted(&self, otp: &str) -> (u64, u64) {
        let authorisations = self.backend.authorisations();
        (authorisations.posts(otp), authorisations.stored(otp))
    }

    pub fn counts(&self) -> Counts {
        self.backend.authorisations().counts()
    }
}

/// A relay that posts to this base address.
pub fn relay_to(
    base_url: &str,
    tls: Option<Arc<BackendTls>>,
    settings: RelaySettings,
) -> RelayHandle {
    let address = BackendAddress::parse(base_url).unwrap();
    let client = HttpBackend::new(address, tls).unwrap();
    RelayHandle::start(Arc::new(client), settings, Arc::new(SystemClock))
}

/// Quick, so that a post's whole story fits in the deadline.
pub fn settings() -> RelaySettings {
    RelaySettings {
        capacity: 64,
        connections: 8,
        try_limit: Duration::from_millis(800),
        maximum_tries: 4,
        first_pause: Duration::from_millis(20),
        breaker_threshold: 1_000,
        breaker_pause: Duration::from_millis(200),
    }
}

/// A right OTP, another for each number.
pub fn otp(number: usize) -> String {
    // Symbols and check are those of a CUN, without its prefix.
    let text = Cun::from_number(number as u64).unwrap().to_string();
    text["CUN-".len()..].to_owned()
}

pub fn caller() -> Caller {
    Caller::CallCenter(CallCenterCode::parse("CC1").unwrap())
}

pub fn post(otp: &str) -> OtpPost {
    let today = chrono::Utc::now().date_naive();
    OtpPost::new(Otp::parse(otp).unwrap(), today)
}

/// This fault with the next so many posts.
pub fn next(times: u64, fault: Fault) -> Behaviour {
    Behaviour {
        times: Some(times),
        ..always(fault)
    }
}

/// This fault with every post.
pub fn always(fault: Fault) -> Behaviour {
    Behaviour {
        fault: Some(fault),
        ..Behaviour::default()
    }
}
