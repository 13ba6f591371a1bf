//! Nothing but this machine is called unless its name was said twice: a load test leaves tests that cannot be taken back.

use std::net::IpAddr;

use crate::callers::Callers;
use crate::callers::environment::EnvironmentFile;
use crate::error::LoadtestError;
use crate::scenario::place::Text;
use crate::wire::target::Url;

/// By the names alone, so that not even their resolver hears of a mistake. `text` is the environment's.
pub(super) fn before_names_are_resolved(
    environment: &EnvironmentFile,
    text: &Text,
    confirmed: Option<&str>,
) -> Result<(), LoadtestError> {
    let server = &environment.server;
    for url in std::iter::once(&server.mutual_tls_url).chain(&server.basic_url) {
        let parsed = Url::parse(url.get_ref());
        let name = parsed
            .map_err(|error| text.mistake(&url.span(), error.to_string()))?
            .name;
        if !is_of_this_machine(&name) && confirmed != Some(&name) {
            return Err(refused(&name));
        }
    }
    Ok(())
}

/// By the addresses: a name of this machine may lead to another.
pub(super) fn after(callers: &Callers, confirmed: Option<&str>) -> Result<(), LoadtestError> {
    let stranger = callers
        .all
        .iter()
        .map(|caller| &caller.target)
        .find(|target| !target.is_loopback() && confirmed != Some(target.name().as_str()));
    stranger.map_or(Ok(()), |target| Err(refused(&target.name())))
}

fn is_of_this_machine(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn refused(name: &str) -> LoadtestError {
    LoadtestError::Usage(format!(
        "{name} is not this machine, and a load test leaves thousands of made-up tests there; if that is meant, repeat the name: --host {name}"
    ))
}
