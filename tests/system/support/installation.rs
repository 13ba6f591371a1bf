//! A folder with everything that a server needs, made with the commands that an operator uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use immuni_stand_in::TlsFiles;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sistema_ts::backend::Archives;
use sistema_ts::pki::{Authority, Kind, Subject};
use sistema_ts_model::SystemClock;
use sistema_ts_store::Store;

use super::command::{output_with_input, succeeded};

/// The program under test.
pub const SISTEMA_TS: &str = env!("CARGO_BIN_EXE_sistema-ts");
/// A registered structure of region 010, whose users are [`USER`] and [`USER_WITHOUT_PROFILE`].
pub const STRUCTURE: &str = "010-101-000123";
/// A user that may submit.
pub const USER: &str = "operatore.prova";
/// A user that may only list.
pub const USER_WITHOUT_PROFILE: &str = "operatore.elenco";
/// The password of both.
pub const PASSWORD: &str = "Una-password-9-di-prova";
/// The pincodes that the administrator's command has made, by user id: those of the templates, which all installations of this process share.
static PINCODES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// The pincode of a user of an installation that was made before.
pub fn pincode_of(user: &str) -> String {
    let pincodes = PINCODES.lock().unwrap();
    pincodes.get(user).expect("no such user was added").clone()
}
/// The codice fiscale of both.
pub const OPERATOR: &str = "VRDGPP62D15L219E";

/// Whom [`super::Submission`] is about, unless it says otherwise.
pub const PATIENT: &str = "BNCLRA75E41F205R";
/// Last digits of a health card of [`PATIENT`].
pub const CARD: &str = "00012345";
/// Those of another one.
pub const SECOND_CARD: &str = "98765432";

/// Last digits of the card of made-up person `number`, below a hundred.
pub fn card_of(number: usize) -> String {
    format!("7{number:07}")
}

/// A registered call centre, which may call from this machine; its operators are [`DESK`] and [`COLLEAGUE`].
pub const CALL_CENTRE: &str = "CC1";
/// Another one, whose operator is [`STRANGER`].
pub const OTHER_CALL_CENTRE: &str = "CC2";
/// An operator of [`CALL_CENTRE`].
pub const DESK: &str = "VRDGPP62D15L219E";
/// Another one there.
pub const COLLEAGUE: &str = "NRELCU70M12F839P";
/// An operator of [`OTHER_CALL_CENTRE`].
pub const STRANGER: &str = "GLLMRC68T05D612W";
/// A disabled operator of [`CALL_CENTRE`].
pub const DISABLED: &str = "FRRPLA71C44G273O";
/// An operator of region 010 that may send codes of the ASL.
pub const ASL_OPERATOR: &str = "MRTNNA66A41L736Y";
/// A user of [`STRUCTURE`] that may send them.
pub const ASL_USER: &str = "operatore.asl";

const CONFIGURATION: &str = r#"
[mutual_tls]
bind_address = "127.0.0.1:0"
public_url = "https://localhost:8443"
[basic]
bind_address = "127.0.0.1:0"
public_url = "https://localhost:8444"
[status]
bind_address = "127.0.0.1:0"
[register]
poll_interval_milliseconds = 20
[authentication]
source_burst = 1000
source_failures_per_minute = 1000
[limits]
worker_threads = 2
# Tests send many codes for one operator, and the steps are waited for by few of them.
[asl]
codes_per_operator_per_hour = 10000
step_milliseconds = 100
"#;

/// The store in an installation's folder, or in a copy of one.
pub fn open_store(folder: &Path) -> Arc<dyn Store> {
    let archives = Archives::in_folder(&folder.join("data"), &folder.join("keys/day-keys"));
    let keys = archives.key_ring().unwrap();
    archives.store(keys, Arc::new(SystemClock)).unwrap()
}

/// One installation, in a folder of its own that goes with it.
pub struct Installation {
    folder: tempfile::TempDir,
    /// Settings in the environment of all its commands, each as `("LIMITS__BODY_TIMEOUT_SECONDS", "1")`.
    pub(super) settings: Vec<(String, String)>,
}

