//! Counting guesses, ahead of submissions and durably: a crash gives nobody a try back.

use aws_lc_rs::hmac;
use rusqlite::OptionalExtension as _;
use sistema_ts_model::Timestamp;

use super::failure::Failure;
use super::queue::Lane;
use super::store::EmbeddedStore;
use super::writer::Writer;
use crate::error::StoreError;
use crate::guess::{Counted, Guess, GuessAdmission, GuessCounter, GuessTicket};
use crate::keys::cut;

impl EmbeddedStore {
    pub(super) async fn count_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.count_guess(&guess))
            .await
    }

    pub(super) async fn uncount_guess(&self, ticket: GuessTicket) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |writer| writer.uncount_guess(&ticket))
            .await
    }
}

impl Writer<'_> {
    pub(super) fn count_guess(&mut self, guess: &Guess) -> Result<GuessAdmission, Failure> {
        let keys = keys_of(&self.shared.receipt_hash, guess);
        let mut counters = [GuessCounter {
            window_started: self.now,
            failures: 0,
        }; 3];
        for ((counter, key), counted) in counters.iter_mut().zip(&keys).zip(Counted::ALL) {
            *counter = GuessCounter::as_of(self.guess_counter(key)?, counted, self.now);
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
        let code_exhausted = is_exhausted(Counted::Code);
        // The code's own count is written in any case, raised or not: the work tells nothing.
        for (key, counted) in keys.iter().zip(Counted::ALL) {
            let counter = counters[counted as usize];
            let counter = if counted == Counted::Code && code_exhausted {
                counter
            } else {
                counter.raised()
            };
            self.store_guess_counter(key, counted, counter)?;
            counters[counted as usize] = counter;
        }
        let operator_left = guess
            .budgets
            .operator
            .saturating_sub(counters[Counted::Operator as usize].failures);
        if code_exhausted {
            return Ok(GuessAdmission::CodeExhausted { operator_left });
        }
        let counts = [0, 1, 2].map(|index| (keys[index], counters[index].window_started));
        Ok(GuessAdmission::Admitted {
            ticket: GuessTicket { counts },
            operator_left,
        })
    }

    pub(super) fn uncount_guess(&mut self, ticket: &GuessTicket) -> Result<(), Failure> {
        for ((key, window_started), counted) in ticket.counts.iter().zip(Counted::ALL) {
            if let Some(counter) = self.guess_counter(key)?
                && counter.window_started == *window_started
            {
                self.store_guess_counter(key, counted, counter.lowered())?;
            }
        }
        Ok(())
    }

    /// Forgets the counts whose windows have ended.
    pub(super) fn forget_guesses(&self) -> Result<(), Failure> {
        self.tests
            .prepare_cached("DELETE FROM guesses WHERE ends_ms <= ?1")?
            .execute([self.now.millis()])?;
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

/// The key of each count, in the order of [`Counted::ALL`]: a keyed hash, so that the table names neither operator nor code.
fn keys_of(key: &hmac::Key, guess: &Guess) -> [[u8; 16]; 3] {
    let caller = guess.caller.to_key();
    let code = guess.cun.to_text();
    Counted::ALL.map(|counted| {
        let parts: [&[u8]; 3] = match counted {
            Counted::Operator => [
                b"operator",
                caller.as_bytes(),
                guess.operator.expose().as_bytes(),
            ],
            Counted::Code => [b"code", &code, b""],
            Counted::Caller => [b"caller", caller.as_bytes(), b""],
        };
        let mut hash = hmac::Context::with_key(key);
        // Receipts are hashed with the same key; theirs begin with the length of a caller's key, which is never zero.
        hash.update(&[0]);
        for part in parts {
            // A caller's key, a code and a fiscal code are short.
            hash.update(&[part.len() as u8]);
            hash.update(part);
        }
        cut(hash.sign())
    })
}
