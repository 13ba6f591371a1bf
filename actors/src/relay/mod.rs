//! The relay of one-time codes to the Immuni backend (§3.3.2, §5.1): a bounded mailbox, turns that callers share, one deadline over all
//! tries, a breaker.
//!
//! A place in the mailbox is reserved before anything is claimed, so that being too busy leaves no trace. What is posted lives in memory alone:
//! it is in no log, metric or `Debug` output, and what this crate holds of it is overwritten when it is dropped (the buffers of TLS and HTTP
//! are not ours).

mod backend;
mod breaker;
mod deliver;
mod outcome;
mod post;
mod settings;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use actix::dev::SendError;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context, Handler, Message};
use async_trait::async_trait;
use sistema_ts_model::{Caller, Clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use self::breaker::{Breaker, Passage};
use self::turns::Turns;

pub use self::backend::ImmuniBackend;
pub use self::outcome::{NoAnswer, NotSent, RelayOutcome, TryOutcome};
pub use self::post::{OtpBody, OtpPost};
pub use self::settings::RelaySettings;

/// Between two looks whether there is room in the actor's mailbox.
const START_PAUSE: Duration = Duration::from_millis(1);

/// Why no place was given. Nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayRefusal {
    /// The mailbox is full.
    #[error("the relay's mailbox is full")]
    Full,
    /// The backend has failed too often in a row: it is asked again after a pause.
    #[error("the backend is down")]
    BreakerOpen,
    /// The relay has stopped.
    #[error("the relay has stopped")]
    Stopping,
}

/// The relay, as the services see it.
#[async_trait]
pub trait OtpSender: Send + Sync {
    /// Takes a place in the mailbox for a code of this caller, and the breaker's leave, before anything is claimed.
    ///
    /// # Errors
    /// [`RelayRefusal`], at once.
    fn reserve(&self, caller: Caller) -> Result<RelaySlot, RelayRefusal>;

    /// Posts a code; no send begins at or after `send_before`, and the outcome comes soon after it at the latest. The post goes on when nobody
    /// waits for it any more. The place is given back when the slot is dropped: after the outcome has been written.
    async fn send(&self, slot: &mut RelaySlot, post: OtpPost, send_before: Instant)
    -> RelayOutcome;

    /// Waits until no place is taken.
    async fn until_idle(&self);
}

/// A place in the mailbox; given back when it is dropped.
#[derive(Debug)]
pub struct RelaySlot {
    caller: Caller,
    passage: Option<Passage>,
    _place: OwnedSemaphorePermit,
}

/// The actor: it owns the way to the backend. Each post runs beside it.
pub struct OtpRelay {
    backend: Arc<dyn ImmuniBackend>,
    settings: RelaySettings,
    clock: Arc<dyn Clock>,
    /// As many as connections.
    turns: Turns,
}

impl Actor for OtpRelay {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // A place is reserved before each message, so that the mailbox never refuses one.
        context.set_mailbox_capacity(self.settings.capacity);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Deliver {
    caller: Caller,
    post: OtpPost,
    send_before: Instant,
    passage: Passage,
    reply: oneshot::Sender<RelayOutcome>,
}

impl Handler<Deliver> for OtpRelay {
    type Result = ();

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) {
        let (backend, settings) = (Arc::clone(&self.backend), self.settings);
        let (turns, now) = (self.turns.clone(), self.clock.now());
        actix::spawn(async move {
            let began = Instant::now();
            let body = OtpBody::new(&message.post, now);
            drop(message.post);
            let turn = turns.take(message.caller);
            let turn = tokio::time::timeout_at(message.send_before, turn).await;
            let outcome = match turn {
                Err(_) => RelayOutcome::NotSent(NotSent::Deadline),
                // Held until the post is over.
                Ok(_turn) => {
                    deliver::deliver(
                        backend.as_ref(),
                        &settings,
                        body,
                        message.send_before,
                        message.passage,
                    )
                    .await
                }
            };
            metrics::counter!("sistema_ts_relay_posts_total", "outcome" => outcome.label())
                .increment(1);
            metrics::histogram!("sistema_ts_relay_post_seconds")
                .record(began.elapsed().as_secs_f64());
            // Whoever asked may have gone; what was posted was posted.
            let _ = message.reply.send(outcome);
        });
    }
}

