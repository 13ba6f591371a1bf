//! Users: operators who sign in with user id, password and pincode.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use sistema_ts::auth::BasicRefusal;
use sistema_ts_model::{Clock, Service, SystemClock};

use crate::house::{FISCAL_CODE, House, STRUCTURE};

/// A field of what a command printed.
fn text(printed: &Value, field: &str) -> String {
    printed[field].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn credentials_that_were_printed_are_the_right_ones_until_they_are_reset_or_expire() {
    let house = House::with_user();
    let server = house.server();
    let add = ["user", "add", "luigi", "--structure", STRUCTURE, "--json"];
    let first: Value = serde_json::from_str(&house.with_input(&add, FISCAL_CODE)).unwrap();
    let (password, pincode) = (text(&first, "password"), text(&first, "pincode"));
    server.sees("the user", |snapshot| snapshot.user("luigi").is_some());
    assert_eq!(server.check("luigi", &password, &pincode).await, Ok(()));

    let second = house.json(&["user", "reset", "luigi", "--valid-days", "1"]);
    assert_ne!(text(&second, "password"), password);
    let new = (text(&second, "password"), text(&second, "pincode"));
    let tomorrow = Clock::now(&SystemClock).plus_millis(24 * 60 * 60 * 1_000);
    server.sees("the reset", |snapshot| {
        let end = snapshot.user("luigi").unwrap().expires_at;
        end.is_some_and(|end| end <= tomorrow)
    });
    assert_eq!(
        server.check("luigi", &password, &pincode).await,
        Err(BasicRefusal::Unauthorized)
    );
    assert_eq!(server.check("luigi", &new.0, &new.1).await, Ok(()));

    house.done(&["user", "expire", "luigi"]);
    server.sees("the end", |snapshot| {
        let now = Clock::now(&SystemClock);
        snapshot.user("luigi").unwrap().is_expired(now)
    });
    assert_eq!(
        server.check("luigi", &new.0, &new.1).await,
        Err(BasicRefusal::Unauthorized)
    );
    assert_eq!(house.json(&["user", "show", "luigi"])["expired"], true);
}

#[tokio::test]
async fn nobody_is_locked_out_and_there_is_nothing_to_unlock() {
    let house = House::with_user();
    let server = house.server();
    let issued = house.json(&["user", "reset", "mario"]);
    let (password, pincode) = (text(&issued, "password"), text(&issued, "pincode"));
    server.register.refresh().await.unwrap();
    for attempt in 0..10 {
        let wrong = format!("wrong password {attempt}");
        assert_eq!(
            server.check("mario", &wrong, &pincode).await,
            Err(BasicRefusal::Unauthorized)
        );
    }
    assert_eq!(server.check("mario", &password, &pincode).await, Ok(()));
    let shown = house.json(&["user", "show", "mario"]);
    for gone in ["failed_attempts", "locked_until"] {
        assert!(shown.get(gone).is_none(), "{gone}");
    }
    house.refused(&["user", "unlock", "mario"]);
}

#[tokio::test]
async fn a_pincode_is_made_also_where_the_password_comes_from_a_file() {
    let house = House::with_user();
    let server = house.server();
    let file = house.path("password");
    let mut made = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let issued = house.json(&["user", "reset", "mario", "--password-file", &file]);
        assert!(issued.get("password").is_none(), "it is not repeated");
        let pincode = text(&issued, "pincode");
        server.register.refresh().await.unwrap();
        let checked = server.check("mario", "a known password", &pincode).await;
        assert_eq!(checked, Ok(()));
        made.insert(pincode);
    }
    assert_eq!(made.len(), 3, "each is another");
}

#[test]
fn profiles_and_state_of_a_user_reach_the_running_server() {
    let house = House::with_user();
    let server = house.server();
    assert!(
        server
            .register
            .snapshot()
            .user("mario")
            .unwrap()
            .profiles
            .contains(Service::Submission)
    );
    house.done(&[
        "user",
        "profiles",
        "mario",
        "annullamentoEsecuzioneTest",
        "invioCodiceOtp",
    ]);
    server.sees("the profiles", |snapshot| {
        let profiles = snapshot.user("mario").unwrap().profiles;
        profiles.iter().eq([Service::Cancellation, Service::AslOtp])
    });
    assert!(
        house
            .refused(&["user", "profiles", "mario", "verificaPositivita"])
            .contains("not a service")
    );
    house.done(&["user", "disable", "mario"]);
    server.sees("disabled", |snapshot| {
        !snapshot.user("mario").unwrap().enabled
    });
    house.done(&["user", "enable", "mario"]);
    server.sees("enabled", |snapshot| {
        snapshot.user("mario").unwrap().enabled
    });
    assert!(
        house
            .refused(&["user", "disable", "nobody"])
            .contains("user nobody is not registered")
    );
}

