//! Random lives of a CUN: operators of two call centres, an ASL, the submitter and the clock act in any order.
//!
//! Failure is any of these, after any sequence of events:
//! - two claims open at once, or a claim granted to a second session with no annulment since the first may have delivered;
//! - more than three deliveries by sessions, certain or possible;
//! - a claim granted to a session that has lapsed, was annulled, or is presented by somebody else;
//! - a settlement by a claim that is no longer on the row and yet moves it (expiry apart);
//! - a final state that moves, or whose answers change when an event repeats;
//! - an erasure of everything that is demanded other than once, on entering a final state;
//! - a CUN that acts as live at 14 × 24 h, or as expired one millisecond before;
//! - a life that its bytes do not give back, or of more than 121 bytes.
#![allow(clippy::unwrap_used)]

mod life_support;

use std::collections::HashMap;

use life_support::*;
use proptest::prelude::*;
use sistema_ts_model::{
    ClaimId, CunState, Effect, Erasure, GivenSession, Life, LifeDecodeError, Moment, Origin,
    PostOutcome, Session, SessionDigest, Settlement, Step, TestResult,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Event {
    Wait(i64),
    /// The clock moves to so many milliseconds from the CUN's end, if it is not there yet.
    NearEnd(i64),
    Verify {
        desk: usize,
    },
    /// By the most recent session, the one before it, …; below 3, `stranger` is the desk that presents it instead of its own.
    Claim {
        session: usize,
        stranger: usize,
    },
    ClaimForPerson,
    Settle {
        claim: usize,
        outcome: PostOutcome,
    },
    Confirm {
        desk: usize,
        given: Option<usize>,
        entry_kept: bool,
    },
    Annul {
        desk: usize,
        given: Option<usize>,
        entry_kept: bool,
    },
    Cancel {
        submitter: bool,
    },
    CatchUp,
}

const DESKS: [Desk; 3] = [Desk::FIRST, Desk::COLLEAGUE, Desk::ELSEWHERE];

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        Just(PostOutcome::Delivered),
        Just(PostOutcome::Unknown),
        Just(PostOutcome::NotDelivered)
    ];
    let given = || (0..3usize, prop::option::of(0..4usize), any::<bool>());
    prop_oneof![
        3 => (0..3_000i64).prop_map(Event::Wait),
        2 => (RELAY - 1..RELAY + 2 * CLOCK_ERROR).prop_map(Event::Wait),
        1 => (SESSION_LIFE - 1..SESSION_LIFE + 2).prop_map(Event::Wait),
        1 => (1..4i64).prop_map(|days| Event::Wait(days * 86_400_000)),
        1 => prop::sample::select(vec![-RELAY, -1, 0, 1]).prop_map(Event::NearEnd),
        6 => (0..3usize).prop_map(|desk| Event::Verify { desk }),
        12 => (0..4usize, 0..12usize).prop_map(|(session, stranger)| Event::Claim { session, stranger }),
        1 => Just(Event::ClaimForPerson),
        8 => (prop_oneof![6 => Just(0usize), 1 => 1..3usize], outcome).prop_map(|(claim, outcome)| Event::Settle { claim, outcome }),
        1 => given().prop_map(|(desk, given, entry_kept)| Event::Confirm { desk, given, entry_kept }),
        4 => given().prop_map(|(desk, given, entry_kept)| Event::Annul { desk, given, entry_kept }),
        1 => (0..4u8).prop_map(|by| Event::Cancel { submitter: by == 0 }),
        1 => Just(Event::CatchUp),
    ]
}

/// A claim that was granted, as the world outside the row remembers it.
struct Granted {
    id: ClaimId,
    /// `None`: an ASL's.
    session: Option<SessionDigest>,
    deadline: i64,
    settled: bool,
    /// Whether the backend may have authorised something, as far as the row was told.
    may_have_delivered: bool,
    /// Whether an annulment came after it.
    annulled: bool,
}

struct World {
    origin: Origin,
    row: Life,
    now: i64,
    sessions: Vec<(Session, usize)>,
    annulled: Vec<SessionDigest>,
    claims: Vec<Granted>,
    erased: u32,
    /// What was answered since the life ended.
    last_answers: HashMap<Event, String>,
    /// How often something worth testing happened, so that the generator can be seen to reach it.
    reached: HashMap<&'static str, u32>,
}

