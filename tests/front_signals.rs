//! The signals of a real process: SIGHUP reads certificates and register again, SIGTERM drains. A test binary of its own, since
//! a signal is for the whole process.
//!
//! Failure here means: a signal ends the process, or does not do what operators expect of it.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use front_support::client::{connect, tls13};
use front_support::pki::Files;
use front_support::{listener, relaxed_limits};
use sistema_ts::backend::Archives;
use sistema_ts::front::ListenerKind::MutualTls;
use sistema_ts::front::{Front, FrontSettings, plain_refusal, spawn_signal_handlers};
use sistema_ts::serve::refresh_at_hang_up;
use sistema_ts_model::{Caller, RegionCode, Timestamp};
use sistema_ts_store::register::{Act, Actor, NoJournal, Register, RegisterChange, RegisterKey};

/// A register that never looks for changes by itself.
struct Registers {
    folder: tempfile::TempDir,
    key: Arc<RegisterKey>,
}

impl Registers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        let key = Arc::new(key);
        let registers = Self { folder, key };
        registers
            .archives()
            .create_register(&registers.key)
            .unwrap();
        registers
    }

    fn archives(&self) -> Archives {
        Archives::in_folder(self.folder.path(), &self.folder.path().join("day-keys"))
    }

    fn open(&self) -> Arc<dyn Register> {
        self.archives()
            .register(Arc::clone(&self.key), Arc::new(NoJournal), None)
            .unwrap()
    }
}

fn raise(signal: libc::c_int) {
    // SAFETY: sends a signal to this process, which has a handler for it by now.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0);
}

#[test]
fn sighup_reloads_and_sigterm_drains() {
    let files = Files::new();
    let registers = Registers::new();
    let settings = FrontSettings {
        workers: 1,
        listeners: vec![listener(MutualTls, Some(files.tls()))],
        limits: relaxed_limits(),
    };
    let front = Front::bind(settings, plain_refusal, |_, config| {
        config.route("/", web::get().to(HttpResponse::Ok));
    })
    .unwrap();
    let address = front.listeners()[0].address;
    let (register, served) = (registers.open(), registers.open());
    let of_the_server = Arc::clone(&served);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let process = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            spawn_signal_handlers(front.shutdown_handle(), front.reloader()).unwrap();
            refresh_at_hang_up(served).unwrap();
            ready.send(()).unwrap();
            front.run().await.unwrap()
        })
    });
    is_ready.recv().unwrap();
    let config = tls13(&files.authority, None);
    let mut open = connect(address, &config).unwrap();
    assert_eq!(open.get("/").status, 200);

    let renewed = files.authority.server();
    files.write("server.key", &renewed.key_pem);
    files.write("server.pem", &renewed.certificate_pem);
    raise(libc::SIGHUP);
    let give_up = Instant::now() + Duration::from_secs(20);
    let served = || {
        connect(address, &config)
            .unwrap()
            .stream
            .conn
            .peer_certificates()
            .unwrap()[0]
            .clone()
    };
    while served() != renewed.chain()[0] {
        assert!(Instant::now() < give_up, "SIGHUP reloaded nothing");
    }
    assert_eq!(open.get("/").status, 200);

    let region = Caller::Region(RegionCode::parse("010").unwrap());
    let added = RegisterChange::AddCaller {
        caller: region,
        name: "Piemonte".to_owned(),
    };
    let by = Actor::Command {
        user: 0,
        login: None,
    };
    let at = Timestamp::from_millis_clamped(0);
    let added = register.change(added, Act { by, at });
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(added)
        .unwrap();
    assert!(of_the_server.snapshot().caller(&region).is_none());
    raise(libc::SIGHUP);
    let give_up = Instant::now() + Duration::from_secs(20);
    while of_the_server.snapshot().caller(&region).is_none() {
        assert!(Instant::now() < give_up, "SIGHUP did not show the change");
        std::thread::yield_now();
    }

    raise(libc::SIGTERM);
    assert_eq!(process.join().unwrap().cut_requests, 0);
    assert!(open.is_closed());
}
