//! Counting guesses, ahead of submissions and durably: a crash gives nobody a try back.

use aws_lc_rs::hmac;
use rusqlite::OptionalExtension as _;
use sistema_ts_model::{Cun, Timestamp};
use sistema_ts_store::keys::cut;
use sistema_ts_store::trusted_time::Horizon;
use sistema_ts_store::{
    AslCodeAdmission, CountAslCode, Counted, FORGIVENESSES, Forgiveness, Guess, GuessAdmission,
    GuessCounter, GuessTicket, RaisedCount, StoreError,
};

use super::failure::Failure;
use super::queue::Lane;
use super::store::EmbeddedStore;
use super::writer::Writer;

impl EmbeddedStore {
    pub(super) async fn count_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.count_guess(&guess))
            .await
    }

    pub(super) async fn uncount_guess(&self, ticket: GuessTicket) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |writer| writer.uncount_guess(&ticket))
            .await
    }

    pub(super) async fn count_code_of_asl(
        &self,
        wish: CountAslCode,
    ) -> Result<AslCodeAdmission, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.count_asl_code(&wish))
            .await
    }

    pub(super) async fn forgive(&self, cun: Cun) -> Result<Forgiveness, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.forgive(cun))
            .await
    }
}

impl Writer<'_> {
    pub(super) fn count_guess(&mut self, guess: &Guess) -> Result<GuessAdmission, Failure> {
        let forgiven = self.current_count(&self.forgiven_key(guess.cun), Counted::Forgiven)?;
        let keys = keys_of(&self.shared.receipt_hash, guess, forgiven.failures);
        let mut counters = [forgiven; 4];
        for ((counter, key), counted) in counters.iter_mut().zip(&keys).zip(Counted::OF_A_GUESS) {
            *counter = self.current_count(key, counted)?;
        }
        let is_exhausted =
            |counted: Counted| counters[counted as usize].failures >= counted.budget(guess.budgets);
        let until = |counted: Counted| counters[counted as usize].ends_at(counted);
        if is_exhausted(Counted::Operator) {
            let until = until(Counted::Operator);
            return Ok(GuessAdmission::OperatorExhausted { until });
        }
        if is_exhausted(Counted::Caller) {
            let until = until(Counted::Caller);
            return Ok(GuessAdmission::CallerExhausted { until });
        }
        if is_exhausted(Counted::OperatorOfCode) {
            return Ok(GuessAdmission::OperatorOfCodeExhausted);
        }
        let code_exhausted = is_exhausted(Counted::Code);
        let mut counts = Vec::with_capacity(counters.len());
        // The code's own count is written in any case, raised or not: the work tells nothing.
        for (key, counted) in keys.into_iter().zip(Counted::OF_A_GUESS) {
            let counter = &mut counters[counted as usize];
            if counted != Counted::Code || !code_exhausted {
                *counter = counter.raised();
                counts.push(RaisedCount {
                    counted,
                    key,
                    window_started: counter.window_started,
                });
            }
            self.store_guess_counter(&key, counted, *counter)?;
        }
        let ticket = GuessTicket::new(counts);
        let left = |counted: Counted| {
            let failures = counters[counted as usize].failures;
            counted.budget(guess.budgets).saturating_sub(failures)
        };
        let operator_left = left(Counted::Operator);
        Ok(if code_exhausted {
            GuessAdmission::CodeExhausted {
                ticket,
                operator_left,
            }
        } else {
            GuessAdmission::Admitted {
                ticket,
                operator_left,
                uses_code_up: left(Counted::Code) == 0,
            }
        })
    }

    pub(super) fn uncount_guess(&mut self, ticket: &GuessTicket) -> Result<(), Failure> {
        for raised in ticket.raised() {
            if let Some(counter) = self.guess_counter(&raised.key)?
                && counter.window_started == raised.window_started
            {
                self.store_guess_counter(&raised.key, raised.counted, counter.lowered())?;
            }
        }
        Ok(())
    }

    fn count_asl_code(&mut self, wish: &CountAslCode) -> Result<AslCodeAdmission, Failure> {
        let operator = wish.operator.expose().as_bytes();
        let key = keyed(&self.shared.receipt_hash, [b"asl code", operator]);
        let sent = self.current_count(&key, Counted::AslCode)?;
        if sent.failures >= wish.per_hour {
            let until = sent.ends_at(Counted::AslCode);
            return Ok(AslCodeAdmission::Exhausted { until });
        }
        self.store_guess_counter(&key, Counted::AslCode, sent.raised())?;
        Ok(AslCodeAdmission::Admitted)
    }

    /// Notes that the failures of a code are forgiven. Its counts get other keys by that, so that a guess under way takes nothing off the new
    /// ones; the old ones end with their windows.
    fn forgive(&mut self, cun: Cun) -> Result<Forgiveness, Failure> {
        let key = self.forgiven_key(cun);
        let forgiven = self.current_count(&key, Counted::Forgiven)?;
        let code_key = code_key(&self.shared.receipt_hash, cun, forgiven.failures);
        let failures = self.current_count(&code_key, Counted::Code)?.failures;
        if failures == 0 {
            return Ok(Forgiveness::NothingCounted);
        }
        if forgiven.failures >= FORGIVENESSES {
            return Ok(Forgiveness::NoneLeft);
        }
        let forgiven = forgiven.raised();
        self.store_guess_counter(&key, Counted::Forgiven, forgiven)?;
        Ok(Forgiveness::Forgiven {
            failures,
            left: FORGIVENESSES - forgiven.failures,
        })
    }

    /// The key under which is counted how often the failures of a code were forgiven.
    fn forgiven_key(&self, cun: Cun) -> [u8; 16] {
        keyed(
            &self.shared.receipt_hash,
            [b"forgiven", &cun.to_text(), b""],
        )
    }

    /// The count under this key as it stands now.
    fn current_count(&self, key: &[u8; 16], counted: Counted) -> Result<GuessCounter, Failure> {
        let stored = self.guess_counter(key)?;
        Ok(GuessCounter::as_of(stored, counted, self.now))
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

    fn store_guess_counter(
        &self,
        key: &[u8; 16],
        counted: Counted,
        counter: GuessCounter,
    ) -> Result<(), Failure> {
        self.tests
            .prepare_cached("INSERT OR REPLACE INTO guesses (key, window_ms, failures, ends_ms) VALUES (?1, ?2, ?3, ?4)")?
            .execute((key, counter.window_started.millis(), counter.failures, counter.ends_at(counted).millis()))?;
        Ok(())
    }
}

