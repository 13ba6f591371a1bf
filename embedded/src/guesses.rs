//! Counting guesses, ahead of submissions. A failure is written before it is told: a crash gives nobody a try back.

use rusqlite::OptionalExtension as _;
use sistema_ts_model::{Cun, Timestamp};
use sistema_ts_store::trusted_time::Horizon;
use sistema_ts_store::{
    AslOtpAdmission, CodeTries, CountAslOtp, Counted, FORGIVENESSES, Forgiveness, Guess,
    GuessAdmission, GuessCounter, GuessTicket, Pseudonyms, StoreError,
};

use super::failure::Failure;
use super::queue::Lane;
use super::store::EmbeddedStore;
use super::under_way::{CountOfGuess, GuessUnderWay};
use super::writer::Writer;

impl EmbeddedStore {
    pub(super) async fn begin_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.count_guess(&guess))
            .await
            .map(BegunGuess::into_admission)
    }

    pub(super) async fn fail_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        let Some(guess) = self.shared.guesses.end(ticket) else {
            return Ok(());
        };
        self.write(Lane::Urgent, move |writer| writer.keep_guess(guess))
            .await
    }

    pub(super) fn return_guess(&self, ticket: &GuessTicket) {
        drop(self.shared.guesses.end(ticket));
    }

    pub(super) async fn count_asl_otp(
        &self,
        wish: CountAslOtp,
    ) -> Result<AslOtpAdmission, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.count_asl_otp(&wish))
            .await
    }

    pub(super) async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.forgive(cun))
            .await
    }
}

/// A guess that has begun. It is counted until this is dropped, or until its ticket comes back.
pub(super) enum BegunGuess {
    /// It is to be looked at.
    Counted {
        guess: GuessUnderWay,
        operator_left: u32,
        code_tries: CodeTries,
    },
    /// It is not even looked at, and not counted.
    Refused(GuessAdmission),
}

impl BegunGuess {
    pub(super) fn is_counted(&self) -> bool {
        matches!(self, Self::Counted { .. })
    }

    /// What its asker is told, who ends it from now on.
    pub(super) fn into_admission(self) -> GuessAdmission {
        match self {
            Self::Refused(admission) => admission,
            Self::Counted {
                guess,
                operator_left,
                code_tries,
            } => GuessAdmission::Counted {
                ticket: guess.into_ticket(),
                operator_left,
                code_tries,
            },
        }
    }
}

