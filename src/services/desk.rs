//! What the services share that an operator stands behind who is known by codice fiscale (§2.4.3, §3.3, §5.2), and those that relay a one-time
//! code.

use std::time::Duration;

use sistema_ts_model::{CodiceFiscale, Finding, Outcome, Service};
use sistema_ts_store::GuessBudgets;

use super::endpoint::Call;
use super::option_filter::RecordedOptions;
use super::state::ServerState;

/// The settings of the call centre's services.
#[derive(Debug, Clone)]
pub struct DeskSettings {
    /// How long a verification lives, in milliseconds.
    pub session_lifetime_millis: i64,
    /// How many verifications may fail.
    pub budgets: GuessBudgets,
    /// Which of `opzioni` reach the access record.
    pub recorded_options: RecordedOptions,
    /// From the claim of a code to the last moment at which a send may begin, in milliseconds.
    pub relay_deadline_millis: i64,
    /// The ASL's codes.
    pub asl: AslSettings,
}

/// The settings of `invioCodiceOtp`.
#[derive(Debug, Clone, Copy)]
pub struct AslSettings {
    /// How many codes one operator may send within an hour, as whichever users.
    pub codes_per_operator_per_hour: u32,
    /// Each step of the store ends at a whole multiple of this after its beginning.
    pub step: Duration,
}

impl Default for AslSettings {
    fn default() -> Self {
        Self {
            codes_per_operator_per_hour: 60,
            step: Duration::from_millis(250),
        }
    }
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            session_lifetime_millis: 30 * 60 * 1_000,
            budgets: GuessBudgets::default(),
            recorded_options: RecordedOptions::default(),
            relay_deadline_millis: 10_000,
            asl: AslSettings::default(),
        }
    }
}

/// Why this operator may not ask for this service through this caller; `None` if it may. Who is registered is precise: it is no guess.
#[must_use]
pub fn operator_finding(
    server: &ServerState,
    call: &Call,
    service: Service,
    operator: &CodiceFiscale,
    field: &'static str,
) -> Option<Finding> {
    let register = server.register.snapshot();
    let outcome = match register.operator(&call.caller, operator) {
        None => Outcome::OperatorNotRegistered,
        Some(entry) if !entry.enabled || !entry.profiles.contains(service) => {
            Outcome::OperatorNotAllowed
        }
        Some(_) => return None,
    };
    Some(Finding::on(field, outcome))
}
