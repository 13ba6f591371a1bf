//! Reading the archive from another process, beside a running server or without one.

use std::path::Path;

use rusqlite::Connection;
use sistema_ts_model::Timestamp;
use sistema_ts_store::{AccessArchive, AccessQuery, AccessRecord, StoreError};

use super::search;
use crate::failure::Failure;
use crate::files::Files;
use crate::rows::{self, WITH_WARNINGS};

/// Memory for pages of the file of tests, in KiB.
const CACHE_KIB: u32 = 1_024;
/// Submissions read at once from the file of tests, so that its log is never held for long.
const ROWS_AT_ONCE: i64 = 4_096;

/// The archive of access records of an embedded store, opened for reading alone. A running server is neither kept out nor kept waiting.
#[derive(Debug)]
pub struct EmbeddedAccessArchive {
    files: Files,
}

impl EmbeddedAccessArchive {
    /// Looks for the archive in a store's folder. Blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if there is no store in the folder.
    pub fn open(folder: &Path) -> Result<EmbeddedAccessArchive, StoreError> {
        let files = Files::of_visitor(folder);
        if !files.tests().exists() {
            return Err(StoreError::Unavailable {
                reason: "there is no store in the data folder".to_owned(),
            });
        }
        Ok(EmbeddedAccessArchive { files })
    }

    fn search_uncopied(
        &self,
        query: &AccessQuery,
        copied_through: i64,
        found: &mut dyn FnMut(AccessRecord) -> bool,
    ) -> Result<(), Failure> {
        let tests = self.files.open_reader(&self.files.tests(), CACHE_KIB)?;
        let mut after = copied_through;
        loop {
            let (records, last) = uncopied(&tests, after)?;
            for record in records {
                if query.matches(&record) && !found(record) {
                    return Ok(());
                }
            }
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}

impl AccessArchive for EmbeddedAccessArchive {
    fn search(
        &self,
        query: &AccessQuery,
        found: &mut dyn FnMut(AccessRecord) -> bool,
    ) -> Result<(), StoreError> {
        // Submissions of the last seconds, which are not in the archive yet, are read where they are.
        // The server goes on copying submissions: from here on they count as copied only as far as they are now.
        let copied_through = search::copied_through(&self.files)?;
        let mut query = query.clone();
        loop {
            let page = search::search(&self.files, &query, copied_through)?;
            for record in page.records {
                if !found(record) {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        if query.operator.is_none() {
            self.search_uncopied(&query, copied_through, found)?;
        }
        Ok(())
    }
}

/// Some submissions after a row, and the last row of them.
fn uncopied(tests: &Connection, after: i64) -> Result<(Vec<AccessRecord>, Option<i64>), Failure> {
    let mut select = tests.prepare_cached(
        "SELECT t.row, t.cun, t.inserted_ms, t.accessed_before, c.key, s.reference, t.flags
         FROM tests t JOIN callers c ON c.id = t.caller JOIN structures s ON s.id = t.structure
         WHERE t.row > ?1 ORDER BY t.row LIMIT ?2",
    )?;
    let mut rows = select.query((after, ROWS_AT_ONCE))?;
    let (mut records, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        let caller: String = row.get(4)?;
        let structure: String = row.get(5)?;
        let with_warnings = row.get::<_, i64>(6)? & WITH_WARNINGS != 0;
        let accessed_ms = row.get::<_, i64>(2)? - row.get::<_, i64>(3)?;
        records.push(AccessRecord::of_submission(
            Timestamp::from_millis_clamped(accessed_ms),
            rows::decode_caller(&caller)?,
            rows::decode_cun(row.get(1)?)?,
            rows::decode_structure(&structure)?,
            with_warnings,
        ));
    }
    Ok((records, last))
}
