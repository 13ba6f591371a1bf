//! Three replicas of a few rows, as a client of a quorum sees them.
//!
//! A write goes to every replica. It may reach each of them at any later moment, or never, whether its client still waits or has died. A replica
//! shows, of the writes to a row that have reached it, the one with the highest timestamp; of two with the same, the erasing one, or else the greater
//! value. A read looks at one replica and then at another, with anything between the two, and merges what it saw.

use std::fmt::Debug;
use std::hash::Hash;

/// How many replicas a row has.
pub const REPLICAS: u8 = 3;

/// How many of them are a quorum.
pub const QUORUM: u8 = 2;

/// What is written to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Something, by whose it is.
    Of(u8),
    /// A tombstone, which outranks any value with the same timestamp.
    Erased,
}

/// A write to a row, and where it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write<Row> {
    /// The row.
    pub row: Row,
    /// Its timestamp, which its sender chose.
    pub timestamp: u8,
    /// What it leaves in the row.
    pub value: Value,
    /// The replicas that it has reached, a bit each.
    at: u8,
    /// The replicas that have forgotten it since: a tombstone past its time, and what it had covered.
    forgotten: u8,
}

/// All writes of a run, in an order that does not depend on when they were sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster<Row> {
    writes: Vec<Write<Row>>,
}

/// A read under way: the replica that has answered, and with what, or none yet.
pub type Looking<Seen> = Option<(u8, Seen)>;

/// Every set of replicas that makes a quorum, a bit each.
pub const QUORUMS: [u8; 3] = [0b011, 0b101, 0b110];

impl<Row> Default for Cluster<Row> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

impl<Row: Copy + Debug + Ord + Hash> Cluster<Row> {
    /// Sends a write to every replica. One that was sent before is the same write.
    pub fn send(&mut self, row: Row, timestamp: u8, value: Value) {
        let write = Write {
            row,
            timestamp,
            value,
            at: 0,
            forgotten: 0,
        };
        let key = |write: &Write<Row>| (write.row, write.timestamp, write.value);
        if let Err(place) = self.writes.binary_search_by_key(&key(&write), key) {
            self.writes.insert(place, write);
        }
    }

    /// The writes that have not reached a replica yet, by their places, and which replica.
    pub fn under_way(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.writes.iter().zip(0..).flat_map(|(write, place)| {
            let missing = (0..REPLICAS).filter(|replica| write.at & (1 << replica) == 0);
            missing.map(move |replica| (place, replica))
        })
    }

    /// The write at a place.
    pub fn write(&self, place: u8) -> &Write<Row> {
        &self.writes[usize::from(place)]
    }

    /// A write reaches a replica.
    pub fn land(&mut self, place: u8, replica: u8) {
        self.writes[usize::from(place)].at |= 1 << replica;
    }

    /// Whether so many replicas have, or had, what was sent to a row: its sender may be told.
    pub fn is_acknowledged(&self, row: Row, timestamp: u8, value: Value, needed: u8) -> bool {
        self.writes.iter().any(|write| {
            let is_it = (write.row, write.timestamp, write.value) == (row, timestamp, value);
            is_it && write.at.count_ones() >= u32::from(needed)
        })
    }

    /// What some replicas together show of a row.
    pub fn shown_by(&self, replicas: u8, row: Row) -> Option<Value> {
        let of_row = self.writes.iter().filter(|write| write.row == row);
        of_row
            .filter(|write| write.at & !write.forgotten & replicas != 0)
            .max_by_key(|write| (write.timestamp, write.value))
            .map(|write| write.value)
    }

    /// What one replica shows of a row.
    pub fn shown_at(&self, replica: u8, row: Row) -> Option<Value> {
        self.shown_by(1 << replica, row)
    }

    /// Whether every quorum shows this of a row.
    pub fn is_shown(&self, row: Row, value: Value) -> bool {
        let shows = |replicas: &u8| self.shown_by(*replicas, row) == Some(value);
        QUORUMS.iter().all(shows)
    }

