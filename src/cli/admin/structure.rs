//! `sistema-ts admin structure …`

use clap::Subcommand;
use serde_json::json;
use sistema_ts_model::{RegionCode, StructureDescription, StructureId};
use sistema_ts_store::register::RegisterError;

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
    Show {
        /// Region, ASL and structure
        #[arg(value_parser = StructureId::parse)]
        id: StructureId,
    },
    /// Take tests of a disabled structure again, and let its users call again
    Enable {
        /// Region, ASL and structure
        #[arg(value_parser = StructureId::parse)]
        id: StructureId,
    },
    /// Refuse tests of a structure, and all its users, from the next request on
    Disable {
        /// Region, ASL and structure
        #[arg(value_parser = StructureId::parse)]
        id: StructureId,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let register = &context.register;
    match command {
        Command::Add { id, description } => {
            let added = register.add_structure(id, &description, context.now).await;
            added.map_err(AdminError::from)?;
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
        Command::Show { id } => {
            let snapshot = register.snapshot();
            let entry = snapshot.structure(&id).ok_or_else(|| {
                AdminError::from(RegisterError::Missing(format!("structure {id}")))
            })?;
            let users = snapshot.users();
            let users = users
                .iter()
                .filter(|user| user.structure == id)
                .map(|user| json!(user.id.as_str()));
            context.output.fields(&[
                ("structure", json!(id.to_string())),
                ("description", json!(entry.description.as_str())),
                ("enabled", json!(entry.enabled)),
                ("users", users.collect()),
            ])
        }
        Command::Enable { id } => set_enabled(context, id, true).await,
        Command::Disable { id } => set_enabled(context, id, false).await,
    }
}

async fn set_enabled(context: &Context, id: StructureId, enabled: bool) -> Result<(), CliError> {
    let set = context.register.set_structure_enabled(id, enabled).await;
    set.map_err(AdminError::from)?;
    let state = if enabled { "enabled" } else { "disabled" };
    context.output.done(&format!("structure {id} {state}"))
}
