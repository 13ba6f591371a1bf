//! The switches: how the stand-in behaves, for all requests or for the next few.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How requests are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Time before each answer, in milliseconds, spent after the code was stored.
    pub latency_milliseconds: u64,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// For how many requests it goes wrong; without, for all.
    pub times: Option<u64>,
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
}

/// The switches as they stand.
#[derive(Debug, Default)]
pub struct Switches(Mutex<Behaviour>);

impl Switches {
    /// How things stand.
    #[must_use]
    pub fn get(&self) -> Behaviour {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets them all.
    pub fn set(&self, behaviour: Behaviour) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// What one request meets: its latency, and its fault while there are any left.
    pub(crate) fn next(&self) -> (Duration, Option<Fault>) {
        let mut behaviour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = Duration::from_millis(behaviour.latency_milliseconds);
        let fault = match &mut behaviour.times {
            None => behaviour.fault,
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                behaviour.fault
            }
        };
        (latency, fault)
    }
}