impl Writer<'_> {
    /// Counts a guess among those under way. Nothing is written.
    pub(super) fn count_guess(&mut self, guess: &Guess) -> Result<BegunGuess, Failure> {
        let of_code = KeysOfCode::new(&self.shared.pseudonyms, guess.cun);
        let forgiven = self.stored_count(&of_code.forgiven(), Counted::Forgiven)?;
        let keys = keys_of(&of_code, guess, forgiven.counter.failures);
        let mut counters = [forgiven.counter; 4];
        for ((counter, key), counted) in counters.iter_mut().zip(&keys).zip(Counted::OF_A_GUESS) {
            *counter = self.current_count(key, counted)?;
        }
        let counter = |counted: Counted| counters[counted as usize];
        let left = |counted: Counted| {
            let budget = counted.budget(guess.budgets);
            budget.saturating_sub(counter(counted).failures)
        };
        let until = |counted: Counted| counter(counted).ends_at(counted);
        if left(Counted::Operator) == 0 {
            let until = until(Counted::Operator);
            return Ok(BegunGuess::Refused(GuessAdmission::OperatorExhausted {
                until,
            }));
        }
        if left(Counted::Caller) == 0 {
            let until = until(Counted::Caller);
            return Ok(BegunGuess::Refused(GuessAdmission::CallerExhausted {
                until,
            }));
        }
        if left(Counted::OperatorOfCode) == 0 {
            return Ok(BegunGuess::Refused(GuessAdmission::OperatorOfCodeExhausted));
        }
        let code_tries = CodeTries::of(left(Counted::Code));
        let counts = Counted::OF_A_GUESS.map(|counted| CountOfGuess {
            counted,
            key: keys[counted as usize],
            window_started: counter(counted).window_started,
            is_raised: counted != Counted::Code || code_tries != CodeTries::None,
        });
        Ok(BegunGuess::Counted {
            operator_left: left(Counted::Operator) - 1,
            code_tries,
            guess: self.shared.guesses.begin(counts, self.now),
        })
    }

    /// Writes the counts of a guess that has failed, and ends it. All are written, raised or not: the work tells nothing.
    pub(super) fn keep_guess(&mut self, guess: GuessUnderWay) -> Result<(), Failure> {
        for count in guess.counts() {
            let mut stored = self.stored_count(&count.key, count.counted)?;
            if !stored.is_stored {
                // The window goes on that began with the guess, if it lasts.
                let begun = GuessCounter {
                    window_started: count.window_started,
                    failures: 0,
                };
                stored.counter = GuessCounter::as_of(Some(begun), count.counted, self.now);
            }
            if count.is_raised {
                stored.counter = stored.counter.raised();
            }
            self.store_count(&count.key, count.counted, stored)?;
        }
        Ok(())
    }

    fn count_asl_otp(&mut self, wish: &CountAslOtp) -> Result<AslOtpAdmission, Failure> {
        let operator = wish.operator.expose().as_bytes();
        let key = self.shared.pseudonyms.of([b"asl code", operator]);
        let mut sent = self.stored_count(&key, Counted::AslOtp)?;
        if sent.counter.failures >= wish.per_hour {
            let until = sent.counter.ends_at(Counted::AslOtp);
            return Ok(AslOtpAdmission::Exhausted { until });
        }
        sent.counter = sent.counter.raised();
        self.store_count(&key, Counted::AslOtp, sent)?;
        Ok(AslOtpAdmission::Admitted)
    }

    /// Notes that the failures of a code are forgiven. Its counts get other keys by that, so that a guess under way takes nothing off the new
    /// ones; the old ones end with their windows.
    fn forgive(&mut self, cun: Cun) -> Result<Forgiveness, Failure> {
        let of_code = KeysOfCode::new(&self.shared.pseudonyms, cun);
        let mut forgiven = self.stored_count(&of_code.forgiven(), Counted::Forgiven)?;
        let times = forgiven.counter.failures;
        let code = self.stored_count(&of_code.code(times), Counted::Code)?;
        let failures = code.counter.failures;
        if failures == 0 {
            return Ok(Forgiveness::NothingCounted);
        }
        if times >= FORGIVENESSES {
            return Ok(Forgiveness::NoneLeft);
        }
        forgiven.counter = forgiven.counter.raised();
        self.store_count(&of_code.forgiven(), Counted::Forgiven, forgiven)?;
        Ok(Forgiveness::Forgiven {
            failures,
            left: FORGIVENESSES - forgiven.counter.failures,
        })
    }

    /// The count under this key as it stands now, those under way included, whichever window they began in.
    fn current_count(&self, key: &[u8; 16], counted: Counted) -> Result<GuessCounter, Failure> {
        let stored = self.stored_count(key, counted)?.counter;
        let under_way = self.shared.guesses.count(key, self.now);
        Ok(GuessCounter {
            failures: stored.failures.saturating_add(under_way),
            ..stored
        })
    }

    /// The count under this key as it is written, and stands now.
    fn stored_count(&self, key: &[u8; 16], counted: Counted) -> Result<Count, Failure> {
        let stored = self.guess_counter(key)?;
        let counter = GuessCounter::as_of(stored, counted, self.now);
        Ok(Count {
            counter,
            is_stored: stored.is_some_and(|stored| stored.window_started == counter.window_started),
        })
    }

    /// Forgets the counts whose windows have ended.
    pub(super) fn forget_guesses(&self, horizon: Horizon) -> Result<(), Failure> {
        self.tests
            .prepare_cached("DELETE FROM guesses WHERE ends_ms <= ?1")?
            .execute([horizon.time().millis()])?;
        Ok(())
    }

    fn guess_counter(&self, key: &[u8; 16]) -> Result<Option<GuessCounter>, Failure> {
        let mut select = self
            .tests
            .prepare_cached("SELECT window_ms, failures FROM guesses WHERE key = ?1")?;
        let counter = select
            .query_row([key], |row| {
                Ok(GuessCounter {
                    window_started: Timestamp::from_millis_clamped(row.get(0)?),
                    failures: row.get(1)?,
                })
            })
            .optional()?;
        Ok(counter)
    }

    fn store_count(&self, key: &[u8; 16], counted: Counted, count: Count) -> Result<(), Failure> {
        let Count { counter, is_stored } = count;
        if is_stored {
            // Within a window its end stays as it is, so the index by ends is not written.
            self.tests
                .prepare_cached("UPDATE guesses SET failures = ?2 WHERE key = ?1")?
                .execute((key, counter.failures))?;
        } else {
            self.tests
                .prepare_cached("INSERT OR REPLACE INTO guesses (key, window_ms, failures, ends_ms) VALUES (?1, ?2, ?3, ?4)")?
                .execute((key, counter.window_started.millis(), counter.failures, counter.ends_at(counted).millis()))?;
        }
        Ok(())
    }
}

