//! An exhaustive search through every interleaving of two call-centre desks, an ASL, the submitter, the clocks of
//! several nodes, servers that crash, and a backend that loses answers, all on one CUN, for a few ticks of time.
//!
//! The row is the real state machine; everything around it is a small model: a poster claims, checks its deadline,
//! sends, hears, and settles, each a step of its own, with anybody else's steps between.
//!
//! Failure is a reachable situation in which
//! - two posts to the backend are under way at once for this CUN, or a session's post begins after its end;
//! - the backend authorises a code for a second session, with no annulment since it authorised one for the first;
//! - it authorises anything for a session after an ASL's code was authorised, or codes of more than three claims;
//! - the CUN is confirmed, annulled or cancelled while a post is under way;
//! - or the CUN is stuck: a claim outlives its deadline and the clock error, an issued CUN with deliveries left cannot
//!   be verified and claimed, an unlocked one cannot be confirmed, annulled and cancelled.
//!
//! Two last tests break an assumption each (no process freezes between its check and its send; no clock is off by more
//! than permitted) and demand that the search then finds a violation: so it has teeth, and the assumptions are needed.
#![allow(clippy::unwrap_used)]

#[path = "../life_support/mod.rs"]
mod life_support;
mod search;
mod world;

use std::collections::HashMap;

use life_support::Desk;
use search::Search;
use sistema_ts_model::CunState;
use world::World;

/// All times are ticks of one millisecond.
const RELAY: i64 = 2;
const CLOCK_ERROR: i64 = 1;
/// Further than any search goes.
const FAR: i64 = 1_000;
const LAST_TICK: i64 = 40;
const DESKS: [Desk; 2] = [Desk::FIRST, Desk::ELSEWHERE];
/// The poster of the ASL's code; 0 and 1 are the desks'.
const ASL: usize = 2;

/// What a search goes through, and what may go wrong beyond what the design assumes.
#[derive(Clone, Copy)]
struct Setting {
    /// The tick at which the CUN expires; FAR for a search in which that is out of sight.
    end: i64,
    /// How long a session lives; FAR for never lapsing.
    session_life: i64,
    /// How often each desk may verify.
    verifications: [u8; 2],
    /// How far one node's clock may be ahead of another's.
    largest_clock_error: i64,
    /// A process may stand still between the check of its deadline and its send.
    may_freeze: bool,
}

/// The whole life but its end.
const IN_THE_MIDDLE: Setting = Setting {
    end: FAR,
    session_life: FAR,
    verifications: [2, 1],
    largest_clock_error: CLOCK_ERROR,
    may_freeze: false,
};

/// Sessions that lapse.
const LAPSING: Setting = Setting {
    session_life: 2,
    verifications: [1, 1],
    ..IN_THE_MIDDLE
};

/// The last ticks.
const AT_THE_END: Setting = Setting {
    end: 4,
    verifications: [1, 1],
    ..IN_THE_MIDDLE
};

/// What the search came across, so that it can be seen to have gone far enough.
#[derive(Debug, Default)]
struct Reached {
    worlds: usize,
    states: HashMap<&'static str, usize>,
    three_delivered: usize,
    after_annulment: usize,
}

impl Reached {
    fn note(&mut self, world: &World) {
        self.worlds += 1;
        *self.states.entry(world.row.state().name()).or_default() += 1;
        self.three_delivered += usize::from(world.claims_delivered == 3);
        let freed = world.delivered_for.is_none() && world.claims_delivered > 0;
        self.after_annulment += usize::from(freed);
    }

    fn demand_states(&self, states: &[CunState]) {
        for state in states {
            assert!(
                self.states.contains_key(state.name()),
                "never {}: {self:?}",
                state.name()
            );
        }
    }
}

fn search(setting: Setting) -> Reached {
    let reached = Search::new(setting)
        .run()
        .unwrap_or_else(|trace| panic!("violation:\n{trace}"));
    println!("{reached:?}");
    reached
}

const BEFORE_THE_END: [CunState; 5] = [
    CunState::Issued,
    CunState::Unlocking,
    CunState::Unlocked,
    CunState::Consumed,
    CunState::Cancelled,
];

#[test]
fn no_interleaving_in_the_middle_of_a_life_breaks_the_rules() {
    let reached = search(IN_THE_MIDDLE);
    reached.demand_states(&BEFORE_THE_END);
    assert!(
        reached.three_delivered > 0 && reached.after_annulment > 0,
        "{reached:?}"
    );
}

#[test]
fn no_interleaving_with_lapsing_sessions_breaks_the_rules() {
    search(LAPSING).demand_states(&BEFORE_THE_END);
}

#[test]
fn no_interleaving_at_the_end_of_a_life_breaks_the_rules() {
    search(AT_THE_END).demand_states(&CunState::ALL);
}

#[test]
fn a_process_frozen_between_check_and_send_is_the_residue() {
    let frozen = Search::new(Setting {
        may_freeze: true,
        ..IN_THE_MIDDLE
    });
    println!("{}", frozen.run().unwrap_err());
}

#[test]
fn a_clock_off_by_more_than_permitted_is_found_out() {
    let off = Search::new(Setting {
        largest_clock_error: 2 * CLOCK_ERROR,
        ..IN_THE_MIDDLE
    });
    println!("{}", off.run().unwrap_err());
}
