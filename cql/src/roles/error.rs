//! Why the roles are not, or could not be made, as they must be.

use std::path::PathBuf;

use thiserror::Error;

use crate::connect_error::ConnectError;
use crate::migrations::MigrationError;

/// Why the roles are not as they must be. No text holds a password, nor a node's own words, which may repeat a statement.
#[derive(Debug, Error)]
pub enum RoleError {
    /// No session with the cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The keyspaces cannot be made.
    #[error(transparent)]
    Keyspaces(#[from] MigrationError),
    /// A name that no role is to have.
    #[error(
        "{0:?} is no name for a role: 1 to 48 small letters, digits and underscores, the first a letter"
    )]
    Name(String),
    /// One name for two.
    #[error("{0:?} is given to two roles: each has rights of its own, and so a name of its own")]
    SameName(String),
    /// The rights of whoever signed in would be taken away.
    #[error("{0:?} is the administrator: the roles of servers and people are others")]
    Administrator(String),
    /// Whoever signed in may not do it.
    #[error("{0:?} is no administrator of the cluster: it takes a superuser to make roles")]
    NoAdministrator(String),
    /// A role that is not there needs a password.
    #[error("there is no role {0:?}: give the file with the password that it is to have")]
    PasswordMissing(String),
    /// A password that no role is to have.
    #[error(
        "{}: a role's password is one line of 12 to 72 printable ASCII characters, without a blank at either end",
        .0.display()
    )]
    Password(PathBuf),
    /// The nodes let everybody do everything, so roles mean nothing.
    #[error(
        "the nodes do not check what a role may do: they need an authenticator and an authorizer (docs/administration.md)"
    )]
    NotChecked,
    /// Something was refused.
    #[error("{what} has failed: {reason}")]
    Refused {
        /// What.
        what: String,
        /// Why.
        reason: &'static str,
    },
    /// A right that cannot be taken away here.
    #[error(
        "the role {role:?} has a right that this program does not know: {right}. Take it away by hand"
    )]
    UnknownRight {
        /// Whose.
        role: String,
        /// As the nodes list it.
        right: String,
    },
}
