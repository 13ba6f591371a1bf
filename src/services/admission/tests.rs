//! Failure here means: a lane holds more than its capacity, a greedy caller shuts others out, a place is lost, or
//! capacity lies idle that somebody could use.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

const LANE: Lane = Lane::Submission;

fn admission(capacity: u32) -> Arc<Admission> {
    Admission::new(LaneCapacities {
        submission: capacity,
        ..LaneCapacities::default()
    })
}

/// Everything that `share` is given until it is refused.
fn grab(admission: &Arc<Admission>, share: &Arc<CallerShare>) -> Vec<Permit> {
    std::iter::from_fn(|| admission.try_enter(LANE, share).ok()).collect()
}

#[test]
fn one_greedy_caller_gets_half_and_leaves_half() {
    let admission = admission(1_000);
    let permits = grab(&admission, &admission.share_of("R010"));
    assert_eq!(permits.len(), 500);
    let newcomer = admission.share_of("R020");
    for _ in 0..250 {
        std::mem::forget(admission.try_enter(LANE, &newcomer).unwrap());
    }
}

#[test]
fn greedy_callers_share_alike_and_a_newcomer_still_enters() {
    for callers in [2_usize, 3, 9, 21] {
        let admission = admission(2_048);
        let shares: Vec<_> = (0..callers)
            .map(|n| admission.share_of(&n.to_string()))
            .collect();
        let mut permits = Vec::new();
        loop {
            let before = permits.len();
            permits.extend(
                shares
                    .iter()
                    .filter_map(|share| admission.try_enter(LANE, share).ok()),
            );
            if permits.len() == before {
                break;
            }
        }
        let fair = 2_048 / (callers + 1);
        for share in &shares {
            let held = share.in_flight(LANE) as usize;
            assert!(
                held.abs_diff(fair) <= 2,
                "{callers} callers: {held} instead of about {fair}"
            );
        }
        let newcomer = grab(&admission, &admission.share_of("newcomer"));
        assert!(
            newcomer.len() >= fair / 2 - 1,
            "{callers} callers leave only {}",
            newcomer.len()
        );
    }
}

#[test]
fn lanes_do_not_take_from_each_other() {
    let admission = admission(4);
    let share = admission.share_of("R010");
    let _submissions = grab(&admission, &share);
    assert!(admission.try_enter(LANE, &share).is_err());
    for other in Lane::ALL.into_iter().filter(|lane| *lane != LANE) {
        assert!(
            admission.try_enter(other, &share).is_ok(),
            "{}",
            other.name()
        );
    }
}

#[test]
fn the_same_key_is_the_same_share_and_places_come_back() {
    let admission = admission(8);
    let permits = grab(&admission, &admission.share_of("R010"));
    assert_eq!(admission.share_of("R010").in_flight(LANE), 4);
    drop(permits);
    assert_eq!(
        (
            admission.in_flight(LANE),
            admission.share_of("R010").in_flight(LANE)
        ),
        (0, 0)
    );
}

#[test]
fn the_capacity_is_never_exceeded_by_threads_that_contend_for_it() {
    let admission = admission(16);
    let passed = AtomicBool::new(false);
    let admitted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (admission, passed, admitted) = (&admission, &passed, &admitted);
            scope.spawn(move || {
                let share = admission.share_of(&caller.to_string());
                for _ in 0..20_000 {
                    let permits: Vec<_> = (0..8)
                        .filter_map(|_| admission.try_enter(LANE, &share).ok())
                        .collect();
                    let mine = u32::try_from(permits.len()).unwrap();
                    if admitted.fetch_add(mine, Ordering::AcqRel) + mine > 16 {
                        passed.store(true, Ordering::Relaxed);
                    }
                    admitted.fetch_sub(mine, Ordering::AcqRel);
                }
            });
        }
    });
    assert!(
        !passed.load(Ordering::Relaxed),
        "more than the capacity were in at once"
    );
    assert_eq!(admission.in_flight(LANE), 0);
}

proptest! {
    /// Against a model: any order of coming and going.
    #[test]
    fn a_caller_enters_while_it_holds_fewer_places_than_are_free_in_any_order(
        capacity in 1_u32..40,
        steps in proptest::collection::vec((0_usize..5, any::<bool>()), 1..300),
    ) {
        let admission = admission(capacity);
        let shares: Vec<_> = (0..5).map(|n| admission.share_of(&n.to_string())).collect();
        let mut held: Vec<Vec<Permit>> = (0..5).map(|_| Vec::new()).collect();
        for (caller, comes) in steps {
            let total: usize = held.iter().map(Vec::len).sum();
            if comes {
                let free = capacity as usize - total;
                let may = held[caller].len() < free;
                let verdict = admission.try_enter(LANE, &shares[caller]);
                prop_assert_eq!(verdict.is_ok(), may);
                // A caller that holds nothing enters whenever there is any room.
                prop_assert!(may || !held[caller].is_empty() || free == 0);
                held[caller].extend(verdict);
            } else {
                held[caller].pop();
            }
            let total: usize = held.iter().map(Vec::len).sum();
            prop_assert!(total <= capacity as usize);
            prop_assert_eq!(admission.in_flight(LANE) as usize, total);
        }
        held.clear();
        prop_assert_eq!(admission.in_flight(LANE), 0);
    }
}
