//! What the services share that an operator stands behind who is known by codice fiscale (§2.4.3, §3.3, §5.2), and those that relay a one-time
//! code.

use sistema_ts_model::{CodiceFiscale, Finding, Outcome, Service, TransactionId};
use sistema_ts_store::{AccessDetail, AccessRecord, GuessBudgets};

use super::endpoint::{Call, access_outcome};
use super::option_filter::RecordedOptions;
use super::state::ServerState;
use crate::soap::SoapFault;

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
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            session_lifetime_millis: 30 * 60 * 1_000,
            budgets: GuessBudgets::default(),
            recorded_options: RecordedOptions::default(),
            relay_deadline_millis: 10_000,
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

/// Makes the access record durable, before the answer that it tells of leaves (§2.5, §3.4, §5.2).
///
/// # Errors
/// A fault: then there is no answer.
pub async fn record_access(
    server: &ServerState,
    call: &Call,
    transaction: TransactionId,
    findings: &[Finding],
    detail: AccessDetail,
) -> Result<(), SoapFault> {
    let record = AccessRecord {
        accessed_at: call.at,
        caller: call.caller,
        outcome: access_outcome(findings),
        transaction,
        detail,
    };
    Ok(server.store.record_access(record).await?)
}
