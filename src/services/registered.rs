//! What the register must know of a request beside its caller: the structure that it names (§2.4.1), and the operator who stands behind it
//! (§2.4.3, §3.3, §5.2). Who is registered is told precisely: it is no guess.

use sistema_ts_model::{Caller, CodiceFiscale, Finding, Outcome, Service, StructureReference};

use super::call::Call;
use super::state::ServerState;
use crate::soap::messages::shared::RawStructure;

/// What is wrong with the structure named: it is of the region that calls, and not registered or not enabled. About structures of other regions
/// nothing is told.
#[must_use]
pub fn structure_finding(
    server: &ServerState,
    call: &Call,
    structure: Option<&StructureReference>,
) -> Option<Finding> {
    let (Some(StructureReference::Identifier(id)), Caller::Region(region)) =
        (structure, &call.caller)
    else {
        return None;
    };
    if id.region != *region {
        return None;
    }
    match server.register.snapshot().structure(id) {
        Some(entry) if entry.enabled => None,
        _ => Some(Finding::on(
            RawStructure::IDENTIFIER,
            Outcome::StructureNotRegistered,
        )),
    }
}

/// Why this operator, whom an element of this name holds, may not ask for this service through this caller; `None` if it may. A user was
/// authenticated as the operator that it is.
#[must_use]
pub fn operator_finding(
    server: &ServerState,
    call: &Call,
    service: Service,
    (element, operator): (&'static str, &CodiceFiscale),
) -> Option<Finding> {
    if call.user.is_some() {
        return None;
    }
    let register = server.register.snapshot();
    let outcome = match register.operator(&call.caller, operator) {
        None => Outcome::OperatorNotRegistered,
        Some(entry) if !entry.enabled || !entry.profiles.contains(service) => {
            Outcome::OperatorNotAllowed
        }
        Some(_) => return None,
    };
    Some(Finding::on(element, outcome))
}
