//! Callers that events revoke, admit and renew: the marks of it in the ledger, and connections with another certificate.

use std::time::{Duration, Instant};

use super::slot::State;
use super::turn::Loop;
use crate::error::LoadtestError;
use crate::ledger::{Intent, Kind};
use crate::scenario::Change;

impl Loop<'_> {
    /// Starts events that are due, and does what those mean that have ended.
    pub(super) fn advance_events(&mut self, elapsed: Duration) -> Result<(), LoadtestError> {
        while let Some(plan) = self.events.take_due(elapsed) {
            if let Some(change) = plan.change {
                // Before the command can change anything.
                self.mark(Kind::Changing, change.caller)?;
            }
            self.events.start(&plan);
        }
        for (place, change) in self.events.take_ended() {
            let is_done = change.what != Change::Renewed || self.renew(place, change.caller);
            if is_done {
                self.events.wait_until_known(change);
            }
        }
        for change in self.events.take_known(Instant::now(), elapsed) {
            let kind = match change.what {
                Change::Revoked => Kind::Revoked,
                Change::Admitted | Change::Renewed => Kind::Admitted,
            };
            self.mark(kind, change.caller)?;
        }
        Ok(())
    }

    fn mark(&mut self, kind: Kind, caller: u16) -> Result<(), LoadtestError> {
        let mark = Intent::new(kind, caller);
        self.books.ledger.intend(&mark, Instant::now())?;
        Ok(())
    }

    /// Reads the caller's certificate again. Its connections make place for others, those with a request under way when that is answered.
    /// False if there is no certificate to be read, which fails the event.
    fn renew(&mut self, place: usize, caller: u16) -> bool {
        let known = &self.phase.callers.all[usize::from(caller)].target;
        match self.renewed.get(&caller).unwrap_or(known).renewed() {
            Ok(target) => self.renewed.insert(caller, target),
            Err(error) => {
                self.events.fail(place, &error);
                return false;
            }
        };
        for slot in 0..self.slots.len() {
            if self.pools[self.slots[slot].pool].caller != caller {
                continue;
            }
            match self.slots[slot].state {
                State::Free | State::Opening(_) => self.close(slot),
                State::Busy => self.slots[slot].retired = true,
                State::Closed(_) => {}
            }
        }
        true
    }
}
