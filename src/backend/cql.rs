//! The archives over a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sistema_ts_cql::register::CqlRegister;
use sistema_ts_cql::{Accounts, CqlAccessArchive, CqlMaintenance, CqlOptions, CqlStore};
use sistema_ts_model::Clock;
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::register::{Register, RegisterError, RegisterJournal, RegisterKey};
use sistema_ts_store::{AccessArchive, Maintenance, Store, StoreError};

use super::place::{Place, RolesRenewed};

pub(super) fn store(
    place: &Place,
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    let store = CqlStore::open(options(place), keys, clock)?;
    Ok(Arc::new(store))
}

pub(super) fn maintenance(place: &Place) -> Box<dyn Maintenance> {
    Box::new(CqlMaintenance::new(options(place)))
}

pub(super) fn migrate(place: &Place, take_over: bool) -> Result<(i32, i32), StoreError> {
    let migrated = CqlMaintenance::new(options(place)).migrate(take_over)?;
    Ok((migrated.from, migrated.to))
}

pub(super) fn renew_roles(place: &Place, accounts: &Accounts) -> Result<RolesRenewed, StoreError> {
    let renewed = CqlMaintenance::new(options(place)).renew_roles(accounts)?;
    Ok(RolesRenewed {
        made: renewed.made,
        passwords: renewed.passwords,
        given: renewed.given,
        taken: renewed.taken,
        lacks_tables: renewed.lacks_tables,
    })
}

pub(super) fn access(place: &Place) -> Result<Box<dyn AccessArchive>, StoreError> {
    let archive = CqlAccessArchive::open(&place.settings)?;
    Ok(Box::new(archive))
}

pub(super) fn register_place(place: &Place) -> PathBuf {
    PathBuf::from(CqlRegister::place(&place.settings))
}

pub(super) fn has_register(place: &Place) -> Result<bool, RegisterError> {
    CqlRegister::exists(&place.settings)
}

pub(super) fn create_register(place: &Place, key: &RegisterKey) -> Result<(), RegisterError> {
    CqlRegister::create(&place.settings, key)
}

pub(super) fn register(
    place: &Place,
    key: Arc<RegisterKey>,
    journal: Arc<dyn RegisterJournal>,
    poll_interval: Option<Duration>,
) -> Result<Arc<dyn Register>, RegisterError> {
    let settings = &place.settings;
    let register = CqlRegister::open(settings, key, journal, poll_interval)?;
    Ok(Arc::new(register))
}

fn options(place: &Place) -> CqlOptions {
    CqlOptions {
        settings: place.settings.clone(),
        data_folder: place.data_folder.clone(),
        retention_millis: place.retention_millis,
        clock_error_millis: place.clock_error_millis,
    }
}
