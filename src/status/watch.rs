//! Looks for conditions when nobody asks, so that those that begin and end are told of in any case.

use std::sync::Weak;
use std::time::Duration;

use super::StatusState;

/// Time between two looks of [`watch_conditions`]; each costs the store one small transaction.
pub const CONDITION_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Looks for conditions again and again, for as long as the state lives.
pub async fn watch_conditions(state: Weak<StatusState>, interval: Duration) {
    while let Some(state) = state.upgrade() {
        state.conditions().await;
        drop(state);
        tokio::time::sleep(interval).await;
    }
}