/// A count, and whether its row has this very window already.
#[derive(Clone, Copy)]
struct Count {
    counter: GuessCounter,
    is_stored: bool,
}

/// The key of each count, in the order of [`Counted::OF_A_GUESS`]: a keyed hash, so that the table names neither operator nor code.
fn keys_of(of_code: &KeysOfCode<'_>, guess: &Guess, forgiven: u32) -> [[u8; 16]; 4] {
    let pseudonyms = of_code.pseudonyms;
    let caller = guess.caller.to_key();
    let caller = caller.as_bytes();
    let operator = guess.operator.expose().as_bytes();
    let of_caller = pseudonyms.of([b"caller", caller, b""]);
    [
        beside(of_caller, pseudonyms.of([b"operator", caller, operator])),
        of_code.code(forgiven),
        of_caller,
        of_code.operator(operator, forgiven),
    ]
}

/// The key of a count that lies beside another in the table, so that both are often read and written in one page: the first eight bytes are the
/// other's, the rest tells the two apart.
fn beside(other: [u8; 16], hash: [u8; 16]) -> [u8; 16] {
    let mut key = other;
    key[8..].copy_from_slice(&hash[..8]);
    key
}

/// The keys of the counts about one code, which lie beside one another.
struct KeysOfCode<'key> {
    pseudonyms: &'key Pseudonyms,
    cun: [u8; 14],
    /// The key of the code's own count as long as nothing was forgiven.
    first: [u8; 16],
}

impl<'key> KeysOfCode<'key> {
    fn new(pseudonyms: &'key Pseudonyms, cun: Cun) -> Self {
        let cun = cun.to_text();
        KeysOfCode {
            pseudonyms,
            cun,
            first: pseudonyms.of([b"code", &cun, b""]),
        }
    }

    /// That of the code itself, after so many times that it was forgiven.
    fn code(&self, forgiven: u32) -> [u8; 16] {
        match forgiven {
            0 => self.first,
            times => {
                let hash = self
                    .pseudonyms
                    .of([b"code", &self.cun, &times.to_be_bytes()]);
                beside(self.first, hash)
            }
        }
    }

    /// That of an operator, through whichever caller, after so many times that the code was forgiven.
    fn operator(&self, operator: &[u8], forgiven: u32) -> [u8; 16] {
        let forgiven = forgiven.to_be_bytes();
        let parts: [&[u8]; 4] = [b"operator of code", operator, &self.cun, &forgiven];
        beside(self.first, self.pseudonyms.of(parts))
    }

    /// That under which is counted how often the code's failures were forgiven.
    fn forgiven(&self) -> [u8; 16] {
        let hash = self.pseudonyms.of([b"forgiven", &self.cun, b""]);
        beside(self.first, hash)
    }
}
