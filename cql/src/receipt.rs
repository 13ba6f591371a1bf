//! One request key, one test (§2.4.1): the receipt by claims.
//!
//! `docs/cql.md`, "One answer for one key": alone at both looks an attempt answers without a conditional write; those who meet let one decide.

use scylla::DeserializeRow;
use sistema_ts_model::{CunState, TestResult};
use sistema_ts_store::keys::{DayKey, Mac, Purpose, same_mac};
use sistema_ts_store::{NewTest, Pseudonym, RecordOutcome, StoreError};

use crate::core::Core;
use crate::failure::Failure;
use crate::place::Place;
use crate::statement::Statement;
use crate::submission::Submission;

/// So often is a conditional write sent whose answer is missing, or an attempt's look begun again because a decision has appeared meanwhile.
const MOST_TRIES: usize = 4;

/// The columns of an attempt's claim.
#[derive(Debug, DeserializeRow)]
struct ClaimColumns {
    attempt: i64,
    code: Option<i64>,
    region: Option<i16>,
    part: Option<i8>,
    time: Option<i64>,
    content: Option<Vec<u8>>,
    negative: Option<Vec<u8>>,
    ended: Option<bool>,
}

/// The claim of an attempt on a request's key.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) attempt: i64,
    pub(crate) place: Place,
    content: Vec<u8>,
    negative: Option<Vec<u8>>,
    /// Nothing of this attempt's will be found.
    pub(crate) has_ended: bool,
}

/// One attempt, and what it has seen.
struct Attempt<'a> {
    submission: &'a Submission,
    test: &'a NewTest,
    receipt: Pseudonym,
    content: Mac,
    /// Whether the code is its own.
    holds_code: bool,
    has_written_person: bool,
    has_written_test: bool,
    has_proposed: bool,
}

impl Core {
    /// Records a test whose request has a key, or finds that it was recorded before.
    pub(crate) async fn record_once(
        &self,
        submission: &Submission,
        test: &NewTest,
        receipt: Pseudonym,
        content: Mac,
    ) -> Result<RecordOutcome, Failure> {
        let mut attempt = Attempt {
            submission,
            test,
            receipt,
            content,
            holds_code: false,
            has_written_person: false,
            has_written_test: false,
            has_proposed: false,
        };
        tokio::try_join!(
            self.claim_code(submission),
            self.point(submission),
            self.claim_receipt(&attempt),
        )?;
        let (holds_code, claims) =
            tokio::try_join!(self.holds_code(submission), self.claims(&receipt))?;
        attempt.holds_code = holds_code;
        if !is_alone(&claims, submission.attempt) {
            let outcome = self.meet(&mut attempt, claims).await;
            return outcome.map_err(|failure| attempt.judge(failure));
        }
        if !holds_code {
            // Nobody else could have been decided for it: only itself would have proposed it.
            return Ok(RecordOutcome::CodeTaken);
        }
        self.write_person(submission).await?;
        attempt.has_written_person = true;
        self.write_test(submission, submission.place, submission.attempt)
            .await?;
        attempt.has_written_test = true;
        // From here on a test may be there.
        let claims = self.claims(&receipt).await.map_err(Failure::unknown)?;
        if is_alone(&claims, submission.attempt) {
            return Ok(submission.recorded());
        }
        let outcome = self.meet(&mut attempt, claims).await;
        outcome.map_err(|failure| attempt.judge(failure))
    }

    async fn claim_receipt(&self, attempt: &Attempt<'_>) -> Result<(), Failure> {
        let place = &attempt.submission.place;
        let values = (
            attempt.receipt.as_slice(),
            attempt.submission.attempt,
            place.code(),
            place.region_column(),
            place.part,
            place.time_column(),
            attempt.content.as_slice(),
            attempt.submission.negative(),
            place.timestamp(),
        );
        self.cluster.write(Statement::ClaimReceipt, values).await
    }

    /// The claims on a request's key that count: those whose tests are kept.
    pub(crate) async fn claims(&self, receipt: &[u8]) -> Result<Vec<Claim>, Failure> {
        let statement = Statement::ReadClaims;
        let columns: Vec<ClaimColumns> = self.cluster.read(statement, (receipt,)).await?;
        let mut claims = Vec::with_capacity(columns.len());
        for columns in columns {
            if let Some(claim) = columns.decode()?
                && self.lives(claim.place.time)
            {
                claims.push(claim);
            }
        }
        Ok(claims)
    }

