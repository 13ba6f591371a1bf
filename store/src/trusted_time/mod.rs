//! Trusted time: by which everything goes that is destroyed (`docs/architecture.md`, "Nothing irreversible on the word of one clock").
//!
//! A clock may be set wrong by any distance, at a start or while the server runs, and set right again. So what destroys goes by a time of its
//! own, which advances with the monotonic clock and is never past the wall clock. Where the wall clock is ahead of it, that is a *lag*. One
//! under an hour is made up at once, but no more than an hour within a day of running. A longer one is made up when the server has run for a day
//! in all, over any number of starts, in which both clocks kept pace; or when somebody who can look at another clock says so.
//!
//! [`TrustedTime`] decides and does nothing else: it reads no clock and writes nothing. [`TimeGuard`] reads, notes and tells. Only they make a
//! [`Horizon`], without which no store destroys anything.

mod guard;

use std::time::Duration;

use sistema_ts_model::Timestamp;

pub use guard::{TimeGuard, TimeState};

const HOUR_MILLIS: i64 = 60 * 60 * 1_000;

/// A longer lag is not made up at once; nor are several that make more together within [`PROOF_MILLIS`] of running.
pub const AT_ONCE_MILLIS: i64 = HOUR_MILLIS;

/// How long both clocks must keep pace before a longer lag is made up.
pub const PROOF_MILLIS: i64 = 24 * HOUR_MILLIS;

/// How much the clocks may differ from one reading to the next and still keep pace: a second, for whoever waits between the two readings, and
/// two thousandths, four times what a clock that is being slewed gains or loses.
const PACE_MILLIS: i64 = 1_000;
const PACE_PARTS: i64 = 500;

/// How far what is destroyed may go: what is past its time by this moment, and nothing else. Made by [`TrustedTime`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon(Timestamp);

impl Horizon {
    /// The moment.
    #[must_use]
    pub fn time(self) -> Timestamp {
        self.0
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the wall clock shows.
    pub wall: Timestamp,
    /// What the monotonic clock shows: how long it is since some moment of this process.
    pub monotonic: Duration,
}

/// What a store keeps of the trusted time from one start to the next. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedTime {
    /// The trusted time.
    pub trusted: Timestamp,
    /// What the wall clock showed then: at or after the trusted time.
    pub wall: Timestamp,
    /// How much of the lag waits until the rest of it is made up. It came with a start, while the rest was being proved already.
    pub waiting_millis: i64,
    /// How long the clocks have kept pace, below [`PROOF_MILLIS`].
    pub pace_millis: i64,
    /// How much was made up at once since the last whole [`PROOF_MILLIS`], up to [`AT_ONCE_MILLIS`].
    pub made_up_millis: i64,
}

impl NotedTime {
    /// A trusted time that was what the clock showed, as if it had been noted then.
    #[must_use]
    pub fn at(time: Timestamp) -> NotedTime {
        NotedTime {
            trusted: time,
            wall: time,
            waiting_millis: 0,
            pace_millis: 0,
            made_up_millis: 0,
        }
    }

    /// Brings what was read from a disk into the ranges that this program writes.
    #[must_use]
    pub fn within_ranges(self) -> NotedTime {
        let trusted = self.trusted.min(self.wall);
        let lag = self.wall.millis_since(trusted);
        NotedTime {
            trusted,
            wall: self.wall,
            waiting_millis: self.waiting_millis.clamp(0, lag),
            pace_millis: self.pace_millis.clamp(0, PROOF_MILLIS - 1),
            made_up_millis: self.made_up_millis.clamp(0, AT_ONCE_MILLIS),
        }
    }
}

/// The trusted time of a process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedTime {
    noted: NotedTime,
    monotonic: Duration,
}