impl World {
    fn new(result: TestResult) -> World {
        World {
            origin: origin(result),
            row: Life::new(),
            now: 0,
            sessions: Vec::new(),
            annulled: Vec::new(),
            claims: Vec::new(),
            erased: 0,
            last_answers: HashMap::new(),
            reached: HashMap::new(),
        }
    }

    fn moment(&self) -> Moment {
        at(self.now)
    }

    /// Obeys a step, and checks what holds for all of them.
    fn obey<Answer: std::fmt::Debug>(&mut self, event: &Event, step: Step<Answer>) -> Answer {
        let before = self.row.state();
        if step.erase == Erasure::Everything {
            self.erased += 1;
            assert!(
                !before.is_over() && step.write.is_some(),
                "everything is erased on the way to the end only"
            );
        }
        if before.is_over() {
            assert_eq!(step.write, None, "{before:?} moved");
            let answer = format!("{:?}", step.answer);
            let first = self
                .last_answers
                .entry(event.clone())
                .or_insert_with(|| answer.clone());
            assert_eq!(
                *first, answer,
                "{event:?} answers otherwise when it repeats"
            );
        }
        let answer = apply(&mut self.row, step);
        assert_eq!(
            self.row.state().is_over(),
            self.erased == 1,
            "in {:?}",
            self.row.state()
        );
        if self.now >= END {
            assert!(self.row.state().is_over(), "alive after its end");
        } else {
            assert_ne!(self.row.state(), CunState::Expired, "expired too early");
        }
        *self.reached.entry(self.row.state().name()).or_default() += 1;
        answer
    }

