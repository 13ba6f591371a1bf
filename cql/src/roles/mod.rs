//! The database roles of an installation, each with the rights that it needs and no other. What servers and readers may do follows from the
//! statements that they send.

mod error;
mod held;
mod renewing;

use std::collections::BTreeSet;
use std::fmt;

use crate::statement::{Kind, Statement};
use crate::tables::with_keyspaces;

pub use error::RoleError;
pub(crate) use held::check_own;
pub use renewing::{Renewed, renew};

/// The table of the versions of the schema.
const MIGRATION: &str = "{tests}.migration";
/// The table of the lock of whoever migrates.
const MIGRATION_LOCK: &str = "{tests}.migration_lock";

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Servers, and the commands of the register: all statements, and nothing of the schema.
    Server,
    /// `sistema-ts migrate`: the schema, and no row but those of migrating itself.
    Migrate,
    /// `sistema-ts audit search`: access records, and the tests from which the newest are derived. Neither patients nor the register.
    Reader,
}

/// What may be done, by CQL's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read rows; a condition of a write reads as well.
    Select,
    /// Write and delete rows.
    Modify,
    /// Make tables.
    Create,
    /// Change tables.
    Alter,
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Select => "SELECT",
            Self::Modify => "MODIFY",
            Self::Create => "CREATE",
            Self::Alter => "ALTER",
        })
    }
}

/// To what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A keyspace with all of its tables, those to come included; as statements name it: `{tests}`.
    Keyspace(&'static str),
    /// A table, as statements name it: `{tests}.code`.
    Table(&'static str),
}

impl Resource {
    /// As the nodes list it, in lower case as they keep names.
    fn listed(self, prefix: &str) -> String {
        let text = match self {
            Self::Keyspace(name) => format!("<keyspace {name}>"),
            Self::Table(name) => format!("<table {name}>"),
        };
        with_keyspaces(&text, prefix).to_lowercase()
    }
}

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// To what.
    pub resource: Resource,
    /// What.
    pub permission: Permission,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Server, Self::Migrate, Self::Reader];

    /// Its name, where an administrator has given no other: after the installation's prefix and an underscore.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Migrate => "migrate",
            Self::Reader => "reader",
        }
    }

    /// What it may do; nothing else.
    #[must_use]
    pub fn rights(self) -> BTreeSet<Right> {
        let own = |table, permissions: &'static [Permission]| {
            let of = move |permission: &Permission| Right {
                resource: Resource::Table(table),
                permission: *permission,
            };
            permissions.iter().map(of)
        };
        let sent: &[Statement] = match self {
            Self::Server => Statement::ALL,
            Self::Reader => &[
                Statement::ReadHours,
                Statement::ListAccess,
                Statement::ListHour,
            ],
            Self::Migrate => {
                let keyspaces = ["{tests}", "{patients}", "{access}", "{register}"];
                let schema = keyspaces.iter().flat_map(|keyspace| {
                    [Permission::Create, Permission::Alter].map(|permission| Right {
                        resource: Resource::Keyspace(keyspace),
                        permission,
                    })
                });
                let both: &[_] = &[Permission::Select, Permission::Modify];
                let tables = own(MIGRATION, both).chain(own(MIGRATION_LOCK, both));
                return schema.chain(tables).collect();
            }
        };
        let of_statements = sent.iter().flat_map(|statement| {
            let needed: &[_] = match statement.kind() {
                Kind::Read | Kind::SerialRead => &[Permission::Select],
                Kind::Write | Kind::Batched => &[Permission::Modify],
                Kind::Conditional => &[Permission::Select, Permission::Modify],
                // Of a node itself everybody who signs in may read.
                Kind::OfNode => &[],
            };
            own(statement.table(), needed)
        });
        // Whoever opens the cluster looks at the schema's version.
        of_statements
            .chain(own(MIGRATION, &[Permission::Select]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    //! A failure is a keyspace in which no migration may make a table.
    use super::*;
    use crate::tables::Keyspace;

    #[test]
    fn whoever_migrates_may_make_and_change_tables_in_every_keyspace() {
        let rights = Role::Migrate.rights();
        for keyspace in Keyspace::ALL {
            let listed = format!("<keyspace p_{}>", keyspace.name());
            let of = rights
                .iter()
                .filter(|right| right.resource.listed("p") == listed);
            assert_eq!(of.count(), 2, "{listed}");
        }
    }
}
