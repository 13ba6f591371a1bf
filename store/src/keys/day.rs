//! What one day's key can do.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use chrono::NaiveDate;
use sistema_ts_model::{CodiceFiscale, Cun};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::file::RingState;

const TAG_LEN: usize = 16;

/// A ciphertext with its nonce before and its tag behind.
pub type SealedBytes = Vec<u8>;
/// A keyed hash, cut to 16 bytes.
pub type Mac = [u8; 16];
/// The keyed hash by which a person's live positives are found, cut to 16 bytes.
pub type LookupTag = [u8; 16];
/// What shows that two holders of a day's key hold the same one, and says nothing else about it.
pub type CheckValue = [u8; 16];

/// The key of one day of Rome: seals, keyed hashes and a check value, each under a key of its own derived from the day's state.
pub struct DayKey {
    day: NaiveDate,
    seal: LessSafeKey,
    lookup: hmac::Key,
    negative: hmac::Key,
    receipt: hmac::Key,
    check: CheckValue,
}

impl std::fmt::Debug for DayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayKey")
            .field("day", &self.day)
            .finish_non_exhaustive()
    }
}

/// What a sealed text is, and whose: bound to the ciphertext, so that one cannot be put in another's place.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Purpose {
    /// The fiscal code of a tested person.
    FiscalCode = 1,
    /// The phone or e-mail of a tested person.
    Contact = 2,
    /// The fiscal code of an operator whose unlock holds a code.
    Operator = 3,
}

impl DayKey {
    pub(super) fn derive(state: &RingState) -> Result<DayKey, KeyError> {
        let mac_key = |purpose| {
            Ok::<_, KeyError>(hmac::Key::new(
                hmac::HMAC_SHA256,
                state.expand(purpose)?.as_ref(),
            ))
        };
        let seal = UnboundKey::new(&AES_256_GCM, state.expand("sistema-ts day seal")?.as_ref())
            .map_err(|_| KeyError::Crypto)?;
        Ok(DayKey {
            day: state.day,
            seal: LessSafeKey::new(seal),
            lookup: mac_key("sistema-ts day lookup")?,
            negative: mac_key("sistema-ts day negative")?,
            receipt: mac_key("sistema-ts day receipt")?,
            check: cut(hmac::sign(&mac_key("sistema-ts day check")?, b"check")),
        })
    }

    /// The day.
    pub fn day(&self) -> NaiveDate {
        self.day
    }

    /// The check value of this day's key.
    pub fn check_value(&self) -> CheckValue {
        self.check
    }

    /// Seals a text that belongs to a code, under a random nonce.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptographic library fails.
    pub fn seal(&self, purpose: Purpose, cun: Cun, text: &str) -> Result<SealedBytes, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::Crypto)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + TAG_LEN);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text.as_bytes());
        let tag = self
            .seal
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aad(purpose, cun),
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| KeyError::Crypto)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`DayKey::seal`] made. `None` if it was made under another key, for another code or purpose, or is damaged.
    #[must_use]
    pub fn open(&self, purpose: Purpose, cun: Cun, sealed: &[u8]) -> Option<Zeroizing<String>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let text = self
            .seal
            .open_in_place(nonce, aad(purpose, cun), &mut opened)
            .ok()?;
        std::str::from_utf8(text)
            .ok()
            .map(|text| Zeroizing::new(text.to_owned()))
    }

    /// The keyed hash by which this person's positives of this day are found.
    #[must_use]
    pub fn lookup_tag(&self, fiscal_code: &CodiceFiscale) -> LookupTag {
        cut(hmac::sign(&self.lookup, fiscal_code.expose().as_bytes()))
    }

    /// The keyed hash of a code and a negative's fiscal code: enough to check a cancellation, useless to find a person.
    #[must_use]
    pub fn negative_mac(&self, cun: Cun, fiscal_code: &CodiceFiscale) -> Mac {
        let code = fiscal_code.expose().as_bytes();
        let mut message = Zeroizing::new([0_u8; 14 + 16]);
        message[..14].copy_from_slice(&cun.to_text());
        let length = 14 + code.len().min(16);
        message[14..length].copy_from_slice(&code[..code.len().min(16)]);
        cut(hmac::sign(&self.negative, &message[..length]))
    }

    /// The keyed hash of a message's content without fiscal code, contact and pincode.
    #[must_use]
    pub fn receipt_mac(&self, content: &[u8]) -> Mac {
        cut(hmac::sign(&self.receipt, content))
    }
}

/// Compares two keyed hashes in constant time.
#[must_use]
pub fn same_mac(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn aad(purpose: Purpose, cun: Cun) -> Aad<[u8; 15]> {
    let mut bytes = [0; 15];
    bytes[0] = purpose as u8;
    bytes[1..].copy_from_slice(&cun.to_text());
    Aad::from(bytes)
}

/// The first 16 bytes of a keyed hash.
#[must_use]
pub fn cut(tag: hmac::Tag) -> Mac {
    let mut cut = [0; 16];
    cut.copy_from_slice(&tag.as_ref()[..16]);
    cut
}
