//! A CQL server for tests: the one at `TEST_CQL_ADDRESS`, or an Apache Cassandra that `scripts/cassandra` starts for this test program and that ends
//! with it. Whoever connects to one that was started signs in, and so at the former if `TEST_CQL_ROLES` is 1 ([`roles`]). Where neither can be had a test that needs one says so and passes, or fails if `TEST_CQL_REQUIRED` is 1.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

pub mod nodes;
pub mod roles;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use sistema_ts_cql::{CqlSettings, connect, migrations};
use sistema_ts_store::keys::KeyRing;

/// The servers on which every statement has run, as the tables of `docs/cql.md` say. Whoever has seen all suites pass on another adds it here.
pub const SEEN_ON: &str = "Cassandra";

/// What a test may say to whoever reads its output, also when it passes.
pub fn say(text: &str) {
    // Not by a macro that prints: a test that passes would keep it to itself.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what was not tested for want of a node; a failure if `TEST_CQL_REQUIRED` is 1.
pub fn cannot_be_had(why: &str) {
    let is_required = std::env::var("TEST_CQL_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!is_required, "TEST_CQL_REQUIRED is 1, and {why}");
    say(&format!("{why}: what needs one was not tested"));
}

/// The address of a node, or none if none can be had.
pub fn address() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let found = ADDRESS.get_or_init(|| {
        let address = std::env::var("TEST_CQL_ADDRESS").ok().or_else(start_node);
        if address.is_none() {
            cannot_be_had("there is no CQL server");
        }
        address
    });
    found.as_deref()
}

/// The script that starts nodes, at the top of the repository.
pub fn script() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let scripts = folders.find_map(|folder| {
        let script = folder.join("scripts/cassandra");
        script.exists().then_some(script)
    });
    scripts.expect("the repository has scripts/cassandra")
}

/// Starts a node that is stopped when this process has ended, however it ends.
fn start_node() -> Option<String> {
    let script = script();
    let folder = tempfile::tempdir().unwrap().keep();
    let mut start = Command::new(&script);
    start.arg("start").arg(&folder).arg("--roles");
    let started = start.output();
    let output = started.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let address = text
        .lines()
        .find_map(|line| line.strip_prefix("TEST_CQL_ADDRESS="))?;
    stop_with_this_process(&script, &folder);
    Some(address.to_owned())
}

/// Has the nodes of a folder stopped, and the folder removed, when this process has ended, however it ends.
pub fn stop_with_this_process(script: &Path, folder: &Path) {
    // The watch waits for the end of its input, which is this process's end.
    let watch = r#"cat >/dev/null; "$0" stop "$1"; rm -rf "$1""#;
    let watch = Command::new("sh")
        .args(["-c", watch])
        .arg(script)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // Never waited for: its input stays open as long as this process lives.
    std::mem::forget(watch);
}

/// Settings for the node at an address, with time limits for a machine that is busy.
pub fn patient_settings(address: &str) -> CqlSettings {
    CqlSettings {
        nodes: vec![address.to_owned()],
        // A node that stands still for some seconds keeps its connections.
        statement_timeout_milliseconds: 20_000,
        conditional_timeout_milliseconds: 10_000,
        ..CqlSettings::default()
    }
}

/// Settings for keyspaces of their own, which are not there yet: an administrator's, where whoever connects signs in.
pub fn settings(name: &str) -> Option<CqlSettings> {
    let settings = CqlSettings {
        keyspace_prefix: format!("{name}_{:08x}", rand::random::<u32>()),
        replication_factor: 1,
        ..patient_settings(address()?)
    };
    Some(match roles::are_there() {
        true => roles::as_administrator(settings),
        false => settings,
    })
}

/// Settings for keyspaces of their own, whose tables are made: a server's, where whoever connects signs in.
pub fn new_keyspaces(name: &str) -> Option<CqlSettings> {
    let settings = settings(name)?;
    if roles::are_there() {
        return Some(roles::make_all(&settings));
    }
    make_keyspaces(&settings);
    Some(settings)
}

/// Makes the keyspaces and tables of these settings.
pub fn make_keyspaces(settings: &CqlSettings) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let session = connect(settings).await.unwrap();
        migrations::apply(&session, settings).await.unwrap();
        say(&format!("tested on {:?}", migrations::Engine::of(&session)));
    });
}

/// A server's own ring of day keys: the same keys as all others' of `folder`, in a file of its own.
pub fn ring_of(folder: &Path, server: usize) -> Arc<KeyRing> {
    let ring: PathBuf = folder.join(format!("day-keys-{server}"));
    Arc::new(KeyRing::load(&ring).unwrap())
}
