//! `invioCodiceOtp` (§5.1), with the stand-in of the Immuni backend.
//!
//! Failure here means that an ASL cannot help a patient, that the patient's data stay although the code was used, that they go although it was
//! not, that somebody sends a code who may not, or that the answer tells whether the person is positive.

use std::time::Instant;

use crate::support::chain::{Chain, IMPATIENT, told};
use crate::support::installation::{
    ASL_OPERATOR, COLLEAGUE, OPERATOR, PASSWORD, PATIENT, USER, pincode_of,
};
use crate::support::messages::today;
use crate::support::{Message, Session, Submission, fiscal_code, otp, until};

/// Who asks.
enum Who {
    Region,
    OtherRegion,
    Desk,
    User,
    WithoutProfile,
}

#[test]
fn a_delivered_code_uses_up_every_positive_of_the_person_and_no_others() {
    let chain = Chain::start();
    let own = [chain.positive(), chain.positive()];
    let unlocked = chain.positive();
    chain.unlocked(&unlocked, &otp(1));
    assert_eq!(told(&chain.asl(&otp(2), PATIENT)), ("0000", vec![]));
    assert_eq!(chain.backend.stored(&otp(2)), 1);
    for cun in &own {
        assert!(!chain.is_verifiable(cun));
    }
    // The call centre that had unlocked this one has nothing left to do.
    assert_eq!(told(&chain.confirm("C", &unlocked)), ("0001", vec!["3022"]));
    assert_eq!(told(&chain.confirm("A", &unlocked)), ("9999", vec!["3003"]));
    // Later ones are the person's again.
    assert!(chain.is_verifiable(&chain.positive()));
}

#[test]
fn a_user_sends_a_code_for_anybody_with_or_without_a_day_of_symptoms() {
    let chain = Chain::start();
    let cun = chain.positive();
    let mut user = Session::asl_user(&chain.installation, &chain.server);
    let stranger = Message::asl_otp_of_user(&otp(1), &fiscal_code(7));
    assert_eq!(told(&user.ask(&stranger)), ("0000", vec![]));
    assert!(chain.is_verifiable(&cun));
    for (number, message) in [
        Message::asl_otp_of_user(&otp(2), PATIENT).with("dataInizioSintomi", today()),
        Message::asl_otp_of_user(&otp(3), PATIENT).with("dataInizioSintomi", ""),
        Message::asl_otp_of_user(&otp(4), PATIENT).with("codiceFiscaleOperatore", OPERATOR),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(told(&user.ask(&message)), ("0000", vec![]));
        assert_eq!(chain.backend.stored(&otp(number as u64 + 2)), 1);
    }
    assert!(!chain.is_verifiable(&cun));
}

#[test]
fn a_user_of_the_asl_itself_sends_codes_and_nothing_else() {
    let chain = Chain::start();
    let cun = chain.positive();
    let name = "asl.torino";
    let workplace = ["--asl", "010-101"];
    chain
        .installation
        .add_user_of(workplace, name, "invioCodiceOtp");
    let mut user = Session::with(chain.server.basic, &chain.installation.client(None))
        .signed_in(name, PASSWORD);
    let message =
        |number| Message::asl_otp_of_user(&otp(number), PATIENT).with("pinCode", pincode_of(name));
    until("the running server knows the new user", || {
        user.ask(&message(1)).status() != 401
    });
    assert_eq!(chain.backend.stored(&otp(1)), 1);
    assert!(!chain.is_verifiable(&cun));

    let submission = Submission {
        pincode: Some(pincode_of(name)),
        ..Submission::by_structure()
    };
    assert_eq!(told(&user.submit(&submission)), ("9999", vec!["2001"]));
    let records = chain
        .installation
        .run(&["audit", "search", "--service", "invioCodiceOtp"]);
    assert!(records.contains("A010-101"), "{records}");

    chain.installation.admin(&["user", "remove", name]);
    until("the running server has forgotten the user", || {
        user.ask(&message(2)).status() == 401
    });
}

