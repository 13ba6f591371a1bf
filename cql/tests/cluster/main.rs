//! Two servers on three nodes, of which some are killed or frozen under load. The load keeps a ledger of all that was answered.
//!
//! A failure is an answer that is lost or doubled, half a test, a person that outlives its erasure, a retry with the same key that gets another
//! answer; a load that comes to a stand although two nodes are there; or one that does not go on by itself when they are there again.
//!
//! One node is killed and one is frozen; with `TEST_CQL_FAULTS=all` (`make test-cluster`) each of the three in turn, one for a minute, which is longer
//! than hints are kept here, and then two at once: then nothing is answered as done, and whoever asks is refused early.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore};
use sistema_ts_model::{Clock, FirstSymbol, SystemClock, TestResult};
use sistema_ts_store::conformance::crash_load::{Ledger, Say, check, check_receipts, drive, hear};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{call_center, new_test, operator};
use sistema_ts_store::{Guess, GuessBudgets, Store};

use support::nodes::Nodes;
use tokio::sync::watch;

/// Answers that a load gives before a fault, during it, and after it.
const ANSWERS: usize = 150;
/// So long may a load take for them: a fault that stops it for good is a failure.
const PATIENCE: Duration = Duration::from_secs(180);

/// A node is frozen for so long, in one of the faults.
const LONG: Duration = Duration::from_secs(60);
/// So long are hints kept for a node that is away for longer, in milliseconds.
const HINTS_MILLIS: &str = "10000";
/// Whoever asks while two nodes are gone is refused within this time, once the nodes know it: by their word, and not by the time limit of a statement.
const EARLY: Duration = Duration::from_millis(2_500);
/// So many are asked then of each server.
const REFUSALS: usize = 20;

/// Two servers, and a load on both that goes on until it is ended.
struct Load {
    servers: Vec<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    ledger: Arc<Mutex<Ledger>>,
    answered: Arc<watch::Sender<usize>>,
    stop: Arc<AtomicBool>,
    next_message: Arc<AtomicU32>,
}

impl Load {
    fn on(settings: &CqlSettings, folder: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        KeyRing::create(&folder.join("day-keys-0"), clock.now().rome_day()).unwrap();
        std::fs::copy(folder.join("day-keys-0"), folder.join("day-keys-1")).unwrap();
        let open = |server: usize| -> Arc<dyn Store> {
            let data = folder.join(format!("server-{server}"));
            let options = CqlOptions::of(settings.clone(), data);
            let keys = support::ring_of(folder, server);
            Arc::new(CqlStore::open(options, keys, Arc::clone(&clock)).unwrap())
        };
        Self {
            servers: vec![open(0), open(1)],
            clock,
            ledger: Arc::default(),
            answered: Arc::new(watch::Sender::new(0)),
            stop: Arc::default(),
            next_message: Arc::default(),
        }
    }

    /// Begins, and begins again when everybody has met a failure, until it is ended.
    fn begin(&self) -> tokio::task::JoinHandle<()> {
        let (ledger, answered) = (Arc::clone(&self.ledger), Arc::clone(&self.answered));
        let say: Say = Arc::new(move |line| {
            if line.starts_with("recorded") {
                answered.send_modify(|answered| *answered += 1);
            }
            hear(&mut ledger.lock().unwrap(), &line);
        });
        let (servers, clock) = (self.servers.clone(), Arc::clone(&self.clock));
        let (stop, next) = (Arc::clone(&self.stop), Arc::clone(&self.next_message));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let first = next.fetch_add(20_000, Ordering::SeqCst);
                let (clock, stop, say) = (Arc::clone(&clock), Arc::clone(&stop), Arc::clone(&say));
                drive(&servers, clock, first, stop, say).await;
            }
        })
    }

    /// Waits until so many more were answered.
    async fn goes_on(&self, what: &str) {
        let begun = Instant::now();
        let mut answered = self.answered.subscribe();
        let wanted = *answered.borrow() + ANSWERS;
        let waiting = answered.wait_for(|answered| *answered >= wanted);
        let goes_on = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(goes_on.is_ok(), "the load stands: {what}");
        let took = begun.elapsed().as_secs_f64();
        support::say(&format!("{what}: {ANSWERS} answers in {took:.1} s"));
    }

    /// Ends the load, and compares what was answered with what one server finds and what the other answers to repetitions.
    async fn end(&self, since: sistema_ts_model::Timestamp, load: tokio::task::JoinHandle<()>) {
        self.stop.store(true, Ordering::SeqCst);
        load.await.unwrap();
        let mut ledger = std::mem::take(&mut *self.ledger.lock().unwrap());
        let [one, other] = [0, 1].map(|server| Arc::clone(&self.servers[server]));
        check(&*one, &*self.clock, since, &mut ledger).await;
        check_receipts(&*other, &*self.clock, &mut ledger, 100).await;
        support::say(&format!("{} messages compared", ledger.len()));
    }
}

