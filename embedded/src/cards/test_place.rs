//! What the tests of the import and of the reader share: a place with a key, and made-up cards.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use sistema_ts_model::{CardDigits, Timestamp};
use sistema_ts_store::register::RegisterKey;
pub(super) use sistema_ts_store::samples::fiscal_code;

/// A folder of its own, with a register's key.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) key: RegisterKey,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        Self { folder, key }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(1_604_100_600_000).unwrap()
}

pub(super) fn digits(number: u32) -> CardDigits {
    CardDigits::parse(&format!("{number:08}")).unwrap()
}
