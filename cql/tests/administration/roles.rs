//! Roles on a node that checks them. A failure: a role may do what it must not, or may not do what it must; a repetition changes something; a
//! refusal changes something, or does not say what is to be done; a password is told.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use sistema_ts_cql::migrations::apply;
use sistema_ts_cql::register::CqlRegister;
use sistema_ts_cql::roles::{Renewed, Role, RoleError, renew};
use sistema_ts_cql::{Account, Accounts, CqlAccessArchive, CqlSettings, connect};

use crate::support::roles::{ADMINISTRATOR, PASSWORD, accounts, as_role, make_all, password_file};
use crate::support::{cannot_be_had, roles, settings};

/// How long a node may take to notice that a right was given or taken: it remembers them for a while.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// An administrator's settings for keyspaces that are not there yet, on a node that checks roles.
fn administrator(name: &str) -> Option<CqlSettings> {
    let settings = settings(name)?;
    if !roles::are_there() {
        cannot_be_had("the node checks no roles, or TEST_CQL_ROLES is not 1");
        return None;
    }
    Some(settings)
}

/// The same, with keyspaces, roles and tables.
async fn made(name: &'static str) -> Option<CqlSettings> {
    let make = move || {
        let administrator = administrator(name)?;
        make_all(&administrator);
        Some(administrator)
    };
    tokio::task::spawn_blocking(make).await.unwrap()
}

async fn session(settings: &CqlSettings) -> Session {
    connect(settings).await.unwrap()
}

/// Whether a statement is refused for want of a right; other errors are failures.
async fn is_refused(session: &Session, settings: &CqlSettings, text: &str) -> bool {
    let text = text.replace("{p}", &settings.keyspace_prefix);
    let Err(error) = session.query_unpaged(text.as_str(), ()).await else {
        return false;
    };
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) = error else {
        panic!("{text}: {error}")
    };
    assert_eq!(error, DbError::Unauthorized, "{text}");
    true
}

