//! The switches: how the stand-in behaves, for all requests or for the next few.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// How requests are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Time before each answer, in milliseconds, spent after the code was stored.
    pub latency_milliseconds: u64,
    /// At most so much, if it is to vary: then each request's is drawn from `latency_milliseconds` to this.
    pub latency_at_most_milliseconds: Option<u64>,
    /// Time before the code is stored, in milliseconds. A client that leaves meanwhile does not undo the storing.
    pub delay_milliseconds: u64,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// For how many requests it goes wrong; without, for all.
    pub times: Option<u64>,
    /// With how many of a hundred requests it goes wrong, 0 to 100, by lot; without, with all.
    #[serde(deserialize_with = "percent")]
    pub share_percent: Option<u8>,
    /// How long a connection may stay without a request, in milliseconds; without, 5 s.
    pub keep_alive_milliseconds: Option<u64>,
    /// After so many requests all open connections are reset, as when a worker is recycled under load.
    pub recycle_after: Option<u64>,
    /// Whether no connection is accepted: the port is closed.
    pub down: bool,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The connection is reset before anything is stored.
    ResetBeforeStoring,
    /// The code is stored, and the connection reset before the answer.
    ResetAfterStoring,
    /// Answered 500, and nothing is stored.
    ErrorBeforeStoring,
    /// Stored, and answered 500.
    ErrorAfterStoring,
    /// Answered 503, and nothing is stored.
    Unavailable,
    /// Nothing is stored, and never answered.
    Hang,
    /// Stored, and never answered.
    HangAfterStoring,
    /// Answered with this status, 200 to 599, and nothing is stored: `{"status": 404}`.
    #[serde(deserialize_with = "status")]
    Status(u16),
}

fn percent<'de, D: Deserializer<'de>>(source: D) -> Result<Option<u8>, D::Error> {
    match Option::deserialize(source)? {
        Some(share) if share > 100 => Err(D::Error::custom("share_percent must be from 0 to 100")),
        share => Ok(share),
    }
}

fn status<'de, D: Deserializer<'de>>(source: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(source)?;
    if (200..600).contains(&status) {
        Ok(status)
    } else {
        Err(D::Error::custom("status must be from 200 to 599"))
    }
}

/// What one request meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meets {
    pub(crate) delay: Duration,
    pub(crate) latency: Duration,
    pub(crate) fault: Option<Fault>,
}

/// The switches as they stand.
#[derive(Debug, Default)]
pub struct Switches(Mutex<Behaviour>);

impl Switches {
    /// How things stand.
    #[must_use]
    pub fn get(&self) -> Behaviour {
        *self.lock()
    }

    /// Sets them all.
    pub fn set(&self, behaviour: Behaviour) {
        *self.lock() = behaviour;
    }

    /// What the next request meets: its times, and its fault while there are any left.
    pub(crate) fn next(&self) -> Meets {
        let mut behaviour = self.lock();
        let least = behaviour.latency_milliseconds;
        let most = behaviour.latency_at_most_milliseconds.unwrap_or(least);
        let latency = rand::rng().random_range(least..=most.max(least));
        let is_drawn = behaviour
            .share_percent
            .is_none_or(|share| rand::rng().random_range(0..100) < share);
        let fault = behaviour.fault.filter(|_| is_drawn);
        let fault = match (&mut behaviour.times, fault) {
            (_, None) | (Some(0), _) => None,
            (None, fault) => fault,
            (Some(left), fault) => {
                *left -= 1;
                fault
            }
        };
        Meets {
            delay: Duration::from_millis(behaviour.delay_milliseconds),
            latency: Duration::from_millis(latency),
            fault,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        // Nothing under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_out_of_their_bounds_are_refused() {
        let read = |text: &str| serde_json::from_str::<Behaviour>(text);
        for wrong in [
            r#"{"share_percent": 101}"#,
            r#"{"fault": {"status": 199}}"#,
            r#"{"fault": {"status": 600}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for right in [
            r#"{"share_percent": null}"#,
            r#"{"share_percent": 100, "fault": {"status": 200}}"#,
            r#"{"fault": {"status": 599}}"#,
        ] {
            let behaviour = read(right).expect(right);
            let written = serde_json::to_string(&behaviour).expect(right);
            assert_eq!(read(&written).expect(right), behaviour);
        }
    }
}
