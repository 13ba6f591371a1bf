//! What came of requests: counts and histograms by step, outcome and caller, in memory that does not grow with the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::outcome::Outcome;
use super::series::Series;
use super::times::{Times, coarse, fine, nanoseconds};
use crate::scenario::Step;

/// Different findings, failures or first texts that are kept apart at most; a server of this contract has fewer.
const KINDS: usize = 256;
const STEPS: usize = Step::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

/// A step of the run.
#[derive(Debug)]
pub(crate) struct StepRecord {
    /// Requests that were due.
    pub(crate) due: u64,
    /// Requests that left.
    pub(crate) sent: u64,
    /// Times that it was due and had nothing to go on.
    pub(crate) starved: u64,
    /// From the intended time to the sending.
    pub(crate) lateness: Option<Box<Histogram<u64>>>,
    /// By outcome.
    pub(crate) outcomes: [Option<Box<Times>>; OUTCOMES],
    /// Requests that could not leave.
    pub(crate) unsent: u64,
}

/// A caller of the run.
#[derive(Debug, Default)]
pub(crate) struct CallerRecord {
    pub(crate) due: u64,
    pub(crate) sent: u64,
    /// By outcome.
    pub(crate) outcomes: [u64; OUTCOMES],
    /// By step, also of what was not answered.
    pub(crate) steps: [Option<Box<CallerStep>>; STEPS],
}

/// A step of one caller.
#[derive(Debug)]
pub(crate) struct CallerStep {
    pub(crate) response: Histogram<u64>,
    pub(crate) outcomes: [u64; OUTCOMES],
}

/// Everything about a phase.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) steps: [StepRecord; STEPS],
    pub(crate) callers: Vec<CallerRecord>,
    /// From the intended time to the moment at which the program looked at it: its own fault.
    pub(crate) own_lateness: Histogram<u64>,
    /// How often each code of `listaErrori` or of a fault came first.
    pub(crate) findings: BTreeMap<u16, u64>,
    /// The first text of each kind of answer that was not `0000`.
    pub(crate) first_words: BTreeMap<(Outcome, u16, u16), String>,
    /// How often a connection ended early, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Full handshakes, from the beginning of the connection.
    pub(crate) full_handshakes: Histogram<u64>,
    /// Those of a session that was resumed.
    pub(crate) resumed_handshakes: Histogram<u64>,
    pub(crate) series: Series,
    /// Requests under way.
    pub(crate) in_flight: u64,
    /// Requests that wait for a connection.
    pub(crate) waiting: u64,
    /// Tests that listings named.
    pub(crate) listed: u64,
    /// Tests of a listing that were earlier than the one before them.
    pub(crate) out_of_order: u64,
    /// Read-backs that were answered.
    pub(crate) read_backs: u64,
}

/// The end of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) step: Step,
    pub(crate) caller: u16,
    pub(crate) outcome: Outcome,
    pub(crate) response: Duration,
    pub(crate) service: Duration,
}

impl Recorder {
    pub(crate) fn new(callers: usize, start: Instant) -> Self {
        Self {
            steps: std::array::from_fn(|_| StepRecord {
                due: 0,
                sent: 0,
                starved: 0,
                lateness: None,
                outcomes: [const { None }; OUTCOMES],
                unsent: 0,
            }),
            callers: (0..callers).map(|_| CallerRecord::default()).collect(),
            own_lateness: fine(),
            findings: BTreeMap::new(),
            first_words: BTreeMap::new(),
            failures: BTreeMap::new(),
            full_handshakes: fine(),
            resumed_handshakes: fine(),
            series: Series::new(start),
            in_flight: 0,
            waiting: 0,
            listed: 0,
            out_of_order: 0,
            read_backs: 0,
        }
    }

    /// A request's time has come.
    pub(crate) fn due(&mut self, step: Step, caller: u16) {
        self.steps[step.index()].due += 1;
        self.callers[usize::from(caller)].due += 1;
        self.series.now.offered += 1;
    }

    /// A request's time came, and there was nothing that it could go on from.
    pub(crate) fn starved(&mut self, step: Step) {
        self.steps[step.index()].starved += 1;
    }

    /// A request leaves, so long after its time; `None` in a closed loop, which has no times.
    pub(crate) fn sent(&mut self, step: Step, caller: u16, late: Option<Duration>) {
        let record = &mut self.steps[step.index()];
        record.sent += 1;
        if let Some(late) = late {
            let lateness = record.lateness.get_or_insert_with(|| Box::new(fine()));
            lateness.saturating_record(nanoseconds(late));
        }
        self.callers[usize::from(caller)].sent += 1;
        self.series.now.sent += 1;
        self.in_flight += 1;
    }

