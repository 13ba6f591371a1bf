//! Conditional writes whose condition is the turn that was read, and the transitions of a code's life by them.
//!
//! `docs/cql.md`, "The life of a code": a write without an answer is settled by the same write, sent once more; a row that has neither its turn nor the
//! one that was read tells nothing of it.

use scylla::serialize::row::SerializeRow;
use sistema_ts_model::{Erasure, Life, Moment, Step};
use sistema_ts_store::StoreError;

use crate::core::Core;
use crate::failure::Failure;
use crate::lookup::{LifeColumns, StoredLife};
use crate::statement::Statement;
use crate::submission::random_number;
use crate::test_row::TestRow;

/// So often is a conditional write sent whose answer is missing.
const MOST_SENDS: usize = 3;
/// So often is a decision made anew because the row has moved on: each time another server's change took place.
pub(crate) const MOST_DECISIONS: usize = 64;
/// A life is kept so much longer than it lasts, in seconds.
const AFTER_LIFE_SECONDS: i64 = 2 * 24 * 60 * 60;

/// How a conditional write ended that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// It has taken place.
    Written,
    /// It has not, and never will: the row has moved on.
    MovedOn,
}

/// What a transition has come to.
pub(crate) struct Transition<Answer> {
    pub(crate) answer: Answer,
    /// The life that was written, if one was.
    pub(crate) written: Option<Life>,
    /// Where the life stands now.
    pub(crate) stored: StoredLife,
}

impl<Answer> Transition<Answer> {
    fn without_write(answer: Answer, stored: StoredLife) -> Self {
        Self {
            answer,
            written: None,
            stored,
        }
    }
}

impl Core {
    /// Sends a conditional write that gives the row this turn. An error that may have been one of the way alone has it sent again.
    ///
    /// # Errors
    /// [`StoreError::UnknownOutcome`] if what became of it cannot be told.
    pub(crate) async fn send_guarded(
        &self,
        statement: Statement,
        turn: i64,
        values: impl SerializeRow,
    ) -> Result<Guarded, Failure> {
        let mut unanswered = None;
        for _ in 0..MOST_SENDS {
            match self.cluster.decide(statement, &values).await {
                Ok(decided) if decided.applied || decided.number("turn") == Some(turn) => {
                    return Ok(Guarded::Written);
                }
                Ok(_) => {
                    return match unanswered {
                        None => Ok(Guarded::MovedOn),
                        Some(failure) => Err(failure),
                    };
                }
                Err(failure) => unanswered = Some(failure.unknown()),
            }
        }
        // It was sent, so there is an error.
        Err(unanswered.unwrap_or_else(moves_too_fast))
    }

    /// Applies a transition to the life of a test's code, as it was read, or as it stands when it has moved on. Holds the code's queue while it writes
    /// and erases; whoever calls holds none.
    pub(crate) async fn transit<Answer>(
        &self,
        row: &TestRow,
        seen: StoredLife,
        decide: impl Fn(&Life, Moment) -> Step<Answer>,
    ) -> Result<Transition<Answer>, Failure> {
        self.transit_as(row, seen, None, decide).await
    }

    /// The same, by a write of this turn: one that is the same whoever sends it.
    pub(crate) async fn transit_as<Answer>(
        &self,
        row: &TestRow,
        mut stored: StoredLife,
        turn: Option<i64>,
        decide: impl Fn(&Life, Moment) -> Step<Answer>,
    ) -> Result<Transition<Answer>, Failure> {
        if let Err(step) = self.next_life(row, &stored, &decide) {
            return Ok(Transition::without_write(step.answer, stored));
        }
        let _turn = match self.lives.at_once(row.cun()) {
            Some(turn) => turn,
            None => {
                let turn = self.lives.at(row.cun()).await;
                // Whoever was before may have changed it.
                stored = self.read_life(row.cun()).await?;
                turn
            }
        };
        for _ in 0..MOST_DECISIONS {
            let (next, step) = match self.next_life(row, &stored, &decide) {
                Ok(next) => next,
                Err(step) => return Ok(Transition::without_write(step.answer, stored)),
            };
            if step.erase == Erasure::Everything {
                self.intend_erasure(row).await?;
            }
            let turn = match turn {
                Some(turn) => turn,
                None => random_number()?,
            };
            match self.write_life(row, &stored, &next, turn).await? {
                Guarded::Written => {
                    let stored = StoredLife {
                        life: next.clone(),
                        turn: Some(turn),
                    };
                    self.obey(row, step.erase, &stored.life)
                        .await
                        .map_err(Failure::unknown)?;
                    return Ok(Transition {
                        answer: step.answer,
                        written: Some(next),
                        stored,
                    });
                }
                Guarded::MovedOn => stored = self.read_life_again(row).await?,
            }
        }
        Err(moves_too_fast())
    }

    /// The life that a step demands to be written, and the step; or the step alone, if it writes nothing or what it writes is left to the sweep.
    fn next_life<Answer>(
        &self,
        row: &TestRow,
        stored: &StoredLife,
        decide: impl Fn(&Life, Moment) -> Step<Answer>,
    ) -> Result<(Life, Step<Answer>), Step<Answer>> {
        let mut step = decide(&stored.life, self.moment());
        if self.is_left_to_the_sweep(row, &stored.life, &step) {
            return Err(step);
        }
        match step.write.take() {
            Some(next) => Ok((next, step)),
            None => Err(step),
        }
    }

    async fn write_life(
        &self,
        row: &TestRow,
        seen: &StoredLife,
        next: &Life,
        turn: i64,
    ) -> Result<Guarded, Failure> {
        let code = row.place.code();
        let rest = row.origin().expires_at().millis_since(self.now()).max(0) / 1_000;
        // Less than a month.
        let ttl = (rest + AFTER_LIFE_SECONDS) as i32;
        let bytes = next.encode().unwrap_or_default();
        match seen.turn {
            None => {
                let values = (code, bytes, turn, ttl);
                self.send_guarded(Statement::BeginLife, turn, values).await
            }
            Some(seen) => {
                let values = (ttl, bytes, turn, code, seen);
                self.send_guarded(Statement::ChangeLife, turn, values).await
            }
        }
    }

    async fn read_life_again(&self, row: &TestRow) -> Result<StoredLife, Failure> {
        let values = (row.place.code(),);
        let columns: Option<LifeColumns> = self
            .cluster
            .read_one(Statement::ReadLifeAgain, values)
            .await?;
        StoredLife::decode(columns)
    }

    /// Whether a life would end by this step because of what the clock shows, which is not over yet by the horizon of the sweeps: it is refused, and
    /// left for the sweep, which goes by the trusted time.
    fn is_left_to_the_sweep<Answer>(
        &self,
        row: &TestRow,
        life: &Life,
        step: &Step<Answer>,
    ) -> bool {
        let is_over_at = |now| {
            let moment = Moment {
                now,
                ..self.moment()
            };
            life.state_at(&row.origin(), moment).is_over()
        };
        step.erase == Erasure::Everything && is_over_at(self.now()) && !is_over_at(self.horizon())
    }
}

pub(crate) fn moves_too_fast() -> Failure {
    Failure::Store(StoreError::Overloaded {
        what: "changes of one row",
    })
}
