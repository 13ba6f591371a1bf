//! The real server over a store that fails on demand. The server is this test binary once more, as a process of its own; a socket in the
//! installation's folder takes the orders to fail.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sistema_ts::config::Configuration;
use sistema_ts::serve::serve_on;
use sistema_ts_store::failing::{FailingStore, Fault, Operation};

use super::installation::Installation;
use super::server::Server;

/// Names the socket to the process that becomes the server.
const ORDERS: &str = "FAILING_STORE_ORDERS";

/// How a running server's store fails.
pub struct StoreFaults {
    orders: UnixStream,
}

impl StoreFaults {
    /// Starts a server with what an installation's folder holds.
    pub fn serve(installation: &Installation, settings: &[(&str, &str)]) -> (Server, Self) {
        let socket = installation.path("orders.socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let log = File::create(installation.path("server.log")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "support::failing::becomes_the_server",
                "--nocapture",
            ])
            .current_dir(installation.folder())
            .env(
                "SISTEMA_TS_CONFIGURATION",
                installation.path("sistema-ts.toml"),
            )
            .env_remove("SISTEMA_TS_CRASH_ROUNDS")
            .env(ORDERS, &socket)
            .stderr(log);
        let server = Server::start_command(installation, command, settings);
        // It connects before it says that it is ready.
        let (orders, _) = listener.accept().unwrap();
        std::fs::remove_file(socket).unwrap();
        (server, Self { orders })
    }

    /// The next call of the operation fails so.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.order(&format!("next {} {fault:?}", operation.method()));
    }

    /// The call after the next `passing` ones fails so.
    pub fn after(&self, passing: u64, operation: Operation, fault: Fault) {
        self.order(&format!("after {} {fault:?} {passing}", operation.method()));
    }

    /// Every call of the operation fails so, until [`StoreFaults::mend`].
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.order(&format!("always {} {fault:?}", operation.method()));
    }

    /// From now on no call of the operation fails.
    pub fn mend(&self, operation: Operation) {
        self.order(&format!("mend {} Unavailable", operation.method()));
    }

    /// Gives an order, and waits until it is in force.
    fn order(&self, order: &str) {
        let mut orders = &self.orders;
        writeln!(orders, "{order}").unwrap();
        orders.read_exact(&mut [0]).unwrap();
    }
}

/// Not a test of anything: the process that is the server runs it. Does nothing when it is run as an ordinary test.
#[test]
fn becomes_the_server() {
    let Ok(socket) = std::env::var(ORDERS) else {
        return;
    };
    // As the program does: what it makes is its owner's alone.
    // SAFETY: it only replaces a number of this process.
    unsafe { libc::umask(0o077) };
    let file = std::env::var("SISTEMA_TS_CONFIGURATION").unwrap();
    let configuration = Configuration::load(Some(Path::new(&file))).unwrap();
    let orders = UnixStream::connect(socket).unwrap();
    let served = serve_on(&configuration, |configuration, keys, clock| {
        let store = configuration.archives().store(keys, clock)?;
        let failing = FailingStore::over(store);
        let obeying = failing.clone();
        std::thread::spawn(move || obey(&obeying, &orders));
        Ok(Arc::new(failing))
    });
    served.unwrap();
}

fn obey(store: &FailingStore, orders: &UnixStream) {
    for line in BufReader::new(orders).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        let order = words.next().unwrap();
        let operation: Operation = words.next().unwrap().parse().unwrap();
        let fault: Fault = words.next().unwrap().parse().unwrap();
        match order {
            "next" => store.next(operation, fault),
            "after" => store.after(words.next().unwrap().parse().unwrap(), operation, fault),
            "always" => store.always(operation, fault),
            "mend" => store.mend(operation),
            other => panic!("no such order: {other}"),
        }
        let mut answers = orders;
        answers.write_all(b"\n").unwrap();
    }
}
