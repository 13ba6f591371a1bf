//! Callers with a certificate, each kind with what is its own.
//!
//! Failure here means that a call centre gets at a service of the regions, is served from a network that is not registered for it, or that the
//! installation which the tests of the call centres' services start from is not what they take it for.

use crate::support::installation::{CALL_CENTRE, DESK, OTHER_CALL_CENTRE};
use crate::support::{Backend, Installation, Message, Server, Session, Submission, otp, until};

#[test]
fn a_call_centre_is_known_and_may_not_submit() {
    let installation = Installation::with_call_centres();
    let server = Server::start(&installation);
    let mut centre = Session::call_centre(&installation, &server, CALL_CENTRE);
    let reply = centre.submit(&Submission::by_region());
    assert_eq!(
        (reply.told(), reply.findings()),
        ((200, "9999"), vec!["2001"])
    );
}

#[test]
fn a_call_centre_is_refused_from_a_network_that_is_not_its_own_also_on_an_open_connection() {
    let installation = Installation::with_call_centres();
    let server = Server::start(&installation);
    let [mut centre, mut other] = [CALL_CENTRE, OTHER_CALL_CENTRE]
        .map(|code| Session::call_centre(&installation, &server, code));
    let network = |change: &str, network: &str| {
        installation.admin(&["network", change, "--call-center", CALL_CENTRE, network]);
    };
    network("add", "192.0.2.0/24");
    network("remove", "127.0.0.1/32");
    until("the change of networks is seen", || {
        centre.submit(&Submission::by_region()).status() == 500
    });
    let reply = centre.submit(&Submission::by_region());
    assert_eq!(
        (reply.status(), reply.value("faultcode")),
        (500, "soap:Client")
    );
    // Whose networks these are not is served as before.
    assert_eq!(other.submit(&Submission::by_region()).status(), 200);

    network("add", "127.0.0.0/8");
    until("the change of networks is seen", || {
        centre.submit(&Submission::by_region()).status() == 200
    });
}

#[test]
fn users_with_a_password_find_no_service_of_the_call_centres() {
    let installation = Installation::with_call_centres();
    let server = Server::start(&installation);
    let mut user = Session::asl_user(&installation, &server);
    let (session, cun) = ("6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "CUN-59FU36KR46");
    for message in [
        Message::verification(DESK, "12345678", cun),
        Message::unlock(DESK, session, &otp(1)),
        Message::confirmation("C", DESK, cun),
    ] {
        assert_eq!(user.ask(&message).status(), 404, "{}", message.path());
    }
}

#[test]
fn the_stand_in_runs_and_has_seen_nothing() {
    let backend = Backend::start();
    assert_eq!(backend.counts().requests, 0);
    assert_eq!(backend.stored(&otp(1)), 0);
    assert_ne!(otp(1), otp(2));
}
