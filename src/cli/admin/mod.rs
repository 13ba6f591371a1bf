//! `sistema-ts admin …`: the register of callers, structures, users and operators.
//!
//! The register is one file that this command writes beside a running server, which takes up each change within its poll
//! interval. Secrets and fiscal codes never stand on the command line, where other users of the machine would see them: they are
//! read from standard input or a file.

mod call_center;
mod caller;
mod certificate;
mod cun;
mod import;
mod network;
mod operator;
mod output;
pub(super) mod person;
mod region;
mod structure;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use sistema_ts_model::{Clock as _, SystemClock, Timestamp};
use sistema_ts_store::register::{Register, RegisterError, RegisterKey, RegisterKeyError};

use self::output::Output;
use super::CliError;
use super::configuration::ConfigurationArguments;
use crate::auth::{CredentialError, CredentialHasher, PasswordError};
use crate::config::Configuration;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an empty register, and its key if there is none yet
    Init,
    /// Regions and autonomous provinces
    #[command(subcommand)]
    Region(region::Command),
    /// Call centres
    #[command(subcommand)]
    CallCenter(call_center::Command),
    /// Networks from which call centres call
    #[command(subcommand)]
    Network(network::Command),
    /// Operators of regions and call centres, known by codice fiscale
    #[command(subcommand)]
    Operator(operator::Command),
    /// Certificates of registered callers
    #[command(subcommand)]
    Certificate(certificate::Command),
    /// Structures
    #[command(subcommand)]
    Structure(structure::Command),
    /// Operators of structures and ASLs, who sign in with user id, password and pincode
    #[command(subcommand)]
    User(user::Command),
    /// Codes of tests, of which the running server is asked
    #[command(subcommand)]
    Cun(cun::Command),
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
    Unreadable {
        what: String,
        reason: std::io::Error,
    },
    #[error("there are more lines than {expected}: only one can be named at a time")]
    TooManyLines { expected: usize },
    #[error("password and pincode could not be written, so that nothing was changed: {0}")]
    NotWritten(std::io::Error),
    #[error("{reason}; the password and pincode that were written are not valid")]
    NotValid { reason: RegisterError },
    #[error("{0}")]
    Certificate(String),
    #[error("no caller was named")]
    NoCaller,
    #[error("wrong lines: {0}, skipped; the others are registered")]
    WrongLines(u64),
    #[error("line {line}: {reason}; nothing from here on is registered")]
    StoppedAt { line: u64, reason: RegisterError },
    #[error("the operator's codice fiscale: {0}")]
    FiscalCode(#[from] sistema_ts_model::CodiceFiscaleError),
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
    Code(#[from] sistema_ts_model::CodeError),
    #[error(transparent)]
    Control(#[from] crate::control::AskError),
    #[error("the running server has changed nothing: {0}")]
    NotDone(String),
    #[error("whether the running server has done it is not known: {0}")]
    NotKnown(String),
    #[error("the asynchronous runtime could not be started: {0}")]
    Runtime(std::io::Error),
}

/// What every command works with.
struct Context {
    register: Arc<dyn Register>,
    key: Arc<RegisterKey>,
    configuration: Configuration,
    output: Output,
    now: Timestamp,
}

impl Context {
    fn open(configuration: Configuration, output: Output) -> Result<Self, AdminError> {
        let key = match RegisterKey::load(&configuration.register.key_file) {
            Ok(key) => Arc::new(key),
            Err(RegisterKeyError::File { reason, .. })
                if reason.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(missing_key(&configuration));
            }
            Err(error) => return Err(error.into()),
        };
        let register = configuration.archives().register(Arc::clone(&key), None)?;
        Ok(Context {
            register,
            key,
            configuration,
            output,
            now: SystemClock.now(),
        })
    }

    fn hasher(&self) -> Result<CredentialHasher, AdminError> {
        Ok(CredentialHasher::new(
            &self.key,
            self.configuration.argon2_cost(),
        )?)
    }
}

/// Without a key: either nothing was made yet, or the key is lost.
fn missing_key(configuration: &Configuration) -> AdminError {
    let archives = configuration.archives();
    if archives.has_register() {
        let register = archives.register_place();
        let key = configuration.register.key_file.clone();
        AdminError::KeyLost { register, key }
    } else {
        RegisterError::NotFound(archives.data_folder).into()
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let output = Output {
        json: arguments.json,
    };
    match &arguments.command {
        Command::Init => {
            init(&configuration, output)?;
            return Ok(ExitCode::SUCCESS);
        }
        // The running server's matter: no register is opened here.
        Command::Cun(command) => return cun::run(&configuration, output, command),
        _ => {}
    }
    let context = Context::open(configuration, output)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(AdminError::Runtime)?;
    runtime.block_on(async {
        match arguments.command {
            Command::Init | Command::Cun(_) => Ok(()),
            Command::Region(command) => region::run(&context, command).await,
            Command::CallCenter(command) => call_center::run(&context, command).await,
            Command::Network(command) => network::run(&context, command).await,
            Command::Operator(command) => operator::run(&context, command).await,
            Command::Certificate(command) => certificate::run(&context, command).await,
            Command::Structure(command) => structure::run(&context, command).await,
            Command::User(command) => user::run(&context, command).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn init(configuration: &Configuration, output: Output) -> Result<(), CliError> {
    let key_file = &configuration.register.key_file;
    let archives = configuration.archives();
    // Asked before a key is made: a register whose key is gone needs that key, not a new one.
    if archives.has_register() {
        let made = RegisterError::AlreadyMade(archives.data_folder);
        return Err(AdminError::from(made).into());
    }
    let key = match RegisterKey::create(key_file) {
        Err(RegisterKeyError::Exists(_)) => RegisterKey::load(key_file),
        made => made,
    };
    let key = key.map_err(AdminError::from)?;
    archives.create_register(&key).map_err(AdminError::from)?;
    let register = archives.register_place();
    output.fields(&[
        ("register", register.display().to_string().into()),
        ("key", key_file.display().to_string().into()),
    ])
}
