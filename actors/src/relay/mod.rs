//! The relay of OTPs to the Immuni backend: the one way out of this server.
//!
//! A service first takes a place ([`OtpSender::reserve`]), then claims the CUN, then sends, then writes what came of it:
//!
//! ```text
//! reserve ──refused──▶ 503, nothing happened
//!    │
//!  claim the CUN ──refused──▶ the place is given back by its drop
//!    │
//!  send ──▶ RelayOutcome ──▶ settle the claim
//! ```
//!
//! The relay goes on with a post when whoever waits for it goes away; but what is to be settled then is the service's: it runs *claim, send,
//! settle* in a task of its own, which no client's leaving ends.
//!
//! | outcome | the OTP is authorised at the backend |
//! |---|---|
//! | [`RelayOutcome::Authorised`] | yes, by this post |
//! | [`RelayOutcome::AlreadyAuthorised`] | yes, not by this post |
//! | [`RelayOutcome::Refused`] | no |
//! | [`RelayOutcome::NotSent`] | surely not by this post |
//! | [`RelayOutcome::Unknown`] | perhaps by this post |

mod outcome;
mod post;

use std::any::Any;
use std::fmt;
use std::time::Instant;

use async_trait::async_trait;

pub use outcome::{NotSentReason, RelayOutcome, RelayRefusal, UnknownReason};
pub use post::{OtpPost, PostBody};

/// Where services send OTPs.
#[async_trait]
pub trait OtpSender: Send + Sync {
    /// Takes a place, before anything is claimed. Its drop gives the place back.
    ///
    /// # Errors
    ///
    /// [`RelayRefusal`], at once: nothing has happened, and the service answers 503.
    fn reserve(&self) -> Result<RelaySlot, RelayRefusal>;

    /// Posts, with repetitions, until `deadline` on the monotonic clock at the latest: no send begins after it, and the outcome is there
    /// then. Once this future has been polled, the post goes on without it.
    async fn send(&self, slot: RelaySlot, post: OtpPost, deadline: Instant) -> RelayOutcome;
}

/// A place in the relay, given back when dropped.
pub struct RelaySlot(Box<dyn Any + Send>);

impl RelaySlot {
    /// A place that holds `held` for as long as it lasts: for who writes an [`OtpSender`].
    #[must_use]
    pub fn holding<T: Any + Send>(held: T) -> Self {
        Self(Box::new(held))
    }

    /// What it holds, if it is a `T`: for the [`OtpSender`] that gave it.
    #[must_use]
    pub fn into_held<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|held| *held)
    }
}

impl fmt::Debug for RelaySlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RelaySlot")
    }
}
