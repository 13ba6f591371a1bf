//! Bookmarks: where a listing goes on, sealed, and bound to its caller, its filters and its mark, for 24 hours.
//!
//! The numbers in it would tell how many tests the nation has, so nobody but the server can read them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sistema_ts_model::{Caller, Outcome, Timestamp};
use sistema_ts_store::register::{RegisterKey, RegisterKeyError};
use sistema_ts_store::{ListingMark, ListingPosition, ListingScope};

/// How long a bookmark is good, in milliseconds.
const LIFE_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The form below. Another one gets another number.
const FORM: u8 = 2;

/// Numbers in a bookmark: when it was made, the mark, the position.
const NUMBERS: usize = 5;

const TAG: usize = 16;

/// Bytes of a bookmark: its form, the nonce, the sealed numbers and the tag.
const LENGTH: usize = 1 + NONCE_LEN + 8 * NUMBERS + TAG;

/// The key that seals bookmarks. Derived from the register's, so that bookmarks outlive a restart and hold on every node.
pub struct BookmarkKey(RandomizedNonceKey);

impl std::fmt::Debug for BookmarkKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BookmarkKey(..)")
    }
}

impl BookmarkKey {
    /// Derives it.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn derived_from(key: &RegisterKey) -> Result<Self, RegisterKeyError> {
        let bytes = key.derived("sealed listing bookmarks")?;
        Self::of(bytes.as_ref()).map_err(|_| RegisterKeyError::Crypto)
    }

    fn of(bytes: &[u8]) -> Result<Self, aws_lc_rs::error::Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).map(Self)
    }
}

/// What a bookmark is bound to.
#[derive(Clone, Copy)]
pub(super) struct Filters<'a> {
    pub(super) caller: &'a Caller,
    pub(super) scope: &'a ListingScope,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bookmark {
    pub(super) mark: ListingMark,
    pub(super) position: ListingPosition,
}

impl Bookmark {
    /// Its text, of 92 characters.
    ///
    /// # Errors
    /// If the cryptographic library fails, which it does only without random numbers.
    pub(super) fn write(
        self,
        key: &BookmarkKey,
        filters: &Filters<'_>,
        now: Timestamp,
    ) -> Result<String, aws_lc_rs::error::Unspecified> {
        let mut numbers = Vec::with_capacity(8 * NUMBERS + TAG);
        for number in [
            now.millis(),
            self.mark.at.millis(),
            self.mark.last,
            self.position.inserted_at.millis(),
            self.position.tie,
        ] {
            numbers.extend_from_slice(&number.to_be_bytes());
        }
        let bound = Aad::from(bound_to(filters));
        let nonce = key.0.seal_in_place_append_tag(bound, &mut numbers)?;
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(FORM);
        bytes.extend_from_slice(nonce.as_ref());
        bytes.extend_from_slice(&numbers);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`Outcome::BookmarkInvalid`] if it is none of ours, or of another caller or other filters; [`Outcome::BookmarkExpired`].
    pub(super) fn read(
        text: &str,
        key: &BookmarkKey,
        filters: &Filters<'_>,
        now: Timestamp,
    ) -> Result<Self, Outcome> {
        let invalid = Outcome::BookmarkInvalid;
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid)?;
        let Some((&mut FORM, rest)) = bytes.split_first_mut() else {
            return Err(invalid);
        };
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE_LEN>().ok_or(invalid)?;
        let nonce = Nonce::from(&*nonce);
        let bound = Aad::from(bound_to(filters));
        let opened = key.0.open_in_place(nonce, bound, sealed);
        let numbers = opened.map_err(|_| invalid)?;
        let mut chunks = numbers.chunks_exact(8).map(|chunk| {
            let mut number = [0; 8];
            number.copy_from_slice(chunk);
            i64::from_be_bytes(number)
        });
        let mut next = || chunks.next().ok_or(invalid);
        let made_at = Timestamp::from_millis_clamped(next()?);
        let bookmark = Self {
            mark: ListingMark {
                at: Timestamp::from_millis_clamped(next()?),
                last: next()?,
            },
            position: ListingPosition {
                inserted_at: Timestamp::from_millis_clamped(next()?),
                tie: next()?,
            },
        };
        if now.millis_since(made_at) >= LIFE_MILLIS {
            return Err(Outcome::BookmarkExpired);
        }
        Ok(bookmark)
    }
}

/// The form, the caller and the filters, each led by its length so that no two bindings are the same bytes.
fn bound_to(filters: &Filters<'_>) -> Vec<u8> {
    let mut bound = vec![FORM];
    let mut part = |bytes: &[u8]| {
        bound.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        bound.extend_from_slice(bytes);
    };
    part(filters.caller.to_key().as_bytes());
    match filters.scope {
        ListingScope::Region(region) => {
            part(b"region");
            part(region.as_str().as_bytes());
        }
        ListingScope::Structure(id) => {
            part(b"structure");
            part(id.to_string().as_bytes());
        }
        ListingScope::Description(region, description) => {
            part(b"description");
            part(region.as_str().as_bytes());
            part(description.normalized().as_bytes());
        }
    }
    part(&filters.from.millis().to_be_bytes());
    part(&filters.to.millis().to_be_bytes());
    bound
}

#[cfg(test)]
mod tests {
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
                last: i64::MAX,
            },
            position: ListingPosition {
                inserted_at: at(4),
                tie: -3,
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
    fn it_is_read_back_for_a_day_and_fits() {
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
    fn nobody_can_read_a_number_in_it_nor_compare_two() {
        let region = RegionCode::parse("010").unwrap();
        let (caller, scope) = (Caller::Region(region), ListingScope::Region(region));
        let filters = filters(&caller, &scope);
        let sealed = |bookmark: Bookmark| {
            let text = bookmark.write(&key(), &filters, at(10)).unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        // The same bookmark twice, and one of another row: besides the form nothing tells them apart or alike.
        let mut other = bookmark();
        other.position.tie = 4_000_000;
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
    fn it_goes_on_with_the_same_description_in_another_form() {
        let region = RegionCode::parse("010").unwrap();
        let caller = Caller::Region(region);
        let [composed, decomposed, other] = ["Citt\u{e0}", "Citta\u{300}", "Citta"].map(|text| {
            ListingScope::Description(region, StructureDescription::parse(text).unwrap())
        });
        let filters = |scope| filters(&caller, scope);
        let text = bookmark()
            .write(&key(), &filters(&composed), at(10))
            .unwrap();
        let read = |scope| Bookmark::read(&text, &key(), &filters(scope), at(11));
        assert_eq!(read(&decomposed), Ok(bookmark()));
        assert_eq!(read(&other), Err(Outcome::BookmarkInvalid));
    }

    #[test]
    fn it_is_no_other_callers_no_other_filters_and_no_forgers() {
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
        for place in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            let read = Bookmark::read(&forged, &key(), &all[0], at(11));
            assert_eq!(read, Err(Outcome::BookmarkInvalid), "{place}");
        }
        for wrong in ["", "A", "ÄÖ", &text[1..], &"A".repeat(76), &"A".repeat(500)] {
            let read = Bookmark::read(wrong, &key(), &all[0], at(11));
            assert_eq!(read, Err(Outcome::BookmarkInvalid));
        }
    }
}
