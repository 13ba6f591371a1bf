//! The closed loop: one thread, all connections, one request under way on each.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::error::LoadtestError;
use crate::former::counts::{Counts, latencies};
use crate::former::report::{Latency, Report, Window};
use crate::former::request::{Requests, Sent, Submission};
use crate::measure::process::{self as cpu, Process};
use crate::wire::answer::Answer;
use crate::wire::connection::{Broken, Connection, Progress};
use crate::wire::target::Target;

/// Connections whose handshake is under way at the same time, before the run.
const HANDSHAKES: usize = 64;
/// How often time limits are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A server has settled when it uses no CPU for so long.
const QUIET: Duration = Duration::from_millis(300);

/// A run of submissions.
pub struct Settings {
    /// The server, and who calls it.
    pub target: Target,
    /// What is sent.
    pub submission: Submission,
    /// Connections, and so requests under way.
    pub connections: usize,
    /// Requests in all, at most.
    pub requests: u64,
    /// When to send no more.
    pub duration: Option<Duration>,
    /// How long an answer, or a connection, may take.
    pub answer_limit: Duration,
    /// Answers of a window of the report.
    pub window: u64,
    /// The server's process, if its CPU time is to be measured.
    pub server_pid: Option<u32>,
    /// How long to wait, after the last answer, until the server is idle: what it deferred counts as well.
    pub settle: Duration,
    /// Where the answered CUNs are written.
    pub answers: Option<PathBuf>,
    /// Where the first accepted positives are written, and how many of them.
    pub positives: Option<(PathBuf, u64)>,
    /// A file that is made, empty, when the connections are open and the first request leaves.
    pub mark_start: Option<PathBuf>,
}

/// One place for a connection.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    open: bool,
    since: Option<Instant>,
    sent: Option<Sent>,
}

/// A file that is written line by line.
struct Lines {
    path: PathBuf,
    file: BufWriter<std::fs::File>,
}

impl Lines {
    fn create(path: &Path) -> Result<Self, LoadtestError> {
        let file = std::fs::File::create(path).map_err(LoadtestError::file(path))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// What could not be written is found out here.
    fn end(mut self) -> Result<(), LoadtestError> {
        self.file.flush().map_err(LoadtestError::file(&self.path))
    }
}

struct Engine<'s> {
    settings: &'s Settings,
    poll: Poll,
    slots: Vec<Slot>,
    requests: Requests,
    counts: Counts,
    latency: Histogram<u64>,
    window_latency: Histogram<u64>,
    windows: Vec<Window>,
    server: Option<Process>,
    answers: Option<Lines>,
    positives: Option<Lines>,
    positives_left: u64,
    running: bool,
    started: Instant,
    start: Mark,
    window_start: Mark,
}

/// Counters at a moment.
#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    answered: u64,
    accepted: u64,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
}

/// Sends submissions until all are answered, the time is over, or no connection is left.
pub fn submit(settings: &Settings) -> Result<Report, LoadtestError> {
    let mut engine = Engine::new(settings)?;
    engine.open_all()?;
    engine.run()?;
    engine.finish()
}

impl<'s> Engine<'s> {
    fn new(settings: &'s Settings) -> Result<Self, LoadtestError> {
        let server = Process::named(settings.server_pid)?;
        let answers = settings.answers.as_deref().map(Lines::create).transpose()?;
        let positives = settings.positives.as_ref();
        let positives = positives.map(|(path, _)| Lines::create(path)).transpose()?;
        let now = Instant::now();
        let mark = Mark {
            at: now,
            answered: 0,
            accepted: 0,
            server_cpu: None,
            own_cpu: Duration::ZERO,
        };
        Ok(Self {
            settings,
            poll: Poll::new().map_err(LoadtestError::Events)?,
            slots: (0..settings.connections).map(|_| Slot::default()).collect(),
            requests: Requests::new(
                &settings.submission,
                &settings.target.host,
                settings.requests,
            ),
            counts: Counts::default(),
            latency: latencies(),
            window_latency: latencies(),
            windows: Vec::new(),
            server,
            answers,
            positives,
            positives_left: settings.positives.as_ref().map_or(0, |(_, count)| *count),
            running: false,
            started: now,
            start: mark,
            window_start: mark,
        })
    }

