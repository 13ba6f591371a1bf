//! The roles of a test's keyspaces. At first the administrator of a node is `cassandra`, with the password `cassandra`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sistema_ts_cql::roles::{Role, renew};
use sistema_ts_cql::{Account, Accounts, CqlSettings, connect};

/// The name, and the password, of the administrator.
pub const ADMINISTRATOR: &str = "cassandra";
/// The password of all roles of tests.
pub const PASSWORD: &str = "una password 'di prova'";

/// Whether whoever connects signs in.
pub fn are_there() -> bool {
    let is_ours = std::env::var_os("TEST_CQL_ADDRESS").is_none();
    is_ours || std::env::var("TEST_CQL_ROLES").is_ok_and(|value| value == "1")
}

/// A file with a password, its owner's alone.
pub fn password_file(password: &str) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = format!("password-{:016x}", rand::random::<u64>());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&file);
    std::io::Write::write_all(&mut opened.unwrap(), password.as_bytes()).unwrap();
    file
}

/// The same settings, for the administrator.
pub fn as_administrator(settings: CqlSettings) -> CqlSettings {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| password_file(ADMINISTRATOR));
    CqlSettings {
        role: ADMINISTRATOR.to_owned(),
        password_file: FILE.clone(),
        ..settings
    }
}

/// The same settings, for a role that [`accounts`] has made.
pub fn as_role(settings: &CqlSettings, role: Role) -> CqlSettings {
    let accounts = accounts(settings);
    let Account {
        name,
        password_file,
    } = match role {
        Role::Server => accounts.server,
        Role::Migrate => accounts.migrate,
        Role::Reader => accounts.reader,
    };
    CqlSettings {
        role: name,
        password_file: password_file.unwrap(),
        ..settings.clone()
    }
}

/// Accounts for the roles of these keyspaces, by their usual names.
pub fn accounts(settings: &CqlSettings) -> Accounts {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| password_file(PASSWORD));
    let mut accounts = Accounts::of(settings);
    for account in [
        &mut accounts.server,
        &mut accounts.migrate,
        &mut accounts.reader,
    ] {
        account.password_file = Some(FILE.clone());
    }
    accounts
}

/// Makes keyspaces, roles and tables as an administrator's settings say, the tables as the role for migrations. Answers the settings of a server.
pub fn make_all(administrator: &CqlSettings) -> CqlSettings {
    let accounts = accounts(administrator);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let renew = |accounts: &Accounts| {
        runtime.block_on(async {
            let session = connect(administrator).await.unwrap();
            renew(&session, administrator, accounts).await.unwrap()
        })
    };
    assert!(renew(&accounts).lacks_tables);
    super::make_keyspaces(&as_role(administrator, Role::Migrate));
    // They keep their passwords.
    assert!(!renew(&Accounts::of(administrator)).lacks_tables);
    as_role(administrator, Role::Server)
}
