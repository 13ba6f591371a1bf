//! A program without the store over a cluster: it says so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sistema_ts_cql::Accounts;
use sistema_ts_model::{Clock, Timestamp};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::register::{Register, RegisterError, RegisterJournal, RegisterKey};
use sistema_ts_store::{AccessArchive, ClockRepair, Maintenance, Store, StoreError};

use super::place::{Place, RolesRenewed};

const WITHOUT: &str = "this program was built without the store over CQL: build it with the feature `cql` (docs/cql.md)";

fn no_store<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable {
        reason: WITHOUT.to_owned(),
    })
}

fn no_register<T>() -> Result<T, RegisterError> {
    Err(RegisterError::Unavailable(WITHOUT.to_owned()))
}

struct Without;

impl Maintenance for Without {
    fn examine(&self) -> Result<Vec<String>, StoreError> {
        no_store()
    }

    fn accept(&self) -> Result<Vec<String>, StoreError> {
        no_store()
    }

    fn confirm_clock(&self, _now: Timestamp) -> Result<i64, StoreError> {
        no_store()
    }

    fn repair_clock(&self, _now: Timestamp) -> Result<ClockRepair, StoreError> {
        no_store()
    }
}

pub(super) fn store(
    _place: &Place,
    _keys: Arc<KeyRing>,
    _clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    no_store()
}

pub(super) fn maintenance(_place: &Place) -> Box<dyn Maintenance> {
    Box::new(Without)
}

pub(super) fn migrate(_place: &Place, _take_over: bool) -> Result<(i32, i32), StoreError> {
    no_store()
}

pub(super) fn renew_roles(
    _place: &Place,
    _accounts: &Accounts,
) -> Result<RolesRenewed, StoreError> {
    no_store()
}

pub(super) fn access(_place: &Place) -> Result<Box<dyn AccessArchive>, StoreError> {
    no_store()
}

pub(super) fn register_place(place: &Place) -> PathBuf {
    PathBuf::from(&place.settings.keyspace_prefix)
}

pub(super) fn has_register(_place: &Place) -> Result<bool, RegisterError> {
    no_register()
}

pub(super) fn create_register(_place: &Place, _key: &RegisterKey) -> Result<(), RegisterError> {
    no_register()
}

pub(super) fn register(
    _place: &Place,
    _key: Arc<RegisterKey>,
    _journal: Arc<dyn RegisterJournal>,
    _poll_interval: Option<Duration>,
) -> Result<Arc<dyn Register>, RegisterError> {
    no_register()
}
