//! `invioCodiceOtp` (§5.1), with the stand-in of the Immuni backend.
//!
//! Failure here means that an ASL cannot help a patient, that the patient's data stay although the code was used, that they go although it was
//! not, or that somebody sends a code who may not.

use crate::support::chain::{Chain, IMPATIENT, told};
use crate::support::installation::{ASL_OPERATOR, COLLEAGUE, OPERATOR, PATIENT};
use crate::support::messages::today;
use crate::support::{Message, Session, fiscal_code, otp};

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
    let stranger = Message::asl_code_of_user(&otp(1), &fiscal_code(7));
    assert_eq!(told(&user.ask(&stranger)), ("0000", vec![]));
    assert!(chain.is_verifiable(&cun));
    for (number, message) in [
        Message::asl_code_of_user(&otp(2), PATIENT).with("dataInizioSintomi", today()),
        Message::asl_code_of_user(&otp(3), PATIENT).with("dataInizioSintomi", ""),
        Message::asl_code_of_user(&otp(4), PATIENT).with("codiceFiscaleOperatore", OPERATOR),
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
fn who_may_not_send_a_code_is_told_so_and_nothing_is_posted() {
    let chain = Chain::start();
    let by_region = Message::asl_code_of_region(ASL_OPERATOR, &otp(1), PATIENT);
    let by_user = Message::asl_code_of_user(&otp(1), PATIENT);
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
        (Who::WithoutProfile, by_user.clone(), "2001"),
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