impl TrustedTime {
    /// Begins where the time was noted; an installation that has noted none begins at what the wall clock shows, since it has nothing to lose.
    #[must_use]
    pub fn begin(noted: Option<NotedTime>, reading: Reading) -> TrustedTime {
        let Some(noted) = noted.map(NotedTime::within_ranges) else {
            return TrustedTime::at(reading);
        };
        let mut time = TrustedTime {
            noted: NotedTime {
                trusted: noted.trusted.min(reading.wall),
                wall: reading.wall,
                ..noted
            },
            monotonic: reading.monotonic,
        };
        let gap = reading.wall.millis_since(noted.wall);
        let was_being_proved = noted.wall > noted.trusted;
        if gap >= 0 && was_being_proved {
            // Nobody saw whether the clocks kept pace over the gap: it is proved by itself, after what is being proved.
            time.noted.waiting_millis = noted.waiting_millis.saturating_add(gap);
            time.settle();
        } else {
            if gap < 0 {
                time.prove_anew();
            }
            time.settle();
            if time.lag_millis() > 0 {
                time.prove_anew();
            }
        }
        time
    }

    /// A trusted time that is what the wall clock shows.
    fn at(reading: Reading) -> TrustedTime {
        TrustedTime {
            noted: NotedTime::at(reading.wall),
            monotonic: reading.monotonic,
        }
    }

    /// Takes note of what the clocks show now.
    pub fn observe(&mut self, reading: Reading) {
        let ran = reading.monotonic.saturating_sub(self.monotonic);
        let ran = i64::try_from(ran.as_millis()).unwrap_or(i64::MAX);
        let passed = reading.wall.millis_since(self.noted.wall);
        let kept_pace = passed.abs_diff(ran) <= (PACE_MILLIS + ran / PACE_PARTS).unsigned_abs();
        // A wall clock behind the trusted time takes it along: whichever of the two is wrong, the earlier one destroys less.
        self.noted.trusted = self.noted.trusted.plus_millis(ran).min(reading.wall);
        self.noted.wall = reading.wall;
        self.monotonic = reading.monotonic;
        if kept_pace {
            self.noted.pace_millis = self.noted.pace_millis.saturating_add(ran);
        } else {
            self.prove_anew();
        }
        self.settle();
    }

    /// Somebody who can look at another clock says that the wall clock is right.
    pub fn confirm(&mut self, reading: Reading) {
        *self = TrustedTime::at(reading);
    }

    fn prove_anew(&mut self) {
        self.noted.pace_millis = 0;
        self.noted.waiting_millis = 0;
    }

    /// Makes the lag up, as far as that may be.
    fn settle(&mut self) {
        let lag = self.lag_millis();
        let noted = &mut self.noted;
        noted.waiting_millis = noted.waiting_millis.min(lag);
        if noted.pace_millis >= PROOF_MILLIS {
            noted.trusted = noted.wall.minus_millis(noted.waiting_millis);
            (
                noted.waiting_millis,
                noted.pace_millis,
                noted.made_up_millis,
            ) = (0, 0, 0);
        } else if lag < AT_ONCE_MILLIS && noted.made_up_millis.saturating_add(lag) <= AT_ONCE_MILLIS
        {
            noted.trusted = noted.wall;
            noted.made_up_millis += lag;
            noted.waiting_millis = 0;
        }
    }

    /// How far the trusted time is behind the wall clock, in milliseconds, ≥ 0.
    #[must_use]
    pub fn lag_millis(&self) -> i64 {
        self.noted.wall.millis_since(self.noted.trusted)
    }

    /// How long the clocks must still keep pace until the lag, or the part of it that is being proved, is made up; in milliseconds.
    #[must_use]
    pub fn proof_left_millis(&self) -> i64 {
        PROOF_MILLIS - self.noted.pace_millis
    }

    /// How far what is destroyed may go.
    #[must_use]
    pub fn horizon(&self) -> Horizon {
        Horizon(self.noted.trusted)
    }

    /// What is to be noted.
    #[must_use]
    pub fn noted(&self) -> NotedTime {
        self.noted
    }
}

#[cfg(test)]
mod tests;
