//! What the commands on callers share: how one is named on the command line, enabled, and shown.

use clap::Args;
use serde_json::{Value, json};
use sistema_ts_model::{CallCenterCode, Caller, RegionCode};
use sistema_ts_store::register::RegisteredCaller;

use super::context::Context;
use crate::cli::error::{AdminError, CliError};

/// A caller that proves itself by certificate.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct CallerArguments {
    /// A region, by its three digits
    #[arg(long, value_name = "CODE", value_parser = RegionCode::parse)]
    region: Option<RegionCode>,
    /// A call centre, by its code
    #[arg(long, value_name = "CODE", value_parser = CallCenterCode::parse)]
    call_center: Option<CallCenterCode>,
}

impl CallerArguments {
    /// The one that was named.
    pub(super) fn caller(self) -> Result<Caller, AdminError> {
        self.region
            .map(Caller::Region)
            .or(self.call_center.map(Caller::CallCenter))
            // The command line asks for one of the two.
            .ok_or(AdminError::NoCaller)
    }
}

/// How a caller is called in what is printed.
pub(super) fn name_of(caller: &Caller) -> String {
    match caller {
        Caller::Region(code) => format!("region {code}"),
        Caller::CallCenter(code) => format!("call centre {code}"),
        Caller::Structure(id) => format!("structure {id}"),
        Caller::Immuni => "the Immuni backend".to_owned(),
    }
}

pub(super) async fn set_enabled(
    context: &Context,
    caller: Caller,
    enabled: bool,
) -> Result<(), CliError> {
    let set = context.register.set_caller_enabled(caller, enabled).await;
    set.map_err(AdminError::from)?;
    let state = if enabled { "enabled" } else { "disabled" };
    context
        .output
        .done(&format!("{} {state}", name_of(&caller)))
}

pub(super) fn certificates(entry: &RegisteredCaller) -> Value {
    let certificates = entry.certificates.iter().map(|certificate| {
        json!({
            "sha256": certificate.fingerprint.to_string(),
            "valid_until": certificate.not_after.to_string(),
        })
    });
    certificates.collect()
}
