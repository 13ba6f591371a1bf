//! A row of the file of tests, read back.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row};
use sistema_ts_model::{
    Caller, Cun, Life, Origin, RegionCode, StructureReference, TestKind, TestResult, Timestamp,
};
use sistema_ts_store::keys::Mac;
use sistema_ts_store::{StoreError, TestView, stored};

use super::day::Day;
use super::failure::Failure;
use super::index::View;

/// `flags`: the test is positive.
pub(super) const POSITIVE: i64 = 1;
/// `flags`: the submission was answered with warnings.
pub(super) const WITH_WARNINGS: i64 = 2;

/// Length of a receipt in its row: 16 bytes of the key's hash, 16 of the content's MAC.
pub(super) const RECEIPT_LEN: usize = 32;

/// A row of `tests` with what its dictionaries say.
#[derive(Debug)]
pub(super) struct TestRow {
    pub(super) row: i64,
    pub(super) cun: Cun,
    pub(super) inserted_at: Timestamp,
    /// The day of its key, where a repair of the clock has given it another time.
    key_day: Option<Day>,
    pub(super) caller: Caller,
    pub(super) structure: StructureReference,
    pub(super) swab_day: Day,
    pub(super) result: TestResult,
    pub(super) contact: Option<Vec<u8>>,
    pub(super) negative: Option<Mac>,
    pub(super) receipt: Option<[u8; RECEIPT_LEN]>,
    pub(super) life: Life,
}

pub(super) const SELECT: &str = "
    SELECT t.row, t.cun, t.inserted_ms, c.key, s.reference, t.swab_day, t.flags, t.contact, t.negative, t.receipt, t.life, t.key_day
    FROM tests t JOIN callers c ON c.id = t.caller JOIN structures s ON s.id = t.structure
    WHERE t.row = ?1";

impl TestRow {
    /// The row with this number, if it is there.
    pub(super) fn read(connection: &Connection, row: i64) -> Result<Option<TestRow>, Failure> {
        let mut statement = connection.prepare_cached(SELECT)?;
        let found = statement
            .query_row([row], |row| Ok(TestRow::decode(row)))
            .optional()?;
        found.transpose().map_err(|failure| match failure {
            Failure::Alone(StoreError::Corrupt { what }) => corrupt(&format!("{what} (row {row})")),
            other => other,
        })
    }

    /// The row of this code, by the late index, with the row's own word for it.
    pub(super) fn find(
        connection: &Connection,
        index: &View,
        cun: Cun,
    ) -> Result<Option<TestRow>, Failure> {
        for candidate in index.candidates(connection, cun_key(&cun.digest()))? {
            if let Some(row) = TestRow::read(connection, candidate as i64)?
                && row.cun == cun
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn decode(row: &Row<'_>) -> Result<TestRow, Failure> {
        let flags: i64 = column(row, 6)?;
        Ok(TestRow {
            row: column(row, 0)?,
            cun: decode_cun(column(row, 1)?)?,
            inserted_at: Timestamp::from_millis_clamped(column(row, 2)?),
            key_day: column::<Option<i32>>(row, 11)?.map(Day),
            caller: decode_caller(row.get_ref(3)?.as_str().map_err(|_| corrupt("a caller"))?)?,
            structure: decode_structure(
                row.get_ref(4)?
                    .as_str()
                    .map_err(|_| corrupt("a structure"))?,
            )?,
            swab_day: Day(column(row, 5)?),
            result: decode_result(flags),
            contact: column(row, 7)?,
            negative: column(row, 8)?,
            receipt: column(row, 9)?,
            life: Life::decode(
                row.get_ref(10)?
                    .as_blob_or_null()
                    .map_err(|_| corrupt("a life"))?,
            )?,
        })
    }

    /// What of this row never changes.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            issued_at: self.inserted_at,
            result: self.result,
            submitter: self.caller,
        }
    }

    /// The day whose key and whose patients' file the row belongs to.
    pub(super) fn day(&self) -> Day {
        self.key_day.unwrap_or_else(|| Day::of(self.inserted_at))
    }

    /// What callers of the store see of it.
    pub(super) fn into_view(self) -> TestView {
        TestView {
            cun: self.cun,
            inserted_at: self.inserted_at,
            caller: self.caller,
            structure: self.structure,
            swab_date: self.swab_day.date(),
            kind: TestKind::Molecular,
            result: self.result,
            life: self.life,
        }
    }
}

/// A column's value. One that is of another kind, or out of its range, is damage of this row alone.
fn column<T: FromSql>(row: &Row<'_>, index: usize) -> Result<T, Failure> {
    use rusqlite::Error;
    row.get(index).map_err(|error| match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => corrupt("a value"),
        error => error.into(),
    })
}

/// The key of a code in the late index: the first eight bytes of its digest.
pub(super) fn cun_key(digest: &[u8; 32]) -> u64 {
    first_eight(digest)
}

/// The first eight bytes, as the late index takes them.
pub(super) fn first_eight<const N: usize>(bytes: &[u8; N]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(first)
}

pub(super) fn decode_cun(number: i64) -> Result<Cun, Failure> {
    u64::try_from(number)
        .ok()
        .and_then(Cun::from_number)
        .ok_or_else(|| corrupt("a code"))
}

pub(super) fn decode_result(flags: i64) -> TestResult {
    if flags & POSITIVE != 0 {
        TestResult::Positive
    } else {
        TestResult::Negative
    }
}

pub(super) fn decode_caller(key: &str) -> Result<Caller, Failure> {
    Caller::from_key(key).map_err(|_| corrupt("a caller"))
}

/// Reads a structure as it stands in its dictionary.
pub(super) fn decode_structure(text: &str) -> Result<StructureReference, Failure> {
    stored::decode_structure(text).ok_or_else(|| corrupt("a structure"))
}

/// Reads a region's column.
pub(super) fn decode_region(number: i64) -> Result<RegionCode, Failure> {
    let number = u16::try_from(number).ok();
    let region = number.and_then(stored::decode_region);
    region.ok_or_else(|| corrupt("a region"))
}

/// A datum that no version of this store writes.
pub(super) fn corrupt(what: &str) -> Failure {
    Failure::Alone(StoreError::Corrupt {
        what: what.to_owned(),
    })
}
