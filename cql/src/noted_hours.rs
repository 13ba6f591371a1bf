//! The hours that this server has noted for the archive of access records.

use std::sync::atomic::AtomicI32;

/// Region numbers lie below.
const REGIONS: usize = 1_000;

/// The hour that this server has noted last, for each region.
pub(crate) struct NotedHours(Box<[AtomicI32]>);

impl NotedHours {
    pub(crate) fn new() -> Self {
        Self((0..REGIONS).map(|_| AtomicI32::new(i32::MIN)).collect())
    }

    /// That of a region, by its number.
    pub(crate) fn of(&self, region: i16) -> Option<&AtomicI32> {
        usize::try_from(region).ok().and_then(|at| self.0.get(at))
    }
}
