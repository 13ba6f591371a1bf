//! What is prepared, and what it is called.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use sistema_ts_model::RegionCode;

use crate::callers::people::{Numbers, fiscal_codes};
use crate::error::LoadtestError;

/// Which operators are made up: others than any run's people.
const OPERATORS_SEED: u64 = 0x6f70_6572_6174_6f72;

/// What is prepared.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// Where it is written; it must not exist.
    pub folder: PathBuf,
    /// Where regions and call centres call.
    pub mutual_tls_url: String,
    /// Where structures' users call, if any are to.
    pub basic_url: Option<String>,
    /// The authority of the server's certificate (PEM), which is copied.
    pub authority: PathBuf,
    /// The server's process, in a file, if it is on this machine.
    pub process_id_file: Option<PathBuf>,
    /// The regions.
    pub regions: Vec<RegionCode>,
    /// How many call centres.
    pub call_centers: u16,
    /// How many operators each of them has.
    pub operators: u16,
    /// At most three operators of a region may ask for listings, its structures' users among them (§2.4.3), so that these users may not.
    /// How many structures' users, each of a structure of its own in the regions in turn; needs `basic_url`.
    pub structures: u16,
    /// How many people.
    pub people: u32,
    /// The same seed gives the same people and operators.
    pub seed: u64,
    /// The network from which the call centres call.
    pub network: String,
    /// What names everything that is registered, so that it is found again: letters and digits.
    pub name: String,
    /// The folder of a development authority (`sistema-ts pki`), which then makes the certificates instead.
    pub development_pki: Option<PathBuf>,
}

impl Preparation {
    pub(super) fn file(&self, name: &str, mode: u32, content: &str) -> Result<(), LoadtestError> {
        let path = self.folder.join(name);
        let wrong = LoadtestError::file(&path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(wrong)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(wrong)?;
        file.write_all(content.as_bytes()).map_err(wrong)
    }

    /// All operators, of which each has one codice fiscale and one place.
    fn operator_codes(&self, from: usize, count: usize) -> Vec<String> {
        let mut numbers = Numbers::new(self.seed ^ OPERATORS_SEED);
        let codes = fiscal_codes(from + count, &mut numbers);
        let codes = codes[from..].iter();
        codes
            .map(|code| String::from_utf8_lossy(code).into_owned())
            .collect()
    }

    pub(super) fn region_operators(&self) -> Vec<String> {
        self.operator_codes(0, self.regions.len())
    }

    pub(super) fn call_center_operators(&self, number: u16) -> Vec<String> {
        let each = usize::from(self.operators);
        self.operator_codes(64 + usize::from(number) * each, each)
    }

    pub(super) fn user_operator(&self, number: u16) -> String {
        let before = 64 + usize::from(self.call_centers) * usize::from(self.operators);
        self.operator_codes(before + usize::from(number), 1)
            .remove(0)
    }

    pub(super) fn call_center(&self, number: u16) -> String {
        format!("{}-cc{}", self.name, number + 1)
    }

    /// What callers' certificates are called.
    pub(super) fn certified(&self) -> impl Iterator<Item = String> {
        let regions = self.regions.iter().map(|region| self.region_file(*region));
        regions.chain((0..self.call_centers).map(|number| self.call_center(number)))
    }

    pub(super) fn user(&self, number: u16) -> String {
        format!("{}.user{}", self.name, number + 1)
    }

    /// A structure of the regions in turn.
    pub(super) fn structure(&self, number: u16) -> String {
        let region = self.regions[usize::from(number) % self.regions.len()];
        format!("{}-999-LT{:04}", region.as_str(), number + 1)
    }

    /// Where the certificate and the key of a caller lie, as the environment says it.
    pub(super) fn identity(&self, name: &str) -> (String, String) {
        match &self.development_pki {
            Some(folder) => {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                let file = |end| folder.join(format!("{name}.{end}")).display().to_string();
                (file("crt"), file("key"))
            }
            None => (
                format!("certificates/{name}.crt"),
                format!("keys/{name}.key"),
            ),
        }
    }

    pub(super) fn region_file(&self, region: RegionCode) -> String {
        format!("{}-region-{}", self.name, region.as_str())
    }
}
