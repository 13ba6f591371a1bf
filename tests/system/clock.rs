//! A clock that was ahead, and one that nobody believes yet, through the real server and its commands. The program has no clock but the machine's,
//! so what another clock would have stamped is written into the files of a server that is stopped. Failure here means that a server under a
//! wrong clock destroys or stamps, does not say so, or that a command does not put it right.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::support::{Installation, Message, Server, Session, Submission, fiscal_code, until};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn tests_file(installation: &Installation) -> Connection {
    Connection::open(installation.path("data/tests.db")).unwrap()
}

/// Says that the trusted time was noted so long ago, when the clock showed the same.
fn noted_ago(installation: &Installation, millis: i64) {
    let tests = tests_file(installation);
    for (name, number) in [
        ("trusted_ms", now_millis() - millis),
        ("trusted_wall_ms", now_millis() - millis),
        ("trusted_waiting_ms", 0),
        ("trusted_pace_ms", 0),
        ("trusted_made_up_ms", 0),
    ] {
        tests
            .execute(
                "INSERT OR REPLACE INTO meta (name, number) VALUES (?1, ?2)",
                (name, number),
            )
            .unwrap();
    }
}

#[test]
fn after_weeks_off_all_is_served_erasures_wait_and_the_operators_word_ends_that() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let code = Session::region(&installation, &server, "010").submitted(&Submission::by_region());
    // Killed: what a server has left in order is nobody's to change.
    server.kill9();
    // The test is three weeks old, and so is what was noted last.
    let ago = 21 * DAY_MILLIS;
    tests_file(&installation)
        .execute("UPDATE tests SET inserted_ms = inserted_ms - ?1", [ago])
        .unwrap();
    noted_ago(&installation, ago);

    let server = Server::start(&installation);
    let ready = server.status("/health/ready");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("trusted_time_lag: "),
        "{}",
        ready.text()
    );
    until("the lag is measured", || {
        server.metric("sistema_ts_trusted_time_lag_seconds", &[]) > 20.0 * 86_400.0
    });
    let mut region = Session::region(&installation, &server, "010");
    // What is overdue is refused, not served, and stays.
    let listing = region.ask(&Message::listing());
    assert_eq!(listing.values("identificativoTest").count(), 0);
    assert_eq!(region.submit(&Submission::about(1)).told(), (200, "0000"));
    let kept = || -> i64 {
        tests_file(&installation)
            .query_row("SELECT count(*) FROM tests", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(kept(), 2, "{code} was destroyed on the word of the clock");
    let told = installation.run(&["clock", "confirm"]);
    assert!(told.contains("The clock is confirmed"), "{told}");
    assert_eq!(server.status("/health/ready").text(), "ready\n");
    assert!(server.terminate().0.success());
    assert!(installation.log().contains("the clock was confirmed"));

    // Said of a stopped server, too.
    let told = installation.run(&["clock", "confirm"]);
    assert!(told.contains("The clock is confirmed"), "{told}");
    let server = Server::start(&installation);
    until("what is overdue is erased", || kept() == 1);
    assert_eq!(server.status("/health/ready").text(), "ready\n");
}

#[test]
fn a_server_whose_newest_test_is_in_the_future_serves_nothing_until_it_is_repaired() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let first = region.submitted(&Submission::about(1));
    let with_key = Submission::about(2).with_key("from the future");
    let second = region.submitted(&with_key);
    drop(region);
    server.kill9();
    // As if a clock that was forty days ahead had stamped the second one, under the key that it has.
    let tests = tests_file(&installation);
    let key_day: i64 = tests
        .query_row("SELECT max(day) FROM days", [], |row| row.get(0))
        .unwrap();
    tests
        .execute(
            "UPDATE tests SET inserted_ms = inserted_ms + ?1, key_day = ?2 WHERE row = (SELECT max(row) FROM tests)",
            (40 * DAY_MILLIS, key_day),
        )
        .unwrap();
    drop(tests);

    let server = Server::start(&installation);
    let ready = server.status("/health/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("clock repair"), "{}", ready.text());
    let mut region = Session::region(&installation, &server, "010");
    assert_eq!(region.submit(&Submission::about(3)).status(), 503);
    assert_eq!(region.ask(&Message::listing()).status(), 503);
    let refused = installation.command(&["clock", "repair"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "repaired beside a server");
    assert!(server.terminate().0.success());

    let told = installation.run(&["clock", "repair"]);
    assert!(told.starts_with("1 tests, "), "{told}");
    let told = installation.run(&["clock", "repair"]);
    assert!(told.starts_with("0 tests, "), "{told}");
    let server = Server::start(&installation);
    assert_eq!(server.status("/health/ready").status, 200);
    let mut region = Session::region(&installation, &server, "010");
    let third = region.submitted(&Submission::about(3));
    let listing = region.ask(&Message::listing());
    let listed: Vec<&str> = listing.values("identificativoTest").collect();
    assert_eq!(listed, [&first, &second, &third]);
    let repeated = region.submit(&with_key);
    assert_eq!(repeated.told(), (200, "0001"));
    assert_eq!(repeated.transaction(), second);
    let cancelled = Message::cancellation(&second, &fiscal_code(2));
    assert_eq!(region.ask(&cancelled).told(), (200, "0000"));
    let found = installation.run(&["audit", "search", "--service", "invioEsecuzioneTest"]);
    assert!(found.lines().count() >= 3, "{found}");
}

#[test]
fn a_renewed_ring_is_taken_up_beside_the_running_server_and_outlives_its_stop() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    Session::region(&installation, &server, "010").submitted(&Submission::about(1));
    let told = installation.run(&["keys", "renew"]);
    assert!(told.contains("renewed from"), "{told}");
    let again = installation.command(&["keys", "renew"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    let early = ["keys", "renew", "--from", "2026-01-01"];
    assert_eq!(
        installation.command(&early).output().unwrap().status.code(),
        Some(2)
    );
    assert!(server.terminate().0.success());
    let server = Server::start(&installation);
    Session::region(&installation, &server, "010").submitted(&Submission::about(2));
    assert!(server.terminate().0.success());
    assert!(installation.run(&["keys", "age"]).contains("Renewed from"));
}

/// Ends a command so long after its start, wherever it is by then.
fn killed_after(installation: &Installation, arguments: &[&str], delay: Duration) {
    let mut command = installation.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(delay);
    // It may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn a_repair_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let installation = Installation::new();
    let mut expected = Vec::new();
    for round in 0_u64..8 {
        let server = Server::start(&installation);
        let mut region = Session::region(&installation, &server, "010");
        for _ in 0..4 {
            expected.push(region.submitted(&Submission::by_region()));
        }
        drop(region);
        server.kill9();
        let tests = tests_file(&installation);
        tests
            .execute(
                "UPDATE tests SET inserted_ms = inserted_ms + ?1, key_day = (SELECT max(day) FROM days WHERE first_row <= row)
                 WHERE row > (SELECT max(row) - 3 FROM tests)",
                [40 * DAY_MILLIS],
            )
            .unwrap();
        drop(tests);
        killed_after(
            &installation,
            &["clock", "repair"],
            Duration::from_millis(4 * round),
        );
        installation.run(&["clock", "repair"]);
    }
    let server = Server::start(&installation);
    assert_eq!(server.status("/health/ready").status, 200);
    let mut region = Session::region(&installation, &server, "010");
    let listing = region.ask(&Message::listing());
    let listed: Vec<&str> = listing.values("identificativoTest").collect();
    assert_eq!(listed, expected);
    drop(region);
    assert!(server.terminate().0.success());
    let found = installation.run(&["audit", "search", "--service", "invioEsecuzioneTest"]);
    for code in &expected {
        assert_eq!(found.matches(code.as_str()).count(), 1, "{code}");
    }
}

#[test]
fn a_renewal_that_is_killed_at_any_moment_leaves_a_ring_that_works() {
    let installation = Installation::new();
    let ring = installation.path("keys/day-keys");
    let old = std::fs::read(&ring).unwrap();
    for round in 0_u64..15 {
        std::fs::write(&ring, &old).unwrap();
        let delay = Duration::from_millis(round);
        killed_after(&installation, &["keys", "renew"], delay);
        let is_renewed = std::fs::read(&ring).unwrap() != old;
        let told = installation.run(&["keys", "age"]);
        assert_eq!(told.contains("Renewed from"), is_renewed, "{told}");
        let next = installation.command(&["keys", "renew"]).output().unwrap();
        assert_eq!(next.status.success(), !is_renewed);
        assert!(installation.run(&["keys", "age"]).contains("Renewed from"));
    }
}
