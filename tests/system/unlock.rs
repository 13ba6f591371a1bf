//! `sbloccoCodiceImmuni` (§3.3.2), with the stand-in of the Immuni backend.
//!
//! Failure here means that one CUN unlocks the apps of two, that somebody uses another's verification, that an outcome of the backend is told as
//! another, or that a post whose caller is gone is forgotten.

use std::thread;

use immuni_stand_in::{Behaviour, Fault};

use crate::support::chain::{Chain, IMPATIENT, told, told_to_keep};
use crate::support::installation::{
    ASL_OPERATOR, COLLEAGUE, DESK, DISABLED, OTHER_CALL_CENTRE, STRANGER,
};
use crate::support::{Message, fiscal_code, otp, until};

#[test]
fn a_verified_code_is_unlocked_by_its_own_operator_alone() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.verified(&cun);
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let code = otp(1);
    let refused = [
        chain.desk().ask(&Message::unlock(DESK, unknown, &code)),
        chain
            .desk()
            .ask(&Message::unlock(COLLEAGUE, &session, &code)),
        chain
            .desk_of(OTHER_CALL_CENTRE)
            .ask(&Message::unlock(STRANGER, &session, &code)),
    ];
    for reply in &refused {
        assert_eq!(told(reply), ("9999", vec!["3004"]));
        assert_eq!(reply.but_for_itself(), refused[0].but_for_itself());
    }
    for (operator, finding) in [(STRANGER, "2011"), (DISABLED, "2012")] {
        let reply = chain
            .desk()
            .ask(&Message::unlock(operator, &session, &code));
        assert_eq!(told(&reply), ("9999", vec![finding]));
    }
    assert_eq!(chain.backend.counts().requests, 0);

    assert_eq!(told(&chain.unlock(&session, &code)), ("0000", vec![]));
    assert_eq!(chain.backend.stored(&code), 1);
    assert!(!chain.is_verifiable(&cun));
}

#[test]
fn mistakes_are_told_at_once_and_nothing_is_posted() {
    let chain = Chain::start();
    let wrong = Message::unlock("VRDGPP62D15L219A", "non-un-uuid", "59FU36KR45")
        .with("dataInizioSintomi", "2999-12-31")
        .without("tipoAutenticazione");
    let reply = chain.desk().ask(&wrong);
    let (outcome, mut findings) = told(&reply);
    findings.sort_unstable();
    assert_eq!(outcome, "9999");
    assert_eq!(findings, ["1011", "1203", "1302", "1512", "1531"]);
    assert_eq!(chain.backend.counts().requests, 0);
}

#[test]
fn a_session_delivers_three_times_in_the_life_of_its_code() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.unlocked(&cun, &otp(1));
    // The code that it has posted already: told, and not counted.
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("0001", vec!["5001"])
    );
    for number in [2, 3] {
        assert_eq!(
            told(&chain.unlock(&session, &otp(number))),
            ("0000", vec![])
        );
    }
    let requests = chain.backend.counts().requests;
    assert_eq!(
        told(&chain.unlock(&session, &otp(4))),
        ("9999", vec!["3013"])
    );
    assert_eq!(chain.backend.counts().requests, requests);
    // Nor after an annulment, since nothing could be delivered any more.
    assert_eq!(told(&chain.confirm("A", &cun)), ("0000", vec![]));
    assert!(!chain.is_verifiable(&cun));
}

#[test]
fn an_annulled_unlock_frees_the_code_for_another_verification_and_closes_its_own() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.unlocked(&cun, &otp(1));
    assert_eq!(told(&chain.confirm("A", &cun)), ("0000", vec![]));
    assert_eq!(
        told(&chain.unlock(&session, &otp(2))),
        ("9999", vec!["3004"])
    );
    chain.unlocked(&cun, &otp(3));
    assert_eq!(told(&chain.confirm("C", &cun)), ("0000", vec![]));
    assert!(!chain.is_verifiable(&cun));
}

#[test]
fn a_code_that_somebody_else_has_authorised_is_refused_and_changes_nothing() {
    let chain = Chain::start();
    let [first, second] = [chain.positive(), chain.positive()];
    chain.unlocked(&first, &otp(1));
    let session = chain.verified(&second);
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("9999", vec!["5002"])
    );
    assert_eq!(chain.backend.stored(&otp(1)), 1);
    // The code is free as before.
    chain.verified(&second);
    assert_eq!(told(&chain.unlock(&session, &otp(2))), ("0000", vec![]));
}

