//! Copying the records of submissions, before their tests end.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::hours::{NotedHour, noted_hours};
use super::row::{AccessPlace, NewRecord, of_test};
use super::search::tests_of;
use crate::core::Core;
use crate::failure::Failure;
use crate::place::{PARTS, decode_region, hour_of};
use crate::statement::Statement;

/// An hour is copied once it is over for so many hours: what was sent has arrived then, late hints included.
const WAIT_HOURS: i32 = 24;
/// Tests are kept for so many hours, at most.
const KEPT_HOURS: i32 = 17 * 24;
/// So many copies are under way at once.
const MOST_STATEMENTS: usize = 32;

impl Core {
    /// Copies the records of submissions that are a day old, hour by hour; says whether there may be more, once it has copied `limit` records. Several
    /// servers may do so at once: all write the same.
    pub(crate) async fn copy_access_records(&self, limit: usize) -> Result<bool, Failure> {
        let last = hour_of(self.now()) - WAIT_HOURS - 1;
        let first = self.copied_through.load(Ordering::Acquire);
        let first = first.max(last - KEPT_HOURS);
        let mut count = 0;
        for noted in noted_hours(&self.cluster, first, last).await? {
            if count >= limit {
                return Ok(true);
            }
            if !noted.is_copied {
                // Those of callers without a region have no tests.
                if decode_region(noted.region).is_ok() {
                    count += self.copy_hour(noted).await?;
                }
                self.note_copied(&noted).await?;
            }
        }
        self.copied_through.fetch_max(last, Ordering::AcqRel);
        Ok(false)
    }

    async fn copy_hour(&self, noted: NotedHour) -> Result<usize, Failure> {
        let mut count = 0;
        for part in 0..PARTS {
            let mut after = (i64::MIN, i64::MIN);
            loop {
                let (tests, cut) = tests_of(&self.cluster, noted, part, after).await?;
                count += tests.len();
                let copies = tests.into_iter().map(|(key, test)| {
                    let place = AccessPlace {
                        region: noted.region,
                        part,
                        time: test.place.time,
                        id: key.1,
                    };
                    let columns = NewRecord::of(&place, &of_test(test));
                    self.cluster.write(Statement::RecordAccess, columns)
                });
                futures_util::stream::iter(copies)
                    .buffer_unordered(MOST_STATEMENTS)
                    .try_collect::<()>()
                    .await?;
                match cut {
                    Some(cut) => after = cut,
                    None => break,
                }
            }
        }
        Ok(count)
    }
}
