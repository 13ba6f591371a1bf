//! `sistema-ts admin operator …`: operators who are known by codice fiscale.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use sistema_ts_model::{Caller, CodiceFiscale, Service};
use sistema_ts_store::register::rules::caller_name;
use sistema_ts_store::register::{Profiles, RegisterChange};

use super::caller::CallerArguments;
use super::context::Context;
use super::import::import;
use super::output::service_names;
use crate::cli::error::{AdminError, CliError};
use crate::cli::person::read_fiscal_code;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register an operator, enabled
    ///
    /// The operator's codice fiscale is read from standard input, one line.
    Add {
        #[command(flatten)]
        operator: OperatorArguments,
        #[command(flatten)]
        profiles: ProfileArguments,
    },
    /// Register the operators of a file, one codice fiscale a line; those who are registered already stay as they are
    Import {
        #[command(flatten)]
        caller: CallerArguments,
        #[command(flatten)]
        profiles: ProfileArguments,
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// List a caller's operators with their codici fiscali
    List {
        #[command(flatten)]
        caller: CallerArguments,
    },
    /// Let a disabled operator work again
    Enable {
        #[command(flatten)]
        operator: OperatorArguments,
    },
    /// Refuse an operator from the next request on
    Disable {
        #[command(flatten)]
        operator: OperatorArguments,
    },
    /// Forget an operator who works there no longer; access records keep their own
    Remove {
        #[command(flatten)]
        operator: OperatorArguments,
    },
    /// Replace the services that an operator may ask for; without any, none
    Profiles {
        #[command(flatten)]
        operator: OperatorArguments,
        /// Of a region: elencoTestEffettuati, invioCodiceOtp; of a call centre: verificaPositivita, sbloccoCodiceImmuni,
        /// confermaSbloccoImmuni
        #[arg(value_name = "SERVICE", value_parser = service)]
        services: Vec<Service>,
    },
}

#[derive(Debug, Args)]
pub(super) struct OperatorArguments {
    #[command(flatten)]
    caller: CallerArguments,
    /// Read the operator's codice fiscale from a file instead of standard input
    #[arg(long, value_name = "FILE")]
    fiscal_code_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ProfileArguments {
    /// A service that the operator may ask for, of a region: elencoTestEffettuati, invioCodiceOtp; of a call centre:
    /// verificaPositivita, sbloccoCodiceImmuni, confermaSbloccoImmuni; may be given several times [default: for a call
    /// centre all three, for a region none]
    #[arg(long = "profile", value_name = "SERVICE", value_parser = service)]
    profiles: Vec<Service>,
}

impl ProfileArguments {
    fn of(&self, caller: &Caller) -> Profiles {
        match caller {
            Caller::CallCenter(_) if self.profiles.is_empty() => Profiles::of_operators(caller),
            _ => self.profiles.iter().copied().collect(),
        }
    }
}

impl OperatorArguments {
    fn read(&self) -> Result<(Caller, CodiceFiscale), AdminError> {
        let caller = self.caller.caller()?;
        Ok((caller, read_fiscal_code(self.fiscal_code_file.as_deref())?))
    }
}

fn service(name: &str) -> Result<Service, String> {
    Service::from_name(name).ok_or_else(|| "there is no such service".to_owned())
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Add { operator, profiles } => {
            let (caller, fiscal_code) = operator.read()?;
            let added = RegisterChange::AddOperator {
                caller,
                fiscal_code,
                profiles: profiles.of(&caller),
            };
            context.change(added).await?;
            let done = format!("operator of {} registered", caller_name(caller));
            context.output.done(&done)
        }
        Command::Import {
            caller,
            profiles,
            file,
        } => {
            let caller = caller.caller()?;
            import(context, caller, profiles.of(&caller), &file).await
        }
        Command::List { caller } => {
            let operators = context.register.snapshot().operators(&caller.caller()?);
            let rows = operators.iter().map(|entry| {
                vec![
                    json!(entry.fiscal_code.expose()),
                    json!(entry.enabled),
                    json!(entry.added_at.to_string()),
                    service_names(entry.profiles),
                ]
            });
            context.output.table(
                &["fiscal_code", "enabled", "registered_at", "profiles"],
                rows.collect(),
            )
        }
        Command::Enable { operator } => set_enabled(context, &operator, true).await,
        Command::Disable { operator } => set_enabled(context, &operator, false).await,
        Command::Remove { operator } => {
            let (caller, fiscal_code) = operator.read()?;
            let removed = RegisterChange::RemoveOperator {
                caller,
                fiscal_code,
            };
            context.change(removed).await?;
            let done = format!("operator of {} removed", caller_name(caller));
            context.output.done(&done)
        }
        Command::Profiles { operator, services } => {
            let (caller, fiscal_code) = operator.read()?;
            let profiles: Profiles = services.into_iter().collect();
            let set = RegisterChange::SetOperatorProfiles {
                caller,
                fiscal_code,
                profiles,
            };
            context.change(set).await?;
            context
                .output
                .fields(&[("profiles", service_names(profiles))])
        }
    }
}

async fn set_enabled(
    context: &Context,
    operator: &OperatorArguments,
    enabled: bool,
) -> Result<(), CliError> {
    let (caller, fiscal_code) = operator.read()?;
    let set = RegisterChange::SetOperatorEnabled {
        caller,
        fiscal_code,
        enabled,
    };
    context.change(set).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    context
        .output
        .done(&format!("operator of {} {state}", caller_name(caller)))
}
