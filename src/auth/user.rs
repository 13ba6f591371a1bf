//! The check of user id, password and pincode.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_lc_rs::hmac;
use sistema_ts_model::PinCode;
use sistema_ts_store::register::{Attempt, RegisterError, RegisterSnapshot, RegisteredUser};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::basic_header::BasicCredentials;
use super::credential::{CredentialError, secret_of};
use super::hashing_pool::Slot;
use super::remembered::PairMac;
use super::source_budget::Source;
use super::{Authenticator, BasicRefusal, Shared};
use crate::telemetry::LogBudget;

type Outcome = Result<Arc<RegisteredUser>, BasicRefusal>;

/// The pairs being checked at this moment. The same pair, given many times at once, is one attempt and one hash: else a structure
/// that opens many connections at once would lock itself out.
pub(super) struct ChecksUnderWay {
    key: hmac::Key,
    checks: Mutex<HashMap<PairMac, watch::Receiver<Option<Outcome>>>>,
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

    fn mac(&self, credentials: &BasicCredentials, pincode: Option<&PinCode>) -> PairMac {
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

    fn checks(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<PairMac, watch::Receiver<Option<Outcome>>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One check, from its place in the queue to its outcome.
struct Check {
    shared: Arc<Shared>,
    user: Option<Arc<RegisteredUser>>,
    /// Without a well-formed pincode nothing matches; the work is done all the same.
    complete: bool,
    secret: Zeroizing<Vec<u8>>,
    mac: PairMac,
    source: Source,
}

/// Ends a check that others wait for, however it ends.
struct Ending {
    shared: Arc<Shared>,
    mac: PairMac,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.under_way.checks().remove(&self.mac);
    }
}

impl Authenticator {
    /// The user with these credentials if that very pair was found right not long ago and still counts. Costs a keyed hash and counts no
    /// attempt.
    #[must_use]
    pub fn remembered_user(
        &self,
        credentials: &BasicCredentials,
        pincode: Option<&PinCode>,
    ) -> Option<Arc<RegisteredUser>> {
        let snapshot = self.shared.register.snapshot();
        let user = snapshot.user(credentials.user())?;
        let mac = self.shared.under_way.mac(credentials, pincode);
        self.is_remembered(user, &mac, &snapshot)
            .then(|| Arc::clone(user))
    }

    fn is_remembered(
        &self,
        user: &RegisteredUser,
        mac: &PairMac,
        snapshot: &RegisterSnapshot,
    ) -> bool {
        self.shared.remembered.knows(user, mac, Instant::now())
            && is_usable(user, snapshot, self.now())
    }

    /// The user with these credentials, if there is one that may call at all; whether for this service, say its
    /// [`profiles`](RegisteredUser::profiles).
    ///
    /// `pincode` is what the message held: `None` if it held none, or none of ten digits, which is as wrong as a wrong one.
    /// `source` is [`ConnectionInfo::source`](crate::front::ConnectionInfo::source), never anything that a request says. Must be
    /// called within a tokio runtime; a check that was begun is finished, and counted, also if its caller goes away.
    ///
    /// # Errors
    /// [`BasicRefusal`]; a refusal other than [`BasicRefusal::Unauthorized`] counts no attempt.
    pub async fn user(
        &self,
        credentials: &BasicCredentials,
        pincode: Option<&PinCode>,
        source: Option<IpAddr>,
    ) -> Result<Arc<RegisteredUser>, BasicRefusal> {
        let shared = &self.shared;
        let snapshot = shared.register.snapshot();
        let user = snapshot.user(credentials.user());
        let mac = shared.under_way.mac(credentials, pincode);
        if let Some(user) = user
            && self.is_remembered(user, &mac, &snapshot)
        {
            return Ok(Arc::clone(user));
        }
        let mut outcome =
            self.join_or_begin(credentials, pincode, user, mac, Source::of(source))?;
        let outcome = outcome.wait_for(Option::is_some).await;
        // The task that checked is gone without an outcome: the server is stopping.
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(BasicRefusal::Unavailable))
    }

    fn join_or_begin(
        &self,
        credentials: &BasicCredentials,
        pincode: Option<&PinCode>,
        user: Option<&Arc<RegisteredUser>>,
        mac: PairMac,
        source: Source,
    ) -> Result<watch::Receiver<Option<Outcome>>, BasicRefusal> {
        let shared = &self.shared;
        let mut checks = shared.under_way.checks();
        if let Some(outcome) = checks.get(&mac) {
            return Ok(outcome.clone());
        }
        let source = shared
            .budget
            .take(source, Instant::now())
            .ok_or(BasicRefusal::Overloaded)?;
        let Some(slot) = shared.pool.reserve() else {
            shared.budget.give_back(source);
            return Err(BasicRefusal::Overloaded);
        };
        let (publish, outcome) = watch::channel(None);
        checks.insert(mac, outcome.clone());
        drop(checks);
        // Where there is no pincode, one stands in for it, so that as many bytes are hashed.
        let secret = match pincode {
            Some(pincode) => secret_of(credentials.password(), pincode),
            None => secret_of(credentials.password(), &super::generate_pincode()),
        };
        let check = Check {
            shared: Arc::clone(shared),
            user: user.cloned(),
            complete: pincode.is_some(),
            secret,
            mac,
            source,
        };
        let ending = Ending {
            shared: Arc::clone(shared),
            mac,
        };
        tokio::spawn(async move {
            let outcome = check.run(slot).await;
            // First the end, then the word: whoever comes in between finds the pair remembered, or checks anew.
            drop(ending);
            publish.send_replace(Some(outcome));
        });
        Ok(outcome)
    }
}

impl Check {
    async fn run(self, slot: Slot) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let outcome = self.count_and_compare(slot).await;
        let label = match &outcome {
            Ok(_) => "accepted",
            Err(BasicRefusal::Unauthorized) => "refused",
            Err(BasicRefusal::Overloaded | BasicRefusal::Unavailable) => "unavailable",
        };
        metrics::counter!("sistema_ts_auth_credential_checks_total", "outcome" => label)
            .increment(1);
        if matches!(outcome, Err(BasicRefusal::Unauthorized)) {
            self.note_refusal();
        } else {
            shared.budget.give_back(self.source);
        }
        outcome
    }

