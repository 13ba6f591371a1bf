//! Erasure, as the bytes of the installation's files show it beside the running server.
//!
//! Failure here means that after an answer that ends a code (C, an ASL's code, a cancellation) a byte search of any file finds the person's fiscal
//! code, what it was sealed to, its lookup tag or, once the log is cleared, the sealed contact; that somebody else's are gone as well; or that a
//! kill between transition and erasure leaves them to be found.

use std::path::Path;
use std::time::{Duration, Instant};

use memchr::memmem;
use rusqlite::{Connection, OpenFlags};
use sistema_ts_model::Cun;

use crate::leaks::hunt::Evidence;
use crate::support::chain::{Chain, told};
use crate::support::installation::{DESK, card_of};
use crate::support::{Installation, Message, Submission, fiscal_code, otp};

/// The log of the tests' file is cleared half a minute after an erasure (`docs/architecture.md`).
const LOG_IS_CLEARED: Duration = Duration::from_secs(60);

/// What the files hold of a test's person.
#[derive(Debug)]
struct Kept {
    /// Sealed fiscal code and lookup tag; none of a negative.
    of_patient: Vec<Vec<u8>>,
    /// Sealed contact, and a negative's MAC of the fiscal code.
    of_test: Vec<Vec<u8>>,
    /// The test's row.
    row: i64,
}

/// Copies of the files of patients; the server has them to itself, and writes them for an answer alone.
fn patients(installation: &Installation, to: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(installation.path("data")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("patients-"))
        .collect();
    names.sort();
    for name in &names {
        let from = installation.path("data").join(name);
        std::fs::copy(from, to.join(name)).unwrap();
    }
    names.retain(|name| name.ends_with(".db"));
    names
}

