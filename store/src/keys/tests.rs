//! A failure: a ring that is invented, replaced, or accepted damaged; a dropped day that can still be derived; two days or two
//! purposes with the same key; a sealed text that opens under another key, code or purpose, or is in the file's bytes.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_LIFE_MILLIS, Cun, Timestamp};

use super::day::Purpose;
use super::{KeyError, KeyRing, Renewal, oldest_live_day};
use crate::samples::fiscal_code;
use crate::trusted_time::{Horizon, Reading, TrustedTime};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A horizon by which this is the oldest day that is still needed.
fn horizon_for(oldest: &str) -> Horizon {
    let reading = Reading {
        wall: Timestamp::start_of_rome_day(day(oldest)).plus_millis(CUN_LIFE_MILLIS),
        monotonic: Duration::ZERO,
    };
    TrustedTime::begin(None, reading).horizon()
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
    ring.advance(horizon_for("2026-11-11")).unwrap();
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
fn a_horizon_that_goes_back_destroys_nothing_and_brings_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    ring.advance(horizon_for("2026-11-13")).unwrap();
    assert_eq!(ring.oldest(), day("2026-11-13"));
    ring.advance(horizon_for("2026-11-10")).unwrap();
    assert_eq!(ring.oldest(), day("2026-11-13"));
}

#[test]
fn a_day_far_ahead_is_a_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let far = day("2026-11-10") + Days::new(401);
    assert!(matches!(ring.day(far), Err(KeyError::TooFarAhead { .. })));
}

#[test]
fn a_renewal_changes_the_keys_from_its_day_on_and_none_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let ring = new_ring(&folder);
    let key = |ring: &KeyRing, text: &str| ring.day(day(text)).unwrap().check_value();
    let days = ["2026-11-10", "2026-11-26", "2026-11-27", "2026-11-28"];
    let before = days.map(|day| key(&ring, day));
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();

    let today = day("2026-11-25");
    assert!(matches!(
        KeyRing::renew(&path, today, day("2026-11-26")),
        Err(KeyError::RenewalTooEarly { .. })
    ));
    let done = KeyRing::renew(&path, today, day("2026-11-27")).unwrap();
    assert_eq!(done, Renewal::From(day("2026-11-27")));
    // The running server takes it up with its next sweep, whatever it has derived already.
    ring.advance(horizon_for("2026-11-10")).unwrap();
    for ring in [&ring, &KeyRing::load(&path).unwrap()] {
        assert_eq!(key(ring, days[0]), before[0]);
        assert_eq!(key(ring, days[1]), before[1]);
        assert_ne!(key(ring, days[2]), before[2]);
        assert_ne!(key(ring, days[3]), before[3]);
        assert_eq!(ring.renewals(), [day("2026-11-27")]);
    }
    // A copy made before leads to no key from that day on.
    let stolen = KeyRing::load(&copy).unwrap();
    assert_ne!(key(&stolen, days[2]), key(&ring, days[2]));

    assert!(matches!(
        KeyRing::renew(&path, today, day("2026-11-30")),
        Err(KeyError::RenewalPending { .. })
    ));
    let renewed = key(&ring, days[3]);
    ring.advance(horizon_for("2026-11-28")).unwrap();
    assert_eq!(key(&ring, days[3]), renewed);
    assert_eq!(ring.renewals(), []);
    KeyRing::renew(&path, day("2026-12-12"), day("2026-12-20")).unwrap();
}

#[test]
fn a_sweep_waits_for_no_process_that_has_the_ring() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let lock = std::fs::File::create(folder.path().join("ring.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(
        ring.advance(horizon_for("2026-11-11")),
        Err(KeyError::InUse { .. })
    ));
    assert_eq!(ring.oldest(), day("2026-11-10"));
    lock.unlock().unwrap();
    ring.advance(horizon_for("2026-11-11")).unwrap();
    assert_eq!(ring.oldest(), day("2026-11-11"));
}

#[test]
fn a_ring_that_was_changed_for_another_is_noticed_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let ring = new_ring(&folder);
    std::fs::remove_file(&path).unwrap();
    KeyRing::create(&path, day("2026-11-10")).unwrap();
    let another = std::fs::read(&path).unwrap();
    assert!(matches!(
        ring.advance(horizon_for("2026-11-11")),
        Err(KeyError::Replaced { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), another);
}

#[test]
fn a_ring_is_in_place_while_its_own_file_is_there_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ring = new_ring(&folder);
    let path = folder.path().join("ring");
    assert!(ring.is_in_place());
    // What another process makes of it is the same ring.
    KeyRing::load(&path)
        .unwrap()
        .advance(horizon_for("2026-11-12"))
        .unwrap();
    KeyRing::renew(&path, day("2026-11-24"), day("2026-11-26")).unwrap();
    assert!(ring.is_in_place());
    for oldest in ["2026-11-10", "2026-11-24", "9999-12-31"] {
        std::fs::remove_file(&path).unwrap();
        assert!(!ring.is_in_place());
        KeyRing::create(&path, day(oldest)).unwrap();
        assert!(!ring.is_in_place(), "another ring, from {oldest} on");
    }
}

#[test]
fn a_ring_behind_a_link_stays_where_the_link_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    KeyRing::create(&kept.join("ring"), day("2026-11-10")).unwrap();
    let link = folder.path().join("ring");
    std::os::unix::fs::symlink(kept.join("ring"), &link).unwrap();
    let ring = KeyRing::load(&link).unwrap();
    ring.advance(horizon_for("2026-11-12")).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let there = KeyRing::load(&kept.join("ring")).unwrap();
    assert_eq!(there.oldest(), day("2026-11-12"));
    assert!(ring.is_in_place());
}

#[test]
fn a_ring_from_the_future_gets_keys_from_today_on_and_keeps_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let own = new_ring(&folder)
        .day(day("2026-11-12"))
        .unwrap()
        .check_value();
    let today = day("2026-10-20");
    assert_eq!(KeyRing::repair(&path, today).unwrap(), Renewal::From(today));
    let ring = KeyRing::load(&path).unwrap();
    assert_eq!(ring.oldest(), today);
    assert!(ring.day(today).is_ok());
    assert!(ring.day(day("2026-11-09")).is_ok());
    assert_eq!(ring.day(day("2026-11-12")).unwrap().check_value(), own);
    assert_eq!(KeyRing::repair(&path, today).unwrap(), Renewal::NotNeeded);
}

/// A kill leaves the old file, beside it none, a part or the whole of the new one, or the new file alone.
#[test]
fn a_renewal_that_was_killed_anywhere_is_repeated_or_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    new_ring(&folder);
    let old = std::fs::read(&path).unwrap();
    let (today, from) = (day("2026-11-25"), day("2026-11-28"));
    KeyRing::renew(&path, today, from).unwrap();
    let renewed = std::fs::read(&path).unwrap();
    for left in 0..=renewed.len() {
        std::fs::write(&path, &old).unwrap();
        std::fs::write(folder.path().join("ring.new"), &renewed[..left]).unwrap();
        assert!(KeyRing::load(&path).unwrap().renewals().is_empty());
        let done = KeyRing::renew(&path, today, from).unwrap();
        assert_eq!(done, Renewal::From(from));
        assert_eq!(KeyRing::load(&path).unwrap().renewals(), [from]);
    }
}

#[test]
fn each_day_and_each_ring_has_keys_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let (ring, other) = (new_ring(&folder), new_ring(&other_folder));
    let person = fiscal_code(1);
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
