//! A run: sorted pages that never change, and what of them stays in memory: first keys, page numbers, filters.

use super::filter::{self, FILTER_BYTES};
use super::page::{PAGE_BYTES, Page, PageBuilder};
use super::schema::{RunRow, Schema};
use super::{Entry, IndexError};
use rusqlite::Connection;
use std::collections::VecDeque;

const DIRECTORY_HEADER_BYTES: usize = 16;
const DIRECTORY_ENTRY_BYTES: usize = 8 + 4 + FILTER_BYTES;
/// Pages described by one page of a run's directory.
const PAGES_PER_DIRECTORY: usize = (PAGE_BYTES - DIRECTORY_HEADER_BYTES) / DIRECTORY_ENTRY_BYTES;

/// What stays in memory of a run's pages. Twelve bytes for about 400 entries, and the filters' 384.
#[derive(Default)]
struct Pages {
    first_keys: Vec<u64>,
    numbers: Vec<u32>,
    /// `FILTER_BYTES` a page, or empty where the budget allowed none.
    filters: Vec<u8>,
}

pub(super) struct Run {
    pub(super) row: RunRow,
    pages: Pages,
}

impl Run {
    /// Reads the directory of a stored run.
    pub(super) fn load(
        connection: &Connection,
        schema: &Schema,
        row: RunRow,
        with_filters: bool,
    ) -> Result<Self, IndexError> {
        let mut pages = Pages::default();
        for &number in &row.directory {
            let read = schema.with_page(connection, number, |bytes| {
                read_directory(bytes, row.run, with_filters, &mut pages)
            });
            read.map_err(|error| match error {
                IndexError::StaleView => {
                    IndexError::Damaged("a page of a run's directory is missing")
                }
                other => other,
            })?;
        }
        Ok(Self { row, pages })
    }

    /// Bytes of memory that the filters take.
    pub(super) fn filter_bytes(&self) -> usize {
        self.pages.filters.len()
    }

    /// How many pages hold entries.
    pub(super) fn page_count(&self) -> usize {
        self.pages.numbers.len()
    }

    /// Every page that belongs to the run, the directory's included.
    pub(super) fn all_pages(&self) -> impl Iterator<Item = u32> + '_ {
        self.pages
            .numbers
            .iter()
            .chain(&self.row.directory)
            .copied()
    }

    /// Appends the entries of the page at `index`.
    pub(super) fn read_page(
        &self,
        connection: &Connection,
        schema: &Schema,
        index: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), IndexError> {
        let Some(&number) = self.pages.numbers.get(index) else {
            return Ok(());
        };
        schema.with_page(connection, number, |bytes| {
            Page::parse(bytes, self.row.run)?.read_all(entries);
            Ok(())
        })
    }

    /// Appends the rows with this key for which `wanted` holds.
    pub(super) fn find(
        &self,
        connection: &Connection,
        schema: &Schema,
        key: u64,
        wanted: impl Fn(u64) -> bool + Copy,
        rows: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        for index in self.pages_of(key) {
            schema.with_page(connection, self.pages.numbers[index], |bytes| {
                Page::parse(bytes, self.row.run)?.find(key, wanted, rows);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether the key may be here, as far as memory tells; `false` is certain.
    pub(super) fn may_hold(&self, key: u64) -> bool {
        self.pages_of(key).next().is_some()
    }

    /// The pages that may hold the key: the last that begins at or below it, earlier ones too while the key is the very first of the later;
    /// without those whose filter lacks it.
    fn pages_of(&self, key: u64) -> impl Iterator<Item = usize> {
        let pages = &self.pages;
        let last = pages_not_above(&pages.first_keys, key).checked_sub(1);
        std::iter::successors(last, move |&index| {
            (pages.first_keys[index] == key)
                .then(|| index.checked_sub(1))
                .flatten()
        })
        .filter(move |index| {
            let filter = pages
                .filters
                .get(index * FILTER_BYTES..(index + 1) * FILTER_BYTES);
            filter.is_none_or(|filter| filter::may_contain(filter, key))
        })
    }
}

/// How many pages begin at or below the key. Keys are uniform, so its share of the range tells nearly where it lies: that costs
/// one cache miss where a binary search over all pages costs several.
fn pages_not_above(first_keys: &[u64], key: u64) -> usize {
    const REACH: usize = 16;
    let guess = ((u128::from(key) * first_keys.len() as u128) >> 64) as usize;
    let low = guess.saturating_sub(REACH);
    let high = (guess + REACH).min(first_keys.len());
    let below = low == 0 || first_keys[low - 1] <= key;
    let above = high == first_keys.len() || first_keys[high] > key;
    if below && above {
        return low + first_keys[low..high].partition_point(|&first| first <= key);
    }
    first_keys.partition_point(|&first| first <= key)
}

fn read_directory(
    bytes: &[u8],
    run: u32,
    with_filters: bool,
    pages: &mut Pages,
) -> Result<(), IndexError> {
    let damaged = || IndexError::Damaged("a page of a run's directory");
    let (header, entries) = bytes
        .split_at_checked(DIRECTORY_HEADER_BYTES)
        .ok_or_else(damaged)?;
    let count = usize::from(u16::from_le_bytes([header[4], header[5]]));
    if header[..4] != run.to_le_bytes() || count > PAGES_PER_DIRECTORY {
        return Err(damaged());
    }
    for entry in entries.chunks_exact(DIRECTORY_ENTRY_BYTES).take(count) {
        pages
            .first_keys
            .push(u64::from_le_bytes(std::array::from_fn(|at| entry[at])));
        pages
            .numbers
            .push(u32::from_le_bytes(std::array::from_fn(|at| entry[8 + at])));
        if with_filters {
            pages.filters.extend_from_slice(&entry[12..]);
        }
    }
    Ok(())
}

/// Pages that belong to no run.
pub(super) struct FreePages {
    /// With the content of a run that is gone. Used first, so that it does not outlive the run for long.
    pub(super) stale: VecDeque<u32>,
    /// Overwritten with zeroes.
    pub(super) clean: Vec<u32>,
    /// The first page number never used.
    pub(super) next: u32,
}

impl FreePages {
    fn take(&mut self) -> Result<u32, IndexError> {
        if let Some(page) = self.stale.pop_front().or_else(|| self.clean.pop()) {
            return Ok(page);
        }
        let page = self.next;
        self.next = page
            .checked_add(1)
            .ok_or(IndexError::Damaged("the page numbers are used up"))?;
        Ok(page)
    }
}

/// Where a run under construction writes to.
pub(super) struct Workshop<'a> {
    pub(super) connection: &'a Connection,
    pub(super) schema: &'a Schema,
    pub(super) free: &'a mut FreePages,
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) pages_written: usize,
}

impl Workshop<'_> {
    fn write(&mut self, used: &mut Vec<u32>) -> Result<u32, IndexError> {
        let page = self.free.take()?;
        used.push(page);
        self.pages_written += 1;
        self.schema
            .write_page(self.connection, page, self.scratch)?;
        Ok(page)
    }
}