fn kept(chain: &Chain, cun: &str) -> Kept {
    let number = i64::try_from(Cun::parse(cun).unwrap().number()).unwrap();
    let tests = Connection::open_with_flags(
        chain.installation.path("data/tests.db"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let (row, contact, negative): (i64, Option<Vec<u8>>, Option<Vec<u8>>) = tests
        .query_row(
            "SELECT row, contact, negative FROM tests WHERE cun = ?1",
            [number],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut of_patient = Vec::new();
    for name in patients(&chain.installation, copy.path()) {
        let file = Connection::open(copy.path().join(name)).unwrap();
        let read = file.query_row(
            "SELECT sealed, tag FROM patients WHERE cun = ?1",
            [number],
            |row| Ok([row.get::<_, Vec<u8>>(0)?, row.get(1)?]),
        );
        of_patient.extend(read.into_iter().flatten());
    }
    let of_test = [contact, negative].into_iter().flatten().collect();
    Kept {
        of_patient,
        of_test,
        row,
    }
}

/// Every file, read as a thief of the disk would.
fn files(installation: &Installation) -> Vec<(String, Vec<u8>)> {
    fn add(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                add(&path, files);
            } else if let Ok(bytes) = std::fs::read(&path) {
                // A file may go between its listing and its reading.
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    let mut all = Vec::new();
    add(installation.folder(), &mut all);
    all
}

/// The files that hold any of these.
fn holding(installation: &Installation, wanted: &[Vec<u8>]) -> Vec<String> {
    let files = files(installation);
    let holds = |bytes: &[u8]| {
        wanted
            .iter()
            .any(|wanted| memmem::find(bytes, wanted).is_some())
    };
    let holding = files.iter().filter(|(_, bytes)| holds(bytes));
    holding.map(|(name, _)| name.clone()).collect()
}

fn is_nowhere_in_the_clear(chain: &Chain, values: &[&str]) {
    let mut evidence = Evidence::default();
    evidence.add_folder(chain.installation.folder());
    for value in values {
        let found = evidence.find(value);
        assert!(found.is_empty(), "{value}: {found:?}");
    }
}

/// A swab of made-up person `number`, with a mobile number.
fn submitted(chain: &Chain, number: usize, result: &str) -> String {
    chain.submitted(&Submission {
        result: result.into(),
        mobile: Some(format!("+{}", mobile(number))),
        ..Submission::about(number)
    })
}

fn mobile(number: usize) -> String {
    format!("3934710{number:05}")
}

/// Unlocks the code of made-up person `number`.
fn unlocked(chain: &Chain, number: usize, cun: &str) -> String {
    let session = chain.desk().verified(DESK, &card_of(number), cun);
    let code = otp(900 + number as u64);
    assert_eq!(told(&chain.unlock(&session, &code)), ("0000", vec![]));
    session
}

/// How a code ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Confirmed,
    ConfirmedBySession,
    AslOtp,
    Cancelled,
    CancelledNegative,
}

/// Ends the code of made-up person `number`; answers once the server has.
fn end(chain: &Chain, end: End, number: usize, cun: &str) {
    let reply = match end {
        End::Confirmed => {
            unlocked(chain, number, cun);
            chain.confirm("C", cun)
        }
        End::ConfirmedBySession => {
            let session = unlocked(chain, number, cun);
            let message = Message::confirmation("C", DESK, cun).with("idVerificaTampone", session);
            chain.desk().ask(&message)
        }
        End::AslOtp => chain.asl(&otp(800 + number as u64), &fiscal_code(number)),
        End::Cancelled | End::CancelledNegative => {
            let message = Message::cancellation(cun, &fiscal_code(number));
            chain.region().ask(&message)
        }
    };
    assert_eq!(told(&reply), ("0000", vec![]), "{end:?}: {reply:?}");
}

#[test]
fn what_ends_a_code_leaves_nothing_of_its_person_in_any_file() {
    let chain = Chain::start();
    let ends = [
        End::Confirmed,
        End::ConfirmedBySession,
        End::AslOtp,
        End::Cancelled,
        End::CancelledNegative,
    ];
    // People 0 to 4, and two that nothing happens to.
    let mut cuns: Vec<_> = (0..ends.len())
        .map(|number| {
            let is_negative = matches!(ends[number], End::CancelledNegative);
            submitted(&chain, number, if is_negative { "N" } else { "P" })
        })
        .collect();
    let others = [(10, "P"), (11, "N")];
    cuns.extend(others.map(|(number, result)| submitted(&chain, number, result)));
    let before: Vec<_> = cuns.iter().map(|cun| kept(&chain, cun)).collect();
    for (number, kept) in before.iter().enumerate() {
        let is_negative = [4, 6].contains(&number);
        assert_eq!(kept.of_patient.len(), if is_negative { 0 } else { 2 });
        assert_eq!(kept.of_test.len(), if is_negative { 2 } else { 1 });
        for bytes in kept.of_patient.iter().chain(&kept.of_test) {
            let found = holding(&chain.installation, std::slice::from_ref(bytes));
            assert!(!found.is_empty(), "the search finds nothing");
        }
    }
    for (number, how) in ends.into_iter().enumerate() {
        end(&chain, how, number, &cuns[number]);
        // At once: the server goes on, and nothing was waited for but its answer.
        let found = holding(&chain.installation, &before[number].of_patient);
        assert!(found.is_empty(), "{how:?}: {found:?}");
    }
    let people: Vec<_> = (0..ends.len()).map(fiscal_code).collect();
    let mobiles: Vec<_> = (0..ends.len()).map(mobile).collect();
    let values: Vec<&str> = people.iter().chain(&mobiles).map(String::as_str).collect();
    is_nowhere_in_the_clear(&chain, &values);
    for kept in &before[ends.len()..] {
        for bytes in kept.of_patient.iter().chain(&kept.of_test) {
            let found = holding(&chain.installation, std::slice::from_ref(bytes));
            assert!(!found.is_empty(), "somebody else's is gone");
        }
    }
    // Contacts and negatives' MACs: gone from the rows, and from the log once that is cleared.
    let gone: Vec<_> = before[..ends.len()]
        .iter()
        .flat_map(|kept| kept.of_test.clone())
        .collect();
    let deadline = Instant::now() + LOG_IS_CLEARED;
    loop {
        let found = holding(&chain.installation, &gone);
        if found.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "still in {found:?}");
        // Each look reads every file; in between the machine is the server's.
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_stops_right_after_an_erasure_leaves_nothing_of_the_contact_in_any_file() {
    let chain = Chain::start();
    let cuns = [0, 1].map(|number| submitted(&chain, number, "P"));
    let gone = kept(&chain, &cuns[0]);
    let stays = kept(&chain, &cuns[1]);
    end(&chain, End::Cancelled, 0, &cuns[0]);
    let (ended, log) = chain.server.terminate();
    assert_eq!(ended.code(), Some(0), "{log}");
    for bytes in gone.of_patient.iter().chain(&gone.of_test) {
        let found = holding(&chain.installation, std::slice::from_ref(bytes));
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(!holding(&chain.installation, &stays.of_test).is_empty());
}

#[test]
fn a_kill_between_a_transition_and_its_erasure_is_made_good_at_the_start() {
    let chain = Chain::start();
    let cuns = [0, 1].map(|number| submitted(&chain, number, "P"));
    let before: Vec<_> = cuns.iter().map(|cun| kept(&chain, cun)).collect();
    unlocked(&chain, 0, &cuns[0]);
    // The patients' files as they were when the confirmation had not reached them.
    let saved = tempfile::tempdir().unwrap();
    let names = patients(&chain.installation, saved.path());
    assert_eq!(told(&chain.confirm("C", &cuns[0])), ("0000", vec![]));
    assert!(holding(&chain.installation, &before[0].of_patient).is_empty());
    let Chain {
        server,
        backend,
        installation,
    } = chain;
    server.kill9();
    let data = installation.path("data");
    for name in names {
        // With its log, if it had one.
        for name in [name.clone(), format!("{name}-wal")] {
            let _ = std::fs::remove_file(data.join(&name));
            if saved.path().join(&name).exists() {
                std::fs::copy(saved.path().join(&name), data.join(&name)).unwrap();
            }
        }
        // The intent is committed with the transition, and forgotten by a later one.
        let day: chrono::NaiveDate = name["patients-".len()..name.len() - ".db".len()]
            .parse()
            .unwrap();
        let day = day
            .signed_duration_since(chrono::NaiveDate::default())
            .num_days();
        let tests = Connection::open(data.join("tests.db")).unwrap();
        tests
            .execute(
                "INSERT OR IGNORE INTO erasures (row, day) VALUES (?1, ?2)",
                (before[0].row, day),
            )
            .unwrap();
        // So are the commits of the patients' file, of which the erasure was one.
        tests
            .execute(
                "UPDATE meta SET number = 0 WHERE name LIKE 'patients %'",
                [],
            )
            .unwrap();
    }
    let crashed = holding(&installation, &before[0].of_patient);
    assert!(!crashed.is_empty(), "nothing is left to be made good");
    let chain = Chain::with(installation, backend);
    let found = holding(&chain.installation, &before[0].of_patient);
    assert!(found.is_empty(), "{found:?}");
    assert!(!holding(&chain.installation, &before[1].of_patient).is_empty());
    assert_eq!(told(&chain.confirm("C", &cuns[0])).0, "0001");
    unlocked(&chain, 1, &cuns[1]);
}
