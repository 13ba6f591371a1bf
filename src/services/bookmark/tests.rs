//! A failure means that a bookmark opens a listing that it was not given for, outlives its day, or is lost.
#![allow(clippy::unwrap_used)]
use sistema_ts_model::{RegionCode, StructureDescription, StructureId};

use super::*;

fn key() -> BookmarkKey {
    BookmarkKey::of(&[7; 32]).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_604_100_600_000 + millis).unwrap()
}

fn bookmark() -> Bookmark {
    Bookmark {
        mark: ListingMark {
            at: at(5),
            token: StoreToken::of_number(i64::MAX),
        },
        position: ListingPosition {
            inserted_at: at(4),
            token: StoreToken::of_number(-3),
        },
    }
}

fn filters<'a>(caller: &'a Caller, scope: &'a ListingScope) -> Filters<'a> {
    Filters {
        caller,
        scope,
        from: at(0),
        to: at(1),
    }
}

#[test]
fn a_bookmark_is_read_back_for_a_day_and_fits_its_element() {
    let region = RegionCode::parse("010").unwrap();
    let (caller, scope) = (Caller::Region(region), ListingScope::Region(region));
    let filters = filters(&caller, &scope);
    let text = bookmark().write(&key(), &filters, at(10)).unwrap();
    assert_eq!(text.len(), 92);
    let read = |now| Bookmark::read(&text, &key(), &filters, now);
    assert_eq!(read(at(10 + LIFE_MILLIS - 1)), Ok(bookmark()));
    assert_eq!(read(at(10 + LIFE_MILLIS)), Err(Outcome::BookmarkExpired));
}

#[test]
fn a_bookmark_shows_no_number_and_two_of_them_cannot_be_compared() {
    let region = RegionCode::parse("010").unwrap();
    let (caller, scope) = (Caller::Region(region), ListingScope::Region(region));
    let filters = filters(&caller, &scope);
    let sealed = |bookmark: Bookmark| {
        let text = bookmark.write(&key(), &filters, at(10)).unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    // The same bookmark twice, and one of another row: besides the form nothing tells them apart or alike.
    let mut other = bookmark();
    other.position.token = StoreToken::of_number(4_000_000);
    let texts = [sealed(bookmark()), sealed(bookmark()), sealed(other)];
    for (index, one) in texts.iter().enumerate() {
        for number in [
            at(10).millis(),
            at(5).millis(),
            i64::MAX,
            at(4).millis(),
            -3,
            4_000_000,
        ] {
            let bytes = number.to_be_bytes();
            assert!(!one.windows(8).any(|window| window == bytes), "{number}");
        }
        for two in &texts[index + 1..] {
            let alike = one.iter().zip(two).filter(|(a, b)| a == b).count();
            assert!(alike < 12, "{alike} of {} bytes are alike", one.len());
        }
    }
}

#[test]
fn a_bookmark_goes_on_with_the_same_description_in_another_form() {
    let region = RegionCode::parse("010").unwrap();
    let caller = Caller::Region(region);
    let [composed, decomposed, other] = ["Citt\u{e0}", "Citta\u{300}", "Citta"]
        .map(|text| ListingScope::Description(region, StructureDescription::parse(text).unwrap()));
    let filters = |scope| filters(&caller, scope);
    let text = bookmark()
        .write(&key(), &filters(&composed), at(10))
        .unwrap();
    let read = |scope| Bookmark::read(&text, &key(), &filters(scope), at(11));
    assert_eq!(read(&decomposed), Ok(bookmark()));
    assert_eq!(read(&other), Err(Outcome::BookmarkInvalid));
}

#[test]
fn a_bookmark_is_refused_to_another_caller_with_other_filters_and_when_forged() {
    let (one, two) = (
        RegionCode::parse("010").unwrap(),
        RegionCode::parse("020").unwrap(),
    );
    let structure = StructureId::parse("010-101-000123").unwrap();
    let described =
        |text| ListingScope::Description(one, StructureDescription::parse(text).unwrap());
    let callers = [
        Caller::Region(one),
        Caller::Region(two),
        Caller::Structure(structure),
    ];
    let scopes = [
        ListingScope::Region(one),
        ListingScope::Structure(structure),
        described("010-101-000123"),
        described("Drive-in"),
    ];
    let mut all = Vec::new();
    for caller in &callers {
        for scope in &scopes {
            for (from, to) in [(0, 1), (0, 2), (1, 2)] {
                let (from, to) = (at(from), at(to));
                all.push(Filters {
                    caller,
                    scope,
                    from,
                    to,
                });
            }
        }
    }
    for (index, filters) in all.iter().enumerate() {
        let text = bookmark().write(&key(), filters, at(10)).unwrap();
        for (other, filters) in all.iter().enumerate() {
            let read = Bookmark::read(&text, &key(), filters, at(11));
            assert_eq!(read.is_ok(), index == other, "{index} {other}");
        }
    }
    let text = bookmark().write(&key(), &all[0], at(10)).unwrap();
    for index in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let read = Bookmark::read(&forged, &key(), &all[0], at(11));
        assert_eq!(read, Err(Outcome::BookmarkInvalid), "{index}");
    }
    for wrong in ["", "A", "ÄÖ", &text[1..], &"A".repeat(76), &"A".repeat(500)] {
        let read = Bookmark::read(wrong, &key(), &all[0], at(11));
        assert_eq!(read, Err(Outcome::BookmarkInvalid));
    }
}
