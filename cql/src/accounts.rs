//! The accounts that an administrator gives to the database roles of an installation.

use std::path::PathBuf;

use crate::settings::CqlSettings;

/// An account: a name, and where the password is that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The role's name among all roles of the cluster.
    pub name: String,
    /// The file with its password, one line, readable by its owner alone. None: whatever password it has, it keeps.
    pub password_file: Option<PathBuf>,
}

/// One for each role (`docs/cql.md`, "Roles").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// For servers, and for the commands of the register.
    pub server: Account,
    /// For `sistema-ts migrate`.
    pub migrate: Account,
    /// For `sistema-ts audit search`.
    pub reader: Account,
}

impl Accounts {
    /// Those that keep their passwords, each named by the installation's prefix and what it is for.
    #[must_use]
    pub fn of(settings: &CqlSettings) -> Self {
        let named = |what| Account {
            name: format!("{}_{what}", settings.keyspace_prefix),
            password_file: None,
        };
        Self {
            server: named("server"),
            migrate: named("migrate"),
            reader: named("reader"),
        }
    }
}
