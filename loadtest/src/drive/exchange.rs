//! One request and its answer: sent over a free connection, settled in the ledger, recorded, and handed on.

use std::time::{Duration, Instant};

use mio::Token;

use super::arrivals::Source;
use super::slot::{Due, State, UnderWay};
use super::turn::Loop;
use crate::error::LoadtestError;
use crate::ledger::{Class, Purpose, Settlement, session_mark};
use crate::measure::outcome::Outcome;
use crate::measure::recorder::End;
use crate::scenario::Step;
use crate::steps::Work;
use crate::wire::answer::Answered;
use crate::wire::connection::{Broken, Connection, Progress};
use crate::wire::reading::{Reading, first_words};

/// Before a connection that could not be opened is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Requests that wait for a connection at most: memory stays bounded however long a server stands still.
const MOST_WAITING: usize = 1_000_000;

impl Loop<'_> {
    pub(super) fn dispatch(&mut self, stream: usize, due: Due) -> Result<(), LoadtestError> {
        let Some(pool) = self.pool_of.get(&(stream, due.work.caller)).copied() else {
            // Drafts are of the stream's own callers; a read-back of a caller without a pool is none.
            return Ok(());
        };
        if let Some(slot) = self.take_free(pool) {
            return self.send(slot, due.work, Some(due.intended));
        }
        if self.waiting >= MOST_WAITING {
            self.give_up(due);
        } else {
            self.pools[pool].waiting.push_back(due);
            self.waiting += 1;
        }
        Ok(())
    }

    pub(super) fn take_free(&mut self, pool: usize) -> Option<usize> {
        while let Some(slot) = self.pools[pool].free.pop_front() {
            self.slots[slot].queued = false;
            if self.slots[slot].state == State::Free {
                return Some(slot);
            }
        }
        None
    }

    pub(super) fn give_up(&mut self, due: Due) {
        if due.work.purpose != Purpose::Probe {
            self.books.recorder.unsent(due.work.step, due.work.caller);
        }
    }

    /// Sends a request over a free connection. Its intent is in the ledger before its first byte leaves.
    pub(super) fn send(
        &mut self,
        slot: usize,
        work: Work,
        intended: Option<Instant>,
    ) -> Result<(), LoadtestError> {
        let now = Instant::now();
        let id = self.books.ledger.intend(&work.intent(), now)?;
        let place = &mut self.slots[slot];
        let Some(connection) = &mut place.connection else {
            // A free slot has a connection.
            return Ok(());
        };
        if work.step == Step::List {
            connection.expect_listing();
        }
        if work.purpose != Purpose::Probe {
            let late = intended.map(|intended| now.saturating_duration_since(intended));
            self.books.recorder.sent(work.step, work.caller, late);
        }
        place.state = State::Busy;
        place.under_way = Some(UnderWay {
            work,
            id,
            intended: intended.unwrap_or(now),
            sent: now,
        });
        let bytes = self.books.steps.write(&work);
        if let Err(reason) = connection.send(bytes) {
            self.broken(slot, reason.to_string())?;
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, slot: usize) {
        let now = Instant::now();
        let place = &mut self.slots[slot];
        let caller = self.pools[place.pool].caller;
        let target = self
            .renewed
            .get(&caller)
            .unwrap_or(&self.phase.callers.all[usize::from(caller)].target);
        let begun = Connection::begin(target, self.poll.registry(), Token(slot));
        place.served = 0;
        place.retired = false;
        match begun {
            Ok(connection) => {
                place.connection = Some(connection);
                place.state = State::Opening(now);
            }
            Err(reason) => {
                place.connection = None;
                place.state = State::Closed(now + PAUSE);
                self.books.recorder.failure(reason.to_string());
            }
        }
    }

    pub(super) fn advance(&mut self, slot: usize, writable: bool) -> Result<(), LoadtestError> {
        let place = &mut self.slots[slot];
        let Some(connection) = &mut place.connection else {
            return Ok(());
        };
        match connection.advance(writable) {
            Ok(Progress::Waiting) => Ok(()),
            Ok(Progress::Open) => {
                if let State::Opening(begun) = place.state {
                    let resumed = connection.is_resumed();
                    self.books.recorder.handshake(begun.elapsed(), resumed);
                }
                self.last_open = Instant::now();
                self.free(slot)
            }
            Ok(Progress::Answered(head)) => self.answered(slot, head),
            // Closed while nothing was asked of it: no failure of the server's.
            Err(Broken::Closed) if place.state == State::Free => {
                self.close(slot);
                Ok(())
            }
            Err(reason) => self.broken(slot, reason.to_string()),
        }
    }

    /// Nothing is under way on this open connection: the next request of its pool takes it.
    pub(super) fn free(&mut self, slot: usize) -> Result<(), LoadtestError> {
        self.slots[slot].state = State::Free;
        let pool = self.slots[slot].pool;
        if self.running {
            while let Some(due) = self.pools[pool].waiting.pop_front() {
                self.waiting -= 1;
                if due.intended.elapsed() > self.phase.answer_limit {
                    self.give_up(due);
                    continue;
                }
                return self.send(slot, due.work, Some(due.intended));
            }
            let stream = self.pools[pool].stream;
            if self.sources.get(stream).is_some_and(Source::is_closed) {
                return self.send_next(slot, stream);
            }
        }
        self.queue(slot);
        Ok(())
    }

    pub(super) fn queue(&mut self, slot: usize) {
        if !self.slots[slot].queued {
            self.slots[slot].queued = true;
            let pool = self.slots[slot].pool;
            self.pools[pool].free.push_back(slot);
        }
    }

    /// The next request of a closed stream.
    pub(super) fn send_next(&mut self, slot: usize, stream: usize) -> Result<(), LoadtestError> {
        let elapsed = self.start.elapsed();
        let source = &mut self.sources[stream];
        if !source.may_send(elapsed) {
            return Ok(());
        }
        let caller = self.pools[self.slots[slot].pool].caller;
        let drawn = source.draw_for(caller, self.books.steps);
        match drawn.work {
            Some(work) => {
                source.has_sent();
                self.books.recorder.due(work.step, work.caller);
                self.send(slot, work, None)
            }
            None => {
                self.books.recorder.starved(drawn.step);
                self.starving.push(slot);
                Ok(())
            }
        }
    }

    pub(super) fn answered(&mut self, slot: usize, head: Answered) -> Result<(), LoadtestError> {
        let now = Instant::now();
        let place = &mut self.slots[slot];
        // A slot that has an answer has a connection.
        let Some(connection) = &mut place.connection else {
            return Ok(());
        };
        let Some(under_way) = place.under_way.take() else {
            // A server may say why it closes a connection that was idle for long.
            connection.forget();
            return if head.closes {
                self.close(slot);
                Ok(())
            } else {
                self.broken(slot, "an answer to no request".into())
            };
        };
        place.served += 1;
        let work = under_way.work;
        let (reading, words) = if work.step == Step::List {
            let scan = connection.take_listing().unwrap_or_default();
            let esito = scan
                .outcome
                .as_deref()
                .and_then(|text| text.as_bytes().try_into().ok());
            let finding = scan
                .findings
                .first()
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
            self.books.recorder.listed += scan.tests;
            self.books.recorder.out_of_order += scan.out_of_order;
            self.books.steps.listed(work.caller, scan.bookmark);
            let reading = Reading {
                status: head.status,
                esito,
                finding,
                cun: None,
                data_ora: None,
                session: None,
            };
            (reading, None)
        } else {
            let reading = self.reader.read(head.status, connection.body());
            let unusual = reading.esito != Some(*b"0000");
            let words = unusual.then(|| connection.body());
            (reading, words)
        };
        let outcome = Outcome::of(head.status, reading.esito);
        if work.purpose != Purpose::Probe && outcome != Outcome::Done {
            self.books
                .recorder
                .finding(outcome, head.status, reading.finding, || {
                    words.and_then(first_words)
                });
        }
        connection.forget();
        let settlement = Settlement {
            cun: reading.cun,
            data_ora: reading.data_ora,
            session: reading.session.map_or(0, |session| session_mark(&session)),
            ..Settlement::answered(head.status, reading.esito, reading.finding)
        };
        self.settle(&under_way, &settlement)?;
        if settlement.class == Class::Done {
            self.events.done(under_way.sent);
        }
        self.record(slot, &under_way, outcome, now);
        self.books.steps.answered(&work, &reading, settlement.class);
        self.next_after(slot, head.closes)
    }

    fn settle(
        &mut self,
        under_way: &UnderWay,
        settlement: &Settlement,
    ) -> Result<(), LoadtestError> {
        self.books.ledger.settle(under_way.id, settlement)?;
        if under_way.work.purpose != Purpose::Probe
            && let Some(sampler) = &mut self.books.sampler
        {
            sampler.note(&under_way.work.intent(), settlement);
        }
        Ok(())
    }

    pub(super) fn next_after(&mut self, slot: usize, closes: bool) -> Result<(), LoadtestError> {
        let place = &self.slots[slot];
        let stream = self.pools[place.pool].stream;
        let most = self
            .sources
            .get(stream)
            .and_then(|source| source.requests_per_connection);
        if closes || place.retired || most.is_some_and(|most| place.served >= most) {
            self.close(slot);
            Ok(())
        } else {
            self.free(slot)
        }
    }

    pub(super) fn record(
        &mut self,
        slot: usize,
        under_way: &UnderWay,
        outcome: Outcome,
        now: Instant,
    ) {
        if under_way.work.purpose == Purpose::Probe {
            self.books.recorder.read_backs += u64::from(outcome.is_answered());
            return;
        }
        let response = now.saturating_duration_since(under_way.intended);
        let stream = self.pools[self.slots[slot].pool].stream;
        let due = self.elapsed(under_way.intended);
        self.stages.ended(stream, due, outcome, response);
        self.books.recorder.ended(End {
            step: under_way.work.step,
            caller: under_way.work.caller,
            outcome,
            response,
            service: now.saturating_duration_since(under_way.sent),
        });
    }

    /// The connection is lost, and with it the request under way.
    pub(super) fn broken(&mut self, slot: usize, reason: String) -> Result<(), LoadtestError> {
        self.books.recorder.failure(reason);
        if let Some(under_way) = self.slots[slot].under_way.take() {
            let now = Instant::now();
            self.settle(&under_way, &Settlement::UNANSWERED)?;
            self.record(slot, &under_way, Outcome::Lost, now);
        }
        self.close(slot);
        Ok(())
    }

    /// Gives the connection up; another is begun, at once if this one was of use, else after a pause.
    pub(super) fn close(&mut self, slot: usize) {
        let was_of_use = self.slots[slot].served > 0;
        let place = &mut self.slots[slot];
        place.connection = None;
        place.state = State::Closed(Instant::now() + PAUSE);
        if self.running && was_of_use {
            self.begin(slot);
        }
    }
}
