//! The actors of the server. Each owns one thing that must have a single owner, and stands behind a small trait of this crate, so that the
//! services never name an actor:
//!
//! | actor | owns | behind |
//! |---|---|---|
//! | [`allocator::CunAllocator`], one per first symbol | the reserved CUNs that begin with it | [`CunSource`] |
//! | [`relay::OtpRelay`] | the way to the Immuni backend | [`relay::OtpSender`] |
//! | [`retention::Retention`] | the rhythm of what must go when | [`Retention::begin`] |
//! | [`session_registry::SessionRegistry`] | when remembered sessions lapse | [`SessionBindings`] |
//!
//! An actor never waits for a store and never hashes: what takes time runs beside it and comes back as a message. Messages are sent with
//! `try_send` only, so that a mailbox bounds what it says it bounds; a full one is an error at once.

pub mod allocator;
pub mod cun_pool;
pub mod fair_queue;
pub mod relay;
pub mod retention;
pub mod session_registry;

use async_trait::async_trait;
use sistema_ts_store::ReservedCun;

pub use allocator::{AllocatorSettings, Allocators};
pub use cun_pool::WorkerCunPool;
pub use retention::Retention;
pub use session_registry::{SessionBindings, SessionRegistrySettings, Sessions};

/// Why no CUN could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// The mailbox of the allocator is full: the server is asked for more than it can give.
    #[error("the allocator's mailbox is full")]
    MailboxFull,
    /// The pool is empty and its refill has not come back yet.
    #[error("no reserved CUN is ready")]
    Exhausted,
    /// The allocator has stopped.
    #[error("the allocator has stopped")]
    Stopped,
}

/// Where a service takes its next CUN from. Local to a worker thread.
#[async_trait(?Send)]
pub trait CunSource {
    /// The next CUN: its first symbol drawn uniformly, then its shard asked (§2.4.1.1: every CUN equally likely).
    ///
    /// # Errors
    ///
    /// [`AllocationError`], at once: nothing waits for a uniqueness check here.
    async fn next_cun(&self) -> Result<ReservedCun, AllocationError>;
}
