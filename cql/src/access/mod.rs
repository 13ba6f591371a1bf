//! Access records (§2.5, §3.4, §5.2), in the order of their times: by region of the caller, hour and part.
//!
//! A submission pays no statement for its record: as long as its test is kept the record is derived from it. Tests are kept for two weeks, so a
//! day later the records are copied, each under its code: whoever copies writes the same rows. A record lies at the same place before and after,
//! and an hour is read from the tests until it is noted that its copy is complete. So nothing is found twice or missed, whenever that happens.

mod archive;
mod copy;
mod hours;
mod row;
mod search;

use rand::RngExt as _;
use sistema_ts_store::AccessRecord;

pub use archive::CqlAccessArchive;
pub(crate) use hours::NotedHours;

use crate::core::Core;
use crate::failure::Failure;
use crate::place::PARTS;
use crate::statement::Statement;
use row::{AccessPlace, region_of};

/// Numbers of records of their own begin here: above all codes, under which copies lie.
const FIRST_NUMBER: i64 = 1 << 62;
/// So often is a record sent, before its outcome is told to be unknown.
const MOST_TRIES: usize = 3;

impl Core {
    /// Adds a record.
    pub(crate) async fn record_access(&self, record: &AccessRecord) -> Result<(), Failure> {
        let region = region_of(&record.caller);
        self.note_hour(region, record.accessed_at).await?;
        let (id, part) = {
            let mut generator = rand::rng();
            let id = generator.random_range(FIRST_NUMBER..=i64::MAX);
            (id, generator.random_range(0..PARTS))
        };
        let place = AccessPlace {
            region,
            part,
            time: record.accessed_at,
            id,
        };
        let mut result = Ok(());
        for _ in 0..MOST_TRIES {
            let columns = row::NewRecord::of(&place, record);
            result = self.cluster.write(Statement::RecordAccess, columns).await;
            if result.is_ok() {
                break;
            }
        }
        result.map_err(Failure::unknown)
    }
}
