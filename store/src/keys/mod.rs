//! The day keys: a one-way ratchet of which only the oldest state still needed is kept (`docs/architecture.md`, "The day's keys").
//!
//! Every day of Rome has a key of its own, derived from that day's *state*; the next day's state is derived from it by HKDF and
//! cannot be undone. The *ring* is a small file outside the data folder that holds the state of the oldest day whose data still
//! live: all later days follow from it, no earlier one does. Dropping a day is replacing the file by one that begins a day later;
//! from then on nobody, with whatever copy of the data, can open what was sealed under the dropped day's key.
//!
//! A ring that somebody has copied would give all later days' keys, so fresh entropy is mixed in from time to time, from a coming day on: then
//! the ring has a second part that begins on that day, and no copy made before leads there. What destroys keys is the same horizon that all
//! other erasures go by ([`crate::trusted_time`]).
//!
//! A ring is made once, by [`KeyRing::create`], and never by itself: a store that finds none, or one that begins too late, says so.

mod clock;
mod day;
mod error;
mod file;
mod handing;
mod limits;
mod renewal;
mod ring;

pub use clock::kernel_clock_is_synchronised;
pub use day::{CheckValue, DayKey, LookupTag, Mac, Purpose, SealedBytes, cut, same_mac};
pub use error::KeyError;
pub use limits::RENEWAL_AHEAD_DAYS;
pub use renewal::Renewal;
pub use ring::{KeyRing, oldest_live_day};

#[cfg(test)]
mod tests;
