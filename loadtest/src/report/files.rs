//! A result on the disk: its JSON, and the page that is made from it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::html::html;
use super::result::{RunResult, SCHEMA};
use crate::error::LoadtestError;

/// Where the JSON of a run stands in its folder.
pub const JSON: &str = "result.json";
/// Where the page stands, beside the JSON.
pub const PAGE: &str = "report.html";

/// Writes JSON and page into a folder that exists, over those that are there.
pub fn save(result: &RunResult, folder: &Path) -> Result<(), LoadtestError> {
    let path = folder.join(JSON);
    let json = serde_json::to_vec_pretty(result)
        .map_err(|error| LoadtestError::Usage(error.to_string()))?;
    std::fs::write(&path, json).map_err(LoadtestError::file(&path))?;
    save_page(result, &folder.join(PAGE))
}

/// Writes the page.
pub fn save_page(result: &RunResult, path: &Path) -> Result<(), LoadtestError> {
    std::fs::write(path, html(result)).map_err(LoadtestError::file(path))
}

/// The page that belongs to a result's JSON.
#[must_use]
pub fn page_beside(json: &Path) -> PathBuf {
    json.with_file_name(PAGE)
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Reads what [`save`] wrote.
pub fn read(json: &Path) -> Result<RunResult, LoadtestError> {
    let text = std::fs::read(json).map_err(LoadtestError::file(json))?;
    let wrong = |error: serde_json::Error| {
        LoadtestError::Usage(format!(
            "{}: not the result of a run: {error}",
            json.display()
        ))
    };
    // The version first: what another version wrote may have anything else in it.
    let Version { schema } = serde_json::from_slice(&text).map_err(wrong)?;
    if schema != SCHEMA {
        return Err(LoadtestError::Usage(format!(
            "{}: a result of schema {schema}; this program reads schema {SCHEMA}",
            json.display()
        )));
    }
    serde_json::from_slice(&text).map_err(wrong)
}
