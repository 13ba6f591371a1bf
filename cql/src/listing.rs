//! The list of tests (§2.4.3). A region's hours lie in parts, each in the order of its times, which are merged; a structure's tests are looked up by
//! the places that its own list names.
//!
//! A mark is the time of its taking and the permitted clock error: what was answered before has no later time, by whichever server's clock.

use sistema_ts_model::{Cun, RegionCode, StructureReference, Timestamp};
use sistema_ts_store::{
    ListingMark, ListingPage, ListingPosition, ListingRequest, ListingScope, StoreToken,
};

use crate::core::Core;
use crate::failure::Failure;
use crate::lookup::start_of_hour;
use crate::place::{PARTS, decode_cun, encode_region, hour_of, listed_under, part_of};
use crate::statement::Statement;
use crate::test_row::{PartOfHour, TestColumns, TestRow};

/// So many hours of a region are read at once where few tests are.
const MOST_HOURS: i32 = 8;
/// So many hours are looked at for one page, before an empty one says where to go on.
const HOURS_OF_A_PAGE: i32 = 24 * 15;
/// So many places of a structure are read at once.
const MOST_PLACES: usize = 1_000;

/// Where a page goes on, and where it ends.
#[derive(Clone, Copy)]
struct Span {
    after_time: i64,
    after_code: i64,
    until: i64,
}

impl Span {
    fn of(request: &ListingRequest) -> Self {
        let until = request.mark.at.millis().saturating_add(1);
        let until = request.to.millis().min(until);
        match request.after {
            Some(position) => Self {
                after_time: position.inserted_at.millis(),
                after_code: position.token.number(),
                until,
            },
            None => Self {
                after_time: request.from.millis().saturating_sub(1),
                after_code: i64::MAX,
                until,
            },
        }
    }

    /// The first moment that may be in it.
    fn first(&self) -> Timestamp {
        Timestamp::from_millis_clamped(self.after_time)
    }

    fn last(&self) -> Timestamp {
        Timestamp::from_millis_clamped(self.until.saturating_sub(1))
    }

    fn is_empty(&self) -> bool {
        self.after_time >= self.until
    }
}

fn position(time: Timestamp, cun: Cun) -> ListingPosition {
    ListingPosition {
        inserted_at: time,
        // Below 2^42.
        token: StoreToken::of_number(cun.number() as i64),
    }
}

impl Core {
    pub(crate) fn listing_mark(&self) -> ListingMark {
        ListingMark {
            at: self.now().plus_millis(self.options.clock_error_millis),
            token: StoreToken::default(),
        }
    }

    pub(crate) async fn list_page(&self, request: &ListingRequest) -> Result<ListingPage, Failure> {
        let span = Span::of(request);
        if request.limit == 0 || span.is_empty() {
            return Ok(ListingPage {
                tests: Vec::new(),
                next: None,
            });
        }
        // What is past its time is gone, and need not be looked for.
        let kept = self.now().minus_millis(self.options.retention_millis);
        let first = span.first().max(kept);
        match &request.scope {
            ListingScope::Region(_) => self.list_region(request, span, first).await,
            ListingScope::Structure(id) => {
                let structure = StructureReference::Identifier(*id);
                let structure = listed_under(&structure, id.region);
                self.list_structure(request, span, first, &structure).await
            }
            ListingScope::Description(region, description) => {
                let structure = StructureReference::Description(description.clone());
                let structure = listed_under(&structure, *region);
                self.list_structure(request, span, first, &structure).await
            }
        }
    }

    async fn list_region(
        &self,
        request: &ListingRequest,
        span: Span,
        first: Timestamp,
    ) -> Result<ListingPage, Failure> {
        let (mut hour, last) = (hour_of(first), hour_of(span.last()));
        let end = last.min(hour.saturating_add(HOURS_OF_A_PAGE));
        let mut tests: Vec<TestRow> = Vec::new();
        let mut hours_at_once = 1;
        while hour <= end {
            let hours = hour..=end.min(hour + hours_at_once - 1);
            hour = hours.end() + 1;
            // Hours at once as long as few tests are found.
            hours_at_once = (hours_at_once * 2).min(MOST_HOURS);
            let reads = hours.flat_map(|hour| (0..PARTS).map(move |part| (hour, part)));
            let reads = reads.map(|(hour, part)| self.list_part(request, span, hour, part));
            let parts = futures_util::future::try_join_all(reads).await?;
            // Of a part that was cut nothing is known beyond its last row, so what lies beyond that is left to the next page.
            let mut known = None;
            let mut found = Vec::new();
            for part in parts {
                if let Some(cut) = part.cut {
                    known = Some(known.map_or(cut, |known: (i64, i64)| known.min(cut)));
                }
                found.extend(part.rows);
            }
            found.sort_unstable_by_key(place_of);
            if let Some(known) = known {
                found.retain(|row| place_of(row) <= known);
            }
            tests.extend(found);
            if tests.len() >= request.limit {
                break;
            }
            if let Some((time, code)) = known {
                let next = position(Timestamp::from_millis_clamped(time), decode_cun(code)?);
                return Ok(self.page(tests, request.limit, Some(next)));
            }
        }
        let next = (hour <= last).then(|| {
            let before = start_of_hour(hour).minus_millis(1);
            ListingPosition {
                inserted_at: before,
                token: StoreToken::of_number(i64::MAX),
            }
        });
        Ok(self.page(tests, request.limit, next))
    }

