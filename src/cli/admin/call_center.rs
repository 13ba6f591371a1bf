//! `sistema-ts admin call-center …`

use clap::{Args, Subcommand};
use serde_json::json;
use sistema_ts_model::{CallCenterCode, Caller};
use sistema_ts_store::register::{RegisterChange, RegisterError};

use super::caller::{certificates, display_name, remove, rename, set_enabled};
use super::context::Context;
use crate::cli::error::{AdminError, CliError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a call centre, enabled; it needs a certificate, a network and operators as well
    Add {
        /// Its code: 1 to 16 letters, digits, dashes, dots and underscores
        #[arg(value_parser = CallCenterCode::parse)]
        code: CallCenterCode,
        /// Its name, for people
        #[arg(long, value_parser = display_name)]
        name: String,
    },
    /// List the registered call centres
    List,
    /// Show a call centre with its certificates and networks
    Show(CodeArgument),
    /// Let a disabled call centre call again
    Enable(CodeArgument),
    /// Refuse a call centre from its next request on
    Disable(CodeArgument),
    /// Give a call centre another name
    Rename {
        /// Its code, which stays
        #[arg(value_parser = CallCenterCode::parse)]
        code: CallCenterCode,
        /// Its name from now on, for people
        #[arg(long, value_parser = display_name)]
        name: String,
    },
    /// Remove a call centre that has no certificate, network or operator any more
    Remove(CodeArgument),
}

#[derive(Debug, Args)]
pub(super) struct CodeArgument {
    /// Its code
    #[arg(value_parser = CallCenterCode::parse)]
    code: CallCenterCode,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let register = &context.register;
    match command {
        Command::Add { code, name } => {
            let caller = Caller::CallCenter(code);
            context
                .change(RegisterChange::AddCaller { caller, name })
                .await?;
            context
                .output
                .done(&format!("call centre {code} registered"))
        }
        Command::List => {
            let snapshot = register.snapshot();
            let callers = snapshot.callers();
            let rows = callers.iter().filter_map(|entry| match entry.caller {
                Caller::CallCenter(code) => Some(vec![
                    json!(code.as_str()),
                    json!(entry.name),
                    json!(entry.enabled),
                    json!(entry.certificates.len()),
                    json!(snapshot.networks(&entry.caller).len()),
                    json!(snapshot.operators(&entry.caller).len()),
                ]),
                _ => None,
            });
            let names = [
                "code",
                "name",
                "enabled",
                "certificates",
                "networks",
                "operators",
            ];
            context.output.table(&names, rows.collect())
        }
        Command::Show(CodeArgument { code }) => {
            let snapshot = register.snapshot();
            let caller = Caller::CallCenter(code);
            let entry = snapshot.caller(&caller).ok_or_else(|| {
                AdminError::from(RegisterError::Missing(format!("call centre {code}")))
            })?;
            let networks = snapshot.networks(&caller).iter().map(ToString::to_string);
            context.output.fields(&[
                ("code", json!(code.as_str())),
                ("name", json!(entry.name)),
                ("enabled", json!(entry.enabled)),
                ("certificates", certificates(entry)),
                ("networks", networks.collect()),
                ("operators", json!(snapshot.operators(&caller).len())),
            ])
        }
        Command::Enable(CodeArgument { code }) => {
            set_enabled(context, Caller::CallCenter(code), true).await
        }
        Command::Disable(CodeArgument { code }) => {
            set_enabled(context, Caller::CallCenter(code), false).await
        }
        Command::Rename { code, name } => rename(context, Caller::CallCenter(code), name).await,
        Command::Remove(CodeArgument { code }) => remove(context, Caller::CallCenter(code)).await,
    }
}
