//! What is said at the start of the register of health cards.

use sistema_ts_model::Caller;
use sistema_ts_store::cards::CardRegister;
use sistema_ts_store::register::Register;

/// Says how many cards are registered, and warns if call centres are registered whose verifications will be answered 503: there are no cards,
/// or they cannot be read. That keeps nothing else from being served, and ends with the next import, which needs no restart.
pub async fn tell_of_cards(register: &dyn Register, cards: &dyn CardRegister) {
    let has_call_centres = register
        .snapshot()
        .callers()
        .iter()
        .any(|caller| caller.enabled && matches!(caller.caller, Caller::CallCenter(_)));
    match cards.status().await {
        Ok(Some(status)) => {
            tracing::info!(cards = status.cards, imported_at = %status.imported_at, "health cards");
        }
        Ok(None) if !has_call_centres => {}
        Ok(None) => tracing::warn!(
            "no health cards are registered: no call centre can verify a code before `sistema-ts cards import`"
        ),
        Err(error) => tracing::error!(
            %error,
            "the register of health cards cannot be read: no call centre can verify a code before `sistema-ts cards import`"
        ),
    }
}
