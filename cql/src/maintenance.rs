//! What an operator may do with a store over CQL while this server does not run.

use sistema_ts_model::Timestamp;
use sistema_ts_store::trusted_time::NotedTime;
use sistema_ts_store::{ClockRepair, FolderLock, Maintenance, StoreError};

use crate::accounts::Accounts;
use crate::cluster::Cluster;
use crate::connecting::connect;
use crate::migrations::{Migrated, migrate};
use crate::noted_time::NotedTimeFile;
use crate::options::CqlOptions;
use crate::roles::{self, Renewed, Role};
use crate::threads::Threads;

/// The store of a server that does not run; others may.
pub struct CqlMaintenance {
    options: CqlOptions,
}

impl CqlMaintenance {
    /// Of the cluster and the folder that `options` name. Looks at nothing yet.
    #[must_use]
    pub fn new(options: CqlOptions) -> Self {
        Self { options }
    }
}

impl CqlMaintenance {
    /// Brings the cluster's schema to this version. `take_over` takes the lock of another process that is known to be dead. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason; what was applied stays, and a repetition goes on from there.
    pub fn migrate(&self, take_over: bool) -> Result<Migrated, StoreError> {
        let settings = &self.options.settings;
        let threads = Threads::start("cql", 1)?;
        let migrating = async {
            let session = connect(settings).await?;
            let migrated = migrate(&session, settings, take_over, &mut |_| ()).await;
            migrated.map_err(|error| StoreError::Unavailable {
                reason: error.to_string(),
            })
        };
        threads.block_on(migrating)
    }

    /// Makes the database roles, or brings them to exactly the rights that they are to have, as the administrator that the settings name. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason; what was changed stays, and a repetition goes on from there.
    pub fn renew_roles(&self, accounts: &Accounts) -> Result<Renewed, StoreError> {
        let settings = &self.options.settings;
        let threads = Threads::start("cql", 1)?;
        let renewing = async {
            let session = connect(settings).await?;
            let renewed = roles::renew(&session, settings, accounts).await;
            renewed.map_err(|error| StoreError::Unavailable {
                reason: error.to_string(),
            })
        };
        threads.block_on(renewing)
    }
}

impl Maintenance for CqlMaintenance {
    /// The data lie on the cluster, whose own tools look after them: what stands against a start is that it cannot be used.
    fn examine(&self) -> Result<Vec<String>, StoreError> {
        let settings = &self.options.settings;
        let threads = Threads::start("cql", 1)?;
        match threads.block_on(Cluster::open(settings, Role::Server)) {
            Ok(_) => Ok(Vec::new()),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }

    fn accept(&self) -> Result<Vec<String>, StoreError> {
        let found = self.examine()?;
        match found.is_empty() {
            true => Ok(found),
            false => Err(StoreError::Unavailable {
                reason: found.join("; "),
            }),
        }
    }

    fn confirm_clock(&self, now: Timestamp) -> Result<i64, StoreError> {
        let _lock = FolderLock::take(&self.options.data_folder)?;
        let file = NotedTimeFile::in_folder(&self.options.data_folder);
        let noted = file.read()?;
        let behind = noted.map_or(0, |noted| now.millis_since(noted.trusted));
        file.write(NotedTime::at(now))?;
        Ok(behind.max(0))
    }

    fn repair_clock(&self, _now: Timestamp) -> Result<ClockRepair, StoreError> {
        Err(StoreError::Invalid {
            what: "times on a cluster are not changed: other servers have answered with them",
        })
    }
}
