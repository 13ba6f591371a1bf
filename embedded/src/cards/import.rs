//! Importing cards: sorted runs, each committed with the place reached, then one merge, then a rename. An import that was interrupted goes on
//! from its last run; what a server sees is always the last one that was completed.

use std::fs::File;
use std::path::Path;

use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{
    AdditionError, AdditionName, CardEntry, CardError, CardImport, CardKey, ImportProgress,
};
use sistema_ts_store::register::RegisterKey;

use super::additions;
use super::files::{
    Entry, Paths, day_number, failed, io_failed, lock, open_whole, put_in_place, remove,
};
use super::runs::Runs;

/// Entries of one run: what is sorted in memory, some 50 MB.
const RUN_ENTRIES: usize = 1_000_000;

/// `to_day` of a card without an end.
const NO_END: i64 = i64::MAX;

/// An import at work; one at a time.
pub struct EmbeddedCardImport {
    runs: Runs,
    progress: ImportProgress,
    entries: Vec<Entry>,
    run_entries: usize,
    /// Held while the import is at work.
    _lock: File,
}

impl EmbeddedCardImport {
    /// Begins an import, or goes on with an interrupted one of the same source; `source` tells one source from another. One of another source
    /// is given up, and so is any if `restart` says so.
    ///
    /// # Errors
    /// [`CardError::ImportUnderWay`], and those of the files.
    pub fn begin(
        folder: &Path,
        key: &RegisterKey,
        source: &[u8],
        restart: bool,
    ) -> Result<Self, CardError> {
        Self::begin_with(folder, key, source, restart, RUN_ENTRIES)
    }

    /// The same with so many entries in a run.
    pub(super) fn begin_with(
        folder: &Path,
        key: &RegisterKey,
        source: &[u8],
        restart: bool,
        run_entries: usize,
    ) -> Result<Self, CardError> {
        let paths = Paths::in_folder(folder);
        std::fs::create_dir_all(folder).map_err(io_failed)?;
        let lock = lock(&paths)?;
        let key = CardKey::derived_from(key)?;
        remove(&paths.new)?;
        let (runs, progress) = Runs::begin(paths, key, source, restart)?;
        Ok(Self {
            runs,
            progress,
            entries: Vec::new(),
            run_entries,
            _lock: lock,
        })
    }

    /// Writes what is in memory as a run.
    fn write_run(&mut self, progress: ImportProgress) -> Result<(), CardError> {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.runs.write(&self.entries, progress)?;
        self.entries.clear();
        self.progress = progress;
        Ok(())
    }

    fn end_runs(&mut self, progress: ImportProgress) -> Result<(), CardError> {
        if !self.entries.is_empty() {
            self.write_run(progress)?;
        }
        if self.runs.is_empty() {
            return Err(CardError::Empty);
        }
        Ok(())
    }

    fn merge_within(&self, now: Timestamp, maximum_loss: u64) -> Result<u64, CardError> {
        let cards = self.runs.merge_onto(None, now, &mut |_, _| Ok(()))?;
        let registered = registered(&self.runs.paths.register);
        let kept = 100_u64.saturating_sub(maximum_loss);
        // Wider than 64 bits: no number of cards is too great to be compared.
        if u128::from(cards) * 100 < u128::from(registered) * u128::from(kept) {
            return Err(CardError::FarFewer { cards, registered });
        }
        Ok(cards)
    }
}

impl CardImport for EmbeddedCardImport {
    fn progress(&self) -> ImportProgress {
        self.progress
    }

    fn add(&mut self, entry: &CardEntry, progress: ImportProgress) -> Result<(), CardError> {
        self.entries.push((
            self.runs.key.person(&entry.fiscal_code),
            self.runs.key.card(Some(&entry.fiscal_code), &entry.digits),
            day_number(entry.valid_from),
            entry.valid_to.map_or(NO_END, day_number),
        ));
        if self.entries.len() >= self.run_entries {
            self.write_run(progress)?;
        }
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        progress: ImportProgress,
        now: Timestamp,
        maximum_loss: u64,
    ) -> Result<u64, CardError> {
        self.end_runs(progress)?;
        let cards = self.merge_within(now, maximum_loss).inspect_err(|_| {
            // What stays behind is removed by the next import.
            let _ = remove(&self.runs.paths.new);
        })?;
        put_in_place(&self.runs.paths.new, &self.runs.paths.register)?;
        // What was added to the register that is gone is not in this one.
        additions::forget_all(&self.runs.paths)?;
        self.runs.remove()?;
        Ok(cards)
    }

    fn finish_adding(
        mut self: Box<Self>,
        name: &AdditionName,
        progress: ImportProgress,
        now: Timestamp,
    ) -> Result<(u64, u64), AdditionError> {
        self.end_runs(progress)?;
        let added = additions::add(&self.runs, name, now)?;
        self.runs.remove()?;
        Ok(added)
    }
}

/// How many cards the register in use holds; one that cannot be read holds none that an import could lose.
fn registered(path: &Path) -> u64 {
    if !path.exists() {
        return 0;
    }
    open_whole(path)
        .and_then(|register| {
            register
                .query_row("SELECT cards FROM about", [], |row| row.get::<_, i64>(0))
                .map_err(failed)
        })
        .map_or(0, i64::unsigned_abs)
}

#[cfg(test)]
mod tests;
