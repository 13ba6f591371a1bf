//! The search: from each world, every step that anybody can take, until nothing new turns up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, ClaimId, CodiceFiscale, CunState, Effect, GivenSession, Life, Moment,
    NewClaim, Origin, PostOutcome, Presenter, Session, SessionId, Settlement, TestResult,
};
use uuid::Uuid;

use super::life_support::{apply, call_centre, operator, region};
use super::world::{
    Action, Hold, Orphan, Poster, World, authorise, clock, holding, posts_under_way, tick,
    with_deadline,
};
use super::{ASL, CLOCK_ERROR, DESKS, FAR, LAST_TICK, RELAY, Reached, Setting};

fn session_number(desk: usize, verification: u8) -> u8 {
    desk as u8 * 10 + verification
}

pub struct Search {
    origin: Origin,
    setting: Setting,
    /// All sessions there can be, by number and tick of opening.
    sessions: HashMap<(u8, i64), Session>,
    /// Who sits at each desk.
    people: [(CodiceFiscale, Caller); 2],
}

impl Search {
    pub fn new(setting: Setting) -> Search {
        let origin = Origin {
            issued_at: clock(setting.end - CUN_LIFE_MILLIS),
            result: TestResult::Positive,
            submitter: region(),
        };
        let mut sessions = HashMap::new();
        for (desk, at_desk) in DESKS.iter().enumerate() {
            for verification in 1..=setting.verifications[desk] + 1 {
                let number = session_number(desk, verification);
                let id = SessionId::from_uuid(Uuid::from_u128(number.into()));
                let earliest = -setting.session_life.min(LAST_TICK);
                for opened in earliest..=LAST_TICK {
                    let session = at_desk.speaks(|who| {
                        Session::open(&id, who, &origin, clock(opened), setting.session_life)
                    });
                    sessions.insert((number, opened), session);
                }
            }
        }
        let people = DESKS.map(|desk| (operator(desk.operator), call_centre(desk.call_centre)));
        Search {
            origin,
            setting,
            sessions,
            people,
        }
    }

    /// Every world reachable from the start; or the first violation, with the steps that lead to it.
    pub fn run(&self) -> Result<Reached, String> {
        let start = World {
            tick: 0,
            row: Life::new(),
            desks: [(0, 0); 2],
            posters: [Poster::Idle; 3],
            orphan: None,
            delivered_for: None,
            claims_delivered: 0,
            delivered_for_asl: false,
        };
        let mut worlds = vec![(start.clone(), 0usize, Action::Tick)];
        let mut known = HashMap::from([(start, ())]);
        let mut reached = Reached::default();
        let mut found = Vec::new();
        let mut next = 0;
        while next < worlds.len() {
            let world = worlds[next].0.clone();
            reached.note(&world);
            let went = self
                .steps(&world, &mut found)
                .and_then(|()| self.is_not_stuck(&world));
            if let Err(violation) = went {
                let mut trace = vec![violation];
                let mut at = next;
                while at != 0 {
                    trace.push(format!("{:?}", worlds[at].2));
                    at = worlds[at].1;
                }
                trace.reverse();
                return Err(trace.join("\n"));
            }
            for (action, world) in found.drain(..) {
                if let Entry::Vacant(vacant) = known.entry(self.normal(world)) {
                    worlds.push((vacant.key().clone(), next, action));
                    vacant.insert(());
                }
            }
            next += 1;
        }
        Ok(reached)
    }

    /// Brings worlds that cannot be told apart to one form.
    fn normal(&self, mut world: World) -> World {
        self.forget_stale_posters(&mut world);
        if self.setting.end == FAR {
            // Nothing but deadlines depends on the time: let it be zero, and those count from here; those that have
            // passed for everybody are all alike.
            let tick = world.tick;
            world.tick = 0;
            world.row = with_deadline(&world.row, |deadline| (deadline - tick).max(-CLOCK_ERROR));
            for hold in world.holds() {
                hold.until = (hold.until - tick).max(0);
            }
            for (_, opened) in &mut world.desks {
                *opened = (*opened - tick).max(-self.setting.session_life);
            }
        }
        if self.setting.session_life == FAR {
            world.desks.iter_mut().for_each(|desk| desk.1 = 0);
        }
        world
    }

