//! How the relay works.

use std::time::Duration;

/// How the relay works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Codes on their way at once, those whose outcome is still being written included; at least 1.
    pub capacity: usize,
    /// Codes that are being posted at once, each over a connection of its own; the others wait for their turn, and callers take turns.
    /// At least 1.
    pub connections: usize,
    /// How long one try waits for an answer, before the next.
    pub try_limit: Duration,
    /// Tries for one code, at least 1.
    pub maximum_tries: u32,
    /// Wait before the second try; each further one waits twice as long, all with jitter.
    pub first_pause: Duration,
    /// Failed tries in a row that open the breaker, at least 1.
    pub breaker_threshold: u32,
    /// How long an open breaker lets nothing through before one code may try.
    pub breaker_pause: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            capacity: 256,
            connections: 32,
            try_limit: Duration::from_secs(4),
            maximum_tries: 4,
            first_pause: Duration::from_millis(150),
            breaker_threshold: 8,
            breaker_pause: Duration::from_secs(5),
        }
    }
}
