//! From a post to its outcome: tries, pauses, and what each answer means (facts of the backend: 204 authorised, 409 authorised before, 400
//! refused).

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::backend::ImmuniBackend;
use super::breaker::Passage;
use super::outcome::{NoAnswer, NotSent, RelayOutcome, TryOutcome};
use super::post::OtpBody;
use super::settings::RelaySettings;

/// Tries until an answer settles it, or tries or time run out. When the breaker opens meanwhile, a post that is surely not stored ends, and one
/// that may be goes on with the few tries it has: the next may tell what became of it.
pub(super) async fn deliver(
    backend: &dyn ImmuniBackend,
    settings: &RelaySettings,
    body: OtpBody,
    send_before: Instant,
    mut passage: Passage,
) -> RelayOutcome {
    // Of an earlier try that may have been stored.
    let mut may_be_stored: Option<NoAnswer> = None;
    let mut last_not_sent = NotSent::Deadline;
    // It may have waited long for its turn.
    if !passage.is_still_given() {
        return RelayOutcome::NotSent(NotSent::Unreachable);
    }
    for number in 0..settings.maximum_tries.max(1) {
        if number > 0 && !pause(settings.first_pause, number, send_before).await {
            break;
        }
        let left = send_before.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let limit = left.min(settings.try_limit);
        let tried = backend.post(body.clone(), send_before, limit).await;
        metrics::counter!("sistema_ts_relay_tries_total", "outcome" => label(tried)).increment(1);
        let may_try_again = match tried {
            TryOutcome::Answered(204) => {
                passage.succeeded();
                return RelayOutcome::Authorised;
            }
            // After an own try that may have been stored it is that one's.
            TryOutcome::Answered(409) => {
                passage.succeeded();
                return match may_be_stored {
                    Some(_) => RelayOutcome::Authorised,
                    None => RelayOutcome::AlreadyAuthorised,
                };
            }
            TryOutcome::Answered(400) => {
                passage.succeeded();
                return RelayOutcome::Refused;
            }
            TryOutcome::Answered(500..=599) => {
                may_be_stored = Some(NoAnswer::ServerError);
                passage.failed();
                true
            }
            // A gateway's words for the backend's 204, or for a request that it did not get whole: a repetition finds out.
            TryOutcome::Answered(200..=299 | 408) => {
                may_be_stored = Some(NoAnswer::Unexpected);
                passage.failed();
                true
            }
            // A gateway that limits does so before it passes a request on.
            TryOutcome::Answered(429) => {
                last_not_sent = NotSent::Unreachable;
                passage.failed() || may_be_stored.is_some()
            }
            TryOutcome::Answered(status) | TryOutcome::Misdirected(status) => {
                // No answer of the backend to a code: what answers is not it (a wrong path: 404, 405; a front that lets us not in: 401, 403, a page
                // with 400; a redirection). By its class such an answer says that the request was not carried out, and a repetition would end
                // alike. That is for the operator of this service to mend.
                tracing::error!(
                    status,
                    "what answers at the address of the Immuni backend is not it"
                );
                passage.failed();
                last_not_sent = NotSent::Misconfigured;
                false
            }
            TryOutcome::NotSent(reason) => {
                last_not_sent = reason;
                passage.failed() || may_be_stored.is_some()
            }
            // It had less than a try's time, since it waited long for its turn: that says something of the backlog, and nothing of the backend. Else
            // one caller's backlog would have the breaker refuse everybody's codes.
            TryOutcome::NoAnswer(NoAnswer::TooSlow) if limit < settings.try_limit => {
                may_be_stored = Some(NoAnswer::TooSlow);
                true
            }
            TryOutcome::NoAnswer(reason) => {
                may_be_stored = Some(reason);
                passage.failed();
                true
            }
        };
        if !may_try_again {
            break;
        }
    }
    match may_be_stored {
        Some(reason) => RelayOutcome::Unknown(reason),
        None => RelayOutcome::NotSent(last_not_sent),
    }
}

/// Waits before try `number`, counted from 0, for half to one and a half of its time; `false` if the deadline comes first.
async fn pause(first: Duration, number: u32, send_before: Instant) -> bool {
    let full = first.saturating_mul(1 << (number - 1).min(16));
    let wait = full.mul_f64(rand::rng().random_range(0.5..1.5));
    let end = Instant::now() + wait;
    if end >= send_before {
        return false;
    }
    tokio::time::sleep_until(end).await;
    true
}

fn label(tried: TryOutcome) -> &'static str {
    match tried {
        TryOutcome::Answered(204) => "authorised",
        TryOutcome::Answered(409) => "already_authorised",
        TryOutcome::Answered(400) => "refused",
        TryOutcome::Answered(500..=599) => "server_error",
        TryOutcome::Answered(200..=299 | 408) => "unexpected",
        TryOutcome::Answered(429) => "limited",
        TryOutcome::Answered(_) | TryOutcome::Misdirected(_) => "misconfigured",
        TryOutcome::NotSent(NotSent::Handshake) => "handshake_failed",
        TryOutcome::NotSent(_) => "not_sent",
        TryOutcome::NoAnswer(NoAnswer::TooSlow) => "too_slow",
        TryOutcome::NoAnswer(_) => "broken",
    }
}
