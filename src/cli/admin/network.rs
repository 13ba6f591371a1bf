//! `sistema-ts admin network …`

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::json;
use sistema_ts_model::{CallCenterCode, Caller};
use sistema_ts_store::register::{RegisterChange, canonical_network};

use super::context::Context;
use crate::cli::error::CliError;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let a call centre call from a network
    Add(NetworkArguments),
    /// List the networks from which a call centre may call; without any, it may from nowhere
    List {
        /// The call centre's code
        #[arg(long, value_name = "CODE", value_parser = CallCenterCode::parse)]
        call_center: CallCenterCode,
    },
    /// Refuse a call centre from a network, from its next request on
    Remove(NetworkArguments),
}

#[derive(Debug, Args)]
pub(super) struct NetworkArguments {
    /// The call centre's code
    #[arg(long, value_name = "CODE", value_parser = CallCenterCode::parse)]
    call_center: CallCenterCode,
    /// The network in CIDR notation, such as 192.0.2.0/28 or 2001:db8::/64
    network: IpNet,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Add(arguments) => {
            let (code, network) = (arguments.call_center, canonical_network(arguments.network));
            let caller = Caller::CallCenter(code);
            context
                .change(RegisterChange::AddNetwork { caller, network })
                .await?;
            context
                .output
                .done(&format!("call centre {code} may call from {network}"))
        }
        Command::List { call_center } => {
            let snapshot = context.register.snapshot();
            let networks = snapshot.networks(&Caller::CallCenter(call_center)).iter();
            let rows = networks.map(|network| vec![json!(network.to_string())]);
            context.output.table(&["network"], rows.collect())
        }
        Command::Remove(arguments) => {
            let (code, network) = (arguments.call_center, canonical_network(arguments.network));
            let caller = Caller::CallCenter(code);
            context
                .change(RegisterChange::RemoveNetwork { caller, network })
                .await?;
            context.output.done(&format!(
                "call centre {code} may no longer call from {network}"
            ))
        }
    }
}
