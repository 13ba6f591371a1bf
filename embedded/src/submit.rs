//! Reserving codes and recording tests: on the caller's side of the writer's queue, and within the writer's transaction.

use rusqlite::Connection;
use sistema_ts_model::{CUN_LIFE_MILLIS, Cun, CunState, FirstSymbol, Moment, Service, TestResult};
use sistema_ts_store::keys::{DayKey, KeyError, Purpose, same_mac};
use sistema_ts_store::{
    Batch, NewTest, RecordOutcome, Repeatable, ReservedCun, StoreError, StoreToken, stored,
};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::job::{self, Answers};
use super::queue::Lane;
use super::record::{Person, ReceiptEntry, Recorded, Submission};
use super::rows::{self, RECEIPT_LEN, TestRow};
use super::store::EmbeddedStore;
use super::writer::Writer;

/// How often a submission is prepared anew because the day changed, or a receipt appeared, while it waited. Each happens once
/// in practice; more means a clock or a disk gone wrong.
const MOST_ATTEMPTS: usize = 8;

/// What a look for a receipt found.
enum ReceiptFound {
    /// The row that it is bound to.
    Row(Box<TestRow>),
    /// None up to this row.
    NoneThrough(i64),
}

/// How far a submission is.
enum Begun {
    /// Its receipt has answered it.
    Answered(RecordOutcome),
    /// The writer has it.
    HandedOver(oneshot::Receiver<Result<Recorded, StoreError>>),
    /// What it was judged by has changed meanwhile: it is to be begun again.
    Anew,
}

