//! The archives over a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sistema_ts_cql::register::CqlRegister;
use sistema_ts_cql::{CqlAccessArchive, CqlMaintenance, CqlOptions, CqlStore};
use sistema_ts_model::Clock;
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::register::{Register, RegisterError, RegisterJournal, RegisterKey};
use sistema_ts_store::{AccessArchive, Maintenance, Store, StoreError};

use super::Archives;

pub(super) fn store(
    archives: &Archives,
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    let store = CqlStore::open(options(archives), keys, clock)?;
    Ok(Arc::new(store))
}

pub(super) fn maintenance(archives: &Archives) -> Box<dyn Maintenance> {
    Box::new(CqlMaintenance::new(options(archives)))
}

pub(super) fn migrate(archives: &Archives, take_over: bool) -> Result<(i32, i32), StoreError> {
    let migrated = CqlMaintenance::new(options(archives)).migrate(take_over)?;
    Ok((migrated.from, migrated.to))
}

pub(super) fn access(archives: &Archives) -> Result<Box<dyn AccessArchive>, StoreError> {
    let archive = CqlAccessArchive::open(&archives.sections.cql)?;
    Ok(Box::new(archive))
}

pub(super) fn register_place(archives: &Archives) -> PathBuf {
    PathBuf::from(CqlRegister::place(&archives.sections.cql))
}

pub(super) fn has_register(archives: &Archives) -> Result<bool, RegisterError> {
    CqlRegister::exists(&archives.sections.cql)
}

pub(super) fn create_register(archives: &Archives, key: &RegisterKey) -> Result<(), RegisterError> {
    CqlRegister::create(&archives.sections.cql, key)
}

pub(super) fn register(
    archives: &Archives,
    key: Arc<RegisterKey>,
    journal: Arc<dyn RegisterJournal>,
    poll_interval: Option<Duration>,
) -> Result<Arc<dyn Register>, RegisterError> {
    let settings = &archives.sections.cql;
    let register = CqlRegister::open(settings, key, journal, poll_interval)?;
    Ok(Arc::new(register))
}

fn options(archives: &Archives) -> CqlOptions {
    CqlOptions {
        settings: archives.sections.cql.clone(),
        data_folder: archives.data_folder.clone(),
        retention_millis: archives.retention_millis,
        clock_error_millis: archives.clock_error_millis,
    }
}
