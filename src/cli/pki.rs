//! `sistema-ts pki …`: a certificate authority for development, tests and demonstrations.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use sistema_ts_model::{RegionCode, Timestamp};

use super::error::CliError;
use crate::pki::{Authority, Issued, Kind, PkiError, RevocationList, Subject};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder of the authority and of everything it makes
    #[arg(long, value_name = "FOLDER", default_value = "pki", global = true)]
    folder: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the authority: ca.crt, ca.key, and an empty revocation list ca.crl
    Ca(CaArguments),
    /// Make the certificates of a server: <FILE>.crt with a P-256 key, and <FILE>-rsa.crt with an RSA key for clients that need one
    Server(ServerArguments),
    /// Make the client certificate of a region: C=IT, O=Regione, OU=<code>, CN=<name>
    Region(RegionArguments),
    /// Make the client certificate of a call centre: C=IT, O=CallCenter, OU=<code>, CN=<name>
    CallCenter(ClientArguments),
    /// Make the client certificate of a security administrator: C=IT, O=Amministratore, OU=<code>, CN=<name>
    Administrator(ClientArguments),
    /// Make the certificate with which Sistema TS is a client of the Immuni backend: C=IT, O=Sistema TS, CN=<name>
    Client(OwnClientArguments),
    /// Revoke certificates of this authority, and write its revocation list anew
    Revoke(RevokeArguments),
    /// Write the revocation list anew before it runs out
    Crl(CrlArguments),
}

#[derive(Debug, Args)]
struct CaArguments {
    /// The authority's common name
    #[arg(long, default_value = "Sistema TS - CA di sviluppo")]
    name: String,
    /// Days for which it is valid, 1 to 7305
    #[arg(long, default_value_t = 3_650)]
    days: u32,
    #[command(flatten)]
    list: CrlArguments,
}

#[derive(Debug, Args)]
struct ServerArguments {
    /// DNS names and IP addresses by which clients reach the server; the first is the common name
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Name of the files: <FILE>.crt and <FILE>.key
    #[arg(long, value_name = "FILE", default_value = "server", value_parser = file_stem)]
    file: String,
    #[command(flatten)]
    life: LifeArguments,
}

#[derive(Debug, Args)]
struct RegionArguments {
    /// The region's three digits
    #[arg(long, value_parser = RegionCode::parse)]
    code: RegionCode,
    /// The common name [default: the region's]
    #[arg(long)]
    name: Option<String>,
    /// Name of the files: <FILE>.crt and <FILE>.key [default: region-<code>]
    #[arg(long, value_name = "FILE", value_parser = file_stem)]
    file: Option<String>,
    #[command(flatten)]
    life: LifeArguments,
}

#[derive(Debug, Args)]
struct ClientArguments {
    /// The code: 1 to 16 letters, digits, dashes, dots and underscores
    #[arg(long)]
    code: String,
    /// The common name
    #[arg(long)]
    name: String,
    /// Name of the files: <FILE>.crt and <FILE>.key [default: call-center-<code> or administrator-<code>]
    #[arg(long, value_name = "FILE", value_parser = file_stem)]
    file: Option<String>,
    #[command(flatten)]
    life: LifeArguments,
}

#[derive(Debug, Args)]
struct OwnClientArguments {
    /// The common name
    #[arg(long, default_value = "Sistema TS")]
    name: String,
    /// Name of the files: <FILE>.crt and <FILE>.key
    #[arg(long, value_name = "FILE", default_value = "immuni-client", value_parser = file_stem)]
    file: String,
    #[command(flatten)]
    life: LifeArguments,
}

#[derive(Debug, Args)]
struct LifeArguments {
    /// Days for which it is valid, 1 to 825
    #[arg(long, default_value_t = 397)]
    days: u32,
}

#[derive(Debug, Args)]
struct RevokeArguments {
    /// The certificates to revoke, in PEM
    #[arg(required = true, value_name = "CERTIFICATE")]
    certificates: Vec<PathBuf>,
    #[command(flatten)]
    list: CrlArguments,
}

