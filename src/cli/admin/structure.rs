//! `sistema-ts admin structure …`

use clap::{Args, Subcommand};
use serde_json::json;
use sistema_ts_model::{RegionCode, StructureDescription, StructureId};
use sistema_ts_store::register::{RegisterChange, RegisterError, Workplace};

use super::context::Context;
use crate::cli::error::{AdminError, CliError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a structure, enabled
    Add {
        /// Region, ASL and structure, such as 010-101-000123
        #[arg(value_parser = StructureId::parse)]
        id: StructureId,
        /// Its name, 1 to 256 characters
        #[arg(long, value_parser = StructureDescription::parse)]
        description: StructureDescription,
    },
    /// List the registered structures
    List {
        /// Those of one region alone
        #[arg(long, value_parser = RegionCode::parse)]
        region: Option<RegionCode>,
    },
    /// Show a structure with its users
    Show(StructureArgument),
    /// Take tests of a disabled structure again, and let its users call again
    Enable(StructureArgument),
    /// Refuse tests of a structure, and all its users, from the next request on
    Disable(StructureArgument),
    /// Give a structure another name
    Rename {
        /// Region, ASL and structure, which stay
        #[arg(value_parser = StructureId::parse)]
        id: StructureId,
        /// Its name from now on, 1 to 256 characters
        #[arg(long, value_parser = StructureDescription::parse)]
        description: StructureDescription,
    },
    /// Remove a structure that has no users any more; tests that it has reported stay as they are
    Remove(StructureArgument),
}

#[derive(Debug, Args)]
pub(super) struct StructureArgument {
    /// Region, ASL and structure
    #[arg(value_parser = StructureId::parse)]
    id: StructureId,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let register = &context.register;
    match command {
        Command::Add { id, description } => {
            context
                .change(RegisterChange::AddStructure { id, description })
                .await?;
            context.output.done(&format!("structure {id} registered"))
        }
        Command::List { region } => {
            let structures = register.snapshot().structures();
            let rows = structures
                .iter()
                .filter(|entry| region.is_none_or(|region| entry.id.region == region))
                .map(|entry| {
                    vec![
                        json!(entry.id.to_string()),
                        json!(entry.description.as_str()),
                        json!(entry.enabled),
                    ]
                });
            context
                .output
                .table(&["structure", "description", "enabled"], rows.collect())
        }
        Command::Show(StructureArgument { id }) => {
            let snapshot = register.snapshot();
            let entry = snapshot.structure(&id).ok_or_else(|| {
                AdminError::from(RegisterError::Missing(format!("structure {id}")))
            })?;
            let users = snapshot.users();
            let users = users
                .iter()
                .filter(|user| user.workplace == Workplace::Structure(id))
                .map(|user| json!(user.id.as_str()));
            context.output.fields(&[
                ("structure", json!(id.to_string())),
                ("description", json!(entry.description.as_str())),
                ("enabled", json!(entry.enabled)),
                ("users", users.collect()),
            ])
        }
        Command::Enable(StructureArgument { id }) => set_enabled(context, id, true).await,
        Command::Disable(StructureArgument { id }) => set_enabled(context, id, false).await,
        Command::Rename { id, description } => {
            context
                .change(RegisterChange::RenameStructure { id, description })
                .await?;
            context.output.done(&format!("structure {id} renamed"))
        }
        Command::Remove(StructureArgument { id }) => {
            context
                .change(RegisterChange::RemoveStructure { id })
                .await?;
            context.output.done(&format!("structure {id} removed"))
        }
    }
}

async fn set_enabled(context: &Context, id: StructureId, enabled: bool) -> Result<(), CliError> {
    context
        .change(RegisterChange::SetStructureEnabled { id, enabled })
        .await?;
    let state = if enabled { "enabled" } else { "disabled" };
    context.output.done(&format!("structure {id} {state}"))
}