#[test]
fn who_may_not_send_a_code_is_told_so_and_nothing_is_posted() {
    let chain = Chain::start();
    let by_region = Message::asl_otp_of_region(ASL_OPERATOR, &otp(1), PATIENT);
    let by_user = Message::asl_otp_of_user(&otp(1), PATIENT);
    let (mut region, mut desk) = (chain.region(), chain.desk());
    let mut user = Session::asl_user(&chain.installation, &chain.server);
    let mut other_region = Session::region(&chain.installation, &chain.server, "020");
    let mut without_profile = Session::user(&chain.installation, &chain.server);
    let named = |operator: &str| by_region.clone().with("codiceFiscaleOperatore", operator);
    for (session, message, finding) in [
        (
            Who::Region,
            by_region.clone().without("codiceFiscaleOperatore"),
            "1016",
        ),
        (Who::Region, named(COLLEAGUE), "2011"),
        // Who may list may not send.
        (Who::Region, named(OPERATOR), "2012"),
        (Who::OtherRegion, by_region.clone(), "2011"),
        (Who::Desk, by_region.clone(), "2001"),
        (
            Who::User,
            by_user.clone().with("codiceFiscaleOperatore", ASL_OPERATOR),
            "2013",
        ),
        (
            Who::User,
            by_user.clone().with("dataInizioSintomi", "2999-12-31"),
            "1302",
        ),
        (
            Who::User,
            by_user.clone().with("codiceOtp", "59FU36KR45"),
            "1512",
        ),
        (
            Who::WithoutProfile,
            by_user.clone().with("pinCode", pincode_of(USER)),
            "2001",
        ),
    ] {
        let session = match session {
            Who::Region => &mut region,
            Who::OtherRegion => &mut other_region,
            Who::Desk => &mut desk,
            Who::User => &mut user,
            Who::WithoutProfile => &mut without_profile,
        };
        assert_eq!(told(&session.ask(&message)), ("9999", vec![finding]));
    }
    assert_eq!(user.ask(&by_user.without("pinCode")).status(), 401);
    assert_eq!(chain.backend.counts().requests, 0);
}

#[test]
fn the_outcome_is_the_backends_and_what_was_not_delivered_uses_up_nothing() {
    let chain = Chain::start_with(IMPATIENT);
    let cun = chain.positive();
    assert_eq!(told(&chain.asl(&otp(1), &fiscal_code(7))), ("0000", vec![]));
    // Already authorised, for somebody else.
    assert_eq!(told(&chain.asl(&otp(1), PATIENT)), ("9999", vec!["5002"]));
    assert!(chain.is_verifiable(&cun));
    chain.backend.goes_down();
    assert_eq!(told(&chain.asl(&otp(2), PATIENT)), ("9999", vec!["5004"]));
    assert!(chain.is_verifiable(&cun));
}

/// A step that no machine's store takes longer than, for tests that wait for it.
const LONG_STEP: (&str, &str) = ("ASL__STEP_MILLISECONDS", "1000");

#[test]
fn while_a_call_centre_unlocks_the_person_the_server_says_that_it_is_busy_and_the_code_stays_unused()
 {
    let chain = Chain::start();
    let cun = chain.positive();
    let session = chain.verified(&cun);
    chain.backend.answers_after(1_500);
    let mut desk = chain.begin_unlock(&session, &otp(1));
    let reply = chain.asl(&otp(2), PATIENT);
    assert!(reply.is_unavailable(), "{reply:?}");
    assert_eq!(told(&desk.try_answer().unwrap()), ("0000", vec![]));
    assert_eq!(chain.backend.posts(&otp(2)), 0, "nothing was sent");
    // The same code goes through, once the other unlock has ended.
    assert_eq!(told(&chain.asl(&otp(2), PATIENT)), ("0000", vec![]));
}

#[test]
fn two_codes_at_once_tell_nothing_of_the_person() {
    let chain = Chain::start_with(&[LONG_STEP]);
    chain.positive();
    for (number, person) in [PATIENT, &fiscal_code(1)].into_iter().enumerate() {
        let code = |which: u64| otp(10 * number as u64 + which);
        let message = |which| Message::asl_otp_of_region(ASL_OPERATOR, &code(which), person);
        let (mut first, mut second) = (chain.region(), chain.region());
        first.send(&message(1)).unwrap();
        until("the first has been sent", || {
            chain.backend.posts(&code(1)) == 1
        });
        // It is in its last step, a second long.
        let reply = second.ask(&message(2));
        assert!(reply.is_unavailable(), "{person}: {reply:?}");
        assert_eq!(told(&first.try_answer().unwrap()), ("0000", vec![]));
        assert_eq!(chain.backend.posts(&code(2)), 0);
        assert_eq!(told(&chain.region().ask(&message(2))), ("0000", vec![]));
    }
}

