//! A submission, as its caller's thread prepares it for the writer.

use sistema_ts_model::{Caller, Cun, RegionCode, StructureReference, TestResult, Timestamp};
use sistema_ts_store::keys::{DayKey, LookupTag, Mac, Purpose};
use sistema_ts_store::{NewTest, StoreError};

use super::day::Day;
use super::rows::{self, POSITIVE, RECEIPT_LEN, WITH_WARNINGS};

/// Makes the row of a submission, by the values that the writer gives in this order.
pub(super) const INSERT: &str = "
    INSERT INTO tests (row, cun, inserted_ms, caller, region, structure, swab_day, flags, accessed_before, contact, negative, receipt)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// A submission, sealed and hashed under the key of the day that its caller's thread read on the clock.
pub(super) struct Submission {
    pub(super) day: Day,
    pub(super) check_value: [u8; 16],
    pub(super) cun: Cun,
    pub(super) cun_key: u64,
    /// The row up to which the code was found to be free.
    pub(super) cun_checked_through: i64,
    pub(super) caller: Caller,
    /// The structure and its region, by which a description is told apart.
    pub(super) structure: (RegionCode, StructureReference),
    pub(super) swab_day: Day,
    pub(super) flags: i64,
    pub(super) accessed_at: Timestamp,
    pub(super) contact: Option<Vec<u8>>,
    pub(super) person: Person,
    pub(super) receipt: Option<ReceiptEntry>,
}

/// What is kept of the fiscal code.
pub(super) enum Person {
    /// A positive's, for the patients' archive.
    Positive { sealed: Vec<u8>, tag: LookupTag },
    /// A negative's.
    Negative(Mac),
}

/// A receipt to be bound by this submission.
pub(super) struct ReceiptEntry {
    /// Hash of the key and MAC of the content, as stored.
    pub(super) stored: [u8; RECEIPT_LEN],
    /// The row up to which no receipt with this key was found.
    pub(super) checked_through: i64,
}

impl ReceiptEntry {
    pub(super) fn index_key(&self) -> u64 {
        rows::first_eight(&self.stored)
    }
}

/// What the writer did with a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It is in the tests' file.
    Inserted(Timestamp),
    /// The code is no longer free.
    CodeTaken,
    /// A receipt with this key appeared after the check: look again.
    ReceiptAppeared,
    /// The day has changed since the submission was prepared: prepare it again.
    DayChanged,
}

impl Submission {
    /// Seals and hashes what a test holds, under the key of `day`.
    pub(super) fn prepare(
        test: &NewTest,
        key: &DayKey,
        receipt: Option<ReceiptEntry>,
    ) -> Result<Submission, StoreError> {
        let cun = test.reserved.cun;
        let region = test.caller.region().ok_or(StoreError::Invalid {
            what: "only a region or a structure submits tests",
        })?;
        let contact = test
            .swab
            .contact
            .as_ref()
            .map(|contact| key.seal(Purpose::Contact, cun, &contact.to_sealed_text()))
            .transpose()?;
        let (person, positive) = match test.swab.result {
            TestResult::Positive => {
                let sealed = key.seal(Purpose::FiscalCode, cun, test.swab.fiscal_code.expose())?;
                (
                    Person::Positive {
                        sealed,
                        tag: key.lookup_tag(&test.swab.fiscal_code),
                    },
                    POSITIVE,
                )
            }
            TestResult::Negative => (
                Person::Negative(key.negative_mac(cun, &test.swab.fiscal_code)),
                0,
            ),
        };
        Ok(Submission {
            day: Day::of_date(key.day()),
            check_value: key.check_value(),
            cun,
            cun_key: rows::cun_key(&cun.digest()),
            cun_checked_through: test.reserved.proof.number(),
            caller: test.caller,
            structure: (region, test.swab.structure.clone()),
            swab_day: Day::of_date(test.swab.swab_date),
            flags: positive
                | if test.access.with_warnings {
                    WITH_WARNINGS
                } else {
                    0
                },
            accessed_at: test.access.accessed_at,
            contact,
            person,
            receipt,
        })
    }
}
