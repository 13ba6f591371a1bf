//! Counting guesses (§3.3.1). A partition for each caller and one for each code, in which a row for each operator stands beside the partition's own
//! count: one conditional write changes both, so neither count gets past its budget, however many ask. A guess is counted before it is looked at, durably and for
//! all servers; one that fails has nothing more to write.
//!
//! The condition is the partition's turn, which each write draws anew, and that the operator's row is the one that was read. A guess whose count is
//! unknown is not looked at. What is decided on counts that were read stands in `counting`. Keys and operators are pseudonyms.

use scylla::{DeserializeRow, SerializeRow};
use sistema_ts_model::{Cun, Timestamp};
use sistema_ts_store::{
    AslOtpAdmission, CountAslOtp, Counted, Forgiveness, Guess, GuessAdmission, GuessBudgets,
    GuessCounter, GuessTicket, Pseudonym,
};

use crate::core::Core;
use crate::counting::{Counting, Current, Exhausted, Of, Seen};
use crate::failure::Failure;
use crate::guarded::{Guarded, MOST_DECISIONS, moves_too_fast};
use crate::statement::Statement;
use crate::submission::random_number;
use crate::ticket::Raised;

/// Counts are kept so much longer than their windows last, in seconds: within it a clock that is wrong by a day ends none.
const AFTER_WINDOW_SECONDS: i64 = 2 * 24 * 60 * 60;

impl Of {
    fn ttl(self) -> i32 {
        // Less than a month.
        (self.total().window_millis() / 1_000 + AFTER_WINDOW_SECONDS) as i32
    }
}

/// A partition, and an operator's row in it.
#[derive(Clone, Copy, Debug)]
struct Counts {
    of: Of,
    key: Pseudonym,
    operator: Pseudonym,
}

impl Counts {
    fn raised(&self, counting: &Counting) -> Raised {
        Raised {
            key: self.key,
            operator: self.operator,
            windows: counting.raised,
        }
    }
}

#[derive(DeserializeRow)]
struct GuessColumns {
    operator: Vec<u8>,
    turn: Option<i64>,
    total_started: Option<i64>,
    total: Option<i32>,
    forgiven_started: Option<i64>,
    forgiven: Option<i32>,
    started: Option<i64>,
    failures: Option<i32>,
    after_forgiven: Option<i32>,
}

#[derive(DeserializeRow)]
struct TotalColumns {
    #[allow(
        dead_code,
        reason = "CQL gives the totals of a partition with its key alone"
    )]
    key: Vec<u8>,
    turn: Option<i64>,
    total_started: Option<i64>,
    total: Option<i32>,
}

#[derive(SerializeRow)]
struct ChangeColumns<'a> {
    ttl: i32,
    turn: i64,
    total_started: i64,
    total: i32,
    forgiven_started: Option<i64>,
    forgiven: Option<i32>,
    started: i64,
    failures: i32,
    after_forgiven: i32,
    key: &'a [u8],
    operator: &'a [u8],
    seen_turn: Option<i64>,
    seen_started: Option<i64>,
    seen_failures: Option<i32>,
}

impl Core {
    /// Counts a guess against its caller and operator first, then against its code; what the code's partition refuses is taken off the caller's again.
    pub(crate) async fn begin_guess(&self, guess: &Guess) -> Result<GuessAdmission, Failure> {
        let of_caller = self.counts_of_caller(guess);
        let of_code = self.counts_of_code(guess.cun, guess.operator.expose().as_bytes());
        let caller = match self.count(of_caller, guess.budgets).await? {
            Ok(counting) => counting,
            Err(Exhausted::Row(until)) => return Ok(GuessAdmission::OperatorExhausted { until }),
            Err(Exhausted::Total(until)) => return Ok(GuessAdmission::CallerExhausted { until }),
        };
        let code = match self.count(of_code, guess.budgets).await? {
            Ok(counting) => counting,
            Err(_) => {
                let raised = of_caller.raised(&caller);
                self.take_off(Of::Caller, &raised).await?;
                return Ok(GuessAdmission::OperatorOfCodeExhausted);
            }
        };
        let raised = [of_caller.raised(&caller), of_code.raised(&code)];
        Ok(GuessAdmission::Counted {
            ticket: self.tickets.issue(raised, self.clock.monotonic()),
            operator_left: caller.row_left,
            code_tries: code.tries,
        })
    }

