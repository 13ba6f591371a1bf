//! What the front costs: server CPU per request for a constant answer. The request passes everything that this crate puts
//! before a service: mutual TLS, HTTP, certificate and media type checks, gathered body, admission. Beside it stands the
//! floor, a server that does nothing but epoll, rustls and a search for the end of the request.
//!
//! `cargo bench --bench front [-- --connections 256 --seconds 5 --runs 3]`
//!
//! Each server is a process of its own with one worker, pinned to the first core; the client is pinned to the second,
//! in a closed loop over keep-alive connections: one request of 902 bytes in flight on each. What is compared is CPU
//! time by `/proc/<pid>/task/*/schedstat`, which counts nanoseconds, so it matters little how fast the client is; but
//! CPU per request depends on the number of connections, so compare only runs with the same.
//!
//! Without `--bench`, as under `cargo test --benches`, it makes one short run and checks that all requests were answered.

#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod floor;
#[path = "../../tests/front_support/pki.rs"]
#[allow(dead_code)]
mod pki;
mod server;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What is sent: as long as a submission is.
pub const BODY_BYTES: usize = 902;
/// What is answered: about as long as a receipt.
pub const ANSWER_BYTES: usize = 600;

struct Options {
    connections: usize,
    seconds: u64,
    runs: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, kind, folder] = &arguments[..]
        && command == "serve"
    {
        pin_to(0);
        return match &**kind {
            "front" => server::serve(folder.as_ref()),
            _ => floor::serve(folder.as_ref()),
        };
    }
    let value = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let options = Options {
        connections: value("--connections", if is_bench { 256 } else { 8 })
            .try_into()
            .unwrap(),
        seconds: value("--seconds", if is_bench { 5 } else { 1 }),
        runs: value("--runs", if is_bench { 3 } else { 1 })
            .try_into()
            .unwrap(),
    };
    let files = pki::Files::new();
    let identity = files
        .authority
        .client("Regione", "010", "Regione di prova", 10);
    pin_to(1);
    println!(
        "mutual TLS 1.3, {} connections, one request of {BODY_BYTES} bytes in flight on each, {} s a run",
        options.connections, options.seconds
    );
    println!(
        "{:<8} {:>12} {:>16}",
        "server", "requests/s", "µs CPU/request"
    );
    let mut medians = Vec::new();
    for kind in ["floor", "front"] {
        let mut costs = Vec::new();
        for _ in 0..options.runs {
            let server = Server::start(kind, files.folder.path());
            let config = client::config(&files.authority, &identity);
            let length = Duration::from_secs(options.seconds);
            let (requests, cpu) =
                client::run(server.address, config, options.connections, length, || {
                    server.cpu()
                });
            assert!(requests > 0, "nothing was answered");
            let microseconds = cpu.as_secs_f64() * 1e6 / requests as f64;
            println!(
                "{kind:<8} {:>12.0} {microseconds:>16.2}",
                requests as f64 / length.as_secs_f64()
            );
            costs.push(microseconds);
        }
        costs.sort_by(f64::total_cmp);
        medians.push(costs[costs.len() / 2]);
    }
    println!("front / floor, medians: {:.2}", medians[1] / medians[0]);
}

/// A server in a process of its own, ended when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: &str, folder: &std::path::Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["serve", kind])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            address: line.trim().parse().unwrap(),
        }
    }

    /// CPU time that all its threads have used.
    fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let nanoseconds = threads.filter_map(|thread| {
            let schedstat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Pins this process to one core, if there are two.
fn pin_to(core: usize) {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    // SAFETY: a zeroed set is a valid empty one, and the call reads it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}
