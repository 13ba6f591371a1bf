//! Retry keys. Failure here means that a repeated message makes a second test, or one caller's key touches another's.

use std::collections::BTreeSet;
use std::sync::Barrier;

use crate::support::{Installation, Server, Session, Submission};

#[test]
fn the_same_key_at_once_from_fifty_connections_is_one_test() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let (message, barrier) = (
        Submission::by_region().with_key("at-once"),
        Barrier::new(50),
    );
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = Session::region(&installation, &server, "010");
                    barrier.wait();
                    let reply = session.submit(&message);
                    assert_eq!(reply.status(), 200);
                    (
                        reply.transaction().to_owned(),
                        reply.value("dataOra").to_owned(),
                        reply.outcome().to_owned(),
                    )
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<_> = answers.iter().map(|(cun, at, _)| (cun, at)).collect();
    assert_eq!(distinct.len(), 1, "one code and one time");
    let first = answers.iter().filter(|(_, _, outcome)| outcome == "0000");
    assert_eq!(first.count(), 1);
    let repeated = answers.iter().filter(|(_, _, outcome)| outcome == "0001");
    assert_eq!(repeated.count(), 49);
}

#[test]
fn a_key_is_its_callers_own_and_outlives_a_restart() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let message = Submission::by_region().with_key("shared key");
    let first = Session::region(&installation, &server, "010").submit(&message);
    assert_eq!(first.told(), (200, "0000"));

    let mut of_others = Submission {
        structure: None,
        description: Some("Drive-in".into()),
        ..message.clone()
    };
    let other_region = Session::region(&installation, &server, "020").submit(&of_others);
    assert_eq!(other_region.told(), (200, "0000"));
    let by_structure = Submission::by_structure().with_key("shared key");
    let structure = Session::user(&installation, &server).submit(&by_structure);
    assert_eq!(structure.told(), (200, "0000"));
    let codes: BTreeSet<_> = [&first, &other_region, &structure]
        .map(|reply| reply.transaction())
        .into();
    assert_eq!(codes.len(), 3);

    let (ended, _) = server.terminate();
    assert!(ended.success());
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let again = region.submit(&message);
    assert_eq!(
        (again.told(), again.findings()),
        ((200, "0001"), vec!["4001"])
    );
    assert_eq!(again.transaction(), first.transaction());
    assert_eq!(again.value("dataOra"), first.value("dataOra"));

    // Other content under the same key, each time in one element: refused, and the key still means the first.
    let changes: [fn(&mut Submission); 4] = [
        |message| message.result = "N".into(),
        |message| message.fiscal_code = "VRDGPP62D15L219E".into(),
        |message| message.mobile = Some("+393331234567".into()),
        |message| message.authentication_kind = Some("SPID".into()),
    ];
    for change in changes {
        let mut other = message.clone();
        change(&mut other);
        let refused = region.submit(&other);
        assert_eq!(
            (refused.told(), refused.findings()),
            ((200, "9999"), vec!["4002"])
        );
        assert!(!refused.transaction().starts_with("CUN-"));
    }
    assert_eq!(region.submit(&message).transaction(), first.transaction());
    // A refusal binds no key.
    of_others.key = Some("refused first".into());
    of_others.kind = "X".into();
    let mut session = Session::region(&installation, &server, "020");
    assert_eq!(session.submit(&of_others).told(), (200, "9999"));
    of_others.kind = "M".into();
    assert_eq!(session.submit(&of_others).told(), (200, "0000"));
}
