//! Recording tests (§2.4.1): the code is claimed and checked, then the person is written, then the row that makes the test.
//!
//! `docs/cql.md`, "Claiming a code": the order is what makes it right.

use aws_lc_rs::rand;
use scylla::SerializeRow;
use sistema_ts_model::{Service, TestResult, Timestamp};
use sistema_ts_store::keys::{DayKey, KeyError, LookupTag, Mac, Purpose};
use sistema_ts_store::{NewTest, Pseudonym, RecordOutcome, StoreError, stored};

use crate::core::Core;
use crate::failure::Failure;
use crate::place::{Place, code_key, listed_under, part_of};
use crate::statement::Statement;

/// So often is the row that makes a test sent, before its outcome is told to be unknown.
const MOST_TRIES: usize = 3;

/// A test, as one attempt is to record it.
#[derive(Clone)]
pub(crate) struct Submission {
    pub(crate) place: Place,
    caller: String,
    structure: String,
    /// The structure by which its tests are listed: descriptions are one in all their forms.
    listed_under: String,
    swab_day: i32,
    result: TestResult,
    with_warnings: bool,
    accessed_at: Timestamp,
    key_day: i32,
    /// Its own number, which no other attempt has.
    pub(crate) attempt: i64,
    /// The MAC of a negative's fiscal code.
    negative: Option<Mac>,
    /// A positive's sealed fiscal code and tag.
    positive: Option<(Vec<u8>, LookupTag)>,
    contact: Option<Vec<u8>>,
    /// The pseudonym of its request, and the MAC of its content.
    pub(crate) request: Option<(Pseudonym, Mac)>,
}

/// The columns of [`Statement::RecordTest`].
#[derive(SerializeRow)]
struct NewColumns<'a> {
    region: i16,
    hour: i32,
    part: i8,
    time: i64,
    code: i64,
    caller: &'a str,
    structure: &'a str,
    swab_day: i32,
    positive: bool,
    with_warnings: bool,
    accessed_at: i64,
    negative: Option<&'a [u8]>,
    receipt: Option<&'a [u8]>,
    attempt: Option<i64>,
    timestamp: i64,
}

impl Submission {
    /// Seals and hashes what a test holds, under the key of its day.
    fn prepare(
        core: &Core,
        test: &NewTest,
        time: Timestamp,
        key: &DayKey,
    ) -> Result<Self, Failure> {
        let cun = test.reserved.cun;
        let swab = &test.swab;
        let region = test.caller.region().ok_or(StoreError::Invalid {
            what: "only a region or a structure submits tests",
        })?;
        let structure = stored::encode_structure(&swab.structure, region);
        let listed_under = listed_under(&swab.structure, region);
        let contact = swab.contact.as_ref();
        let contact =
            contact.map(|contact| key.seal(Purpose::Contact, cun, &contact.to_sealed_text()));
        let positive = match swab.result {
            TestResult::Positive => {
                let sealed = key.seal(Purpose::FiscalCode, cun, swab.fiscal_code.expose())?;
                Some((sealed, key.lookup_tag(&swab.fiscal_code)))
            }
            TestResult::Negative => None,
        };
        let negative = match swab.result {
            TestResult::Positive => None,
            TestResult::Negative => Some(key.negative_mac(cun, &swab.fiscal_code)),
        };
        let request = test.repeatable.as_ref().map(|request| {
            let service = Service::Submission;
            let pseudonyms = &core.pseudonyms;
            let receipt = pseudonyms.of_request(&test.caller, service, &request.key);
            (receipt, key.receipt_mac(&request.content))
        });
        Ok(Self {
            place: Place {
                region,
                part: part_of(&listed_under),
                time,
                cun,
            },
            caller: test.caller.to_key().to_string(),
            structure,
            listed_under,
            swab_day: swab.swab_date.to_epoch_days(),
            result: swab.result,
            with_warnings: test.access.with_warnings,
            accessed_at: test.access.accessed_at,
            key_day: key.day().to_epoch_days(),
            attempt: random_number()?,
            negative,
            positive,
            contact: contact.transpose()?,
            request,
        })
    }

    /// The MAC of a negative's fiscal code.
    pub(crate) fn negative(&self) -> Option<&[u8]> {
        self.negative.as_ref().map(|mac| mac.as_slice())
    }

    /// The same test with the MAC that another attempt's claim has, under that one's code.
    pub(crate) fn with_negative(&self, negative: Option<&[u8]>) -> Self {
        let negative = negative.and_then(|mac| mac.try_into().ok());
        Self {
            negative,
            ..self.clone()
        }
    }

