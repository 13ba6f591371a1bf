//! Scenarios: files that say who calls, what is sent when, and what must come of it.

mod check;
mod content;
mod file;
pub(crate) mod objective;
pub(crate) mod place;
mod shipped;
pub(crate) mod step;

use std::path::Path;

pub use content::Scenario;
pub use file::{TruthFile as Truth, ValidityFile as Validity};
pub use objective::Objective;
pub use place::Mistake;
pub use shipped::{SHIPPED, Shipped};
pub use step::{CallerKind, Step};

pub(crate) use content::{Admission, Change, Event, EventCommand, Group, Load, Stream};
pub(crate) use file::Weight;

impl Scenario {
    /// Reads a file, or a shipped scenario if there is one with this name and no such file.
    pub fn read(path: &Path) -> Result<Self, Mistake> {
        let shipped = path.to_str().and_then(Shipped::find);
        if let Some(shipped) = shipped.filter(|_| !path.exists()) {
            return shipped.scenario();
        }
        let content = std::fs::read_to_string(path).map_err(|error| Mistake {
            file: path.to_owned(),
            place: None,
            reason: format!("{error}; `loadtest scenarios` lists those that are shipped"),
        })?;
        Self::parse(path, content)
    }
}

#[cfg(test)]
mod tests;
