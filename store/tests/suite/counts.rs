//! The counts of guesses that several servers share.

use std::collections::HashMap;

use sistema_ts_model::{CodiceFiscale, Cun, Timestamp};
use sistema_ts_store::{
    AslOtpAdmission, CodeTries, CountAslOtp, Counted, FORGIVENESSES, Forgiveness, Guess,
    GuessAdmission, GuessCounter, GuessTicket,
};

/// The server that alone knows it (none, where all do), what is counted, and of whom.
type Key = (Option<usize>, u8, String);

/// A guess under way, as its server remembers it: what it has raised, each in the window that began then.
pub type Raised = Vec<(Key, Timestamp)>;

#[derive(Default)]
pub struct Counts(HashMap<Key, (Counted, GuessCounter)>);

impl Counts {
    fn count(&self, key: &Key, counted: Counted, now: Timestamp) -> GuessCounter {
        let stored = self.0.get(key).map(|(_, counter)| *counter);
        GuessCounter::as_of(stored, counted, now)
    }

    fn forgiven(&self, owner: Option<usize>, cun: Cun, now: Timestamp) -> (Key, GuessCounter) {
        let key = (owner, Counted::Forgiven as u8, cun.to_string());
        let counter = self.count(&key, Counted::Forgiven, now);
        (key, counter)
    }

    /// Counts a guess, and answers what it has raised. `ticket` is its number.
    pub fn begin(
        &mut self,
        owner: Option<usize>,
        guess: &Guess,
        ticket: u64,
        now: Timestamp,
    ) -> (GuessAdmission, Raised) {
        let (_, forgiven) = self.forgiven(owner, guess.cun, now);
        let times = forgiven.failures;
        let (operator, caller) = (guess.operator.expose(), guess.caller.to_key().to_string());
        let cun = guess.cun;
        let counts = Counted::OF_A_GUESS.map(|counted| {
            let of = match counted {
                Counted::Operator => format!("{caller} {operator}"),
                Counted::Code => format!("{cun} {times}"),
                Counted::Caller => caller.clone(),
                _ => format!("{operator} {cun} {times}"),
            };
            let key = (owner, counted as u8, of);
            let counter = self.count(&key, counted, now);
            (counted, key, counter)
        });
        let of = |wanted: Counted| counts.iter().find(|(counted, ..)| *counted == wanted);
        let left = |counted: Counted| {
            let failures = of(counted).map_or(0, |(_, _, counter)| counter.failures);
            counted.budget(guess.budgets).saturating_sub(failures)
        };
        let until = |counted| of(counted).map_or(now, |(_, _, counter)| counter.ends_at(counted));
        let refused = |admission| (admission, Raised::new());
        if left(Counted::Operator) == 0 {
            let until = until(Counted::Operator);
            return refused(GuessAdmission::OperatorExhausted { until });
        }
        if left(Counted::Caller) == 0 {
            let until = until(Counted::Caller);
            return refused(GuessAdmission::CallerExhausted { until });
        }
        if left(Counted::OperatorOfCode) == 0 {
            return refused(GuessAdmission::OperatorOfCodeExhausted);
        }
        let code_tries = CodeTries::of(left(Counted::Code));
        let admission = GuessAdmission::Counted {
            ticket: GuessTicket::of_number(ticket),
            operator_left: left(Counted::Operator) - 1,
            code_tries,
        };
        let mut raised = Raised::new();
        for (counted, key, counter) in counts {
            if counted != Counted::Code || code_tries != CodeTries::None {
                self.0.insert(key.clone(), (counted, counter.raised()));
                raised.push((key, counter.window_started));
            }
        }
        (admission, raised)
    }

    /// Takes off what a guess has raised, where its window is still the one.
    pub fn take_off(&mut self, raised: Raised) {
        for (key, window_started) in raised {
            if let Some((_, counter)) = self.0.get_mut(&key)
                && counter.window_started == window_started
            {
                *counter = counter.lowered();
            }
        }
    }

    pub fn forgive(&mut self, owner: Option<usize>, cun: Cun, now: Timestamp) -> Forgiveness {
        let (key, forgiven) = self.forgiven(owner, cun, now);
        let times = forgiven.failures;
        let code = (owner, Counted::Code as u8, format!("{cun} {times}"));
        let failures = self.count(&code, Counted::Code, now).failures;
        if failures == 0 {
            return Forgiveness::NothingCounted;
        }
        if times >= FORGIVENESSES {
            return Forgiveness::NoneLeft;
        }
        self.0.insert(key, (Counted::Forgiven, forgiven.raised()));
        let left = FORGIVENESSES - times - 1;
        Forgiveness::Forgiven { failures, left }
    }

    pub fn count_asl_otp(&mut self, wish: &CountAslOtp, now: Timestamp) -> AslOtpAdmission {
        let of = |operator: &CodiceFiscale| operator.expose().to_owned();
        let key = (None, Counted::AslOtp as u8, of(&wish.operator));
        let sent = self.count(&key, Counted::AslOtp, now);
        if sent.failures >= wish.per_hour {
            let until = sent.ends_at(Counted::AslOtp);
            return AslOtpAdmission::Exhausted { until };
        }
        self.0.insert(key, (Counted::AslOtp, sent.raised()));
        AslOtpAdmission::Admitted
    }

    pub fn forget(&mut self, now: Timestamp) {
        self.0
            .retain(|_, (counted, counter)| counter.ends_at(*counted) > now);
    }
}
