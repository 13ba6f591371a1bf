//! Shared by the two services that relay a one-time code (§3.3.2, §5.1): a slot of the relay, a claim with its deadline, and the outcome of a post.

use std::time::Duration;

use sistema_ts_actors::relay::{OtpSender, RelayOutcome, RelayRefusal, RelaySlot};
use sistema_ts_model::{Caller, ClaimId, NewClaim, Outcome, PostOutcome};
use sistema_ts_store::StoreError;

use super::state::ServerState;
use crate::soap::SoapFault;

/// Tries to write the outcome of a post into a store that is busy.
const SETTLEMENT_TRIES: u32 = 20;

/// Wait between two of them.
const SETTLEMENT_PAUSE: Duration = Duration::from_millis(100);

/// The relay, with a slot of it for a code of this caller; `None` while the backend is taken for dead.
///
/// # Errors
/// [`SoapFault::UNAVAILABLE`]: nothing was done.
pub(super) fn reserve(
    server: &ServerState,
    caller: Caller,
) -> Result<Option<(&dyn OtpSender, RelaySlot)>, SoapFault> {
    // Without a way to the backend the service is not offered; see `routes`.
    let relay = server.relay.as_deref().ok_or(SoapFault::Internal)?;
    match relay.reserve(caller) {
        Ok(slot) => Ok(Some((relay, slot))),
        Err(RelayRefusal::BreakerOpen) => Ok(None),
        Err(RelayRefusal::Full | RelayRefusal::Stopping) => Err(SoapFault::UNAVAILABLE),
    }
}

/// A claim with the relay's deadline.
pub(super) fn new_claim(server: &ServerState) -> NewClaim {
    NewClaim {
        id: ClaimId::random(&mut rand::rng()),
        deadline: server
            .clock
            .now()
            .plus_millis(server.settings.relay_deadline_millis),
    }
}

/// Writes an outcome, again and again while the store is too busy. That a claim was taken over meanwhile, by an ASL's code or by time, is no
/// failure: the post's own outcome is told. If it cannot be written, the claim's deadline decides: the code then counts
/// as delivered to.
pub(super) async fn settle<T, F>(mut write: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for tried in 1..=SETTLEMENT_TRIES {
        match write().await {
            Ok(settled) => return Some(settled),
            Err(error) if error.had_no_effect() && tried < SETTLEMENT_TRIES => {
                tokio::time::sleep(SETTLEMENT_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%error, "the outcome of a post could not be written; its claim's deadline decides");
                return None;
            }
        }
    }
    None
}

/// What an outcome means for the code, and what is told.
pub(super) fn meaning(
    outcome: RelayOutcome,
    delivered_before: bool,
) -> (PostOutcome, Option<Outcome>) {
    match outcome {
        RelayOutcome::Authorised => (PostOutcome::Delivered, None),
        // This session's own, of an earlier request: the app can go on, and nothing is counted twice.
        RelayOutcome::AlreadyAuthorised if delivered_before => (
            PostOutcome::NotDelivered,
            Some(Outcome::CodeAlreadyAuthorised),
        ),
        RelayOutcome::AlreadyAuthorised => (
            PostOutcome::NotDelivered,
            Some(Outcome::CodeAuthorisedElsewhere),
        ),
        RelayOutcome::Refused => (PostOutcome::NotDelivered, Some(Outcome::CodeRefused)),
        RelayOutcome::NotSent(_) => (PostOutcome::NotDelivered, Some(Outcome::BackendUnreachable)),
        RelayOutcome::Unknown(_) => (PostOutcome::Unknown, Some(Outcome::DeliveryUnknown)),
    }
}