    /// It was counted when it began.
    pub(crate) fn fail_guess(&self, ticket: &GuessTicket) {
        let _ = self.tickets.end(ticket);
    }

    /// Takes what has ended already, or is lost, for done.
    pub(crate) async fn return_guess(&self, raised: [Raised; 2]) -> Result<(), Failure> {
        let [caller, code] = raised;
        tokio::try_join!(
            self.take_off(Of::Caller, &caller),
            self.take_off(Of::Code, &code)
        )
        .map(drop)
    }

    pub(crate) async fn count_asl_otp(
        &self,
        wish: &CountAslOtp,
    ) -> Result<AslOtpAdmission, Failure> {
        let operator = wish.operator.expose().as_bytes();
        let key = self.pseudonyms.of([b"asl code", operator]);
        let counts = Counts {
            of: Of::AslOtps,
            key,
            operator: key,
        };
        let counting = self.change(counts, |current| {
            if current.total.failures >= wish.per_hour {
                let until = current.total.ends_at(Counted::AslOtp);
                return (None, AslOtpAdmission::Exhausted { until });
            }
            let raised = Current {
                total: current.total.raised(),
                row: current.total.raised(),
                ..current
            };
            (Some(raised), AslOtpAdmission::Admitted)
        });
        counting.await
    }

    pub(crate) async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, Failure> {
        let counts = self.counts_of_code(cun, b"");
        let _turn = self.guesses.at(counts.key).await;
        for _ in 0..MOST_DECISIONS {
            let seen = self.read_counts(&counts).await?;
            let (forgiven, told) = match seen.as_of(Of::Code, self.now()).forgive() {
                Ok(forgiven) => forgiven,
                Err(told) => return Ok(told),
            };
            let turn = random_number()?;
            let values = (
                Of::Code.ttl(),
                turn,
                self.now().millis(),
                forgiven.window_started.millis(),
                // At most two.
                forgiven.failures as i32,
                counts.key.as_slice(),
                seen.turn,
            );
            if self
                .send_guarded(Statement::ForgiveCode, turn, values)
                .await?
                == Guarded::Written
            {
                return Ok(told);
            }
        }
        Err(moves_too_fast())
    }

    fn counts_of_caller(&self, guess: &Guess) -> Counts {
        let caller = guess.caller.to_key();
        let caller = caller.as_bytes();
        let operator = guess.operator.expose().as_bytes();
        Counts {
            of: Of::Caller,
            key: self.pseudonyms.of([b"caller", caller]),
            operator: self.pseudonyms.of([b"operator", caller, operator]),
        }
    }

    /// The same operator, through whichever caller.
    fn counts_of_code(&self, cun: Cun, operator: &[u8]) -> Counts {
        let cun = cun.to_text();
        Counts {
            of: Of::Code,
            key: self.pseudonyms.of([b"code", &cun]),
            operator: self.pseudonyms.of([b"operator of code", operator, &cun]),
        }
    }

    /// Counts a guess in one partition.
    async fn count(
        &self,
        counts: Counts,
        budgets: GuessBudgets,
    ) -> Result<Result<Counting, Exhausted>, Failure> {
        let counting = self.change(counts, |current| match current.count(counts.of, budgets) {
            Ok(counting) => (Some(counting.next), Ok(counting)),
            Err(exhausted) => (None, Err(exhausted)),
        });
        counting.await
    }

