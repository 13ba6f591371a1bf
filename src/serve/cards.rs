//! What is said at the start of the register of health cards.

use sistema_ts_store::cards::CardRegister;

/// Says how many cards are registered. That there are none, or that they cannot be read, keeps nothing else from being served: it is a condition
/// of its own, which ends with the next import.
pub async fn tell_of_cards(cards: &dyn CardRegister) {
    if let Ok(Some(status)) = cards.status().await {
        tracing::info!(cards = status.cards, imported_at = %status.imported_at, "health cards");
    }
}
