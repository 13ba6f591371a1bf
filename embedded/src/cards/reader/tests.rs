//! A failure means that what a check does tells whether there is such a person or how many cards they hold, that a register that was replaced
//! stays on the disk, or that one which is gone or cannot be read says no instead of nothing.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use sistema_ts_store::cards::{CardEntry, CardImport as _, ImportProgress};

use super::*;
use crate::cards::EmbeddedCardImport;
use crate::cards::test_place::{Place, digits, fiscal_code, now};

impl Place {
    fn register(&self, cards: &[(u32, u32)]) {
        let begun = EmbeddedCardImport::begin(&self.data(), &self.key, b"cards", true);
        let mut import = Box::new(begun.unwrap());
        for (who, number) in cards {
            let entry = CardEntry {
                fiscal_code: fiscal_code(*who),
                digits: digits(*number),
                valid_from: day(),
                valid_to: None,
            };
            import.add(&entry, ImportProgress::default()).unwrap();
        }
        import
            .finish(ImportProgress::default(), now(), 100)
            .unwrap();
    }

    fn reader(&self) -> (CardKey, Reader) {
        let key = CardKey::derived_from(&self.key).unwrap();
        let reader = Reader {
            path: Paths::in_folder(&self.data()).register,
            key_check: *key.check_value(),
            open: None,
            steps: 0,
        };
        (key, reader)
    }
}

fn day() -> NaiveDate {
    "2026-01-01".parse().unwrap()
}

fn cun(number: u64) -> Cun {
    Cun::from_number(number).unwrap()
}

#[test]
fn a_check_takes_the_same_steps_whoever_is_asked_for() {
    let place = Place::new();
    let mut cards: Vec<(u32, u32)> = (0..500).map(|who| (who, who)).collect();
    // Of the first hundred people some hold up to six more: fewer than are read in any case.
    cards.extend((0..100).flat_map(|who| (0..who % 7).map(move |more| (who, 1_000 + more))));
    place.register(&cards);
    let (key, mut reader) = place.reader();
    let number = day_number(day());
    // The last people in the file have fewer than so many cards behind them: they are left out, and say so by their number.
    let last = {
        let open = reader.current().unwrap().unwrap();
        let mut select = open
            .connection
            .prepare("SELECT person FROM cards ORDER BY person DESC LIMIT 1 OFFSET 8")
            .unwrap();
        select
            .query_row([], |row| row.get::<_, [u8; HASH_LENGTH]>(0))
            .unwrap()
    };
    let mut steps = std::collections::BTreeMap::new();
    let mut asked = 0;
    let mut ask =
        |hash: [u8; HASH_LENGTH], card: [u8; HASH_LENGTH], expected: bool, what: &'static str| {
            if hash >= last {
                return;
            }
            assert_eq!(reader.matches(&hash, &card, number).unwrap(), expected);
            steps
                .entry(reader.steps)
                .or_insert_with(std::collections::BTreeSet::new)
                .insert(what);
            asked += 1;
        };
    for who in 0..500 {
        let code = fiscal_code(who);
        let right = key.card(Some(&code), &digits(who));
        let wrong = key.card(Some(&code), &digits(99_999_999));
        ask(key.person(&code), right, true, "a card of the person's");
        ask(key.person(&code), wrong, false, "another card");
        ask(
            key.nobody(cun(u64::from(who))),
            key.card(None, &digits(who)),
            false,
            "nobody",
        );
        let unknown = fiscal_code(10_000 + who);
        let card = key.card(Some(&unknown), &digits(who));
        ask(key.person(&unknown), card, false, "nobody who has a card");
    }
    assert!(asked > 1_900, "{asked}");
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(*steps.keys().next().unwrap() > 0);
}

#[test]
fn nobody_has_a_place_of_his_own_for_each_code() {
    let place = Place::new();
    let key = CardKey::derived_from(&place.key).unwrap();
    assert_eq!(key.nobody(cun(7)), key.nobody(cun(7)));
    assert_ne!(key.nobody(cun(7)), key.nobody(cun(8)));
}

#[test]
fn a_reader_without_work_lets_go_of_a_register_that_was_replaced() {
    let place = Place::new();
    place.register(&[(1, 1)]);
    let register = EmbeddedCardRegister::open(&place.data(), &place.key).unwrap();
    let held = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|path| path.starts_with(place.data()))
            .any(|path| path.to_string_lossy().ends_with("cards.db (deleted)"))
    };
    assert!(!held());
    place.register(&[(1, 2)]);
    let give_up = Instant::now() + Duration::from_secs(30);
    while held() {
        assert!(Instant::now() < give_up, "the old register is still open");
        std::thread::yield_now();
    }
    drop(register);
}

