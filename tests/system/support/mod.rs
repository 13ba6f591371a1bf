//! What the tests of the whole system share: an installation made with the real commands, the real server on free ports, and a client.

pub mod backend;
pub mod books;
pub mod chain;
#[path = "../../front_support/client.rs"]
pub mod client;
#[path = "../../command_support/mod.rs"]
pub mod command;
pub mod failing;
pub mod installation;
pub mod messages;
#[cfg(feature = "cql")]
pub mod on_a_cluster;
#[path = "../../front_support/pki.rs"]
pub mod pki;
pub mod positives;
pub mod server;
pub mod session;

use std::time::{Duration, Instant};

pub use backend::Backend;
pub use failing::StoreFaults;
pub use installation::Installation;
pub use messages::{Message, Submission, fiscal_code, otp};
pub use server::Server;
pub use session::{Reply, Session};

/// Waits until something is so; a test that waits longer than this has failed.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}: not within 120 s");
        std::thread::yield_now();
    }
}

/// Waits for a moment, to the microsecond: for what is to meet something else on its way.
pub fn spin_until(moment: Instant) {
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// For what of the store is asynchronous.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
