//! A page of a run: up to about 400 entries, sorted, at a fixed width per page.
//!
//! The head of a page (little-endian): run `u32`, entries `u16`, width of a key `u8`, width of a row `u8`, first key `u64`, lowest
//! row `u64`. Each entry is the key's distance from the first key, and the row's from the lowest row. Each distance takes as many
//! bytes as the largest in this page needs (7 and 3 as a rule). The last eight bytes stay unused, so that numbers can be read eight at a time.

use super::{Entry, IndexError};

/// Length of every page in bytes: with its record header the most that one leaf of a 4,096-byte SQLite page holds. All pages
/// have the same length, so that SQLite overwrites a reused one in place.
pub(super) const PAGE_BYTES: usize = 4056;
const HEADER_BYTES: usize = 24;
const PADDING_BYTES: usize = 8;

fn width_of(value: u64) -> usize {
    (8 - value.leading_zeros() as usize / 8).max(1)
}

fn capacity(stride: usize) -> usize {
    (PAGE_BYTES - HEADER_BYTES - PADDING_BYTES) / stride
}

/// Gathers sorted entries until a page is full.
#[derive(Default)]
pub(super) struct PageBuilder {
    entries: Vec<Entry>,
    low_row: u64,
    high_row: u64,
}

impl PageBuilder {
    /// Adds the next entry; `false` if it does not fit any more (then it was not added).
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        let Some(first) = self.entries.first() else {
            (self.low_row, self.high_row) = (entry.row, entry.row);
            self.entries.push(entry);
            return true;
        };
        let (low, high) = (self.low_row.min(entry.row), self.high_row.max(entry.row));
        let stride = width_of(entry.key - first.key) + width_of(high - low);
        if self.entries.len() + 1 > capacity(stride) {
            return false;
        }
        (self.low_row, self.high_row) = (low, high);
        self.entries.push(entry);
        true
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes the page and empties the builder.
    pub(super) fn encode(&mut self, run: u32, page: &mut Vec<u8>) {
        page.clear();
        page.resize(PAGE_BYTES, 0);
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else {
            return;
        };
        let key_width = width_of(last.key - first.key);
        let row_width = width_of(self.high_row - self.low_row);
        page[0..4].copy_from_slice(&run.to_le_bytes());
        page[4..6].copy_from_slice(&(self.entries.len() as u16).to_le_bytes());
        page[6] = key_width as u8;
        page[7] = row_width as u8;
        page[8..16].copy_from_slice(&first.key.to_le_bytes());
        page[16..24].copy_from_slice(&self.low_row.to_le_bytes());
        let mut position = HEADER_BYTES;
        for entry in &self.entries {
            // Eight bytes are written and all but the width overwritten by what follows; the padding takes the last ones.
            page[position..position + 8].copy_from_slice(&(entry.key - first.key).to_le_bytes());
            position += key_width;
            page[position..position + 8].copy_from_slice(&(entry.row - self.low_row).to_le_bytes());
            position += row_width;
        }
        self.entries.clear();
    }
}

/// A stored page, read in place.
pub(super) struct Page<'a> {
    bytes: &'a [u8],
    count: usize,
    key_width: usize,
    stride: usize,
    key_mask: u64,
    row_mask: u64,
    first_key: u64,
    low_row: u64,
}

fn mask(width: usize) -> u64 {
    if width >= 8 {
        u64::MAX
    } else {
        (1 << (width * 8)) - 1
    }
}

impl<'a> Page<'a> {
    /// Reads the header; [`IndexError::StaleView`] if the page belongs to another run.
    pub(super) fn parse(bytes: &'a [u8], run: u32) -> Result<Self, IndexError> {
        if bytes.len() != PAGE_BYTES {
            return Err(IndexError::Damaged("a page has another length"));
        }
        let number =
            |at: usize| u64::from_le_bytes(std::array::from_fn(|offset| bytes[at + offset]));
        let head = number(0);
        if head as u32 != run {
            return Err(IndexError::StaleView);
        }
        let count = (head >> 32) as u16 as usize;
        let (key_width, row_width) = (usize::from(bytes[6]), usize::from(bytes[7]));
        let widths = 1..=8;
        if !widths.contains(&key_width)
            || !widths.contains(&row_width)
            || count > capacity(key_width + row_width)
        {
            return Err(IndexError::Damaged("a page's header"));
        }
        Ok(Self {
            bytes,
            count,
            key_width,
            stride: key_width + row_width,
            key_mask: mask(key_width),
            row_mask: mask(row_width),
            first_key: number(8),
            low_row: number(16),
        })
    }

    fn number(&self, at: usize) -> u64 {
        // In bounds for every position within the capacity, which leaves eight bytes of padding.
        self.bytes.get(at..at + 8).map_or(0, |bytes| {
            u64::from_le_bytes(std::array::from_fn(|offset| bytes[offset]))
        })
    }

    fn distance(&self, index: usize) -> u64 {
        self.number(HEADER_BYTES + index * self.stride) & self.key_mask
    }

    fn entry(&self, index: usize) -> Entry {
        let row = self.number(HEADER_BYTES + index * self.stride + self.key_width) & self.row_mask;
        Entry {
            key: self.first_key.wrapping_add(self.distance(index)),
            row: self.low_row.wrapping_add(row),
        }
    }

    /// Appends all entries, in order.
    pub(super) fn read_all(&self, entries: &mut Vec<Entry>) {
        entries.extend((0..self.count).map(|index| self.entry(index)));
    }

    /// Appends the rows with this key for which `wanted` holds.
    pub(super) fn find(&self, key: u64, wanted: impl Fn(u64) -> bool, rows: &mut Vec<u64>) {
        let Some(distance) = key.checked_sub(self.first_key) else {
            return;
        };
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.distance(middle) < distance {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        while low < self.count && self.distance(low) == distance {
            let row = self.entry(low).row;
            if wanted(row) {
                rows.push(row);
            }
            low += 1;
        }
    }
}
