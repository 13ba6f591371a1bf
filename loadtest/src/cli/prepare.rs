//! `loadtest prepare`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use sistema_ts_model::RegionCode;

use crate::error::LoadtestError;
use crate::prepare::Preparation;

#[derive(Debug, Args)]
pub(super) struct PrepareArguments {
    /// The folder to write, which must not exist
    folder: PathBuf,
    /// Where regions and call centres call, as `https://name:port`
    #[arg(long, value_name = "URL")]
    mutual_tls_url: String,
    /// Where structures' users call
    #[arg(long, value_name = "URL")]
    basic_url: Option<String>,
    /// Authority of the server's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// A file with the number of the server's process, if it is on this machine
    #[arg(long, value_name = "FILE")]
    process_id_file: Option<PathBuf>,
    /// Regions, by their three digits, separated by commas; without it all 21
    #[arg(long, value_name = "CODES", value_delimiter = ',', value_parser = region)]
    regions: Vec<RegionCode>,
    /// Call centres
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=100))]
    call_centers: u16,
    /// Operators of each call centre
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    operators: u16,
    /// Users of structures, each of a structure of its own
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=999))]
    structures: u16,
    /// People with a health card
    #[arg(long, value_name = "N", default_value_t = 4096)]
    people: u32,
    /// The same seed gives the same people
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The network from which the call centres call
    #[arg(long, value_name = "CIDR", default_value = "127.0.0.1/32")]
    network: String,
    /// What names all that is registered, by which it is found again
    #[arg(long, value_name = "NAME", default_value = "loadtest", value_parser = name)]
    name: String,
    /// Let the development authority in this folder (`sistema-ts pki`) make the certificates
    #[arg(long, value_name = "FOLDER")]
    development_pki: Option<PathBuf>,
}

fn region(text: &str) -> Result<RegionCode, String> {
    RegionCode::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    let is_short = (1..=10).contains(&text.len());
    if is_short
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        Ok(text.to_owned())
    } else {
        Err("1 to 10 lower-case letters and digits".into())
    }
}

impl PrepareArguments {
    pub(super) fn run(self) -> Result<ExitCode, LoadtestError> {
        let regions = if self.regions.is_empty() {
            RegionCode::all().collect()
        } else {
            self.regions
        };
        let preparation = Preparation {
            folder: self.folder,
            mutual_tls_url: self.mutual_tls_url,
            basic_url: self.basic_url,
            authority: self.authority,
            process_id_file: self.process_id_file,
            regions,
            call_centers: self.call_centers,
            operators: self.operators,
            structures: self.structures,
            people: self.people,
            seed: self.seed,
            network: self.network,
            name: self.name,
            development_pki: self.development_pki,
        };
        print!("{}", preparation.write()?);
        Ok(ExitCode::SUCCESS)
    }
}
