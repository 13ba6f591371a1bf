//! Two servers on one cluster, each a process with a folder of its own. A failure is what one has answered and the other does not know, a key with
//! two answers, or a caller whom one server lets in that an administrator has shut out.

use std::thread;
use std::time::{Duration, Instant};

use crate::node::node;
use crate::support::chain::told;
use crate::support::installation::{CALL_CENTRE, CARD, DESK};
use crate::support::on_a_cluster::Cluster;
use crate::support::session::Session;
use crate::support::{Backend, Installation, Message, Server, Submission, otp, until};

/// A caller that was shut out is let in for no longer.
const SHUT_OUT_WITHIN: Duration = Duration::from_secs(1);
/// Requests with a key that both servers get at once.
const KEYS: usize = 100;

/// Two servers, the backend that both post to, and their installations.
struct Pair {
    servers: [Server; 2],
    installations: [Installation; 2],
    backend: Backend,
}

impl Pair {
    fn start(cluster: &Cluster) -> Self {
        let backend = Backend::start();
        let installation = Installation::on_a_cluster(cluster);
        let other = installation.beside();
        let installations = [installation, other];
        let start = |installation: &Installation| {
            let url = backend.url();
            Server::start_with(installation, &[("IMMUNI__BASE_URL", &url)])
        };
        Self {
            servers: installations.each_ref().map(start),
            installations,
            backend,
        }
    }

    fn region(&self, server: usize) -> Session {
        Session::region(&self.installations[server], &self.servers[server], "010")
    }

    fn desk(&self, server: usize) -> Session {
        let (installation, server) = (&self.installations[server], &self.servers[server]);
        Session::call_centre(installation, server, CALL_CENTRE)
    }
}

#[test]
fn two_servers_are_one_to_whoever_calls_them() {
    let Some(cluster) = node() else {
        return;
    };
    let pair = Pair::start(cluster);
    a_chain_goes_from_one_to_the_other(&pair);
    a_third_in_the_folder_of_one_is_refused(&pair);
    one_key_sent_to_both_at_once_is_one_test(&pair);
    a_caller_disabled_at_one_is_refused_by_the_other(&pair);
    what_one_answered_before_it_was_killed_the_other_knows(pair);
}

fn a_chain_goes_from_one_to_the_other(pair: &Pair) {
    let cun = pair.region(0).submitted(&Submission::by_region());
    let session = pair.desk(1).verified(DESK, CARD, &cun);
    let unlock = Message::unlock(DESK, &session, &otp(1));
    assert_eq!(pair.desk(0).ask(&unlock).outcome(), "0000");
    let again = pair.desk(1).ask(&Message::unlock(DESK, &session, &otp(1)));
    assert_eq!(pair.backend.stored(&otp(1)), 1, "{again:?}");
    let confirmation = Message::confirmation("C", DESK, &cun);
    assert_eq!(pair.desk(1).ask(&confirmation).outcome(), "0000");
    // Done already, whoever is asked.
    assert_eq!(pair.desk(0).ask(&confirmation).outcome(), "0001");
    let verification = Message::verification(DESK, CARD, &cun);
    let [one, other] = [0, 1].map(|server| {
        let reply = pair.desk(server).ask(&verification);
        let (outcome, findings) = told(&reply);
        (outcome.to_owned(), findings.join(" "))
    });
    assert_eq!(one, other, "the servers differ about a code that was used");
    assert_ne!(one.0, "0000", "a code that was used is verified");
}

fn a_third_in_the_folder_of_one_is_refused(pair: &Pair) {
    let output = pair.installations[0].command(&["serve"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("another process has the data folder open"),
        "{told}"
    );
    pair.region(0).submitted(&Submission::by_region());
}

/// The code of a submission that was taken, now or before under the same key.
fn code_of(region: &mut Session, submission: &Submission) -> String {
    let reply = region.submit(submission);
    let is_done = matches!(reply.told(), (200, "0000" | "0001"));
    assert!(is_done, "{reply:?}");
    reply.transaction().to_owned()
}

fn one_key_sent_to_both_at_once_is_one_test(pair: &Pair) {
    let send = |server: usize| {
        let mut region = pair.region(server);
        move || -> Vec<String> {
            let submissions = (0..KEYS)
                .map(|number| Submission::about(number % 50).with_key(format!("both {number}")));
            submissions
                .map(|submission| code_of(&mut region, &submission))
                .collect()
        }
    };
    let (one, other) = (send(0), send(1));
    let (one, other) = thread::scope(|scope| {
        let (one, other) = (scope.spawn(one), scope.spawn(other));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one, other, "one key has two answers");
    let mut codes = one;
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), KEYS, "two keys have one code");
}

fn a_caller_disabled_at_one_is_refused_by_the_other(pair: &Pair) {
    let mut region = pair.region(1);
    region.submitted(&Submission::by_region());
    pair.installations[0].admin(&["region", "disable", "010"]);
    let disabled = Instant::now();
    until("a disabled caller is refused", || {
        let refused = region.submit(&Submission::by_region()).status() != 200;
        let late = disabled.elapsed() > SHUT_OUT_WITHIN;
        assert!(refused || !late, "a disabled caller is let in still");
        refused
    });
    pair.installations[1].admin(&["region", "enable", "010"]);
    until("an enabled caller is let in", || {
        pair.region(0).submit(&Submission::by_region()).status() == 200
    });
}

fn what_one_answered_before_it_was_killed_the_other_knows(pair: Pair) {
    let mut region = pair.region(0);
    let keyed = |number: usize| Submission::about(number % 50).with_key(format!("kill {number}"));
    let answered: Vec<String> = (0..20)
        .map(|number| region.submitted(&keyed(number)))
        .collect();
    // One more is on its way.
    let rest = region.begin(&keyed(20));
    region.client.send(&rest);
    let mut other = pair.region(1);
    let [killed, _other_server] = pair.servers;
    killed.kill9();
    for (number, cun) in answered.iter().enumerate() {
        assert_eq!(
            code_of(&mut other, &keyed(number)),
            *cun,
            "an answer is lost"
        );
    }
    let settled = code_of(&mut other, &keyed(20));
    assert_eq!(code_of(&mut other, &keyed(20)), settled);
    let listed = other.ask(&Message::listing());
    let times = |cun: &str| {
        listed
            .values("identificativoTest")
            .filter(|test| *test == cun)
            .count()
    };
    for cun in answered.iter().chain([&settled]) {
        assert_eq!(times(cun), 1, "a test is listed {} times", times(cun));
    }
}
