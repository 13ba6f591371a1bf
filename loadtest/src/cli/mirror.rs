//! `loadtest mirror`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::error::LoadtestError;
use crate::mirror::{Identity, Mirror};

#[derive(Debug, Args)]
pub(super) struct MirrorArguments {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// Write the authority of its certificate, which is made at each start (PEM)
    #[arg(long, value_name = "FILE")]
    authority_file: Option<PathBuf>,
}

impl MirrorArguments {
    pub(super) fn run(&self) -> Result<ExitCode, LoadtestError> {
        let identity = Identity::new()?;
        if let Some(path) = &self.authority_file {
            std::fs::write(path, &identity.authority_pem).map_err(LoadtestError::file(path))?;
        }
        let mirror = Mirror::start(self.address, Arc::clone(&identity.tls))
            .map_err(LoadtestError::Events)?;
        println!("{{\"mirror\":\"{}\"}}", mirror.address);
        mirror.join().map_err(LoadtestError::Events)?;
        Ok(ExitCode::SUCCESS)
    }
}
