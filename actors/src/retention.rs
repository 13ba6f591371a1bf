//! Retention: what must go, goes, on time and without anybody's asking.
//!
//! At each tick the actor has the store erase what is past its time, a bounded number at once; the store drops the day keys that nothing needs
//! any more after that (see `store::keys`), and rewrites once a day each file that erasures have touched. How far it may go is what the guard of
//! the trusted time says (see `store::trusted_time`); without its word nothing goes. The actor itself only keeps the rhythm: the work runs beside
//! it, and a tick that somebody waits for begins a round of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use sistema_ts_store::trusted_time::{Horizon, TimeGuard};
use sistema_ts_store::{Store, StoreError};
use tokio::sync::oneshot;

/// Tests that one call of the store erases at most, so that a submission that comes meanwhile waits for no more than these.
const TESTS_AT_ONCE: usize = 512;

/// What retention goes by, and what it has left undone.
#[derive(Clone)]
pub struct RetentionState {
    /// Says how far erasures may go.
    pub time: Arc<TimeGuard>,
    /// What the last round could not erase.
    pub overdue: Arc<Overdue>,
}

impl RetentionState {
    /// With nothing left undone yet.
    #[must_use]
    pub fn new(time: Arc<TimeGuard>) -> Self {
        Self {
            time,
            overdue: Arc::default(),
        }
    }
}

/// What the last round could not erase, and why.
#[derive(Debug, Default)]
pub struct Overdue(Mutex<Option<StoreError>>);

impl Overdue {
    /// Why something that is past its time is still there, in words that name no person; none if all of it has gone.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map(ToString::to_string)
    }

    fn set(&self, failure: Option<StoreError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// The keeper of the rhythm.
pub struct Retention {
    store: Arc<dyn Store>,
    state: RetentionState,
    interval: Duration,
    working: bool,
    /// Those who asked for a round while one was at work.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Retention {
    /// Starts it on the current arbiter; must be called on an actix system. The first tick comes at once, the others every `interval`.
    pub fn begin(store: Arc<dyn Store>, state: RetentionState, interval: Duration) -> Addr<Self> {
        Actor::start(Self {
            store,
            state,
            interval,
            working: false,
            waiting: Vec::new(),
        })
    }
}

/// Time to look at what is due. `done` is told at the end of a round that began after this message came.
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
        context.run_interval(self.interval, |_, context| {
            context.notify(Tick::default());
        });
    }
}

impl Retention {
    fn go(&mut self, done: Vec<oneshot::Sender<()>>, context: &mut Context<Self>) {
        self.working = true;
        let (store, state) = (Arc::clone(&self.store), self.state.clone());
        let address = context.address();
        actix::spawn(async move {
            let erased = round(store.as_ref(), &state.time).await;
            state.overdue.set(erased.err());
            // These fail only when nobody is there any more to be told.
            let _ = address.send(RoundEnded).await;
            for done in done {
                let _ = done.send(());
            }
        });
    }
}

impl Handler<Tick> for Retention {
    type Result = ();

    fn handle(&mut self, tick: Tick, context: &mut Self::Context) {
        if self.working {
            // A mere beat of the rhythm needs no second round.
            self.waiting.extend(tick.done);
        } else {
            self.go(tick.done.into_iter().collect(), context);
        }
    }
}

impl Handler<RoundEnded> for Retention {
    type Result = ();

    fn handle(&mut self, _: RoundEnded, context: &mut Self::Context) {
        self.working = false;
        if !self.waiting.is_empty() {
            let done = std::mem::take(&mut self.waiting);
            self.go(done, context);
        }
    }
}

/// Erases what is due, and then what erasures have left in files. The first failure is the answer; what does not depend on it is done all the same.
async fn round(store: &dyn Store, guard: &TimeGuard) -> Result<(), StoreError> {
    let erased = match guard.horizon().await {
        Ok(horizon) => erase(store, horizon).await.inspect_err(|error| {
            tracing::error!(%error, "what is past its time could not be erased; it will be tried again");
        }),
        Err(error) => {
            tracing::error!(%error, "the trusted time could not be noted: nothing is erased; it will be tried again");
            Err(error)
        }
    };
    let rewritten = store.rewrite_erased().await.inspect_err(|error| {
        tracing::error!(%error, "a file with erasures could not be rewritten; it will be tried again");
    });
    erased.and(rewritten.map(drop))
}

async fn erase(store: &dyn Store, horizon: Horizon) -> Result<(), StoreError> {
    loop {
        let expired = store.expire_due(TESTS_AT_ONCE, horizon).await?;
        metrics::counter!("sistema_ts_tests_expired_total").increment(expired.tests as u64);
        if !expired.more {
            return Ok(());
        }
    }
}
