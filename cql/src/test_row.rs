//! A test as its row says it.

use chrono::NaiveDate;
use scylla::DeserializeRow;
use sistema_ts_model::{
    Caller, Cun, Life, Origin, RegionCode, StructureReference, TestKind, TestResult, Timestamp,
};
use sistema_ts_store::{ListedTest, TestView, stored};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::place::{Place, encode_region};
use crate::statement::Statement;

/// The columns of a test, as they are read. A mark may stand without its test, which has not arrived or never will: then there is no caller.
#[derive(Debug, DeserializeRow)]
pub(crate) struct TestColumns {
    pub(crate) time: i64,
    pub(crate) code: i64,
    caller: Option<String>,
    structure: Option<String>,
    swab_day: Option<i32>,
    positive: Option<bool>,
    with_warnings: Option<bool>,
    accessed_at: Option<i64>,
    negative: Option<Vec<u8>>,
    receipt: Option<Vec<u8>>,
    attempt: Option<i64>,
    void: Option<bool>,
    cancelled: Option<bool>,
}

/// A test that is there: its attempt has not lost against another.
#[derive(Clone, Debug)]
pub(crate) struct TestRow {
    pub(crate) place: Place,
    pub(crate) caller: Caller,
    pub(crate) structure: StructureReference,
    pub(crate) swab_day: i32,
    pub(crate) result: TestResult,
    pub(crate) with_warnings: bool,
    pub(crate) accessed_at: Timestamp,
    /// The MAC of a negative's fiscal code, unless it is erased.
    pub(crate) negative: Option<Vec<u8>>,
    /// The claim of its request's key, if it had one: pseudonym and attempt.
    pub(crate) claim: Option<(Vec<u8>, i64)>,
    pub(crate) is_cancelled: bool,
}

impl TestColumns {
    /// The test that the columns are of, if it is there.
    pub(crate) fn decode(self, region: RegionCode, part: i8) -> Result<Option<TestRow>, Failure> {
        let place = Place {
            region,
            part,
            ..Place::decode(
                crate::place::encode_region(region),
                part,
                self.time,
                self.code,
            )?
        };
        let Some(caller) = self.caller.filter(|_| self.void != Some(true)) else {
            return Ok(None);
        };
        let structure = self.structure.as_deref();
        let structure = structure.and_then(stored::decode_structure);
        let accessed_at = self.accessed_at.and_then(Timestamp::from_millis);
        let result = match self.positive {
            Some(true) => TestResult::Positive,
            Some(false) => TestResult::Negative,
            None => return Err(Failure::Corrupt("the result of a test")),
        };
        Ok(Some(TestRow {
            place,
            caller: decode_caller(&caller)?,
            structure: structure.ok_or(Failure::Corrupt("the structure of a test"))?,
            swab_day: self.swab_day.ok_or(Failure::Corrupt("the day of a swab"))?,
            result,
            with_warnings: self.with_warnings.unwrap_or_default(),
            accessed_at: accessed_at.ok_or(Failure::Corrupt("the time of an access"))?,
            // Overwritten by nothing when it is erased.
            negative: self.negative.filter(|mac| !mac.is_empty()),
            claim: self.receipt.zip(self.attempt),
            is_cancelled: self.cancelled == Some(true),
        }))
    }
}

impl TestRow {
    /// What of this row never changes.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            issued_at: self.place.time,
            result: self.result,
            submitter: self.caller,
        }
    }

    /// The day whose key its person is sealed with.
    pub(crate) fn key_day(&self) -> NaiveDate {
        self.place.time.rome_day()
    }

    /// Its code.
    pub(crate) fn cun(&self) -> Cun {
        self.place.cun
    }

    /// The day of the swab.
    pub(crate) fn swab_date(&self) -> NaiveDate {
        date_of(self.swab_day)
    }

    /// What callers of the store see of it.
    pub(crate) fn into_view(self, life: Life) -> TestView {
        TestView {
            cun: self.place.cun,
            inserted_at: self.place.time,
            caller: self.caller,
            swab_date: self.swab_date(),
            structure: self.structure,
            kind: TestKind::Molecular,
            result: self.result,
            life,
        }
    }

    /// What a list says of it.
    pub(crate) fn into_listed(self) -> ListedTest {
        ListedTest {
            cun: self.place.cun,
            inserted_at: self.place.time,
            swab_date: self.swab_date(),
            structure: self.structure,
            kind: TestKind::Molecular,
            result: self.result,
        }
    }
}

/// A part of an hour of a region: a partition of tests.
#[derive(Clone, Copy)]
pub(crate) struct PartOfHour {
    pub(crate) region: RegionCode,
    pub(crate) hour: i32,
    pub(crate) part: i8,
}

impl PartOfHour {
    /// Its tests after a place (time and code) and before a time, in order, of at most so many rows; and the last place that was read, if there may be more.
    pub(crate) async fn tests(
        self,
        cluster: &Cluster,
        after: (i64, i64),
        until: i64,
        limit: usize,
    ) -> Result<(Vec<TestRow>, Option<(i64, i64)>), Failure> {
        let Self { region, hour, part } = self;
        let most = i32::try_from(limit).unwrap_or(i32::MAX);
        let values = (
            encode_region(region),
            hour,
            part,
            after.0,
            after.1,
            until,
            most,
        );
        let columns: Vec<TestColumns> = cluster.read(Statement::ListHour, values).await?;
        let cut = columns.last().filter(|_| columns.len() >= limit);
        let cut = cut.map(|columns| (columns.time, columns.code));
        let tests = columns
            .into_iter()
            .filter_map(|columns| columns.decode(region, part).transpose())
            .collect::<Result<_, _>>()?;
        Ok((tests, cut))
    }
}

/// A stored caller.
pub(crate) fn decode_caller(key: &str) -> Result<Caller, Failure> {
    Caller::from_key(key).map_err(|_| Failure::Corrupt("a caller"))
}

/// A stored day, counted from 1970-01-01. One that is out of range is of a damaged row, and shows as 1970.
pub(crate) fn date_of(day: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(day).unwrap_or_default()
}
