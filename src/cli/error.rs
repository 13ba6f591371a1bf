//! Why a command could not be done. No text holds a code, a fiscal code, a secret or another personal value.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use sistema_ts_model::{CodeError, CodiceFiscaleError};
use sistema_ts_store::StoreError;
use sistema_ts_store::cards::{AdditionError, CardError};
use sistema_ts_store::hand_over::HandOverError;
use sistema_ts_store::keys::KeyError;
use sistema_ts_store::permissions::PermissionError;
use sistema_ts_store::register::{RegisterError, RegisterKeyError};

use crate::auth::{CredentialError, PasswordError};
use crate::config::ConfigurationError;
use crate::control::AskError;
use crate::pki::PkiError;
use crate::serve::ServeError;

/// Why a command could not be done. Its text never holds a code or another personal value.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Standard input could not be read.
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The server did not start, or did not end well.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A secret lies open to other users of the machine.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The ring of day keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Secrets were not handed over.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// The clock could not be confirmed or repaired.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The data folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The development authority refused.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Health cards.
    #[error(transparent)]
    Cards(#[from] CardsError),
    /// Access records.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The register refused, or what was to be registered cannot be.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Why an administrator's command was not done. No text holds a fiscal code or a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("{what} could not be read: {reason}")]
    Unreadable { what: String, reason: io::Error },
    #[error("there are more lines than {expected}: only one can be named at a time")]
    TooManyLines { expected: usize },
    #[error("password and pincode could not be written, so that nothing was changed: {0}")]
    NotWritten(io::Error),
    #[error("{reason}; the password and pincode that were written are not valid")]
    NotValid { reason: RegisterError },
    #[error("{0}")]
    Certificate(String),
    #[error("no caller was named")]
    NoCaller,
    #[error("neither a structure nor an ASL was named")]
    NoWorkplace,
    #[error("wrong lines: {0}, skipped; the others are registered")]
    WrongLines(u64),
    #[error("line {line}: {reason}; nothing from here on is registered")]
    StoppedAt { line: u64, reason: RegisterError },
    #[error("the operator's codice fiscale: {0}")]
    FiscalCode(#[from] CodiceFiscaleError),
    #[error("the password file: {0}")]
    Password(#[from] PasswordError),
    #[error(
        "the password file has more than one line: it holds the password alone, since the pincode is always made here"
    )]
    MoreThanAPassword,
    #[error(
        "{} is there but its key {} is not: put the key back, without it no user of the register can be checked",
        register.display(), key.display()
    )]
    KeyLost { register: PathBuf, key: PathBuf },
    #[error("the CUN: {0}")]
    Code(#[from] CodeError),
    #[error(transparent)]
    Control(#[from] AskError),
    #[error("the running server has changed nothing: {0}")]
    NotDone(String),
    #[error("whether the running server has done it is not known: {0}")]
    NotKnown(String),
    #[error("the asynchronous runtime could not be started: {0}")]
    Runtime(io::Error),
}

/// Why the archive could not be searched.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuditError {
    #[error(transparent)]
    Archive(#[from] StoreError),
    #[error("the interval ends before it begins")]
    Interval,
}

/// Why cards were not imported. No text holds what stood in a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum CardsError {
    #[error(transparent)]
    Register(CardError),
    #[error(transparent)]
    Addition(#[from] AdditionError),
    #[error(
        "{cards} cards were taken and {registered} are registered: the register stays as it was (see --maximum-loss-percent)"
    )]
    FarFewer { cards: u64, registered: u64 },
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
    #[error("{}: {reason}", file.display())]
    File { file: PathBuf, reason: String },
    #[error(
        "{bad} of {lines} lines are bad: the register stays as it was (see --maximum-bad-percent)"
    )]
    TooManyBadLines { bad: u64, lines: u64 },
    #[error(
        "{}: it belongs to user {owner}, and the server could not read what user {own} makes there: run this command as user {owner}",
        folder.display()
    )]
    AnotherUser {
        folder: PathBuf,
        owner: u32,
        own: u32,
    },
    #[error("the asynchronous runtime could not be started: {0}")]
    Runtime(io::Error),
}

impl CardsError {
    pub(super) fn file(file: &Path, reason: &dyn Display) -> Self {
        Self::File {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl From<CardError> for CardsError {
    fn from(error: CardError) -> Self {
        match error {
            CardError::FarFewer { cards, registered } => Self::FarFewer { cards, registered },
            error => Self::Register(error),
        }
    }
}

/// Why the clock could not be confirmed or repaired.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClockError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The running server could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The running server did not do it.
    #[error("{0}")]
    NotDone(String),
}
