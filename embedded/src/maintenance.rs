//! An embedded store at rest: what an operator may do with its folder.

use std::path::PathBuf;

use sistema_ts_model::Timestamp;
use sistema_ts_store::{ClockRepair, Maintenance, StoreError};

use super::options::EmbeddedOptions;
use super::{repair, restore};

/// The folder of an embedded store that no server has open.
#[derive(Clone, Debug)]
pub struct EmbeddedMaintenance {
    options: EmbeddedOptions,
    ring: PathBuf,
}

impl EmbeddedMaintenance {
    /// Of the folder that `options` name, whose key ring is at `ring`. Looks at nothing yet.
    pub fn new(options: EmbeddedOptions, ring: impl Into<PathBuf>) -> EmbeddedMaintenance {
        let ring = ring.into();
        EmbeddedMaintenance { options, ring }
    }
}

impl Maintenance for EmbeddedMaintenance {
    fn examine(&self) -> Result<Vec<String>, StoreError> {
        restore::examine(&self.options, &self.ring)
    }

    fn accept(&self) -> Result<Vec<String>, StoreError> {
        restore::accept(&self.options, &self.ring)
    }

    fn confirm_clock(&self, now: Timestamp) -> Result<i64, StoreError> {
        repair::confirm_clock(&self.options, &self.ring, now)
    }

    fn repair_clock(&self, now: Timestamp) -> Result<ClockRepair, StoreError> {
        repair::repair_clock(&self.options, &self.ring, now)
    }
}