#[derive(Debug, Args)]
struct CrlArguments {
    /// Days until the next revocation list is due, 1 to 366
    #[arg(long, default_value_t = 30)]
    crl_days: u32,
}

/// A name that stays within the folder.
fn file_stem(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.starts_with('.') || !text.bytes().all(allowed) {
        return Err(
            "a name of letters, digits, dashes, dots and underscores, not beginning with a dot",
        );
    }
    if text == "ca" {
        return Err("\"ca\" is the authority's own");
    }
    Ok(text.to_owned())
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let folder = &arguments.folder;
    let open = || Authority::open(folder);
    match arguments.command {
        Command::Ca(ca) => {
            let (authority, issued) =
                Authority::create(folder, &ca.name, ca.days, ca.list.crl_days)?;
            print_issued(&issued)?;
            print(&[(
                "revocation list",
                authority.list_file().display().to_string(),
            )])
        }
        Command::Server(server) => {
            let (authority, days) = (open()?, server.life.days);
            print_issued(&authority.issue_server(&server.file, &server.names, days)?)?;
            let second = format!("{}-rsa", server.file);
            print_issued(&authority.issue_rsa_server(&second, &server.names, days)?)
        }
        Command::Region(region) => {
            let code = region.code.as_str();
            let name = region.name.as_deref().unwrap_or(region.code.name());
            let stem = region.file.unwrap_or_else(|| format!("region-{code}"));
            let subject = subject(Kind::Region, Some(code), name)?;
            print_issued(&open()?.issue_client(&stem, &subject, region.life.days)?)
        }
        Command::CallCenter(client) => client.issue(&open()?, Kind::CallCenter, "call-center"),
        Command::Administrator(client) => {
            client.issue(&open()?, Kind::Administrator, "administrator")
        }
        Command::Client(client) => {
            let subject = subject(Kind::Client, None, &client.name)?;
            print_issued(&open()?.issue_client(&client.file, &subject, client.life.days)?)
        }
        Command::Revoke(revoke) => {
            let authority = open()?;
            let list = authority.revoke(&revoke.certificates, revoke.list.crl_days)?;
            print_list(&authority, &list)
        }
        Command::Crl(crl) => {
            let authority = open()?;
            let list = authority.renew_list(crl.crl_days)?;
            print_list(&authority, &list)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

impl ClientArguments {
    fn issue(self, authority: &Authority, kind: Kind, command: &str) -> Result<(), CliError> {
        let stem = self
            .file
            .unwrap_or_else(|| format!("{command}-{}", self.code));
        let subject = subject(kind, Some(&self.code), &self.name)?;
        print_issued(&authority.issue_client(&stem, &subject, self.life.days)?)
    }
}

fn subject(kind: Kind, code: Option<&str>, name: &str) -> Result<Subject, PkiError> {
    Ok(Subject::new(kind, code, name)?)
}

fn print_issued(issued: &Issued) -> Result<(), CliError> {
    let not_after =
        Timestamp::from_millis_clamped(issued.not_after.unix_timestamp().saturating_mul(1_000));
    print(&[
        ("certificate", issued.certificate_file.display().to_string()),
        ("private key", issued.private_key_file.display().to_string()),
        ("SHA-256", hex(&issued.fingerprint)),
        ("serial number", hex(&issued.serial)),
        ("valid until", not_after.to_string()),
    ])
}

fn print_list(authority: &Authority, list: &RevocationList) -> Result<(), CliError> {
    print(&[
        (
            "revocation list",
            authority.list_file().display().to_string(),
        ),
        ("number", list.number.to_string()),
        ("revoked", list.revoked.len().to_string()),
    ])
}

fn print(lines: &[(&str, String)]) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    lines
        .iter()
        .try_for_each(|(name, value)| writeln!(output, "{name:<16}{value}"))
        .map_err(CliError::Output)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