fn every_fault_is_wanted() -> bool {
    std::env::var("TEST_CQL_FAULTS").is_ok_and(|value| value == "all")
}

#[test]
fn what_was_answered_is_there_whichever_node_is_killed_or_frozen() {
    let Some(nodes) = Nodes::start(3) else {
        return support::cannot_be_had("three nodes cannot be started here");
    };
    let settings = CqlSettings {
        replication_factor: 3,
        // One of three nodes is given up as soon as a server does it.
        statement_timeout_milliseconds: CqlSettings::default().statement_timeout_milliseconds,
        ..support::patient_settings(nodes.address())
    };
    support::make_keyspaces(&settings);
    let folder = tempfile::tempdir().unwrap();
    let load = Load::on(&settings, folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let since = load.clock.now();
        let running = load.begin();
        load.goes_on("three nodes").await;
        let all = [1, 2, 3];
        let (killed, frozen) = if every_fault_is_wanted() {
            (&all[..], &all[..])
        } else {
            (&all[1..2], &all[2..])
        };
        for node in killed {
            nodes.kill(*node);
            load.goes_on(&format!("node {node} is killed")).await;
            nodes.start_again(*node);
            load.goes_on(&format!("node {node} is there again")).await;
        }
        for node in frozen {
            nodes.freeze(*node);
            load.goes_on(&format!("node {node} is frozen")).await;
            nodes.wake(*node);
            load.goes_on(&format!("node {node} is awake again")).await;
        }
        if every_fault_is_wanted() {
            frozen_for_long(&nodes, &load).await;
            for two in [[2, 3], [1, 3]] {
                two_are_gone(&nodes, &load, two).await;
            }
        }
        load.end(since, running).await;
    });
}

/// A node that is away for longer than hints are kept for it misses writes when it wakes, which no quorum does.
async fn frozen_for_long(nodes: &Nodes, load: &Load) {
    for node in [1, 2, 3] {
        nodes.nodetool(node, &["setmaxhintwindow", HINTS_MILLIS]);
    }
    let begun = Instant::now();
    nodes.freeze(3);
    let seconds = LONG.as_secs();
    load.goes_on(&format!("node 3 is frozen for {seconds} s"))
        .await;
    tokio::time::sleep_until((begun + LONG).into()).await;
    nodes.wake(3);
    load.goes_on("node 3 is awake again").await;
    // Its quorum is now with the one that has missed the most.
    nodes.kill(1);
    load.goes_on("node 1 is killed after that").await;
    nodes.start_again(1);
    load.goes_on("node 1 is there again").await;
}

async fn two_are_gone(nodes: &Nodes, load: &Load, two: [u8; 2]) {
    let [one, other] = two;
    nodes.kill(one);
    nodes.kill(other);
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        refused(load).await;
        if asked.elapsed() < EARLY {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody is refused early");
    }
    let settled = begun.elapsed().as_secs_f64();
    let mut longest = Duration::ZERO;
    for _ in 0..REFUSALS {
        let asked = Instant::now();
        refused(load).await;
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < EARLY, "a refusal has taken {longest:?}");
    support::say(&format!(
        "nodes {one} and {other} are killed: after {settled:.1} s {REFUSALS} askers at each server are refused, in {} ms at most",
        longest.as_millis()
    ));
    nodes.start_again(one);
    nodes.start_again(other);
    load.goes_on(&format!("nodes {one} and {other} are there again"))
        .await;
}

/// Nothing is answered as done while two nodes are gone, whichever server is asked for whatever.
async fn refused(load: &Load) {
    let asked = load.servers.iter().map(|server| async move {
        let reserved = server.reserve(FirstSymbol::from_index(3).unwrap(), 1).await;
        let test = new_test(
            reserved.unwrap()[0],
            1,
            TestResult::Negative,
            load.clock.now(),
        );
        let guess = Guess {
            operator: operator(2),
            caller: call_center("CC2"),
            cun: test.reserved.cun,
            budgets: GuessBudgets::default(),
        };
        let (found, guessed, recorded) = tokio::join!(
            server.find_by_digest([7; 32]),
            server.begin_guess(guess),
            server.record_test(test)
        );
        assert!(
            found.is_err(),
            "a read is answered by one node of three: {found:?}"
        );
        assert!(
            guessed.is_err(),
            "a guess is counted by one node of three: {guessed:?}"
        );
        assert!(
            recorded.is_err(),
            "a test is recorded by one node of three: {recorded:?}"
        );
    });
    futures_util::future::join_all(asked).await;
}
