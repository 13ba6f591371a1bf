//! The time limits of open connections, kept without a timer per request.
//!
//! Each connection notes in a few cells what it is doing and since when, by a clock that ticks a few times a second.
//! At each tick the sweeper of a worker and listener looks at all its connections, and wakes those that are over their
//! time. The header limit of actix-http covers the first request of a connection only (it answers 408), and actix-http
//! has no limit for a client that takes no bytes.
//! On a connection on which no byte has come nothing is said, so that it is closed without a word: a client that opens
//! connections ahead would take the 408 for the answer to the request that it is sending.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::drain::{Stage, StageReceiver};
use super::line_ends::LineEnds;
use super::settings::FrontLimits;

/// Longest header, in bytes; what comes with it in one piece may go beyond. actix-http itself would hold 128 KiB of each connection, which
/// strangers can open by the thousand.
const LONGEST_HEADER: usize = 16 * 1_024;

/// Header lines, one more than actix-http takes: it answers 431 to them, as it would to a header that is too long for itself. Wherever a
/// header that is longer than [`LONGEST_HEADER`] was cut, within a line or between two, they go on with it.
const TOO_MANY_LINES: &[u8] = &too_many_lines();

/// Length of one line of [`TOO_MANY_LINES`].
const LINE: usize = b"a:\r\n".len();

const fn too_many_lines() -> [u8; 97 * LINE] {
    let mut lines = [0; 97 * LINE];
    let mut at = 0;
    while at < lines.len() {
        lines[at] = b"a:\r\n"[at % LINE];
        at += 1;
    }
    lines
}

/// Bytes of an answer that a client takes in a millisecond at least, on the whole of the answer: some 16 KB/s. Who takes a byte now and then
/// would else hold memory, and its place among those at work, for as long as it likes.
const SLOWEST_CLIENT: u64 = 16;

/// What follows a request's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpectedBody {
    /// The next header.
    None,
    /// So many bytes, and then the next header.
    Length(usize),
    /// Chunks.
    Unknown,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for its first request: once a byte of it has come, actix-http's header limit watches.
    Fresh,
    /// Between two requests.
    Idle,
    /// Within the header of a later request.
    Header,
    /// A request is being worked on.
    Request,
}

/// The state of one connection.
pub(super) struct Watch {
    sweep: Rc<Sweep>,
    phase: Cell<Phase>,
    since: Cell<u64>,
    /// Since when the client has taken no byte although there are some.
    stalled_since: Cell<Option<u64>>,
    /// How long the answer has waited for its client in all, in milliseconds, but for a wait that still lasts.
    waited: Cell<u64>,
    /// Bytes of the answer that the client has taken.
    taken: Cell<u64>,
    /// Whether a handler is waiting for the body.
    awaits_body: Cell<bool>,
    slow_body: Cell<bool>,
    /// Bytes read since the end of the last header or body.
    unparsed: Cell<usize>,
    /// How many they may be: a header, and before it what the handler may have left of its body.
    most_unparsed: Cell<usize>,
    /// Whether actix-http was given the chance to find a header's end in them.
    looked_for_end: Cell<bool>,
    /// How many bytes of [`TOO_MANY_LINES`] are still to be read in the place of the rest of a header that is too long.
    too_many_left: Cell<usize>,
    /// What the bytes that were read are, as far as their line ends matter.
    line_ends: Cell<LineEnds>,
    /// Reads end here: the connection closes once it has answered.
    ended: Cell<bool>,
    /// Reads and writes fail from here.
    aborted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    /// Whether reads are to see the end of the stream.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether the client has taken nothing for too long, or too little on the whole.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// Whether no byte of a request has come yet, so that nothing can be an answer.
    pub(super) fn was_never_asked(&self) -> bool {
        self.phase.get() == Phase::Fresh && self.unparsed.get() == 0
    }

