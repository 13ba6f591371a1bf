//! The loop's turns: what is due is sent, what came is judged, and what takes too long is given up.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use mio::{Events as Readiness, Poll, Token};

use super::arrivals::Source;
use super::events::Events;
use super::phase::{Books, Phase, PhaseEnd};
use super::slot::{Due, Pool, Slot, State, shares};
use crate::error::LoadtestError;
use crate::measure::process::thread_cpu;
use crate::measure::stages::Stages;
use crate::pacing::spin::Spin;
use crate::pacing::timer::Timer;
use crate::scenario::CallerKind;
use crate::wire::reading::Reader;
use crate::wire::target::Target;

/// The timer among the connections' tokens.
const TIMER: Token = Token(usize::MAX - 1);
/// How often time limits, closed connections and events are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Handshakes under way at the same time, before the load.
const HANDSHAKES: usize = 64;
/// Without any open connection for so long the server is gone.
const GONE: Duration = Duration::from_secs(60);
/// Read-backs wait for their time while so much waits.
const MOST_READ_BACKS: usize = 1_024;
/// The first request has its time ahead of it like all others.
const LEAD: Duration = Duration::from_millis(5);

pub(super) struct Loop<'l> {
    pub(super) phase: Phase<'l>,
    pub(super) books: Books<'l>,
    pub(super) poll: Poll,
    pub(super) timer: Timer,
    pub(super) timer_set: Option<Instant>,
    pub(super) spin: Spin,
    /// When the next request or event is due.
    pub(super) next_due: Option<Instant>,
    pub(super) sources: Vec<Source>,
    pub(super) pools: Vec<Pool>,
    /// By stream and caller.
    pub(super) pool_of: HashMap<(usize, u16), usize>,
    pub(super) slots: Vec<Slot>,
    /// Slots of closed streams that had nothing to go on from.
    pub(super) starving: Vec<usize>,
    pub(super) events: Events,
    pub(super) stages: Stages,
    /// Targets of callers whose certificates were renewed meanwhile.
    pub(super) renewed: HashMap<u16, Target>,
    pub(super) reader: Reader,
    pub(super) start: Instant,
    pub(super) running: bool,
    pub(super) waiting: usize,
    pub(super) last_open: Instant,
    pub(super) next_tick: Instant,
}

impl<'l> Loop<'l> {
    pub(super) fn new(phase: Phase<'l>, books: Books<'l>) -> Result<Self, LoadtestError> {
        let poll = Poll::new().map_err(LoadtestError::Events)?;
        let timer = Timer::new(poll.registry(), TIMER).map_err(LoadtestError::Events)?;
        let now = Instant::now();
        let streams = phase.streams.iter().enumerate();
        let sources = streams
            .map(|(number, stream)| Source::new(stream, number, phase.callers, phase.seed))
            .collect();
        let mut this = Self {
            events: Events::new(phase.events),
            stages: Stages::new(phase.streams),
            renewed: HashMap::new(),
            poll,
            timer,
            timer_set: None,
            spin: Spin::new(now),
            next_due: None,
            sources,
            pools: Vec::new(),
            pool_of: HashMap::new(),
            slots: Vec::new(),
            starving: Vec::new(),
            reader: Reader::default(),
            start: now,
            running: false,
            waiting: 0,
            last_open: now,
            next_tick: now + TICK,
            phase,
            books,
        };
        this.make_pools(now);
        Ok(this)
    }

    fn make_pools(&mut self, now: Instant) {
        for (number, stream) in self.phase.streams.iter().enumerate() {
            let group = &self.phase.callers.groups[stream.group];
            let weights: Vec<f64> = group.iter().map(|(_, weight)| *weight).collect();
            for ((caller, _), share) in group.iter().zip(shares(&weights, stream.connections)) {
                self.add_pool(number, *caller, share, now);
            }
        }
        if self.books.sampler.is_some() {
            let stream = self.phase.streams.len();
            for (number, caller) in self.phase.callers.all.iter().enumerate() {
                if caller.kind != CallerKind::CallCenter {
                    self.add_pool(stream, number as u16, 1, now);
                }
            }
        }
    }

