//! The guard: reads the clocks, has the store note the trusted time, tells of a lag, and gives the horizon to whoever destroys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sistema_ts_model::{Clock, Timestamp};

use super::{Horizon, Reading, TrustedTime};
use crate::error::StoreError;
use crate::keys::kernel_clock_is_synchronised;
use crate::store::Store;

/// How long a lag lasts, by the monotonic clock, before it is told again.
const TOLD_AGAIN: Duration = Duration::from_secs(60 * 60);

/// Where the trusted time stands, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeState {
    /// The trusted time.
    pub trusted: Timestamp,
    /// What the wall clock showed at the last reading.
    pub wall: Timestamp,
    /// How far the trusted time is behind it, in milliseconds, ≥ 0.
    pub lag_millis: i64,
    /// How long the clocks must still keep pace until the lag is made up, in milliseconds.
    pub proof_left_millis: i64,
}

impl TimeState {
    /// Whether erasures wait: the lag is too long to be made up at once.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.lag_millis > 0
    }
}

/// The guard over what a store destroys.
pub struct TimeGuard {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while the time is noted, so that what is noted last is what is true last.
    noting: tokio::sync::Mutex<()>,
}

struct State {
    time: TrustedTime,
    /// What the monotonic clock showed when a lag was told of last.
    told_at: Option<Duration>,
}

impl std::fmt::Debug for TimeGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeGuard").finish_non_exhaustive()
    }
}

impl TimeGuard {
    /// Begins where the store has noted the time.
    ///
    /// # Errors
    ///
    /// What the store says when it cannot tell what it has noted.
    pub async fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<TimeGuard, StoreError> {
        let noted = store.noted_time().await?;
        let time = TrustedTime::begin(noted, read(clock.as_ref()));
        Ok(TimeGuard {
            store,
            clock,
            state: Mutex::new(State {
                time,
                told_at: None,
            }),
            noting: tokio::sync::Mutex::new(()),
        })
    }

    /// Reads the clocks, notes the trusted time durably, and answers how far what is destroyed may go.
    ///
    /// # Errors
    ///
    /// What the store says when the time cannot be noted: then nothing may be destroyed.
    pub async fn horizon(&self) -> Result<Horizon, StoreError> {
        let _noting = self.noting.lock().await;
        let (horizon, noted) = {
            let mut state = self.lock();
            state.time.observe(read(self.clock.as_ref()));
            (state.time.horizon(), state.time.noted())
        };
        self.store.note_time(noted).await?;
        self.tell();
        Ok(horizon)
    }

    /// Takes the operator's word that the wall clock is right, and notes it durably. Answers how far the trusted time was behind, in milliseconds.
    ///
    /// # Errors
    ///
    /// What the store says when the time cannot be noted: then nothing has changed.
    pub async fn confirm(&self) -> Result<i64, StoreError> {
        let _noting = self.noting.lock().await;
        let mut confirmed = self.lock().time.clone();
        let reading = read(self.clock.as_ref());
        confirmed.observe(reading);
        let lag = confirmed.lag_millis();
        confirmed.confirm(reading);
        self.store.note_time(confirmed.noted()).await?;
        self.lock().time = confirmed;
        self.tell();
        Ok(lag)
    }

    /// Where the trusted time stands now. Cheap; notes nothing.
    #[must_use]
    pub fn state(&self) -> TimeState {
        // The reading is not kept: who asks often must not hide from the guard that a clock was set.
        let mut time = self.lock().time.clone();
        time.observe(read(self.clock.as_ref()));
        TimeState {
            trusted: time.noted().trusted,
            wall: time.noted().wall,
            lag_millis: time.lag_millis(),
            proof_left_millis: time.proof_left_millis(),
        }
    }

    /// Tells of a lag each hour while it lasts; that it began and has ended is told with the other conditions of the server.
    fn tell(&self) {
        let monotonic = self.clock.monotonic();
        let mut state = self.lock();
        let lag = state.time.lag_millis();
        metrics::gauge!("sistema_ts_trusted_time_lag_seconds").set(lag as f64 / 1_000.0);
        if lag == 0 {
            state.told_at = None;
            return;
        }
        let told_at = *state.told_at.get_or_insert(monotonic);
        if monotonic.saturating_sub(told_at) >= TOLD_AGAIN {
            state.told_at = Some(monotonic);
            tracing::warn!(
                lag_seconds = lag / 1_000,
                believed_in_seconds = state.time.proof_left_millis() / 1_000,
                kernel_says_synchronised = kernel_clock_is_synchronised(),
                "the clock is still ahead of the trusted time, and erasures wait"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a whole state: each change is one assignment or pure arithmetic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(clock: &dyn Clock) -> Reading {
    Reading {
        wall: clock.now(),
        monotonic: clock.monotonic(),
    }
}