    /// Bytes came, which may be changed before they are parsed: see [`LineEnds`].
    pub(super) fn on_read(&self, bytes: &mut [u8]) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Header);
        }
        self.unparsed
            .set(self.unparsed.get().saturating_add(bytes.len()));
        let mut line_ends = self.line_ends.get();
        line_ends.look(bytes);
        self.line_ends.set(line_ends);
    }

    /// Whether reading is to pause, since as much came as a header may have: its end may be among it, which is looked for after a pause. If
    /// it is not, reads give [`TOO_MANY_LINES`] and end.
    pub(super) fn pauses_in_header(&self, context: &Context<'_>) -> bool {
        let is_short = self.unparsed.get() < self.most_unparsed.get();
        if is_short || self.phase.get() == Phase::Request {
            return false;
        }
        if self.looked_for_end.replace(true) {
            if !self.ended.replace(true) {
                self.too_many_left.set(TOO_MANY_LINES.len());
            }
            return false;
        }
        context.waker().wake_by_ref();
        true
    }

    /// What is to be read in the place of a header's rest, at most `room` bytes of it; empty at its end.
    pub(super) fn too_many_lines(&self, room: usize) -> &'static [u8] {
        let left = self.too_many_left.get();
        let taken = left.min(room);
        self.too_many_left.set(left - taken);
        let begin = TOO_MANY_LINES.len() - left;
        &TOO_MANY_LINES[begin..begin + taken]
    }

    /// Nothing can be sent at the moment.
    pub(super) fn on_write_pending(&self, context: &Context<'_>) {
        if self.stalled_since.get().is_none() {
            self.stalled_since.set(Some(self.sweep.now.get()));
        }
        self.wake_later(context);
    }

    /// So many bytes were sent.
    pub(super) fn on_written(&self, count: usize) {
        if let Some(since) = self.stalled_since.take() {
            let waited = self.sweep.now.get().saturating_sub(since);
            self.waited.set(self.waited.get().saturating_add(waited));
        }
        self.taken
            .set(self.taken.get().saturating_add(count as u64));
    }

    /// A request's header is complete.
    pub(super) fn on_request(&self, body: ExpectedBody) {
        let mut line_ends = self.line_ends.get();
        line_ends.parsed(match body {
            ExpectedBody::None => Some(0),
            ExpectedBody::Length(length) => Some(length),
            ExpectedBody::Unknown => None,
        });
        self.line_ends.set(line_ends);
        self.expect(match body {
            ExpectedBody::None => LONGEST_HEADER,
            ExpectedBody::Length(length) => length.saturating_add(LONGEST_HEADER),
            ExpectedBody::Unknown => usize::MAX,
        });
        self.awaits_body.set(false);
        self.slow_body.set(false);
        self.waited.set(0);
        self.taken.set(0);
        self.enter(Phase::Request);
    }

    /// A request's answer is complete.
    pub(super) fn on_answered(&self) {
        let mut line_ends = self.line_ends.get();
        line_ends.answered();
        self.line_ends.set(line_ends);
        self.enter(Phase::Idle);
    }

    /// The handler waits for more of the body; woken when it comes too late.
    pub(super) fn on_body_pending(&self, context: &Context<'_>) {
        self.awaits_body.set(true);
        self.wake_later(context);
    }

    /// A piece of the body came.
    pub(super) fn on_body(&self) {
        self.awaits_body.set(false);
    }

    /// The end of the body came.
    pub(super) fn on_body_end(&self) {
        self.awaits_body.set(false);
        self.expect(LONGEST_HEADER);
    }

    /// Whether a body of unknown length has not been read to its end.
    pub(super) fn expects_unknown_length(&self) -> bool {
        self.most_unparsed.get() == usize::MAX
    }

    fn expect(&self, most_unparsed: usize) {
        self.unparsed.set(0);
        self.most_unparsed.set(most_unparsed);
        self.looked_for_end.set(false);
    }

    /// Whether the body did not come in time.
    pub(super) fn body_is_late(&self) -> bool {
        self.slow_body.get()
    }

    /// Whether `context` is the connection's own task, which is woken by each byte that comes.
    pub(super) fn is_own_task(&self, context: &Context<'_>) -> bool {
        self.waker
            .borrow()
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
    }

    /// Remembers whom to wake.
    pub(super) fn wake_later(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.sweep.now.get());
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn end(&self) {
        self.ended.set(true);
        self.wake();
    }

    /// Looks whether this connection is over one of its times.
    fn judge(&self, limits: &TickLimits, now: u64) {
        let stalled = self.stalled_since.get();
        let is_too_slow = stalled.is_some_and(|since| {
            let stall = now.saturating_sub(since);
            let allowed = limits
                .write_stall
                .saturating_add(self.taken.get() / SLOWEST_CLIENT);
            stall > limits.write_stall || self.waited.get().saturating_add(stall) > allowed
        });
        if is_too_slow {
            self.aborted.set(true);
            self.wake();
            return;
        }
        let time = now.saturating_sub(self.since.get());
        match self.phase.get() {
            Phase::Idle if time > limits.idle => self.end(),
            Phase::Header if time > limits.header => self.end(),
            Phase::Request if self.awaits_body.get() && time > limits.body => {
                self.slow_body.set(true);
                self.wake();
            }
            _ => {}
        }
    }
}

/// The limits in milliseconds, each one tick longer than set, since the clock may be a tick behind.
struct TickLimits {
    header: u64,
    body: u64,
    idle: u64,
    write_stall: u64,
}

/// All connections of one worker and listener.
pub(super) struct Sweep {
    started: Instant,
    now: Cell<u64>,
    tick: Duration,
    limits: TickLimits,
    connections: RefCell<Vec<Weak<Watch>>>,
    running: Cell<bool>,
    closing: Cell<bool>,
}