async fn until_refused(session: &Session, settings: &CqlSettings, text: &str, wanted: bool) {
    let began = Instant::now();
    while is_refused(session, settings, text).await != wanted {
        assert!(began.elapsed() < NOTICED_WITHIN, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What no role but an administrator's may do.
const NOBODYS: [&str; 9] = [
    "CREATE KEYSPACE {p}_other WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "DROP KEYSPACE {p}_tests",
    "DROP TABLE {p}_tests.code",
    "TRUNCATE {p}_foreign.secrets",
    "SELECT * FROM {p}_foreign.secrets",
    "INSERT INTO {p}_foreign.secrets (name) VALUES ('x')",
    "CREATE ROLE intruder WITH PASSWORD = 'x' AND LOGIN = true",
    "ALTER ROLE cassandra WITH PASSWORD = 'stolen'",
    "GRANT SELECT ON KEYSPACE {p}_register TO {p}_reader",
];
const SCHEMA: [&str; 2] = [
    "CREATE TABLE {p}_tests.other (name text PRIMARY KEY)",
    "ALTER TABLE {p}_tests.code ADD other text",
];
const PEOPLE: [&str; 4] = [
    "SELECT sealed FROM {p}_patients.patient",
    "SELECT code FROM {p}_patients.tag",
    "SELECT operator FROM {p}_patients.session",
    "SELECT sealed FROM {p}_register.person",
];
const WRITES: [&str; 3] = [
    "INSERT INTO {p}_access.record (region, hour, part, time, id) VALUES (1, 1, 1, 1, 1)",
    "UPDATE {p}_tests.test SET void = true WHERE region = 1 AND hour = 1 AND part = 1 AND time = 1 AND code = 1",
    "INSERT INTO {p}_tests.day_key (day, check_value) VALUES (1, 0x00) IF NOT EXISTS",
];
const VERSIONS: [&str; 2] = [
    "INSERT INTO {p}_tests.migration (version, digest) VALUES (99, 'x')",
    "DELETE FROM {p}_tests.migration_lock WHERE name = 'schema'",
];

#[tokio::test]
async fn each_role_may_do_its_own_work_and_nothing_else() {
    let Some(administrator) = made("rights").await else {
        return;
    };
    let above = session(&administrator).await;
    for text in [
        "CREATE KEYSPACE {p}_foreign WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE {p}_foreign.secrets (name text PRIMARY KEY)",
    ] {
        assert!(!is_refused(&above, &administrator, text).await, "{text}");
    }
    let [server, migrate, reader] = Role::ALL.map(|role| as_role(&administrator, role));
    let refused: [(&CqlSettings, &[&[&str]]); 3] = [
        (&server, &[&NOBODYS, &SCHEMA, &VERSIONS]),
        (&migrate, &[&NOBODYS, &PEOPLE, &WRITES]),
        (&reader, &[&NOBODYS, &SCHEMA, &PEOPLE, &WRITES, &VERSIONS]),
    ];
    for (settings, all) in refused {
        let session = session(settings).await;
        for text in all.iter().copied().flatten() {
            let is_refused = is_refused(&session, settings, text).await;
            assert!(is_refused, "{} may do: {text}", settings.role);
        }
    }
    let allowed: [(&CqlSettings, &[&str]); 3] = [
        (&server, &WRITES),
        (&migrate, &SCHEMA),
        (&reader, &["SELECT code FROM {p}_tests.test"]),
    ];
    for (settings, all) in allowed {
        let session = session(settings).await;
        for text in all {
            let is_refused = is_refused(&session, settings, text).await;
            assert!(!is_refused, "{} may not do: {text}", settings.role);
        }
    }
    // What the reader is for: `cql/tests/access.rs` searches as one.
    let open = move || CqlAccessArchive::open(&reader).map(drop).unwrap();
    tokio::task::spawn_blocking(open).await.unwrap();
}

#[tokio::test]
async fn a_repetition_gives_exactly_the_wanted_rights_whatever_was_there() {
    let Some(administrator) = made("again").await else {
        return;
    };
    let above = session(&administrator).await;
    let mut keeping = Accounts::of(&administrator);
    let again = renew(&above, &administrator, &keeping).await.unwrap();
    assert_eq!(again, Renewed::default(), "nothing was to be done");
    let reader = as_role(&administrator, Role::Reader);
    for text in [
        "GRANT MODIFY ON KEYSPACE {p}_register TO {p}_reader",
        "GRANT SELECT ON ALL KEYSPACES TO {p}_reader",
        "GRANT {p}_server TO {p}_reader",
        "GRANT DESCRIBE ON ALL ROLES TO {p}_reader",
        "REVOKE SELECT ON {p}_access.record FROM {p}_reader",
        "ALTER ROLE {p}_reader WITH LOGIN = false",
    ] {
        assert!(!is_refused(&above, &administrator, text).await, "{text}");
    }
    let again = renew(&above, &administrator, &keeping).await.unwrap();
    assert_eq!((again.given, again.taken), (1, 4), "{again:?}");
    assert!(
        again.made.is_empty() && again.passwords.is_empty(),
        "{again:?}"
    );
    let session = session(&reader).await;
    let sealed = "SELECT sealed FROM {p}_register.person";
    until_refused(&session, &reader, sealed, true).await;
    let records = "SELECT id FROM {p}_access.record";
    until_refused(&session, &reader, records, false).await;
    // Another person's role beside it: the first keeps its rights.
    keeping.reader = Account {
        name: format!("{}_anna_verdi", administrator.keyspace_prefix),
        password_file: Some(password_file(PASSWORD)),
    };
    let other = renew(&above, &administrator, &keeping).await.unwrap();
    assert_eq!(other.made, [keeping.reader.name.clone()]);
    assert_eq!(other.taken, 0);
    assert!(!is_refused(&session, &reader, records).await);
}

#[tokio::test]
async fn a_role_that_lacks_a_right_is_told_which_and_what_to_do() {
    let Some(administrator) = made("lacks").await else {
        return;
    };
    let above = session(&administrator).await;
    let server = as_role(&administrator, Role::Server);
    let register = {
        let key = {
            let folder = tempfile::tempdir().unwrap();
            sistema_ts_store::register::RegisterKey::create(&folder.path().join("key")).unwrap()
        };
        let server = server.clone();
        let open = move || {
            CqlRegister::create(&server, &key).unwrap();
            let journal = Arc::new(sistema_ts_store::register::NoJournal);
            CqlRegister::open(&server, Arc::new(key), journal, None).unwrap()
        };
        tokio::task::spawn_blocking(open).await.unwrap()
    };
    let taken = "REVOKE MODIFY ON {p}_patients.session FROM {p}_server";
    assert!(!is_refused(&above, &administrator, taken).await);
    let began = Instant::now();
    let told = loop {
        let server = server.clone();
        let exists = tokio::task::spawn_blocking(move || CqlRegister::exists(&server));
        match exists.await.unwrap() {
            Err(error) => break error.to_string(),
            Ok(_) => assert!(began.elapsed() < NOTICED_WITHIN, "the right is there still"),
        }
    };
    let table = format!("<table {}_patients.session>", administrator.keyspace_prefix);
    for part in ["MODIFY", &table, "`sistema-ts roles`"] {
        assert!(told.contains(part), "{told}");
    }
    let migrated = {
        let session = session(&server).await;
        let taken = "REVOKE SELECT ON {p}_tests.migration FROM {p}_server";
        assert!(!is_refused(&above, &administrator, taken).await);
        let versions = "SELECT version FROM {p}_tests.migration";
        until_refused(&session, &server, versions, true).await;
        apply(&session, &server).await.unwrap_err().to_string()
    };
    assert!(migrated.contains("`sistema-ts roles`"), "{migrated}");
    drop(register);
    let accounts = Accounts::of(&administrator);
    let renewed = renew(&above, &administrator, &accounts).await.unwrap();
    assert_eq!((renewed.given, renewed.taken), (2, 0));
}

#[tokio::test]
async fn a_new_password_is_taken_up_by_the_next_connection_and_a_wrong_one_is_told() {
    let Some(administrator) = made("password").await else {
        return;
    };
    let above = session(&administrator).await;
    let server = as_role(&administrator, Role::Server);
    let other = "un'altra password";
    let mut changed = Accounts::of(&administrator);
    changed.server.password_file = Some(password_file(other));
    let renewed = renew(&above, &administrator, &changed).await.unwrap();
    assert_eq!(renewed.passwords, [changed.server.name.clone()]);
    let began = Instant::now();
    let told = loop {
        match connect(&server).await {
            Err(error) => break error.to_string(),
            Ok(_) => assert!(
                began.elapsed() < NOTICED_WITHIN,
                "the old password is taken"
            ),
        }
    };
    let file = server.password_file.display().to_string();
    for part in [server.role.as_str(), "password", &file] {
        assert!(told.contains(part), "{told}");
    }
    for secret in [PASSWORD, other] {
        assert!(!told.contains(secret), "{told}");
    }
    let right = CqlSettings {
        password_file: changed.server.password_file.clone().unwrap(),
        ..server
    };
    connect(&right).await.unwrap();
    let nameless = CqlSettings {
        role: String::new(),
        ..right.clone()
    };
    let told = connect(&nameless).await.unwrap_err().to_string();
    assert!(told.contains("cql.role"), "{told}");
    let without = CqlSettings {
        password_file: Default::default(),
        ..right.clone()
    };
    let told = connect(&without).await.unwrap_err().to_string();
    assert!(told.contains("cql.password_file"), "{told}");
    let file = &right.password_file;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = connect(&right).await.unwrap_err().to_string();
    assert!(told.contains("chmod 600"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_with_names_or_passwords_is_told_before_anything_is_changed() {
    let Some(administrator) = tokio::task::spawn_blocking(|| administrator("wrong"))
        .await
        .unwrap()
    else {
        return;
    };
    let above = session(&administrator).await;
    let right = accounts(&administrator);
    let with_server = |name: &str, password: Option<&str>| Accounts {
        server: Account {
            name: name.to_owned(),
            password_file: password.map(password_file),
        },
        ..right.clone()
    };
    let own = right.server.name.as_str();
    type IsIt = fn(&RoleError) -> bool;
    let cases: [(Accounts, IsIt); 9] = [
        (with_server("Server", Some(PASSWORD)), |error| {
            matches!(error, RoleError::Name(_))
        }),
        (with_server("x\" WITH", Some(PASSWORD)), |error| {
            matches!(error, RoleError::Name(_))
        }),
        (with_server("", Some(PASSWORD)), |error| {
            matches!(error, RoleError::Name(_))
        }),
        (with_server(&right.reader.name, Some(PASSWORD)), |error| {
            matches!(error, RoleError::SameName(_))
        }),
        (with_server(ADMINISTRATOR, Some(PASSWORD)), |error| {
            matches!(error, RoleError::Administrator(_))
        }),
        (with_server(own, None), |error| {
            matches!(error, RoleError::PasswordMissing(_))
        }),
        (with_server(own, Some("too short")), |error| {
            matches!(error, RoleError::Password(_))
        }),
        (with_server(own, Some(&"long".repeat(19))), |error| {
            matches!(error, RoleError::Password(_))
        }),
        (
            with_server(own, Some("two lines\nof a password")),
            |error| matches!(error, RoleError::Connect(_)),
        ),
    ];
    for (accounts, is_it) in cases {
        let error = renew(&above, &administrator, &accounts).await.unwrap_err();
        assert!(is_it(&error), "{error:?}");
        let told = format!("{error:?} {error}");
        assert!(
            !told.contains("too short") && !told.contains(PASSWORD),
            "{told}"
        );
    }
    let keyspaces = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let tests = format!("{}_tests", administrator.keyspace_prefix);
    let found = above.query_unpaged(keyspaces, (tests,)).await.unwrap();
    assert_eq!(found.into_rows_result().unwrap().rows_num(), 0);
    // Whoever is no administrator changes nothing either.
    renew(&above, &administrator, &right).await.unwrap();
    let reader = as_role(&administrator, Role::Reader);
    let below = session(&reader).await;
    let other = CqlSettings {
        keyspace_prefix: format!("{}_x", administrator.keyspace_prefix),
        ..reader.clone()
    };
    let refused = renew(&below, &other, &accounts(&other)).await.unwrap_err();
    let told = refused.to_string();
    assert!(matches!(refused, RoleError::NoAdministrator(_)), "{told}");
    assert!(told.contains("superuser"), "{told}");
}