    /// The client looked at a request so long after its time.
    pub(crate) fn looked_at(&mut self, late: Duration) {
        let nanoseconds = nanoseconds(late);
        self.own_lateness.saturating_record(nanoseconds);
        self.series.lateness.saturating_record(nanoseconds);
    }

    /// A request that had left came to its end.
    pub(crate) fn ended(&mut self, end: End) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let (response, service) = (nanoseconds(end.response), nanoseconds(end.service));
        let times =
            self.steps[end.step.index()].outcomes[end.outcome.index()].get_or_insert_with(|| {
                Box::new(Times {
                    response: fine(),
                    service: fine(),
                })
            });
        times.response.saturating_record(response);
        times.service.saturating_record(service);
        let caller = &mut self.callers[usize::from(end.caller)];
        caller.outcomes[end.outcome.index()] += 1;
        let of_step = caller.steps[end.step.index()].get_or_insert_with(|| {
            Box::new(CallerStep {
                response: coarse(),
                outcomes: [0; OUTCOMES],
            })
        });
        of_step.response.saturating_record(response);
        of_step.outcomes[end.outcome.index()] += 1;
        self.series.ended(end.outcome, response, service);
    }

    /// A request could not leave in time.
    pub(crate) fn unsent(&mut self, step: Step, caller: u16) {
        self.steps[step.index()].unsent += 1;
        self.callers[usize::from(caller)].outcomes[Outcome::Unsent.index()] += 1;
        self.series.now.outcomes[Outcome::Unsent.index()] += 1;
    }

    /// An answer that was not `0000`; `words` is asked for the first of its kind.
    pub(crate) fn finding(
        &mut self,
        outcome: Outcome,
        status: u16,
        code: u16,
        words: impl FnOnce() -> Option<String>,
    ) {
        if code != 0 && (self.findings.len() < KINDS || self.findings.contains_key(&code)) {
            *self.findings.entry(code).or_default() += 1;
        }
        let kind = (outcome, status, code);
        if self.first_words.len() < KINDS && !self.first_words.contains_key(&kind) {
            self.first_words.insert(kind, words().unwrap_or_default());
        }
    }

    /// A connection ended early.
    pub(crate) fn failure(&mut self, reason: String) {
        if self.failures.len() < KINDS || self.failures.contains_key(&reason) {
            *self.failures.entry(reason).or_default() += 1;
        }
    }

    /// A connection is open, so long after it was begun.
    pub(crate) fn handshake(&mut self, time: Duration, resumed: bool) {
        let histogram = if resumed {
            &mut self.resumed_handshakes
        } else {
            &mut self.full_handshakes
        };
        histogram.saturating_record(nanoseconds(time));
    }

    /// How often all steps together, or one, had an outcome; `None` asks for all that were due and could leave or not.
    pub(crate) fn count(&self, step: Option<Step>, outcome: Option<Outcome>) -> u64 {
        self.chosen(step)
            .map(|record| match outcome {
                Some(outcome) => record.count(outcome),
                None => Outcome::ALL
                    .into_iter()
                    .map(|outcome| record.count(outcome))
                    .sum(),
            })
            .sum()
    }

    /// The records of one step, or of all.
    pub(crate) fn chosen(&self, step: Option<Step>) -> impl Iterator<Item = &StepRecord> {
        let records = self.steps.iter().enumerate();
        records
            .filter(move |(place, _)| step.is_none_or(|step| step.index() == *place))
            .map(|(_, record)| record)
    }

    /// The times of one step or of all, with one outcome or with any, added up.
    pub(crate) fn times(&self, step: Option<Step>, outcome: Option<Outcome>) -> Times {
        let mut sum = Times {
            response: fine(),
            service: fine(),
        };
        for record in self.chosen(step) {
            for (place, times) in record.outcomes.iter().enumerate() {
                if let Some(times) = times
                    .as_deref()
                    .filter(|_| outcome.is_none_or(|one| one.index() == place))
                {
                    // Of one kind, so that they can be added.
                    let _ = sum.response.add(&times.response);
                    let _ = sum.service.add(&times.service);
                }
            }
        }
        sum
    }
}

impl StepRecord {
    /// How often the step had this outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        if outcome == Outcome::Unsent {
            return self.unsent;
        }
        let times = self.outcomes[outcome.index()].as_deref();
        times.map_or(0, |times| times.response.len())
    }
}