    /// A poster that comes back to a row whose claim is no longer its own changes nothing, and goes.
    fn forget_stale_posters(&self, world: &mut World) {
        for (poster, state) in world.posters.iter_mut().enumerate() {
            let Poster::Returned(outcome) = *state else {
                continue;
            };
            let moment = Moment {
                now: clock(world.tick),
                clock_error_millis: CLOCK_ERROR,
            };
            let id = ClaimId(poster as u64);
            let step = world.row.settle(&self.origin, id, outcome, moment);
            if step.answer == Settlement::Stale {
                let swept = world.row.catch_up(&self.origin, moment);
                assert_eq!(
                    (step.write, step.erase),
                    (swept.write, swept.erase),
                    "a stale claim wrote"
                );
                *state = Poster::Idle;
            }
        }
    }

    /// The last tick at which anything changes by itself, expiry apart.
    fn last_deadline(&self, world: &World) -> Option<i64> {
        let holds = world.posters.iter().filter_map(|poster| match poster {
            Poster::Holding(hold) | Poster::Posting { hold, .. } => Some(hold.until),
            Poster::Idle | Poster::Returned(_) => None,
        });
        let orphan = world.orphan.map(|orphan| orphan.hold.until);
        let claim = (world.row.state() == CunState::Unlocking).then(|| {
            world
                .row
                .due_at(&self.origin, CLOCK_ERROR)
                .unwrap()
                .millis_since(clock(0))
        });
        let lapses = world.desks.iter().filter_map(|(verifications, opened)| {
            (*verifications > 0 && self.setting.session_life != FAR)
                .then_some(opened + self.setting.session_life)
        });
        holds.chain(orphan).chain(claim).chain(lapses).max()
    }

    fn moment(&self, world: &World, ahead: i64) -> Moment {
        Moment {
            now: clock(world.tick + ahead),
            clock_error_millis: CLOCK_ERROR,
        }
    }

    fn session_of(&self, world: &World, desk: usize) -> Option<&Session> {
        let (verifications, opened) = world.desks[desk];
        (verifications > 0).then(|| &self.sessions[&(session_number(desk, verifications), opened)])
    }

    /// All that can happen next, by whom and on whose clock.
    fn steps(&self, world: &World, found: &mut Vec<(Action, World)>) -> Result<(), String> {
        let near_the_end = self.setting.end != FAR && world.tick <= self.setting.end;
        if near_the_end
            || self
                .last_deadline(world)
                .is_some_and(|last| world.tick < last)
        {
            assert!(world.tick < LAST_TICK, "the search does not end");
            found.push((Action::Tick, tick(world)));
        }
        for poster in 0..world.posters.len() {
            self.poster_steps(world, poster, found)?;
        }
        if let Some(Orphan { poster, hold }) = world.orphan {
            let mut after = world.clone();
            after.orphan = None;
            authorise(&mut after, poster, hold)?;
            found.push((Action::BackendAuthorisesCrashed { poster }, after));
        }
        for ahead in 0..=self.setting.largest_clock_error {
            self.row_steps(world, ahead, found)?;
        }
        Ok(())
    }