/// What is done to the file of a register under its reader.
type Trouble = fn(&Place, &Path);

#[tokio::test]
async fn a_register_that_cannot_be_read_says_nothing_and_one_that_comes_is_read() {
    fn garbage(_: &Place, file: &Path) {
        std::fs::write(file, vec![0x5a; 16_384]).unwrap();
    }
    fn of_another_key(_: &Place, file: &Path) {
        let other = Place::new();
        other.register(&[(1, 1)]);
        std::fs::rename(other.data().join("cards.db"), file).unwrap();
    }
    fn cut_to(file: &Path, part: u64) {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 4 * part).unwrap();
    }
    let troubles: [(&str, Trouble); 7] = [
        ("removed", |_, file| std::fs::remove_file(file).unwrap()),
        ("moved away", |place, file| {
            std::fs::rename(file, place.data().join("away")).unwrap();
        }),
        ("replaced by garbage", |place, file| {
            std::fs::remove_file(file).unwrap();
            garbage(place, file);
        }),
        ("overwritten", garbage),
        ("of another key", of_another_key),
        ("emptied", |_, file| cut_to(file, 0)),
        ("cut to half", |_, file| cut_to(file, 2)),
    ];
    for (what, trouble) in troubles {
        let place = Place::new();
        // Many pages, of which a check reads a few.
        let cards: Vec<(u32, u32)> = (0..2_000).map(|who| (who, who)).collect();
        place.register(&cards);
        let file = place.data().join("cards.db");
        let register = EmbeddedCardRegister::open(&place.data(), &place.key).unwrap();
        let holds = async |who: u32, number: u32| {
            let (person, digits) = (fiscal_code(who), digits(number));
            register
                .matches(Some(&person), cun(1), &digits, day())
                .await
        };
        assert!(holds(1, 1).await.unwrap(), "{what}");
        trouble(&place, &file);
        for who in 0..50 {
            let right = holds(who, who).await;
            assert!(right.is_err(), "{what}: {right:?}");
            assert!(holds(who, who + 1).await.is_err(), "{what}");
        }
        assert!(!matches!(register.status().await, Ok(Some(_))), "{what}");
        place.register(&[(1, 2)]);
        assert!(holds(1, 2).await.unwrap(), "{what}");
        assert!(!holds(1, 1).await.unwrap(), "{what}");
        assert_eq!(register.status().await.unwrap().unwrap().cards, 1);
    }
}

#[tokio::test]
async fn a_register_written_over_in_place_is_not_mixed_with_what_is_in_memory() {
    let place = Place::new();
    let cards =
        |shift: u32| -> Vec<(u32, u32)> { (0..2_000).map(|who| (who, who + shift)).collect() };
    place.register(&cards(1));
    let file = place.data().join("cards.db");
    let second = std::fs::read(&file).unwrap();
    place.register(&cards(0));
    let register = EmbeddedCardRegister::open(&place.data(), &place.key).unwrap();
    let holds = async |who: u32, number: u32| {
        let (person, digits) = (fiscal_code(who), digits(number));
        let matches = register.matches(Some(&person), cun(1), &digits, day());
        matches.await.unwrap()
    };
    for who in 0..2_000 {
        assert!(holds(who, who).await);
    }
    // The same file, with another register's bytes.
    std::fs::write(&file, second).unwrap();
    for who in 0..2_000 {
        assert!(holds(who, who + 1).await && !holds(who, who).await);
    }
}

#[tokio::test]
async fn damage_that_a_check_has_met_is_told_until_another_register_comes() {
    let place = Place::new();
    let cards: Vec<(u32, u32)> = (0..2_000).map(|who| (who, who)).collect();
    place.register(&cards);
    let file = place.data().join("cards.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // All but the first pages, which say what the file is.
    let about = bytes.len() / 8;
    bytes[about..].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let register = EmbeddedCardRegister::open(&place.data(), &place.key).unwrap();
    let mut failed = 0;
    for who in 0..200 {
        let (person, digits) = (fiscal_code(who), digits(who));
        let matches = register.matches(Some(&person), cun(1), &digits, day());
        // Never a no.
        match matches.await {
            Ok(holds) => assert!(holds),
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 100, "{failed}");
    assert!(register.status().await.is_err());
    place.register(&cards);
    assert_eq!(register.status().await.unwrap().unwrap().cards, 2_000);
}
