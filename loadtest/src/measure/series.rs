//! The run over time, in stretches of a second; a long run's stretches are joined, so that their number stays bounded.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::outcome::Outcome;
use super::times::coarse;

/// Stretches that are kept at most: an hour of seconds. Beyond, two and two are joined.
const MOST: usize = 3_600;
const OUTCOMES: usize = Outcome::ALL.len();

/// One stretch of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Stretch {
    /// Its end, in seconds since the load's beginning.
    pub(crate) end: f64,
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    pub(crate) outcomes: [u64; OUTCOMES],
    /// Requests under way at its end.
    pub(crate) in_flight: u64,
    /// Response at p50, p99 and p99.9, in nanoseconds; 0 without an answer. Of joined stretches the greater.
    pub(crate) response: [u64; 3],
    pub(crate) service_p99: u64,
    pub(crate) lateness_p99: u64,
    /// The server's processor time in nanoseconds and its memory in KiB, if its process is known.
    pub(crate) server: Option<(u64, u64)>,
    /// This program's processor time in nanoseconds.
    pub(crate) client_cpu: u64,
}

/// What is read of processes at the end of a stretch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Processes {
    pub(crate) server: Option<(Duration, u64)>,
    pub(crate) client: Duration,
}

/// All stretches so far.
#[derive(Debug)]
pub(crate) struct Series {
    start: Instant,
    /// Whole stretches.
    pub(crate) stretches: Vec<Stretch>,
    /// How many seconds a stretch has.
    seconds: u32,
    /// Seconds that are in `partial`.
    gathered: u32,
    partial: Stretch,
    /// The second that runs.
    pub(crate) now: Stretch,
    response: Histogram<u64>,
    service: Histogram<u64>,
    pub(crate) lateness: Histogram<u64>,
    next: Instant,
    before: Processes,
}

impl Series {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            stretches: Vec::new(),
            seconds: 1,
            gathered: 0,
            partial: Stretch::default(),
            now: Stretch::default(),
            response: coarse(),
            service: coarse(),
            lateness: coarse(),
            next: start + Duration::from_secs(1),
            before: Processes::default(),
        }
    }

    /// The load begins now, and not before.
    pub(crate) fn begin(&mut self, start: Instant, processes: Processes) {
        let now = std::mem::take(&mut self.now);
        *self = Self::new(start);
        // What was due before belongs to the first second.
        self.now = now;
        self.before = processes;
    }

    /// When the next second ends.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    pub(crate) fn ended(&mut self, outcome: Outcome, response: u64, service: u64) {
        self.now.outcomes[outcome.index()] += 1;
        self.response.saturating_record(response);
        self.service.saturating_record(service);
    }

    /// Ends the second that runs, or what there is of it.
    pub(crate) fn end_second(&mut self, now: Instant, in_flight: u64, processes: Processes) {
        let mut second = std::mem::take(&mut self.now);
        second.end = now.saturating_duration_since(self.start).as_secs_f64();
        second.in_flight = in_flight;
        second.response =
            [0.5, 0.99, 0.999].map(|quantile| self.response.value_at_quantile(quantile));
        second.service_p99 = self.service.value_at_quantile(0.99);
        second.lateness_p99 = self.lateness.value_at_quantile(0.99);
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        second.client_cpu = nanoseconds(processes.client.saturating_sub(self.before.client));
        second.server = processes.server.map(|(cpu, memory)| {
            // Another process after an event begins at nothing.
            let before = self.before.server.map_or(Duration::ZERO, |(cpu, _)| cpu);
            (nanoseconds(cpu.checked_sub(before).unwrap_or(cpu)), memory)
        });
        self.before = processes;
        self.response.reset();
        self.service.reset();
        self.lateness.reset();
        // A program that was stopped for seconds has one long second instead of many empty ones.
        while self.next <= now {
            self.next += Duration::from_secs(1);
        }
        self.add(second);
    }

    fn add(&mut self, second: Stretch) {
        self.partial = if self.gathered == 0 {
            second
        } else {
            join(&self.partial, &second)
        };
        self.gathered += 1;
        if self.gathered < self.seconds {
            return;
        }
        self.stretches.push(self.partial);
        self.gathered = 0;
        if self.stretches.len() == MOST {
            self.stretches = self
                .stretches
                .chunks(2)
                .map(|pair| join(&pair[0], &pair[pair.len() - 1]))
                .collect();
            self.seconds *= 2;
        }
    }

    /// The load has ended: what was gathered of the last stretch is one.
    pub(crate) fn finish(&mut self) {
        if self.gathered > 0 {
            self.stretches.push(self.partial);
            self.gathered = 0;
        }
    }
}

/// Two stretches as one: counts are added, percentiles are the greater.
fn join(first: &Stretch, second: &Stretch) -> Stretch {
    let greater = |left: u64, right: u64| left.max(right);
    Stretch {
        end: second.end,
        offered: first.offered + second.offered,
        sent: first.sent + second.sent,
        outcomes: std::array::from_fn(|place| first.outcomes[place] + second.outcomes[place]),
        in_flight: second.in_flight,
        response: std::array::from_fn(|place| {
            greater(first.response[place], second.response[place])
        }),
        service_p99: greater(first.service_p99, second.service_p99),
        lateness_p99: greater(first.lateness_p99, second.lateness_p99),
        server: match (first.server, second.server) {
            (Some(first), Some(second)) => Some((first.0 + second.0, greater(first.1, second.1))),
            (first, second) => second.or(first),
        },
        client_cpu: first.client_cpu + second.client_cpu,
    }
}

#[cfg(test)]
mod tests {
    //! A failure: a count that is lost or counted twice when seconds are joined, or memory that grows with the run.

    use super::*;

    #[test]
    fn a_day_of_seconds_keeps_every_count_in_few_stretches() {
        let start = Instant::now();
        let mut series = Series::new(start);
        let mut sent = 0;
        for second in 1..=86_400_u64 {
            series.now.sent += second % 7;
            sent += second % 7;
            series.ended(Outcome::Done, second, second);
            let now = start + Duration::from_secs(second);
            assert_eq!(series.next(), now);
            series.end_second(now, 3, Processes::default());
        }
        series.finish();
        assert!(series.stretches.len() < MOST, "{}", series.stretches.len());
        let sum = |of: fn(&Stretch) -> u64| series.stretches.iter().map(of).sum::<u64>();
        assert_eq!(sum(|stretch| stretch.sent), sent);
        assert_eq!(
            sum(|stretch| stretch.outcomes[Outcome::Done.index()]),
            86_400
        );
        assert!(
            series
                .stretches
                .is_sorted_by(|one, next| one.end < next.end)
        );
        assert_eq!(
            series.stretches.last().map(|stretch| stretch.end),
            Some(86_400.0)
        );
    }
}