    fn add_pool(&mut self, stream: usize, caller: u16, connections: usize, now: Instant) {
        let pool = self.pools.len();
        self.slots
            .extend((0..connections).map(|_| Slot::new(pool, now)));
        self.pool_of.insert((stream, caller), pool);
        self.pools.push(Pool {
            caller,
            stream,
            free: VecDeque::new(),
            waiting: VecDeque::new(),
        });
    }

    pub(super) fn run(mut self) -> Result<PhaseEnd, LoadtestError> {
        self.open_all()?;
        let connections = self.slots.len();
        self.running = true;
        self.start = Instant::now() + LEAD;
        self.last_open = self.start;
        // The first tick begins the closed streams, each of whose connections then goes on by itself.
        self.next_tick = self.start;
        self.starving = (0..self.slots.len())
            .filter(|slot| {
                let stream = self.pools[self.slots[*slot].pool].stream;
                self.sources.get(stream).is_some_and(Source::is_closed)
            })
            .collect();
        let processes = (self.phase.processes)();
        self.books.recorder.series.begin(self.start, processes);
        let cpu_before = thread_cpu();
        let ended = loop {
            let now = Instant::now();
            self.send_due(now)?;
            if self.is_over(now) {
                break false;
            }
            if now.saturating_duration_since(self.last_open) > GONE {
                break true;
            }
            self.wait()?;
            let now = Instant::now();
            if now >= self.next_tick {
                self.tick(now)?;
            }
        };
        let lasted = self.start.elapsed();
        let awake = self.spin.spent();
        let driver_cpu = thread_cpu().saturating_sub(cpu_before + awake);
        self.end_second(Instant::now());
        self.books.recorder.series.finish();
        Ok(PhaseEnd {
            started: self.start,
            lasted,
            driver_cpu,
            awake,
            connections,
            events: self.events.outcomes,
            server_gone: ended,
            stages: self.stages.into_records(),
            renewed: self.renewed,
        })
    }

