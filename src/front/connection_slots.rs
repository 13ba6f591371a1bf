//! How many connections a listener has at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::drain::Drain;

/// The places of a listener's connections.
pub(super) struct ConnectionSlots {
    taken: AtomicUsize,
    most: usize,
    drain: Arc<Drain>,
}

/// A connection's place; given back when dropped.
pub(super) struct ConnectionSlot(Arc<ConnectionSlots>);

impl ConnectionSlots {
    pub(super) fn new(most: usize, drain: Arc<Drain>) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            most,
            drain,
        })
    }

    /// A place, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        self.drain.connection_opened();
        let slot = ConnectionSlot(Arc::clone(self));
        (before < self.most).then_some(slot)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.drain.connection_closed();
    }
}
