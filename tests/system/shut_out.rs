//! Strangers who try to keep right users out. Failure here means that a user with the right credentials is refused, or waits for longer than the
//! number of the strangers explains, because of what others do who have no credentials.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{handshake, tcp};
use crate::support::installation::{ASL_USER, PASSWORD, USER, USER_WITHOUT_PROFILE, pincode_of};
use crate::support::{Installation, Reply, Server, Session, Submission, until};

/// Every connection says where it comes from.
const BEHIND_A_PROXY: &[(&str, &str)] = &[("PROXY__TRUSTED_NETWORKS", "[\"127.0.0.0/8\"]")];

/// Hostile clients, each over a connection of its own.
const HOSTILE: u64 = 150;

/// How long a first sign-in may take while strangers of another network fill the waiting room, on a busy machine with a debug build. In
/// turns it is three checks.
const FROM_ELSEWHERE: Duration = Duration::from_secs(5);

/// The same behind the strangers' own address, where each of their names has a turn before; longer than the server has anybody wait.
const FROM_THE_SAME_ADDRESS: Duration = Duration::from_secs(21);

/// A connection on the listener for users that comes from `source`.
fn session_from(installation: &Installation, server: &Server, source: &str) -> Session {
    let mut stream = tcp(server.basic);
    let family = if source.contains(':') {
        ("TCP6", "2001:db8::1")
    } else {
        ("TCP4", "198.51.100.1")
    };
    let header = format!("PROXY {} {source} {} 56324 443\r\n", family.0, family.1);
    stream.write_all(header.as_bytes()).unwrap();
    let config = installation.client(None);
    Session::over(handshake(stream, &config).unwrap(), server.basic, &config)
}

/// The first request of a user, over a new connection, and how long its answer took.
fn sign_in(
    installation: &Installation,
    server: &Server,
    (user, source): (&str, &str),
) -> (Reply, Duration) {
    let message = Submission {
        pincode: Some(pincode_of(user)),
        ..Submission::by_structure()
    };
    let mut session = session_from(installation, server, source).signed_in(user, PASSWORD);
    let begun = Instant::now();
    let reply = session.submit(&message);
    (reply, begun.elapsed())
}

/// Hostile clients guess until `meanwhile` is over, each as the user and from the source that `who` makes of its number.
fn under_attack(
    installation: &Installation,
    server: &Server,
    who: impl Fn(u64) -> (String, String) + Sync,
    meanwhile: impl FnOnce(),
) {
    let (over, guesses) = (AtomicBool::new(false), AtomicU64::new(0));
    /// Also when `meanwhile` fails.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    std::thread::scope(|scope| {
        for number in 0..HOSTILE {
            let (over, guesses, who) = (&over, &guesses, &who);
            scope.spawn(move || {
                let (user, source) = who(number);
                let mut session = session_from(installation, server, &source);
                while !over.load(Ordering::Acquire) {
                    let guess = guesses.fetch_add(1, Ordering::Relaxed);
                    let name = user.replace('#', &guess.to_string());
                    session = session.signed_in(&name, &format!("a wrong guess {guess}"));
                    // Cut off when the server has had enough of it, or has ended.
                    match session.try_submit(&Submission::by_structure()) {
                        Ok(reply) => assert!(matches!(reply.status(), 401 | 503), "{reply:?}"),
                        Err(_) => return,
                    }
                }
            });
        }
        let _over = Over(&over);
        until("the waiting room is crowded", || {
            server.metric("sistema_ts_auth_checks_under_way", &[]) > HOSTILE as f64 / 2.0
        });
        meanwhile();
    });
}

fn assert_let_in((reply, took): &(Reply, Duration), within: Duration, who: &str) {
    // Not every user may submit: that is told only to whoever is let in.
    assert_eq!(reply.status(), 200, "{who}: {reply:?}");
    eprintln!("{who}: let in after {took:?}");
    assert!(*took <= within, "{who}: {took:?}");
}

#[test]
fn a_flood_of_unknown_users_from_one_network_keeps_nobody_out() {
    let installation = Installation::with_call_centres();
    let server = Server::start_with(&installation, BEHIND_A_PROXY);
    let of_one_network = |number: u64| {
        let source = format!("2001:db8:7:{:x}::1", number * 431);
        ("nessuno-#".to_owned(), source)
    };
    // One has signed in before, and is remembered.
    let remembered = (USER, "192.0.2.1");
    assert_let_in(
        &sign_in(&installation, &server, remembered),
        FROM_ELSEWHERE,
        "before",
    );
    under_attack(&installation, &server, of_one_network, || {
        let passes = sign_in(&installation, &server, remembered);
        assert_let_in(&passes, FROM_ELSEWHERE, "remembered");
        for (user, source) in [
            (USER_WITHOUT_PROFILE, "192.0.2.2"),
            (ASL_USER, "2001:db8:8::1"),
        ] {
            let first = sign_in(&installation, &server, (user, source));
            assert_let_in(&first, FROM_ELSEWHERE, "first sign-in");
        }
    });
}

#[test]
fn a_flood_behind_the_same_address_that_knows_the_user_ids_keeps_nobody_out() {
    let installation = Installation::with_call_centres();
    let server = Server::start_with(&installation, BEHIND_A_PROXY);
    let here = "192.0.2.1";
    let of_one_address = |number: u64| {
        let user = [USER, "nessuno-#", USER_WITHOUT_PROFILE][(number % 3) as usize];
        (user.to_owned(), here.to_owned())
    };
    let before = sign_in(&installation, &server, (USER, here));
    assert_let_in(&before, FROM_ELSEWHERE, "before");
    under_attack(&installation, &server, of_one_address, || {
        let passes = sign_in(&installation, &server, (USER, here));
        assert_let_in(&passes, FROM_ELSEWHERE, "remembered");
        let elsewhere = sign_in(&installation, &server, (USER_WITHOUT_PROFILE, "192.0.2.2"));
        assert_let_in(&elsewhere, FROM_ELSEWHERE, "from elsewhere");
        let first = sign_in(&installation, &server, (ASL_USER, "::ffff:192.0.2.1"));
        assert_let_in(&first, FROM_THE_SAME_ADDRESS, "first sign-in");
    });
    // A server that has just begun remembers nobody.
    drop(server);
    let server = Server::start_with(&installation, BEHIND_A_PROXY);
    under_attack(&installation, &server, of_one_address, || {
        let first = sign_in(&installation, &server, (ASL_USER, here));
        assert_let_in(&first, FROM_THE_SAME_ADDRESS, "after a restart");
    });
}

#[test]
fn twenty_five_failures_of_an_unknown_user_cost_the_others_behind_the_address_nothing() {
    let installation = Installation::with_call_centres();
    let server = Server::start_with(&installation, BEHIND_A_PROXY);
    let mut stranger = session_from(&installation, &server, "192.0.2.1");
    for guess in 0..25 {
        stranger = stranger.signed_in("nessuno.qui", &format!("a wrong guess {guess}"));
        assert_eq!(stranger.submit(&Submission::by_structure()).status(), 401);
    }
    for user in [USER, USER_WITHOUT_PROFILE, ASL_USER] {
        let first = sign_in(&installation, &server, (user, "192.0.2.1"));
        assert_let_in(&first, FROM_ELSEWHERE, user);
    }
    let slowed = server.metric("sistema_ts_auth_slowed_failures_total", &[]);
    assert_eq!(
        slowed, 20.0,
        "five of the user's own measure were not slowed"
    );
}
