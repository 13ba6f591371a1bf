//! Searching the archive, on a thread that reads.

use rusqlite::Connection;
use sistema_ts_model::{Caller, CodiceFiscale};
use sistema_ts_store::{AccessPage, AccessPosition, AccessQuery, AccessRecord, StoreToken};

use super::chunk;
use super::columns::{self, COLUMNS};
use crate::day::Day;
use crate::failure::Failure;
use crate::files::Files;

/// Memory for pages of one file while it is read, in KiB.
const CACHE_KIB: u32 = 1_024;
/// Positions of copied submissions come after those of single records: this and their row.
const SUBMISSIONS: i64 = 1 << 62;

/// The newest row of tests whose submission is in the archive, for readers other than the access keeper.
pub(super) fn copied_through(files: &Files) -> Result<i64, Failure> {
    for day in files.access_days()?.into_iter().rev() {
        let Some(connection) = open(files, day)? else {
            continue;
        };
        let last: Option<i64> =
            connection.query_row("SELECT max(last_row) FROM submissions", [], |row| {
                row.get(0)
            })?;
        if let Some(last) = last {
            return Ok(last);
        }
    }
    Ok(0)
}

/// Opens a day's file, unless it has just been removed for its age or is still being made.
fn open(files: &Files, day: Day) -> Result<Option<Connection>, Failure> {
    let path = files.access(day);
    let connection = match files.open_reader(&path, CACHE_KIB) {
        Err(_) if !path.exists() => return Ok(None),
        opened => opened?,
    };
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((version > 0).then_some(connection))
}

/// Reads one page. Submissions count as far as row `through`.
pub(crate) fn search(
    files: &Files,
    query: &AccessQuery,
    through: i64,
) -> Result<AccessPage, Failure> {
    let mut page = AccessPage {
        records: Vec::new(),
        next: None,
    };
    // A submission is filed under the day of its insertion, which may be the one after that of the access.
    let (first, last) = (
        Day::of(query.from),
        Day(Day::of(query.to).0.saturating_add(1)),
    );
    let after = query.after.map(|after| {
        let part = i32::try_from(after.part.number()).unwrap_or(i32::MAX);
        (Day(part), after.record.number())
    });
    for day in files.access_days()? {
        if day < first || day > last || after.is_some_and(|(after_day, _)| day < after_day) {
            continue;
        }
        let after = after
            .filter(|(after_day, _)| *after_day == day)
            .map_or(i64::MIN, |(_, record)| record);
        let Some(connection) = open(files, day)? else {
            continue;
        };
        search_records(&connection, day, query, after, &mut page)?;
        let rows = (after.max(SUBMISSIONS) - SUBMISSIONS, through);
        search_submissions(&connection, day, query, rows, &mut page)?;
        if page.next.is_some() {
            break;
        }
    }
    Ok(page)
}

/// The single records of one day.
fn search_records(
    connection: &Connection,
    day: Day,
    query: &AccessQuery,
    after: i64,
    page: &mut AccessPage,
) -> Result<(), Failure> {
    if after >= SUBMISSIONS {
        return Ok(());
    }
    let mut select = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM records
         WHERE id > ?1 AND accessed_ms >= ?2 AND accessed_ms < ?3
           AND (?4 IS NULL OR operator = ?4) AND (?5 IS NULL OR caller = ?5) AND (?6 IS NULL OR transaction_id = ?6)
         ORDER BY id"
    ))?;
    let mut rows = select.query((
        after,
        query.from.millis(),
        query.to.millis(),
        query.operator.as_ref().map(CodiceFiscale::expose),
        query
            .caller
            .as_ref()
            .map(|caller: &Caller| caller.to_key().to_string()),
        query.transaction.map(|transaction| transaction.to_string()),
    ))?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if !take(page, position(day, id), query.limit, columns::decode(row)?) {
            return Ok(());
        }
    }
    Ok(())
}

/// The copied submissions of one day, of the rows after the first number and through the second. They have no operator.
fn search_submissions(
    connection: &Connection,
    day: Day,
    query: &AccessQuery,
    (after_row, through): (i64, i64),
    page: &mut AccessPage,
) -> Result<(), Failure> {
    if query.operator.is_some() || page.next.is_some() {
        return Ok(());
    }
    let mut select = connection.prepare(
        "SELECT entries FROM submissions WHERE last_row > ?1 AND last_ms >= ?2 AND first_ms < ?3 ORDER BY last_row",
    )?;
    let mut chunks = select.query((after_row, query.from.millis(), query.to.millis()))?;
    while let Some(row) = chunks.next()? {
        for (number, record) in chunk::decode(
            row.get_ref(0)?
                .as_blob()
                .map_err(|_| crate::rows::corrupt("a chunk"))?,
        )? {
            if number > after_row
                && number <= through
                && query.matches(&record)
                && !take(
                    page,
                    position(day, SUBMISSIONS + number),
                    query.limit,
                    record,
                )
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn position(day: Day, record: i64) -> AccessPosition {
    AccessPosition {
        part: StoreToken::of_number(day.0.into()),
        record: StoreToken::of_number(record),
    }
}

/// Adds a record to a page; says no, and notes that there is more, if the page is full.
fn take(page: &mut AccessPage, at: AccessPosition, limit: usize, found: AccessRecord) -> bool {
    if page.records.len() >= limit {
        return false;
    }
    page.records.push(found);
    if page.records.len() == limit {
        // There may be more, or not: the next page tells.
        page.next = Some(at);
    }
    page.records.len() < limit
}