    /// A page of these tests, all that stand up to `next`.
    fn page(
        &self,
        mut tests: Vec<TestRow>,
        limit: usize,
        next: Option<ListingPosition>,
    ) -> ListingPage {
        // More than the page holds: it ends with the last that it holds.
        let last = limit.checked_sub(1).and_then(|last| tests.get(last));
        let next = last.map_or(next, |row| Some(position(row.place.time, row.place.cun)));
        tests.truncate(limit);
        let is_kept = |row: &TestRow| !row.is_cancelled && self.is_kept(row.place.time);
        ListingPage {
            tests: tests
                .into_iter()
                .filter(is_kept)
                .map(TestRow::into_listed)
                .collect(),
            next,
        }
    }

    async fn list_part(
        &self,
        request: &ListingRequest,
        span: Span,
        hour: i32,
        part: i8,
    ) -> Result<Part, Failure> {
        let region = request.scope.region();
        let partition = PartOfHour { region, hour, part };
        let after = (span.after_time, span.after_code);
        let tests = partition.tests(&self.cluster, after, span.until, request.limit);
        let (rows, cut) = tests.await?;
        Ok(Part { rows, cut })
    }

    /// A structure's days, one after another: places first, then the tests there.
    async fn list_structure(
        &self,
        request: &ListingRequest,
        span: Span,
        first: Timestamp,
        structure: &str,
    ) -> Result<ListingPage, Failure> {
        let region = request.scope.region();
        let (first, last) = (first.rome_day(), span.last().rome_day());
        let limit = request.limit.min(MOST_PLACES);
        let mut tests = Vec::new();
        for day in first.iter_days().take_while(|day| *day <= last) {
            let mut after = (span.after_time, span.after_code);
            loop {
                let values = (
                    encode_region(region),
                    structure,
                    day.to_epoch_days(),
                    after.0,
                    after.1,
                    span.until,
                    limit as i32,
                );
                let places: Vec<(i64, i64)> =
                    self.cluster.read(Statement::ListStructure, values).await?;
                let Some(end) = places.last().copied() else {
                    break;
                };
                let found = self.tests_at(region, part_of(structure), &places).await?;
                tests.extend(found);
                if tests.len() >= request.limit {
                    let next = position(Timestamp::from_millis_clamped(end.0), decode_cun(end.1)?);
                    return Ok(self.page(tests, request.limit, Some(next)));
                }
                if places.len() < limit {
                    break;
                }
                after = end;
            }
        }
        Ok(self.page(tests, request.limit, None))
    }

    /// The tests at places of one part of a region, which ascend: those of an hour by one statement.
    async fn tests_at(
        &self,
        region: RegionCode,
        part: i8,
        places: &[(i64, i64)],
    ) -> Result<Vec<TestRow>, Failure> {
        let hour = |place: &(i64, i64)| hour_of(Timestamp::from_millis_clamped(place.0));
        let reads =
            places
                .chunk_by(|one, other| hour(one) == hour(other))
                .map(|of_hour| async move {
                    let values = (encode_region(region), hour(&of_hour[0]), part, of_hour);
                    let columns: Vec<TestColumns> =
                        self.cluster.read(Statement::ListPlaces, values).await?;
                    columns
                        .into_iter()
                        .filter_map(|columns| columns.decode(region, part).transpose())
                        .collect::<Result<Vec<_>, Failure>>()
                });
        let mut found: Vec<TestRow> = futures_util::future::try_join_all(reads)
            .await?
            .into_iter()
            .flatten()
            .collect();
        found.sort_unstable_by_key(place_of);
        Ok(found)
    }
}

fn place_of(row: &TestRow) -> (i64, i64) {
    (row.place.time_column(), row.place.code())
}

/// What was read of one part of an hour.
struct Part {
    rows: Vec<TestRow>,
    /// The last place that was read, if there may be more.
    cut: Option<(i64, i64)>,
}
