//! What a day's file says of its own erasures, so that it is written anew after them.

use rusqlite::Connection;

use crate::day::Day;
use crate::schema;

/// The number in a file's `meta` that says that something was erased since its rewrite.
const ERASED: &str = "erased";
/// The number in a file's `meta` that says on which day it was rewritten.
pub(super) const REWRITTEN: &str = "rewritten_on";

/// What is known of a file's erasures.
#[derive(Clone, Copy, Default)]
pub(super) struct Erasures {
    since_rewrite: bool,
    rewritten_on: Option<i64>,
}

impl Erasures {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Erasures> {
        Ok(Erasures {
            since_rewrite: schema::read_number(connection, ERASED)?.is_some(),
            rewritten_on: schema::read_number(connection, REWRITTEN)?,
        })
    }

    /// The note of an erasure is committed.
    pub(super) fn noted(&mut self) {
        self.since_rewrite = true;
    }

    /// Whether there is something to rewrite the file for, and it was not rewritten today already.
    pub(super) fn are_due(self, today: Day) -> bool {
        self.since_rewrite && self.rewritten_on.is_none_or(|on| on < i64::from(today.0))
    }

    /// Notes, in the transaction of an erasure, that the file is to be rewritten.
    pub(super) fn note(self, connection: &Connection) -> rusqlite::Result<()> {
        match self.since_rewrite {
            true => Ok(()),
            false => schema::write_number(connection, ERASED, 1),
        }
    }
}
