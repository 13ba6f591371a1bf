//! Who may have how much in flight.
//!
//! Work is admitted into *lanes* (submissions, call centre, relay, listings), each with a capacity of its own, so that
//! no lane waits for another. Within a lane a caller may hold as much as is still *free* there (at least one): the
//! dynamic thresholds of shared-memory switches. So one greedy caller alone reaches half of the lane, `n` greedy
//! callers reach `1/(n+1)` each, and whatever they do a `1/(n+1)` stays free for those who come next: no caller's
//! backlog is another's wait. Nothing is queued here: who is not admitted hears 503 at once, before any effect.
//!
//! Two atomic counters per request and no lock. Counters are raised, looked at, and lowered again when refused, so
//! that the capacity is never passed; a refusal may at worst be caused by another request that is being refused at the
//! same instant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::front::Refusal;

/// The lanes of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Submissions and cancellations: many, short, one write each.
    Submission,
    /// Verification and confirmation: an operator is on the telephone.
    CallCenter,
    /// Unlocks and the ASL's codes: they wait for a backend that is not ours, so that they may take no place of the others.
    Relay,
    /// Listings: long reads.
    Listing,
}

impl Lane {
    /// All lanes, in the order of [`LaneCapacities`].
    pub const ALL: [Self; 4] = [
        Self::Submission,
        Self::CallCenter,
        Self::Relay,
        Self::Listing,
    ];

    /// A short fixed name, used as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::CallCenter => "call-center",
            Self::Relay => "relay",
            Self::Listing => "listing",
        }
    }
}

/// How many requests each lane takes at once; each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneCapacities {
    /// [`Lane::Submission`]
    pub submission: u32,
    /// [`Lane::CallCenter`]
    pub call_center: u32,
    /// [`Lane::Relay`]
    pub relay: u32,
    /// [`Lane::Listing`]
    pub listing: u32,
}

impl Default for LaneCapacities {
    fn default() -> Self {
        Self {
            submission: 2_048,
            call_center: 512,
            relay: 512,
            listing: 16,
        }
    }
}

/// The server's admission: one for the process.
#[derive(Debug)]
pub struct Admission {
    lanes: [LaneState; Lane::ALL.len()],
    shares: RwLock<HashMap<Box<str>, Arc<CallerShare>>>,
}

#[derive(Debug)]
struct LaneState {
    capacity: u32,
    in_flight: AtomicU32,
}

/// What one caller has in flight, by lane. Obtained once per connection or caller, see [`Admission::share_of`].
#[derive(Debug, Default)]
pub struct CallerShare {
    in_flight: [AtomicU32; Lane::ALL.len()],
}

/// Leave to work; the place is free again when it is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when the permit is dropped"]
pub struct Permit {
    admission: Arc<Admission>,
    share: Arc<CallerShare>,
    lane: Lane,
}

impl Admission {
    /// An admission with these capacities (a capacity of 0 counts as 1).
    pub fn new(capacities: LaneCapacities) -> Arc<Self> {
        let lane = |capacity: u32| LaneState {
            capacity: capacity.max(1),
            in_flight: AtomicU32::new(0),
        };
        Arc::new(Self {
            lanes: [
                lane(capacities.submission),
                lane(capacities.call_center),
                lane(capacities.relay),
                lane(capacities.listing),
            ],
            shares: RwLock::default(),
        })
    }

    /// The share of the caller with this stable key, e.g. the model's `Caller::to_key`.
    ///
    /// Ask once per connection where the caller is known by its certificate, else once per request; only *registered*
    /// callers, so that the table is as bounded as the register.
    pub fn share_of(&self, caller_key: &str) -> Arc<CallerShare> {
        let known = self
            .shares
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(caller_key)
            .cloned();
        known.unwrap_or_else(|| {
            let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
            shares.entry(caller_key.into()).or_default().clone()
        })
    }

    /// Admits one request of `share`'s caller to `lane`, or refuses it at once.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the lane is full or the caller holds its share of it.
    pub fn try_enter(
        self: &Arc<Self>,
        lane: Lane,
        share: &Arc<CallerShare>,
    ) -> Result<Permit, Refusal> {
        let state = &self.lanes[lane as usize];
        let total_before = state.in_flight.fetch_add(1, Ordering::AcqRel);
        let own_before = share.in_flight[lane as usize].fetch_add(1, Ordering::AcqRel);
        // From here on the permit gives back what was taken, also when refused.
        let permit = Permit {
            admission: Arc::clone(self),
            share: Arc::clone(share),
            lane,
        };
        let free = state.capacity.saturating_sub(total_before);
        if free == 0 || own_before >= free {
            return Err(Refusal::Unavailable);
        }
        Ok(permit)
    }

    /// Requests in flight in `lane`, for metrics.
    pub fn in_flight(&self, lane: Lane) -> u32 {
        self.lanes[lane as usize].in_flight.load(Ordering::Relaxed)
    }

    /// Capacity of `lane`.
    pub fn capacity(&self, lane: Lane) -> u32 {
        self.lanes[lane as usize].capacity
    }
}

impl CallerShare {
    /// What this caller has in flight in `lane`.
    pub fn in_flight(&self, lane: Lane) -> u32 {
        self.in_flight[lane as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.share.in_flight[self.lane as usize].fetch_sub(1, Ordering::AcqRel);
        self.admission.lanes[self.lane as usize]
            .in_flight
            .fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
