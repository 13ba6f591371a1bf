//! The archives of an installation (tests, register, health cards, access records, day keys), opened: the one file that knows which stores
//! there are. Everything else knows them by the traits of the store's crate.

#[cfg_attr(not(feature = "cql"), path = "without_cql.rs")]
mod cql;
mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sistema_ts_cql::CqlSettings;
pub use sistema_ts_cql::{Account, Accounts};
use sistema_ts_embedded::cards::{
    EmbeddedCardImport, EmbeddedCardRegister, additions, remove_addition,
};
use sistema_ts_embedded::register::{EmbeddedRegister, REGISTER_FILE, RegisterOptions};
use sistema_ts_embedded::{
    EmbeddedAccessArchive, EmbeddedMaintenance, EmbeddedOptions, EmbeddedSettings, EmbeddedStore,
};
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock};
use sistema_ts_store::cards::{AdditionError, AdditionName, CardError, CardImport, CardRegister};
use sistema_ts_store::keys::{KeyError, KeyRing};
use sistema_ts_store::register::{Register, RegisterError, RegisterJournal, RegisterKey};
use sistema_ts_store::{AccessArchive, Maintenance, Store, StoreError};

use place::Place;
pub use place::RolesRenewed;

/// The stores that there are, by the name that `store.backend` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// SQLite within this process, in the data folder of this machine.
    #[default]
    Embedded,
    /// A cluster of ScyllaDB or Apache Cassandra, which any number of servers share.
    Cql,
}

/// The sections of the configuration that belong to one store each, and say nothing while another one is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct BackendSections {
    /// The embedded store.
    #[serde(default)]
    pub embedded: EmbeddedSettings,
    /// The store over a cluster.
    #[serde(default)]
    pub cql: CqlSettings,
}

impl BackendSections {
    /// Each number of every section: its key, its value, and from where to where it may be.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = (String, usize, (usize, usize))> {
        let embedded = self.embedded.bounds().into_iter();
        let cql = self.cql.bounds().into_iter();
        let embedded = embedded.map(|bound| ("embedded", bound));
        let all = embedded.chain(cql.map(|bound| ("cql", bound)));
        all.map(|(section, (key, value, allowed))| {
            (format!("{section}.{key}"), value, allowed.into_inner())
        })
    }

    /// The keys whose values are paths.
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.cql.paths_mut().into_iter()
    }
}

/// Keys that once stood in another section, each as `section.key`, with the section that has them now.
const MOVED_KEYS: [(&str, &str); 6] = [
    ("store.queue_capacity", "embedded"),
    ("store.maximum_batch_requests", "embedded"),
    ("store.cache_kibibytes", "embedded"),
    ("store.checkpoint_pages", "embedded"),
    ("store.lookup_threads", "embedded"),
    ("store.listing_threads", "embedded"),
];

/// The section to which a key has moved, if it has.
pub(crate) fn section_of_moved(section: &str, key: &str) -> Option<&'static str> {
    let is_it = |old: &str| old.split_once('.') == Some((section, key));
    let moved = MOVED_KEYS.iter().find(|(old, _)| is_it(old));
    moved.map(|(_, new)| *new)
}

/// Where the archives of an installation are, and how they are opened. Nothing is open by it yet.
#[derive(Clone, Debug)]
pub struct Archives {
    /// Which store.
    pub backend: Backend,
    /// The settings of each store.
    pub sections: BackendSections,
    /// The folder of what this machine keeps.
    pub data_folder: PathBuf,
    /// The ring of day keys.
    pub key_ring_file: PathBuf,
    /// How long a test is kept, in milliseconds from its communication: at least [`CUN_LIFE_MILLIS`].
    pub retention_millis: i64,
    /// How far the clock may jump ahead while a claim is under way, in milliseconds.
    pub clock_error_millis: i64,
}

impl Archives {
    /// Archives in this folder with this ring of day keys, all else as it is by default.
    #[must_use]
    pub fn in_folder(data_folder: &Path, key_ring_file: &Path) -> Self {
        Self {
            backend: Backend::default(),
            sections: BackendSections::default(),
            data_folder: data_folder.to_owned(),
            key_ring_file: key_ring_file.to_owned(),
            retention_millis: CUN_LIFE_MILLIS,
            clock_error_millis: 1_000,
        }
    }

    /// The ring of day keys.
    ///
    /// # Errors
    /// [`KeyError`], among others if there is none: it is never invented.
    pub fn key_ring(&self) -> Result<Arc<KeyRing>, KeyError> {
        KeyRing::load(&self.key_ring_file).map(Arc::new)
    }

