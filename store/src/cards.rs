//! The register of health cards: whether eight digits are the last ones of a card that a person holds (§3.3.1).
//!
//! It is kept apart from the archives, and names nobody: a keyed hash of a fiscal code leads to keyed hashes of that code with the last
//! digits of each card. The key is derived from the register's, which lies outside the data folder.

use std::str::FromStr;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use chrono::NaiveDate;
use sistema_ts_model::{CardDigits, CodiceFiscale, Cun, Timestamp};
use thiserror::Error;

use crate::keys::cut;
use crate::register::{RegisterKey, RegisterKeyError};

/// Length of a keyed hash, in bytes: enough that no two of some hundred million entries meet.
pub const HASH_LENGTH: usize = 16;

/// Why a card could not be checked, or cards not be imported. No text holds a code or a digit.
#[derive(Debug, Error)]
pub enum CardError {
    /// Too many checks wait. Nothing was done.
    #[error("the register of cards has no room for more work right now")]
    Overloaded,
    /// There is no register: none was imported yet, or its file is gone. No card can be checked.
    #[error("no health cards are registered")]
    Missing,
    /// The files cannot be read or written.
    #[error("the register of cards is unavailable: {0}")]
    Unavailable(String),
    /// The register was made under another key.
    #[error("the register of cards was made with another register key")]
    WrongKey,
    /// Another import is at work.
    #[error("another import of cards is at work")]
    ImportUnderWay,
    /// There is nothing to make a register of.
    #[error("no card was taken: the register stays as it is")]
    Empty,
    /// The new register would hold far fewer cards than the one in use.
    #[error(
        "{cards} cards were taken and {registered} are registered: the register stays as it is"
    )]
    FarFewer {
        /// Cards that were taken.
        cards: u64,
        /// Cards in the register in use.
        registered: u64,
    },
    /// The register's key.
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
}

/// What is known of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardsStatus {
    /// Cards in it.
    pub cards: u64,
    /// When its import ended.
    pub imported_at: Timestamp,
}

/// Checks cards.
#[async_trait]
pub trait CardRegister: Send + Sync {
    /// Whether `digits` are the last ones of a card that this person holds on `day`. Without a person the same work is done, and the answer is
    /// no. Without a register nothing can be said, which is [`CardError::Missing`] and not a no.
    ///
    /// `cun` is the code that was to lead to the person. If it led to nobody, the position to read is derived from `cun`: a repeated guess then
    /// reads the same rows each time, as it would for a person, and cache timing tells nothing.
    async fn matches(
        &self,
        person: Option<&CodiceFiscale>,
        cun: Cun,
        digits: &CardDigits,
        day: NaiveDate,
    ) -> Result<bool, CardError>;

    /// What is in the register; `None` while no import has ended yet.
    ///
    /// # Errors
    /// Why no card, or not every card, can be checked: also damage that a check has met since this register came.
    async fn status(&self) -> Result<Option<CardsStatus>, CardError>;
}

/// A card to register.
pub struct CardEntry {
    /// Whose.
    pub fiscal_code: CodiceFiscale,
    /// Its last eight digits.
    pub digits: CardDigits,
    /// First day on which it is valid.
    pub valid_from: NaiveDate,
    /// Last day on which it is valid; `None` is open.
    pub valid_to: Option<NaiveDate>,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes of the source that are done with.
    pub offset: u64,
    /// Its lines that are done with.
    pub lines: u64,
    /// Of these, the ones that were no card.
    pub bad_lines: u64,
    /// And the ones that were empty.
    pub blank_lines: u64,
}

/// What an addition is called: 1 to 32 lower-case letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdditionName(String);

/// A text is no name of an addition.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a name has 1 to 32 lower-case letters, digits and dashes")]
pub struct AdditionNameError;

/// Why cards were not added, or not taken out.
#[derive(Debug, Error)]
pub enum AdditionError {
    /// There is an addition of this name already.
    #[error("cards were added under the name {0} already: remove them first")]
    Exists(String),
    /// There is no addition of this name.
    #[error("no cards were added under the name {0}")]
    Missing(String),
    /// The register.
    #[error(transparent)]
    Card(#[from] CardError),
}

impl FromStr for AdditionName {
    type Err = AdditionNameError;

