//! The checks of credentials that are being made, by the pair that is checked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use sistema_ts_model::PinCode;
use sistema_ts_store::register::RegisteredUser;
use tokio::sync::watch;

use super::basic_header::BasicCredentials;
use super::basic_refusal::BasicRefusal;
use super::credential::CredentialError;
use super::remembered::PairMac;

/// What a check says.
pub(super) type CheckOutcome = Result<Arc<RegisteredUser>, BasicRefusal>;
/// Where whoever asked waits for it.
pub(super) type Asked = watch::Receiver<Option<CheckOutcome>>;
/// Where the check puts it.
pub(super) type Answering = Arc<watch::Sender<Option<CheckOutcome>>>;

/// The pairs being checked at this moment. The same pair, given many times at once, is one attempt and one hash.
pub(super) struct ChecksUnderWay {
    key: hmac::Key,
    checks: Mutex<HashMap<PairMac, Answering>>,
}

impl ChecksUnderWay {
    pub(super) fn new() -> Result<Self, CredentialError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| CredentialError::Random)?;
        Ok(ChecksUnderWay {
            key,
            checks: Mutex::default(),
        })
    }

    /// The keyed hash by which a pair is known.
    pub(super) fn mac(&self, credentials: &BasicCredentials, pincode: Option<&PinCode>) -> PairMac {
        let mut context = hmac::Context::with_key(&self.key);
        // Each part with its length before it, so that no two different triples are the same bytes.
        for part in [
            credentials.user(),
            credentials.password(),
            pincode.map_or("", PinCode::expose),
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    pub(super) fn checks(&self) -> MutexGuard<'_, HashMap<PairMac, Answering>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
