//! Having a data folder: from a start that found it as it was left to a stop that says how it leaves it.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use sistema_ts_store::keys::KeyError;
use sistema_ts_store::{FolderLock, StoreError};

use super::epoch::Epoch;
use super::examination::{self, Examined};
use super::failure::Failure;
use super::files::{Files, WriteMode};
use super::inventory::{Contents, Inventory, State};
use super::log;
use super::progress::{Progress, ProgressFile};
use super::stock::{self, log_bytes};

/// Memory for pages of a file whose log is moved into it, in KiB.
const CACHE_KIB: u32 = 1_024;

/// A folder that this process has, and has found right.
pub(super) struct Tenancy {
    /// Its files; those that come and go are listed.
    pub(super) files: Files,
    /// Whose folder it is.
    pub(super) store: u64,
    /// Commits of the file of tests so far.
    pub(super) commits: i64,
    pub(super) progress: ProgressFile,
    inventory: Arc<Inventory>,
    _lock: FolderLock,
}

impl Tenancy {
    /// Takes the folder and looks at everything in it; the word of a stop in order is taken back, durably. `batch` is the most tests of one
    /// commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotAsLeft`] for a folder that is not as the last run left it, [`StoreError::NewerProgram`] for one of a newer program,
    /// [`StoreError::Unavailable`] if another process has it or the disk fails. Nothing was changed then.
    pub(super) fn enter(
        files: &Files,
        epoch_path: &Path,
        batch: usize,
    ) -> Result<Tenancy, StoreError> {
        let lock = files.take()?;
        files.make_room();
        let examined = examination::examine(files, epoch_path, batch)?;
        examined.judge()?;
        let (contents, beside_ring) = begin_with(&examined, epoch_path)?;
        let store = contents.store;
        let paths = (files.inventory(), epoch_path.to_owned());
        let inventory = Arc::new(Inventory::new(paths, contents, beside_ring));
        let counts = examined.tests.unwrap_or_default().counts;
        let begun = Progress {
            run: inventory.next_number(),
            tests: counts,
            access: Vec::new(),
        };
        // The note first: it holds for whichever inventory a crash leaves.
        let progress = ProgressFile::begin(&files.progress(), &begun);
        let progress = progress.map_err(unwritable)?;
        inventory.begin_run().map_err(unwritable)?;
        // A server that is killed has no stop to keep it at.
        files.keep_reserve();
        Ok(Tenancy {
            files: files.listed_in(inventory.clone()),
            store,
            commits: counts.commits,
            progress,
            inventory,
            _lock: lock,
        })
    }

    /// Leaves the folder with the word that everything in it is as it stands there. Every file is closed.
    pub(super) fn leave(self) -> Result<(), StoreError> {
        empty_logs(&self.files)?;
        let stock = stock::take(&self.files)?;
        self.inventory.stopped(stock).map_err(unwritable)?;
        self.files.keep_reserve();
        Ok(())
    }
}

/// What the inventory of this run begins with, and the number beside the ring.
fn begin_with(examined: &Examined, epoch_path: &Path) -> Result<(Contents, u64), StoreError> {
    let mut epoch = match examined.epoch {
        Some(epoch) => epoch,
        None => {
            let epoch = Epoch {
                store: random_number()?,
                number: 0,
            };
            epoch
                .save(epoch_path)
                .map_err(|error| StoreError::Unavailable {
                    reason: format!("{} cannot be written: {error}", epoch_path.display()),
                })?;
            epoch
        }
    };
    let mut contents = examined.inventory.clone().unwrap_or_else(|| Contents {
        store: epoch.store,
        number: 0,
        state: State::Stopped,
        files: Default::default(),
    });
    for (name, counts) in &examined.counts {
        contents.files.entry(name.clone()).or_default().counts = *counts;
    }
    // A crash may have come between the two; the number beside the ring is never two behind.
    if contents.number > epoch.number {
        let raised = Epoch {
            number: contents.number,
            ..epoch
        };
        match raised.save(epoch_path) {
            Ok(()) => epoch = raised,
            Err(error) => {
                tracing::warn!(%error, "the number beside the key ring cannot be raised");
            }
        }
    }
    Ok((contents, epoch.number))
}

/// A number that no other store has.
pub(super) fn random_number() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| StoreError::KeyMissing(KeyError::Crypto))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Moves every log that holds anything into its file: a crash may have left some that this run has not looked at.
pub(super) fn empty_logs(files: &Files) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable {
        reason: format!("the data folder cannot be read: {error}"),
    };
    let mut paths = vec![files.tests()];
    let (patients, access) = (files.patient_days(), files.access_days());
    paths.extend(
        patients
            .map_err(unreadable)?
            .iter()
            .map(|day| files.patients(*day)),
    );
    paths.extend(
        access
            .map_err(unreadable)?
            .iter()
            .map(|day| files.access(*day)),
    );
    for path in paths.iter().filter(|path| log_bytes(path) > 0) {
        let mode = WriteMode {
            exclusive: false,
            cache_kib: CACHE_KIB,
        };
        let (connection, _) = files.open_writer(path, mode)?;
        log::empty(&connection)?;
        connection.close().map_err(|(_, error)| error)?;
    }
    Ok(())
}

fn unwritable(error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        reason: format!("the data folder cannot be written: {error}"),
    }
}
