//! Keyed hashes that stand for what a store must find again and must not name: a request's key, an operator, a code.

use aws_lc_rs::hmac;
use sistema_ts_model::{Caller, RequestKey, Service};

use crate::keys::cut;

/// A keyed hash that stands for a name.
pub type Pseudonym = [u8; 16];

/// The key of a store's pseudonyms. It is as old as the store and never changes.
pub struct Pseudonyms(hmac::Key);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms(..)")
    }
}

impl Pseudonyms {
    /// Length of the key, in bytes.
    pub const KEY_LENGTH: usize = 32;

    /// Under the key that the store keeps.
    #[must_use]
    pub fn under(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The pseudonym of a request: of its key, which belongs to one caller and one service.
    #[must_use]
    pub fn of_request(&self, caller: &Caller, service: Service, key: &RequestKey) -> Pseudonym {
        let mut hash = hmac::Context::with_key(&self.0);
        for part in [caller.to_key().as_str(), service.name(), key.as_str()] {
            update(&mut hash, part.as_bytes());
        }
        cut(hash.sign())
    }

    /// The pseudonym of something else, of which each part has at most 255 bytes: never that of a request.
    #[must_use]
    pub fn of<const PARTS: usize>(&self, parts: [&[u8]; PARTS]) -> Pseudonym {
        let mut hash = hmac::Context::with_key(&self.0);
        // A request's begins with the length of a caller's key, which is never zero.
        hash.update(&[0]);
        for part in parts {
            update(&mut hash, part);
        }
        cut(hash.sign())
    }
}

fn update(hash: &mut hmac::Context, part: &[u8]) {
    // Callers' keys, names of services, request keys, codes and fiscal codes are short.
    hash.update(&[part.len() as u8]);
    hash.update(part);
}