#[test]
fn every_answer_takes_its_two_steps_whoever_is_asked_for() {
    let chain = Chain::start_with(&[LONG_STEP]);
    let unlocked = chain.positive();
    chain.unlocked(&unlocked, &otp(1));
    chain.submitted(&Submission::about(1));
    for (number, person) in [PATIENT, &fiscal_code(1), &fiscal_code(2)]
        .into_iter()
        .enumerate()
    {
        let began = Instant::now();
        let reply = chain.asl(&otp(2 + number as u64), person);
        assert_eq!(told(&reply), ("0000", vec![]));
        let took = began.elapsed().as_millis();
        assert!((2_000..3_000).contains(&took), "{took} ms");
    }
}

#[test]
fn who_leaves_during_a_step_has_the_code_sent_and_recorded_all_the_same() {
    let chain = Chain::start_with(&[LONG_STEP]);
    let cun = chain.positive();
    let mut region = chain.region();
    let message = Message::asl_otp_of_region(ASL_OPERATOR, &otp(1), PATIENT);
    region.send(&message).unwrap();
    // Within the first step: nothing has reached the backend before its end.
    until("the request is at work", || {
        chain.server.metric("sistema_ts_admitted", &["relay"]) > 0.0
    });
    drop(region);
    until("the server has seen that its client left", || {
        let labels = ["invioCodiceOtp", "abandoned"];
        chain.server.metric("sistema_ts_requests_total", &labels) > 0.0
    });
    assert_eq!(chain.backend.counts().requests, 0, "it left too late");
    until("the code is sent", || chain.backend.stored(&otp(1)) == 1);
    let (status, _) = chain.server.terminate();
    assert!(status.success());
    let search = ["audit", "search", "--service", "invioCodiceOtp"];
    let records = chain.installation.run(&search);
    assert_eq!(records.lines().count(), 1, "{records}");
    assert!(records.contains("\"outcome\":\"0000\""), "{records}");
    let store = chain.installation.store();
    let cun = sistema_ts_model::Cun::parse(&cun).unwrap();
    let patient = crate::support::runtime().block_on(store.find_patient(cun));
    assert!(patient.unwrap().is_none(), "it was used up");
}

#[test]
fn an_operator_sends_so_many_codes_an_hour_as_whichever_users_and_no_more() {
    let limit = ("ASL__CODES_PER_OPERATOR_PER_HOUR", "3");
    let chain = Chain::start_with(&[limit]);
    // The user's own codice fiscale is that of a registered operator of the region, too.
    let sends = ["operator", "profiles", "--region", "010", "invioCodiceOtp"];
    chain.installation.admin_with_input(&sends, OPERATOR);
    let mut user = Session::asl_user(&chain.installation, &chain.server);
    let mut region = chain.region();
    let by_region = |code: &str| Message::asl_otp_of_region(OPERATOR, code, &fiscal_code(1));
    until("the register's change is seen", || {
        told(&region.ask(&by_region(&otp(1)))) == ("0000", vec![])
    });
    // Whatever becomes of it: this code was authorised before.
    let again = Message::asl_otp_of_user(&otp(1), PATIENT);
    assert_eq!(told(&user.ask(&again)), ("9999", vec!["5002"]));
    let last = Message::asl_otp_of_user(&otp(2), PATIENT);
    assert_eq!(told(&user.ask(&last)), ("0000", vec![]));
    let posts = chain.backend.counts().requests;
    let refused = Message::asl_otp_of_user(&otp(3), PATIENT);
    let reply = user.ask(&refused);
    assert_eq!(told(&reply), ("9999", vec!["2204"]));
    assert_eq!(
        told(&region.ask(&by_region(&otp(3)))),
        ("9999", vec!["2204"])
    );
    // Another operator has an hour of its own.
    assert_eq!(told(&chain.asl(&otp(4), &fiscal_code(1))), ("0000", vec![]));
    assert_eq!(chain.backend.counts().requests, posts + 1);
    let log = chain.installation.log();
    let line = log
        .lines()
        .find(|line| line.contains("as many codes of the ASL"))
        .unwrap();
    assert!(line.contains(reply.transaction()), "{line}");
    assert!(!log.contains(OPERATOR) && !log.contains(PATIENT), "{log}");
    // Not even a restart gives any back.
    let chain = chain.restart(&[limit]);
    let mut user = Session::asl_user(&chain.installation, &chain.server);
    assert_eq!(told(&user.ask(&refused)), ("9999", vec!["2204"]));
}
