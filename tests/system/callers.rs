//! Callers with a certificate, each kind with what is its own.
//!
//! Failure here means that a call centre gets at a service of the regions, is served from a network that is not registered for it, or that the
//! installation which the tests of the call centres' services start from is not what they take it for.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::support::client::{handshake, tcp};
use crate::support::installation::{CALL_CENTRE, DESK, OTHER_CALL_CENTRE};
use crate::support::{Backend, Installation, Message, Server, Session, Submission, otp, until};

#[test]
fn a_call_centre_is_known_and_may_not_submit() {
    let installation = Installation::with_call_centres();
    let server = Server::start(&installation);
    let mut centre = Session::call_centre(&installation, &server, CALL_CENTRE);
    // Of what is wrong with its message it hears nothing.
    let mistaken = Submission {
        result: "?".to_owned(),
        ..Submission::by_region()
    };
    for submission in [Submission::by_region(), mistaken] {
        let reply = centre.submit(&submission);
        assert_eq!(
            (reply.told(), reply.findings()),
            ((200, "9999"), vec!["2001"])
        );
    }
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

/// How a call centre is answered over a new connection that begins with this PROXY header.
fn status_through_proxy(installation: &Installation, address: SocketAddr, header: &str) -> u16 {
    let mut stream = tcp(address);
    stream.write_all(header.as_bytes()).unwrap();
    let certificate = format!("call-center-{CALL_CENTRE}");
    let client = handshake(stream, &installation.client(Some(&certificate))).unwrap();
    let mut session = Session::over(client, address, &installation.client(Some(&certificate)));
    session.submit(&Submission::by_region()).status()
}

#[test]
fn behind_a_proxy_a_call_centre_is_where_the_proxy_says() {
    let installation = Installation::with_call_centres();
    installation.admin(&[
        "network",
        "add",
        "--call-center",
        CALL_CENTRE,
        "192.0.2.0/24",
    ]);
    let server = Server::start_with(
        &installation,
        &[("PROXY__TRUSTED_NETWORKS", "[\"127.0.0.0/8\"]")],
    );
    for (source, status) in [
        ("TCP4 192.0.2.7 198.51.100.1 56324 443", 200),
        ("TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 56324 443", 200),
        ("TCP4 192.0.3.7 198.51.100.1 56324 443", 500),
        ("TCP6 2001:db8::7 2001:db8::1 56324 443", 500),
        // The proxy's own address is registered, and is not the call centre's.
        ("UNKNOWN", 500),
    ] {
        let header = format!("PROXY {source}\r\n");
        assert_eq!(
            status_through_proxy(&installation, server.mutual_tls, &header),
            status,
            "{source}"
        );
    }
}

#[test]
fn without_networks_a_call_centre_is_refused_and_the_security_log_says_where_it_called_from() {
    let installation = Installation::with_call_centres();
    let remove = ["network", "remove", "--call-center", CALL_CENTRE];
    installation.admin(&[&remove[..], &["127.0.0.1/32"]].concat());
    let server = Server::start(&installation);
    let mut centre = Session::call_centre(&installation, &server, CALL_CENTRE);
    assert_eq!(centre.submit(&Submission::by_region()).status(), 500);
    let refused = "sistema_ts_certificates_refused_total";
    assert!((server.metric(refused, &["reason=\"network\""]) - 1.0).abs() < f64::EPSILON);
    until("the security log has its line", || {
        let log = installation.log();
        log.lines().any(|line| {
            ["\"security\"", "\"network\"", "127.0.0.1"]
                .iter()
                .all(|part| line.contains(part))
        })
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
