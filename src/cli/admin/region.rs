//! `sistema-ts admin region …`

use clap::{Args, Subcommand};
use serde_json::json;
use sistema_ts_model::{Caller, RegionCode};
use sistema_ts_store::register::{RegisterChange, RegisterError};

use super::caller::{certificates, display_name, remove, rename, set_enabled};
use super::context::Context;
use crate::cli::error::{AdminError, CliError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a region, enabled; its certificates are added with `admin certificate add`
    Add {
        /// The region's three digits
        #[arg(value_parser = RegionCode::parse)]
        code: RegionCode,
        /// Its name, for people [default: the region's]
        #[arg(long, value_parser = display_name)]
        name: Option<String>,
    },
    /// List the registered regions
    List,
    /// Show a region with its certificates
    Show(CodeArgument),
    /// Let a disabled region call again
    Enable(CodeArgument),
    /// Refuse a region from its next request on
    Disable(CodeArgument),
    /// Give a region another name
    Rename {
        /// The region's three digits
        #[arg(value_parser = RegionCode::parse)]
        code: RegionCode,
        /// Its name from now on, for people
        #[arg(long, value_parser = display_name)]
        name: String,
    },
    /// Remove a region that has no certificate or operator any more; its structures and their users stay
    Remove(CodeArgument),
}

#[derive(Debug, Args)]
pub(super) struct CodeArgument {
    /// The region's three digits
    #[arg(value_parser = RegionCode::parse)]
    code: RegionCode,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let register = &context.register;
    match command {
        Command::Add { code, name } => {
            let name = name.unwrap_or_else(|| code.name().to_owned());
            let caller = Caller::Region(code);
            context
                .change(RegisterChange::AddCaller { caller, name })
                .await?;
            context.output.done(&format!("region {code} registered"))
        }
        Command::List => {
            let regions = register.snapshot().callers();
            let rows = regions.iter().filter_map(|entry| match entry.caller {
                Caller::Region(code) => Some(vec![
                    json!(code.as_str()),
                    json!(entry.name),
                    json!(entry.enabled),
                    json!(entry.certificates.len()),
                ]),
                _ => None,
            });
            context
                .output
                .table(&["code", "name", "enabled", "certificates"], rows.collect())
        }
        Command::Show(CodeArgument { code }) => {
            let snapshot = register.snapshot();
            let entry = snapshot.caller(&Caller::Region(code)).ok_or_else(|| {
                AdminError::from(RegisterError::Missing(format!("region {code}")))
            })?;
            context.output.fields(&[
                ("code", json!(code.as_str())),
                ("name", json!(entry.name)),
                ("enabled", json!(entry.enabled)),
                ("certificates", certificates(entry)),
            ])
        }
        Command::Enable(CodeArgument { code }) => {
            set_enabled(context, Caller::Region(code), true).await
        }
        Command::Disable(CodeArgument { code }) => {
            set_enabled(context, Caller::Region(code), false).await
        }
        Command::Rename { code, name } => rename(context, Caller::Region(code), name).await,
        Command::Remove(CodeArgument { code }) => remove(context, Caller::Region(code)).await,
    }
}
