//! The open loop: requests leave at their times, whether earlier ones were answered or not, and a latency is counted from the time
//! at which the request should have left. A server that stalls is seen to stall.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::error::LoadtestError;
use crate::former::counts::latencies;
use crate::measure::process::Process;
use crate::pacing::timer::Timer;
use crate::wire::answer::Answer;
use crate::wire::connection::{Broken, Connection, Progress};
use crate::wire::target::Target;

/// The timer among the connections' tokens.
const TIMER: Token = Token(usize::MAX - 1);
/// How often time limits are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What is sent, and what becomes of it.
pub trait Source {
    /// Writes the whole request `number` (from 0) to `bytes`, which is empty.
    fn request(&mut self, number: u64, bytes: &mut Vec<u8>);
    /// Is told of an answer.
    fn answered(&mut self, number: u64, answer: &Answer);
}

/// How a run is paced.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Requests a second.
    pub per_second: f64,
    /// Requests in all.
    pub requests: u64,
    /// Connections at most under way; a request whose time has come waits for a free one, and that is in its latency.
    pub connections: usize,
    /// How long an answer may take, counted as latencies are.
    pub answer_limit: Duration,
    /// The server's process, if its CPU time and memory are to be measured.
    pub server_pid: Option<u32>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Requests that left.
    pub sent: u64,
    /// Requests that could not leave: no connection was free within the time limit, or none was left.
    pub unsent: u64,
    /// Requests that left and were not answered.
    pub unanswered: u64,
    /// How often each outcome, or HTTP status without one, was answered.
    pub outcomes: BTreeMap<String, u64>,
    /// How often each code of `listaErrori` was answered.
    pub findings: BTreeMap<String, u64>,
    /// How often a connection ended early, by reason.
    pub failures: BTreeMap<String, u64>,
    /// From a request's time to the last byte of its answer, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From a request's time to the moment at which this program looked at it, in nanoseconds: its own fault, not the server's.
    pub lateness: Histogram<u64>,
    /// From the first request's time to the last answer.
    pub lasted: Duration,
    /// CPU time of the server meanwhile.
    pub server_cpu: Option<Duration>,
    /// Resident memory of the server at the end, and at most, in KiB.
    pub server_memory_kib: Option<(u64, u64)>,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
struct Due {
    number: u64,
    at: Instant,
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// It could not be opened: the server is gone, and it is not tried again.
    refused: bool,
    /// When the connection was begun, until it is open.
    begun: Option<Instant>,
    under_way: Option<Due>,
}

impl Slot {
    fn is_open(&self) -> bool {
        self.connection.is_some() && self.begun.is_none()
    }
}

struct Run<'r, S> {
    target: &'r Target,
    pace: &'r Pace,
    source: &'r mut S,
    poll: Poll,
    timer: Timer,
    slots: Vec<Slot>,
    /// Open slots without a request.
    free: Vec<usize>,
    waiting: VecDeque<Due>,
    scheduled: u64,
    start: Instant,
    running: bool,
    bytes: Vec<u8>,
    outcome: Outcome,
}