impl Sweep {
    pub(super) fn new(limits: &FrontLimits) -> Rc<Self> {
        let shortest = limits
            .header
            .min(limits.body)
            .min(limits.idle)
            .min(limits.write_stall);
        let tick = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_millis(250));
        let millis = |limit: Duration| milliseconds(limit.saturating_add(tick));
        Rc::new(Self {
            started: Instant::now(),
            now: Cell::new(0),
            tick,
            limits: TickLimits {
                header: millis(limits.header),
                body: millis(limits.body),
                idle: millis(limits.idle),
                write_stall: millis(limits.write_stall),
            },
            connections: RefCell::default(),
            running: Cell::new(false),
            closing: Cell::new(false),
        })
    }

    /// Takes a new connection under watch. Starts the sweeper with the first one, so it must run on the worker.
    pub(super) fn watch(self: &Rc<Self>, stage: &StageReceiver) -> Rc<Watch> {
        if !self.running.replace(true) {
            // The clock has not ticked before.
            self.now.set(milliseconds(self.started.elapsed()));
            actix_rt::spawn(Self::run(Rc::downgrade(self), stage.clone()));
        }
        let watch = Rc::new(Watch {
            sweep: Rc::clone(self),
            phase: Cell::new(Phase::Fresh),
            since: Cell::new(self.now.get()),
            stalled_since: Cell::new(None),
            waited: Cell::new(0),
            taken: Cell::new(0),
            awaits_body: Cell::new(false),
            slow_body: Cell::new(false),
            unparsed: Cell::new(0),
            most_unparsed: Cell::new(LONGEST_HEADER),
            looked_for_end: Cell::new(false),
            too_many_left: Cell::new(0),
            line_ends: Cell::new(LineEnds::BEGIN),
            ended: Cell::new(self.closing.get()),
            aborted: Cell::new(false),
            waker: RefCell::default(),
        });
        self.connections.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    async fn run(sweep: Weak<Self>, mut stage: StageReceiver) {
        let Some(tick) = sweep.upgrade().map(|sweep| sweep.tick) else {
            return;
        };
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut front_lives = true;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = stage.changed(), if front_lives => front_lives = changed.is_ok(),
            }
            let Some(sweep) = sweep.upgrade() else { return };
            sweep.sweep(*stage.borrow() == Stage::Closing);
        }
    }

    fn sweep(&self, closing: bool) {
        let now = milliseconds(self.started.elapsed());
        self.now.set(now);
        let closes_now = closing && !self.closing.replace(closing);
        self.connections.borrow_mut().retain(|watch| {
            let Some(watch) = watch.upgrade() else {
                return false;
            };
            watch.judge(&self.limits, now);
            if closes_now {
                watch.end();
            }
            true
        });
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! Failure here means that a client holds what it is sent for as long as it likes, or that one that reads steadily is cut.
    use super::*;

    fn watched(write_stall: Duration) -> (Rc<Sweep>, Rc<Watch>) {
        let sweep = Sweep::new(&FrontLimits {
            write_stall,
            ..FrontLimits::default()
        });
        // The test is the sweeper.
        sweep.running.set(true);
        let (_, stage) = tokio::sync::watch::channel(Stage::Serving);
        let watch = sweep.watch(&stage);
        watch.on_request(ExpectedBody::None);
        (sweep, watch)
    }

    /// A client that takes so many bytes after each wait, for an hour or until it is cut; how long it was let, in milliseconds.
    fn takes(count: usize, wait: u64) -> u64 {
        let (sweep, watch) = watched(Duration::from_secs(30));
        let begin = sweep.now.get();
        let context = Context::from_waker(Waker::noop());
        while sweep.now.get() - begin < 3_600_000 && !watch.is_aborted() {
            watch.on_write_pending(&context);
            let now = sweep.now.get() + wait;
            sweep.now.set(now);
            watch.judge(&sweep.limits, now);
            watch.on_written(count);
        }
        sweep.now.get() - begin
    }

    #[test]
    fn a_client_that_takes_a_byte_now_and_then_is_cut_and_one_that_reads_steadily_is_not() {
        assert!(takes(1, 29_000) < 60_000);
        assert!(takes(10_000, 1_000) < 100_000);
        assert!(takes(20_000, 1_000) >= 3_600_000);
        assert!(takes(1_000_000, 29_000) >= 3_600_000);
    }

    #[test]
    fn every_answer_has_its_own_time() {
        let (sweep, watch) = watched(Duration::from_secs(30));
        let context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            watch.on_request(ExpectedBody::None);
            watch.on_write_pending(&context);
            let now = sweep.now.get() + 20_000;
            sweep.now.set(now);
            watch.judge(&sweep.limits, now);
            watch.on_written(1);
            watch.on_answered();
            assert!(!watch.is_aborted());
        }
    }
}