impl EmbeddedStore {
    pub(super) async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        let shared = self.shared.clone();
        self.lookups
            .read(move |connection| {
                // First the row, then the view, then the snapshot: each may only know more than the one before.
                let checked_through = shared.committed_row();
                let view = shared.codes.view();
                let snapshot = connection.unchecked_transaction()?;
                let mut rng = rand::rng();
                let mut reserved = Vec::with_capacity(count);
                for _ in 0..count {
                    let cun = Cun::random_with_first(first, &mut rng);
                    if view
                        .candidates(&snapshot, rows::cun_key(&cun.digest()))?
                        .is_empty()
                    {
                        reserved.push(ReservedCun {
                            cun,
                            proof: StoreToken::of_number(checked_through),
                        });
                    }
                }
                snapshot.commit()?;
                Ok(reserved)
            })
            .await
    }

    pub(super) async fn record_tests(
        &self,
        tests: Batch<NewTest>,
    ) -> Batch<Result<RecordOutcome, StoreError>> {
        // All are handed over before the first is waited for, so that they can share a batch of the writer.
        let mut begun = Batch::new();
        for test in &tests {
            begun.push(self.begin(test).await);
        }
        let mut outcomes = Batch::new();
        for (test, begun) in tests.iter().zip(begun) {
            outcomes.push(self.finish(test, begun).await);
        }
        outcomes
    }

    /// Hands a submission to the writer, unless its receipt answers it.
    async fn begin(&self, test: &NewTest) -> Result<Begun, StoreError> {
        self.shared.check_ring()?;
        let receipt = match &test.repeatable {
            None => None,
            Some(request) => {
                let key = self
                    .shared
                    .receipt_key(&test.caller, Service::Submission, &request.key);
                match self.find_receipt(key).await? {
                    ReceiptFound::Row(row) => {
                        let replayed = self.replay(test, request, *row).await?;
                        return Ok(replayed.map_or(Begun::Anew, Begun::Answered));
                    }
                    ReceiptFound::NoneThrough(checked_through) => {
                        Some((key, &request.content, checked_through))
                    }
                }
            }
        };
        if let Some(fault) = self.shared.clock_fault() {
            return Err(fault.into());
        }
        let key = self.shared.keys.day(self.shared.now().rome_day())?;
        let receipt = receipt.map(|(hash, content, checked_through)| {
            new_receipt(&key, hash, content, checked_through)
        });
        let submission = Submission::prepare(test, &key, receipt)?;
        let (reply, answer) = oneshot::channel();
        let record = move |writer: &mut Writer<'_>| writer.record(&submission);
        let job = job::task(Answers::AfterCommit, record, reply);
        self.submit(Lane::Usual, job)?;
        Ok(Begun::HandedOver(answer))
    }

    /// What comes of a submission that was begun, and begun again where that is needed.
    async fn finish(
        &self,
        test: &NewTest,
        mut begun: Result<Begun, StoreError>,
    ) -> Result<RecordOutcome, StoreError> {
        for _ in 0..MOST_ATTEMPTS {
            match begun? {
                Begun::Answered(outcome) => return Ok(outcome),
                Begun::HandedOver(answer) => match self.answer(answer).await? {
                    Recorded::Inserted(inserted_at) => {
                        return Ok(RecordOutcome::Recorded {
                            cun: test.reserved.cun,
                            inserted_at,
                        });
                    }
                    Recorded::CodeTaken => return Ok(RecordOutcome::CodeTaken),
                    Recorded::ReceiptAppeared | Recorded::DayChanged => {}
                },
                Begun::Anew => {}
            }
            begun = self.begin(test).await;
        }
        Err(StoreError::Unavailable {
            reason: "a submission could not be prepared for the writer's day: is the clock right?"
                .to_owned(),
        })
    }

    /// The row that a receipt is bound to, if it still counts.
    async fn find_receipt(&self, key: [u8; 16]) -> Result<ReceiptFound, StoreError> {
        // Nearly every key is new, and memory tells so: without a reader's thread. The row comes before the view, as below.
        let checked_through = self.shared.committed_row();
        if self
            .shared
            .receipts
            .view()
            .is_surely_absent(rows::first_eight(&key))
        {
            return Ok(ReceiptFound::NoneThrough(checked_through));
        }
        let shared = self.shared.clone();
        self.lookups
            .read(move |connection: &Connection| {
                let checked_through = shared.committed_row();
                let oldest = shared.now().minus_millis(CUN_LIFE_MILLIS);
                for candidate in shared
                    .receipts
                    .candidates(connection, rows::first_eight(&key))?
                {
                    if let Some(row) = TestRow::read(connection, candidate as i64)?
                        && row.inserted_at > oldest
                        && row.receipt.is_some_and(|receipt| receipt[..16] == key)
                    {
                        return Ok(ReceiptFound::Row(Box::new(row)));
                    }
                }
                Ok(ReceiptFound::NoneThrough(checked_through))
            })
            .await
    }

    /// What a repeated submission is answered. `None` if the row changed meanwhile: look again.
    async fn replay(
        &self,
        test: &NewTest,
        request: &Repeatable,
        row: TestRow,
    ) -> Result<Option<RecordOutcome>, StoreError> {
        let key = self.shared.keys.day(row.day().date())?;
        let bound = row
            .receipt
            .as_ref()
            .map_or(&[][..], |receipt| &receipt[16..]);
        if !same_mac(bound, &key.receipt_mac(&request.content)) {
            return Ok(Some(RecordOutcome::RequestKeyReused));
        }
        let moment = Moment {
            now: self.shared.now(),
            clock_error_millis: self.shared.options.clock_error_millis,
        };
        let state = row.life.state_at(&row.origin(), moment);
        if state.is_over() {
            return Ok(Some(RecordOutcome::ReplayedErased {
                cancelled: state == CunState::Cancelled,
            }));
        }
        let same_person = match row.result {
            TestResult::Negative => row
                .negative
                .map(|bound| same_mac(&bound, &key.negative_mac(row.cun, &test.swab.fiscal_code))),
            TestResult::Positive => {
                let (day, number) = (row.day(), row.row);
                let tag = self
                    .write(Lane::Usual, move |writer| writer.patients.tag(day, number))
                    .await?;
                tag.map(|bound| same_mac(&bound, &key.lookup_tag(&test.swab.fiscal_code)))
            }
        };
        Ok(match same_person {
            None => None,
            Some(true) if same_contact(&key, &row, test)? => Some(RecordOutcome::Replayed {
                cun: row.cun,
                inserted_at: row.inserted_at,
            }),
            Some(_) => Some(RecordOutcome::RequestKeyReused),
        })
    }
}

impl Writer<'_> {
    /// Writes a submission's rows within the current transaction.
    fn record(&mut self, submission: &Submission) -> Result<Recorded, Failure> {
        self.sweep()?;
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
                    stored::encode_structure(structure, *region)
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
            stored::encode_region(submission.structure.0),
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
            return Err(KeyError::Differs {
                day: self.day.date(),
            }
            .into());
        }
        self.begun_day = Some((self.day, check_value));
        Ok(())
    }
}

fn new_receipt(key: &DayKey, hash: [u8; 16], content: &[u8], checked_through: i64) -> ReceiptEntry {
    let mut stored = [0; RECEIPT_LEN];
    stored[..16].copy_from_slice(&hash);
    stored[16..].copy_from_slice(&key.receipt_mac(content));
    ReceiptEntry {
        stored,
        checked_through,
    }
}

/// Whether a live row's contact is the one that the message brings.
fn same_contact(key: &DayKey, row: &TestRow, test: &NewTest) -> Result<bool, StoreError> {
    let Some(sealed) = &row.contact else {
        return Ok(test.swab.contact.is_none());
    };
    let opened =
        key.open(Purpose::Contact, row.cun, sealed)
            .ok_or_else(|| StoreError::Corrupt {
                what: "a sealed contact".to_owned(),
            })?;
    Ok(test
        .swab
        .contact
        .as_ref()
        .is_some_and(|contact| *contact.to_sealed_text() == *opened))
}
