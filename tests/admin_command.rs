//! `sistema-ts admin …`, the real binary beside a register that a server would have open. A failure means that an administrator
//! cannot do what docs/administration.md says, that a change does not reach the running server within a second or is lost between
//! two processes, or that a secret or a fiscal code turns up where it must not.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use sistema_ts::auth::{Authenticator, BasicCredentials, BasicRefusal};
use sistema_ts::config::Configuration;
use sistema_ts_model::{Caller, Clock, PinCode, RegionCode, Service, StructureId, SystemClock};
use sistema_ts_store::embedded::register::EmbeddedRegister;
use sistema_ts_store::register::{Register, RegisterKey, RegisterSnapshot};

const FISCAL_CODE: &str = "RSSMRA80A01H501U";
const STRUCTURE: &str = "010-101-000123";

/// A folder with a configuration, in which commands run.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    /// With an empty register.
    fn new() -> Self {
        let house = House::without_register();
        house.done(&["init"]);
        house
    }

    fn without_register() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("sistema-ts.toml"),
            "[register]\npoll_interval_milliseconds = 20\n",
        )
        .unwrap();
        House { folder }
    }

    /// With a structure and the user `mario` that has known credentials.
    fn with_user() -> Self {
        let house = House::new();
        house.done(&[
            "structure",
            "add",
            STRUCTURE,
            "--description",
            "Ospedale di prova",
        ]);
        house.write("credentials", "a known password\n0123456789\n");
        let credentials = house.path("credentials");
        house.with_input(
            &[
                "user",
                "add",
                "mario",
                "--structure",
                STRUCTURE,
                "--profile",
                "invioEsecuzioneTest",
                "--credentials-file",
                &credentials,
            ],
            FISCAL_CODE,
        );
        house
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    fn write(&self, file: &str, content: &str) {
        std::fs::write(self.folder.path().join(file), content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sistema-ts"));
        command
            .env("SISTEMA_TS_CONFIGURATION", self.path("sistema-ts.toml"))
            .arg("admin")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses at once may have closed its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        self.with_input(arguments, "")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with_input(arguments, "")
    }

    fn refused_with_input(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    /// What a running server has open.
    fn server(&self) -> Server {
        let file = PathBuf::from(self.path("sistema-ts.toml"));
        let configuration = Configuration::load_from(Some(&file), []).unwrap();
        let key = Arc::new(RegisterKey::load(&configuration.register.key_file).unwrap());
        let folder = &configuration.store.data_folder;
        let register =
            EmbeddedRegister::open(folder, Arc::clone(&key), configuration.register_options())
                .unwrap();
        let register: Arc<dyn Register> = Arc::new(register);
        let settings = configuration.authenticator_settings();
        let authenticator =
            Authenticator::new(Arc::clone(&register), &key, Arc::new(SystemClock), settings)
                .unwrap();
        Server {
            register,
            authenticator,
        }
    }
}

struct Server {
    register: Arc<dyn Register>,
    authenticator: Authenticator,
}

impl Server {
    async fn check(&self, user: &str, password: &str, pincode: &str) -> Result<(), BasicRefusal> {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let credentials =
            BasicCredentials::parse(Some(format!("Basic {encoded}").as_bytes())).unwrap();
        let pincode = PinCode::parse(pincode).unwrap();
        let user = self
            .authenticator
            .user(&credentials, Some(&pincode), None)
            .await?;
        assert_eq!(user.fiscal_code.expose(), FISCAL_CODE);
        Ok(())
    }

    /// Waits until the snapshot is as it should be: one second at most is what is promised, ten are given to a busy machine.
    fn sees(&self, what: &str, condition: impl Fn(&RegisterSnapshot) -> bool) {
        let start = Instant::now();
        while !condition(&self.register.snapshot()) {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "the server never sees: {what}"
            );
            std::thread::yield_now();
        }
    }
}

fn region(code: &str) -> Caller {
    Caller::Region(RegionCode::parse(code).unwrap())
}

#[test]
fn a_register_is_made_once_with_its_key_outside_the_data() {
    let house = House::without_register();
    assert!(house.refused(&["region", "list"]).contains("admin init"));
    assert!(
        !house.folder.path().join("data").exists(),
        "looking makes nothing"
    );
    house.done(&["init"]);
    for file in ["data/register.db", "keys/register-key"] {
        let mode = std::fs::metadata(house.path(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(house.refused(&["init"]).contains("already"));
    let key = std::fs::read(house.path("keys/register-key")).unwrap();
    std::fs::remove_file(house.path("keys/register-key")).unwrap();
    assert!(
        house
            .refused(&["region", "list"])
            .contains("put the key back")
    );
    assert!(
        house.refused(&["init"]).contains("already"),
        "a new key is no help for an old register"
    );
    assert!(!Path::new(&house.path("keys/register-key")).exists());
    std::fs::write(house.path("keys/register-key"), key).unwrap();
    assert!(
        house.refused(&["region", "list"]).contains("0600"),
        "a key that others can read"
    );
}

#[test]
fn a_key_inside_the_data_folder_is_refused() {
    let house = House::without_register();
    house.write("sistema-ts.toml", "[register]\nkey_file = \"data/key\"\n");
    assert!(
        house
            .refused(&["init"])
            .contains("register.key_file must lie outside")
    );
    house.write("sistema-ts.toml", "[register]\nkey = \"x\"\n");
    assert!(house.refused(&["init"]).contains("unknown field"));
}

#[test]
fn a_region_and_its_certificates_reach_the_running_server() {
    let house = House::new();
    let server = house.server();
    for arguments in [
        ["ca"].as_slice(),
        &["region", "--code", "010"],
        &["region", "--code", "010", "--file", "renewed"],
    ] {
        let status = Command::new(env!("CARGO_BIN_EXE_sistema-ts"))
            .args(["pki", "--folder", &house.path("pki")])
            .args(arguments)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    }
    let (old, new) = (
        house.path("pki/region-010.crt"),
        house.path("pki/renewed.crt"),
    );
    assert!(
        house
            .refused(&["certificate", "add", "--region", "010", &old])
            .contains("region 010 is not registered")
    );
    house.done(&["region", "add", "010"]);
    house.done(&["region", "add", "020", "--name", "Vallée d'Aoste"]);
    let added = house.json(&["certificate", "add", "--region", "010", &old]);
    house.done(&["certificate", "add", "--region", "010", &new]);
    server.sees("both certificates", |snapshot| {
        snapshot
            .caller(&region("010"))
            .is_some_and(|caller| caller.certificates.len() == 2)
    });
    assert!(
        house
            .refused(&["certificate", "add", "--region", "010", &old])
            .contains("registered already")
    );
    assert!(
        house
            .refused(&["certificate", "add", "--region", "020", &old])
            .contains("subject does not name")
    );
    assert!(
        house
            .refused(&[
                "certificate",
                "add",
                "--region",
                "010",
                &house.path("pki/ca.key")
            ])
            .contains("certificate in PEM")
    );

    let shown = house.json(&["region", "show", "010"]);
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(shown["name"], "Piemonte");
    let fingerprint = added["added"].as_str().unwrap();
    assert!(house.done(&["region", "show", "010"]).contains(fingerprint));

    house.done(&[
        "certificate",
        "remove",
        "--region",
        "010",
        "--fingerprint",
        fingerprint,
    ]);
    house.done(&["certificate", "remove", "--region", "010", &new]);
    server.sees("no certificate", |snapshot| {
        snapshot
            .caller(&region("010"))
            .is_some_and(|caller| caller.certificates.is_empty())
    });
    house.done(&["region", "disable", "010"]);
    server.sees("disabled", |snapshot| {
        !snapshot.caller(&region("010")).unwrap().enabled
    });
    house.done(&["region", "enable", "010"]);
    server.sees("enabled", |snapshot| {
        snapshot.caller(&region("010")).unwrap().enabled
    });

    let listed = house.json(&["region", "list"]);
    let codes: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["010", "020"]);
    let text = house.done(&["region", "list"]);
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().next().unwrap().starts_with("CODE"), "{text}");
}

#[test]
fn structures_are_registered_listed_and_disabled() {
    let house = House::new();
    let server = house.server();
    house.done(&[
        "structure",
        "add",
        STRUCTURE,
        "--description",
        "Ospedale di prova",
    ]);
    house.done(&[
        "structure",
        "add",
        "020-101-1",
        "--description",
        "Altra struttura",
    ]);
    assert!(
        house
            .refused(&["structure", "add", STRUCTURE, "--description", "x"])
            .contains("registered already")
    );
    house.refused(&["structure", "add", "010-101", "--description", "x"]);
    house.refused(&["structure", "add", "011-101-1", "--description", "x"]);
    let listed = house.json(&["structure", "list", "--region", "010"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["description"], "Ospedale di prova");
    house.done(&["structure", "disable", STRUCTURE]);
    let id = StructureId::parse(STRUCTURE).unwrap();
    server.sees("disabled", |snapshot| {
        snapshot
            .structure(&id)
            .is_some_and(|structure| !structure.enabled)
    });
    assert_eq!(
        house.json(&["structure", "show", STRUCTURE])["enabled"],
        false
    );
    house.done(&["structure", "enable", STRUCTURE]);
    server.sees("enabled", |snapshot| {
        snapshot.structure(&id).unwrap().enabled
    });
}

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

#[test]
fn commands_at_once_are_all_kept() {
    let house = House::new();
    let processes: Vec<_> = (0..12)
        .map(|index| {
            let id = format!("010-101-{index:06}");
            let mut command =
                house.command(&["structure", "add", &id, "--description", "Struttura"]);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(
        house.json(&["structure", "list"]).as_array().unwrap().len(),
        12
    );
}

#[test]
fn a_call_centre_is_registered_with_its_networks_and_operators() {
    let house = House::new();
    house.done(&[
        "call-center",
        "add",
        "cc1",
        "--name",
        "Call center di prova",
    ]);
    house.done(&["network", "add", "--call-center", "cc1", "192.0.2.9/28"]);
    let refused = house.run(&["network", "add", "--call-center", "cc1", "0.0.0.0/0"], "");
    assert_eq!(refused.status.code(), Some(2));
    house.with_input(&["operator", "add", "--call-center", "cc1"], FISCAL_CODE);
    house.with_input(
        &["operator", "disable", "--call-center", "cc1"],
        FISCAL_CODE,
    );
    house.write(
        "operators",
        "VRDGPP62D15L219E\n\nRSSMRA80A01H501U\nBNCLRA75E41F205A\n",
    );
    let operators = house.path("operators");
    let imported = house.run(
        &[
            "--json",
            "operator",
            "import",
            "--call-center",
            "cc1",
            &operators,
        ],
        "",
    );
    let errors = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("line 4") && !errors.contains("BNCLRA"),
        "{errors}"
    );
    let summary: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(
        (
            &summary["registered"],
            &summary["registered_before"],
            &summary["wrong_lines"]
        ),
        (&1.into(), &1.into(), &1.into())
    );
    let shown = house.with_input(&["--json", "call-center", "show", "cc1"], "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["networks"], serde_json::json!(["192.0.2.0/28"]));
    assert_eq!(shown["operators"], 2);
    let listed = house.with_input(&["--json", "operator", "list", "--call-center", "cc1"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["fiscal_code"], FISCAL_CODE);
    assert_eq!(listed[0]["enabled"], false);
    assert_eq!(
        listed[1]["profiles"],
        serde_json::json!([
            "verificaPositivita",
            "sbloccoCodiceImmuni",
            "confermaSbloccoImmuni"
        ])
    );
}

#[test]
fn an_operator_of_a_region_has_the_profiles_given_and_no_call_centers() {
    let house = House::new();
    house.done(&["region", "add", "010"]);
    let refused = house.run(
        &[
            "operator",
            "add",
            "--region",
            "010",
            "--profile",
            "verificaPositivita",
        ],
        FISCAL_CODE,
    );
    assert_eq!(refused.status.code(), Some(2));
    house.with_input(
        &[
            "operator",
            "add",
            "--region",
            "010",
            "--profile",
            "invioCodiceOtp",
        ],
        FISCAL_CODE,
    );
    let listed = house.with_input(&["--json", "operator", "list", "--region", "010"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["profiles"], serde_json::json!(["invioCodiceOtp"]));
    house.with_input(
        &[
            "operator",
            "profiles",
            "--region",
            "010",
            "elencoTestEffettuati",
        ],
        FISCAL_CODE,
    );
    let nobody = house.run(&["operator", "list"], "");
    assert_eq!(nobody.status.code(), Some(2));
}
