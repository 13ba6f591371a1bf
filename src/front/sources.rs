//! How many connections one source has open: so many at the most, else one client alone could fill a listener.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::telemetry::source_network;

/// The connections of all sources on one listener. An entry is there while its source has a connection.
#[derive(Debug)]
pub(super) struct SourceCounts {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A source's place; given back when dropped.
#[derive(Debug)]
pub(super) struct SourceSlot {
    counts: Arc<SourceCounts>,
    source: IpAddr,
}

impl SourceCounts {
    /// At most so many connections of one source, at least 1.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            open: Mutex::default(),
        })
    }

    /// A place for a connection from this address, if its source has fewer than it may. A source is an IPv4 address, or an IPv6 network of 48
    /// bits.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<SourceSlot> {
        let source = source_network(address);
        match self.open().entry(source) {
            Entry::Occupied(open) if *open.get() >= self.most => return None,
            Entry::Occupied(mut open) => *open.get_mut() += 1,
            Entry::Vacant(none) => {
                none.insert(1);
            }
        }
        Some(SourceSlot {
            counts: Arc::clone(self),
            source,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing under the lock panics.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SourceSlot {
    fn drop(&mut self) {
        if let Entry::Occupied(mut open) = self.counts.open().entry(self.source) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one source fills a listener, that one source's connections keep another's out, or that memory grows.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_source_has_its_connections_and_no_more_and_gets_them_back() {
        let counts = SourceCounts::new(2);
        let enter = |address: &str| counts.enter(address.parse().unwrap());
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:1:1::1"),
        ] {
            let held = (enter(one).unwrap(), enter(same).unwrap());
            assert!(enter(one).is_none() && enter(same).is_none());
            assert!(enter(other).is_some());
            drop(held.0);
            let again = enter(same).unwrap();
            assert!(enter(one).is_none());
            drop((held.1, again));
        }
        assert!(counts.open().is_empty());
    }
}