/// Opens the connections, and sends the requests at their times.
pub fn run<S: Source>(
    target: &Target,
    pace: &Pace,
    source: &mut S,
) -> Result<Outcome, LoadtestError> {
    let server = Process::named(pace.server_pid)?;
    let poll = Poll::new().map_err(LoadtestError::Events)?;
    let timer = Timer::new(poll.registry(), TIMER).map_err(LoadtestError::Events)?;
    let mut run = Run {
        target,
        pace,
        source,
        poll,
        timer,
        slots: (0..pace.connections).map(|_| Slot::default()).collect(),
        free: Vec::new(),
        waiting: VecDeque::new(),
        scheduled: 0,
        start: Instant::now(),
        running: false,
        bytes: Vec::new(),
        outcome: Outcome {
            sent: 0,
            unsent: 0,
            unanswered: 0,
            outcomes: BTreeMap::new(),
            findings: BTreeMap::new(),
            failures: BTreeMap::new(),
            latency: latencies(),
            lateness: latencies(),
            lasted: Duration::ZERO,
            server_cpu: None,
            server_memory_kib: None,
        },
    };
    run.open_all()?;
    let cpu_before = server.and_then(Process::cpu);
    run.go()?;
    let mut outcome = run.outcome;
    outcome.lasted = run.start.elapsed();
    outcome.server_cpu = server
        .and_then(Process::cpu)
        .zip(cpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    outcome.server_memory_kib = server.and_then(Process::memory_kib);
    Ok(outcome)
}

impl<S: Source> Run<'_, S> {
    /// Opens every connection before the clock starts.
    fn open_all(&mut self) -> Result<(), LoadtestError> {
        for index in 0..self.slots.len() {
            self.begin(index);
            // One after another: a storm of handshakes is not what is measured.
            while self.slots[index].begun.is_some() {
                self.turn()?;
            }
            if !self.slots[index].is_open() {
                let reasons = self.outcome.failures.keys();
                return Err(LoadtestError::Connect {
                    opened: index,
                    wanted: self.slots.len(),
                    reason: reasons.cloned().collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(())
    }

    fn go(&mut self) -> Result<(), LoadtestError> {
        self.running = true;
        // The first request has its time ahead of it like all others.
        self.start = Instant::now() + Duration::from_millis(5);
        loop {
            self.send_what_is_due()?;
            let under_way = self.slots.iter().any(|slot| slot.under_way.is_some());
            if self.scheduled == self.pace.requests && self.waiting.is_empty() && !under_way {
                return Ok(());
            }
            if self.slots.iter().all(|slot| slot.refused) {
                self.outcome.unsent +=
                    self.pace.requests - self.scheduled + self.waiting.len() as u64;
                return Ok(());
            }
            self.turn()?;
        }
    }

    fn time_of(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.pace.per_second)
    }

    /// Puts the requests whose time has come behind those that wait, and sends as many as there are free connections.
    fn send_what_is_due(&mut self) -> Result<(), LoadtestError> {
        let now = Instant::now();
        while self.scheduled < self.pace.requests {
            let at = self.time_of(self.scheduled);
            if at > now {
                self.timer
                    .set(at.duration_since(now))
                    .map_err(LoadtestError::Events)?;
                break;
            }
            self.outcome
                .lateness
                .saturating_record(nanoseconds(now - at));
            self.waiting.push_back(Due {
                number: self.scheduled,
                at,
            });
            self.scheduled += 1;
        }
        while let Some(due) = self.waiting.front().copied() {
            if now.saturating_duration_since(due.at) > self.pace.answer_limit {
                self.waiting.pop_front();
                self.outcome.unsent += 1;
                continue;
            }
            let Some(index) = self.free.pop() else {
                self.open_for_waiting();
                break;
            };
            self.waiting.pop_front();
            self.send(index, due);
        }
        Ok(())
    }

    /// Opens connections that were closed, as many as there are requests waiting without one on its way to be open.
    fn open_for_waiting(&mut self) {
        let opening = self.slots.iter().filter(|slot| slot.begun.is_some());
        let mut missing = self.waiting.len().saturating_sub(opening.count());
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if missing > 0 && slot.connection.is_none() && !slot.refused {
                self.begin(index);
                missing -= 1;
            }
        }
    }

    fn send(&mut self, index: usize, due: Due) {
        let slot = &mut self.slots[index];
        // A free slot has a connection.
        let Some(connection) = &mut slot.connection else {
            return;
        };
        self.bytes.clear();
        self.source.request(due.number, &mut self.bytes);
        self.outcome.sent += 1;
        slot.under_way = Some(due);
        if let Err(reason) = connection.send(&self.bytes) {
            self.broken(index, reason.to_string());
        }
    }

    /// Waits for events, handles them, and looks at the time limits.
    fn turn(&mut self) -> Result<(), LoadtestError> {
        let mut events = Events::with_capacity(256);
        match self.poll.poll(&mut events, Some(TICK)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(LoadtestError::Events(error)),
        }
        for event in &events {
            if event.token() != TIMER {
                self.advance(event.token().0, event.is_writable());
            }
        }
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let since = slot.under_way.map(|due| due.at).or(slot.begun);
            if since.is_some_and(|at| now.saturating_duration_since(at) > self.pace.answer_limit) {
                self.broken(index, "no answer within the time limit".into());
            }
        }
        Ok(())
    }

    fn begin(&mut self, index: usize) {
        let begun = Connection::begin(self.target, self.poll.registry(), Token(index));
        self.slots[index] = Slot::default();
        match begun {
            Ok(connection) => {
                self.slots[index].connection = Some(connection);
                self.slots[index].begun = Some(Instant::now());
            }
            Err(reason) => self.broken(index, reason.to_string()),
        }
    }

    fn advance(&mut self, index: usize, writable: bool) {
        let slot = &mut self.slots[index];
        let Some(connection) = &mut slot.connection else {
            return;
        };
        match connection.advance(writable) {
            Ok(Progress::Waiting) => {}
            Ok(Progress::Open) => {
                slot.begun = None;
                self.free.push(index);
            }
            Ok(Progress::Answered(head)) => {
                let answer = connection.take_answer(head);
                self.answered(index, &answer);
            }
            // Closed while nothing was asked of it: no failure of the server's.
            Err(Broken::Closed) if slot.is_open() && slot.under_way.is_none() => self.close(index),
            Err(reason) => self.broken(index, reason.to_string()),
        }
    }

    fn answered(&mut self, index: usize, answer: &Answer) {
        let Some(due) = self.slots[index].under_way.take() else {
            // A server may say why it closes a connection that was idle for long.
            if answer.closes {
                self.close(index);
            } else {
                self.broken(index, "an answer to no request".into());
            }
            return;
        };
        self.outcome
            .latency
            .saturating_record(nanoseconds(due.at.elapsed()));
        *self.outcome.outcomes.entry(answer.kind()).or_default() += 1;
        for code in &answer.findings {
            *self.outcome.findings.entry(code.clone()).or_default() += 1;
        }
        self.source.answered(due.number, answer);
        if answer.closes {
            self.close(index);
        } else {
            self.free.push(index);
        }
    }

    /// The connection is lost, and with it the request under way.
    fn broken(&mut self, index: usize, reason: String) {
        *self.outcome.failures.entry(reason).or_default() += 1;
        let slot = &self.slots[index];
        self.outcome.unanswered += u64::from(slot.under_way.is_some());
        let refused = !slot.is_open();
        self.close(index);
        self.slots[index].refused = refused;
    }

    /// Gives the connection up; another is opened when a request needs it.
    fn close(&mut self, index: usize) {
        self.free.retain(|free| *free != index);
        self.slots[index] = Slot::default();
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
