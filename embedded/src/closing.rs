//! What ends a code besides a confirmation: its cancellation (§2.4.2) and an ASL's code for the person (§5.1).

use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, CancelRefusal, ClaimId, CodiceFiscale, Cun, Effect, NewClaim, Over,
    PersonClaimRefusal, PostOutcome, Service, Settlement, StructureReference, TestResult,
    Timestamp, TransactionId,
};
use sistema_ts_store::keys::{LookupTag, Mac, oldest_live_day, same_mac};
use sistema_ts_store::{CancelOutcome, CancelTest, PersonClaim, PersonOutcome, StoreError};

use super::day::Day;
use super::failure::Failure;
use super::queue::Lane;
use super::rows::{self, TestRow};
use super::store::EmbeddedStore;
use super::writer::Writer;

/// How often a cancellation is prepared anew because the day changed while it waited.
const MOST_ATTEMPTS: usize = 8;

/// The keyed hash of a fiscal code, as its row holds it.
#[derive(Clone, Copy)]
enum Proof {
    Positive(LookupTag),
    Negative(Mac),
}

/// A receipt to be bound by a cancellation: the hash of its key, the MAC of its content, and the day of that MAC's key.
#[derive(Clone, Copy)]
struct CancelReceipt {
    key: [u8; 16],
    content: Mac,
    day: Day,
}

/// What is to be cancelled, by whom, and under which transaction.
struct Asked {
    cun: Cun,
    caller: Caller,
    structure: StructureReference,
    transaction: TransactionId,
}

/// What the writer did with a cancellation.
enum Cancelled {
    Outcome(CancelOutcome),
    /// A receipt with this key appeared after the check, or the day has changed: look again.
    Again,
}

/// A cancellation's receipt, as stored.
struct StoredReceipt {
    content: Vec<u8>,
    at: Timestamp,
    /// The day of the key of its MAC.
    key_day: Day,
    transaction: TransactionId,
}

impl EmbeddedStore {
    pub(super) async fn cancel(&self, request: CancelTest) -> Result<CancelOutcome, StoreError> {
        for _ in 0..MOST_ATTEMPTS {
            let key = request.repeatable.as_ref().map(|receipt| {
                self.shared
                    .receipt_key(&request.caller, Service::Cancellation, &receipt.key)
            });
            let cun = request.cun;
            let shared = self.shared.clone();
            let (row, receipt) = self
                .lookups
                .read(move |connection| {
                    let receipt = key
                        .map(|key| read_receipt(connection, &key))
                        .transpose()?
                        .flatten();
                    Ok((
                        TestRow::find(connection, &shared.codes.view(), cun)?,
                        receipt,
                    ))
                })
                .await?;
            let now = self.shared.now();
            if let (Some(stored), Some(given)) = (receipt, &request.repeatable)
                && stored.at > now.minus_millis(CUN_LIFE_MILLIS)
            {
                let key = self.shared.keys.day(stored.key_day.date())?;
                return Ok(
                    if same_mac(&stored.content, &key.receipt_mac(&given.content)) {
                        CancelOutcome::Replayed {
                            transaction: stored.transaction,
                            at: stored.at,
                        }
                    } else {
                        CancelOutcome::RequestKeyReused
                    },
                );
            }
            let today = self.shared.keys.day(now.rome_day())?;
            // A code that nobody has goes the same way: how long the answer takes tells no more than it says.
            let proof = match &row {
                Some(row) => self.proof(row, &request.fiscal_code, now)?,
                None => Some(Proof::Positive(today.lookup_tag(&request.fiscal_code))),
            };
            let receipt = key
                .zip(request.repeatable.as_ref())
                .map(|(key, given)| CancelReceipt {
                    key,
                    content: today.receipt_mac(&given.content),
                    day: Day::of_date(today.day()),
                });
            let asked = Asked {
                cun,
                caller: request.caller,
                structure: request.structure.clone(),
                transaction: request.transaction,
            };
            let cancelled = self
                .write(Lane::Usual, move |writer| {
                    writer.cancel(&asked, proof, receipt)
                })
                .await?;
            if let Cancelled::Outcome(outcome) = cancelled {
                return Ok(outcome);
            }
        }
        Err(StoreError::Unavailable {
            reason: "a cancellation could not be prepared for the writer's day".to_owned(),
        })
    }

    /// The keyed hash that this fiscal code would have in this row; none once the code's life is over, and its day's key with it.
    fn proof(
        &self,
        row: &TestRow,
        fiscal_code: &CodiceFiscale,
        now: Timestamp,
    ) -> Result<Option<Proof>, StoreError> {
        if row.origin().expires_at() <= now {
            return Ok(None);
        }
        let key = self.shared.keys.day(row.day().date())?;
        Ok(Some(match row.result {
            TestResult::Positive => Proof::Positive(key.lookup_tag(fiscal_code)),
            TestResult::Negative => Proof::Negative(key.negative_mac(row.cun, fiscal_code)),
        }))
    }

    pub(super) async fn claim_person(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        let now = self.shared.now();
        let (mut date, today) = (
            oldest_live_day(now).max(self.shared.keys.oldest()),
            now.rome_day(),
        );
        let mut tags = Vec::with_capacity(16);
        while date <= today {
            tags.push((
                Day::of_date(date),
                self.shared.keys.day(date)?.lookup_tag(&fiscal_code),
            ));
            let Some(next) = date.succ_opt() else { break };
            date = next;
        }
        for day in self
            .shared
            .later_days
            .iter()
            .filter(|day| day.date() > today)
        {
            let key = self.shared.keys.day(day.date())?;
            tags.push((*day, key.lookup_tag(&fiscal_code)));
        }
        self.write(Lane::Urgent, move |writer| {
            writer.claim_person(&tags, claim)
        })
        .await
    }

