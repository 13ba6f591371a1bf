//! Authorities that are not accepted themselves and sign client certificates under one that is: no list may cover what they signed, and nothing
//! but the chains that clients show tells of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;

use super::authorities::Authority;
use super::certificate::ClientCertificate;
use super::revocation::RevocationSet;
use super::signature;

/// How many are remembered: a caller's authority may renew them as it likes.
const MOST: usize = 256;

/// The intermediates that were shown since the trust last changed, by SHA-256 of their certificate: those without a list with their name.
#[derive(Default)]
pub(super) struct Intermediates(Mutex<HashMap<[u8; 32], Option<String>>>);

impl Intermediates {
    /// Looks at those of a chain that a handshake has verified. Costs a look-up each once they are known.
    pub(super) fn note(
        &self,
        certificate: &ClientCertificate,
        revocations: &RevocationSet,
        provider: &CryptoProvider,
    ) {
        for pair in certificate.chain.windows(2) {
            let mut key = [0; 32];
            key.copy_from_slice(digest::digest(&digest::SHA256, &pair[1]).as_ref());
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST {
                return;
            }
            if known.contains_key(&key) {
                continue;
            }
            let Some(authority) = Authority::read(&pair[1]) else {
                return;
            };
            // A client may send more than its chain. What has not signed is no intermediate, and neither is anything behind it, though it
            // may have signed something there: the log must not tell names that a client has made up.
            if signature::verify(&pair[0], &authority.public_key, provider).is_err() {
                return;
            }
            let is_open =
                !revocations.accepts(&authority) && !revocations.covers(&authority, provider);
            known.insert(key, is_open.then_some(authority.title));
        }
    }

    /// The names of those without a list.
    pub(super) fn without_list(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = known.values().flatten().cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
