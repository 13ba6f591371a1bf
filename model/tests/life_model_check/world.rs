//! The world around one CUN's row: who posts, what is under way, what the backend has authorised.

use sistema_ts_model::{CunState, Life, PostOutcome, Settlement, Timestamp};

use super::ASL;

/// One who posts to the backend. Its claims carry its own number: it has one at a time, and a crashed one never settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Poster {
    Idle,
    /// Holds a claim.
    Holding(Hold),
    /// A post is under way; `stored` once the backend has authorised it.
    Posting {
        hold: Hold,
        stored: bool,
    },
    Returned(PostOutcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    pub session: u8,
    /// The deadline by its own monotonic clock.
    pub until: i64,
    /// An earlier send of this claim had no answer.
    pub lost: bool,
    /// The backend has authorised an earlier send of this claim.
    pub delivered: bool,
}

/// A post whose server crashed, and which the backend may still see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orphan {
    pub poster: usize,
    pub hold: Hold,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub tick: i64,
    pub row: Life,
    /// For each desk: verifications so far, and when the last was opened.
    pub desks: [(u8, i64); 2],
    pub posters: [Poster; 3],
    pub orphan: Option<Orphan>,
    /// The session for which the backend authorised a code since the last annulment.
    pub delivered_for: Option<u8>,
    /// Claims for which it did, in the CUN's life.
    pub claims_delivered: u8,
    pub delivered_for_asl: bool,
}

impl World {
    /// What anybody holds, a crashed server included.
    pub fn holds(&mut self) -> impl Iterator<Item = &mut Hold> {
        let posters = self.posters.iter_mut().filter_map(|poster| match poster {
            Poster::Holding(hold) | Poster::Posting { hold, .. } => Some(hold),
            Poster::Idle | Poster::Returned(_) => None,
        });
        posters.chain(self.orphan.as_mut().map(|orphan| &mut orphan.hold))
    }
}

/// One step of the world; `ahead` is how far the clock is ahead by which it is taken.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "read by Debug alone, when a violation is told")]
pub enum Action {
    Tick,
    Send {
        poster: usize,
    },
    GiveUp {
        poster: usize,
    },
    Crash {
        poster: usize,
    },
    BackendAuthorises {
        poster: usize,
    },
    BackendAuthorisesCrashed {
        poster: usize,
    },
    BackendRefuses {
        poster: usize,
    },
    Hear {
        poster: usize,
    },
    LoseConnection {
        poster: usize,
    },
    Settle {
        poster: usize,
        settlement: Settlement,
        ahead: i64,
    },
    Verify {
        desk: usize,
        ahead: i64,
    },
    Claim {
        poster: usize,
        ahead: i64,
    },
    Confirm {
        desk: usize,
        with_id: bool,
        ahead: i64,
    },
    Annul {
        desk: usize,
        with_id: bool,
        ahead: i64,
    },
    Cancel {
        ahead: i64,
    },
    Sweep {
        ahead: i64,
    },
}

pub fn clock(tick: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + tick).unwrap()
}

pub fn holding(session: u8, until: i64) -> Poster {
    Poster::Holding(Hold {
        session,
        until,
        lost: false,
        delivered: false,
    })
}

/// A tick later. A post is over at its poster's deadline, when the relay drops the connection, or a crashed server's
/// machine does.
pub fn tick(world: &World) -> World {
    let mut after = world.clone();
    after.tick += 1;
    for poster in &mut after.posters {
        if let Poster::Posting { hold, .. } = *poster
            && after.tick >= hold.until
        {
            *poster = Poster::Returned(PostOutcome::Unknown);
        }
    }
    after.orphan = after.orphan.filter(|orphan| after.tick < orphan.hold.until);
    after
}

/// The row with its claim's deadline, in ticks, changed. The layout is that of the documented encoding.
pub fn with_deadline(row: &Life, change: impl FnOnce(i64) -> i64) -> Life {
    if row.state() != CunState::Unlocking {
        return row.clone();
    }
    let mut bytes = row.encode().unwrap();
    let mut at = 3;
    for _ in 0..bytes[2] >> 4 {
        at += 16;
        at += 1 + usize::from(bytes[at]);
    }
    let deadline = &mut bytes[at + 8..at + 16];
    let millis = i64::from_be_bytes(deadline.try_into().unwrap());
    let ticks = change(millis - clock(0).millis());
    deadline.copy_from_slice(&clock(ticks).millis().to_be_bytes());
    Life::decode(Some(&bytes)).unwrap()
}

pub fn posts_under_way(world: &World) -> usize {
    let posting = |poster: &&Poster| matches!(poster, Poster::Posting { .. });
    world.posters.iter().filter(posting).count() + usize::from(world.orphan.is_some())
}

/// The backend authorises a code: the moment of truth.
pub fn authorise(world: &mut World, poster: usize, hold: Hold) -> Result<(), String> {
    if poster == ASL {
        world.delivered_for_asl = true;
        return Ok(());
    }
    let session = hold.session;
    if world.delivered_for_asl {
        return Err(format!(
            "authorised for session {session} after an ASL's code"
        ));
    }
    if let Some(first) = world.delivered_for
        && first != session
    {
        return Err(format!(
            "authorised for session {session} after {first}, not annulled"
        ));
    }
    world.delivered_for = Some(session);
    world.claims_delivered += u8::from(!hold.delivered);
    if world.claims_delivered > 3 {
        Err("authorised for a fourth claim".into())
    } else {
        Ok(())
    }
}
