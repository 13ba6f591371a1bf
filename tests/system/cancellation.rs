//! `annullamentoEsecuzioneTest` (§2.4.2) through the real server. A failure means that a test is cancelled by who did not submit it or without the
//! right person and structure, that the answer tells which of them was wrong, that a repeated cancellation is not told as such, or that a cancelled
//! test can still be verified.

use crate::support::chain::Chain;
use crate::support::installation::{CARD, DESK, PATIENT, USER, pincode_of};
use crate::support::{Installation, Message, Server, Session, Submission, fiscal_code};

fn cancellation(cun: &str) -> Message {
    Message::cancellation(cun, PATIENT)
}

fn submit(session: &mut Session) -> String {
    session.submitted(&Submission::by_region())
}

#[test]
fn who_submitted_cancels_and_repeating_it_is_told() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let cun = submit(&mut region);
    let done = region.ask(&cancellation(&cun));
    assert_eq!((done.told(), done.findings()), ((200, "0000"), vec![]));
    assert_ne!(done.transaction(), cun);
    let again = region.ask(&cancellation(&cun));
    assert_eq!(
        (again.told(), again.findings()),
        ((200, "0001"), vec!["3021"])
    );
    assert_ne!(again.transaction(), done.transaction());
}

#[test]
fn a_key_makes_a_cancellation_safe_to_repeat_across_a_restart() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let (cun, other) = (submit(&mut region), submit(&mut region));
    let request = cancellation(&cun).with("identificativoRichiesta", "annullamento-1");
    let first = region.ask(&request);
    assert_eq!(first.told(), (200, "0000"));
    server.kill9();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let again = region.ask(&request);
    assert_eq!(
        (again.told(), again.findings()),
        ((200, "0001"), vec!["4001"])
    );
    assert_eq!(again.transaction(), first.transaction());
    assert_eq!(again.value("dataOra"), first.value("dataOra"));
    let reused = cancellation(&other).with("identificativoRichiesta", "annullamento-1");
    let reused = region.ask(&reused);
    assert_eq!(
        (reused.told(), reused.findings()),
        ((200, "9999"), vec!["4002"])
    );
    // Another structure is other content, whatever there is of that structure.
    let moved = request.with_description("Un'altra");
    let moved = region.ask(&moved);
    assert_eq!(
        (moved.told(), moved.findings()),
        ((200, "9999"), vec!["4002"])
    );
    assert_eq!(
        region.ask(&cancellation(&other)).told(),
        (200, "0000"),
        "nothing was done"
    );
}

#[test]
fn a_wrong_code_person_structure_or_caller_looks_the_same_and_changes_nothing() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let cun = submit(&mut region);
    let mut user = Session::user(&installation, &server);
    let by_user = cancellation(&cun)
        .without("tipoAutenticazione")
        .with("pinCode", pincode_of(USER));
    let unknown = crate::support::otp(0);
    let answers = [
        region.ask(&cancellation(&format!("CUN-{unknown}"))),
        region.ask(&Message::cancellation(&cun, &fiscal_code(1))),
        region.ask(&cancellation(&cun).with_description("Un'altra")),
    ];
    let shape = |text: &str| {
        let from = text.find("<esito>").unwrap();
        text[from..].to_owned()
    };
    for answer in &answers {
        assert_eq!(
            (answer.told(), answer.findings()),
            ((200, "9999"), vec!["3002"])
        );
        assert_eq!(shape(answer.0.text()), shape(answers[0].0.text()));
    }
    // The user may not cancel at all; with the profile it would still not be the submitter.
    installation.admin(&[
        "user",
        "profiles",
        crate::support::installation::USER,
        "invioEsecuzioneTest",
        "annullamentoEsecuzioneTest",
    ]);
    crate::support::until("the profile is seen", || {
        user.ask(&by_user).findings() == ["3002"]
    });
    assert_eq!(region.ask(&cancellation(&cun)).told(), (200, "0000"));
}

#[test]
fn a_cancelled_test_is_not_verifiable_and_a_used_one_is_not_cancelled() {
    let chain = Chain::start();
    let mut region = chain.region();
    let cun = submit(&mut region);
    let used = submit(&mut region);
    assert_eq!(region.ask(&cancellation(&cun)).told(), (200, "0000"));
    let mut desk = chain.desk();
    let reply = desk.ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(
        (reply.told(), reply.findings()),
        ((200, "9999"), vec!["3001"])
    );

    let verified = desk.ask(&Message::verification(DESK, CARD, &used));
    let session = verified.value("idVerificaTampone").to_owned();
    assert_eq!(
        desk.ask(&Message::unlock(DESK, &session, &crate::support::otp(1)))
            .told(),
        (200, "0000")
    );
    let confirm = Message::confirmation("C", DESK, &used);
    assert_eq!(desk.ask(&confirm).told(), (200, "0000"));
    let refused = region.ask(&cancellation(&used));
    assert_eq!(refused.told(), (200, "9999"));
    assert!(
        matches!(refused.findings()[..], ["3002" | "3014"]),
        "{refused:?}"
    );
}

#[test]
fn an_unlocked_test_is_cancelled_and_its_unlock_cannot_be_confirmed() {
    let chain = Chain::start();
    let cun = chain.positive();
    chain.unlocked(&cun, &crate::support::otp(1));
    assert_eq!(
        chain.region().ask(&cancellation(&cun)).told(),
        (200, "0000")
    );
    for kind in ["C", "A"] {
        assert_eq!(chain.confirm(kind, &cun).told(), (200, "9999"), "{kind}");
    }
    let again = chain.desk().ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(
        (again.told(), again.findings()),
        ((200, "9999"), vec!["3001"])
    );
}

#[test]
fn another_region_that_knows_everything_cancels_nothing_and_learns_nothing() {
    const DESCRIPTION: &str = "Drive-in di prova";
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let mut other = Session::region(&installation, &server, "020");
    let submitted = region.submit(&Submission {
        structure: None,
        description: Some(DESCRIPTION.into()),
        ..Submission::by_region()
    });
    assert_eq!(submitted.told(), (200, "0000"));
    let by_description = |cun: &str| cancellation(cun).with_description(DESCRIPTION);
    let right = by_description(submitted.transaction());
    let unknown = by_description(&format!("CUN-{}", crate::support::otp(0)));
    let told = other.ask(&right);
    assert_eq!(
        (told.told(), told.findings()),
        ((200, "9999"), vec!["3002"])
    );
    assert_eq!(told.but_for_itself(), other.ask(&unknown).but_for_itself());
    let done = region.ask(&right);
    assert_eq!((done.told(), done.findings()), ((200, "0000"), vec![]));
    // Nor whether it has been cancelled since.
    let later = other.ask(&right);
    assert_eq!(told.but_for_itself(), later.but_for_itself());
}
