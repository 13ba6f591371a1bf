//! Cancellations (§2.4.2), and one answer for all that have the same request key.
//!
//! A key is bound to its content before anything is done, and gets its answer afterwards. The write that cancels the code has a turn that follows from the key: so
//! copies of one request that are under way at once send the same write, which takes place once, and each of them knows it as its own. The first that
//! brings its answer into the receipt is told that it is done, the others are told that answer. A refusal that comes once the key is bound leaves it bound:
//! copies of the message may be under way, and a key that was free between them could be taken by another content.

use chrono::NaiveDate;
use scylla::DeserializeRow;
use sistema_ts_model::{
    CUN_LIFE_MILLIS, CancelRefusal, Effect, Life, Over, Service, TestResult, Timestamp,
    TransactionId,
};
use sistema_ts_store::keys::{Mac, oldest_live_day, same_mac};
use sistema_ts_store::{CancelOutcome, CancelTest, Pseudonym, Repeatable};

use crate::core::Core;
use crate::failure::Failure;
use crate::guarded::{MOST_DECISIONS, moves_too_fast};
use crate::lookup::{PatientColumns, StoredLife};
use crate::statement::Statement;
use crate::test_row::{TestRow, date_of};

#[derive(DeserializeRow)]
struct ReceiptColumns {
    content: Option<Vec<u8>>,
    content_day: Option<i32>,
    transaction: Option<String>,
    time: Option<i64>,
}

/// A cancellation's receipt, as stored.
struct Receipt {
    content: Vec<u8>,
    /// The day of the key of the content's MAC.
    content_day: NaiveDate,
    /// The answer, if there is one yet.
    answer: Option<(String, Timestamp)>,
}

/// A request's key and what it is to be bound to.
struct Binding<'a> {
    receipt: Pseudonym,
    request: &'a Repeatable,
    /// The MAC of the content, and the day of its key. That of the receipt, if it is pending.
    content: Mac,
    content_day: NaiveDate,
    transaction: String,
}

/// What a receipt means to a request with its key.
enum Bound {
    /// To this content, without an answer yet.
    Pending,
    /// To this content, and answered.
    Answered(CancelOutcome),
    /// To other content.
    Otherwise,
}

impl Core {
    pub(crate) async fn cancel(&self, request: &CancelTest) -> Result<CancelOutcome, Failure> {
        let Some(repeatable) = &request.repeatable else {
            return self.cancel_as(request, None, None).await;
        };
        let service = Service::Cancellation;
        let receipt = self
            .pseudonyms
            .of_request(&request.caller, service, &repeatable.key);
        let _turn = self.receipts.at(receipt).await;
        let stored = self
            .read_receipt(Statement::ReadCancellation, &receipt)
            .await?;
        let bound = stored.as_ref().filter(|stored| self.counts(stored));
        if let Some(bound) = bound {
            match self.compare(bound, repeatable)? {
                Bound::Pending => {}
                Bound::Answered(outcome) => return Ok(outcome),
                Bound::Otherwise => return Ok(CancelOutcome::RequestKeyReused),
            }
        }
        let key = match bound {
            Some(bound) => self.keys.day(bound.content_day)?,
            None => self.begin_day(self.now().rome_day()).await?,
        };
        let binding = Binding {
            receipt,
            request: repeatable,
            content: key.receipt_mac(&repeatable.content),
            content_day: key.day(),
            transaction: request.transaction.to_string(),
        };
        self.cancel_once(request, &binding, stored).await
    }

    /// Cancels under a key that is bound to nothing else, or is bound to this content.
    async fn cancel_once(
        &self,
        request: &CancelTest,
        binding: &Binding<'_>,
        stored: Option<Receipt>,
    ) -> Result<CancelOutcome, Failure> {
        let bind = Some((binding, stored));
        let turn = Some(turn_of(&binding.receipt));
        let outcome = self.cancel_as(request, turn, bind).await?;
        let CancelOutcome::Done { at, .. } = outcome else {
            return Ok(outcome);
        };
        let answered = self.answer(binding, at).await.map_err(Failure::unknown)?;
        Ok(answered.unwrap_or(outcome))
    }

