//! An access record as its row.

use scylla::{DeserializeRow, SerializeRow};
use sistema_ts_model::{Caller, Timestamp};
use sistema_ts_store::stored::AccessColumns;
use sistema_ts_store::{AccessRecord, StoreError};

use crate::failure::Failure;
use crate::place::{encode_region, hour_of, timestamp};
use crate::test_row::TestRow;

/// Numbers of records of their own begin here: above all codes, under which copies lie.
pub(super) const FIRST_NUMBER: i64 = 1 << 62;

/// The column `region` of callers that have none.
const NO_REGION: i16 = 0;

/// The column `region` of a caller's records: it is the same for those that are derived from its tests.
pub(super) fn region_of(caller: &Caller) -> i16 {
    caller.region().map_or(NO_REGION, encode_region)
}

/// The place of a record.
pub(super) struct AccessPlace {
    pub(super) region: i16,
    pub(super) part: i8,
    /// When it was accessed, or when its test was recorded.
    pub(super) time: Timestamp,
    pub(super) id: i64,
}

/// The columns of [`crate::statement::Statement::RecordAccess`].
#[derive(SerializeRow)]
pub(super) struct NewRecord {
    region: i16,
    hour: i32,
    part: i8,
    time: i64,
    id: i64,
    accessed_at: i64,
    service: String,
    caller: String,
    operator: Option<String>,
    transaction: String,
    outcome: String,
    errors: String,
    structure: Option<String>,
    authentication: Option<String>,
    ended_at: Option<i64>,
    session: Option<String>,
    cun: Option<String>,
    confirmation: Option<String>,
    options: Option<String>,
    client_address: Option<String>,
    timestamp: i64,
}

impl NewRecord {
    pub(super) fn of(place: &AccessPlace, record: &AccessRecord) -> Self {
        let columns = AccessColumns::encode(record);
        Self {
            region: place.region,
            hour: hour_of(place.time),
            part: place.part,
            time: place.time.millis(),
            id: place.id,
            accessed_at: columns.accessed_ms,
            service: columns.service,
            caller: columns.caller,
            operator: columns.operator,
            transaction: columns.transaction,
            outcome: columns.outcome,
            errors: columns.errors,
            structure: columns.structure,
            authentication: columns.authentication,
            ended_at: columns.ended_ms,
            session: columns.session,
            cun: columns.cun,
            confirmation: columns.confirmation,
            options: columns.options,
            client_address: columns.client_address,
            timestamp: timestamp(place.time),
        }
    }
}

/// The columns of a record, as they are read.
#[derive(DeserializeRow)]
pub(super) struct RecordColumns {
    pub(super) time: i64,
    pub(super) id: i64,
    accessed_at: Option<i64>,
    service: Option<String>,
    caller: Option<String>,
    operator: Option<String>,
    transaction: Option<String>,
    outcome: Option<String>,
    errors: Option<String>,
    structure: Option<String>,
    authentication: Option<String>,
    ended_at: Option<i64>,
    session: Option<String>,
    cun: Option<String>,
    confirmation: Option<String>,
    options: Option<String>,
    client_address: Option<String>,
}

impl RecordColumns {
    /// The record, or where it lies that no version up to this one has written.
    pub(super) fn decode(self, region: i16, hour: i32, part: i8) -> Result<AccessRecord, Failure> {
        let (time, id) = (self.time, self.id);
        let columns = AccessColumns {
            accessed_ms: self.accessed_at.unwrap_or(time),
            service: self.service.unwrap_or_default(),
            caller: self.caller.unwrap_or_default(),
            operator: self.operator,
            transaction: self.transaction.unwrap_or_default(),
            outcome: self.outcome.unwrap_or_default(),
            errors: self.errors.unwrap_or_default(),
            structure: self.structure,
            authentication: self.authentication,
            ended_ms: self.ended_at,
            session: self.session,
            cun: self.cun,
            confirmation: self.confirmation,
            options: self.options,
            client_address: self.client_address,
        };
        columns.decode().map_err(|what| {
            // A copy lies under its code, which no text names.
            let id = match id >= FIRST_NUMBER {
                true => format!(" and id = {id}"),
                false => String::new(),
            };
            Failure::Store(StoreError::Corrupt {
                what: format!(
                    "{what}, in the row of access.record with region = {region}, hour = {hour}, part = {part}, time = {time}{id}"
                ),
            })
        })
    }
}

/// The record of a submission, as its test implies it.
pub(super) fn of_test(test: TestRow) -> AccessRecord {
    let cun = test.cun();
    AccessRecord::of_submission(
        test.accessed_at,
        test.caller,
        cun,
        test.structure,
        test.with_warnings,
    )
}