/// The address of an [`OtpRelay`], with its places and its breaker.
#[derive(Clone)]
pub struct RelayHandle {
    address: Addr<OtpRelay>,
    places: Arc<Semaphore>,
    breaker: Arc<Breaker>,
    capacity: u32,
}

impl RelayHandle {
    /// Starts the relay on the current arbiter; must be called on an actix system.
    #[must_use]
    pub fn start(
        backend: Arc<dyn ImmuniBackend>,
        settings: RelaySettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::start_on(&Arbiter::current(), backend, settings, clock)
    }

    /// Starts the relay on an arbiter: on one of its own, neither its handshakes nor its posts take time from anything else.
    #[must_use]
    pub fn start_on(
        arbiter: &ArbiterHandle,
        backend: Arc<dyn ImmuniBackend>,
        settings: RelaySettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let capacity = settings.capacity.clamp(1, Semaphore::MAX_PERMITS);
        let relay = OtpRelay {
            backend,
            settings,
            clock,
            turns: Turns::new(settings.connections),
        };
        let address = OtpRelay::start_in_arbiter(arbiter, move |_| relay);
        Self {
            address,
            places: Arc::new(Semaphore::new(capacity)),
            breaker: Arc::new(Breaker::new(
                settings.breaker_threshold,
                settings.breaker_pause,
            )),
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
        }
    }
}

#[async_trait]
impl OtpSender for RelayHandle {
    fn reserve(&self, caller: Caller) -> Result<RelaySlot, RelayRefusal> {
        if !self.address.connected() {
            return Err(RelayRefusal::Stopping);
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| refused(RelayRefusal::Full))?;
        let passage = Breaker::pass(&self.breaker).ok_or(RelayRefusal::BreakerOpen);
        Ok(RelaySlot {
            caller,
            passage: Some(passage.map_err(refused)?),
            _place: place,
        })
    }

    async fn send(
        &self,
        slot: &mut RelaySlot,
        post: OtpPost,
        send_before: Instant,
    ) -> RelayOutcome {
        let Some(passage) = slot.passage.take() else {
            // One slot is for one post.
            return RelayOutcome::NotSent(NotSent::Stopped);
        };
        let (reply, outcome) = oneshot::channel();
        let mut message = Deliver {
            caller: slot.caller,
            post,
            send_before,
            passage,
            reply,
        };
        loop {
            match self.address.try_send(message) {
                Ok(()) => break,
                // There is room for every place; but the actor makes it when it starts, and a burst may come just then. Nobody is woken when
                // there is room, so that it is looked for until the deadline.
                Err(SendError::Full(given_back)) if Instant::now() < send_before => {
                    message = given_back;
                    tokio::time::sleep(START_PAUSE).await;
                }
                Err(_) => return RelayOutcome::NotSent(NotSent::Stopped),
            }
        }
        match outcome.await {
            Ok(outcome) => outcome,
            // The actor's thread ended under the post: whether it was sent, nobody knows.
            Err(_) => RelayOutcome::Unknown(NoAnswer::Broken),
        }
    }

    async fn until_idle(&self) {
        // The semaphore is never closed.
        let _ = self.places.acquire_many(self.capacity).await;
    }
}

fn refused(refusal: RelayRefusal) -> RelayRefusal {
    let reason = match refusal {
        RelayRefusal::Full => "full",
        RelayRefusal::BreakerOpen => "breaker_open",
        RelayRefusal::Stopping => "stopping",
    };
    metrics::counter!("sistema_ts_relay_refusals_total", "reason" => reason).increment(1);
    refusal
}
