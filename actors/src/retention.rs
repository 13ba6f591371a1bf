//! Retention: what must go, goes, on time and without anybody's asking.
//!
//! At each tick the actor has the store erase the tests whose time is over, a bounded number at once, and then drops the day keys that no live
//! test needs any more (privacy.md, "Erasure that can be proved"). The actor itself only keeps the rhythm: the work runs beside it, and a tick
//! that finds the last one still at work does nothing.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use sistema_ts_model::Clock;
use sistema_ts_store::Store;
use sistema_ts_store::keys::{
    DestroyPermission, KeyError, KeyRing, kernel_clock_is_synchronised, oldest_live_day,
};
use tokio::sync::oneshot;

/// Tests that one call of the store erases at most, so that a submission that comes meanwhile waits for no more than these.
const TESTS_AT_ONCE: usize = 512;

/// What [`Retention`] works with.
pub struct RetentionParts {
    /// Whose tests expire.
    pub store: Arc<dyn Store>,
    /// Whose keys are dropped.
    pub keys: Arc<KeyRing>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Time between two ticks.
    pub interval: Duration,
}

/// The keeper of the rhythm.
pub struct Retention {
    parts: Arc<RetentionParts>,
    working: bool,
}

impl Retention {
    /// Starts it on the current arbiter; must be called on an actix system. The first tick comes at once.
    pub fn begin(parts: RetentionParts) -> Addr<Self> {
        Actor::start(Self {
            parts: Arc::new(parts),
            working: false,
        })
    }
}

/// Time to look at what is due. `done` is told when this round has ended, at once if another is still at work.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct Tick {
    /// Told at the end of the round.
    pub done: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct RoundEnded;

impl Actor for Retention {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.notify(Tick::default());
        context.run_interval(self.parts.interval, |_, context| {
            context.notify(Tick::default());
        });
    }
}

impl Handler<Tick> for Retention {
    type Result = ();

    fn handle(&mut self, tick: Tick, context: &mut Self::Context) {
        if self.working {
            if let Some(done) = tick.done {
                let _ = done.send(());
            }
            return;
        }
        self.working = true;
        let parts = Arc::clone(&self.parts);
        let address = context.address();
        actix::spawn(async move {
            round(&parts).await;
            // Both fail only when nobody is there any more to be told.
            let _ = address.send(RoundEnded).await;
            if let Some(done) = tick.done {
                let _ = done.send(());
            }
        });
    }
}

impl Handler<RoundEnded> for Retention {
    type Result = ();

    fn handle(&mut self, _: RoundEnded, _: &mut Self::Context) {
        self.working = false;
    }
}

/// Erases what is due, then drops the keys that nothing needs.
async fn round(parts: &RetentionParts) {
    loop {
        match parts.store.expire_due(TESTS_AT_ONCE).await {
            Ok(expired) => {
                metrics::counter!("sistema_ts_tests_expired_total").increment(expired.tests as u64);
                if !expired.more {
                    break;
                }
            }
            Err(error) => {
                // The keys stay as well: they go after the data, so that a reading of the data never finds them gone.
                tracing::error!(%error, "expired tests could not be erased; it will be tried again");
                return;
            }
        }
    }
    let oldest = oldest_live_day(parts.clock.now());
    let permission = if kernel_clock_is_synchronised() {
        DestroyPermission::AnyNumber
    } else {
        DestroyPermission::OneDay
    };
    let keys = Arc::clone(&parts.keys);
    // Writes a file and waits for the disk: not on this thread.
    let advanced = tokio::task::spawn_blocking(move || keys.advance(oldest, permission)).await;
    match advanced {
        Ok(Ok(())) => {}
        Ok(Err(error @ KeyError::TooManyDays { .. })) => {
            tracing::error!(%error, "day keys were kept: the clock is not synchronised");
        }
        Ok(Err(error)) => tracing::error!(%error, "day keys could not be dropped"),
        Err(error) => tracing::error!(%error, "dropping day keys did not end"),
    }
}
