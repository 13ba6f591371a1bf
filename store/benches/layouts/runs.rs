//! A late index as sorted runs of blob pages: 250 entries of 16 bytes in a row that just fills one SQLite page, the first
//! key of each page in memory. Full memories become runs of level 0; eight runs of a level are merged into one of the next,
//! always in slices bounded by the number of new records, inside the transaction that writes those.
//!
//! Pages freed by a merge are overwritten by later runs, never deleted: with `secure_delete`, a deletion writes the page once more.

use std::sync::{Arc, RwLock};

use rusqlite::{Connection, params};

use crate::database::Result;
use crate::memory::{Entry, InOrder, Memory};

/// Entries of a page.
pub const PAGE_ENTRIES: usize = 250;
/// Runs of one level that are merged into one of the next.
const FAN_IN: usize = 8;
/// Entries written for each new record while work is pending: one for the run of level 0, one for each level above it,
/// and one to be done before the next memory is full.
const ENTRIES_PER_RECORD: usize = 4;

/// A sorted run: where its pages are and with which key each begins.
pub struct Run {
    pub level: u8,
    pub fences: Vec<u64>,
    pub slots: Vec<u32>,
}

/// What readers see. A reader holds the lock while it reads, so that a page is overwritten only when nobody can want it.
pub struct Shared {
    pub newest: Memory,
    pub frozen: Option<Arc<Memory>>,
    pub runs: Vec<Arc<Run>>,
}

/// The writer's side of the index.
pub struct RunsIndex {
    pub shared: Arc<RwLock<Shared>>,
    capacity: usize,
    free: Vec<u32>,
    next_slot: u32,
    flush: Option<Job>,
    merge: Option<Job>,
    finished: Vec<Job>,
}

enum Source {
    Memory(InOrder),
    Run {
        run: Arc<Run>,
        page: usize,
        entries: Vec<Entry>,
        next: usize,
    },
}

struct Job {
    sources: Vec<Source>,
    heads: Vec<Option<Entry>>,
    inputs: Vec<Arc<Run>>,
    output: Run,
    page: Vec<u8>,
}

impl RunsIndex {
    pub fn create(connection: &Connection) -> Result<()> {
        connection.execute_batch(
            "CREATE TABLE page(slot INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
             CREATE TABLE run(first_slot INTEGER PRIMARY KEY, level INTEGER NOT NULL, slots BLOB NOT NULL) STRICT;",
        )
    }

    pub fn new(capacity: usize) -> RunsIndex {
        let shared = Shared {
            newest: Memory::for_entries(capacity),
            frozen: None,
            runs: Vec::new(),
        };
        RunsIndex {
            shared: Arc::new(RwLock::new(shared)),
            capacity,
            free: Vec::new(),
            next_slot: 1,
            flush: None,
            merge: None,
            finished: Vec::new(),
        }
    }

    /// Pending work, within the caller's transaction, in proportion to the new records.
    pub fn slice(&mut self, connection: &Connection, new_records: usize) -> Result<()> {
        let mut budget = new_records * ENTRIES_PER_RECORD;
        for kind in [true, false] {
            let slot = if kind {
                &mut self.flush
            } else {
                &mut self.merge
            };
            let Some(mut job) = slot.take() else { continue };
            let done = job.advance(connection, &mut budget, &mut self.free, &mut self.next_slot)?;
            if done {
                self.finished.push(job);
            } else if kind {
                self.flush = Some(job);
            } else {
                self.merge = Some(job);
            }
        }
        Ok(())
    }

    /// After the commit: the new entries become visible, finished runs replace what they were made of, new work is found.
    pub fn committed(&mut self, entries: impl Iterator<Item = Entry>) {
        let mut shared = self
            .shared
            .write()
            .expect("no reader panics while it holds the lock");
        for (key, sequence) in entries {
            shared.newest.insert(key, sequence);
        }
        for job in self.finished.drain(..) {
            if job.inputs.is_empty() {
                shared.frozen = None;
            }
            shared
                .runs
                .retain(|run| !job.inputs.iter().any(|input| Arc::ptr_eq(run, input)));
            for input in &job.inputs {
                self.free.extend_from_slice(&input.slots);
            }
            shared.runs.push(Arc::new(job.output));
        }
        if shared.newest.len() >= self.capacity && shared.frozen.is_none() {
            let full = std::mem::replace(&mut shared.newest, Memory::for_entries(self.capacity));
            let full = Arc::new(full);
            shared.frozen = Some(full.clone());
            self.flush = Some(Job::new(
                vec![Source::Memory(InOrder::new(full))],
                Vec::new(),
                0,
            ));
        }
        if self.merge.is_none() {
            self.merge = Self::find_merge(&shared.runs);
        }
    }

    fn find_merge(runs: &[Arc<Run>]) -> Option<Job> {
        (0..u8::MAX)
            .take_while(|level| runs.iter().any(|run| run.level >= *level))
            .find_map(|level| {
                let inputs: Vec<_> = runs
                    .iter()
                    .filter(|run| run.level == level)
                    .take(FAN_IN)
                    .cloned()
                    .collect();
                (inputs.len() == FAN_IN).then(|| {
                    let sources = inputs.iter().map(|run| Source::Run {
                        run: run.clone(),
                        page: 0,
                        entries: Vec::new(),
                        next: 0,
                    });
                    Job::new(sources.collect(), inputs.clone(), level + 1)
                })
            })
    }

    /// Whether nothing is pending but the newest entries in memory.
    pub fn idle(&self) -> bool {
        self.flush.is_none() && self.merge.is_none()
    }

