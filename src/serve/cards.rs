//! What is said at the start of the register of health cards.

use sistema_ts_model::Caller;
use sistema_ts_store::cards::{CardError, CardRegister};
use sistema_ts_store::register::Register;

/// Says how many cards are registered, and warns if there are none though call centres are: then no code can be verified. That keeps nothing
/// else from being served, and ends with the first import, which needs no restart.
///
/// # Errors
/// [`CardError`] if the register of cards cannot be read.
pub async fn tell_of_cards(
    register: &dyn Register,
    cards: &dyn CardRegister,
) -> Result<(), CardError> {
    match cards.status().await? {
        Some(status) => {
            tracing::info!(cards = status.cards, imported_at = %status.imported_at, "health cards");
        }
        None => {
            let has_call_centres = register
                .snapshot()
                .callers()
                .iter()
                .any(|caller| caller.enabled && matches!(caller.caller, Caller::CallCenter(_)));
            if has_call_centres {
                tracing::warn!(
                    "no health cards are registered: no call centre can verify a code before `sistema-ts cards import`"
                );
            }
        }
    }
    Ok(())
}
