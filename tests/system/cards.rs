//! The register of health cards behind a running server.
//!
//! Failure here means that a server that can verify nobody keeps it to itself or serves nothing else either, that it has to be started again to see
//! an import, or that people lose tries of their codes to a register that nobody could read.

use std::path::{Path, PathBuf};

use sistema_ts::backend::Archives;
use sistema_ts_model::{CardDigits, Clock as _, CodiceFiscale, SystemClock};
use sistema_ts_store::cards::{CardEntry, CardImport, ImportProgress};
use sistema_ts_store::register::RegisterKey;

use crate::support::chain::{Chain, told};
use crate::support::installation::{CARD, DESK, PATIENT, SECOND_CARD};
use crate::support::{Installation, Message};

/// The condition's line while it holds.
const CONDITION: &str = "no_health_cards: ";

/// Well-formed, and never issued.
const UNKNOWN: &str = "CUN-59FU36KR46";

fn import(chain: &Chain, card: &str) {
    chain
        .installation
        .import_cards(&[(PATIENT.to_owned(), card.to_owned())]);
}

/// More verifications than a code has tries, with the right card and with wrong ones, of a code that is there and of one that is not: each must be
/// told that nothing can be said now.
fn nothing_is_said(chain: &Chain, cun: &str) {
    let mut desk = chain.desk();
    for (card, code) in [(CARD, cun), ("11111111", cun), (CARD, UNKNOWN)] {
        for _ in 0..11 {
            let reply = desk.ask(&Message::verification(DESK, card, code));
            assert_eq!(reply.status(), 503, "{reply:?}");
            assert!(reply.0.text().contains("soap:Server"), "{reply:?}");
        }
    }
}

/// Whether readiness has a line for it, which keeps nothing else from being served.
fn is_told(chain: &Chain) -> bool {
    let ready = chain.server.status("/health/ready");
    assert_eq!(ready.status, 200, "{}", ready.text());
    ready.text().contains(CONDITION)
}

/// Attempts that the operator has left after one that fails.
fn attempts_left(chain: &Chain, cun: &str) -> String {
    let wrong = Message::verification(DESK, "11111111", cun);
    let reply = chain.desk().ask(&wrong);
    assert_eq!(told(&reply), ("9999", vec!["3001"]));
    reply.texts()[0].to_owned()
}

#[test]
fn a_server_without_cards_says_so_and_sees_the_first_import_and_the_next_by_itself() {
    let chain = Chain::start();
    assert!(!is_told(&chain));
    std::fs::remove_file(chain.installation.path("data/cards.db")).unwrap();
    let chain = chain.restart(&[]);
    assert!(is_told(&chain));
    let log = chain.installation.log();
    assert!(log.contains("\"no_health_cards\""), "{log}");

    // What needs no card is served.
    let cun = chain.positive();
    nothing_is_said(&chain, &cun);
    let is_verifiable = |card: &str| chain.is_verifiable_with(card, &cun);
    import(&chain, CARD);
    assert!(is_verifiable(CARD));
    assert!(!is_verifiable(SECOND_CARD));
    import(&chain, SECOND_CARD);
    assert!(!is_verifiable(CARD), "replaced by the next import");
    assert!(is_verifiable(SECOND_CARD));
}

/// What is done to the register under the running server, or before it starts.
type Trouble = fn(&Installation, &Path);

const TROUBLES: [(&str, Trouble); 5] = [
    ("moved away", |_, file| std::fs::remove_file(file).unwrap()),
    ("garbage in its place", |_, file| {
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, vec![0x5a; 8_192]).unwrap();
    }),
    ("of another key", |_, file| {
        let other = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&other.path().join("key")).unwrap();
        let import = Archives::in_folder(other.path(), &other.path().join("day-keys"))
            .import_cards(&key, b"cards", true)
            .unwrap();
        add_and_finish(import);
        std::fs::copy(other.path().join("cards.db"), file).unwrap();
    }),
    ("cut to half", |_, file| {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }),
    ("empty", |_, file| std::fs::write(file, "").unwrap()),
];

/// Makes a register of the patient's card alone.
fn add_and_finish(mut import: Box<dyn CardImport>) {
    let entry = CardEntry {
        fiscal_code: CodiceFiscale::parse(PATIENT).unwrap(),
        digits: CardDigits::parse(CARD).unwrap(),
        valid_from: "2020-01-01".parse().unwrap(),
        valid_to: None,
    };
    import.add(&entry, ImportProgress::default()).unwrap();
    import
        .finish(ImportProgress::default(), SystemClock.now(), 100)
        .unwrap();
}

#[test]
fn no_register_that_goes_or_breaks_under_the_server_costs_anybody_a_try() {
    let chain = Chain::start();
    let cun = chain.positive();
    let file = chain.installation.path("data/cards.db");
    let whole = whole_copy(&chain, &file);
    let first = attempts_left(&chain, &cun);
    for (count, (what, trouble)) in TROUBLES.into_iter().enumerate() {
        trouble(&chain.installation, &file);
        nothing_is_said(&chain, &cun);
        assert!(is_told(&chain), "{what}");
        let log = chain.installation.log();
        assert!(log.contains("no card can be checked"), "{what}: {log}");
        assert!(
            !log.contains(&cun[4..]) && !log.contains(&UNKNOWN[4..]),
            "{what}"
        );
        if count % 2 == 0 {
            std::fs::remove_file(&file).ok();
            std::fs::rename(&whole, &file).unwrap();
            std::fs::copy(&file, &whole).unwrap();
        } else {
            import(&chain, CARD);
        }
        assert!(chain.is_verifiable(&cun), "{what}");
        assert!(!is_told(&chain), "{what}");
    }
    // Of all those nothing was counted.
    let next = attempts_left(&chain, &cun);
    assert_ne!(first, next);
    assert!(
        first.contains("29") && next.contains("28"),
        "{first} {next}"
    );
}

#[test]
fn no_register_that_cannot_be_read_keeps_the_server_from_starting() {
    let mut chain = Chain::start();
    let cun = chain.positive();
    let file = chain.installation.path("data/cards.db");
    let whole = whole_copy(&chain, &file);
    for (what, trouble) in TROUBLES {
        trouble(&chain.installation, &file);
        chain = chain.restart(&[]);
        assert!(is_told(&chain), "{what}");
        nothing_is_said(&chain, &cun);
        std::fs::remove_file(&file).ok();
        std::fs::copy(&whole, &file).unwrap();
        assert!(chain.is_verifiable(&cun), "{what}");
    }
}

fn whole_copy(chain: &Chain, file: &Path) -> PathBuf {
    let copy = chain.installation.path("whole-cards.db");
    std::fs::copy(file, &copy).unwrap();
    copy
}
