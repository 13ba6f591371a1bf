//! Receipts: what was answered to the requests of one key.

use sistema_ts_model::{Cun, Timestamp};

use super::rules::{Findings, Rule};
use super::{Class, Entry, Kind};

/// `Richiesta già acquisita`, with the first answer, without its CUN, or with a word on what happened since.
pub(super) const KNOWN_AGAIN: [u16; 3] = [4001, 4003, 4004];
/// The one of them that answers no CUN any more.
pub(super) const ERASED: u16 = 4003;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub caller: u16,
    pub kind: Kind,
    key: u32,
}

impl Key {
    pub(super) fn number(self) -> u64 {
        u64::from(self.key) << 24 | u64::from(self.caller) << 8 | self.kind as u64
    }
}

/// The key of an entry, if it has one.
pub(super) fn of_key(entry: &Entry) -> Option<Key> {
    Some(Key {
        caller: entry.intent.caller,
        kind: entry.intent.kind,
        key: entry.intent.key?.get(),
    })
}

/// What is known of one key.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// CUN and time of an answer with the first answer in it.
    first: Option<(Option<Cun>, Option<Timestamp>)>,
    /// Answers that were done.
    done: u64,
    /// Requests that may have been the first to be done.
    may_be_first: u64,
    /// Of these, unknown ones.
    unknown: u64,
    refused: u64,
    /// An answer that says that it was known, for the example.
    known_again: Option<String>,
}

impl Group {
    pub(super) fn add(&mut self, entry: &Entry, findings: &mut Findings) {
        if entry.intent.altered {
            findings.looked_at(Rule::KeyOtherContent, 1);
            if entry.done().is_some() {
                findings.broken(Rule::KeyOtherContent, || entry.example());
            }
            return;
        }
        match entry.class() {
            Class::Refused => self.refused += 1,
            Class::Unknown => {
                self.unknown += 1;
                self.may_be_first += 1;
            }
            Class::Done => {}
        }
        let Some(answer) = entry.done() else { return };
        self.done += 1;
        if KNOWN_AGAIN.contains(&answer.finding) {
            self.known_again.get_or_insert_with(|| entry.example());
        } else {
            self.may_be_first += 1;
        }
        if answer.finding == ERASED {
            return;
        }
        let told = (answer.cun, answer.data_ora);
        match self.first {
            None => self.first = Some(told),
            Some(first) => {
                findings.looked_at(Rule::KeyFirstAnswer, 1);
                if first != told {
                    findings.broken(Rule::KeyFirstAnswer, || entry.example());
                }
            }
        }
    }

    /// Ends it; true if it may have been done and no answer says so.
    pub(super) fn judge(self, findings: &mut Findings) -> bool {
        if self.done > 0 {
            findings.looked_at(Rule::RefusedWithoutEffect, self.refused);
            if let Some(known_again) = self.known_again
                && self.may_be_first == 0
                && self.refused > 0
            {
                findings.broken(Rule::RefusedWithoutEffect, || known_again);
            }
        }
        self.done == 0 && self.unknown > 0
    }
}
