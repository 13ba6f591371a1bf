//! The archive after a clock that was ahead: records of the future get a time that has been, and lie in that day's file.

use std::path::Path;

use rusqlite::Connection;
use sistema_ts_model::{Timestamp, TransactionId, Verdict};
use sistema_ts_store::{AccessDetail, AccessRecord, stored};

use super::chunk::{self, Chunk, Entry};
use crate::day::Day;
use crate::failure::Failure;
use crate::files::{Files, WriteMode};
use crate::rows;
use crate::schema;

/// Memory for pages of one file, in KiB.
const CACHE_KIB: u32 = 4_096;
/// Columns of single records that hold a time.
const TIMES: [&str; 2] = ["accessed_ms", "ended_ms"];

/// Gives the archive's records that are later than `now` this time, in their order, and puts those of later days into today's file. Answers how
/// many records had another time. A file that is merged is noted in today's together with its records: see [`finish_merging`].
pub(crate) fn repair_archive(files: &Files, now: Timestamp) -> Result<usize, Failure> {
    let today = Day::of(now);
    let later: Vec<Day> = files
        .access_days()?
        .into_iter()
        .filter(|day| *day > today)
        .collect();
    if later.is_empty() && !files.access(today).exists() {
        return Ok(0);
    }
    let archive = open(files, today)?;
    let mut repaired = restamp(&archive, now)?;
    for day in later {
        // What its log still holds comes into the file.
        let of_day = open(files, day)?;
        of_day.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(of_day);
        repaired += merge(&archive, &files.access(day), day, now)?;
        forget_merged(files, &archive)?;
    }
    archive.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(repaired)
}

/// Completes what a repair that was killed had begun, which merged later files into that of `day`: those whose records are there are removed,
/// so that a repetition makes none twice.
pub(crate) fn finish_merging(files: &Files, day: Day) -> Result<(), Failure> {
    if files.access(day).exists() {
        forget_merged(files, &open(files, day)?)?;
    }
    Ok(())
}

fn open(files: &Files, day: Day) -> Result<Connection, Failure> {
    let mode = WriteMode {
        exclusive: false,
        cache_kib: CACHE_KIB,
    };
    let (connection, _) = files.open_writer(&files.access(day), mode)?;
    schema::prepare_access(&connection)?;
    Ok(connection)
}

/// Removes the files whose records are in this one.
fn forget_merged(files: &Files, archive: &Connection) -> Result<(), Failure> {
    let merged: Vec<i32> = archive
        .prepare("SELECT day FROM merged")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for day in merged {
        files.remove(&files.access(Day(day)))?;
        archive.execute("DELETE FROM merged WHERE day = ?1", [day])?;
    }
    Ok(())
}

/// Gives the records of this file that are later than `now` this time.
fn restamp(archive: &Connection, now: Timestamp) -> Result<usize, Failure> {
    let transaction = archive.unchecked_transaction()?;
    let mut repaired = archive.execute(
        "UPDATE records SET accessed_ms = min(accessed_ms, ?1), ended_ms = min(ended_ms, ?1) WHERE max(accessed_ms, ifnull(ended_ms, 0)) > ?1",
        [now.millis()],
    )?;
    for (last_row, entries) in chunks(archive, "main", now)? {
        let (chunk, changed) = restamped(&entries, now)?;
        archive.execute(
            "UPDATE submissions SET first_ms = ?2, last_ms = ?3, entries = ?4 WHERE last_row = ?1",
            (last_row, chunk.first_ms(), chunk.last_ms(), chunk.encode()),
        )?;
        repaired += changed;
    }
    transaction.commit()?;
    Ok(repaired)
}

/// Adds the records of a later day's file to this one, and notes in the same transaction that they are here.
fn merge(archive: &Connection, later: &Path, day: Day, now: Timestamp) -> Result<usize, Failure> {
    let path = later
        .to_str()
        .ok_or_else(|| rows::corrupt("the name of a file"))?;
    archive.execute("ATTACH ?1 AS later", [path])?;
    let merged = merge_attached(archive, day, now);
    archive.execute("DETACH later", [])?;
    merged
}

fn merge_attached(archive: &Connection, day: Day, now: Timestamp) -> Result<usize, Failure> {
    let transaction = archive.unchecked_transaction()?;
    let columns: Vec<String> = archive
        .prepare("SELECT name FROM pragma_table_info('records') WHERE name <> 'id' ORDER BY cid")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let values: Vec<String> = columns
        .iter()
        .map(|column| match TIMES.contains(&column.as_str()) {
            true => format!("min({column}, ?1)"),
            false => column.clone(),
        })
        .collect();
    let mut repaired = archive.execute(
        &format!(
            "INSERT INTO main.records ({}) SELECT {} FROM later.records ORDER BY id",
            columns.join(", "),
            values.join(", ")
        ),
        [now.millis()],
    )?;
    for (last_row, entries) in chunks(archive, "later", Timestamp::MIN)? {
        let (chunk, changed) = restamped(&entries, now)?;
        archive.execute(
            "INSERT INTO main.submissions (last_row, first_ms, last_ms, entries) VALUES (?1, ?2, ?3, ?4)",
            (last_row, chunk.first_ms(), chunk.last_ms(), chunk.encode()),
        )?;
        repaired += changed;
    }
    archive.execute("INSERT INTO main.merged (day) VALUES (?1)", [day.0])?;
    transaction.commit()?;
    Ok(repaired)
}

