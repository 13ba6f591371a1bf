//! A submission: what its caller's thread prepares, and what the writer does with it.

use sistema_ts_model::{Caller, Cun, RegionCode, StructureReference, TestResult, Timestamp};
use sistema_ts_store::keys::{DayKey, LookupTag, Mac, Purpose};
use sistema_ts_store::{NewTest, StoreError};

use super::day::Day;
use super::failure::Failure;
use super::rows::{self, POSITIVE, RECEIPT_LEN, WITH_WARNINGS};
use super::writer::Writer;

/// A submission, sealed and hashed under the key of the day that its caller's thread read on the clock.
pub(super) struct Submission {
    day: Day,
    check_value: [u8; 16],
    cun: Cun,
    cun_key: u64,
    /// The row up to which the code was found to be free.
    cun_checked_through: i64,
    caller: Caller,
    /// The structure and its region, by which a description is told apart.
    structure: (RegionCode, StructureReference),
    swab_day: Day,
    flags: i64,
    accessed_at: Timestamp,
    contact: Option<Vec<u8>>,
    person: Person,
    receipt: Option<ReceiptEntry>,
}

/// What is kept of the fiscal code.
enum Person {
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
    fn index_key(&self) -> u64 {
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
            .contact
            .as_ref()
            .map(|contact| key.seal(Purpose::Contact, cun, &contact.to_sealed_text()))
            .transpose()?;
        let (person, positive) = match test.result {
            TestResult::Positive => {
                let sealed = key.seal(Purpose::FiscalCode, cun, test.fiscal_code.expose())?;
                (
                    Person::Positive {
                        sealed,
                        tag: key.lookup_tag(&test.fiscal_code),
                    },
                    POSITIVE,
                )
            }
            TestResult::Negative => (
                Person::Negative(key.negative_mac(cun, &test.fiscal_code)),
                0,
            ),
        };
        Ok(Submission {
            day: Day::of_date(key.day()),
            check_value: key.check_value(),
            cun,
            cun_key: rows::cun_key(&cun.digest()),
            cun_checked_through: test.reserved.checked_through,
            caller: test.caller,
            structure: (region, test.structure.clone()),
            swab_day: Day::of_date(test.swab_date),
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

impl Writer<'_> {
    /// Writes a submission's rows within the current transaction.
    pub(super) fn record(&mut self, submission: &Submission) -> Result<Recorded, Failure> {
        if submission.day != self.day {
            return Ok(Recorded::DayChanged);
        }
        if let Some(receipt) = &submission.receipt
            && self.receipt_appeared(receipt)?
        {
            return Ok(Recorded::ReceiptAppeared);
        }
        // Any candidate is enough: two codes with the same 64 bits are not worth telling apart, another is drawn.
        let view = self.shared.codes.view();
        let checked_through = submission.cun_checked_through.max(0) as u64;
        if !view
            .candidates_after(self.tests, submission.cun_key, checked_through)?
            .is_empty()
        {
            return Ok(Recorded::CodeTaken);
        }
        drop(view);
        self.begin_day(submission.check_value)?;

        let row = self.last_row + 1;
        let caller = self
            .callers
            .number(self.tests, &submission.caller, |caller| {
                caller.to_key().to_string()
            })?;
        let structure =
            self.structures
                .number(self.tests, &submission.structure, |(region, structure)| {
                    rows::encode_structure(structure, *region)
                })?;
        let (negative, positive) = match &submission.person {
            Person::Negative(mac) => (Some(mac.as_slice()), None),
            Person::Positive { sealed, tag } => (None, Some((sealed, tag))),
        };
        if let Some((sealed, tag)) = positive {
            // Before the test: a day's file that cannot be opened fails this submission alone, and nothing of it may stand in the batch then.
            self.patients
                .insert(self.day, row, submission.cun, sealed, tag)?;
        }
        self.insert_test.execute(rusqlite::params![
            row,
            submission.cun.number() as i64,
            self.now.millis(),
            caller,
            rows::encode_region(submission.structure.0),
            structure,
            submission.swab_day.0,
            submission.flags,
            self.now.millis_since(submission.accessed_at),
            submission.contact,
            negative,
            submission
                .receipt
                .as_ref()
                .map(|receipt| receipt.stored.as_slice()),
        ])?;
        self.codes.insert_newest(submission.cun_key, row as u64)?;
        if let Some(receipt) = &submission.receipt {
            self.receipts
                .insert_newest(receipt.index_key(), row as u64)?;
            self.new_receipts += 1;
        }
        self.last_row = row;
        self.new_rows += 1;
        Ok(Recorded::Inserted(self.now))
    }

    /// Whether a receipt with this key was bound after its caller looked.
    fn receipt_appeared(&mut self, receipt: &ReceiptEntry) -> Result<bool, Failure> {
        let view = self.shared.receipts.view();
        let checked_through = receipt.checked_through.max(0) as u64;
        for candidate in view.candidates_after(self.tests, receipt.index_key(), checked_through)? {
            let mut select = self
                .tests
                .prepare_cached("SELECT receipt FROM tests WHERE row = ?1")?;
            let stored: Option<[u8; RECEIPT_LEN]> =
                select.query_row([candidate as i64], |row| row.get(0))?;
            if stored.is_some_and(|stored| stored[..16] == receipt.stored[..16]) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes the first row of a day and the check value of its key, which must be that of all rows of the day.
    fn begin_day(&mut self, check_value: [u8; 16]) -> Result<(), Failure> {
        if self.begun_day == Some((self.day, check_value)) {
            return Ok(());
        }
        self.tests
            .prepare_cached(
                "INSERT OR IGNORE INTO days (day, first_row, check_value) VALUES (?1, ?2, ?3)",
            )?
            .execute((self.day.0, self.last_row + 1, check_value))?;
        let stored: [u8; 16] = self
            .tests
            .prepare_cached("SELECT check_value FROM days WHERE day = ?1")?
            .query_row([self.day.0], |row| row.get(0))?;
        if stored != check_value {
            return Err(sistema_ts_store::keys::KeyError::Differs {
                day: self.day.date(),
            }
            .into());
        }
        self.begun_day = Some((self.day, check_value));
        Ok(())
    }
}
