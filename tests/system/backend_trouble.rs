//! The Immuni backend in trouble, reached over mutual TLS with an authority of its own: slow, resetting, failing, hanging, gone, or with
//! certificates that do not fit.
//!
//! Failure here means that an outcome comes after the deadline or is not what happened, that the CUN is in another state than the outcome says,
//! that the other services wait for the backend, or that a one-time code or a day of symptoms is found again in a file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use immuni_stand_in::{Behaviour, Fault};

use crate::leaks::hunt::Evidence;
use crate::support::chain::{Chain, Told, told, told_to_keep};
use crate::support::installation::{ASL_OPERATOR, COLLEAGUE, DESK, card_of};
use crate::support::messages::today;
use crate::support::{Installation, Message, Session, Submission, fiscal_code, otp, until};

/// By when an outcome must be there.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a machine under load may add.
const MARGIN: Duration = Duration::from_millis(1_500);

/// More than a submission and a verification take on a busy machine.
const USUAL: Duration = Duration::from_millis(300);

const SETTINGS: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "900"),
    // The breaker has tests of its own.
    ("IMMUNI__BREAKER_FAILURES", "1000"),
    ("LOGGING__LEVEL", "debug"),
];

/// A description that the archive keeps: what must be found, or the search finds nothing at all.
const KEPT: &str = "Ambulatorio di controllo 7303";

/// What became of a CUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// As it was before.
    Free,
    /// The operator's whose code it was, with one delivery counted.
    Counted,
}

/// One kind of trouble: its name, what it does, what is told, what is left, and how often the code was authorised in the end.
struct Trouble(
    &'static str,
    Behaviour,
    (&'static str, &'static str),
    Left,
    u64,
);

const DONE: (&str, &str) = ("0000", "");
const NOT_SENT: (&str, &str) = ("9999", "5004");
const UNKNOWN: (&str, &str) = ("9999", "5005");

/// Codes that occur in nothing else by chance.
fn new_code() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    otp(2_718_281_828_459 + NEXT.fetch_add(1, Ordering::Relaxed) * 7_919)
}

/// A day that is in no certificate, log line or test.
fn symptoms() -> String {
    let today: NaiveDate = today().parse().unwrap();
    (today - Days::new(101)).to_string()
}

/// People, each for one case.
struct People(usize);

/// A positive, with verifications by two operators.
struct Case {
    cun: String,
    person: usize,
    sessions: [String; 2],
    code: String,
}

impl People {
    fn next(&mut self, chain: &Chain) -> Case {
        let person = self.0;
        self.0 += 1;
        let cun = chain.submitted(&submission(person));
        let sessions = [DESK, COLLEAGUE]
            .map(|operator| chain.desk().verified(operator, &card_of(person), &cun));
        Case {
            cun,
            person,
            sessions,
            code: new_code(),
        }
    }
}

fn submission(person: usize) -> Submission {
    Submission {
        structure: None,
        description: Some(KEPT.into()),
        ..Submission::about(person)
    }
}

impl Case {
    fn unlock(&self, code: &str) -> Message {
        Message::unlock(DESK, &self.sessions[0], code).with("dataInizioSintomi", symptoms())
    }

    fn asl(&self) -> Message {
        Message::asl_otp_of_region(ASL_OPERATOR, &self.code, &fiscal_code(self.person))
            .with("dataInizioSintomi", symptoms())
    }

    fn cancellation(&self) -> Message {
        Message::cancellation(&self.cun, &fiscal_code(self.person)).with_description(KEPT)
    }

    /// What is left of it after an unlock, with a backend that is well again; brings it to its end.
    fn left(&self, chain: &Chain, codes: &mut Vec<String>) -> Left {
        let mut desk = chain.desk();
        let mut deliver = |operator: &str, session: &str| {
            let code = new_code();
            let message = Message::unlock(operator, session, &code);
            codes.push(code);
            told_to_keep(&desk.ask(&message.with("dataInizioSintomi", symptoms())))
        };
        let done = ("0000".to_owned(), String::new());
        let colleague = deliver(COLLEAGUE, &self.sessions[1]);
        let (left, who) = if colleague == done {
            (Left::Free, 1)
        } else {
            assert_eq!(colleague, ("9999".to_owned(), "3012".to_owned()));
            (Left::Counted, 0)
        };
        // One is counted by now; there are three, whoever had it.
        let operator = [DESK, COLLEAGUE][who];
        for _ in 1..3 {
            assert_eq!(deliver(operator, &self.sessions[who]), done);
        }
        let one_more = deliver(operator, &self.sessions[who]);
        assert_eq!(one_more, ("9999".to_owned(), "3013".to_owned()));
        assert_eq!(told(&chain.confirm("C", &self.cun)), ("0000", vec![]));
        left
    }
}

/// Asks, and sees to it that the answer comes in time.
fn ask_in_time(session: &mut Session, message: &Message, name: &str) -> Told {
    let began = Instant::now();
    let reply = session.ask(message);
    let took = began.elapsed();
    assert!(took < DEADLINE + MARGIN, "{name}: {took:?}");
    told_to_keep(&reply)
}

