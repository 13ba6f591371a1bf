//! Reading the archive from another process, beside running servers or without one.

use sistema_ts_store::{AccessArchive, AccessPage, AccessQuery, AccessRecord, StoreError};

use super::search;
use crate::cluster::Cluster;
use crate::core::Core;
use crate::failure::Failure;
use crate::roles::Role;
use crate::settings::CqlSettings;
use crate::threads::Threads;

/// The archive of access records of a store over CQL, opened for reading alone.
pub struct CqlAccessArchive {
    cluster: Cluster,
    threads: Threads,
}

impl CqlAccessArchive {
    /// Connects to the cluster. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no node can be used, or the schema is not of this version.
    pub fn open(settings: &CqlSettings) -> Result<Self, StoreError> {
        let threads = Threads::start("cql-access", 1)?;
        let cluster = threads.block_on(Cluster::open(settings, Role::Reader))?;
        Ok(Self { cluster, threads })
    }
}

impl AccessArchive for CqlAccessArchive {
    fn search(
        &self,
        query: &AccessQuery,
        found: &mut dyn FnMut(AccessRecord) -> bool,
    ) -> Result<(), StoreError> {
        let mut query = query.clone();
        loop {
            let page = self.threads.block_on(search::search(&self.cluster, &query));
            let page = page.map_err(StoreError::from)?;
            for record in page.records {
                if !found(record) {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

impl Core {
    pub(crate) async fn search_access(&self, query: &AccessQuery) -> Result<AccessPage, Failure> {
        search::search(&self.cluster, query).await
    }
}
