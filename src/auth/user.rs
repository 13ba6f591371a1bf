//! The check of user id, password and pincode.

use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use sistema_ts_model::{PinCode, Timestamp};
use sistema_ts_store::register::{RegisterSnapshot, RegisteredUser, Workplace};
use tokio::sync::watch;

use super::authenticator::{Authenticator, Shared};
use super::basic_header::BasicCredentials;
use super::basic_refusal::BasicRefusal;
use super::checks_under_way::{Answering, Asked, CheckOutcome};
use super::credential::{CredentialError, generate_pincode, secret_of};
use super::hashing_pool::{Comparison, Ticket};
use super::refusals::Refused;
use super::remembered::PairMac;
use super::slowing::Charge;
use super::source::Source;
use super::waiting_room::Standing;

/// One check, from its place in the waiting room to its outcome.
struct Check {
    shared: Arc<Shared>,
    /// Whose hash is compared: a user who may call. Of any other, and of nobody, none.
    user: Option<Arc<RegisteredUser>>,
    /// The name that was typed is a user's.
    is_registered: Option<Arc<RegisteredUser>>,
    /// Without a well-formed pincode nothing matches; the work is done all the same.
    complete: bool,
    mac: PairMac,
    source: Source,
    standing: Standing,
    charge: Option<Charge>,
    answering: Answering,
}

/// Ends a check that others wait for, however it ends.
struct CheckGuard {
    shared: Arc<Shared>,
    mac: PairMac,
    answering: Answering,
}

impl Drop for CheckGuard {
    fn drop(&mut self) {
        let mut checks = self.shared.under_way.checks();
        // One that was left may have been begun anew meanwhile.
        if checks
            .get(&self.mac)
            .is_some_and(|held| Arc::ptr_eq(held, &self.answering))
        {
            checks.remove(&self.mac);
        }
    }
}

/// Why a place in the waiting room is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftFor {
    TooLong,
    /// Everybody who asked has gone.
    Gone,
}

/// Why a comparison was not made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotCompared {
    /// The waiting room was full, and others had as much right to be there; or the server is stopping.
    LostItsPlace,
    /// The wait was too long, or everybody who asked has gone.
    Left,
}

/// What came of leaving it.
enum Left {
    Place,
    CheckHasBegun,
    /// Somebody asks after all.
    SomebodyCame,
}

impl Authenticator {
    /// The user with these credentials if that very pair was found right not long ago and still counts. Costs a keyed hash.
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
        is_usable(user, snapshot, self.now())
            && self.shared.remembered.lets_in(user, mac, Instant::now())
    }

    /// The user with these credentials, if there is one that may call at all; whether for this service, say its
    /// [`profiles`](RegisteredUser::profiles).
    ///
    /// `pincode` is what the message held: `None` if the element is missing or is not ten digits. Both count as a wrong pincode.
    /// `source` is [`ConnectionInfo::source`](crate::front::ConnectionInfo::source), never anything that a request says. Must be
    /// called within a tokio runtime. A check whose caller goes away is not begun; one that was begun is finished, and counted.
    ///
    /// # Errors
    /// [`BasicRefusal`]; a refusal other than [`BasicRefusal::Unauthorized`] counts no failure.
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
        let source = Source::of(source);
        let mut asked = self.join_or_begin(credentials, pincode, (user, &snapshot), mac, source)?;
        let outcome = asked.wait_for(Option::is_some).await;
        // The task that checked is gone without an outcome: the server is stopping.
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(BasicRefusal::Unavailable))
    }

    fn join_or_begin(
        &self,
        credentials: &BasicCredentials,
        pincode: Option<&PinCode>,
        (user, snapshot): (Option<&Arc<RegisteredUser>>, &RegisterSnapshot),
        mac: PairMac,
        source: Source,
    ) -> Result<Asked, BasicRefusal> {
        let shared = &self.shared;
        let mut checks = shared.under_way.checks();
        let vacant = match checks.entry(mac) {
            Entry::Occupied(check) => return Ok(check.get().subscribe()),
            Entry::Vacant(vacant) => vacant,
        };
        // A check of this very pair may have ended since the caller looked: what was right is remembered before its check is over.
        if let Some(user) = user
            && self.is_remembered(user, &mac, snapshot)
        {
            return Ok(watch::channel(Some(Ok(Arc::clone(user)))).1);
        }
        let name = shared.slowing.name(credentials.user());
        let was_right = user.is_some_and(|user| shared.remembered.was_right(&user.id, &mac));
        // What was right before waits for nobody, and strangers' failures are none of its business.
        let charge = (!was_right).then(|| shared.slowing.take(name, &source, Instant::now()));
        let standing = match &charge {
            None => Standing::Known,
            Some(charge) if charge.slowed => Standing::Slowed,
            Some(_) => Standing::Unknown,
        };
        // Nobody's hash is compared for a user who is not registered or may not call, at the same cost.
        let compared = user.filter(|user| is_usable(user, snapshot, self.now()));
        let stored = match compared {
            Some(user) => Ok(user.credential.clone()),
            None => shared.hasher.nobody(),
        };
        // Where there is no pincode, one stands in for it, so that as many bytes are hashed.
        let secret = match pincode {
            Some(pincode) => secret_of(credentials.password(), pincode),
            None => secret_of(credentials.password(), &generate_pincode()),
        };
        let comparison = Comparison {
            stored: stored.map_err(|_| BasicRefusal::Unavailable)?,
            secret,
        };
        let ticket = shared.pool.enter(standing, &source, name, comparison);
        let (answering, asked) = watch::channel(None);
        let answering = Arc::new(answering);
        vacant.insert(Arc::clone(&answering));
        drop(checks);
        let check = Check {
            shared: Arc::clone(shared),
            user: compared.cloned(),
            is_registered: user.cloned(),
            complete: pincode.is_some(),
            mac,
            source,
            standing,
            charge,
            answering,
        };
        tokio::spawn(check.run(ticket));
        Ok(asked)
    }
}