    pub(super) async fn settle_person(
        &self,
        person: PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, StoreError> {
        self.write(Lane::Urgent, move |writer| {
            writer.settle_person(&person.cuns, claim, outcome)
        })
        .await
    }
}

impl Writer<'_> {
    fn cancel(
        &mut self,
        asked: &Asked,
        proof: Option<Proof>,
        receipt: Option<CancelReceipt>,
    ) -> Result<Cancelled, Failure> {
        if let Some(receipt) = &receipt
            && (receipt.day != self.day || self.receipt_counts(&receipt.key)?)
        {
            return Ok(Cancelled::Again);
        }
        let Some(row) = self.test(asked.cun)? else {
            return Ok(Cancelled::Outcome(CancelOutcome::NoSuchTest));
        };
        if !self.proves(&row, proof)? || !row.structure.is_same_as(&asked.structure) {
            return Ok(Cancelled::Outcome(CancelOutcome::NoSuchTest));
        }
        let step = row.life.cancel(&row.origin(), &asked.caller, self.moment());
        let outcome = match self.obey(&row, step)? {
            Ok(effect) => CancelOutcome::Done {
                effect,
                at: self.now,
            },
            Err(CancelRefusal::NotSubmitter | CancelRefusal::Over(Over::Expired)) => {
                CancelOutcome::NoSuchTest
            }
            Err(refusal) => CancelOutcome::Refused(refusal),
        };
        if let (
            CancelOutcome::Done {
                effect: Effect::Done | Effect::AlreadyDone,
                at,
            },
            Some(receipt),
        ) = (&outcome, receipt)
        {
            self.tests
                .prepare_cached("INSERT OR REPLACE INTO cancellations (key, content, at_ms, transaction_id) VALUES (?1, ?2, ?3, ?4)")?
                .execute((receipt.key, receipt.content, at.millis(), asked.transaction.to_string()))?;
        }
        Ok(Cancelled::Outcome(outcome))
    }

    /// Whether a receipt with this key is bound and still counts.
    fn receipt_counts(&self, key: &[u8; 16]) -> Result<bool, Failure> {
        let stored = read_receipt(self.tests, key)?;
        Ok(stored.is_some_and(|stored| stored.at > self.now.minus_millis(CUN_LIFE_MILLIS)))
    }

    /// Whether the fiscal code is that of the row. Once it is erased nobody can tell, and the rest decides.
    fn proves(&mut self, row: &TestRow, proof: Option<Proof>) -> Result<bool, Failure> {
        let (held, given) = match proof {
            Some(Proof::Negative(given)) => (row.negative, given),
            Some(Proof::Positive(given)) => (self.patients.tag(row.day(), row.row)?, given),
            None => (None, Mac::default()),
        };
        match held {
            Some(held) => Ok(same_mac(&held, &given)),
            None => Ok(row.life.state_at(&row.origin(), self.moment()).is_over()),
        }
    }

    fn claim_person(
        &mut self,
        tags: &[(Day, LookupTag)],
        claim: NewClaim,
    ) -> Result<PersonOutcome, Failure> {
        let mut steps = Vec::new();
        for (day, tag) in tags {
            for number in self.patients.rows_of(*day, tag)? {
                let Some(row) = TestRow::read(self.tests, number)? else {
                    continue;
                };
                let step = row
                    .life
                    .claim_for_person(&row.origin(), claim, self.moment());
                if step.answer == Err(PersonClaimRefusal::UnlockUnderWay) {
                    return Ok(PersonOutcome::UnlockUnderWay);
                }
                steps.push((row, step));
            }
        }
        let mut claimed = PersonClaim::default();
        for (row, step) in steps {
            if self.obey(&row, step)?.is_ok() {
                claimed.cuns.push(row.cun);
            }
        }
        Ok(PersonOutcome::Claimed(claimed))
    }

    fn settle_person(
        &mut self,
        cuns: &[Cun],
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, Failure> {
        let mut consumed = 0;
        for cun in cuns {
            let Some(row) = self.test(*cun)? else {
                continue;
            };
            let step = row
                .life
                .settle(&row.origin(), claim, outcome, self.moment());
            let over = step
                .write
                .as_ref()
                .is_some_and(|life| life.state().is_over());
            if self.obey(&row, step)? == Settlement::Written && over {
                consumed += 1;
            }
        }
        Ok(consumed)
    }
}

fn read_receipt(connection: &Connection, key: &[u8; 16]) -> Result<Option<StoredReceipt>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT content, at_ms, key_day, transaction_id FROM cancellations WHERE key = ?1",
    )?;
    let found: Option<(Vec<u8>, i64, Option<i32>, String)> = select
        .query_row([key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((content, at, key_day, transaction)) = found else {
        return Ok(None);
    };
    let at = Timestamp::from_millis_clamped(at);
    Ok(Some(StoredReceipt {
        content,
        at,
        key_day: key_day.map_or_else(|| Day::of(at), Day),
        transaction: TransactionId::parse(&transaction)
            .ok_or_else(|| rows::corrupt("a transaction"))?,
    }))
}
