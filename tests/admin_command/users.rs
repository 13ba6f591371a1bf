//! Users: operators who sign in with user id, password and pincode.

use serde_json::Value;
use sistema_ts::auth::BasicRefusal;
use sistema_ts_model::{Clock, Service, SystemClock};

use crate::house::{FISCAL_CODE, House, STRUCTURE};

#[tokio::test]
async fn credentials_that_were_printed_are_the_right_ones_until_they_are_reset_or_expire() {
    let house = House::with_user();
    let server = house.server();
    let add = ["user", "add", "luigi", "--structure", STRUCTURE, "--json"];
    let first: Value = serde_json::from_str(&house.with_input(&add, FISCAL_CODE)).unwrap();
    let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
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
async fn a_locked_user_is_shown_and_unlocked_while_the_server_runs() {
    let house = House::with_user();
    let server = house.server();
    for attempt in 0..5 {
        let wrong = format!("wrong password {attempt}");
        assert_eq!(
            server.check("mario", &wrong, "0123456789").await,
            Err(BasicRefusal::Unauthorized)
        );
    }
    assert_eq!(
        server
            .check("mario", "a known password", "0123456789")
            .await,
        Err(BasicRefusal::Unauthorized)
    );
    let shown = house.json(&["user", "show", "mario"]);
    assert_eq!(shown["failed_attempts"], 5);
    assert!(shown["locked_until"].is_string());
    house.done(&["user", "unlock", "mario"]);
    assert_eq!(
        server
            .check("mario", "a known password", "0123456789")
            .await,
        Ok(())
    );
    assert!(house.json(&["user", "show", "mario"])["locked_until"].is_null());
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
            .contains(Service::SubmitTest)
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
        profiles.iter().eq([Service::CancelTest, Service::SendOtp])
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
        "--credentials-file",
        &house.path("credentials"),
    ]);
    for secret in [FISCAL_CODE, "a known password", "0123456789", "argon2"] {
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
    house.write("short", "too short\n0123456789\n");
    let error = house.refused(&[
        "user",
        "reset",
        "mario",
        "--credentials-file",
        &house.path("short"),
    ]);
    assert!(
        error.contains("12 to 128") && !error.contains("too short"),
        "{error}"
    );
    house.write("pin", "a known password\n012345678\n");
    let error = house.refused(&[
        "user",
        "reset",
        "mario",
        "--credentials-file",
        &house.path("pin"),
    ]);
    assert!(
        error.contains("pincode") && !error.contains("012345678"),
        "{error}"
    );
    // No option takes a secret, which other users of the machine would see.
    for option in ["--password", "--pincode", "--fiscal-code"] {
        house.refused(&["user", "reset", "mario", option, "x"]);
    }
    // No file of the data folder holds any of it.
    for entry in std::fs::read_dir(house.path("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [FISCAL_CODE, "a known password", "0123456789"] {
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
        "--credentials-file",
        "-",
    ];
    house.with_input(&add, "another password\n9876543210\n");
    assert_eq!(
        house.json(&["user", "show", "luigi"])["fiscal_code"],
        FISCAL_CODE
    );
}
