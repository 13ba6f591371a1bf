//! The way to the backend, as the relay sees it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::outcome::TryOutcome;
use super::post::OtpBody;

/// The way to the backend: one try, over HTTP.
#[async_trait]
pub trait ImmuniBackend: Send + Sync {
    /// Posts a body once. It begins no send at or after `send_before`, and ends within `limit` whatever happens.
    async fn post(&self, body: OtpBody, send_before: Instant, limit: Duration) -> TryOutcome;
}