    /// What an attempt does that is not alone: it follows what was decided, or has it decided.
    async fn meet(
        &self,
        attempt: &mut Attempt<'_>,
        mut claims: Vec<Claim>,
    ) -> Result<RecordOutcome, Failure> {
        for _ in 0..MOST_TRIES {
            let statement = Statement::ReadReceipt;
            let decided: Option<(i64,)> = self
                .cluster
                .read_one(statement, (attempt.receipt.as_slice(),))
                .await?;
            let mut past = None;
            if let Some((decided,)) = decided {
                if !claims.iter().any(|claim| claim.attempt == decided) {
                    // Its claim was acknowledged before it was decided.
                    claims = self.claims(&attempt.receipt).await?;
                }
                if let Some(claim) = claims.iter().find(|claim| claim.attempt == decided) {
                    let claim = claim.clone();
                    return self.follow(attempt, &claims, &claim).await;
                }
                past = Some(decided);
            }
            let proposal = match self.find_written(&claims, attempt).await? {
                Some(written) => written,
                None if !attempt.holds_code => return Ok(RecordOutcome::CodeTaken),
                None => {
                    // Before its own proposal, so that nobody else ever writes its person.
                    attempt.has_written_person = true;
                    self.write_person(attempt.submission).await?;
                    attempt.submission.attempt
                }
            };
            attempt.has_proposed = true;
            self.propose(attempt, proposal, past).await?;
            claims = self.claims(&attempt.receipt).await?;
        }
        Err(Failure::Store(StoreError::UnknownOutcome {
            reason: "what was decided for a request's key cannot be seen".to_owned(),
        }))
    }

    /// An attempt whose test is there: its own rather than another's.
    async fn find_written(
        &self,
        claims: &[Claim],
        attempt: &Attempt<'_>,
    ) -> Result<Option<i64>, Failure> {
        let own = attempt.submission.attempt;
        if attempt.has_written_test {
            return Ok(Some(own));
        }
        let others = claims
            .iter()
            .filter(|claim| claim.attempt != own && !claim.has_ended);
        let looks = others.map(|claim| async move {
            let test = self.read_test(&claim.place).await?;
            Ok::<_, Failure>(test.map(|_| claim.attempt))
        });
        let found = futures_util::future::try_join_all(looks).await?;
        Ok(found.into_iter().flatten().min())
    }