/// A run under construction: takes entries in order, writes a page whenever one is full.
pub(super) struct RunBuilder {
    row: RunRow,
    current: PageBuilder,
    pages: Pages,
    /// The description of pages that no directory page has yet.
    described: Vec<u8>,
    keep_filters: bool,
    /// Every page taken so far, should the work be given up.
    pub(super) used: Vec<u32>,
}

impl RunBuilder {
    pub(super) fn new(
        run: u32,
        level: u8,
        first_row: u64,
        last_row: u64,
        keep_filters: bool,
    ) -> Self {
        Self {
            row: RunRow {
                run,
                level,
                first_row,
                last_row,
                entries: 0,
                directory: Vec::new(),
            },
            current: PageBuilder::default(),
            pages: Pages::default(),
            described: Vec::new(),
            keep_filters,
            used: Vec::new(),
        }
    }

    /// Adds the next entry. Returns whether a page was written.
    pub(super) fn push(
        &mut self,
        entry: Entry,
        workshop: &mut Workshop<'_>,
    ) -> Result<bool, IndexError> {
        self.row.entries += 1;
        if self.current.push(entry) {
            return Ok(false);
        }
        self.write_page(workshop)?;
        self.current.push(entry);
        Ok(true)
    }

    fn write_page(&mut self, workshop: &mut Workshop<'_>) -> Result<(), IndexError> {
        let Some(first) = self.current.entries().first().copied() else {
            return Ok(());
        };
        let mut filter = [0; FILTER_BYTES];
        for entry in self.current.entries() {
            filter::insert(&mut filter, entry.key);
        }
        self.current.encode(self.row.run, workshop.scratch);
        let page = workshop.write(&mut self.used)?;
        self.pages.first_keys.push(first.key);
        self.pages.numbers.push(page);
        if self.keep_filters {
            self.pages.filters.extend_from_slice(&filter);
        }
        self.described.extend_from_slice(&first.key.to_le_bytes());
        self.described.extend_from_slice(&page.to_le_bytes());
        self.described.extend_from_slice(&filter);
        if self.described.len() >= PAGES_PER_DIRECTORY * DIRECTORY_ENTRY_BYTES {
            self.write_directory(workshop)?;
        }
        Ok(())
    }

    fn write_directory(&mut self, workshop: &mut Workshop<'_>) -> Result<(), IndexError> {
        if self.described.is_empty() {
            return Ok(());
        }
        let count = (self.described.len() / DIRECTORY_ENTRY_BYTES) as u16;
        workshop.scratch.clear();
        workshop
            .scratch
            .extend_from_slice(&self.row.run.to_le_bytes());
        workshop.scratch.extend_from_slice(&count.to_le_bytes());
        workshop.scratch.resize(DIRECTORY_HEADER_BYTES, 0);
        workshop.scratch.append(&mut self.described);
        workshop.scratch.resize(PAGE_BYTES, 0);
        let page = workshop.write(&mut self.used)?;
        self.row.directory.push(page);
        Ok(())
    }

    /// The last row that the run covers.
    pub(super) fn last_row(&self) -> u64 {
        self.row.last_row
    }

    /// Writes what is left and the run's row; `None` if there was no entry. From the commit of this transaction on the run is there.
    pub(super) fn finish(
        &mut self,
        workshop: &mut Workshop<'_>,
    ) -> Result<Option<Run>, IndexError> {
        if self.row.entries == 0 {
            return Ok(None);
        }
        self.write_page(workshop)?;
        self.write_directory(workshop)?;
        workshop.schema.write_run(workshop.connection, &self.row)?;
        let mut pages = std::mem::take(&mut self.pages);
        pages.first_keys.shrink_to_fit();
        pages.numbers.shrink_to_fit();
        pages.filters.shrink_to_fit();
        Ok(Some(Run {
            row: self.row.clone(),
            pages,
        }))
    }
}
