//! `sistema-ts admin …`: the register of callers, structures, users and operators.
//!
//! The register is one file that this command writes beside a running server, which takes up each change within its poll
//! interval. Secrets and fiscal codes never stand on the command line, where other users of the machine would see them: they are
//! read from standard input or a file.

mod call_center;
mod caller;
mod certificate;
mod context;
mod cun;
mod import;
mod network;
mod notice;
mod operator;
mod output;
mod region;
mod structure;
mod user;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use sistema_ts_store::register::{RegisterError, RegisterKey, RegisterKeyError};

use self::context::Context;
use self::output::Output;
use crate::cli::configuration::ConfigurationArguments;
use crate::cli::error::{AdminError, CliError};
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
    if archives.has_register().map_err(AdminError::from)? {
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
