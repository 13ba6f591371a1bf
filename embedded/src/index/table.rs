//! The newest entries: a table of fixed size in memory, written by one thread, read by all without a lock.
//!
//! Open addressing with linear probing, where the home slot is the *leading* bits of the key: entries are displaced forwards
//! only, so the table read from slot to slot is sorted by key but for the order within a cluster of neighbours. Freezing it is
//! therefore no sort of 131,072 entries, only a walk.

use super::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far an entry may lie from its home. At most half of the slots are used, where clusters of uniform keys stay below 100.
const MAX_PROBE: usize = 512;

#[derive(Default)]
struct Slot {
    /// The row plus one; 0 while the slot is empty. Written after `key`, read before it.
    row_plus_one: AtomicU64,
    key: AtomicU64,
}

pub(super) struct MemoryTable {
    slots: Box<[Slot]>,
    shift: u32,
    capacity: usize,
    len: AtomicU64,
    last_row: AtomicU64,
}

impl MemoryTable {
    pub(super) fn new(capacity: usize) -> Self {
        let home_slots = (capacity * 2).next_power_of_two().max(32);
        Self {
            slots: (0..home_slots + MAX_PROBE)
                .map(|_| Slot::default())
                .collect(),
            shift: 64 - home_slots.trailing_zeros(),
            capacity,
            len: AtomicU64::new(0),
            last_row: AtomicU64::new(0),
        }
    }

    fn home(&self, key: u64) -> usize {
        (key >> self.shift) as usize
    }

    /// Inserts an entry and returns its slot, or `None` when the table is full (or crowded at this place). Writer only.
    pub(super) fn insert(&self, entry: Entry) -> Option<usize> {
        let len = self.len.load(Ordering::Relaxed);
        if len as usize >= self.capacity {
            return None;
        }
        let home = self.home(entry.key);
        for (offset, slot) in self.slots[home..home + MAX_PROBE].iter().enumerate() {
            if slot.row_plus_one.load(Ordering::Relaxed) == 0 {
                slot.key.store(entry.key, Ordering::Relaxed);
                slot.row_plus_one.store(entry.row + 1, Ordering::Release);
                self.len.store(len + 1, Ordering::Relaxed);
                self.last_row.store(entry.row, Ordering::Relaxed);
                return Some(home + offset);
            }
        }
        None
    }

    /// Takes back the newest insertion. Writer only, and only in the reverse order of insertion: then no entry lies beyond an
    /// emptied slot that had been displaced over it.
    pub(super) fn take_back(&self, slot: usize, previous_last_row: u64) {
        self.slots[slot].row_plus_one.store(0, Ordering::Release);
        self.len
            .store(self.len.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        self.last_row.store(previous_last_row, Ordering::Relaxed);
    }

    /// Appends the rows above `after` with this key, in no order.
    pub(super) fn find(&self, key: u64, after: Option<u64>, rows: &mut Vec<u64>) {
        let home = self.home(key);
        for slot in &self.slots[home..home + MAX_PROBE] {
            let row_plus_one = slot.row_plus_one.load(Ordering::Acquire);
            if row_plus_one == 0 {
                return;
            }
            let row = row_plus_one - 1;
            if slot.key.load(Ordering::Relaxed) == key && after.is_none_or(|after| row > after) {
                rows.push(row);
            }
        }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize
    }

    /// The highest row, 0 if the table is empty.
    pub(super) fn last_row(&self) -> u64 {
        self.last_row.load(Ordering::Relaxed)
    }

    /// Appends the next cluster at or after slot `position`, sorted, to `entries`, and returns where to go on; `None` at the end.
    pub(super) fn next_cluster(
        &self,
        mut position: usize,
        entries: &mut Vec<Entry>,
    ) -> Option<usize> {
        let row_at = |position: usize| {
            self.slots
                .get(position)
                .map(|slot| slot.row_plus_one.load(Ordering::Acquire))
        };
        while row_at(position)? == 0 {
            position += 1;
        }
        let start = entries.len();
        while let Some(row_plus_one) = row_at(position).filter(|&row_plus_one| row_plus_one != 0) {
            entries.push(Entry {
                key: self.slots[position].key.load(Ordering::Relaxed),
                row: row_plus_one - 1,
            });
            position += 1;
        }
        entries[start..].sort_unstable();
        Some(position)
    }
}
