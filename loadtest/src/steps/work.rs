//! One request to be sent: numbers alone, from which its bytes are made.

use std::num::NonZeroU32;

use sistema_ts_model::Cun;

use crate::callers::people::Numbers;
use crate::ledger::{Intent, Kind, Purpose, session_mark};
use crate::scenario::Step;
use crate::wire::reading::SESSION_LENGTH;

/// Swabs are of today and the days before it, so many in all.
pub(crate) const SWAB_DAYS: u64 = 4;

/// One request to be sent, or under way. It is copied, and nothing of it lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) step: Step,
    pub(crate) purpose: Purpose,
    /// Number of the caller.
    pub(crate) caller: u16,
    /// Number of the caller's operator.
    pub(crate) operator: u16,
    /// Number of the submission: what it says follows from it. Of other steps a number of their own.
    pub(crate) number: u32,
    pub(crate) person: u32,
    pub(crate) positive: bool,
    /// How many days before today the swab was taken.
    pub(crate) day: u8,
    /// The test that it is about.
    pub(crate) cun: Option<Cun>,
    /// The verification that it is about.
    pub(crate) session: Option<[u8; SESSION_LENGTH]>,
}

/// What a submission says, which follows from its number alone: a repeated one needs no memory of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) person: u32,
    pub(crate) positive: bool,
    pub(crate) day: u8,
}

impl Content {
    /// Of the submission `number` in a run with this seed.
    pub(crate) fn of(seed: u64, number: u32, people: u32, positives: u64) -> Self {
        let random = Numbers::new(seed ^ u64::from(number).rotate_left(32)).next();
        Self {
            person: ((random >> 8) % u64::from(people)) as u32,
            positive: (random >> 40) % 10_000 < positives,
            day: (random % SWAB_DAYS) as u8,
        }
    }
}

impl Work {
    /// Whether it has a receipt key, which then is its number.
    pub(crate) fn has_key(&self) -> bool {
        matches!(self.step, Step::Submit | Step::Replay | Step::Cancel)
    }

    /// As the ledger writes it down.
    pub(crate) fn intent(&self) -> Intent {
        let kind = match self.step {
            Step::Submit | Step::SubmitWithoutKey | Step::Replay => Kind::Submit,
            Step::Cancel => Kind::Cancel,
            Step::List => Kind::List,
            Step::Verify | Step::Guess => Kind::Verify,
            Step::Unlock => Kind::Unlock,
            Step::Confirm => Kind::Confirm,
            Step::Annul => Kind::Annul,
            Step::SendCode => Kind::SendCode,
        };
        Intent {
            purpose: self.purpose,
            operator: self.operator,
            person: self.person,
            positive: self.positive,
            key: NonZeroU32::new(self.number).filter(|_| self.has_key()),
            altered: self.step == Step::Guess,
            cun: self.cun,
            session: self.session.map_or(0, |session| session_mark(&session)),
            ..Intent::new(kind, self.caller)
        }
    }
}
