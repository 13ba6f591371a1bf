//! `immuni-stand-in`: the stand-in as a process of its own. It prints one line of JSON with its addresses when it is ready, and ends with
//! SIGTERM or SIGINT.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use immuni_stand_in::authorisations::AUTHORISED_FOR;
use immuni_stand_in::{Behaviour, StandIn, StandInError, StandInSettings, TlsFiles};
use tokio::signal::unix::{SignalKind, signal};

/// A stand-in of the Immuni backend that takes one-time codes. For made-up codes only.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where codes are posted: POST /v1/otp; a loopback address, port 0 takes a free one
    #[arg(long, default_value_t = free())]
    address: SocketAddr,
    /// Where the switches are: GET and PUT /behaviour, GET /counts; a loopback address
    #[arg(long, default_value_t = free())]
    control: SocketAddr,
    /// Certificate for mutual TLS, in PEM; in the clear without
    #[arg(long, value_name = "FILE", requires_all = ["private_key", "client_authority"])]
    certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    private_key: Option<PathBuf>,
    /// Authority of the clients' certificates
    #[arg(long, value_name = "FILE", requires = "certificate")]
    client_authority: Option<PathBuf>,
    /// How long a code stays authorised
    #[arg(long, value_name = "SECONDS", default_value_t = AUTHORISED_FOR.as_secs())]
    authorised_for: u64,
    /// How to behave from the start, as the JSON that PUT /behaviour takes: latency_milliseconds, fault, times, down …
    #[arg(long, value_name = "JSON", value_parser = behaviour)]
    behaviour: Option<Behaviour>,
}

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn behaviour(text: &str) -> Result<Behaviour, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("immuni-stand-in: {error}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(arguments: Arguments) -> Result<(), StandInError> {
    let tls = match (
        arguments.certificate,
        arguments.private_key,
        arguments.client_authority,
    ) {
        (Some(certificate), Some(private_key), Some(client_authority)) => Some(TlsFiles {
            certificate,
            private_key,
            client_authority,
        }),
        _ => None,
    };
    let stand_in = StandIn::start(StandInSettings {
        address: arguments.address,
        control: arguments.control,
        tls,
        authorised_for: Duration::from_secs(arguments.authorised_for),
        ..StandInSettings::default()
    })
    .await?;
    stand_in.behave(arguments.behaviour.unwrap_or_default());
    println!(
        r#"{{"ready":true,"otp":"{}","control":"{}"}}"#,
        stand_in.address, stand_in.control
    );
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