    /// Adopts a run that a bulk load has written.
    pub fn adopt(&mut self, run: Run) {
        self.next_slot = self
            .next_slot
            .max(run.slots.iter().max().map_or(1, |slot| slot + 1));
        self.shared
            .write()
            .expect("no reader panics while it holds the lock")
            .runs
            .push(Arc::new(run));
    }
}

impl Job {
    fn new(sources: Vec<Source>, inputs: Vec<Arc<Run>>, level: u8) -> Job {
        Job {
            heads: Vec::new(),
            sources,
            inputs,
            output: Run {
                level,
                fences: Vec::new(),
                slots: Vec::new(),
            },
            page: Vec::with_capacity(PAGE_ENTRIES * 16),
        }
    }

    /// Moves up to `budget` entries; true when the run is complete.
    fn advance(
        &mut self,
        connection: &Connection,
        budget: &mut usize,
        free: &mut Vec<u32>,
        next_slot: &mut u32,
    ) -> Result<bool> {
        if self.heads.is_empty() {
            for source in &mut self.sources {
                self.heads.push(source.next(connection)?);
            }
        }
        while *budget > 0 {
            let mut least: Option<(usize, Entry)> = None;
            for (index, head) in self.heads.iter().enumerate() {
                if let Some(entry) = head
                    && least.is_none_or(|(_, smallest)| *entry < smallest)
                {
                    least = Some((index, *entry));
                }
            }
            let Some((index, (key, sequence))) = least else {
                self.write_page(connection, free, next_slot)?;
                return self.write_directory(connection).map(|()| true);
            };
            if self.page.is_empty() {
                self.output.fences.push(key);
            }
            self.page.extend_from_slice(&key.to_le_bytes());
            self.page.extend_from_slice(&sequence.to_le_bytes());
            if self.page.len() == PAGE_ENTRIES * 16 {
                self.write_page(connection, free, next_slot)?;
            }
            self.heads[index] = self.sources[index].next(connection)?;
            *budget -= 1;
        }
        Ok(false)
    }

    fn write_page(
        &mut self,
        connection: &Connection,
        free: &mut Vec<u32>,
        next_slot: &mut u32,
    ) -> Result<()> {
        if self.page.is_empty() {
            return Ok(());
        }
        let slot = match free.pop() {
            Some(slot) => {
                connection
                    .prepare_cached("UPDATE page SET entries = ?2 WHERE slot = ?1")?
                    .execute(params![slot, self.page.as_slice()])?;
                slot
            }
            None => {
                connection
                    .prepare_cached("INSERT INTO page VALUES(?1, ?2)")?
                    .execute(params![*next_slot, self.page.as_slice()])?;
                *next_slot += 1;
                *next_slot - 1
            }
        };
        self.output.slots.push(slot);
        self.page.clear();
        Ok(())
    }

    /// One row that names the run's pages, and the removal of those of its inputs: what a restart reads.
    fn write_directory(&self, connection: &Connection) -> Result<()> {
        for input in &self.inputs {
            connection
                .prepare_cached("DELETE FROM run WHERE first_slot = ?1")?
                .execute([input.slots[0]])?;
        }
        let slots: Vec<u8> = self
            .output
            .slots
            .iter()
            .flat_map(|slot| slot.to_le_bytes())
            .collect();
        connection
            .prepare_cached("INSERT INTO run VALUES(?1, ?2, ?3)")?
            .execute(params![self.output.slots[0], self.output.level, slots])
            .map(drop)
    }
}

impl Source {
    fn next(&mut self, connection: &Connection) -> Result<Option<Entry>> {
        match self {
            Source::Memory(in_order) => Ok(in_order.next()),
            Source::Run {
                run,
                page,
                entries,
                next,
            } => {
                if *next == entries.len() {
                    let Some(slot) = run.slots.get(*page) else {
                        return Ok(None);
                    };
                    entries.clear();
                    let mut select =
                        connection.prepare_cached("SELECT entries FROM page WHERE slot = ?1")?;
                    select.query_row([*slot], |row| {
                        let bytes = row.get_ref(0)?.as_blob()?;
                        entries.extend(bytes.chunks_exact(16).map(decode));
                        Ok(())
                    })?;
                    *page += 1;
                    *next = 0;
                }
                *next += 1;
                Ok(Some(entries[*next - 1]))
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Entry {
    let (key, sequence) = bytes.split_at(8);
    let number = |bytes: &[u8]| {
        u64::from_le_bytes(bytes.try_into().expect("eight bytes, by the split above"))
    };
    (number(key), number(sequence) as i64)
}

/// The sequence of `key`, read beside the writer.
pub fn find(shared: &RwLock<Shared>, connection: &Connection, key: u64) -> Result<Option<i64>> {
    let shared = shared
        .read()
        .expect("the writer does not panic while it holds the lock");
    if let Some(found) = shared.newest.find(key) {
        return Ok(Some(found));
    }
    if let Some(found) = shared.frozen.as_ref().and_then(|frozen| frozen.find(key)) {
        return Ok(Some(found));
    }
    let mut select = connection.prepare_cached("SELECT entries FROM page WHERE slot = ?1")?;
    for run in shared.runs.iter().rev() {
        let page = run.fences.partition_point(|fence| *fence <= key);
        if page == 0 {
            continue;
        }
        let found = select.query_row([run.slots[page - 1]], |row| {
            let bytes = row.get_ref(0)?.as_blob()?;
            let (entries, _) = bytes.as_chunks::<16>();
            Ok(entries
                .binary_search_by_key(&key, |entry| decode(entry).0)
                .ok()
                .map(|at| decode(&entries[at]).1))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
