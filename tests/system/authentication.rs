//! Who is let in. Failure here means that a wrong or disabled caller gets in, that an answer tells which part of the credentials was
//! wrong, or that one kind of caller passes for another.

use crate::support::installation::{
    ASL_USER, PASSWORD, STRUCTURE, USER, USER_WITHOUT_PROFILE, pincode_of,
};
use crate::support::{Installation, Reply, Server, Session, Submission, until};

/// All of an answer that could tell something, the date aside.
fn visible(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = reply.0.headers.clone();
    headers.retain(|(name, _)| name != "date");
    headers.sort();
    (reply.status(), headers, reply.0.body.clone())
}

#[test]
fn wrong_unknown_expired_and_disabled_users_hear_the_same_and_nobody_is_locked_out() {
    let installation = Installation::with_call_centres();
    installation.admin(&["user", "disable", USER_WITHOUT_PROFILE]);
    installation.admin(&["user", "expire", ASL_USER]);
    let server = Server::start_with(&installation, &[("AUTHENTICATION__REMEMBER_SECONDS", "0")]);
    let session = |user: &str, password: &str| {
        Session::with(server.basic, &installation.client(None)).signed_in(user, password)
    };
    let right = Submission::by_structure();
    assert_eq!(session(USER, PASSWORD).submit(&right).told(), (200, "0000"));

    let with_pincode = |pincode: Option<String>| Submission {
        pincode,
        ..right.clone()
    };
    let mut refusals = vec![
        session("nessuno.qui", PASSWORD).submit(&right),
        session(USER, PASSWORD).submit(&with_pincode(Some("0000000000".into()))),
        session(USER, PASSWORD).submit(&with_pincode(None)),
        session(USER_WITHOUT_PROFILE, PASSWORD)
            .submit(&with_pincode(Some(pincode_of(USER_WITHOUT_PROFILE)))),
        session(ASL_USER, PASSWORD).submit(&with_pincode(Some(pincode_of(ASL_USER)))),
    ];
    for guess in 0..10 {
        refusals.push(session(USER, &format!("una password sbagliata {guess}")).submit(&right));
    }
    assert_eq!(refusals[0].status(), 401);
    let challenge = refusals[0].0.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic "), "{challenge}");
    for refusal in &refusals {
        assert_eq!(visible(refusal), visible(&refusals[0]));
    }
    let mut asked = Session::with(server.basic, &installation.client(None));
    assert_eq!(visible(&asked.submit(&right)), visible(&refusals[0]));

    // However often others fail in a user's name, the right credentials let in.
    assert_eq!(session(USER, PASSWORD).submit(&right).told(), (200, "0000"));
    // Whoever waits to be asked for credentials, as many a toolkit does, sends them on the same connection.
    let mut asked = asked.signed_in(USER, PASSWORD);
    asked.client.send(asked.bytes(&right));
    assert_eq!(asked.client.answer().status, 200);
}

#[test]
fn neither_kind_of_caller_passes_for_the_other() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let (by_region, by_structure) = (Submission::by_region(), Submission::by_structure());

    // Right credentials of a user, and no certificate, where certificates count.
    let mut user =
        Session::with(server.mutual_tls, &installation.client(None)).signed_in(USER, PASSWORD);
    for message in [&by_region, &by_structure] {
        let reply = user.submit(message);
        assert_eq!(reply.status(), 500);
        assert!(
            reply
                .value("faultstring")
                .contains("Certificato client mancante")
        );
    }
    // A region's certificate, and no user, where users count.
    let certificate = installation.client(Some("region-010"));
    let mut region = Session::with(server.basic, &certificate);
    for message in [&by_region, &by_structure] {
        assert_eq!(region.submit(message).status(), 401);
    }
    // Both: the listener decides which counts.
    let mut both = Session::with(server.mutual_tls, &certificate).signed_in(USER, PASSWORD);
    assert_eq!(both.submit(&by_structure).findings(), ["1011", "1015"]);
    assert_eq!(both.submit(&by_region).told(), (200, "0000"));
    let mut both = Session::with(server.basic, &certificate).signed_in(USER, PASSWORD);
    assert_eq!(both.submit(&by_structure).told(), (200, "0000"));
    // A certificate of the right authority that nobody registered.
    let stranger = Session::region(&installation, &server, "030").submit(&by_region);
    assert_eq!(stranger.status(), 500);
    assert!(stranger.value("faultstring").contains("non abilitato"));
}

