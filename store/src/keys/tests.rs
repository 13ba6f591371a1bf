//! A failure: a ring that is invented, replaced, or accepted damaged; a dropped day that can still be derived; two days or two
//! purposes with the same key; a sealed text that opens under another key, code or purpose, or is in the file's bytes.
#![allow(clippy::unwrap_used)]

use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_LIFE_MILLIS, CodiceFiscale, Cun, Timestamp};

use super::day::Purpose;
use super::{DestroyPermission, KeyError, KeyRing, oldest_live_day};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn new_ring(folder: &tempfile::TempDir) -> KeyRing {
    let path = folder.path().join("ring");
    KeyRing::create(&path, day("2026-11-10")).unwrap();
    KeyRing::load(&path).unwrap()
}

fn cun(number: u64) -> Cun {
    Cun::from_number(number).unwrap()
}

#[test]
fn a_missing_ring_is_not_invented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    assert!(matches!(
        KeyRing::load(&path),
        Err(KeyError::RingMissing { .. })
    ));
    assert!(!path.exists());
}

#[test]
fn a_ring_is_not_replaced_by_creating_another() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let path = folder.path().join("ring");
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        KeyRing::create(&path, day("2026-11-24")),
        Err(KeyError::RingExists { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(ring.oldest(), day("2026-11-10"));
}

#[test]
fn a_changed_or_cut_ring_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    new_ring(&folder);
    let path = folder.path().join("ring");
    let whole = std::fs::read_to_string(&path).unwrap();
    for damaged in [
        whole.replace("2026-11-10", "2026-11-11"),
        whole[..whole.len() / 2].to_owned(),
        String::new(),
    ] {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(
            KeyRing::load(&path),
            Err(KeyError::RingInvalid { .. })
        ));
    }
}

#[test]
fn later_days_follow_and_earlier_ones_are_gone_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let eleventh = ring.day(day("2026-11-11")).unwrap().check_value();
    let old_bytes = std::fs::read(folder.path().join("ring")).unwrap();
    ring.advance(day("2026-11-11"), DestroyPermission::OneDay)
        .unwrap();
    let reloaded = KeyRing::load(&folder.path().join("ring")).unwrap();
    for ring in [&ring, &reloaded] {
        assert!(matches!(
            ring.day(day("2026-11-10")),
            Err(KeyError::Destroyed { .. })
        ));
        assert_eq!(ring.day(day("2026-11-11")).unwrap().check_value(), eleventh);
    }
    let new_text = std::fs::read_to_string(folder.path().join("ring")).unwrap();
    let old_text = String::from_utf8(old_bytes).unwrap();
    let old_secret = old_text
        .lines()
        .find_map(|line| line.strip_prefix("state "))
        .unwrap();
    assert!(!new_text.contains(old_secret));
    assert!(!folder.path().join("ring.new").exists());
}

#[test]
fn many_days_are_destroyed_only_with_permission() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let refused = ring.advance(day("2026-11-13"), DestroyPermission::OneDay);
    assert!(matches!(refused, Err(KeyError::TooManyDays { days: 3 })));
    assert!(ring.day(day("2026-11-10")).is_ok());
    ring.advance(day("2026-11-13"), DestroyPermission::AnyNumber)
        .unwrap();
    assert_eq!(ring.oldest(), day("2026-11-13"));
    // Going back destroys nothing and brings nothing back.
    ring.advance(day("2026-11-10"), DestroyPermission::AnyNumber)
        .unwrap();
    assert_eq!(ring.oldest(), day("2026-11-13"));
}

#[test]
fn a_day_far_ahead_is_a_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let far = day("2026-11-10") + Days::new(401);
    assert!(matches!(ring.day(far), Err(KeyError::TooFarAhead { .. })));
    assert!(ring.advance(far, DestroyPermission::AnyNumber).is_err());
}

#[test]
fn each_day_and_each_ring_has_keys_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let (ring, other) = (new_ring(&folder), new_ring(&other_folder));
    let person = CodiceFiscale::parse("RSSMRA80A01H501U").unwrap();
    let first = ring.day(day("2026-11-10")).unwrap();
    for key in [
        ring.day(day("2026-11-11")).unwrap(),
        other.day(day("2026-11-10")).unwrap(),
    ] {
        assert_ne!(first.check_value(), key.check_value());
        assert_ne!(first.lookup_tag(&person), key.lookup_tag(&person));
        assert_ne!(
            first.negative_mac(cun(7), &person),
            key.negative_mac(cun(7), &person)
        );
        assert_ne!(first.receipt_mac(b"content"), key.receipt_mac(b"content"));
        let sealed = first
            .seal(Purpose::FiscalCode, cun(7), person.expose())
            .unwrap();
        assert!(key.open(Purpose::FiscalCode, cun(7), &sealed).is_none());
    }
    assert_ne!(
        first.receipt_mac(person.expose().as_bytes()),
        first.lookup_tag(&person)
    );
}

#[test]
fn a_sealed_text_opens_for_its_own_code_and_purpose_alone() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_ring(&folder).day(day("2026-11-10")).unwrap();
    let sealed = key.seal(Purpose::Contact, cun(7), "+393331234567").unwrap();
    assert_eq!(
        key.open(Purpose::Contact, cun(7), &sealed)
            .unwrap()
            .as_str(),
        "+393331234567"
    );
    assert!(key.open(Purpose::Contact, cun(8), &sealed).is_none());
    assert!(key.open(Purpose::FiscalCode, cun(7), &sealed).is_none());
    for length in 0..sealed.len() {
        assert!(
            key.open(Purpose::Contact, cun(7), &sealed[..length])
                .is_none()
        );
    }
    let again = key.seal(Purpose::Contact, cun(7), "+393331234567").unwrap();
    assert_ne!(sealed, again, "a nonce was used twice");
}

#[test]
fn the_oldest_live_day_holds_the_last_code_that_still_lives() {
    let now = Timestamp::from_millis(1_795_500_000_000).unwrap();
    let oldest = oldest_live_day(now);
    assert_eq!(oldest, now.minus_millis(CUN_LIFE_MILLIS).rome_day());
    assert!((now.rome_day() - oldest).num_days() <= 15);
}
