//! A folder in which an administrator's commands run, and what a server beside them would have open.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use sistema_ts::auth::{Authenticator, BasicCredentials, BasicRefusal};
use sistema_ts::config::Configuration;
use sistema_ts_model::{CallCenterCode, Caller, PinCode, RegionCode, SystemClock};
use sistema_ts_store::register::{NoJournal, Register, RegisterKey, RegisterSnapshot};

use crate::command_support::{output_with_input, succeeded};

/// The codice fiscale of the user `mario`.
pub const FISCAL_CODE: &str = "RSSMRA80A01H501U";
/// A structure.
pub const STRUCTURE: &str = "010-101-000123";

/// A folder with a configuration, in which commands run.
pub struct House {
    pub folder: tempfile::TempDir,
}

impl House {
    /// With an empty register.
    pub fn new() -> Self {
        let house = House::without_register();
        house.done(&["init"]);
        house
    }

    pub fn without_register() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("sistema-ts.toml"),
            "[register]\npoll_interval_milliseconds = 20\n",
        )
        .unwrap();
        House { folder }
    }

    /// With a structure and the user `mario` that has known credentials.
    pub fn with_user() -> Self {
        let house = House::new();
        house.done(&[
            "structure",
            "add",
            STRUCTURE,
            "--description",
            "Ospedale di prova",
        ]);
        house.write("password", "a known password\n");
        let password = house.path("password");
        house.with_input(
            &[
                "user",
                "add",
                "mario",
                "--structure",
                STRUCTURE,
                "--profile",
                "invioEsecuzioneTest",
                "--password-file",
                &password,
            ],
            FISCAL_CODE,
        );
        house
    }

    pub fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    pub fn write(&self, file: &str, content: &str) {
        std::fs::write(self.folder.path().join(file), content).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sistema-ts"));
        command
            .env("SISTEMA_TS_CONFIGURATION", self.path("sistema-ts.toml"))
            .arg("admin")
            .args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        output_with_input(&mut self.command(arguments), input)
    }

    pub fn with_input(&self, arguments: &[&str], input: &str) -> String {
        succeeded(arguments, self.run(arguments, input))
    }

    pub fn done(&self, arguments: &[&str]) -> String {
        self.with_input(arguments, "")
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    pub fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with_input(arguments, "")
    }

    pub fn refused_with_input(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    /// What a running server has open.
    pub fn server(&self) -> Server {
        let file = PathBuf::from(self.path("sistema-ts.toml"));
        let configuration = Configuration::load_from(Some(&file), []).unwrap();
        let key = Arc::new(RegisterKey::load(&configuration.register.key_file).unwrap());
        let register = configuration
            .archives()
            .register(
                Arc::clone(&key),
                Arc::new(NoJournal),
                Some(configuration.register_poll_interval()),
            )
            .unwrap();
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

pub struct Server {
    pub register: Arc<dyn Register>,
    authenticator: Authenticator,
}

impl Server {
    pub async fn check(
        &self,
        user: &str,
        password: &str,
        pincode: &str,
    ) -> Result<(), BasicRefusal> {
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
    pub fn sees(&self, what: &str, condition: impl Fn(&RegisterSnapshot) -> bool) {
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

/// A call centre as a caller.
pub fn call_center(code: &str) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(code).unwrap())
}

/// A region as a caller.
pub fn region(code: &str) -> Caller {
    Caller::Region(RegionCode::parse(code).unwrap())
}
