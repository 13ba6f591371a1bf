//! What a run says while it lasts: a line every few seconds, on standard error.

use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::outcome::Outcome;
use crate::measure::recorder::Recorder;

/// How often.
const EVERY: u64 = 5;

/// Writes lines.
pub(super) struct Progress {
    whole: Option<Duration>,
    last: u64,
    on: bool,
}

impl Progress {
    pub(super) fn new(whole: Option<Duration>, on: bool) -> Self {
        Self { whole, last: 0, on }
    }

    /// A step of the whole run begins.
    pub(super) fn say(&self, what: &str) {
        if self.on {
            eprintln!("{what}");
        }
    }

    /// A second has passed.
    pub(super) fn second(&mut self, recorder: &Recorder, elapsed: Duration) {
        let seconds = elapsed.as_secs();
        if !self.on || seconds < self.last + EVERY {
            return;
        }
        self.last = seconds;
        eprintln!("{}", self.line(recorder, elapsed));
    }

    fn line(&self, recorder: &Recorder, elapsed: Duration) -> String {
        let mut line = clock(elapsed);
        if let Some(whole) = self.whole {
            // Writing to a string cannot fail.
            let _ = write!(line, " of {}", clock(whole));
        }
        let stretches = &recorder.series.stretches;
        if let Some(last) = stretches.last() {
            let before = stretches
                .len()
                .checked_sub(2)
                .map_or(0.0, |place| stretches[place].end);
            let length = (last.end - before).max(0.001);
            let answered: u64 = Outcome::ALL
                .into_iter()
                .filter(|outcome| outcome.is_answered())
                .map(|outcome| last.outcomes[outcome.index()])
                .sum();
            let rate = |count: u64| count as f64 / length;
            let millis = |nanoseconds: u64| nanoseconds as f64 / 1e6;
            // As above.
            let _ = write!(
                line,
                "  due {:.0}/s  sent {:.0}/s  answered {:.0}/s  in flight {}  waiting {}  p50 {:.2} ms  p99 {:.2} ms  own lateness p99 {:.3} ms ",
                rate(last.offered),
                rate(last.sent),
                rate(answered),
                recorder.in_flight,
                recorder.waiting,
                millis(last.response[0]),
                millis(last.response[1]),
                millis(last.lateness_p99),
            );
        }
        for outcome in Outcome::ALL {
            let count = recorder.count(None, Some(outcome));
            if count > 0 {
                // As above.
                let _ = write!(line, " {} {count}", outcome.name());
            }
        }
        line
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 3_600 {
        format!(
            "{}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )
    } else {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_on_a_clock() {
        let told =
            [59, 60, 3_599, 3_600, 90_061].map(|seconds| clock(Duration::from_secs(seconds)));
        assert_eq!(told, ["0:59", "1:00", "59:59", "1:00:00", "25:01:01"]);
    }
}
