//! Adding records.

use rand::RngExt as _;
use sistema_ts_store::AccessRecord;

use super::row::{AccessPlace, FIRST_NUMBER, NewRecord, region_of};
use crate::core::Core;
use crate::failure::Failure;
use crate::place::PARTS;
use crate::statement::Statement;

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
            let columns = NewRecord::of(&place, record);
            result = self.cluster.write(Statement::RecordAccess, columns).await;
            if result.is_ok() {
                break;
            }
        }
        result.map_err(Failure::unknown)
    }
}