    fn given(&self, given: Option<usize>, entry_kept: bool) -> Option<GivenSession<'_>> {
        let (session, _) = self.sessions.get(given?)?;
        Some(GivenSession {
            digest: session.digest,
            entry: entry_kept.then_some(session),
        })
    }

    fn apply(&mut self, event: &Event) {
        let moment = self.moment();
        let (origin, row) = (self.origin.clone(), self.row.clone());
        match *event {
            Event::Wait(millis) => self.now += millis,
            Event::NearEnd(offset) => self.now = self.now.max(END + offset),
            Event::Verify { desk } => {
                let step = row.open_session(&origin, moment);
                if self.obey(event, step).is_ok() {
                    assert_eq!(origin.result, TestResult::Positive);
                    let session = DESKS[desk].opens(self.sessions.len() as u128, &origin, moment);
                    self.sessions.push((session, desk));
                }
            }
            Event::Claim { session, stranger } => self.claim(event, session, stranger),
            Event::ClaimForPerson => {
                let claim = new_claim(self.claims.len() as u64, moment);
                let step = row.claim_for_person(&origin, claim, moment);
                if self.obey(event, step).is_ok() {
                    self.grant(claim.id, None, self.now + RELAY);
                }
            }
            Event::Settle { claim, outcome } => self.settle(event, claim, outcome),
            Event::Confirm {
                desk,
                given,
                entry_kept,
            } => {
                let step = DESKS[desk]
                    .speaks(|who| row.confirm(&origin, self.given(given, entry_kept), who, moment));
                if self.obey(event, step) == Ok(Effect::Done) {
                    assert_eq!(self.row.state(), CunState::Consumed);
                    let unlocker = self
                        .unlocker()
                        .expect("confirmed, so something may have been delivered");
                    assert_eq!(
                        DESKS[desk].call_centre, DESKS[unlocker.1].call_centre,
                        "another call centre's"
                    );
                    assert!(
                        given.is_none_or(|given| given >= self.sessions.len()
                            || self.sessions[given] == unlocker)
                    );
                }
            }
            Event::Annul {
                desk,
                given,
                entry_kept,
            } => self.annul(event, desk, given, entry_kept),
            Event::Cancel { submitter } => {
                let caller = if submitter { region() } else { other_region() };
                let step = row.cancel(&origin, &caller, moment);
                if self.obey(event, step) == Ok(Effect::Done) {
                    assert!(submitter);
                    assert_eq!(self.row.state(), CunState::Cancelled);
                }
            }
            Event::CatchUp => {
                let step = row.catch_up(&origin, moment);
                self.obey(event, step);
                let again = self.row.catch_up(&origin, moment);
                assert_eq!(
                    (again.write, again.erase, again.answer),
                    (None, Erasure::Nothing, Effect::AlreadyDone)
                );
            }
        }
    }

    fn claim(&mut self, event: &Event, session: usize, stranger: usize) {
        let Some((session, owner)) = self.sessions.iter().nth_back(session).cloned() else {
            return;
        };
        let desk = if stranger < DESKS.len() {
            stranger
        } else {
            owner
        };
        let moment = self.moment();
        let claim = new_claim(self.claims.len() as u64, moment);
        let step =
            DESKS[desk].speaks(|who| self.row.claim(&self.origin, &session, who, claim, moment));
        if let Ok(claimed) = self.obey(event, step) {
            assert_eq!(owner, desk, "somebody else's session");
            assert!(!session.has_lapsed(moment.now), "a lapsed session");
            assert!(
                !self.annulled.contains(&session.digest),
                "an annulled session"
            );
            let delivered_before = self.since_annulment().any(|claim| claim.may_have_delivered);
            assert_eq!(claimed.delivered_before, delivered_before);
            assert!(
                claimed.deadline <= self.origin.expires_at(),
                "a send after the CUN's end"
            );
            self.grant(claim.id, Some(session.digest), (self.now + RELAY).min(END));
            *self.reached.entry("second delivery").or_default() += u32::from(delivered_before);
        }
    }

    /// What no grant may break, and the grant itself.
    fn grant(&mut self, id: ClaimId, session: Option<SessionDigest>, deadline: i64) {
        for other in self.claims.iter().filter(|claim| !claim.settled) {
            assert!(
                self.now >= other.deadline + CLOCK_ERROR,
                "granted while another claim is open"
            );
        }
        if let Some(session) = session {
            for other in self
                .since_annulment()
                .filter(|claim| claim.may_have_delivered)
            {
                assert_eq!(other.session, Some(session), "granted to a second session");
            }
        }
        let may_have_delivered = true; // until told otherwise
        self.claims.push(Granted {
            id,
            session,
            deadline,
            settled: false,
            may_have_delivered,
            annulled: false,
        });
        let by_sessions = self
            .claims
            .iter()
            .filter(|claim| claim.session.is_some() && claim.may_have_delivered)
            .count();
        assert!(by_sessions <= 3, "{by_sessions} deliveries");
    }

    fn settle(&mut self, event: &Event, claim: usize, outcome: PostOutcome) {
        // The most recent claims, so that most settlements are not stale.
        let Some(index) = self.claims.len().checked_sub(1 + claim) else {
            return;
        };
        let (before, moment) = (self.row.clone(), self.moment());
        let step = self
            .row
            .settle(&self.origin, self.claims[index].id, outcome, moment);
        let was_settled = self.claims[index].settled;
        match self.obey(event, step) {
            Settlement::Written => {
                assert!(!was_settled, "settled twice");
                assert_eq!(index, self.claims.len() - 1, "an old claim wrote");
                assert!(self.now < END, "written after the CUN's end");
                self.claims[index].may_have_delivered = outcome != PostOutcome::NotDelivered;
            }
            Settlement::Stale => {
                assert_eq!(
                    self.row,
                    before.as_of(&self.origin, moment).0,
                    "a stale claim moved the row"
                );
                *self.reached.entry("stale").or_default() += 1;
            }
        }
        self.claims[index].settled = true;
    }

    fn annul(&mut self, event: &Event, desk: usize, given: Option<usize>, entry_kept: bool) {
        let moment = self.moment();
        let before = self.row.as_of(&self.origin, moment).0;
        let unlocker = self.unlocker();
        let step = DESKS[desk].speaks(|who| {
            self.row
                .annul(&self.origin, self.given(given, entry_kept), who, moment)
        });
        let erase = step.erase;
        match self.obey(event, step) {
            Ok(Effect::Done) => {
                assert_eq!(self.row.state(), CunState::Issued);
                let unlocker = unlocker.expect("annulled, so something may have been delivered");
                assert_eq!(erase, Erasure::Session(unlocker.0.digest));
                assert_eq!(
                    DESKS[desk].call_centre, DESKS[unlocker.1].call_centre,
                    "another call centre's"
                );
                self.annulled.push(unlocker.0.digest);
                self.claims
                    .iter_mut()
                    .for_each(|claim| claim.annulled = true);
                *self.reached.entry("annulled").or_default() += 1;
            }
            _ => assert_eq!(
                self.row, before,
                "an annulment that was not done moved the row"
            ),
        }
    }

    fn since_annulment(&self) -> impl Iterator<Item = &Granted> {
        self.claims
            .iter()
            .filter(|claim| !claim.annulled && claim.session.is_some())
    }

    /// The session that may have delivered since the last annulment, if one may.
    fn unlocker(&self) -> Option<(Session, usize)> {
        let digest = self
            .since_annulment()
            .find(|claim| claim.may_have_delivered)?
            .session?;
        self.sessions
            .iter()
            .find(|(session, _)| session.digest == digest)
            .cloned()
    }
}