#[test]
fn of_two_operators_who_race_one_unlocks() {
    let chain = Chain::start();
    for round in 0..20 {
        let cun = chain.positive();
        let asks = [DESK, COLLEAGUE].map(|operator| {
            let session = chain.verified_by(operator, &cun);
            (chain.desk(), operator, session)
        });
        let before = chain.backend.counts().stored;
        let told: Vec<_> = thread::scope(|scope| {
            let asks: Vec<_> = asks
                .into_iter()
                .enumerate()
                .map(|(at, (mut desk, operator, session))| {
                    let code = otp(1_000 + 2 * round + at as u64);
                    scope.spawn(move || {
                        told_to_keep(&desk.ask(&Message::unlock(operator, &session, &code)))
                    })
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        });
        let winners = told.iter().filter(|(outcome, _)| outcome == "0000").count();
        let losers = told
            .iter()
            .filter(|(_, finding)| finding == "3011" || finding == "3012")
            .count();
        assert_eq!((winners, losers), (1, 1), "{told:?}");
        assert_eq!(chain.backend.counts().stored, before + 1);
    }
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let chain = Chain::start();
    for (number, fault) in [
        Fault::ResetBeforeStoring,
        Fault::ResetAfterStoring,
        Fault::ErrorBeforeStoring,
        Fault::ErrorAfterStoring,
        Fault::Unavailable,
    ]
    .into_iter()
    .enumerate()
    {
        let session = chain.verified(&chain.positive());
        chain.backend.fails(fault, 1);
        let code = otp(number as u64);
        assert_eq!(
            told(&chain.unlock(&session, &code)),
            ("0000", vec![]),
            "{fault:?}"
        );
        assert_eq!(chain.backend.stored(&code), 1, "{fault:?}");
    }
}

#[test]
fn a_backend_that_is_down_is_told_and_nothing_has_changed() {
    let chain = Chain::start_with(IMPATIENT);
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.goes_down();
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("9999", vec!["5004"])
    );
    chain.verified(&cun);
    chain.backend.behave(Behaviour::default());
    assert_eq!(told(&chain.unlock(&session, &otp(1))), ("0000", vec![]));
}

#[test]
fn an_outcome_that_nobody_knows_counts_as_an_unlock() {
    let chain = Chain::start_with(IMPATIENT);
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.behave(Behaviour {
        fault: Some(Fault::Hang),
        ..Behaviour::default()
    });
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("9999", vec!["5005"])
    );
    chain.backend.behave(Behaviour::default());
    assert!(!chain.is_verifiable(&cun));
    // The same operator may try again, and confirm.
    assert_eq!(told(&chain.unlock(&session, &otp(1))), ("0000", vec![]));
    assert_eq!(told(&chain.confirm("C", &cun)), ("0000", vec![]));
}

#[test]
fn a_post_whose_caller_has_left_goes_on() {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.answers_after(300);
    drop(chain.begin_unlock(&session, &otp(1)));
    until("its outcome is written", || {
        told(&chain.confirm("C", &cun)) == ("0000", vec![])
    });
    assert_eq!(chain.backend.stored(&otp(1)), 1);
}

#[test]
fn a_server_that_is_asked_to_stop_ends_the_post_first() {
    let chain = Chain::start();
    let session = chain.verified(&chain.positive());
    chain.backend.answers_after(300);
    let mut desk = chain.begin_unlock(&session, &otp(1));
    let (ended, _) = chain.server.terminate();
    assert_eq!(told(&desk.try_answer().unwrap()), ("0000", vec![]));
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_full_mailbox_is_unavailable_and_leaves_no_trace() {
    let chain = Chain::start_with(&[("IMMUNI__MAILBOX_CAPACITY", "1")]);
    let [first, second] = [chain.positive(), chain.positive()].map(|cun| {
        let session = chain.verified(&cun);
        (cun, session)
    });
    chain.backend.fails(Fault::Hang, 1);
    let mut desk = chain.begin_unlock(&first.1, &otp(1));
    assert!(chain.unlock(&second.1, &otp(2)).is_unavailable());
    // Nothing was claimed: it can be verified, unlike the one that is being unlocked.
    chain.verified(&second.0);
    assert!(!chain.is_verifiable(&first.0));
    assert_eq!(told(&desk.try_answer().unwrap()), ("0000", vec![]));
    assert_eq!(told(&chain.unlock(&second.1, &otp(2))), ("0000", vec![]));
}

#[test]
fn a_backend_that_is_taken_for_dead_is_not_asked_and_nothing_is_claimed() {
    let settings = [
        IMPATIENT,
        &[
            ("IMMUNI__BREAKER_FAILURES", "1"),
            ("IMMUNI__BREAKER_PAUSE_SECONDS", "300"),
        ],
    ];
    let chain = Chain::start_with(&settings.concat());
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.goes_down();
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("9999", vec!["5004"])
    );
    // It is up again, and nobody knows yet.
    chain.backend.behave(Behaviour::default());
    assert_eq!(
        told(&chain.unlock(&session, &otp(1))),
        ("9999", vec!["5004"])
    );
    assert_eq!(chain.backend.counts().requests, 0);
    chain.verified(&cun);
}

#[test]
fn a_post_whose_client_has_left_keeps_its_callers_place() {
    let chain = Chain::start_with(&[("IMMUNI__MAILBOX_CAPACITY", "4")]);
    let session = chain.verified(&chain.positive());
    chain.backend.answers_after(1_500);
    // Of four places a caller alone may have two; leaving does not make room for a third.
    for number in 0..2 {
        let message =
            Message::asl_otp_of_region(ASL_OPERATOR, &otp(number), &fiscal_code(number as usize));
        let mut region = chain.region();
        region.send(&message).unwrap();
        until("the post has begun", || {
            chain.backend.counts().requests == number + 1
        });
        drop(region);
    }
    until("the server has seen that they left", || {
        let labels = ["invioCodiceOtp", "abandoned"];
        chain.server.metric("sistema_ts_requests_total", &labels) > 1.0
    });
    assert!(chain.asl(&otp(2), &fiscal_code(2)).is_unavailable());
    // The places that it left are for others.
    assert_eq!(told(&chain.unlock(&session, &otp(3))), ("0000", vec![]));
    until("its posts have ended", || {
        told(&chain.asl(&otp(4), &fiscal_code(4))) == ("0000", vec![])
    });
}