    /// The answer to whoever has recorded it.
    pub(crate) fn recorded(&self) -> RecordOutcome {
        RecordOutcome::Recorded {
            cun: self.place.cun,
            inserted_at: self.place.time,
        }
    }
}

/// A number that no other attempt has.
pub(crate) fn random_number() -> Result<i64, Failure> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| KeyError::Crypto)?;
    Ok(i64::from_be_bytes(bytes))
}

impl Core {
    /// Records one test.
    pub(crate) async fn record(&self, test: &NewTest) -> Result<RecordOutcome, Failure> {
        let time = self.now();
        let key = self.begin_day(time.rome_day()).await?;
        let submission = Submission::prepare(self, test, time, &key)?;
        let region = submission.place.region_column();
        self.note_hour(region, time).await?;
        match submission.request {
            Some((receipt, content)) => {
                let _turn = self.receipts.at(receipt).await;
                self.record_once(&submission, test, receipt, content).await
            }
            None => self.record_alone(&submission).await,
        }
    }

    async fn record_alone(&self, submission: &Submission) -> Result<RecordOutcome, Failure> {
        tokio::try_join!(self.claim_code(submission), self.point(submission))?;
        if !self.holds_code(submission).await? {
            return Ok(RecordOutcome::CodeTaken);
        }
        self.write_person(submission).await?;
        self.write_test(submission, submission.place, submission.attempt)
            .await?;
        Ok(submission.recorded())
    }

    /// Writes a claim of its own into the code's partition. Unless that is acknowledged the code is burned.
    pub(crate) async fn claim_code(&self, submission: &Submission) -> Result<(), Failure> {
        let place = &submission.place;
        let values = (
            code_key(&place.cun.digest()),
            submission.attempt,
            place.code(),
            place.region_column(),
            place.part,
            place.time_column(),
            place.timestamp(),
        );
        self.cluster.write(Statement::ClaimCode, values).await
    }

    /// Whether nobody else has claimed the code. Asked once one's own claim is acknowledged.
    pub(crate) async fn holds_code(&self, submission: &Submission) -> Result<bool, Failure> {
        let claims = self.claims_of_code(&submission.place.cun.digest()).await?;
        Ok(claims
            .iter()
            .all(|claim| claim.number == submission.attempt))
    }

    /// Points from the structure's day to the test, which is looked for there and means nothing until it is written.
    pub(crate) async fn point(&self, submission: &Submission) -> Result<(), Failure> {
        let place = &submission.place;
        let values = (
            place.region_column(),
            &submission.listed_under,
            submission.key_day,
            place.time_column(),
            place.code(),
            place.timestamp(),
        );
        self.cluster
            .write(Statement::PointFromStructure, values)
            .await
    }

    /// Writes what is kept of the person, once the code is its own.
    pub(crate) async fn write_person(&self, submission: &Submission) -> Result<(), Failure> {
        let place = &submission.place;
        let (sealed, tag) = match &submission.positive {
            Some((sealed, tag)) => (Some(sealed), Some(tag.as_slice())),
            None if submission.contact.is_none() => return Ok(()),
            None => (None, None),
        };
        let patient = (
            place.code(),
            submission.key_day,
            sealed,
            tag,
            &submission.contact,
            place.timestamp(),
        );
        let patient = self.cluster.write(Statement::WritePatient, patient);
        match tag {
            Some(tag) => {
                let tag = (tag, place.code(), place.timestamp());
                let tag = self.cluster.write(Statement::WriteTag, tag);
                tokio::try_join!(patient, tag).map(|_| ())
            }
            None => patient.await,
        }
    }

    /// Writes the row that makes a test: its own, or that of another attempt of the same content, at that one's place.
    pub(crate) async fn write_test(
        &self,
        submission: &Submission,
        place: Place,
        attempt: i64,
    ) -> Result<(), Failure> {
        let receipt = submission.request.as_ref();
        let receipt = receipt.map(|(receipt, _)| receipt.as_slice());
        let mut result = Ok(());
        for _ in 0..MOST_TRIES {
            let columns = NewColumns {
                region: place.region_column(),
                hour: place.hour(),
                part: place.part,
                time: place.time_column(),
                code: place.code(),
                caller: &submission.caller,
                structure: &submission.structure,
                swab_day: submission.swab_day,
                positive: submission.result == TestResult::Positive,
                with_warnings: submission.with_warnings,
                accessed_at: submission.accessed_at.millis(),
                negative: submission.negative(),
                receipt,
                attempt: receipt.map(|_| attempt),
                timestamp: place.timestamp(),
            };
            result = self.cluster.write(Statement::RecordTest, columns).await;
            if result.is_ok() {
                break;
            }
        }
        result.map_err(Failure::unknown)
    }
}