    /// Opens every connection before the clock starts.
    fn open_all(&mut self) -> Result<(), LoadtestError> {
        let mut next = 0;
        loop {
            let open = self.slots[..next].iter().filter(|slot| slot.open).count();
            if open == self.slots.len() {
                return Ok(());
            }
            while next < self.slots.len() && next - open < HANDSHAKES {
                self.begin(next);
                next += 1;
            }
            if let Some(reason) = self.counts.failures.keys().next() {
                return Err(LoadtestError::Connect {
                    opened: open,
                    wanted: self.slots.len(),
                    reason: reason.clone(),
                });
            }
            self.turn()?;
        }
    }

    fn run(&mut self) -> Result<(), LoadtestError> {
        if let Some(path) = &self.settings.mark_start {
            std::fs::File::create(path).map_err(LoadtestError::file(path))?;
        }
        self.running = true;
        self.started = Instant::now();
        self.start = self.mark();
        self.window_start = self.start;
        for index in 0..self.slots.len() {
            self.send_next(index);
        }
        while self.slots.iter().any(|slot| slot.since.is_some()) {
            // A turn handles events until the next tick, so that the slots are seldom gone through.
            self.turn()?;
        }
        Ok(())
    }

    /// Handles events up to the next tick, then time limits.
    fn turn(&mut self) -> Result<(), LoadtestError> {
        let mut events = Events::with_capacity(256);
        let tick = Instant::now() + TICK;
        loop {
            let now = Instant::now();
            let wait = tick.saturating_duration_since(now);
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LoadtestError::Events(error)),
            }
            for event in &events {
                self.advance(event.token().0, event.is_writable());
            }
            let before_the_run = !self.running;
            let all_sent = self.running && !self.may_send();
            if before_the_run || all_sent || events.is_empty() || Instant::now() >= tick {
                break;
            }
        }
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let since = self.slots[index].since;
            if since.is_some_and(|since| now - since > self.settings.answer_limit) {
                self.broken(index, "no answer within the time limit".into());
            }
        }
        Ok(())
    }

    /// Begins a connection in the slot.
    fn begin(&mut self, index: usize) {
        let registry = self.poll.registry();
        let begun = Connection::begin(&self.settings.target, registry, Token(index));
        let slot = &mut self.slots[index];
        slot.open = false;
        match begun {
            Ok(connection) => {
                slot.connection = Some(connection);
                slot.since = Some(Instant::now());
            }
            Err(reason) => {
                *slot = Slot::default();
                self.counts.failure(reason.to_string(), false);
            }
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
                slot.open = true;
                slot.since = None;
                if self.running {
                    self.send_next(index);
                }
            }
            Ok(Progress::Answered(head)) => {
                let answer = connection.take_answer(head);
                self.answered(index, &answer);
            }
            // Closed while nothing was asked of it: no failure of the server's.
            Err(Broken::Closed) if slot.open && slot.sent.is_none() => {
                *slot = Slot::default();
            }
            Err(reason) => self.broken(index, reason.to_string()),
        }
    }

    fn answered(&mut self, index: usize, answer: &Answer) {
        let slot = &mut self.slots[index];
        let (Some(sent), Some(since)) = (slot.sent.take(), slot.since.take()) else {
            self.broken(index, "an answer to no request".into());
            return;
        };
        let nanoseconds = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanoseconds);
        self.window_latency.saturating_record(nanoseconds);
        if self.counts.answer(answer) {
            self.write_answer(sent, answer);
            self.write_positive(sent, answer);
        }
        if self.counts.answered.is_multiple_of(self.settings.window) {
            self.end_window();
        }
        if answer.closes {
            self.slots[index] = Slot::default();
            if self.may_send() {
                self.begin(index);
            }
        } else {
            self.send_next(index);
        }
    }

    /// A line for each accepted submission: CUN, result, receipt key or `-`.
    fn write_answer(&mut self, sent: Sent, answer: &Answer) {
        let (Some(Lines { file, .. }), Some(cun)) = (&mut self.answers, answer.cun) else {
            return;
        };
        let mut line = [b'\t'; 42];
        line[..14].copy_from_slice(&cun.to_text());
        line[15] = if sent.positive { b'P' } else { b'N' };
        let end = match self.requests.key(sent.number) {
            Some(key) => {
                line[17..41].copy_from_slice(&key);
                41
            }
            None => {
                line[17] = b'-';
                18
            }
        };
        line[end] = b'\n';
        // What cannot be written is found out when the file is flushed at the end.
        let _ = file.write_all(&line[..=end]);
    }

    /// A line for each of the first accepted positives: CUN, card digits, codice fiscale.
    fn write_positive(&mut self, sent: Sent, answer: &Answer) {
        if !sent.positive || self.positives_left == 0 {
            return;
        }
        let (Some(Lines { file, .. }), Some(cun)) = (&mut self.positives, answer.cun) else {
            return;
        };
        self.positives_left -= 1;
        let (digits, fiscal_code) = self.requests.person(sent.person);
        let line = [&cun.to_text()[..], &digits, fiscal_code].join(&b';');
        // As above.
        let _ = file.write_all(&line).and_then(|()| file.write_all(b"\n"));
    }

    /// The connection is lost, and with it the request under way; another takes its place if there is more to send. One that
    /// could not even be opened is not tried again: then the server is gone.
    fn broken(&mut self, index: usize, reason: String) {
        let slot = std::mem::take(&mut self.slots[index]);
        self.counts.failure(reason, slot.sent.is_some());
        if self.running && slot.open && self.may_send() {
            self.begin(index);
        }
    }

    fn may_send(&self) -> bool {
        self.requests.count() < self.settings.requests
            && self
                .settings
                .duration
                .is_none_or(|limit| self.started.elapsed() < limit)
    }

    fn send_next(&mut self, index: usize) {
        if !self.may_send() {
            return;
        }
        let slot = &mut self.slots[index];
        let Some(connection) = &mut slot.connection else {
            return;
        };
        let (bytes, sent) = self.requests.next();
        slot.since = Some(Instant::now());
        slot.sent = Some(sent);
        if let Err(reason) = connection.send(bytes) {
            self.broken(index, reason.to_string());
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            at: Instant::now(),
            answered: self.counts.answered,
            accepted: self.counts.accepted,
            server_cpu: self.server.and_then(Process::cpu),
            own_cpu: cpu::own(),
        }
    }

    fn end_window(&mut self) {
        let now = self.mark();
        let window = window(self.window_start, now, &self.window_latency);
        self.windows.push(window);
        self.window_latency.reset();
        self.window_start = now;
    }

    /// Waits for what the server has deferred, and sums up.
    fn finish(mut self) -> Result<Report, LoadtestError> {
        let last_answer = self.mark();
        if last_answer.answered > self.window_start.answered {
            self.end_window();
        }
        let settled = self.settle();
        let mut end = last_answer;
        end.server_cpu = self.mark().server_cpu;
        for lines in [self.answers.take(), self.positives.take()]
            .into_iter()
            .flatten()
        {
            lines.end()?;
        }
        let whole = window(self.start, end, &self.latency);
        Ok(Report::new(
            self.settings,
            &mut self.counts,
            self.requests.count(),
            self.requests.length(),
            whole,
            self.windows,
            settled,
            self.server.and_then(Process::memory_kib),
        ))
    }

    /// How long the server went on after the last answer, without the quiet time that showed that it had ended.
    fn settle(&self) -> Option<Duration> {
        let server = self.server.filter(|_| !self.settings.settle.is_zero())?;
        let began = Instant::now();
        let mut cpu = server.cpu()?;
        let mut changed = began;
        while began.elapsed() < self.settings.settle {
            if changed.elapsed() >= QUIET {
                return Some(changed - began);
            }
            // There is no event to wait for: a process does not tell when it becomes idle.
            std::thread::sleep(Duration::from_millis(20));
            let now = server.cpu()?;
            // An idle server's timers use a tick now and then.
            if now - cpu > Duration::from_millis(10) {
                changed = Instant::now();
                cpu = now;
            }
        }
        None
    }
}

fn window(from: Mark, to: Mark, latency: &Histogram<u64>) -> Window {
    let answered = to.answered - from.answered;
    let accepted = to.accepted - from.accepted;
    let seconds = (to.at - from.at).as_secs_f64();
    let micros = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count as f64;
    let server = to
        .server_cpu
        .zip(from.server_cpu)
        .map(|(to, from)| to.saturating_sub(from));
    Window {
        answered,
        accepted,
        seconds,
        per_second: answered as f64 / seconds,
        server_cpu_us: server
            .filter(|_| accepted > 0)
            .map(|cpu| micros(cpu, accepted)),
        client_cpu_us: (answered > 0).then(|| micros(to.own_cpu - from.own_cpu, answered)),
        latency_us: Latency::of(latency),
    }
}