    /// Has one decided. The same write is sent again where its answer is missing: both copies say the same, and the row stays as the first has made it.
    async fn propose(
        &self,
        attempt: &Attempt<'_>,
        proposal: i64,
        past: Option<i64>,
    ) -> Result<(), Failure> {
        let receipt = attempt.receipt.as_slice();
        let mut result = Ok(());
        for _ in 0..MOST_TRIES {
            let decided = match past {
                None => {
                    let values = (receipt, proposal);
                    self.cluster.decide(Statement::DecideReceipt, values).await
                }
                Some(past) => {
                    let values = (proposal, receipt, past);
                    self.cluster
                        .decide(Statement::DecideReceiptAgain, values)
                        .await
                }
            };
            result = decided.map(drop);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Does what was decided: of all other attempts nothing is found, the decided test is there, and the answer is that one's.
    async fn follow(
        &self,
        attempt: &Attempt<'_>,
        claims: &[Claim],
        decided: &Claim,
    ) -> Result<RecordOutcome, Failure> {
        let submission = attempt.submission;
        let losers = claims
            .iter()
            .filter(|claim| claim.attempt != decided.attempt && !claim.has_ended);
        let endings = losers.map(|claim| self.end_attempt(attempt, claim));
        futures_util::future::try_join_all(endings).await?;
        if decided.attempt == submission.attempt {
            if !attempt.has_written_test {
                self.write_test(submission, submission.place, submission.attempt)
                    .await?;
            }
            return Ok(submission.recorded());
        }
        if attempt.has_written_person {
            // Nobody follows a person under a code that has no test, but it is not to stay.
            self.erase_patient(&submission.place).await?;
        }
        self.replay(attempt, decided).await
    }

    /// Sees to it that nothing of an attempt's is found, and notes that. One's own that has written no test need not be marked.
    async fn end_attempt(&self, attempt: &Attempt<'_>, claim: &Claim) -> Result<(), Failure> {
        let place = &claim.place;
        let is_own = claim.attempt == attempt.submission.attempt;
        if !is_own || attempt.has_written_test {
            let values = place.update_key(place.timestamp());
            self.cluster.write(Statement::VoidTest, values).await?;
        }
        let values = (place.timestamp(), attempt.receipt.as_slice(), claim.attempt);
        self.cluster.write(Statement::EndAttempt, values).await
    }

    /// What a repetition of the decided attempt is answered.
    async fn replay(
        &self,
        attempt: &Attempt<'_>,
        decided: &Claim,
    ) -> Result<RecordOutcome, Failure> {
        let test = attempt.test;
        let key = self.keys.day(decided.place.time.rome_day())?;
        let content = test.repeatable.as_ref().map(|request| &request.content);
        let is_same =
            content.is_some_and(|content| same_mac(&decided.content, &key.receipt_mac(content)));
        if !is_same {
            return Ok(RecordOutcome::RequestKeyReused);
        }
        let (life, row) = tokio::try_join!(
            self.read_life(decided.place.cun),
            self.read_test(&decided.place)
        )?;
        let replayed = RecordOutcome::Replayed {
            cun: decided.place.cun,
            inserted_at: decided.place.time,
        };
        let same = self.is_same_person(test, decided, &key).await?;
        let Some(row) = row else {
            // Whoever was decided for died before it wrote the test. Its person is there.
            return match same {
                Some(true) => {
                    let place = decided.place;
                    let negative = decided.negative.as_deref();
                    let submission = attempt.submission.with_negative(negative);
                    self.write_test(&submission, place, decided.attempt).await?;
                    Ok(replayed)
                }
                _ => Ok(RecordOutcome::RequestKeyReused),
            };
        };
        let state = life.life.state_at(&row.origin(), self.moment());
        Ok(match same {
            _ if state.is_over() => RecordOutcome::ReplayedErased {
                cancelled: state == CunState::Cancelled,
            },
            Some(true) => replayed,
            Some(false) => RecordOutcome::RequestKeyReused,
            // Erased since its life was read.
            None => RecordOutcome::ReplayedErased { cancelled: false },
        })
    }

    /// Whether a message is about the person and the contact that the decided attempt has written; none if they are erased.
    async fn is_same_person(
        &self,
        test: &NewTest,
        decided: &Claim,
        key: &DayKey,
    ) -> Result<Option<bool>, Failure> {
        let cun = decided.place.cun;
        let patient = self.read_patient(cun).await?;
        let (tag, contact) = match &patient {
            Some(patient) => (patient.tag.as_deref(), patient.contact.as_deref()),
            None => (None, None),
        };
        let fiscal_code = &test.swab.fiscal_code;
        let is_same_person = match test.swab.result {
            TestResult::Positive => tag.map(|tag| same_mac(tag, &key.lookup_tag(fiscal_code))),
            TestResult::Negative => decided
                .negative
                .as_ref()
                .map(|mac| same_mac(mac, &key.negative_mac(cun, fiscal_code))),
        };
        let is_same_contact = match (contact, &test.swab.contact) {
            (None, None) => true,
            (Some(sealed), Some(contact)) => {
                let opened = key.open(Purpose::Contact, cun, sealed);
                let opened = opened.ok_or(Failure::Corrupt("a sealed contact"))?;
                *opened == *contact.to_sealed_text()
            }
            _ => false,
        };
        Ok(is_same_person.map(|is_same| is_same && is_same_contact))
    }
}

fn is_alone(claims: &[Claim], attempt: i64) -> bool {
    claims.iter().all(|claim| claim.attempt == attempt)
}

impl Attempt<'_> {
    /// What an error means for this attempt: once its test may be there, or become so, its outcome is unknown.
    fn judge(&self, failure: Failure) -> Failure {
        if self.has_written_test || self.has_proposed {
            failure.unknown()
        } else {
            failure
        }
    }
}

impl ClaimColumns {
    /// None if only what was written later is left of it.
    fn decode(self) -> Result<Option<Claim>, Failure> {
        let (Some(region), Some(part), Some(time), Some(code), Some(content)) =
            (self.region, self.part, self.time, self.code, self.content)
        else {
            return Ok(None);
        };
        Ok(Some(Claim {
            attempt: self.attempt,
            place: Place::decode(region, part, time, code)?,
            content,
            // Overwritten by nothing when it is erased.
            negative: self.negative.filter(|mac| !mac.is_empty()),
            has_ended: self.ended == Some(true),
        }))
    }
}
