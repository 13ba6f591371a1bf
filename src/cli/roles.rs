//! `sistema-ts roles`: the database roles of a store that servers share.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::configuration::ConfigurationArguments;
use super::error::CliError;
use crate::backend::{Account, Accounts};

/// Each role has the rights that it needs and no other (docs/cql.md, "Roles"). Passwords are read from files alone, each of one line and its owner's
/// alone.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    /// The administrator of the cluster, a superuser [default: cql.role]
    #[arg(long, value_name = "NAME", requires = "administrator_password_file")]
    administrator: Option<String>,

    /// The file with the administrator's password [default: cql.password_file]
    #[arg(long, value_name = "FILE", requires = "administrator")]
    administrator_password_file: Option<PathBuf>,

    /// The role for servers and for the commands of the register [default: <cql.keyspace_prefix>_server]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// The password that it is to have; without this it keeps its own
    #[arg(long, value_name = "FILE")]
    server_password_file: Option<PathBuf>,

    /// The role for `sistema-ts migrate` [default: <cql.keyspace_prefix>_migrate]
    #[arg(long, value_name = "NAME")]
    migrate: Option<String>,

    /// The password that it is to have; without this it keeps its own
    #[arg(long, value_name = "FILE")]
    migrate_password_file: Option<PathBuf>,

    /// The role for `sistema-ts audit search` [default: <cql.keyspace_prefix>_reader]
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,

    /// The password that it is to have; without this it keeps its own
    #[arg(long, value_name = "FILE")]
    reader_password_file: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let mut archives = configuration.archives();
    let settings = &mut archives.sections.cql;
    if let (Some(name), Some(file)) = (
        arguments.administrator,
        arguments.administrator_password_file,
    ) {
        settings.role = name;
        settings.password_file = file;
    }
    let Accounts {
        server,
        migrate,
        reader,
    } = Accounts::of(settings);
    let account = |account: Account, name: Option<String>, password_file| Account {
        name: name.unwrap_or(account.name),
        password_file,
    };
    let accounts = Accounts {
        server: account(server, arguments.server, arguments.server_password_file),
        migrate: account(migrate, arguments.migrate, arguments.migrate_password_file),
        reader: account(reader, arguments.reader, arguments.reader_password_file),
    };
    let mut told = String::new();
    match archives.renew_roles(&accounts)? {
        None => told.push_str("Nothing to do: this store has no roles.\n"),
        Some(renewed) => {
            for name in renewed.made {
                told.push_str(&format!("{name}: made.\n"));
            }
            for name in renewed.passwords {
                told.push_str(&format!("{name}: has the password of its file.\n"));
            }
            let (given, taken) = (renewed.given, renewed.taken);
            told.push_str(&format!("Rights given: {given}, taken away: {taken}.\n"));
            if renewed.lacks_tables {
                told.push_str(
                    "Tables are missing: run `sistema-ts migrate`, and this command once more.\n",
                );
            }
        }
    }
    write!(io::stdout().lock(), "{told}").map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