#[test]
fn secrets_and_fiscal_codes_stay_where_they_belong() {
    let house = House::with_user();
    // Given credentials are not repeated; the fiscal code is shown only for the one user that was asked for.
    let list = house.done(&["user", "list"]) + &house.done(&["structure", "show", STRUCTURE]);
    let reset = house.done(&[
        "user",
        "reset",
        "mario",
        "--password-file",
        &house.path("password"),
    ]);
    for secret in [FISCAL_CODE, "a known password", "argon2"] {
        assert!(
            !list.contains(secret) && !reset.contains(secret),
            "{secret}"
        );
    }
    assert!(house.done(&["user", "show", "mario"]).contains(FISCAL_CODE));
    // Mistakes do not echo what was given.
    let add = ["user", "add", "luigi", "--structure", STRUCTURE];
    let error = house.refused_with_input(&add, "RSSMRA80A01H501X");
    assert!(
        error.contains("codice fiscale") && !error.contains("RSSMRA"),
        "{error}"
    );
    house.write("short", "too short\n");
    let error = house.refused(&[
        "user",
        "reset",
        "mario",
        "--password-file",
        &house.path("short"),
    ]);
    assert!(
        error.contains("12 to 128") && !error.contains("too short"),
        "{error}"
    );
    house.write("pin", "a known password\n0123456789\n");
    let error = house.refused(&[
        "user",
        "reset",
        "mario",
        "--password-file",
        &house.path("pin"),
    ]);
    assert!(
        error.contains("more than one line") && !error.contains("0123456789"),
        "{error}"
    );
    // No option takes a secret, which other users of the machine would see.
    for option in ["--password", "--pincode", "--fiscal-code"] {
        house.refused(&["user", "reset", "mario", option, "x"]);
    }
    // No file of the data folder holds any of it.
    for entry in std::fs::read_dir(house.path("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [FISCAL_CODE, "a known password"] {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes()),
                "{secret}"
            );
        }
    }
}

#[test]
fn credentials_and_fiscal_code_may_come_from_one_stream_each() {
    let house = House::with_user();
    house.write("fiscal-code", &format!("{FISCAL_CODE}\n"));
    let add = [
        "user",
        "add",
        "luigi",
        "--structure",
        STRUCTURE,
        "--fiscal-code-file",
        &house.path("fiscal-code"),
        "--password-file",
        "-",
    ];
    house.with_input(&add, "another password\n");
    assert_eq!(
        house.json(&["user", "show", "luigi"])["fiscal_code"],
        FISCAL_CODE
    );
}

/// Runs a command whose output nobody can read, and says how it ended and what it told.
fn unread(house: &House, arguments: &[&str], output: Stdio) -> (Option<i32>, String) {
    let mut child = house
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(FISCAL_CODE.as_bytes()).unwrap();
    drop(input);
    let ended = child.wait_with_output().unwrap();
    (
        ended.status.code(),
        String::from_utf8(ended.stderr).unwrap(),
    )
}