/// Submissions and verifications while the posts are under way, none of which waits for the backend; how many of both were answered.
fn others_go_on(chain: &Chain, people: &mut People, is_over: impl Fn() -> bool) -> usize {
    let (mut region, mut desk) = (chain.region(), chain.desk());
    let person = people.0;
    people.0 += 1;
    let mut times = Vec::new();
    while !is_over() {
        let began = Instant::now();
        let cun = region.submitted(&submission(person));
        desk.verified(DESK, &card_of(person), &cun);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    // On a machine under load one of them may be slow, but not half of them.
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    assert!(median < USUAL, "{median:?} of {}", times.len());
    assert!(times.iter().all(|time| *time < DEADLINE), "{times:?}");
    times.len()
}

/// Two unlocks and an ASL's code at once meet the trouble.
fn meet(chain: &Chain, people: &mut People, codes: &mut Vec<String>, trouble: &Trouble) {
    let Trouble(name, behaviour, expected, left, stored) = trouble;
    let cases: Vec<_> = (0..3).map(|_| people.next(chain)).collect();
    chain.backend.behave(*behaviour);
    let before = chain.backend.counts().requests;
    let answered = thread::scope(|scope| {
        let asking: Vec<_> = cases
            .iter()
            .enumerate()
            .map(|(at, case)| {
                let (mut session, message) = match at {
                    2 => (chain.region(), case.asl()),
                    _ => (chain.desk(), case.unlock(&case.code)),
                };
                scope.spawn(move || ask_in_time(&mut session, &message, name))
            })
            .collect();
        let is_over = || asking.iter().all(|asking| asking.is_finished());
        let answered = others_go_on(chain, people, is_over);
        for told in asking.into_iter().map(|asking| asking.join().unwrap()) {
            assert_eq!((told.0.as_str(), told.1.as_str()), *expected, "{name}");
        }
        answered
    });
    if matches!(behaviour.fault, Some(Fault::Hang | Fault::HangAfterStoring)) {
        assert!(answered > 2, "{name}: {answered} answered meanwhile");
    }
    let is_reached = chain.backend.counts().requests > before;
    assert_eq!(is_reached, !behaviour.down, "{name}");
    // A client that has left does not undo the storing.
    until("what was sent is stored", || {
        cases
            .iter()
            .all(|case| chain.backend.stored(&case.code) >= *stored)
    });
    chain.backend.behave(Behaviour::default());
    codes.extend(cases.iter().map(|case| case.code.clone()));
    for case in &cases[..2] {
        assert_eq!(case.left(chain, codes), *left, "{name}");
    }
    let cancelled = chain.region().ask(&cases[2].cancellation());
    let (outcome, findings) = told(&cancelled);
    match left {
        Left::Free => assert_eq!(outcome, "0000", "{name}"),
        Left::Counted => assert!(matches!(findings[..], ["3002" | "3014"]), "{name}"),
    }
    for case in &cases {
        let of_first = chain.backend.stored(&case.code);
        assert_eq!(of_first, *stored, "{name}");
    }
}

/// All of them, one after another; then nothing of the codes and the day is in any file.
fn meet_all(troubles: &[Trouble]) {
    let chain = Chain::start_over_mutual_tls(SETTINGS, |_| {});
    let (mut people, mut codes) = (People(0), Vec::new());
    for trouble in troubles {
        meet(&chain, &mut people, &mut codes, trouble);
    }
    let mut evidence = Evidence::default();
    // While it runs, and after its end.
    evidence.add_folder(chain.installation.folder());
    let (ended, rest) = chain.server.terminate();
    assert_eq!(ended.code(), Some(0));
    evidence.add("standard output", rest);
    evidence.add_folder(chain.installation.folder());
    assert!(!evidence.find(KEPT).is_empty(), "the search finds nothing");
    assert!(codes.len() > 10);
    codes.push(symptoms());
    for value in &codes {
        let found = evidence.find(value);
        assert!(found.is_empty(), "{found:?}");
    }
}

fn always(fault: Fault) -> Behaviour {
    Behaviour {
        fault: Some(fault),
        ..Behaviour::default()
    }
}

#[test]
fn an_outcome_is_unknown_when_the_backend_fails_after_it_was_sent_a_code() {
    use Fault::{ErrorAfterStoring, ErrorBeforeStoring, ResetAfterStoring, ResetBeforeStoring};
    let troubles = [
        (
            "resets before storing",
            always(ResetBeforeStoring),
            UNKNOWN,
            0,
        ),
        (
            "resets after storing",
            always(ResetAfterStoring),
            UNKNOWN,
            1,
        ),
        ("500 before storing", always(ErrorBeforeStoring), UNKNOWN, 0),
        ("500 after storing", always(ErrorAfterStoring), UNKNOWN, 1),
        ("503", always(Fault::Unavailable), UNKNOWN, 0),
    ];
    meet_all(&troubles.map(|(name, behaviour, told, stored)| {
        Trouble(name, behaviour, told, Left::Counted, stored)
    }));
}

#[test]
fn a_slow_backend_delivers_within_the_deadline_and_one_that_hangs_leaves_the_outcome_unknown() {
    let slow = |delay, latency| Behaviour {
        delay_milliseconds: delay,
        latency_milliseconds: latency,
        ..Behaviour::default()
    };
    let troubles = [
        ("slow", slow(200, 200), DONE, 1),
        // Every try is given up; the first is stored all the same, and the others find it.
        ("slower than a try may be", slow(0, 5_000), UNKNOWN, 1),
        ("stores after the deadline", slow(3_000, 0), UNKNOWN, 1),
        ("hangs", always(Fault::Hang), UNKNOWN, 0),
        (
            "stores and hangs",
            always(Fault::HangAfterStoring),
            UNKNOWN,
            1,
        ),
    ];
    meet_all(&troubles.map(|(name, behaviour, told, stored)| {
        Trouble(name, behaviour, told, Left::Counted, stored)
    }));
}

#[test]
fn nothing_is_sent_and_the_code_stays_free_when_the_backend_is_gone() {
    let gone = Behaviour {
        down: true,
        ..Behaviour::default()
    };
    meet_all(&[
        Trouble("gone", gone, NOT_SENT, Left::Free, 0),
        Trouble(
            "something else answers",
            always(Fault::Status(404)),
            NOT_SENT,
            Left::Free,
            0,
        ),
        Trouble("there again", Behaviour::default(), DONE, Left::Counted, 1),
        Trouble("gone again", gone, NOT_SENT, Left::Free, 0),
    ]);
}

#[test]
fn a_code_is_delivered_when_the_backend_comes_back_within_the_deadline() {
    let chain = Chain::start_over_mutual_tls(SETTINGS, |_| {});
    let case = People(0).next(&chain);
    chain.backend.goes_down();
    let mut desk = chain.desk();
    desk.send(&case.unlock(&case.code)).unwrap();
    until("a try has failed", || {
        chain.server.metric("sistema_ts_relay_tries_total", &[]) > 0.0
    });
    chain.backend.behave(Behaviour::default());
    assert_eq!(told(&desk.try_answer().unwrap()), ("0000", vec![]));
    assert_eq!(chain.backend.stored(&case.code), 1);
}

/// Starts with a wrong file, sees that nothing is sent and nothing changed, mends the file, and sees that it goes on without a restart.
fn mend(spoil: impl Fn(&Installation), mended: impl Fn(&Installation)) {
    let chain = Chain::start_over_mutual_tls(SETTINGS, spoil);
    let mut people = People(0);
    let cases = [people.next(&chain), people.next(&chain)];
    let told = ask_in_time(&mut chain.desk(), &cases[0].unlock(&cases[0].code), "desk");
    assert_eq!((told.0.as_str(), told.1.as_str()), NOT_SENT);
    let told = ask_in_time(&mut chain.region(), &cases[1].asl(), "ASL");
    assert_eq!((told.0.as_str(), told.1.as_str()), NOT_SENT);
    until("whoever runs it is told", || {
        chain.installation.log().contains("handshake")
    });
    assert_eq!(chain.backend.counts().requests, 0);

    mended(&chain.installation);
    chain.server.signal(libc::SIGHUP);
    let mut desk = chain.desk();
    until("the mended certificates are used", || {
        let told = ask_in_time(&mut desk, &cases[0].unlock(&cases[0].code), "mended");
        if told.0 == "0000" {
            return true;
        }
        assert_eq!((told.0.as_str(), told.1.as_str()), NOT_SENT);
        false
    });
    assert_eq!(chain.backend.stored(&cases[0].code), 1);
    // Neither failure has cost a delivery or the person's CUN.
    let cancelled = chain.region().ask(&cases[1].cancellation());
    assert_eq!(cancelled.told(), (200, "0000"));
    for number in 0..2 {
        let told = ask_in_time(&mut desk, &cases[0].unlock(&new_code()), "again");
        assert_eq!((told.0.as_str(), told.1.as_str()), DONE, "{number}");
    }
}

/// Puts one file in the place of another, at once and whole.
fn put(installation: &Installation, from: &str, to: &str) {
    let aside = installation.path("aside");
    std::fs::copy(installation.path(from), &aside).unwrap();
    std::fs::rename(aside, installation.path(to)).unwrap();
}

#[test]
fn a_backend_whose_certificate_is_of_another_authority_is_sent_nothing() {
    mend(
        // The installation's own authority is not the backend's.
        |installation| put(installation, "pki/ca.crt", "pki/immuni-ca.crt"),
        |installation| put(installation, "immuni/ca.crt", "pki/immuni-ca.crt"),
    );
}

#[test]
fn a_backend_that_does_not_know_our_certificate_is_sent_nothing() {
    mend(
        |installation| {
            put(installation, "immuni/client.crt", "pki/immuni-client.crt");
            put(installation, "immuni/client.key", "pki/immuni-client.key");
        },
        |installation| {
            put(installation, "immuni/right.crt", "pki/immuni-client.crt");
            put(installation, "immuni/right.key", "pki/immuni-client.key");
        },
    );
}