impl Installation {
    /// A fresh one. The commands run once per process; every further installation is a copy.
    pub fn new() -> Self {
        // What the tests themselves write is its owner's alone, as what the program makes: a server refuses data that lie open.
        // SAFETY: it only replaces a number of this process, by the same one each time.
        unsafe { libc::umask(0o077) };
        static TEMPLATE: OnceLock<Installation> = OnceLock::new();
        let copy = Self::empty();
        copy_folder(&TEMPLATE.get_or_init(Self::make).path(""), &copy.path(""));
        copy
    }

    /// One with two call centres and their operators as well, those of the ASL, and health cards: two of [`PATIENT`], and one of each of the
    /// people 0 to 99 of [`super::fiscal_code`], see [`card_of`].
    pub fn with_call_centres() -> Self {
        static TEMPLATE: OnceLock<Installation> = OnceLock::new();
        let copy = Self::empty();
        let template = TEMPLATE.get_or_init(|| Self::new().add_call_centres());
        copy_folder(&template.path(""), &copy.path(""));
        copy
    }

    pub(super) fn add_call_centres(self) -> Self {
        for code in [CALL_CENTRE, OTHER_CALL_CENTRE] {
            self.run(&["pki", "call-center", "--code", code, "--name", "Prova"]);
            self.admin(&["call-center", "add", code, "--name", "Prova"]);
            let certificate = format!("pki/call-center-{code}.crt");
            self.admin(&["certificate", "add", "--call-center", code, &certificate]);
            self.admin(&["network", "add", "--call-center", code, "127.0.0.1/32"]);
        }
        for (code, operator) in [
            (CALL_CENTRE, DESK),
            (CALL_CENTRE, COLLEAGUE),
            (CALL_CENTRE, DISABLED),
            (OTHER_CALL_CENTRE, STRANGER),
        ] {
            self.admin_with_input(&["operator", "add", "--call-center", code], operator);
        }
        self.admin_with_input(
            &["operator", "disable", "--call-center", CALL_CENTRE],
            DISABLED,
        );
        let sends = ["--profile", "invioCodiceOtp"];
        self.admin_with_input(
            &[&["operator", "add", "--region", "010"], &sends[..]].concat(),
            ASL_OPERATOR,
        );
        self.add_user(ASL_USER, "invioCodiceOtp");
        let mut cards = vec![
            (PATIENT.to_owned(), CARD.to_owned()),
            (PATIENT.to_owned(), SECOND_CARD.to_owned()),
        ];
        cards.extend((0..100).map(|person| (super::fiscal_code(person), card_of(person))));
        self.import_cards(&cards);
        self
    }

    /// Replaces the register of health cards by these: fiscal code and last eight digits, valid since 2020.
    pub fn import_cards(&self, cards: &[(String, String)]) {
        let lines = cards.iter().map(|(fiscal_code, digits)| {
            format!("{fiscal_code};803800012345{digits};2020-01-01;\n")
        });
        let header = "codice_fiscale;numero_tessera;valida_dal;valida_al\n".to_owned();
        let file = self.path("cards.csv");
        std::fs::write(&file, header + &lines.collect::<String>()).unwrap();
        self.run(&[
            "cards",
            "import",
            "cards.csv",
            "--maximum-loss-percent",
            "100",
        ]);
        std::fs::remove_file(file).unwrap();
    }

    /// What mutual TLS with the Immuni backend needs: an authority of the backend's own with its certificate, and another client's, in `immuni/`;
    /// this server's client certificate, where it looks for it, and as `immuni/right.crt`. Answers the backend's side.
    pub fn add_backend_certificates(&self) -> TlsFiles {
        let folder = self.path("immuni");
        let (authority, _) = Authority::create(&folder, "Prova", 30, 30).unwrap();
        let names = ["localhost".to_owned()];
        authority.issue_server("server", &names, 30).unwrap();
        let subject = Subject::new(Kind::Client, None, "Prova").unwrap();
        authority.issue_client("client", &subject, 30).unwrap();
        self.run(&["pki", "client"]);
        for (from, to) in [
            ("immuni/ca.crt", "pki/immuni-ca.crt"),
            ("pki/immuni-client.crt", "immuni/right.crt"),
            ("pki/immuni-client.key", "immuni/right.key"),
        ] {
            std::fs::copy(self.path(from), self.path(to)).unwrap();
        }
        TlsFiles {
            certificate: folder.join("server.crt"),
            private_key: folder.join("server.key"),
            client_authority: self.path("pki/ca.crt"),
        }
    }