    /// Whether any quorum shows this of a row.
    pub fn may_be_shown(&self, row: Row, value: Value) -> bool {
        let shows = |replicas: &u8| self.shown_by(*replicas, row) == Some(value);
        QUORUMS.iter().any(shows)
    }

    /// What two replicas together have of a row reaches both: the repair that a quorum read waits for before it answers.
    pub fn repair(&mut self, replicas: u8, wanted: impl Fn(Row) -> bool) {
        for write in &mut self.writes {
            if wanted(write.row) && write.at & replicas != 0 {
                write.at |= replicas;
            }
        }
    }

    /// The writes that have not reached every replica, by their places.
    pub fn unfinished(&self) -> impl Iterator<Item = u8> + '_ {
        let writes = self.writes.iter().zip(0..);
        let unfinished = writes.filter(|(write, _)| write.at != 0b111);
        unfinished.map(|(_, place)| place)
    }

    /// A write reaches all replicas at once.
    pub fn finish(&mut self, place: u8) {
        self.writes[usize::from(place)].at = 0b111;
    }

    /// Whether anything was sent to a row.
    pub fn is_sent(&self, row: Row) -> bool {
        self.writes.iter().any(|write| write.row == row)
    }

    /// The tombstones that a replica holds, by their places.
    pub fn tombstones(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let erased = self.writes.iter().zip(0..);
        let erased = erased.filter(|(write, _)| write.value == Value::Erased);
        erased.flat_map(|(write, place)| {
            let held = write.at & !write.forgotten;
            let held = (0..REPLICAS).filter(move |replica| held & (1 << replica) != 0);
            held.map(move |replica| (place, replica))
        })
    }

    /// Whether every replica has all that was ever sent to a row.
    pub fn is_settled(&self, row: Row) -> bool {
        let mut of_row = self.writes.iter().filter(|write| write.row == row);
        of_row.all(|write| write.at == 0b111)
    }

    /// A replica forgets a tombstone, and the older writes that it has of that row.
    pub fn forget(&mut self, place: u8, replica: u8) {
        let tombstone = *self.write(place);
        for write in &mut self.writes {
            if write.row == tombstone.row && write.timestamp <= tombstone.timestamp {
                write.forgotten |= write.at & (1 << replica);
            }
        }
    }

    /// Renumbers the replicas, so that states which differ in their numbers alone are one. `looking` are the replicas at which readers have looked:
    /// they tell replicas with the same content apart, and get the new numbers.
    pub fn renumber<const READERS: usize>(&mut self, mut looking: [Option<&mut u8>; READERS]) {
        let mut order = [0, 1, 2];
        order.sort_by_key(|replica| {
            let seen_by = looking.iter().fold(0, |mark, read| {
                mark << 1 | u64::from(read.as_deref() == Some(replica))
            });
            (self.content(*replica), seen_by)
        });
        let mut new = [0; 3];
        for (number, replica) in (0..).zip(order) {
            new[usize::from(replica)] = number;
        }
        for write in &mut self.writes {
            write.at = renumbered(write.at, new);
            write.forgotten = renumbered(write.forgotten, new);
        }
        for replica in looking.iter_mut().flatten() {
            **replica = new[usize::from(**replica)];
        }
    }

    /// Which writes have reached a replica and stay, in their order: what tells replicas apart.
    pub fn content(&self, replica: u8) -> u64 {
        let bit = |bits: u8| u64::from(bits >> replica & 1);
        let of_all = self.writes.iter().map(|write| (write.at, write.forgotten));
        of_all.fold(1, |content, (at, forgotten)| {
            content << 2 | bit(at) << 1 | bit(forgotten)
        })
    }
}

fn renumbered(bits: u8, new: [u8; 3]) -> u8 {
    (0..REPLICAS).fold(0, |moved, replica| {
        moved | (bits >> replica & 1) << new[usize::from(replica)]
    })
}