    /// Opens every connection before the clock starts.
    fn open_all(&mut self) -> Result<(), LoadtestError> {
        let mut next = 0;
        let limit = Instant::now() + self.phase.answer_limit.max(Duration::from_secs(10));
        loop {
            let open = self.slots.iter().filter(|slot| slot.is_open()).count();
            if open == self.slots.len() {
                self.books.recorder.failures.clear();
                return Ok(());
            }
            while next < self.slots.len() && next < open + HANDSHAKES {
                self.begin(next);
                next += 1;
            }
            let reason = self.books.recorder.failures.keys().next();
            let late = Instant::now() > limit;
            if reason.is_some() || late {
                return Err(LoadtestError::Connect {
                    opened: open,
                    wanted: self.slots.len(),
                    reason: reason
                        .map_or_else(|| "no handshake within the time limit".into(), Clone::clone),
                });
            }
            self.wait()?;
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    fn is_over(&self, now: Instant) -> bool {
        let elapsed = self.elapsed(now);
        now >= self.start
            && self.waiting == 0
            && self.sources.iter().all(|source| source.is_over(elapsed))
            && !self.events.is_busy(now)
            && self.slots.iter().all(|slot| slot.under_way.is_none())
    }

    /// Sends what is due; what has no free connection waits.
    fn send_due(&mut self, now: Instant) -> Result<(), LoadtestError> {
        if now < self.start {
            return self.set_timer(Some(self.start));
        }
        let elapsed = now - self.start;
        for stream in 0..self.sources.len() {
            while let Some(due) = self.sources[stream].take_due(elapsed) {
                let intended = self.start + due;
                // Once more, since the one before may have taken its time.
                self.books.recorder.looked_at(Instant::now() - intended);
                let drawn = self.sources[stream].draw(self.books.steps);
                match drawn.work {
                    Some(work) => {
                        self.books.recorder.due(work.step, work.caller);
                        self.stages.due(stream, due);
                        self.dispatch(stream, Due { work, intended })?;
                    }
                    None => self.books.recorder.starved(drawn.step),
                }
            }
        }
        if self.events.next().is_some_and(|at| at <= elapsed) {
            self.advance_events(elapsed)?;
        }
        let next = self.sources.iter().filter_map(Source::next);
        let next = next.chain(self.events.next()).min();
        self.set_timer(next.map(|due| self.start + due))
    }

    /// Wakes the loop for what is due at this moment.
    fn set_timer(&mut self, due: Option<Instant>) -> Result<(), LoadtestError> {
        self.next_due = due;
        let Some(at) = due.map(|due| self.spin.wake_at(due)) else {
            return Ok(());
        };
        let ahead = at.saturating_duration_since(Instant::now());
        // What is waited for awake needs no timer.
        if self.timer_set != Some(at) && !ahead.is_zero() {
            self.timer.set(ahead).map_err(LoadtestError::Events)?;
            self.timer_set = Some(at);
        }
        Ok(())
    }

    /// Waits for events and handles them. What comes due meanwhile is sent between two of them.
    fn wait(&mut self) -> Result<(), LoadtestError> {
        let mut readiness = Readiness::with_capacity(256);
        let began = Instant::now();
        let is_due = self.next_due.is_some_and(|due| due <= began);
        let due = self
            .next_due
            .filter(|due| self.spin.is_awake_for(*due, began));
        let timeout = if is_due || due.is_some() {
            Duration::ZERO
        } else {
            TICK
        };
        match self.poll.poll(&mut readiness, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(LoadtestError::Events(error)),
        }
        if readiness.is_empty() && due.is_some() {
            self.spin.spend(began.elapsed());
        }
        for event in &readiness {
            if event.token() == TIMER {
                self.timer_set = None;
            } else {
                self.advance(event.token().0, event.is_writable())?;
            }
            if let Some(due) = self.next_due
                && let now = Instant::now()
                && due <= now
            {
                self.send_due(now)?;
            }
        }
        Ok(())
    }

    /// What is looked at ten times a second.
    fn tick(&mut self, now: Instant) -> Result<(), LoadtestError> {
        self.next_tick = now + TICK;
        if now < self.start {
            return Ok(());
        }
        self.advance_events(self.elapsed(now))?;
        for slot in 0..self.slots.len() {
            let place = &self.slots[slot];
            let (since, closed_until) = match place.state {
                State::Opening(begun) => (Some(begun), None),
                State::Busy => (place.under_way.map(|under_way| under_way.intended), None),
                State::Closed(until) => (None, Some(until)),
                State::Free => (None, None),
            };
            if since
                .is_some_and(|since| now.saturating_duration_since(since) > self.phase.answer_limit)
            {
                self.broken(slot, "no answer within the time limit".into())?;
            } else if closed_until.is_some_and(|until| now >= until) {
                self.begin(slot);
            }
        }
        if self.slots.iter().any(Slot::is_open) {
            self.last_open = now;
        }
        self.give_up_waiting(now);
        for slot in std::mem::take(&mut self.starving) {
            if self.slots[slot].state == State::Free {
                self.free(slot)?;
            }
        }
        self.send_read_backs(now)?;
        if now >= self.books.recorder.series.next() {
            self.end_second(now);
            let elapsed = self.elapsed(now);
            (self.phase.observer)(self.books.recorder, elapsed);
        }
        Ok(())
    }

    /// Requests that wait are in the order of their times.
    fn give_up_waiting(&mut self, now: Instant) {
        for pool in 0..self.pools.len() {
            while let Some(due) = self.pools[pool].waiting.front().copied()
                && now.saturating_duration_since(due.intended) > self.phase.answer_limit
            {
                self.pools[pool].waiting.pop_front();
                self.waiting -= 1;
                self.give_up(due);
            }
        }
    }

    /// Read-backs go over connections of their own, and are in no figure of the load.
    fn send_read_backs(&mut self, now: Instant) -> Result<(), LoadtestError> {
        let elapsed = self.elapsed(now);
        // A load that has ended is not prolonged by them.
        if self.sources.iter().all(|source| source.is_over(elapsed)) {
            return Ok(());
        }
        let stream = self.sources.len();
        while self.waiting < MOST_READ_BACKS
            && let Some(intent) = self
                .books
                .sampler
                .as_mut()
                .and_then(|sampler| sampler.draw())
        {
            if let Some(work) = self.books.steps.work_of(&intent) {
                self.dispatch(
                    stream,
                    Due {
                        work,
                        intended: now,
                    },
                )?;
            }
        }
        Ok(())
    }

    fn end_second(&mut self, now: Instant) {
        self.books.recorder.waiting = self.waiting as u64;
        self.spin.look(now);
        let processes = (self.phase.processes)();
        let in_flight = self.books.recorder.in_flight;
        self.books
            .recorder
            .series
            .end_second(now, in_flight, processes);
    }
}
