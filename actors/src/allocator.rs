//! The CUN allocator: one actor per first symbol, which owns the reserved CUNs that begin with it and refills them ahead of need.
//!
//! Reserving (drawing and checking that a code is not known) is the store's work and takes time, so it runs as a task beside the actor, whose
//! result comes back as a [`Refilled`] message. The number of reserved codes is kept small on purpose: a code that was checked long ago has to
//! be checked again by the store's writer, and an unused code is lost at a restart (25⁹ are enough for that).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use async_trait::async_trait;
use sistema_ts_model::FirstSymbol;
use sistema_ts_store::{ReservedCun, Store, StoreError};
use tokio::sync::{Notify, oneshot};

use crate::AllocationError;

/// Sizes of the allocators' pools.
#[derive(Debug, Clone, Copy)]
pub struct AllocatorSettings {
    /// Codes that a full pool holds, for each of the 25 first symbols.
    pub pool_codes: usize,
    /// A pool with fewer codes than this is refilled.
    pub refill_below_codes: usize,
    /// Messages that may wait in one allocator's mailbox.
    pub mailbox_messages: usize,
    /// Pause before a refill that failed is tried again.
    pub retry_pause: Duration,
}

impl Default for AllocatorSettings {
    /// 25 × 4,096 codes, refilled from three quarters down: more than a second of supply at 50,000 submissions a second, whatever else the
    /// processors do, and few enough that the check of a code is still fresh in the store's memory when the code is used.
    fn default() -> Self {
        Self {
            pool_codes: 4_096,
            refill_below_codes: 3_072,
            mailbox_messages: 256,
            retry_pause: Duration::from_millis(200),
        }
    }
}

/// What an allocator asks for new codes. Implemented by every store.
#[async_trait]
pub trait CodeReserver: Send + Sync {
    /// Draws and reserves `count` CUNs that begin with `first`, in the order in which they were drawn.
    ///
    /// # Errors
    ///
    /// The store's.
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError>;
}

#[async_trait]
impl CodeReserver for Arc<dyn Store> {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        self.as_ref().reserve(first, count).await
    }
}

/// Asks for up to `count` reserved codes; the answer goes to `reply`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct TakeSlice {
    pub(crate) count: usize,
    pub(crate) reply: oneshot::Sender<Result<Vec<ReservedCun>, AllocationError>>,
}

/// A refill has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Refilled(Result<Vec<ReservedCun>, StoreError>);

/// Time to try a failed refill again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct RetryRefill;

/// The owner of the reserved CUNs that begin with one symbol.
pub struct CunAllocator {
    first: FirstSymbol,
    pool: VecDeque<ReservedCun>,
    /// The pool's length, for those who only want to know it.
    level: Arc<AtomicUsize>,
    /// Told after each refill.
    refilled: Arc<Notify>,
    refilling: bool,
    reserver: Arc<dyn CodeReserver>,
    settings: AllocatorSettings,
}

impl CunAllocator {
    /// Publishes the pool's level and starts the background refill, unless one is under way or the pool is full enough.
    fn refill_if_low(&mut self, context: &mut Context<Self>) {
        self.level.store(self.pool.len(), Ordering::Relaxed);
        if self.refilling || self.pool.len() >= self.settings.refill_below_codes {
            return;
        }
        self.refilling = true;
        let address = context.address();
        let reserver = Arc::clone(&self.reserver);
        let (first, count) = (self.first, self.settings.pool_codes - self.pool.len());
        actix::spawn(async move {
            let refilled = reserver.reserve(first, count).await;
            // `send`, because this message may not be lost when the mailbox is full: it waits for a place, and there is one such message at most.
            // An error means that the actor has stopped, and then nobody misses the codes.
            let _ = address.send(Refilled(refilled)).await;
        });
    }
}

impl Actor for CunAllocator {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(self.settings.mailbox_messages);
        self.refill_if_low(context);
    }
}

impl Handler<TakeSlice> for CunAllocator {
    type Result = ();