    /// Registers a user of [`STRUCTURE`] with one profile.
    pub fn add_user(&self, user: &str, profile: &str) {
        self.add_user_of(["--structure", STRUCTURE], user, profile);
    }

    /// Registers a user of a structure or an ASL, as the option says, with one profile.
    pub fn add_user_of(&self, workplace: [&str; 2], user: &str, profile: &str) {
        let [kind, identifier] = workplace;
        let password = self.path("password");
        std::fs::write(&password, PASSWORD).unwrap();
        let told = self.admin_with_input(
            &[
                "user",
                "add",
                user,
                kind,
                identifier,
                "--profile",
                profile,
                "--password-file",
                "password",
                "--json",
            ],
            OPERATOR,
        );
        std::fs::remove_file(password).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let pincode = told["pincode"].as_str().unwrap().to_owned();
        PINCODES.lock().unwrap().insert(user.to_owned(), pincode);
    }

    fn empty() -> Self {
        Self::empty_with(Vec::new())
    }

    pub(super) fn empty_with(settings: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, settings }
    }

    fn make() -> Self {
        Self::empty().fill()
    }

    pub(super) fn fill(self) -> Self {
        let made = self;
        std::fs::write(made.path("sistema-ts.toml"), CONFIGURATION).unwrap();
        made.run(&["pki", "ca"]);
        made.run(&["pki", "server", "localhost", "127.0.0.1"]);
        for code in ["010", "020", "030"] {
            made.run(&["pki", "region", "--code", code]);
        }
        made.run(&["pki", "region", "--code", "010", "--file", "region-010-new"]);
        made.run(&["keys", "create"]);
        #[cfg(feature = "cql")]
        made.make_tables();
        made.admin(&["init"]);
        // Region 030 has a certificate and is not registered.
        for code in ["010", "020"] {
            made.admin(&["region", "add", code]);
            let certificate = format!("pki/region-{code}.crt");
            made.admin(&["certificate", "add", "--region", code, &certificate]);
        }
        made.admin(&[
            "structure",
            "add",
            STRUCTURE,
            "--description",
            "Laboratorio di prova",
        ]);
        made.add_user(USER, "invioEsecuzioneTest");
        made.add_user(USER_WITHOUT_PROFILE, "elencoTestEffettuati");
        // The same person lists for the region's own system.
        let lists = [
            "operator",
            "add",
            "--region",
            "010",
            "--profile",
            "elencoTestEffettuati",
        ];
        made.admin_with_input(&lists, OPERATOR);
        made
    }

    /// A path in it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store of a server that does not run.
    pub fn store(&self) -> Arc<dyn Store> {
        open_store(self.folder())
    }

    /// What servers have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap()
    }

    /// A command of the program, in the installation's folder and with its configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SISTEMA_TS);
        command
            .current_dir(self.folder())
            // A setting of these tests, see `crash`; the program takes every variable with this beginning for one of its own.
            .env_remove("SISTEMA_TS_CRASH_ROUNDS")
            .env("SISTEMA_TS_CONFIGURATION", self.path("sistema-ts.toml"))
            .args(arguments)
            .stdin(Stdio::null());
        for (key, value) in &self.settings {
            command.env(format!("SISTEMA_TS_{key}"), value);
        }
        command
    }

    /// Runs a command that must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        succeeded(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs `sistema-ts admin …`, which must succeed.
    pub fn admin(&self, arguments: &[&str]) -> String {
        self.admin_with_input(arguments, "")
    }

    /// The same with a line on standard input.
    pub fn admin_with_input(&self, arguments: &[&str], input: &str) -> String {
        let arguments = [&["admin"], arguments].concat();
        let output = output_with_input(&mut self.command(&arguments), input);
        succeeded(&arguments, output)
    }

    /// A client's TLS settings, with the certificate `pki/<stem>.crt` if one is named. Connections made with one of them (and its clones)
    /// resume each other's sessions.
    pub fn client(&self, stem: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path("pki/ca.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match stem {
            None => builder.with_no_client_auth(),
            Some(stem) => {
                let chain =
                    CertificateDer::pem_file_iter(self.path(&format!("pki/{stem}.crt"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("pki/{stem}.key")));
                builder
                    .with_client_auth_cert(chain.map(Result::unwrap).collect(), key.unwrap())
                    .unwrap()
            }
        })
    }
}

/// Copies a folder with all that is in it, modes included.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            // What a killed server has left besides is its socket.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
}
