//! The newest entries of a late index, in memory until there are enough of them to be written in order.

/// A key and the sequence of its row.
pub type Entry = (u64, i64);

const BUCKET_BITS: u32 = 10;

/// Entries by the first bits of their key. Keys are hashes, so the buckets fill evenly: a look-up scans one of about a
/// hundred entries, and the whole is sorted bucket by bucket, a few microseconds each, whenever a slice of it is written.
pub struct Memory {
    buckets: Vec<Vec<Entry>>,
    entries: usize,
}

impl Memory {
    pub fn for_entries(expected: usize) -> Memory {
        let each = (expected >> BUCKET_BITS) + (expected >> (BUCKET_BITS + 2)) + 8;
        Memory {
            buckets: (0..1 << BUCKET_BITS)
                .map(|_| Vec::with_capacity(each))
                .collect(),
            entries: 0,
        }
    }

    pub fn insert(&mut self, key: u64, sequence: i64) {
        self.buckets[(key >> (64 - BUCKET_BITS)) as usize].push((key, sequence));
        self.entries += 1;
    }

    pub fn find(&self, key: u64) -> Option<i64> {
        let bucket = &self.buckets[(key >> (64 - BUCKET_BITS)) as usize];
        bucket
            .iter()
            .find(|entry| entry.0 == key)
            .map(|entry| entry.1)
    }

    pub fn len(&self) -> usize {
        self.entries
    }
}

/// Reads a memory in order of its keys.
pub struct InOrder {
    memory: std::sync::Arc<Memory>,
    bucket: usize,
    sorted: Vec<Entry>,
    next: usize,
}

impl InOrder {
    pub fn new(memory: std::sync::Arc<Memory>) -> InOrder {
        InOrder {
            memory,
            bucket: 0,
            sorted: Vec::new(),
            next: 0,
        }
    }
}

impl Iterator for InOrder {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while self.next == self.sorted.len() {
            let bucket = self.memory.buckets.get(self.bucket)?;
            self.bucket += 1;
            self.sorted.clear();
            self.sorted.extend_from_slice(bucket);
            self.sorted.sort_unstable();
            self.next = 0;
        }
        self.next += 1;
        Some(self.sorted[self.next - 1])
    }
}