    fn poster_steps(
        &self,
        world: &World,
        poster: usize,
        found: &mut Vec<(Action, World)>,
    ) -> Result<(), String> {
        let becoming = |state: Poster| {
            let mut after = world.clone();
            after.posters[poster] = state;
            after
        };
        let unanswered = |hold: Hold| match hold.lost {
            true => PostOutcome::Unknown,
            false => PostOutcome::NotDelivered,
        };
        match world.posters[poster] {
            Poster::Idle => {}
            Poster::Holding(hold) => {
                if world.tick < hold.until || self.setting.may_freeze {
                    if posts_under_way(world) > 0 {
                        return Err(format!("{poster} posts while another post is under way"));
                    }
                    if poster != ASL && world.tick >= self.setting.end {
                        return Err(format!("{poster} posts after the CUN's end"));
                    }
                    let hold = Hold {
                        until: hold.until.max(world.tick + 1),
                        ..hold
                    };
                    let posting = Poster::Posting {
                        hold,
                        stored: false,
                    };
                    found.push((Action::Send { poster }, becoming(posting)));
                }
                let returned = Poster::Returned(unanswered(hold));
                found.push((Action::GiveUp { poster }, becoming(returned)));
                found.push((Action::Crash { poster }, becoming(Poster::Idle)));
            }
            Poster::Posting { hold, stored } => {
                if stored {
                    let returned = Poster::Returned(PostOutcome::Delivered);
                    found.push((Action::Hear { poster }, becoming(returned)));
                } else {
                    let returned = Poster::Returned(unanswered(hold));
                    found.push((Action::BackendRefuses { poster }, becoming(returned)));
                    let delivered = Hold {
                        delivered: true,
                        ..hold
                    };
                    let mut after = becoming(Poster::Posting {
                        hold: delivered,
                        stored: true,
                    });
                    authorise(&mut after, poster, hold)?;
                    found.push((Action::BackendAuthorises { poster }, after));
                }
                let lost = Poster::Holding(Hold { lost: true, ..hold });
                found.push((Action::LoseConnection { poster }, becoming(lost)));
                let mut after = becoming(Poster::Idle);
                after.orphan = (!stored).then_some(Orphan { poster, hold });
                found.push((Action::Crash { poster }, after));
            }
            Poster::Returned(outcome) => {
                found.push((Action::Crash { poster }, becoming(Poster::Idle)));
                for ahead in 0..=self.setting.largest_clock_error {
                    let mut after = becoming(Poster::Idle);
                    let id = ClaimId(poster as u64);
                    let step =
                        world
                            .row
                            .settle(&self.origin, id, outcome, self.moment(world, ahead));
                    let settlement = apply(&mut after.row, step);
                    if settlement == Settlement::Written && posts_under_way(world) > 0 {
                        return Err(format!("{poster} settles while a post is under way"));
                    }
                    found.push((
                        Action::Settle {
                            poster,
                            settlement,
                            ahead,
                        },
                        after,
                    ));
                }
            }
        }
        Ok(())
    }

