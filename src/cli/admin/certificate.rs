//! `sistema-ts admin certificate …`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sistema_ts_model::{Caller, Timestamp};
use sistema_ts_store::register::{CertificateHolder, Fingerprint, RegisterChange};

use super::caller::CallerArguments;
use super::context::Context;
use crate::auth::subject_agrees;
use crate::cli::error::{AdminError, CliError};
use crate::front::{ClientAuthorities, ClientCertificate};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a certificate to a caller; during a renewal both the old and the new are valid
    Add {
        #[command(flatten)]
        caller: CallerArguments,
        /// The certificate, in PEM or DER; its subject must name the caller, and an authority of tls.client_authority_file must have signed it
        certificate: PathBuf,
    },
    /// Remove a certificate from a caller, which is refused with it from its next request on
    Remove {
        #[command(flatten)]
        caller: CallerArguments,
        /// The certificate, in PEM or DER
        #[arg(
            required_unless_present = "fingerprint",
            conflicts_with = "fingerprint"
        )]
        certificate: Option<PathBuf>,
        /// Its SHA-256 instead, 64 hexadecimal digits
        #[arg(long, value_parser = Fingerprint::parse)]
        fingerprint: Option<Fingerprint>,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Add {
            caller,
            certificate,
        } => {
            let caller = caller.caller()?;
            let (fingerprint, not_after) = check(&certificate, &caller, context)?;
            let added = RegisterChange::AddCertificate {
                holder: CertificateHolder::Caller(caller),
                fingerprint,
                not_after,
            };
            context.change(added).await?;
            context.output.fields(&[
                ("added", fingerprint.to_string().into()),
                ("valid_until", not_after.to_string().into()),
            ])
        }
        Command::Remove {
            caller,
            certificate,
            fingerprint,
        } => {
            let fingerprint = match (fingerprint, certificate) {
                (Some(fingerprint), _) => fingerprint,
                (None, Some(path)) => Fingerprint(crate::pki::fingerprint_of_file(&path)?),
                // The command line asks for one of the two.
                (None, None) => {
                    return Err(
                        AdminError::Certificate("no certificate was named".to_owned()).into(),
                    );
                }
            };
            let removed = RegisterChange::RemoveCertificate {
                holder: CertificateHolder::Caller(caller.caller()?),
                fingerprint,
            };
            context.change(removed).await?;
            context
                .output
                .fields(&[("removed", fingerprint.to_string().into())])
        }
    }
}

/// Refuses what a handshake or a request would refuse: better told now, and by the same judgement.
fn check(
    path: &Path,
    caller: &Caller,
    context: &Context,
) -> Result<(Fingerprint, Timestamp), CliError> {
    let chain = crate::pki::read_chain(path)?;
    let refuse = |reason: &str| AdminError::Certificate(format!("{}: {reason}", path.display()));
    let certificate =
        ClientCertificate::from_chain(&chain).map_err(|error| refuse(&error.to_string()))?;
    if !subject_agrees(caller, &certificate.subject) {
        return Err(refuse(
            "its subject does not name this caller (C=IT, O=Regione or CallCenter, OU=<code>)",
        )
        .into());
    }
    let authorities = ClientAuthorities::read(&context.configuration.tls.client_authority_file)
        .map_err(|error| AdminError::Certificate(format!("client authorities: {error}")))?;
    authorities
        .judge(&chain, context.now.millis().div_euclid(1_000))
        .map_err(|fault| refuse(&fault.to_string()))?;
    let not_after = Timestamp::from_millis_clamped(certificate.not_after.saturating_mul(1_000));
    Ok((Fingerprint(certificate.fingerprint), not_after))
}
