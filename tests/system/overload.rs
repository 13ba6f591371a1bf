//! More than the server can take. Failure here means that a refused submission had an effect or was not told when to come back, that an accepted
//! one was lost, that one caller's flood keeps another from being served, or that a flood costs memory that does not come back.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Installation, Reply, Server, Session, Submission, fiscal_code, until};

const FLOODING: usize = 200;
/// Most that the server's memory may grow by from the first flood to the last: much less than one copy of each flood's requests and connections.
const GROWTH: u64 = 16 << 20;

fn message(number: usize) -> Submission {
    let mut message = Submission::by_region().with_key(format!("number {number}"));
    message.fiscal_code = fiscal_code(number);
    message
}

fn assert_refused(reply: &Reply) {
    assert!(matches!(reply.comes_back_after(), Some(1..=5)), "{reply:?}");
    assert_eq!(reply.0.header("connection"), None);
}

#[test]
fn beyond_the_most_requests_at_once_the_next_is_refused_at_once_and_without_effect() {
    const MOST: usize = 16;
    let installation = Installation::new();
    let server = Server::start_with(
        &installation,
        &[
            ("LIMITS__MAXIMUM_REQUESTS", "16"),
            ("LIMITS__BODY_TIMEOUT_SECONDS", "120"),
        ],
    );
    let region = || Session::region(&installation, &server, "010");
    let mut user = Session::user(&installation, &server);
    let by_structure = Submission::by_structure().with_key("of the user");
    let mut held: Vec<_> = (0..MOST)
        .map(|number| {
            let mut session = region();
            let rest = session.begin(&message(number));
            (session, rest)
        })
        .collect();
    until("all are accepted", || {
        server.metric("sistema_ts_requests_in_flight", &[]) == MOST as f64
    });
    let mut next = region();
    for _ in 0..3 {
        assert_refused(&next.submit(&message(MOST)));
        assert_refused(&user.submit(&by_structure));
    }
    assert_eq!(server.status("/health/live").status, 200);

    let mut codes = BTreeSet::new();
    for (session, rest) in &mut held {
        let reply = session.finish(rest);
        assert_eq!(reply.told(), (200, "0000"));
        codes.insert(reply.transaction().to_owned());
    }
    for reply in [next.submit(&message(MOST)), user.submit(&by_structure)] {
        assert_eq!(reply.told(), (200, "0000"));
        codes.insert(reply.transaction().to_owned());
    }
    assert_eq!(codes.len(), MOST + 2);
}

/// What came of a flood.
#[derive(Default)]
struct Flood {
    taken: BTreeSet<usize>,
    refused: Vec<usize>,
}

/// Each session submits `each` new messages, one after the other and all sessions at once, whatever it hears.
fn flood(sessions: &mut [Session], next: &AtomicUsize, each: usize, all: &Mutex<Flood>) {
    std::thread::scope(|scope| {
        for session in sessions {
            scope.spawn(move || {
                for _ in 0..each {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let reply = session.submit(&message(number));
                    let mut all = all.lock().unwrap();
                    if reply.status() == 503 {
                        assert_refused(&reply);
                        all.refused.push(number);
                    } else {
                        assert_eq!(reply.told(), (200, "0000"));
                        all.taken.insert(number);
                    }
                }
            });
        }
    });
}

/// Memory of the process that is in use, in bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1_024
}

/// Floods a server that has these settings, while a user asks for something now and then; how the user fared: served and refused.
fn flood_beside_a_user(settings: &[(&str, &str)]) -> (usize, usize) {
    const FLOODS: usize = 4;
    let installation = Installation::new();
    let server = Server::start_with(&installation, settings);
    let mut user = Session::user(&installation, &server);
    let by_structure = Submission::by_structure();
    assert_eq!(user.submit(&by_structure).told(), (200, "0000"));
    let mut sessions: Vec<_> = (0..FLOODING)
        .map(|_| Session::region(&installation, &server, "010"))
        .collect();

    let (next, all) = (AtomicUsize::new(0), Mutex::new(Flood::default()));
    let over = AtomicBool::new(false);
    let mut memory = Vec::new();
    let (mut served, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let reply = user.submit(&by_structure);
                if reply.status() == 503 {
                    assert_refused(&reply);
                    refused += 1;
                } else {
                    assert_eq!(reply.told(), (200, "0000"));
                    served += 1;
                }
            }
        });
        for _ in 0..FLOODS {
            flood(&mut sessions, &next, 5, &all);
            memory.push(resident(&server));
        }
        over.store(true, Ordering::Relaxed);
    });
    let Flood {
        taken,
        refused: of_region,
    } = all.into_inner().unwrap();
    assert_eq!(taken.len() + of_region.len(), FLOODS * FLOODING * 5);
    println!(
        "taken {}, refused {}; user {served} {refused}; memory {memory:?}",
        taken.len(),
        of_region.len()
    );
    assert!(
        !taken.is_empty() && !of_region.is_empty(),
        "else this was no overload"
    );
    assert!(memory[FLOODS - 1] < memory[0] + GROWTH, "{memory:?}");

    // Nothing is at work any more, so everything is taken: as new what was refused, as known what was taken.
    for numbers in [of_region.iter().collect::<Vec<_>>(), taken.iter().collect()] {
        let outcome = if taken.contains(numbers[0]) {
            "0001"
        } else {
            "0000"
        };
        let share = numbers.len().div_ceil(4);
        std::thread::scope(|scope| {
            for (session, numbers) in sessions.iter_mut().zip(numbers.chunks(share)) {
                scope.spawn(move || {
                    for number in numbers {
                        assert_eq!(session.submit(&message(**number)).told(), (200, outcome));
                    }
                });
            }
        });
    }
    assert!(server.terminate().0.success());
    (served, refused)
}

#[test]
fn one_callers_flood_leaves_room_for_another() {
    let (served, refused) = flood_beside_a_user(&[("ADMISSION__SUBMISSIONS", "16")]);
    assert!(served >= 4, "served {served} times");
    assert_eq!(refused, 0);
}

#[test]
fn a_full_queue_of_the_store_refuses_and_loses_nothing() {
    let (served, _) = flood_beside_a_user(&[
        ("ADMISSION__SUBMISSIONS", "65536"),
        ("EMBEDDED__QUEUE_CAPACITY", "64"),
        ("EMBEDDED__MAXIMUM_BATCH_REQUESTS", "1"),
    ]);
    assert!(served >= 1, "never served");
}