impl Check {
    async fn run(self, ticket: Ticket) {
        let ending = CheckGuard {
            shared: Arc::clone(&self.shared),
            mac: self.mac,
            answering: Arc::clone(&self.answering),
        };
        let (outcome, lost_its_place) = match self.answer(ticket).await {
            Ok(matches) => (self.conclude(matches), false),
            Err(NotCompared::LostItsPlace) => (Err(BasicRefusal::Overloaded), true),
            Err(NotCompared::Left) => (Err(BasicRefusal::Overloaded), false),
        };
        let label = match &outcome {
            Ok(_) => "accepted",
            Err(BasicRefusal::Unauthorized) => "refused",
            Err(BasicRefusal::Overloaded) => "overloaded",
            Err(BasicRefusal::Unavailable) => "unavailable",
        };
        metrics::counter!("sistema_ts_auth_credential_checks_total", "outcome" => label)
            .increment(1);
        if matches!(outcome, Err(BasicRefusal::Unauthorized)) {
            self.note_refusal();
        } else if let Some(charge) = &self.charge {
            if lost_its_place {
                self.shared.slowing.turned_away(charge);
            } else {
                self.shared.slowing.give_back(charge);
            }
        }
        // The check is removed before its result is published. A request that arrives in between finds the pair remembered, or begins a check
        // of its own.
        drop(ending);
        self.answering.send_replace(Some(outcome));
    }

    /// What the comparison says.
    ///
    /// # Errors
    /// [`NotCompared`].
    async fn answer(
        &self,
        mut ticket: Ticket,
    ) -> Result<Result<bool, CredentialError>, NotCompared> {
        let deadline = tokio::time::Instant::now() + self.shared.longest_wait;
        loop {
            let reason = tokio::select! {
                biased;
                answer = &mut ticket.answer => return answer.map_err(|_| NotCompared::LostItsPlace),
                () = tokio::time::sleep_until(deadline) => LeftFor::TooLong,
                () = self.answering.closed() => LeftFor::Gone,
            };
            match self.leave(&ticket, reason) {
                Left::Place => return Err(NotCompared::Left),
                Left::CheckHasBegun => {
                    return (&mut ticket.answer).await.map_err(|_| NotCompared::Left);
                }
                Left::SomebodyCame => {}
            }
        }
    }

    /// Leaves the waiting room. Nobody joins between the look whether somebody asks and the end of the check.
    fn leave(&self, ticket: &Ticket, reason: LeftFor) -> Left {
        let mut checks = self.shared.under_way.checks();
        if reason == LeftFor::Gone && self.answering.receiver_count() > 0 {
            return Left::SomebodyCame;
        }
        if !ticket.leave() {
            return Left::CheckHasBegun;
        }
        checks.remove(&self.mac);
        let reason = match reason {
            LeftFor::TooLong => "too_long",
            LeftFor::Gone => "gone",
        };
        metrics::counter!("sistema_ts_auth_checks_turned_away_total", "reason" => reason)
            .increment(1);
        Left::Place
    }

    fn conclude(&self, matches: Result<bool, CredentialError>) -> CheckOutcome {
        let remembered = &self.shared.remembered;
        match matches {
            Ok(true) if self.complete => {
                if let Some(user) = self.still_usable() {
                    remembered.remember(&user, self.mac, Instant::now());
                    return Ok(user);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "credentials could not be checked");
                return Err(BasicRefusal::Unavailable);
            }
        }
        if let (Standing::Known, Some(user)) = (self.standing, &self.is_registered) {
            remembered.forget(&user.id, &self.mac);
        }
        Err(BasicRefusal::Unauthorized)
    }

    fn note_refusal(&self) {
        self.shared.refusals.note(&Refused {
            user: self.is_registered.as_ref().map(|user| &user.id),
            source: &self.source,
            slowed: self.standing == Standing::Slowed,
        });
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

fn is_usable(user: &RegisteredUser, snapshot: &RegisterSnapshot, now: Timestamp) -> bool {
    let workplace_enabled = match &user.workplace {
        Workplace::Structure(id) => snapshot.structure(id).is_some_and(|entry| entry.enabled),
        Workplace::Asl(_) => true,
    };
    user.enabled && !user.is_expired(now) && workplace_enabled
}

#[cfg(test)]
mod tests;