fn live(result: TestResult, events: &[Event]) -> World {
    let mut world = World::new(result);
    for event in events {
        world.apply(event);
    }
    // At the end of time, at the latest.
    world.now = world.now.max(END);
    world.apply(&Event::CatchUp);
    assert_eq!(world.erased, 1);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_life_of_a_positive_keeps_the_rules(events in prop::collection::vec(event(), 1..50)) {
        live(TestResult::Positive, &events);
    }

    #[test]
    fn a_negative_is_cancelled_or_expires_and_nothing_else(events in prop::collection::vec(event(), 1..30)) {
        let world = live(TestResult::Negative, &events);
        prop_assert!(world.claims.is_empty() && world.sessions.is_empty());
        prop_assert!(matches!(world.row.state(), CunState::Cancelled | CunState::Expired));
    }

    #[test]
    fn bytes_that_no_life_wrote_are_refused_or_are_a_life(bytes in prop::collection::vec(any::<u8>(), 0..130)) {
        if let Ok(life) = Life::decode(Some(&bytes)) {
            prop_assert_eq!(life.encode(), Some(bytes));
        }
    }
}

/// The generator must reach what the properties are about, or they say nothing.
#[test]
fn random_lives_reach_every_state() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let lives = prop::collection::vec(event(), 50);
    let mut reached: HashMap<&str, u32> = HashMap::new();
    for _ in 0..2_000 {
        let events = lives.new_tree(&mut runner).unwrap().current();
        for (what, count) in live(TestResult::Positive, &events).reached {
            *reached.entry(what).or_default() += count.min(1);
        }
    }
    let states = CunState::ALL.map(CunState::name);
    for what in states
        .into_iter()
        .chain(["second delivery", "stale", "annulled"])
    {
        let lives = reached.get(what).copied().unwrap_or(0);
        assert!(
            lives >= 100,
            "only {lives} of 2,000 lives reach \"{what}\": {reached:?}"
        );
    }
}

/// Each byte of a stored life that is cut off, and one too many, is noticed; so is a later version.
#[test]
fn a_damaged_life_is_refused() {
    let origin = positive();
    let mut row = Life::new();
    let session = Desk::ELSEWHERE.opens(1, &origin, at(0));
    let step =
        Desk::ELSEWHERE.speaks(|who| row.claim(&origin, &session, who, new_claim(7, at(1)), at(1)));
    apply(&mut row, step).unwrap();
    let bytes = row.encode().unwrap();
    for length in 0..bytes.len() {
        assert!(
            Life::decode(Some(&bytes[..length])).is_err(),
            "cut to {length} bytes"
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Life::decode(Some(&longer)), Err(LifeDecodeError::Malformed));
    let mut newer = bytes.clone();
    newer[0] = 2;
    assert_eq!(Life::decode(Some(&newer)), Err(LifeDecodeError::Version(2)));
    // Three deliveries and a claim under way: no such life.
    let mut impossible = bytes;
    impossible[2] = 3;
    assert_eq!(
        Life::decode(Some(&impossible)),
        Err(LifeDecodeError::Contradiction)
    );
}
