//! `loadtest mirror`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::error::LoadtestError;
use crate::mirror::{Delays, Identity, Mirror, Pace};

#[derive(Debug, Args)]
pub(super) struct MirrorArguments {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// Write the authority of its certificate, which is made at each start (PEM)
    #[arg(long, value_name = "FILE")]
    authority_file: Option<PathBuf>,
    /// Give the answers one after another, each after so long (1 to 1000000): 1000000/N a second, whatever the client costs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    service_microseconds: Option<u64>,
    /// Give each answer so long after its request, whatever else is under way: of a thousand answers so many after so many microseconds
    ///
    /// For example 980x2000,18x20000,2x50000. The mirror waits awake, and wants a core to itself.
    #[arg(
        long,
        value_name = "COUNTxMICROSECONDS,…",
        conflicts_with = "service_microseconds"
    )]
    delays: Option<Delays>,
}

impl MirrorArguments {
    pub(super) fn run(&self) -> Result<ExitCode, LoadtestError> {
        let identity = Identity::new()?;
        if let Some(path) = &self.authority_file {
            std::fs::write(path, &identity.authority_pem).map_err(LoadtestError::file(path))?;
        }
        let pace = match (self.service_microseconds, &self.delays) {
            (Some(microseconds), _) => Pace::in_turn(Duration::from_micros(microseconds)),
            (None, Some(delays)) => Pace::apart(delays.clone()),
            (None, None) => Pace::AtOnce,
        };
        let mirror = Mirror::start(self.address, Arc::clone(&identity.tls), pace)
            .map_err(LoadtestError::Events)?;
        println!("{{\"mirror\":\"{}\"}}", mirror.address);
        mirror.join().map_err(LoadtestError::Events)?;
        Ok(ExitCode::SUCCESS)
    }
}
