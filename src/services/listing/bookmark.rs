//! Bookmarks: where a listing goes on, under a MAC that binds it to its caller, its filters and its mark, for 24 hours.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sistema_ts_model::{Caller, Outcome, Timestamp};
use sistema_ts_store::register::{RegisterKey, RegisterKeyError};
use sistema_ts_store::{ListingMark, ListingPosition, ListingScope};

/// How long a bookmark is good, in milliseconds.
const LIFE_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The form below. Another one gets another number.
const FORM: u8 = 1;

/// Numbers in a bookmark: when it was made, the mark, the position.
const NUMBERS: usize = 5;

const TAG: usize = 16;

/// The key of the MAC. Derived from the register's, so that bookmarks outlive a restart and hold on every node.
pub struct BookmarkKey(hmac::Key);

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
        let bytes = key.derived("listing bookmarks")?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref())))
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
    /// Its text: at most 128 characters.
    pub(super) fn write(self, key: &BookmarkKey, filters: &Filters<'_>, now: Timestamp) -> String {
        let mut bytes = Vec::with_capacity(1 + 8 * NUMBERS + TAG);
        bytes.push(FORM);
        for number in [
            now.millis(),
            self.mark.at.millis(),
            self.mark.last,
            self.position.inserted_at.millis(),
            self.position.tie,
        ] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let tag = tag(key, &bytes, filters);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
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
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid)?;
        let (body, given) = bytes.split_last_chunk::<TAG>().ok_or(invalid)?;
        let is_ours = subtle::ConstantTimeEq::ct_eq(&tag(key, body, filters)[..], &given[..]);
        let Some((&FORM, numbers)) = body.split_first().filter(|_| bool::from(is_ours)) else {
            return Err(invalid);
        };
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

fn tag(key: &BookmarkKey, body: &[u8], filters: &Filters<'_>) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(&key.0);
    let mut part = |bytes: &[u8]| {
        // A description has 1,024 bytes at most, everything else less.
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(body);
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
            part(description.as_str().as_bytes());
        }
    }
    part(&filters.from.millis().to_be_bytes());
    part(&filters.to.millis().to_be_bytes());
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    //! A failure means that a bookmark opens a listing that it was not given for, outlives its day, or is lost.
    #![allow(clippy::unwrap_used)]
    use sistema_ts_model::{RegionCode, StructureDescription, StructureId};

    use super::*;

    fn key() -> BookmarkKey {
        BookmarkKey(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]))
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

    #[test]
    fn it_is_read_back_for_a_day_and_fits() {
        let region = RegionCode::parse("010").unwrap();
        let (caller, scope) = (Caller::Region(region), ListingScope::Region(region));
        let filters = Filters {
            caller: &caller,
            scope: &scope,
            from: at(0),
            to: at(1),
        };
        let text = bookmark().write(&key(), &filters, at(10));
        assert!(text.len() <= 128, "{}", text.len());
        let read = |now| Bookmark::read(&text, &key(), &filters, now);
        assert_eq!(read(at(10 + LIFE_MILLIS - 1)), Ok(bookmark()));
        assert_eq!(read(at(10 + LIFE_MILLIS)), Err(Outcome::BookmarkExpired));
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
            let text = bookmark().write(&key(), filters, at(10));
            for (other, filters) in all.iter().enumerate() {
                let read = Bookmark::read(&text, &key(), filters, at(11));
                assert_eq!(read.is_ok(), index == other, "{index} {other}");
            }
        }
        let text = bookmark().write(&key(), &all[0], at(10));
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