    /// Cancels if nothing stands against it, by a write of this turn, once the key is bound.
    async fn cancel_as(
        &self,
        request: &CancelTest,
        turn: Option<i64>,
        bind: Option<(&Binding<'_>, Option<Receipt>)>,
    ) -> Result<CancelOutcome, Failure> {
        let Some((row, life)) = self.proven(request).await? else {
            return Ok(CancelOutcome::NoSuchTest);
        };
        let decide = |life: &Life, moment| life.cancel(&row.origin(), &request.caller, moment);
        // What is refused binds no key.
        if let Err(refusal) = decide(&life.life, self.moment()).answer {
            // What it means beside the refusal is left to whoever does something to the code.
            return Ok(told(refusal));
        }
        if let Some((binding, stored)) = bind
            && let Some(outcome) = self.bind(binding, stored).await?
        {
            return Ok(outcome);
        }
        let transition = self.transit_as(&row, life, turn, decide).await?;
        match transition.answer {
            Ok(effect) => {
                let life = &transition.stored;
                if effect == Effect::AlreadyDone {
                    // Whoever did it may have died before the erasure.
                    self.see_it_erased(&row, &life.life)
                        .await
                        .map_err(Failure::unknown)?;
                }
                let is_own = turn.is_some() && life.turn == turn;
                Ok(CancelOutcome::Done {
                    effect: if is_own { Effect::Done } else { effect },
                    at: self.now(),
                })
            }
            Err(refusal) => Ok(told(refusal)),
        }
    }

    /// The test that a request is about, with its life: its code, structure and fiscal code are those of the request. Of a code that nobody has a place
    /// is looked at where nothing is. Once the fiscal code is erased nobody can tell, and the rest decides.
    async fn proven(&self, request: &CancelTest) -> Result<Option<(TestRow, StoredLife)>, Failure> {
        let look = async {
            match self.find_row(request.cun).await? {
                Some(row) => Ok(Some(row)),
                None => self.read_test(&self.decoy(request.cun)).await,
            }
        };
        let (row, patient, mut life) = tokio::try_join!(
            look,
            self.read_patient(request.cun),
            self.read_life(request.cun)
        )?;
        let Some(row) = row else {
            return Ok(None);
        };
        if row.origin().expires_at() <= self.now() || !row.structure.is_same_as(&request.structure)
        {
            return Ok(None);
        }
        let is_proven = match self.is_person(&row, patient.as_ref(), request)? {
            Some(is_person) => is_person,
            None => {
                // Erased after its life was over, which was perhaps read before.
                life = self.read_life(request.cun).await?;
                life.life.state_at(&row.origin(), self.moment()).is_over()
            }
        };
        Ok(is_proven.then_some((row, life)))
    }

    /// Whether the test is this person's; none if its fiscal code is erased.
    fn is_person(
        &self,
        row: &TestRow,
        patient: Option<&PatientColumns>,
        request: &CancelTest,
    ) -> Result<Option<bool>, Failure> {
        let key = self.keys.day(row.key_day())?;
        let fiscal_code = &request.fiscal_code;
        let (held, given) = match row.result {
            TestResult::Positive => (
                patient.and_then(|patient| patient.tag.as_ref()),
                key.lookup_tag(fiscal_code),
            ),
            TestResult::Negative => (
                row.negative.as_ref(),
                key.negative_mac(row.cun(), fiscal_code),
            ),
        };
        Ok(held.map(|held| same_mac(held, &given)))
    }

    async fn read_receipt(
        &self,
        statement: Statement,
        receipt: &Pseudonym,
    ) -> Result<Option<Receipt>, Failure> {
        let values = (receipt.as_slice(),);
        let columns: Option<ReceiptColumns> = self.cluster.read_one(statement, values).await?;
        Ok(columns.and_then(ReceiptColumns::decode))
    }

    /// Whether a receipt binds its key still.
    fn counts(&self, receipt: &Receipt) -> bool {
        match &receipt.answer {
            Some((_, at)) => *at > self.now().minus_millis(CUN_LIFE_MILLIS),
            None => receipt.content_day >= oldest_live_day(self.now()),
        }
    }

    fn compare(&self, receipt: &Receipt, request: &Repeatable) -> Result<Bound, Failure> {
        let key = self.keys.day(receipt.content_day)?;
        if !same_mac(&receipt.content, &key.receipt_mac(&request.content)) {
            return Ok(Bound::Otherwise);
        }
        let Some((transaction, at)) = &receipt.answer else {
            return Ok(Bound::Pending);
        };
        let transaction = TransactionId::parse(transaction);
        Ok(Bound::Answered(CancelOutcome::Replayed {
            transaction: transaction.ok_or(Failure::Corrupt("a transaction"))?,
            at: *at,
        }))
    }

    /// Binds the key; answers what it is answered that is bound already, to other content or with an answer.
    async fn bind(
        &self,
        binding: &Binding<'_>,
        mut stored: Option<Receipt>,
    ) -> Result<Option<CancelOutcome>, Failure> {
        for _ in 0..MOST_DECISIONS {
            let past = match &stored {
                Some(bound) if self.counts(bound) => {
                    return Ok(match self.compare(bound, binding.request)? {
                        Bound::Pending => None,
                        Bound::Answered(outcome) => Some(outcome),
                        Bound::Otherwise => Some(CancelOutcome::RequestKeyReused),
                    });
                }
                past => past.as_ref(),
            };
            let receipt = binding.receipt.as_slice();
            let content = binding.content.as_slice();
            let day = binding.content_day.to_epoch_days();
            let decided = match past {
                None => {
                    let values = (receipt, content, day);
                    self.cluster
                        .decide(Statement::BeginCancellation, values)
                        .await
                }
                Some(past) => {
                    let transaction = past.answer.as_ref();
                    let transaction = transaction.map(|(transaction, _)| transaction.as_str());
                    let values = (content, day, receipt, past.content.as_slice(), transaction);
                    let statement = Statement::BeginCancellationAgain;
                    self.cluster.decide(statement, values).await
                }
            };
            // Whoever has bound it: what it is bound to decides. Without an answer that is looked at, too.
            if decided.is_ok_and(|decided| decided.applied) {
                return Ok(None);
            }
            stored = self
                .read_receipt(Statement::ReadCancellationAgain, &binding.receipt)
                .await?;
        }
        Err(moves_too_fast())
    }

    /// Brings this answer into the receipt; gives another's that was there before.
    async fn answer(
        &self,
        binding: &Binding<'_>,
        at: Timestamp,
    ) -> Result<Option<CancelOutcome>, Failure> {
        let receipt = binding.receipt.as_slice();
        let mut failure = moves_too_fast();
        for _ in 0..MOST_DECISIONS {
            let values = (
                binding.content.as_slice(),
                binding.content_day.to_epoch_days(),
                binding.transaction.as_str(),
                at.millis(),
                receipt,
                binding.content.as_slice(),
            );
            let decided = self.cluster.decide(Statement::EndCancellation, values);
            match decided.await {
                Ok(decided) if decided.applied => return Ok(None),
                Ok(decided) if decided.text("transaction") == Some(&binding.transaction) => {
                    return Ok(None);
                }
                Ok(_) => {}
                Err(unanswered) => {
                    failure = unanswered;
                    continue;
                }
            }
            let statement = Statement::ReadCancellationAgain;
            let stored = self.read_receipt(statement, &binding.receipt).await?;
            // Nothing frees a key that is bound.
            let stored = stored.ok_or(Failure::Corrupt("a cancellation's receipt"))?;
            match self.compare(&stored, binding.request)? {
                Bound::Pending => {}
                Bound::Answered(outcome) => return Ok(Some(outcome)),
                Bound::Otherwise => return Err(Failure::Corrupt("a cancellation's receipt")),
            }
        }
        Err(failure)
    }
}

/// The turn of the write that cancels for a key: the same whoever sends it, and no other write's.
fn turn_of(receipt: &Pseudonym) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&receipt[..8]);
    i64::from_be_bytes(first)
}

fn told(refusal: CancelRefusal) -> CancelOutcome {
    match refusal {
        CancelRefusal::NotSubmitter | CancelRefusal::Over(Over::Expired) => {
            CancelOutcome::NoSuchTest
        }
        refusal => CancelOutcome::Refused(refusal),
    }
}

impl ReceiptColumns {
    /// None if the row has gone by its time, or only part of it is there.
    fn decode(self) -> Option<Receipt> {
        let time = self.time.map(Timestamp::from_millis_clamped);
        Some(Receipt {
            content: self.content?,
            content_day: date_of(self.content_day?),
            answer: self.transaction.zip(time),
        })
    }
}
