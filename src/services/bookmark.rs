//! Bookmarks: where a listing goes on, sealed, and bound to its caller, its filters and its mark, for 24 hours.
//!
//! The numbers in it would tell how many tests the nation has, so nobody but the server can read them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sistema_ts_model::{Caller, Outcome, Timestamp};
use sistema_ts_store::register::{RegisterKey, RegisterKeyError};
use sistema_ts_store::{ListingMark, ListingPosition, ListingScope, StoreToken};

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
pub struct Filters<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Whose tests.
    pub scope: &'a ListingScope,
    /// First moment, included.
    pub from: Timestamp,
    /// Last moment, excluded.
    pub to: Timestamp,
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The mark of the whole listing.
    pub mark: ListingMark,
    /// After which test it goes on.
    pub position: ListingPosition,
}

impl Bookmark {
    /// Its text, of 92 characters.
    ///
    /// # Errors
    /// If the cryptographic library fails, which it does only without random numbers.
    pub fn write(
        self,
        key: &BookmarkKey,
        filters: &Filters<'_>,
        now: Timestamp,
    ) -> Result<String, aws_lc_rs::error::Unspecified> {
        let mut numbers = Vec::with_capacity(8 * NUMBERS + TAG);
        for number in [
            now.millis(),
            self.mark.at.millis(),
            self.mark.token.number(),
            self.position.inserted_at.millis(),
            self.position.token.number(),
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
    pub fn read(
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
                token: StoreToken::of_number(next()?),
            },
            position: ListingPosition {
                inserted_at: Timestamp::from_millis_clamped(next()?),
                token: StoreToken::of_number(next()?),
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
mod tests;