#[test]
fn what_the_administrator_disables_is_refused_at_the_next_request_on_an_open_connection() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let (by_region, by_structure) = (Submission::by_region(), Submission::by_structure());
    let mut region = Session::region(&installation, &server, "010");
    let mut user = Session::user(&installation, &server);
    assert_eq!(region.submit(&by_region).told(), (200, "0000"));
    assert_eq!(user.submit(&by_structure).told(), (200, "0000"));

    installation.admin(&["user", "disable", USER]);
    until("a disabled user is refused", || {
        user.submit(&by_structure).status() == 401
    });
    installation.admin(&["user", "enable", USER]);
    until("an enabled user is let in", || {
        user.submit(&by_structure).status() == 200
    });

    installation.admin(&["structure", "disable", STRUCTURE]);
    until("a disabled structure's user is refused", || {
        user.submit(&by_structure).status() == 401
    });
    let refused = region.submit(&by_region);
    assert_eq!(
        (refused.told(), refused.findings()),
        ((200, "9999"), vec!["2103"])
    );
    installation.admin(&["structure", "enable", STRUCTURE]);
    until("an enabled structure's user is let in", || {
        user.submit(&by_structure).status() == 200
    });

    installation.admin(&["region", "disable", "010"]);
    until("a disabled region is refused", || {
        region.submit(&by_region).status() == 500
    });
    installation.admin(&["region", "enable", "010"]);
    until("an enabled region is let in", || {
        region.submit(&by_region).told() == (200, "0000")
    });
}

#[test]
fn a_flood_of_checks_does_not_tell_which_users_there_are() {
    let installation = Installation::new();
    // Few places, and checks that take long.
    let server = Server::start_with(
        &installation,
        &[
            ("AUTHENTICATION__HASHING_QUEUE", "1"),
            ("AUTHENTICATION__ARGON2_MEMORY_KIBIBYTES", "524288"),
            ("AUTHENTICATION__ARGON2_PASSES", "16"),
        ],
    );
    let session = |user: &str| {
        Session::with(server.basic, &installation.client(None)).signed_in(user, "un'altra password")
    };
    let message = Submission::by_structure();
    let (mut registered, mut made_up) = (session(USER), session("nessuno.qui"));
    let (turned_away, under_way) = (
        || server.metric("sistema_ts_auth_checks_turned_away_total", &[]),
        || server.metric("sistema_ts_auth_checks_under_way", &[]),
    );
    // One more asks at a time, until one is being checked and one waits. However long the first takes to leave the waiting room for its check, those
    // who come meanwhile are turned away.
    let mut flood: Vec<Session> = Vec::new();
    until("the waiting room is full", || {
        let mut session = session(&format!("inventato-{}", flood.len()));
        let bytes = session.bytes(&message);
        session.client.send(bytes);
        flood.push(session);
        let asked = flood.len() as f64;
        until("the newcomer waits or is turned away", || {
            let before = turned_away();
            before + under_way() == asked && turned_away() == before
        });
        under_way() == 2.0
    });
    let told = |session: &mut Session| {
        let answer = session.client.answer();
        (answer.status, answer.body)
    };
    for session in [&mut registered, &mut made_up] {
        let bytes = session.bytes(&message);
        session.client.send(bytes);
    }
    let (registered, made_up) = (told(&mut registered), told(&mut made_up));
    assert_eq!(registered.0, 503);
    assert_eq!(registered, made_up);
}
