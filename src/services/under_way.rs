//! For whom a code of the ASL is under way at this moment.
//!
//! The store knows it of those who have positive tests, whose codes are claimed. Whoever sends two codes at once for one person would learn by the
//! second answer whether the first had anything to claim; so the second is told the same of everybody.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use sistema_ts_model::CodiceFiscale;

/// A person, under a key that nobody else has and that ends with the process.
type Person = [u8; 32];

/// The people for whom a code is under way.
#[derive(Clone)]
pub struct UnderWay {
    key: Arc<hmac::Key>,
    people: Arc<Mutex<HashSet<Person>>>,
}

/// Proof that nobody else's code is under way for a person; ends when it is dropped.
pub(super) struct Turn {
    person: Person,
    people: Arc<Mutex<HashSet<Person>>>,
}

impl UnderWay {
    /// Nobody yet.
    ///
    /// # Errors
    /// [`aws_lc_rs::error::Unspecified`] for want of random bytes.
    pub fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self {
            key: Arc::new(key),
            people: Arc::default(),
        })
    }

    /// The turn of whoever asks first; `None` while it is another's.
    pub(super) fn take(&self, fiscal_code: &CodiceFiscale) -> Option<Turn> {
        let tag = hmac::sign(&self.key, fiscal_code.expose().as_bytes());
        let mut person = Person::default();
        person.copy_from_slice(tag.as_ref());
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.insert(person).then(|| Turn {
            person,
            people: Arc::clone(&self.people),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.remove(&self.person);
    }
}

#[cfg(test)]
mod tests;