/// Where credentials get lost: a pipe that nobody reads any more, a full disk, and nowhere.
fn lost() -> [(&'static str, Stdio); 3] {
    let (reader, closed_pipe) = std::io::pipe().unwrap();
    drop(reader);
    let writable = |path| File::options().write(true).open(path).unwrap();
    [
        ("closed pipe", closed_pipe.into()),
        ("full disk", writable("/dev/full").into()),
        ("nowhere", writable("/dev/null").into()),
    ]
}

#[test]
fn no_user_is_made_whose_credentials_nobody_gets() {
    let house = House::with_user();
    let add = ["user", "add", "luigi", "--structure", STRUCTURE];
    for json in [&[][..], &["--json"]] {
        for (what, output) in lost() {
            let (status, told) = unread(&house, &[&add[..], json].concat(), output);
            assert_eq!(status, Some(2), "{what}: {told}");
            assert!(
                told.contains("so that nothing was changed"),
                "{what}: {told}"
            );
        }
    }
    assert!(
        house
            .refused(&["user", "show", "luigi"])
            .contains("not registered")
    );
    // Also of who brought a password along nobody would get the pincode.
    let password = house.path("password");
    let given = [&add[..], &["--password-file", &password]].concat();
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    assert_eq!(unread(&house, &given, nowhere.into()).0, Some(2));
}

#[tokio::test]
async fn a_reset_whose_credentials_nobody_gets_leaves_the_old_ones() {
    let house = House::with_user();
    let server = house.server();
    let issued = house.json(&["user", "reset", "mario"]);
    let (password, pincode) = (text(&issued, "password"), text(&issued, "pincode"));
    server.register.refresh().await.unwrap();
    for (what, output) in lost() {
        let (status, told) = unread(&house, &["user", "reset", "mario"], output);
        assert_eq!(status, Some(2), "{what}: {told}");
        assert!(
            told.contains("so that nothing was changed"),
            "{what}: {told}"
        );
        let old = server.check("mario", &password, &pincode).await;
        assert_eq!(old, Ok(()), "{what}");
    }
}

#[test]
fn what_is_refused_anyhow_prints_no_credentials() {
    let house = House::with_user();
    for (user, structure, told) in [
        ("mario", STRUCTURE, "is registered already"),
        ("luigi", "010-101-999999", "is not registered"),
    ] {
        let add = ["user", "add", user, "--structure", structure];
        // `refused` sees that nothing was written on standard output.
        assert!(
            house.refused_with_input(&add, FISCAL_CODE).contains(told),
            "{user}"
        );
    }
    assert!(
        house
            .refused(&["user", "reset", "luigi"])
            .contains("is not registered")
    );
}

#[tokio::test]
async fn a_password_file_is_read_as_peoples_programs_save_it() {
    let house = House::with_user();
    let server = house.server();
    let password = house.path("password");
    let reset = ["user", "reset", "mario", "--password-file", &password];
    house.write("password", "\u{feff}another known password\r\n\r\n");
    let pincode = text(&house.json(&reset), "pincode");
    server.register.refresh().await.unwrap();
    let new = server
        .check("mario", "another known password", &pincode)
        .await;
    assert_eq!(new, Ok(()));
    house.write("password", "another known password\n1234567890\n");
    assert!(house.refused(&reset).contains("more than one line"));
    let utf_16: Vec<u8> = "another known password\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    std::fs::write(&password, utf_16).unwrap();
    assert!(house.refused(&reset).contains("saved as UTF-16"));
}

#[test]
fn a_user_of_an_asl_has_no_structure_and_can_hold_one_service() {
    let house = House::with_user();
    let add = |id, workplace: &[&str], profile| {
        let arguments = [&["user", "add", id], workplace, &["--profile", profile]].concat();
        house.run(&arguments, FISCAL_CODE)
    };
    let asl = ["--asl", "010-101"];
    assert!(add("anna", &asl, "invioCodiceOtp").status.success());
    let shown = house.json(&["user", "show", "anna"]);
    assert_eq!(
        (&shown["asl"], &shown["structure"]),
        (&Value::from("010-101"), &Value::Null)
    );
    let listed = house.json(&["user", "list", "--asl", "010-101"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["user"], "anna");
    let of_structure = house.json(&["user", "list", "--structure", STRUCTURE]);
    assert_eq!(of_structure[0]["user"], "mario");
    assert_eq!(of_structure.as_array().unwrap().len(), 1);

    // Refused before a password is made.
    for (workplace, profile) in [
        (&asl[..], "invioEsecuzioneTest"),
        (&["--asl", "010-1"], "invioCodiceOtp"),
        (&[], "invioCodiceOtp"),
        (
            &["--asl", "010-101", "--structure", STRUCTURE],
            "invioCodiceOtp",
        ),
    ] {
        let refused = add("luigi", workplace, profile);
        assert_eq!(refused.status.code(), Some(2), "{workplace:?} {profile}");
        assert!(refused.stdout.is_empty());
    }
    let told = house.refused(&["user", "profiles", "anna", "elencoTestEffettuati"]);
    assert!(
        told.contains("operators of ASL 010-101 cannot have this profile"),
        "{told}"
    );
}