    fn handle(&mut self, message: TakeSlice, context: &mut Self::Context) {
        let count = message.count.min(self.pool.len());
        let slice = if count == 0 {
            metrics::counter!("sistema_ts_allocator_exhausted_total").increment(1);
            Err(AllocationError::Exhausted)
        } else {
            Ok(self.pool.drain(..count).collect())
        };
        if let Err(Ok(unclaimed)) = message.reply.send(slice) {
            // The asker has gone: its codes go back to the front, in their order.
            for code in unclaimed.into_iter().rev() {
                self.pool.push_front(code);
            }
        }
        self.refill_if_low(context);
    }
}

impl Handler<Refilled> for CunAllocator {
    type Result = ();

    fn handle(&mut self, message: Refilled, context: &mut Self::Context) {
        self.refilling = false;
        match message.0 {
            Ok(codes) => {
                self.pool.extend(codes);
                self.refill_if_low(context);
                self.refilled.notify_waiters();
            }
            Err(error) => {
                tracing::warn!(%error, "reserving CUNs failed; it will be tried again");
                self.refilling = true;
                context.notify_later(RetryRefill, self.settings.retry_pause);
            }
        }
    }
}

impl Handler<RetryRefill> for CunAllocator {
    type Result = ();

    fn handle(&mut self, _: RetryRefill, context: &mut Self::Context) {
        self.refilling = false;
        self.refill_if_low(context);
    }
}

/// The addresses of the 25 allocators. Cheap to clone, one clone for each worker.
#[derive(Clone)]
pub struct Allocators {
    addresses: Arc<[Addr<CunAllocator>]>,
    levels: Arc<[Arc<AtomicUsize>]>,
    refilled: Arc<Notify>,
}

impl Allocators {
    /// Starts one allocator per first symbol on the current arbiter; must be called on an actix system.
    #[must_use]
    pub fn start(reserver: Arc<dyn CodeReserver>, settings: AllocatorSettings) -> Self {
        let levels: Arc<[Arc<AtomicUsize>]> = FirstSymbol::all().map(|_| Arc::default()).collect();
        let refilled = Arc::new(Notify::new());
        let addresses = FirstSymbol::all()
            .zip(levels.iter())
            .map(|(first, level)| {
                CunAllocator {
                    first,
                    pool: VecDeque::with_capacity(settings.pool_codes),
                    level: Arc::clone(level),
                    refilled: Arc::clone(&refilled),
                    refilling: false,
                    reserver: Arc::clone(&reserver),
                    settings,
                }
                .start()
            })
            .collect();
        Self {
            addresses,
            levels,
            refilled,
        }
    }

    /// Asks the allocator of `first` for up to `count` codes.
    ///
    /// # Errors
    ///
    /// [`AllocationError`], at once.
    pub async fn take(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, AllocationError> {
        let (reply, answer) = oneshot::channel();
        self.addresses[first.index()]
            .try_send(TakeSlice { count, reply })
            .map_err(|error| match error {
                actix::dev::SendError::Full(_) => AllocationError::MailboxFull,
                actix::dev::SendError::Closed(_) => AllocationError::Stopped,
            })?;
        answer.await.unwrap_or(Err(AllocationError::Stopped))
    }

    /// Whether every allocator has at least one code in its pool: part of the server's readiness.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        self.levels
            .iter()
            .all(|level| level.load(Ordering::Relaxed) > 0)
    }

    /// Waits until [`Self::are_ready`].
    pub async fn until_ready(&self) {
        loop {
            let refilled = self.refilled.notified();
            tokio::pin!(refilled);
            // Registered before the look, so that no refill between the two is missed.
            refilled.as_mut().enable();
            if self.are_ready() {
                return;
            }
            refilled.await;
        }
    }

    /// Reserved codes in all pools together.
    #[must_use]
    pub fn reserved_codes(&self) -> usize {
        self.levels
            .iter()
            .map(|level| level.load(Ordering::Relaxed))
            .sum()
    }
}
