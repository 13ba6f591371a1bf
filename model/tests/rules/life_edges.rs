//! Edges of a CUN's life that its tables do not show: whose session a confirmation names, what ends in the same millisecond, and stored bytes that no
//! sequence of transitions leads to.
//!
//! Failure: an operator confirms on a colleague's living session; a claim for a person that dies with its CUN counts as delivered; a damaged row is
//! taken for a life.

use crate::life_support::*;
use sistema_ts_model::{
    CallerKey, ConcludeRefusal, CunState, GivenSession, Life, LifeDecodeError, MAX_DELIVERIES,
    PostOutcome, Session, SessionDigest,
};

/// A CUN that the first desk's session has unlocked, and that session.
fn unlocked() -> (Life, Session) {
    let origin = positive();
    let session = Desk::FIRST.opens(1, &origin, at(0));
    let mut life = Life::new();
    let claim = new_claim(7, at(1));
    let step =
        Desk::FIRST.speaks(|presenter| life.claim(&origin, &session, presenter, claim, at(1)));
    apply(&mut life, step).unwrap();
    let step = life.settle(&origin, claim.id, PostOutcome::Delivered, at(2));
    apply(&mut life, step);
    (life, session)
}

#[test]
fn a_living_session_is_its_operators_to_confirm_or_annul_and_a_lapsed_one_its_callers() {
    let (life, session) = unlocked();
    let origin = positive();
    let given = Some(GivenSession {
        digest: session.digest,
        entry: Some(&session),
    });
    let lapsed = at(SESSION_LIFE);
    for conclude in [Life::confirm, Life::annul] {
        let told = |desk: Desk, moment| {
            desk.speaks(|presenter| conclude(&life, &origin, given, presenter, moment).answer)
        };
        assert!(told(Desk::FIRST, at(3)).is_ok());
        let refused = Err(ConcludeRefusal::SessionNotYours);
        assert_eq!(told(Desk::COLLEAGUE, at(3)), refused);
        assert_eq!(told(Desk::COLLEAGUE, at(SESSION_LIFE - 1)), refused);
        assert!(told(Desk::COLLEAGUE, lapsed).is_ok());
    }
}

#[test]
fn a_claim_for_a_person_that_dies_in_the_millisecond_of_its_end_has_expired() {
    let origin = positive();
    let dies_after = |last_millis: i64| {
        let mut claim = new_claim(7, at(0));
        claim.deadline = issue().plus_millis(END - CLOCK_ERROR + last_millis);
        let mut life = Life::new();
        let step = life.claim_for_person(&origin, claim, at(1));
        apply(&mut life, step).unwrap();
        life.state_at(&origin, at(END))
    };
    assert_eq!(dies_after(-1), CunState::Consumed);
    assert_eq!(dies_after(0), CunState::Expired);
    assert_eq!(dies_after(1), CunState::Expired);
}

/// Bytes of a life: phase, deliveries, as many annulled unlocks, and the unlock or claim of the phase.
fn stored(phase: u8, deliveries: u8, annulled: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, phase, annulled << 4 | deliveries];
    for number in 0..annulled {
        bytes.extend(unlock(number + 10));
    }
    bytes.extend(rest);
    bytes
}

fn unlock(number: u8) -> Vec<u8> {
    let key: CallerKey = call_centre(0).to_key();
    let digest = SessionDigest::from_bytes([number; SessionDigest::LENGTH]);
    let mut bytes = digest.as_bytes().to_vec();
    bytes.push(key.as_str().len() as u8);
    bytes.extend(key.as_str().as_bytes());
    bytes
}

fn claim() -> Vec<u8> {
    let deadline = issue().plus_millis(1).millis();
    let mut bytes = 7_u64.to_be_bytes().to_vec();
    bytes.extend(deadline.to_be_bytes());
    bytes
}

#[test]
fn bytes_whose_deliveries_do_not_fit_their_phase_are_no_life() {
    const ISSUED: u8 = 0;
    const CLAIMED_FIRST: u8 = 1;
    const CLAIMED_AGAIN: u8 = 2;
    const UNLOCKED: u8 = 5;
    const CONSUMED: u8 = 6;
    let held = [claim(), unlock(1)].concat();
    let most = MAX_DELIVERIES;
    for (right, wrong) in [
        (
            stored(UNLOCKED, most, 0, &unlock(1)),
            stored(UNLOCKED, most + 1, 0, &unlock(1)),
        ),
        (stored(ISSUED, 1, 1, &[]), stored(ISSUED, 0, 1, &[])),
        (
            stored(UNLOCKED, 2, 1, &unlock(1)),
            stored(UNLOCKED, 1, 1, &unlock(1)),
        ),
        (
            stored(CLAIMED_FIRST, most - 1, most - 1, &held),
            stored(CLAIMED_FIRST, most, most, &held),
        ),
        (
            stored(CLAIMED_AGAIN, 2, 1, &held),
            stored(CLAIMED_AGAIN, 1, 1, &held),
        ),
        (stored(CONSUMED, 1, 0, &[]), stored(CONSUMED, 1, 1, &[])),
    ] {
        assert!(Life::decode(Some(&right)).is_ok(), "{right:?}");
        let refused = Life::decode(Some(&wrong));
        assert_eq!(refused, Err(LifeDecodeError::Contradiction), "{wrong:?}");
    }
}
