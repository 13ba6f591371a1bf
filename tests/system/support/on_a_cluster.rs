//! Installations whose data lie on a cluster.

use std::path::PathBuf;
use std::process::Command;

use super::installation::{Installation, copy_folder};

/// A cluster that installations lie on.
pub struct Cluster {
    /// The address of one of its nodes.
    pub address: String,
    /// The name of an administrator whose password is the same, where whoever connects signs in.
    pub administrator: Option<&'static str>,
    /// The authority of the nodes' certificates, where they speak TLS.
    pub authority: Option<PathBuf>,
}

/// The password of all roles of tests.
pub const PASSWORD: &str = "una password 'di prova'";
/// The roles of an installation, each with its password in `<role>-password`.
const ROLES: [&str; 3] = ["server", "migrate", "reader"];

impl Installation {
    /// One whose data lie on a cluster, in keyspaces of their own, with call centres as in [`Installation::with_call_centres`].
    pub fn on_a_cluster(cluster: &Cluster) -> Self {
        let prefix = format!("system_{:08x}", rand::random::<u32>());
        let settings = [
            ("STORE__BACKEND", "cql"),
            ("CQL__NODES", &cluster.address),
            ("CQL__REPLICATION_FACTOR", "1"),
            // A node that stands still for some seconds keeps its connections.
            ("CQL__STATEMENT_TIMEOUT_MILLISECONDS", "20000"),
            ("CQL__CONDITIONAL_TIMEOUT_MILLISECONDS", "10000"),
            ("CQL__KEYSPACE_PREFIX", &prefix),
        ];
        let mut settings = settings
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec();
        let mut set = |key: &str, value: String| settings.push((key.to_owned(), value));
        if let Some(authority) = &cluster.authority {
            set("CQL__AUTHORITY_FILE", authority.display().to_string());
        }
        if cluster.administrator.is_some() {
            set("CQL__ROLE", format!("{prefix}_server"));
            set("CQL__PASSWORD_FILE", "server-password".to_owned());
        }
        let empty = Self::empty_with(settings);
        if let Some(administrator) = cluster.administrator {
            empty.write_secret("administrator-password", administrator);
            for role in ROLES {
                empty.write_secret(&format!("{role}-password"), PASSWORD);
            }
        }
        empty.fill().add_call_centres()
    }

    /// Another server's on the same cluster: the same certificates and cards, the same keys by a hand-over, and a folder of its own.
    pub fn beside(&self) -> Self {
        let other = Self::empty_with(self.settings.clone());
        copy_folder(&self.path(""), &other.path(""));
        std::fs::remove_dir_all(other.path("keys")).unwrap();
        let exchanged = self.path("hand-over");
        std::fs::create_dir(&exchanged).unwrap();
        let [request, sealed] = ["request", "sealed"].map(|name| {
            let file = exchanged.join(name);
            file.display().to_string()
        });
        // What one reads out, the other types.
        let read_out = |told: String| told.split_whitespace().last().unwrap().to_owned();
        let hand_over =
            |by: &Self, arguments: &[&str]| by.run(&[&["keys", "hand-over"], arguments].concat());
        let typed = read_out(hand_over(&other, &["request", "--to", &request]));
        let seal = ["seal", &request, "--fingerprint", &typed, "--to", &sealed];
        let typed = read_out(hand_over(self, &seal));
        hand_over(&other, &["open", &sealed, "--fingerprint", &typed]);
        other
    }

    /// Makes roles and tables as an administrator does; nothing for the embedded store.
    pub(super) fn make_tables(&self) {
        if self.settings.is_empty() {
            return;
        }
        if !self.path("administrator-password").exists() {
            self.run(&["migrate"]);
            return;
        }
        let told = self.renew_roles(&ROLES);
        assert!(told.contains("run `sistema-ts migrate`"), "{told}");
        let migrated = self.command_as("migrate", &["migrate"]).output().unwrap();
        let told = super::command::succeeded(&["migrate"], migrated);
        assert!(told.contains("run `sistema-ts roles`"), "{told}");
        let told = self.renew_roles(&[]);
        assert!(!told.contains("migrate"), "{told}");
    }

    /// Runs `sistema-ts roles` as the cluster's administrator; the roles that are named get the passwords of their files.
    pub fn renew_roles(&self, with_passwords: &[&str]) -> String {
        let mut arguments = vec![
            "roles".to_owned(),
            "--administrator".to_owned(),
            std::fs::read_to_string(self.path("administrator-password")).unwrap(),
            "--administrator-password-file".to_owned(),
            "administrator-password".to_owned(),
        ];
        for role in with_passwords {
            arguments.push(format!("--{role}-password-file"));
            arguments.push(format!("{role}-password"));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments)
    }

    /// A command that signs in as the role for migrations or as a reader, not as the server's.
    pub fn command_as(&self, role: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        let prefix = self.setting("CQL__KEYSPACE_PREFIX");
        command
            .env("SISTEMA_TS_CQL__ROLE", format!("{prefix}_{role}"))
            .env("SISTEMA_TS_CQL__PASSWORD_FILE", format!("{role}-password"));
        command
    }

    /// A setting of its own.
    pub fn setting(&self, key: &str) -> &str {
        let found = self.settings.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    fn write_secret(&self, name: &str, secret: &str) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = file.open(self.path(name));
        std::io::Write::write_all(&mut file.unwrap(), secret.as_bytes()).unwrap();
    }
}
