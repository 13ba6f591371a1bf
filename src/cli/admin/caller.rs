//! What the commands on callers share: how one is named on the command line, enabled, and shown.

use clap::Args;
use serde_json::{Value, json};
use sistema_ts_model::{CallCenterCode, Caller, RegionCode};
use sistema_ts_store::register::rules::caller_name;
use sistema_ts_store::register::{RegisterChange, RegisteredCaller};

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

/// The most characters of a caller's name.
const LONGEST_NAME: usize = 256;

/// A caller's name, for people, who see it in tables: nothing in it moves their cursor or turns the direction of the text.
pub(super) fn display_name(text: &str) -> Result<String, String> {
    let is_invisible = |symbol: char| {
        symbol.is_control()
            || matches!(symbol, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().all(char::is_whitespace) || text.chars().count() > LONGEST_NAME {
        return Err(format!("a name has 1 to {LONGEST_NAME} characters"));
    }
    if text.chars().any(is_invisible) {
        return Err("a name has no control characters and no invisible ones".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) async fn set_enabled(
    context: &Context,
    caller: Caller,
    enabled: bool,
) -> Result<(), CliError> {
    context
        .change(RegisterChange::SetCallerEnabled { caller, enabled })
        .await?;
    let state = if enabled { "enabled" } else { "disabled" };
    context
        .output
        .done(&format!("{} {state}", caller_name(caller)))
}

pub(super) async fn rename(
    context: &Context,
    caller: Caller,
    name: String,
) -> Result<(), CliError> {
    context
        .change(RegisterChange::RenameCaller { caller, name })
        .await?;
    context
        .output
        .done(&format!("{} renamed", caller_name(caller)))
}

pub(super) async fn remove(context: &Context, caller: Caller) -> Result<(), CliError> {
    context
        .change(RegisterChange::RemoveCaller { caller })
        .await?;
    context
        .output
        .done(&format!("{} removed", caller_name(caller)))
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

#[cfg(test)]
mod tests {
    //! A failure means that a name harms the table that it is shown in, or that a person's name for a caller is refused.
    use super::*;

    #[test]
    fn names_are_for_people_to_read() {
        for name in [
            "P. A. Bolzano/Bozen",
            "Vallée d’Aoste",
            "x",
            &"n".repeat(256),
        ] {
            assert_eq!(display_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            " ",
            "\x1b[2Jred",
            "two\nlines",
            "a\u{202e}b",
            &"n".repeat(257),
        ] {
            assert!(display_name(name).is_err(), "{name:?}");
        }
    }
}
