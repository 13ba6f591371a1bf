//! The tables, and the keyspaces that they lie in.

/// A keyspace, by what its rows have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyspace {
    /// Tests, receipts and lives: no datum of a person in the clear, nothing erased by deleting.
    Tests,
    /// What is erased of a person: sealed, and uncompressed, so that a search of the files can show that it is gone.
    Patients,
    /// Access records.
    Access,
    /// The register of callers, structures and users.
    Register,
}

impl Keyspace {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tests, Self::Patients, Self::Access, Self::Register];

    /// What stands in braces for it in migrations and statements, and after the installation's prefix in its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Patients => "patients",
            Self::Access => "access",
            Self::Register => "register",
        }
    }
}

/// Puts the keyspaces' names into a text of CQL: `{tests}` becomes the installation's prefix, an underscore, and `tests`.
#[must_use]
pub fn with_keyspaces(text: &str, prefix: &str) -> String {
    Keyspace::ALL
        .iter()
        .fold(text.to_owned(), |text, keyspace| {
            let name = keyspace.name();
            text.replace(&format!("{{{name}}}"), &format!("{prefix}_{name}"))
        })
}