    /// To the security log: a registered user's id, or that there is none; what a stranger typed may be anything.
    fn note_refusal(&self) {
        // Apart, so that a flood of made-up names leaves room for what is tried on a registered user.
        static REGISTERED: LogBudget = LogBudget::new("credentials-of-a-user");
        static UNREGISTERED: LogBudget = LogBudget::new("credentials-of-nobody");
        let user = self.user.as_ref().map(|user| user.id.as_str());
        let left_out = match user {
            Some(user) => REGISTERED.take_for(&user),
            None => UNREGISTERED.take_for(&self.source),
        };
        if let Some(left_out) = left_out {
            tracing::warn!(
                target: "security",
                user = user.unwrap_or("(not registered)"),
                source = %self.source,
                left_out,
                "credentials refused"
            );
        }
    }

    /// The attempt is counted first, by a write that others cannot slip past, and taken off the count only by success.
    async fn count_and_compare(&self, slot: Slot) -> Outcome {
        let shared = &self.shared;
        let user_id = self.user.as_ref().map(|user| &user.id);
        let policy = shared.settings.lockout;
        let attempt = shared
            .register
            .begin_attempt(user_id, policy, shared.clock.now())
            .await;
        let (ticket, locks) = match attempt.map_err(|error| unavailable(&error))? {
            Attempt::Admitted { ticket, locks } => (Some(ticket), locks),
            Attempt::Locked => (None, false),
        };
        if let (true, Some(user_id)) = (locks, user_id) {
            // Unless this very attempt is right, even the right pair is refused from now on.
            shared.remembered.forget(user_id);
        }
        let stored = match (&self.user, &ticket) {
            (Some(user), Some(_)) => user.credential.clone(),
            // Nobody's hash is compared for an unknown or locked user, at the same cost.
            _ => shared
                .hasher
                .nobody()
                .map_err(|_| BasicRefusal::Unavailable)?,
        };
        let matches = shared.pool.verify(slot, stored, self.secret.clone()).await;
        let matches = matches.ok_or(BasicRefusal::Unavailable)?;
        if let (true, true, Some(user), Some(ticket)) =
            (matches, self.complete, self.still_usable(), ticket)
        {
            if let Err(error) = shared.register.return_attempt(ticket).await {
                // The pair is right; that it stays counted is the lesser evil.
                let _ = unavailable(&error);
            }
            shared.remembered.remember(&user, self.mac, Instant::now());
            return Ok(user);
        }
        if locks {
            metrics::counter!("sistema_ts_auth_lockouts_total").increment(1);
            if let Some(user_id) = user_id {
                // Bounded by itself: once a lockout, and that of a registered user.
                tracing::warn!(target: "security", user = user_id.as_str(), source = %self.source, "user locked out");
            }
        }
        Err(BasicRefusal::Unauthorized)
    }

    /// The user as the register has it now, if the credentials that were compared are still its own.
    fn still_usable(&self) -> Option<Arc<RegisteredUser>> {
        let compared = self.user.as_ref()?;
        let snapshot = self.shared.register.snapshot();
        let user = snapshot.user(compared.id.as_str())?;
        let usable = user.credential == compared.credential
            && is_usable(user, &snapshot, self.shared.clock.now());
        usable.then(|| Arc::clone(user))
    }
}

fn is_usable(
    user: &RegisteredUser,
    snapshot: &RegisterSnapshot,
    now: sistema_ts_model::Timestamp,
) -> bool {
    let structure_enabled = snapshot
        .structure(&user.structure)
        .is_some_and(|structure| structure.enabled);
    user.enabled && !user.is_expired(now) && structure_enabled
}

fn unavailable(error: &RegisterError) -> BasicRefusal {
    tracing::error!(%error, "an attempt could not be counted");
    match error {
        RegisterError::Overloaded => BasicRefusal::Overloaded,
        _ => BasicRefusal::Unavailable,
    }
}

#[cfg(test)]
mod tests;