    fn from_str(text: &str) -> Result<Self, AdditionNameError> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AdditionNameError)
        }
    }
}

impl AdditionName {
    /// The name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An import of cards at work; one at a time. It was begun anew, or goes on with an interrupted one of the same source.
pub trait CardImport {
    /// Where to go on in the source.
    #[must_use]
    fn progress(&self) -> ImportProgress;

    /// Takes a card. `progress` is the source's place after it.
    ///
    /// # Errors
    /// Those of the files.
    fn add(&mut self, entry: &CardEntry, progress: ImportProgress) -> Result<(), CardError>;

    /// Merges what was taken and puts it in the place of the register. Answers how many cards it holds. `maximum_loss` is how many percent
    /// fewer than the register in use it may hold (0 to 100).
    ///
    /// # Errors
    /// [`CardError::Empty`] if nothing was taken, [`CardError::FarFewer`] if too little was: then the register stays as it is, and what was
    /// taken is there for another try.
    fn finish(
        self: Box<Self>,
        progress: ImportProgress,
        now: Timestamp,
        maximum_loss: u64,
    ) -> Result<u64, CardError>;

    /// Adds what was taken to the register in use, under a name by which it is taken out again. Answers how many cards the register holds
    /// then, and how many of them are new.
    ///
    /// # Errors
    /// [`CardError::Empty`] if nothing was taken, [`AdditionError::Exists`] if there is one of this name; then the register stays as it
    /// is. And those of the files.
    fn finish_adding(
        self: Box<Self>,
        name: &AdditionName,
        progress: ImportProgress,
        now: Timestamp,
    ) -> Result<(u64, u64), AdditionError>;
}

/// The key of the keyed hashes.
#[derive(Clone)]
pub struct CardKey {
    people: hmac::Key,
    cards: hmac::Key,
    check: [u8; HASH_LENGTH],
}

impl std::fmt::Debug for CardKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CardKey(..)")
    }
}

impl CardKey {
    /// Derives it from the register's key.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn derived_from(key: &RegisterKey) -> Result<Self, RegisterKeyError> {
        let hmac_key = |purpose: &str| {
            key.derived(purpose)
                .map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref()))
        };
        let people = hmac_key("health cards, people")?;
        let check = cut(hmac::sign(&people, b"check"));
        Ok(Self {
            people,
            cards: hmac_key("health cards, digits")?,
            check,
        })
    }

    /// What shows that two holders hold the same key, and says nothing else about it.
    #[must_use]
    pub fn check_value(&self) -> &[u8; HASH_LENGTH] {
        &self.check
    }

    /// What stands for a person.
    #[must_use]
    pub fn person(&self, fiscal_code: &CodiceFiscale) -> [u8; HASH_LENGTH] {
        // No fiscal code is as short as "check".
        cut(hmac::sign(&self.people, fiscal_code.expose().as_bytes()))
    }

    /// What stands for the person that a code did not lead to: no hash of a person, since no fiscal code has a dash.
    #[must_use]
    pub fn nobody(&self, cun: Cun) -> [u8; HASH_LENGTH] {
        cut(hmac::sign(&self.people, &cun.to_text()))
    }

    /// What stands for a card of a person.
    #[must_use]
    pub fn card(
        &self,
        fiscal_code: Option<&CodiceFiscale>,
        digits: &CardDigits,
    ) -> [u8; HASH_LENGTH] {
        let code = fiscal_code.map_or("nobody at all...", CodiceFiscale::expose);
        let mut context = hmac::Context::with_key(&self.cards);
        context.update(digits.expose().as_bytes());
        context.update(code.as_bytes());
        cut(context.sign())
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that an addition's name could be one of a file elsewhere, or of another addition.
    use super::*;

    #[test]
    fn an_additions_name_has_lower_case_letters_digits_and_dashes() {
        for name in ["a", "load-test", "2026-11"] {
            assert!(name.parse::<AdditionName>().is_ok(), "{name}");
        }
        for name in ["", "A", "../x", "a b", &"a".repeat(33)] {
            assert_eq!(
                name.parse::<AdditionName>(),
                Err(AdditionNameError),
                "{name}"
            );
        }
    }
}
