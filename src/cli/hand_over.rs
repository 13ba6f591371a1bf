//! `sistema-ts keys hand-over …`: the ring of day keys and the register key for another server of the same store.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use sistema_ts_store::hand_over::{Opened, Secrets};

use super::error::CliError;
use crate::config::Configuration;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// On the server that is to have them: make a request for the server that has them
    Request {
        /// The file to make
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Ask for the renewal of the ring that is here
        #[arg(long)]
        renewal: bool,
    },
    /// On the server that has them: seal ring and register key, so that whoever made the request can open them and nobody else
    Seal {
        /// The request
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
        /// The request's fingerprint, as whoever made it has read it out
        #[arg(long, value_name = "FINGERPRINT")]
        fingerprint: String,
        /// The file to make
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// On the server that made the request: put what was sealed for it in its places
    Open {
        /// What was sealed
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Its fingerprint, as whoever sealed it has read it out
        #[arg(long, value_name = "FINGERPRINT")]
        fingerprint: String,
        /// Take up the renewal of the ring that is here
        #[arg(long)]
        renewal: bool,
    },
}

pub(super) fn run(command: &Command, configuration: &Configuration) -> Result<(), CliError> {
    let secrets = Secrets {
        ring: configuration.store.key_ring_file.clone(),
        register_key: configuration.register.key_file.clone(),
    };
    let told = match command {
        Command::Request { to, renewal } => {
            let fingerprint = secrets.request(to, *renewal)?;
            format!(
                "{}: a request. Bring it to the server that has the keys, and read its fingerprint out to whoever is there: {fingerprint}",
                to.display()
            )
        }
        Command::Seal {
            request,
            fingerprint,
            to,
        } => {
            let own = secrets.seal(request, fingerprint, to)?;
            format!(
                "{}: ring and register key, sealed. Bring it to the server that made the request, and read its fingerprint out to whoever is there: {own}",
                to.display()
            )
        }
        Command::Open {
            file,
            fingerprint,
            renewal,
        } => match secrets.open(file, fingerprint, *renewal)? {
            Opened::Both => format!(
                "{} and {}: put in their places. {} opens no more: remove it.",
                secrets.ring.display(),
                secrets.register_key.display(),
                file.display()
            ),
            Opened::Renewal => format!(
                "{}: has the renewal; a running server takes it up by itself within a minute. {} opens no more: remove it.",
                secrets.ring.display(),
                file.display()
            ),
        },
    };
    writeln!(io::stdout().lock(), "{told}").map_err(CliError::Output)
}