    /// Opens the store of tests, patients and access records; makes an empty one if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(
        &self,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        match self.backend {
            Backend::Embedded => {
                let store = EmbeddedStore::open(self.embedded_options(), keys, clock)?;
                Ok(Arc::new(store))
            }
            Backend::Cql => cql::store(&self.place(), keys, clock),
        }
    }

    /// The same store while no server has it.
    #[must_use]
    pub fn maintenance(&self) -> Box<dyn Maintenance> {
        match self.backend {
            Backend::Embedded => Box::new(EmbeddedMaintenance::new(
                self.embedded_options(),
                &self.key_ring_file,
            )),
            Backend::Cql => cql::maintenance(&self.place()),
        }
    }

    /// Brings the schema of a store that servers share to this version, and answers the versions before and after; none where a server does so
    /// itself. `take_over` takes the lock of another process that is known to be dead.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason; what was applied stays, and a repetition goes on from there.
    pub fn migrate(&self, take_over: bool) -> Result<Option<(i32, i32)>, StoreError> {
        match self.backend {
            Backend::Embedded => Ok(None),
            Backend::Cql => cql::migrate(&self.place(), take_over).map(Some),
        }
    }

    /// Makes the database roles of a store that servers share, or brings them to exactly the rights that they are to have; none where there are no
    /// such roles. Signs in as an administrator of the cluster, whom `[cql]` names here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason; what was changed stays, and a repetition goes on from there.
    pub fn renew_roles(&self, accounts: &Accounts) -> Result<Option<RolesRenewed>, StoreError> {
        match self.backend {
            Backend::Embedded => Ok(None),
            Backend::Cql => cql::renew_roles(&self.place(), accounts).map(Some),
        }
    }

    /// Opens the archive of access records for reading alone, beside a running server or without one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no store.
    pub fn access(&self) -> Result<Box<dyn AccessArchive>, StoreError> {
        match self.backend {
            Backend::Embedded => {
                let archive = EmbeddedAccessArchive::open(&self.data_folder)?;
                Ok(Box::new(archive))
            }
            Backend::Cql => cql::access(&self.place()),
        }
    }

    /// Where the register is, for people.
    #[must_use]
    pub fn register_place(&self) -> PathBuf {
        match self.backend {
            Backend::Embedded => self.data_folder.join(REGISTER_FILE),
            Backend::Cql => cql::register_place(&self.place()),
        }
    }

    /// Whether there is a register.
    ///
    /// # Errors
    /// [`RegisterError::Unavailable`] if that cannot be found out.
    pub fn has_register(&self) -> Result<bool, RegisterError> {
        match self.backend {
            Backend::Embedded => Ok(self.register_place().exists()),
            Backend::Cql => cql::has_register(&self.place()),
        }
    }

    /// Makes an empty register.
    ///
    /// # Errors
    /// [`RegisterError::AlreadyMade`] if there is one already.
    pub fn create_register(&self, key: &RegisterKey) -> Result<(), RegisterError> {
        match self.backend {
            Backend::Embedded => EmbeddedRegister::create(&self.data_folder, key),
            Backend::Cql => cql::create_register(&self.place(), key),
        }
    }

    /// Opens the register. What others change in it is looked for every `poll_interval`; a command that ends at once has none. `journal` hears of
    /// the changes that are made through what is opened here.
    ///
    /// # Errors
    /// [`RegisterError`], among others if there is none: it is made by [`Archives::create_register`] alone.
    pub fn register(
        &self,
        key: Arc<RegisterKey>,
        journal: Arc<dyn RegisterJournal>,
        poll_interval: Option<Duration>,
    ) -> Result<Arc<dyn Register>, RegisterError> {
        match self.backend {
            Backend::Embedded => {
                let options = RegisterOptions {
                    poll_interval,
                    ..RegisterOptions::default()
                };
                let register = EmbeddedRegister::open(&self.data_folder, key, journal, options)?;
                Ok(Arc::new(register))
            }
            Backend::Cql => cql::register(&self.place(), key, journal, poll_interval),
        }
    }

    /// Opens the register of health cards, a file of each server's own whichever store there is, of which there may be none yet.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn cards(&self, key: &RegisterKey) -> Result<Arc<dyn CardRegister>, CardError> {
        let cards = EmbeddedCardRegister::open(&self.data_folder, key)?;
        Ok(Arc::new(cards))
    }

    /// Begins an import of health cards, or goes on with an interrupted one of the same source; `source` tells one source from another. One of
    /// another source is given up, and so is any if `restart` says so.
    ///
    /// # Errors
    /// [`CardError::ImportUnderWay`], and what writing can fail with.
    pub fn import_cards(
        &self,
        key: &RegisterKey,
        source: &[u8],
        restart: bool,
    ) -> Result<Box<dyn CardImport>, CardError> {
        let import = EmbeddedCardImport::begin(&self.data_folder, key, source, restart)?;
        Ok(Box::new(import))
    }

    /// The names under which cards were added to the register.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn added_cards(&self) -> Result<Vec<AdditionName>, CardError> {
        additions(&self.data_folder)
    }

    /// Takes the cards out that were added under a name; answers how many the register holds then.
    ///
    /// # Errors
    /// [`AdditionError::Missing`] if there are none of this name.
    pub fn remove_added_cards(
        &self,
        key: &RegisterKey,
        name: &AdditionName,
    ) -> Result<u64, AdditionError> {
        remove_addition(&self.data_folder, key, name)
    }

    fn place(&self) -> Place {
        Place {
            settings: self.sections.cql.clone(),
            data_folder: self.data_folder.clone(),
            retention_millis: self.retention_millis,
            clock_error_millis: self.clock_error_millis,
        }
    }

    fn embedded_options(&self) -> EmbeddedOptions {
        EmbeddedOptions {
            retention_millis: self.retention_millis,
            clock_error_millis: self.clock_error_millis,
            settings: self.sections.embedded.clone(),
            ..EmbeddedOptions::in_folder(&self.data_folder)
        }
    }
}
