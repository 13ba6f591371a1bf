//! The environment's file: where the server is, who may call it, and about which made-up people. `loadtest prepare` writes one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::scenario::place::{Mistake, Text};

/// Everything about one's own server that a scenario does not say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentFile {
    pub(crate) server: ServerFile,
    #[serde(default)]
    pub(crate) people: PeopleFile,
    #[serde(default)]
    pub(crate) region: Vec<Spanned<RegionFile>>,
    #[serde(default)]
    pub(crate) structure: Vec<Spanned<StructureFile>>,
    #[serde(default, rename = "call-center")]
    pub(crate) call_center: Vec<Spanned<CallCenterFile>>,
    /// Programs with their arguments, which events of scenarios name. They run in the environment's folder.
    #[serde(default)]
    pub(crate) commands: BTreeMap<String, Vec<String>>,
    /// The folder of the file: paths in it are relative to this.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// The server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerFile {
    /// Where regions and call centres call, `https://name:port`.
    pub(crate) mutual_tls_url: Spanned<String>,
    /// Where structures' users call; without it none can.
    pub(crate) basic_url: Option<Spanned<String>>,
    /// The authority of the server's certificate (PEM).
    pub(crate) authority_file: PathBuf,
    /// A file with the number of the server's process, if it is on this machine: its CPU time and memory are measured. The file is
    /// read again after events, which may have started another.
    pub(crate) process_id_file: Option<PathBuf>,
}

/// The made-up people.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeopleFile {
    /// The same seed gives the same people.
    pub(crate) seed: u64,
    /// How many, at most 65,536.
    pub(crate) count: u32,
}

impl Default for PeopleFile {
    fn default() -> Self {
        Self {
            seed: 1,
            count: 4_096,
        }
    }
}

/// A region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegionFile {
    /// Three digits, which are its name in scenarios.
    pub(crate) code: String,
    pub(crate) certificate_file: PathBuf,
    pub(crate) private_key_file: PathBuf,
    /// The structure that took the swabs, as `010-101-000123`, or its description instead, which needs no registration.
    pub(crate) structure: Option<String>,
    /// See `structure`.
    pub(crate) structure_description: Option<String>,
    /// The codice fiscale of an operator who may ask for listings and send an ASL's codes.
    pub(crate) operator: Option<String>,
}

/// A structure's user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StructureFile {
    /// Its name in scenarios.
    pub(crate) name: String,
    /// The structure, as `010-101-000123`.
    pub(crate) structure: String,
    /// A file of three lines: user, password, pincode; or what `sistema-ts admin --json user add` prints.
    pub(crate) credentials_file: PathBuf,
    /// The user's codice fiscale, with which listings are asked for.
    pub(crate) operator: Option<String>,
}

/// A call centre.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallCenterFile {
    /// Its name in scenarios.
    pub(crate) name: String,
    pub(crate) certificate_file: PathBuf,
    pub(crate) private_key_file: PathBuf,
    /// Its operators' codici fiscali, one a line.
    pub(crate) operators_file: PathBuf,
}

impl EnvironmentFile {
    /// Reads the file; the text comes along for the places of later mistakes.
    pub(crate) fn read(path: &Path) -> Result<(Self, Text), Mistake> {
        let content = std::fs::read_to_string(path).map_err(|error| Mistake {
            file: path.to_owned(),
            place: None,
            reason: error.to_string(),
        })?;
        let text = Text {
            file: path.to_owned(),
            content,
        };
        let mut environment: Self = text.parse()?;
        environment.folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok((environment, text))
    }

    /// A path of the file, as this process finds it.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}
