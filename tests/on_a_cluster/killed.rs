//! Two servers on one cluster, of which one or the other is killed again and again while both are asked. Whoever gets no answer asks the other server
//! the same, under the same key.
//!
//! A failure is a key with two answers, an answer that the other server does not know, a test that is listed twice or that nobody has sent, or a
//! server that does not start again.
//!
//! It takes a minute, and is for `make test-cluster`: with `TEST_CQL_FAULTS=all`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster;
use crate::node::node;
use crate::support::session::Session;
use crate::support::{Installation, Message, Reply, Server, Submission};

/// Callers that ask at once.
const CALLERS: usize = 4;
/// A server is killed after a time up to this, in milliseconds, at random.
const LONGEST_LIFE_MILLIS: u64 = 700;
/// Nobody waits for longer for an answer, at both servers together.
const PATIENCE: Duration = Duration::from_secs(60);

/// Servers are killed so often.
const KILLS: usize = 20;

/// Two installations, and their servers; none while one is killed and starts again.
struct Pair {
    installations: [Installation; 2],
    servers: [Mutex<Option<Server>>; 2],
    ended: AtomicBool,
    next_message: AtomicUsize,
    /// Of each message that was answered, by its number: the code.
    ledger: Mutex<Vec<(usize, String)>>,
}

fn message(number: usize) -> Submission {
    Submission::about(number % 50).with_key(format!("killed {number}"))
}

impl Pair {
    /// A caller's connection to a server, if that runs.
    fn connect(&self, server: usize) -> Option<Session> {
        let address = self.servers[server].lock().unwrap().as_ref()?.mutual_tls;
        let config = self.installations[server].client(Some("region-010"));
        Session::try_with(address, &config).ok()
    }

    /// Asks one server and the other in turn until one answers. The code that it has answered with.
    fn ask(&self, sessions: &mut [Option<Session>; 2], number: usize) -> String {
        let begun = Instant::now();
        for turn in number.. {
            assert!(
                begun.elapsed() < PATIENCE,
                "message {number} gets no answer"
            );
            let server = turn % 2;
            if sessions[server].is_none() {
                sessions[server] = self.connect(server);
            }
            let Some(session) = &mut sessions[server] else {
                thread::yield_now();
                continue;
            };
            match session.try_submit(&message(number)) {
                Ok(reply) if is_done(&reply) => return reply.transaction().to_owned(),
                // Not now, or it does not know: it is asked again.
                Ok(reply) => assert!(reply.status() >= 500, "{reply:?}"),
                Err(_) => sessions[server] = None,
            }
        }
        unreachable!("there are numbers without end")
    }

    fn load(&self) {
        let mut sessions = [None, None];
        while !self.ended.load(Ordering::Acquire) {
            let number = self.next_message.fetch_add(1, Ordering::Relaxed);
            let code = self.ask(&mut sessions, number);
            self.ledger.lock().unwrap().push((number, code));
        }
    }

    /// Kills one server and the other in turn, and starts it again.
    fn kill(&self) {
        for kill in 0..KILLS {
            let life = rand::random_range(0..LONGEST_LIFE_MILLIS);
            thread::sleep(Duration::from_millis(life));
            let server = kill % 2;
            let killed = self.servers[server].lock().unwrap().take();
            killed.expect("it was started again").kill9();
            let started = Server::start(&self.installations[server]);
            *self.servers[server].lock().unwrap() = Some(started);
        }
    }
}

fn is_done(reply: &Reply) -> bool {
    matches!(reply.told(), (200, "0000" | "0001"))
}

#[test]
fn servers_that_are_killed_at_random_lose_and_double_nothing() {
    let is_wanted = std::env::var("TEST_CQL_FAULTS").is_ok_and(|value| value == "all");
    if !is_wanted {
        return cluster::say("servers killed at random: with TEST_CQL_FAULTS=all");
    }
    let Some(node) = node() else {
        return;
    };
    let installation = Installation::on_a_cluster(node);
    let installations = [installation.beside(), installation];
    let start = |installation: &Installation| Mutex::new(Some(Server::start(installation)));
    let pair = Pair {
        servers: installations.each_ref().map(start),
        installations,
        ended: AtomicBool::new(false),
        next_message: AtomicUsize::new(0),
        ledger: Mutex::default(),
    };
    let begun = Instant::now();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| pair.load())).collect();
        let killed = scope.spawn(|| pair.kill()).join();
        pair.ended.store(true, Ordering::Release);
        for caller in callers {
            caller.join().unwrap();
        }
        killed.unwrap();
    });
    let ledger = pair.ledger.lock().unwrap();
    cluster::say(&format!(
        "{KILLS} servers killed in {:.0} s, {} messages answered",
        begun.elapsed().as_secs_f64(),
        ledger.len()
    ));
    // Each is known at both, under the same code.
    for server in 0..2 {
        let mut session = pair.connect(server).expect("it runs");
        for (number, code) in ledger.iter() {
            let reply = session.submit(&message(*number));
            assert!(is_done(&reply), "message {number}: {reply:?}");
            assert_eq!(
                reply.transaction(),
                code,
                "message {number} has two answers"
            );
        }
    }
    let mut sent: Vec<&str> = ledger.iter().map(|(_, code)| code.as_str()).collect();
    let mut session = pair.connect(0).expect("it runs");
    let listed = session.ask(&Message::listing());
    let mut listed: Vec<&str> = listed.values("identificativoTest").collect();
    sent.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, sent, "what is listed is not what was answered");
}
