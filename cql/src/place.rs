//! Where a test's row lies: its partition by region, hour and part, in which rows are in the order of their times.

use aws_lc_rs::digest;
use sistema_ts_model::{Cun, RegionCode, StructureDescription, StructureReference, Timestamp};
use sistema_ts_store::stored;

use crate::failure::Failure;

/// Milliseconds of an hour.
pub(crate) const HOUR_MILLIS: i64 = 3_600_000;
/// Into so many parts a region's hour is cut, so that no partition gets large.
pub(crate) const PARTS: i8 = 4;

/// The place of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) region: RegionCode,
    pub(crate) part: i8,
    pub(crate) time: Timestamp,
    pub(crate) cun: Cun,
}

impl Place {
    /// As its columns say.
    pub(crate) fn decode(region: i16, part: i8, time: i64, code: i64) -> Result<Self, Failure> {
        Ok(Self {
            region: decode_region(region)?,
            part,
            time: Timestamp::from_millis(time).ok_or(Failure::Corrupt("the time of a test"))?,
            cun: decode_cun(code)?,
        })
    }

    /// The column `region`.
    pub(crate) fn region_column(&self) -> i16 {
        encode_region(self.region)
    }

    /// The column `hour`.
    pub(crate) fn hour(&self) -> i32 {
        hour_of(self.time)
    }

    /// The column `time`.
    pub(crate) fn time_column(&self) -> i64 {
        self.time.millis()
    }

    /// The column `code`.
    pub(crate) fn code(&self) -> i64 {
        encode_cun(self.cun)
    }

    /// What an update of the test's row is bound to: its timestamp, then the row's key.
    pub(crate) fn update_key(&self, timestamp: i64) -> (i64, i16, i32, i8, i64, i64) {
        (
            timestamp,
            self.region_column(),
            self.hour(),
            self.part,
            self.time_column(),
            self.code(),
        )
    }

    /// The timestamp of what the submission writes.
    pub(crate) fn timestamp(&self) -> i64 {
        timestamp(self.time)
    }

    /// The timestamp of what overwrites or erases that at `now`: later than what the submission has written, whatever the clocks of two servers say.
    pub(crate) fn later_timestamp(&self, now: Timestamp) -> i64 {
        timestamp(now.max(self.time.plus_millis(1)))
    }
}

/// The hour that a moment lies in, counted from 1970.
pub(crate) fn hour_of(moment: Timestamp) -> i32 {
    // Timestamps end with the century: some 1,140,000 hours.
    moment.millis().div_euclid(HOUR_MILLIS) as i32
}

/// A moment as the timestamp of a write, in microseconds.
pub(crate) fn timestamp(moment: Timestamp) -> i64 {
    moment.millis() * 1_000
}

/// The part of its region's hours in which a structure's tests lie: all in one, so that a structure's list reads few partitions.
pub(crate) fn part_of(structure: &str) -> i8 {
    let hash = digest::digest(&digest::SHA256, structure.as_bytes());
    // A remainder below four.
    (hash.as_ref()[0] % PARTS as u8) as i8
}

/// The text under which a structure's tests are listed. Descriptions that differ in their characters' forms alone are one.
pub(crate) fn listed_under(structure: &StructureReference, region: RegionCode) -> String {
    let StructureReference::Description(description) = structure else {
        return stored::encode_structure(structure, region);
    };
    let normalized = StructureDescription::parse(&description.normalized());
    // A description stays one when its characters are composed, and gets no longer.
    let normalized = normalized.unwrap_or_else(|_| description.clone());
    stored::encode_structure(&StructureReference::Description(normalized), region)
}

pub(crate) fn encode_region(region: RegionCode) -> i16 {
    // Below 1,000.
    stored::encode_region(region) as i16
}

pub(crate) fn decode_region(region: i16) -> Result<RegionCode, Failure> {
    let region = u16::try_from(region).ok();
    let region = region.and_then(stored::decode_region);
    region.ok_or(Failure::Corrupt("a region"))
}

pub(crate) fn encode_cun(cun: Cun) -> i64 {
    // Below 25^9, which is less than 2^42.
    cun.number() as i64
}

pub(crate) fn decode_cun(code: i64) -> Result<Cun, Failure> {
    let number = u64::try_from(code).ok();
    let cun = number.and_then(Cun::from_number);
    cun.ok_or(Failure::Corrupt("a code"))
}

/// The key of a code's claims: the first eight bytes of its digest, by which codes are known whose text nobody keeps.
pub(crate) fn code_key(digest: &[u8; 32]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
