//! `confermaSbloccoImmuni` (§3.3.3).
//!
//! Failure here means that somebody learns by asking what became of a code, that an unlock is confirmed or annulled by who did not make it, or
//! that repeating a request changes something.

use crate::support::chain::{Chain, told};
use crate::support::installation::{
    CARD, COLLEAGUE, DESK, DISABLED, OTHER_CALL_CENTRE, PATIENT, STRANGER,
};
use crate::support::{Message, Submission, fiscal_code, otp};

/// Well-formed, and never issued.
const UNKNOWN: &str = "CUN-59FU36KR46";

#[test]
fn an_unlock_is_confirmed_once_and_told_so_again() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.unlocked(&cun, &otp(1));
    let with_id = Message::confirmation("C", DESK, &cun).with("idVerificaTampone", &session);
    let mut desk = chain.desk();
    assert_eq!(told(&desk.ask(&with_id)), ("0000", vec![]));
    assert_eq!(told(&desk.ask(&with_id)), ("0001", vec!["3022"]));
    assert_eq!(told(&chain.confirm("C", &cun)), ("0001", vec!["3022"]));
    assert_eq!(told(&chain.confirm("A", &cun)), ("9999", vec!["3003"]));
    // Also after a restart.
    let chain = chain.restart(&[]);
    assert_eq!(told(&chain.confirm("C", &cun)), ("0001", vec!["3022"]));
}

#[test]
fn a_colleague_may_confirm_without_the_id_and_not_with_another() {
    let chain = Chain::start();
    let [first, second] = [chain.positive(), chain.positive()];
    chain.unlocked(&first, &otp(1));
    let of_second = chain.unlocked(&second, &otp(2));
    let wrong = Message::confirmation("C", DESK, &first).with("idVerificaTampone", &of_second);
    assert_eq!(told(&chain.desk().ask(&wrong)), ("9999", vec!["3006"]));
    let by_colleague = Message::confirmation("C", COLLEAGUE, &first);
    assert_eq!(told(&chain.desk().ask(&by_colleague)), ("0000", vec![]));
}

#[test]
fn what_is_not_this_call_centres_unlock_is_answered_alike() {
    let chain = Chain::start();
    let issued = chain.positive();
    let of_another = chain.positive();
    let mut other = chain.desk_of(OTHER_CALL_CENTRE);
    let session = other.verified(STRANGER, CARD, &of_another);
    let unlock = Message::unlock(STRANGER, &session, &otp(1));
    assert_eq!(told(&other.ask(&unlock)), ("0000", vec![]));
    // Used up by an ASL's code, of a person of its own.
    let used_up = chain.submitted(&Submission::about(1));
    assert_eq!(told(&chain.asl(&otp(2), &fiscal_code(1))), ("0000", vec![]));
    for kind in ["C", "A"] {
        let replies = [UNKNOWN, &issued, &of_another, &used_up]
            .map(|cun| (cun.to_owned(), chain.confirm(kind, cun)));
        for (cun, reply) in &replies {
            assert_eq!(told(reply), ("9999", vec!["3003"]), "{kind} {cun}");
            assert_eq!(
                reply.but_for_itself(),
                replies[0].1.but_for_itself(),
                "{kind} {cun}"
            );
        }
    }
    // And nothing has happened to them.
    chain.verified(&issued);
    let own = Message::confirmation("C", STRANGER, &of_another);
    assert_eq!(told(&other.ask(&own)), ("0000", vec![]));
}

#[test]
fn an_annulment_that_is_repeated_leaves_a_newer_unlock_alone() {
    let chain = Chain::start();
    let cun = chain.positive();
    let old = chain.unlocked(&cun, &otp(1));
    let annul = Message::confirmation("A", DESK, &cun).with("idVerificaTampone", &old);
    assert_eq!(told(&chain.desk().ask(&annul)), ("0000", vec![]));
    let new = chain.unlocked(&cun, &otp(2));
    assert_eq!(told(&chain.desk().ask(&annul)), ("0001", vec!["3023"]));
    let confirm = Message::confirmation("C", DESK, &cun).with("idVerificaTampone", &new);
    assert_eq!(told(&chain.desk().ask(&confirm)), ("0000", vec![]));
}

#[test]
fn who_may_not_confirm_is_told_so_and_mistakes_are_told_at_once() {
    let chain = Chain::start();
    let cun = chain.positive();
    chain.unlocked(&cun, &otp(1));
    let mut desk = chain.desk();
    for (operator, finding) in [(STRANGER, "2011"), (PATIENT, "2011"), (DISABLED, "2012")] {
        let reply = desk.ask(&Message::confirmation("C", operator, &cun));
        assert_eq!(told(&reply), ("9999", vec![finding]));
    }
    let reply = chain.region().ask(&Message::confirmation("C", DESK, &cun));
    assert_eq!(told(&reply), ("9999", vec!["2001"]));
    let wrong =
        Message::confirmation("X", DESK, "CUN-59FU36KR45").with("idVerificaTampone", "non-un-uuid");
    let reply = desk.ask(&wrong);
    let (outcome, mut findings) = told(&reply);
    findings.sort_unstable();
    assert_eq!((outcome, findings), ("9999", vec!["1502", "1531", "1541"]));
    assert_eq!(told(&chain.confirm("C", &cun)), ("0000", vec![]));
}

#[test]
fn ten_options_are_taken_with_a_confirmation() {
    let chain = Chain::start();
    let cun = chain.positive();
    chain.unlocked(&cun, &otp(1));
    let message = (0..10).fold(Message::confirmation("C", DESK, &cun), |message, at| {
        message.with_option(&format!("chiave{at}"), "valore")
    });
    assert_eq!(told(&chain.desk().ask(&message)), ("0000", vec![]));
}

#[test]
fn that_an_unlock_is_under_way_is_told_to_its_caller_alone() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.answers_after(1_000);
    let mut desk = chain.begin_unlock(&session, &otp(1));
    let mut stranger = chain.desk_of(OTHER_CALL_CENTRE);
    for kind in ["C", "A"] {
        let never_issued = Message::confirmation(kind, STRANGER, &format!("CUN-{}", otp(0)));
        let never_issued = stranger.ask(&never_issued);
        let under_way = stranger.ask(&Message::confirmation(kind, STRANGER, &cun));
        assert_eq!(under_way.but_for_itself(), never_issued.but_for_itself());
    }
    assert_eq!(told(&chain.confirm("C", &cun)), ("9999", vec!["3011"]));
    assert_eq!(told(&desk.try_answer().unwrap()), ("0000", vec![]));
}
