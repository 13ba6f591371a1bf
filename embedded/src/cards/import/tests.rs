//! What of an import only its files show. A failure means that an interrupted import leaves other rows than an unbroken one or a file that nobody
//! needs, that another key opens a register, or that a file names a person or a card.
#![allow(clippy::unwrap_used)]

use chrono::NaiveDate;
use sistema_ts_model::Cun;
use sistema_ts_store::cards::CardRegister as _;

use super::*;
use crate::cards::EmbeddedCardRegister;
use crate::cards::files::next;
use crate::cards::test_place::{Place, digits, fiscal_code, now};

impl Place {
    fn begin(&self, source: &str) -> Box<EmbeddedCardImport> {
        let source = source.as_bytes();
        let begun = EmbeddedCardImport::begin_with(&self.data(), &self.key, source, false, 10);
        Box::new(begun.unwrap())
    }

    fn import(&self, entries: &[CardEntry]) -> u64 {
        let mut import = self.begin("a whole import");
        for (index, entry) in entries.iter().enumerate() {
            import.add(entry, at(index as u64 + 1)).unwrap();
        }
        import.finish(at(entries.len() as u64), now(), 100).unwrap()
    }

    fn open(&self) -> EmbeddedCardRegister {
        EmbeddedCardRegister::open(&self.data(), &self.key).unwrap()
    }
}

/// All that a register says of cards.
fn rows(place: &Place) -> Vec<Entry> {
    let register = open_whole(&place.data().join("cards.db")).unwrap();
    let mut select = register
        .prepare("SELECT person, card, from_day, to_day FROM cards ORDER BY 1, 2, 3, 4")
        .unwrap();
    let mut rows = select.query([]).unwrap();
    std::iter::from_fn(|| next(&mut rows).unwrap()).collect()
}

fn at(line: u64) -> ImportProgress {
    ImportProgress {
        offset: 40 * line,
        lines: line,
        bad_lines: 0,
        blank_lines: 0,
    }
}

fn cun() -> Cun {
    Cun::from_number(1).unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn card(who: u32, number: u32) -> CardEntry {
    CardEntry {
        fiscal_code: fiscal_code(who),
        digits: digits(number),
        valid_from: date("2020-01-01"),
        valid_to: Some(date("2026-12-31")),
    }
}

async fn holds(register: &EmbeddedCardRegister, who: u32, number: u32, day: &str) -> bool {
    let (person, digits) = (fiscal_code(who), digits(number));
    let matches = register.matches(Some(&person), cun(), &digits, date(day));
    matches.await.unwrap()
}

#[tokio::test]
async fn an_interrupted_import_goes_on_from_its_last_run_and_comes_to_the_same() {
    let entries: Vec<CardEntry> = (0..57).map(|line| card(line % 13, line)).collect();
    let place = Place::new();
    for stop in [0, 3, 10, 24, 56] {
        let mut import = place.begin("a source");
        let mut line = import.progress().lines;
        while line < stop {
            import.add(&entries[line as usize], at(line + 1)).unwrap();
            line += 1;
        }
        // Dropped: what is not in a run is lost, and so is its place.
        assert_eq!(import.progress().lines, line / 10 * 10);
    }
    let other = place.begin("another source");
    assert_eq!(
        other.progress(),
        ImportProgress::default(),
        "not the same source"
    );
    drop(other);
    let mut import = place.begin("a source");
    assert_eq!(import.progress().lines, 0, "given up for the other");
    for line in 0..57 {
        import.add(&entries[line as usize], at(line + 1)).unwrap();
        if line == 33 {
            drop(import);
            import = place.begin("a source");
            let from = import.progress().lines;
            assert_eq!(from, 30);
            for line in from..=33 {
                import.add(&entries[line as usize], at(line + 1)).unwrap();
            }
        }
    }
    assert_eq!(import.finish(at(57), now(), 100).unwrap(), 57);
    let register = place.open();
    for line in 0..57 {
        assert!(
            holds(&register, line % 13, line, "2026-01-01").await,
            "{line}"
        );
    }
    let interrupted = rows(&place);
    assert_eq!(place.import(&entries), 57);
    assert_eq!(
        interrupted,
        rows(&place),
        "not what an unbroken import makes"
    );
    let left: Vec<_> = std::fs::read_dir(place.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "cards.db" && name != "cards.lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_register_that_was_refused_leaves_no_file() {
    let place = Place::new();
    let entries: Vec<CardEntry> = (0..10).map(|who| card(who, who)).collect();
    assert_eq!(place.import(&entries), 10);
    let mut import = place.begin("one of ten");
    import.add(&entries[0], at(1)).unwrap();
    let refused = import.finish(at(1), now(), 10);
    assert!(matches!(refused, Err(CardError::FarFewer { .. })));
    assert!(!place.data().join("cards-new.db").exists());
}

#[tokio::test]
async fn a_register_of_cards_is_told_to_need_its_own_key() {
    let place = Place::new();
    place.import(&[card(1, 1)]);
    let other = RegisterKey::create(&place.folder.path().join("other")).unwrap();
    let opened = EmbeddedCardRegister::open(&place.data(), &other).unwrap();
    assert!(matches!(opened.status().await, Err(CardError::WrongKey)));
}

#[test]
fn no_file_names_a_person_or_a_card() {
    let place = Place::new();
    let entries: Vec<CardEntry> = (0..25).map(|who| card(who, 81_234_567 + who)).collect();
    let mut import = place.begin("half an import");
    for (line, entry) in entries.iter().enumerate() {
        import.add(entry, at(line as u64 + 1)).unwrap();
    }
    drop(import);
    let search = || {
        for file in std::fs::read_dir(place.data()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            for entry in &entries {
                for secret in [entry.fiscal_code.expose(), entry.digits.expose()] {
                    let found = bytes
                        .windows(secret.len())
                        .any(|part| part == secret.as_bytes());
                    assert!(!found);
                }
            }
        }
    };
    search();
    place.import(&entries);
    search();
}
