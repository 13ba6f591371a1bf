//! Searching the archive: hour by hour, within an hour all regions and parts at once, merged by time and number.

use futures_util::{StreamExt as _, TryStreamExt as _};
use sistema_ts_model::Timestamp;
use sistema_ts_store::{AccessPage, AccessPosition, AccessQuery, AccessRecord, StoreToken};

use super::hours::{NotedHour, noted_hours};
use super::row::{RecordColumns, of_test, region_of};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::place::{HOUR_MILLIS, PARTS, decode_region, hour_of};
use crate::statement::Statement;
use crate::test_row::{PartOfHour, TestRow};

/// So many rows are read at once of one part.
const MOST_ROWS: usize = 500;
/// So many hours are read at once where few records are.
const MOST_HOURS: usize = 16;
/// So many statements are under way at once.
const MOST_STATEMENTS: usize = 32;

/// A record's place in the order of the archive.
type Key = (i64, i64);

/// Reads one page.
pub(super) async fn search(cluster: &Cluster, query: &AccessQuery) -> Result<AccessPage, Failure> {
    let mut page = AccessPage {
        records: Vec::new(),
        next: None,
    };
    let mut after: Key = match query.after {
        Some(position) => (position.part.number(), position.record.number()),
        None => (i64::MIN, i64::MIN),
    };
    let mut hours = hours_of(cluster, query, after.0).await?;
    let mut at_once = 1;
    while !hours.is_empty() && query.limit > 0 {
        let count = hours
            .chunk_by(|one, other| one.hour == other.hour)
            .take(at_once)
            .map(<[NotedHour]>::len)
            .sum();
        let (found, known) = read_hours(cluster, &hours[..count], after).await?;
        for (key, record) in found {
            after = key;
            if query.matches(&record) {
                page.records.push(record);
            }
            if page.records.len() == query.limit {
                // There may be more, or not: the next page tells.
                page.next = Some(AccessPosition {
                    part: StoreToken::of_number(key.0),
                    record: StoreToken::of_number(key.1),
                });
                return Ok(page);
            }
        }
        match known {
            None => {
                hours.drain(..count);
                at_once = (at_once * 2).min(MOST_HOURS);
            }
            Some(known) => {
                after = known;
                let hour = hour_of(Timestamp::from_millis_clamped(known.0));
                hours.retain(|noted| noted.hour >= hour);
                at_once = 1;
            }
        }
    }
    Ok(page)
}

/// The noted hours that may have what is looked for. A submission lies where its test does, which is recorded within the hour after its access.
async fn hours_of(
    cluster: &Cluster,
    query: &AccessQuery,
    after: i64,
) -> Result<Vec<NotedHour>, Failure> {
    let first = hour_of(query.from.minus_millis(HOUR_MILLIS));
    let after = hour_of(Timestamp::from_millis_clamped(after));
    let last = hour_of(query.to.plus_millis(HOUR_MILLIS));
    let mut hours = noted_hours(cluster, first.max(after), last).await?;
    if let Some(region) = query.caller.as_ref().map(region_of) {
        hours.retain(|noted| noted.region == region);
    }
    Ok(hours)
}

/// What these hours have after a place, in order; and the place up to which that is all, if there may be more.
async fn read_hours(
    cluster: &Cluster,
    hours: &[NotedHour],
    after: Key,
) -> Result<(Vec<(Key, AccessRecord)>, Option<Key>), Failure> {
    let mut reads = Vec::with_capacity(hours.len() * PARTS as usize);
    for noted in hours {
        reads.extend((0..PARTS).map(|part| read_part(cluster, *noted, part, after)));
    }
    let parts: Vec<Part> = futures_util::stream::iter(reads)
        .buffer_unordered(MOST_STATEMENTS)
        .try_collect()
        .await?;
    let known = parts.iter().filter_map(|part| part.cut).min();
    let mut found: Vec<_> = parts.into_iter().flat_map(|part| part.found).collect();
    found.sort_by_key(|(key, _)| *key);
    // A copy that is under way has what is derived from the tests as well, at the same places.
    found.dedup_by_key(|(key, _)| *key);
    if let Some(known) = known {
        found.retain(|(key, _)| *key <= known);
    }
    Ok((found, known))
}

/// What was read of one part of an hour.
struct Part {
    found: Vec<(Key, AccessRecord)>,
    /// The last place that was read, if there may be more.
    cut: Option<Key>,
}

async fn read_part(
    cluster: &Cluster,
    noted: NotedHour,
    part: i8,
    after: Key,
) -> Result<Part, Failure> {
    let mut read = read_records(cluster, noted, part, after).await?;
    if !noted.is_copied && decode_region(noted.region).is_ok() {
        let tests = read_tests(cluster, noted, part, after).await?;
        read.found.extend(tests.found);
        read.cut = read.cut.into_iter().chain(tests.cut).min();
    }
    Ok(read)
}

async fn read_records(
    cluster: &Cluster,
    noted: NotedHour,
    part: i8,
    (time, id): Key,
) -> Result<Part, Failure> {
    let NotedHour { hour, region, .. } = noted;
    let values = (region, hour, part, time, id, MOST_ROWS as i32);
    let columns: Vec<RecordColumns> = cluster.read(Statement::ListAccess, values).await?;
    let key = |columns: &RecordColumns| (columns.time, columns.id);
    let is_cut = columns.len() >= MOST_ROWS;
    Ok(Part {
        cut: columns.last().filter(|_| is_cut).map(key),
        found: columns
            .into_iter()
            .map(|columns| Ok((key(&columns), columns.decode(region, hour, part)?)))
            .collect::<Result<_, Failure>>()?,
    })
}

/// The records that tests imply.
async fn read_tests(
    cluster: &Cluster,
    noted: NotedHour,
    part: i8,
    after: Key,
) -> Result<Part, Failure> {
    let (tests, cut) = tests_of(cluster, noted, part, after).await?;
    let found = tests.into_iter().map(|(key, test)| (key, of_test(test)));
    Ok(Part {
        found: found.collect(),
        cut,
    })
}

/// Some tests of a part of an hour after a place, in order, with their places; and the last place that was read, if there may be more.
pub(super) async fn tests_of(
    cluster: &Cluster,
    noted: NotedHour,
    part: i8,
    after: Key,
) -> Result<(Vec<(Key, TestRow)>, Option<Key>), Failure> {
    let hour = PartOfHour {
        region: decode_region(noted.region)?,
        hour: noted.hour,
        part,
    };
    let (tests, cut) = hour.tests(cluster, after, i64::MAX, MOST_ROWS).await?;
    let with_place = |test: TestRow| ((test.place.time_column(), test.place.code()), test);
    Ok((tests.into_iter().map(with_place).collect(), cut))
}