    fn row_steps(
        &self,
        world: &World,
        ahead: i64,
        found: &mut Vec<(Action, World)>,
    ) -> Result<(), String> {
        let moment = self.moment(world, ahead);
        let (row, origin) = (&world.row, &self.origin);
        // What a step leads to, if it leads anywhere; nothing may be done to the CUN while a post is under way.
        let mut go =
            |action: Action, write: Option<Life>, done: bool, change: &dyn Fn(&mut World)| {
                if done && posts_under_way(world) > 0 {
                    return Err(format!("{action:?} while a post is under way"));
                }
                if done || write.is_some() {
                    let mut after = world.clone();
                    after.row = write.unwrap_or(after.row);
                    if done {
                        change(&mut after);
                    }
                    found.push((action, after));
                }
                Ok(())
            };
        for desk in 0..DESKS.len() {
            let session = self.session_of(world, desk);
            let (verifications, _) = world.desks[desk];
            if verifications < self.setting.verifications[desk] {
                let step = row.open_session(origin, moment);
                go(
                    Action::Verify { desk, ahead },
                    step.write,
                    step.answer.is_ok(),
                    &|after| {
                        after.desks[desk] = (verifications + 1, world.tick + ahead);
                    },
                )?;
            }
            if let (Some(session), Poster::Idle) = (session, world.posters[desk]) {
                let claim = self.new_claim(desk, moment);
                let step = row.claim(origin, session, self.who(desk), claim, moment);
                go(
                    Action::Claim {
                        poster: desk,
                        ahead,
                    },
                    step.write,
                    step.answer.is_ok(),
                    &|after| {
                        let granted = step.answer.unwrap();
                        let until = world.tick + granted.deadline.millis_since(moment.now);
                        after.posters[desk] = holding(session_number(desk, verifications), until);
                    },
                )?;
            }
            let given = session.map(|entry| GivenSession {
                digest: entry.digest,
                entry: Some(entry),
            });
            for given in [None, given] {
                let with_id = given.is_some();
                let step = row.confirm(origin, given, self.who(desk), moment);
                let done = step.answer == Ok(Effect::Done);
                go(
                    Action::Confirm {
                        desk,
                        with_id,
                        ahead,
                    },
                    step.write,
                    done,
                    &|_| {},
                )?;
                let step = row.annul(origin, given, self.who(desk), moment);
                let done = step.answer == Ok(Effect::Done);
                go(
                    Action::Annul {
                        desk,
                        with_id,
                        ahead,
                    },
                    step.write,
                    done,
                    &|after| {
                        after.delivered_for = None;
                    },
                )?;
            }
        }
        if world.posters[ASL] == Poster::Idle {
            let step = row.claim_for_person(origin, self.new_claim(ASL, moment), moment);
            go(
                Action::Claim { poster: ASL, ahead },
                step.write,
                step.answer.is_ok(),
                &|after| {
                    after.posters[ASL] = holding(0, world.tick + RELAY);
                },
            )?;
        }
        let step = row.cancel(origin, &origin.submitter, moment);
        go(
            Action::Cancel { ahead },
            step.write,
            step.answer == Ok(Effect::Done),
            &|_| {},
        )?;
        let step = row.catch_up(origin, moment);
        go(Action::Sweep { ahead }, step.write, false, &|_| {})
    }

    fn who(&self, desk: usize) -> Presenter<'_> {
        let (operator, caller) = &self.people[desk];
        Presenter { operator, caller }
    }

    fn new_claim(&self, poster: usize, moment: Moment) -> NewClaim {
        NewClaim {
            id: ClaimId(poster as u64),
            deadline: moment.now.plus_millis(RELAY),
        }
    }

    /// Whatever happened, those who are meant to can go on at once, or when a claim's time is over.
    fn is_not_stuck(&self, world: &World) -> Result<(), String> {
        let origin = &self.origin;
        let moment = self.moment(world, 0);
        let (row, _) = world.row.as_of(origin, moment);
        match row.state() {
            CunState::Unlocking => {
                let later = RELAY + CLOCK_ERROR + self.setting.largest_clock_error;
                if row.state_at(origin, self.moment(world, later)) == CunState::Unlocking {
                    return Err("a claim outlives its deadline".into());
                }
            }
            CunState::Issued => {
                let fresh = session_number(0, self.setting.verifications[0] + 1);
                let session = &self.sessions[&(fresh, world.tick)];
                let verified = row.open_session(origin, moment).answer.is_ok();
                let claim = self.new_claim(0, moment);
                let step = row.claim(origin, session, self.who(0), claim, moment);
                let left = row.deliveries() < 3;
                if verified != left || step.answer.is_ok() != left {
                    return Err("an issued CUN cannot be verified and claimed".into());
                }
            }
            CunState::Unlocked => {
                let able = (0..DESKS.len()).any(|desk| {
                    let confirmed = row.confirm(origin, None, self.who(desk), moment);
                    let annulled = row.annul(origin, None, self.who(desk), moment);
                    confirmed.answer == Ok(Effect::Done) && annulled.answer == Ok(Effect::Done)
                });
                if !able || row.cancel(origin, &region(), moment).answer != Ok(Effect::Done) {
                    return Err("an unlocked CUN cannot be moved".into());
                }
            }
            CunState::Consumed | CunState::Cancelled | CunState::Expired => {}
        }
        Ok(())
    }
}
