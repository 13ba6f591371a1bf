//! Additions and removals that were interrupted between their files. A failure: one that cannot be made again, a card of another addition that
//! goes with it, or a file that counts although nothing of it is in the register.
#![allow(clippy::unwrap_used)]

use chrono::NaiveDate;
use sistema_ts_store::cards::{CardEntry, CardImport as _, ImportProgress};

use super::*;
use crate::cards::EmbeddedCardImport;
use crate::cards::test_place::{Place, digits, fiscal_code, now};

fn card(who: u32, number: u32) -> CardEntry {
    CardEntry {
        fiscal_code: fiscal_code(who),
        digits: digits(number),
        valid_from: NaiveDate::from_ymd_opt(2020, 1, 1).unwrap(),
        valid_to: None,
    }
}

fn taken(place: &Place, cards: &[CardEntry]) -> (Box<EmbeddedCardImport>, ImportProgress) {
    let begun = EmbeddedCardImport::begin(&place.data(), &place.key, b"test", true);
    let mut import = Box::new(begun.unwrap());
    let mut progress = ImportProgress::default();
    for card in cards {
        progress.lines += 1;
        import.add(card, progress).unwrap();
    }
    (import, progress)
}

fn replace(place: &Place, cards: &[CardEntry]) -> u64 {
    let (import, progress) = taken(place, cards);
    import.finish(progress, now(), 100).unwrap()
}

fn add_as(place: &Place, name: &str, cards: &[CardEntry]) -> Result<(u64, u64), AdditionError> {
    let (import, progress) = taken(place, cards);
    import.finish_adding(
        &name.parse().unwrap(),
        progress,
        now().plus_millis(86_400_000),
    )
}

fn remove_named(place: &Place, name: &str) -> Result<u64, AdditionError> {
    remove_addition(&place.data(), &place.key, &name.parse().unwrap())
}

fn named(place: &Place) -> Vec<String> {
    let names = additions(&place.data()).unwrap();
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// All that the register says, with the time of its import.
fn content(place: &Place) -> (Vec<Entry>, i64, i64) {
    let register = open_whole(&place.data().join("cards.db")).unwrap();
    let mut select = register.prepare(ALL_CARDS).unwrap();
    let mut rows = select.query([]).unwrap();
    let entries = std::iter::from_fn(|| next(&mut rows).unwrap()).collect();
    let about = |column: &str| {
        let query = format!("SELECT {column} FROM about");
        register.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    (entries, about("cards"), about("imported_ms"))
}

#[test]
fn a_removal_that_was_interrupted_is_made_again() {
    let place = Place::new();
    replace(&place, &[card(1, 1)]);
    let before = content(&place);
    add_as(&place, "a", &[card(2, 2)]).unwrap();
    let file = place.data().join("cards-added-a.db");
    let kept = std::fs::read(&file).unwrap();
    remove_named(&place, "a").unwrap();
    // As it is when the process died before the last step; and as it is when an addition died before its last one.
    std::fs::write(&file, kept).unwrap();
    assert_eq!(remove_named(&place, "a").unwrap(), 1);
    assert_eq!(content(&place), before);
}

#[test]
fn an_addition_that_was_interrupted_takes_no_card_of_a_later_one_with_it() {
    let place = Place::new();
    replace(&place, &[card(1, 1)]);
    let (register, kept) = (place.data().join("cards.db"), place.data().join("kept"));
    std::fs::copy(&register, &kept).unwrap();
    add_as(&place, "a", &[card(2, 2)]).unwrap();
    // As it is when the process died before the addition's last step.
    std::fs::rename(&kept, &register).unwrap();
    add_as(&place, "b", &[card(2, 2)]).unwrap();
    let before = content(&place);
    assert_eq!(remove_named(&place, "a").unwrap(), 2);
    assert_eq!(content(&place), before);
    assert_eq!(remove_named(&place, "b").unwrap(), 1);
}

#[test]
fn an_addition_that_outlives_its_register_takes_no_card_of_the_next_one() {
    let place = Place::new();
    replace(&place, &[card(1, 1)]);
    add_as(&place, "a", &[card(2, 2)]).unwrap();
    let file = place.data().join("cards-added-a.db");
    let kept = std::fs::read(&file).unwrap();
    let (import, progress) = taken(&place, &[card(1, 1), card(2, 2)]);
    import.finish(progress, now().plus_millis(1), 100).unwrap();
    // As it is when the process died right after the register was replaced.
    std::fs::write(&file, &kept).unwrap();
    let before = content(&place);
    assert!(named(&place).is_empty());
    let missing = remove_named(&place, "a");
    assert!(
        matches!(missing, Err(AdditionError::Missing(_))),
        "{missing:?}"
    );
    assert_eq!(content(&place), before);
    // Its name is free.
    std::fs::write(&file, &kept).unwrap();
    assert_eq!(add_as(&place, "a", &[card(3, 3)]).unwrap(), (3, 1));
}

#[test]
fn an_addition_that_died_between_its_files_is_none_and_can_be_made_again() {
    let place = Place::new();
    replace(&place, &[card(1, 1)]);
    let (register, file) = (
        place.data().join("cards.db"),
        place.data().join("cards-added-a.db"),
    );
    let before = std::fs::read(&register).unwrap();
    add_as(&place, "a", &[card(2, 2), card(3, 3)]).unwrap();
    let whole = content(&place);
    let kept = std::fs::read(&file).unwrap();
    // Before the register was replaced; a card of the same is meanwhile added under another name, and taken out again.
    std::fs::write(&register, before).unwrap();
    assert!(named(&place).is_empty());
    add_as(&place, "b", &[card(2, 2)]).unwrap();
    assert_eq!(named(&place), ["b"]);
    assert_eq!(remove_named(&place, "b").unwrap(), 1);
    assert_eq!(
        add_as(&place, "a", &[card(2, 2), card(3, 3)]).unwrap(),
        (3, 2)
    );
    assert_eq!(content(&place), whole);
    assert_eq!(std::fs::read(&file).unwrap(), kept);
    assert_eq!(named(&place), ["a"]);
    assert!(matches!(
        add_as(&place, "a", &[card(4, 4)]),
        Err(AdditionError::Exists(_))
    ));
    assert_eq!(remove_named(&place, "a").unwrap(), 1);
}