    /// Takes a guess off what it has raised, as far as the windows are the same.
    async fn take_off(&self, of: Of, raised: &Raised) -> Result<(), Failure> {
        let counts = Counts {
            of,
            key: raised.key,
            operator: raised.operator,
        };
        let changing = self.change(counts, |current| (current.take_off(&raised.windows), ()));
        changing.await
    }

    /// Changes the counts of an operator together with those of the partition.
    async fn change<Answer>(
        &self,
        counts: Counts,
        decide: impl Fn(Current) -> (Option<Current>, Answer),
    ) -> Result<Answer, Failure> {
        let _turn = self.guesses.at(counts.key).await;
        for _ in 0..MOST_DECISIONS {
            let seen = self.read_counts(&counts).await?;
            let (next, answer) = decide(seen.as_of(counts.of, self.now()));
            let Some(next) = next else {
                return Ok(answer);
            };
            let turn = random_number()?;
            let columns = change_of(&counts, &seen, &next, turn);
            if self
                .send_guarded(Statement::ChangeGuess, turn, columns)
                .await?
                == Guarded::Written
            {
                return Ok(answer);
            }
        }
        Err(moves_too_fast())
    }

    async fn read_counts(&self, counts: &Counts) -> Result<Seen, Failure> {
        let key = counts.key.as_slice();
        let rows: Vec<GuessColumns> = match counts.of {
            Of::Code => {
                self.cluster
                    .read(Statement::ReadGuessesOfCode, (key,))
                    .await?
            }
            Of::Caller | Of::AslOtps => {
                let values = (key, counts.operator.as_slice());
                self.cluster
                    .read(Statement::ReadGuessesOfCaller, values)
                    .await?
            }
        };
        let Some(first) = rows.first() else {
            if counts.of == Of::Code {
                return Ok(Seen::default());
            }
            // The operators that are there are all below.
            let totals: Option<TotalColumns> = self
                .cluster
                .read_one(Statement::ReadTotalsOfCaller, (key,))
                .await?;
            return Ok(totals.map(TotalColumns::seen).unwrap_or_default());
        };
        let is_its = |row: &&GuessColumns| row.operator == counts.operator;
        let row = rows.iter().find(is_its);
        Ok(Seen {
            turn: first.turn,
            total: counter(first.total_started, first.total),
            forgiven: counter(first.forgiven_started, first.forgiven),
            row: row.and_then(|row| counter(row.started, row.failures)),
            after_forgiven: row.and_then(|row| row.after_forgiven).unwrap_or_default(),
        })
    }
}

impl TotalColumns {
    fn seen(self) -> Seen {
        Seen {
            turn: self.turn,
            total: counter(self.total_started, self.total),
            ..Seen::default()
        }
    }
}

fn counter(started: Option<i64>, count: Option<i32>) -> Option<GuessCounter> {
    Some(GuessCounter {
        window_started: Timestamp::from_millis_clamped(started?),
        failures: u32::try_from(count?).unwrap_or_default(),
    })
}

/// A count as its column has it: budgets are far below.
fn column(counter: GuessCounter) -> i32 {
    i32::try_from(counter.failures).unwrap_or(i32::MAX)
}

fn change_of<'a>(counts: &'a Counts, seen: &Seen, next: &Current, turn: i64) -> ChangeColumns<'a> {
    let forgiven = Some(next.forgiven).filter(|forgiven| forgiven.failures > 0);
    ChangeColumns {
        ttl: counts.of.ttl(),
        turn,
        total_started: next.total.window_started.millis(),
        total: column(next.total),
        forgiven_started: forgiven.map(|forgiven| forgiven.window_started.millis()),
        forgiven: forgiven.map(column),
        started: next.row.window_started.millis(),
        failures: column(next.row),
        after_forgiven: next.epoch(),
        key: &counts.key,
        operator: &counts.operator,
        seen_turn: seen.turn,
        seen_started: seen.row.map(|row| row.window_started.millis()),
        seen_failures: seen.row.map(column),
    }
}