/// The key of each count, in the order of [`Counted::OF_A_GUESS`]: a keyed hash, so that the table names neither operator nor code.
fn keys_of(key: &hmac::Key, guess: &Guess, forgiven: u32) -> [[u8; 16]; 4] {
    let caller = guess.caller.to_key();
    let caller = caller.as_bytes();
    let operator = guess.operator.expose().as_bytes();
    let code = guess.cun.to_text();
    [
        keyed(key, [b"operator", caller, operator]),
        code_key(key, guess.cun, forgiven),
        keyed(key, [b"caller", caller, b""]),
        // Of the person, through whichever caller.
        keyed(
            key,
            [
                b"operator of code",
                operator,
                &code,
                &forgiven.to_be_bytes(),
            ],
        ),
    ]
}

/// The key of a code's count after so many times that it was forgiven.
fn code_key(key: &hmac::Key, cun: Cun, forgiven: u32) -> [u8; 16] {
    let forgiven = forgiven.to_be_bytes();
    let times: &[u8] = if forgiven == [0; 4] { b"" } else { &forgiven };
    keyed(key, [b"code", &cun.to_text(), times])
}

fn keyed<const PARTS: usize>(key: &hmac::Key, parts: [&[u8]; PARTS]) -> [u8; 16] {
    let mut hash = hmac::Context::with_key(key);
    // Receipts are hashed with the same key; theirs begin with the length of a caller's key, which is never zero.
    hash.update(&[0]);
    for part in parts {
        // A caller's key, a code and a fiscal code are short.
        hash.update(&[part.len() as u8]);
        hash.update(part);
    }
    cut(hash.sign())
}