/// The chunks of a file with a submission after `after`.
fn chunks(
    archive: &Connection,
    file: &str,
    after: Timestamp,
) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    let mut select = archive.prepare(&format!(
        "SELECT last_row, entries FROM {file}.submissions WHERE last_ms > ?1 ORDER BY last_row"
    ))?;
    let chunks = select.query_map([after.millis()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(chunks.collect::<Result<_, _>>()?)
}

/// A chunk whose submissions came at `now` at the latest, and how many of them came later before.
fn restamped(bytes: &[u8], now: Timestamp) -> Result<(Chunk, usize), Failure> {
    let records = chunk::decode(bytes)?;
    let mut chunk = Chunk::new(Day::of(now));
    let mut texts = Numbers::default();
    let mut changed = 0;
    for (row, record) in records {
        changed += usize::from(record.accessed_at > now);
        let (caller, structure) = texts_of(&record)?;
        let entry = Entry {
            row,
            cun: match record.transaction {
                TransactionId::Cun(cun) => cun,
                _ => return Err(rows::corrupt("a submission without a code")),
            },
            accessed_ms: record.accessed_at.min(now).millis(),
            caller: texts.number(&caller),
            structure: texts.number(&structure),
            with_warnings: record.verdict == Verdict::DoneWithWarnings,
        };
        chunk.push(entry, &caller, &structure);
    }
    Ok((chunk, changed))
}

/// Caller and structure of a submission as a chunk holds them.
fn texts_of(record: &AccessRecord) -> Result<(String, String), Failure> {
    let AccessDetail::Submission {
        structure: Some(structure),
    } = &record.detail
    else {
        return Err(rows::corrupt("a submission without a structure"));
    };
    let region = record
        .caller
        .region()
        .ok_or_else(|| rows::corrupt("a submission without a region"))?;
    Ok((
        record.caller.to_key().to_string(),
        stored::encode_structure(structure, region),
    ))
}

/// Numbers for the texts of one chunk.
#[derive(Default)]
struct Numbers(std::collections::HashMap<String, i64>);

impl Numbers {
    fn number(&mut self, text: &str) -> i64 {
        let next = self.0.len() as i64;
        *self.0.entry(text.to_owned()).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    //! A failure: a record that a repair which was killed leaves out, or makes twice.
    #![allow(clippy::unwrap_used)]

    use sistema_ts_model::{Caller, RegionCode, Timestamp, TransactionId, Verdict};
    use sistema_ts_store::{AccessDetail, AccessRecord};

    use super::{finish_merging, merge, open, repair_archive};
    use crate::access::columns;
    use crate::day::Day;
    use crate::files::Files;

    const NOW: i64 = 1_795_503_600_000;
    const DAY_MILLIS: i64 = 86_400_000;

    fn add(files: &Files, at: Timestamp) {
        let record = AccessRecord {
            accessed_at: at,
            caller: Caller::Region(RegionCode::parse("010").unwrap()),
            verdict: Verdict::Done,
            outcomes: Vec::new(),
            transaction: TransactionId::random(),
            detail: AccessDetail::AslOtp { operator: None },
        };
        columns::insert(&open(files, Day::of(at)).unwrap(), &record).unwrap();
    }

    fn times(files: &Files) -> Vec<i64> {
        let mut times = Vec::new();
        for day in files.access_days().unwrap() {
            let archive = open(files, day).unwrap();
            let mut select = archive
                .prepare("SELECT accessed_ms FROM records ORDER BY id")
                .unwrap();
            let of_day = select.query_map([], |row| row.get::<_, i64>(0)).unwrap();
            times.extend(of_day.map(Result::unwrap));
        }
        times
    }

    #[test]
    fn a_repair_killed_between_two_of_its_steps_is_completed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), None);
        let now = Timestamp::from_millis(NOW).unwrap();
        let later = |days: i64| now.plus_millis(days * DAY_MILLIS);
        add(&files, now.minus_millis(5));
        for days in [40, 40, 41] {
            add(&files, later(days));
        }
        // Killed with the first file's records in today's and the file still there.
        let today = Day::of(now);
        let day = Day::of(later(40));
        merge(&open(&files, today).unwrap(), &files.access(day), day, now).unwrap();
        assert_eq!(times(&files).len(), 6);

        // The next one comes a day later.
        let next = later(1);
        finish_merging(&files, today).unwrap();
        assert_eq!(repair_archive(&files, next).unwrap(), 1);
        assert_eq!(
            times(&files),
            [NOW - 5, NOW, NOW, NOW + DAY_MILLIS],
            "in their order, each once"
        );
        // The same days come again from the future, and are merged again.
        add(&files, later(40));
        assert_eq!(repair_archive(&files, next).unwrap(), 1);
        assert_eq!(times(&files).len(), 5);
        assert_eq!(repair_archive(&files, next).unwrap(), 0);
    }
}
