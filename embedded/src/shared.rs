//! What the store's threads share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use sistema_ts_model::{Caller, Clock, RequestKey, Service, Timestamp};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{ClockFault, Pseudonyms, StoreError};

use super::day::Day;
use super::failure::{describe, surely_not_committed};
use super::index::IndexReader;
use super::options::EmbeddedOptions;
use super::queue::Abandon;
use super::under_way::GuessesUnderWay;

/// A clock so far behind the newest test is wrong, or was wrong when that was written. Less is a clock that was slewed or corrected a little:
/// the newest test's time stands for it meanwhile.
const CLOCK_BEHIND_MILLIS: i64 = 60_000;

/// Shared by the callers' tasks, the writer, the readers and the keeper of access records.
pub(super) struct Shared {
    pub(super) options: EmbeddedOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Arc<KeyRing>,
    /// The writer's queue, which every failure empties.
    writer: Arc<dyn Abandon>,
    pub(super) codes: IndexReader,
    pub(super) receipts: IndexReader,
    /// Days after that of the newest test under whose keys there are rows: a repair of the clock has given these an earlier time.
    pub(super) later_days: Vec<Day>,
    /// Key of the hashes of receipts: they must be uniform although callers choose what is hashed.
    pub(super) pseudonyms: Pseudonyms,
    pub(super) guesses: GuessesUnderWay,
    /// The newest `dataInserimento` that was given, in milliseconds.
    last_inserted: AtomicI64,
    /// The newest committed row of tests.
    committed_row: AtomicI64,
    /// The newest row whose submission is in the archive of access records.
    copied_row: AtomicI64,
    /// Whether the key ring's file is no longer where a restart would look for it.
    ring_lost: AtomicBool,
    /// Why nothing is written any more.
    failure: OnceLock<String>,
}

/// What [`Shared`] begins with.
pub(super) struct Start {
    pub(super) later_days: Vec<Day>,
    pub(super) last_row: i64,
    pub(super) last_inserted: i64,
    pub(super) copied_row: i64,
    pub(super) pseudonyms: Pseudonyms,
}

impl Shared {
    pub(super) fn new(
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
        keys: Arc<KeyRing>,
        codes: IndexReader,
        receipts: IndexReader,
        writer: Arc<dyn Abandon>,
        start: Start,
    ) -> Shared {
        Shared {
            writer,
            options,
            clock,
            keys,
            codes,
            receipts,
            later_days: start.later_days,
            pseudonyms: start.pseudonyms,
            guesses: GuessesUnderWay::default(),
            last_inserted: AtomicI64::new(start.last_inserted),
            committed_row: AtomicI64::new(start.last_row),
            copied_row: AtomicI64::new(start.copied_row),
            ring_lost: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// Now, by a clock that never goes back behind what it was in the newest test.
    pub(super) fn now(&self) -> Timestamp {
        let last = Timestamp::from_millis_clamped(self.last_inserted.load(Ordering::Acquire));
        self.clock.now().max(last)
    }

    /// Whether the clock is clearly behind the newest test: then nothing new can be stamped rightly.
    pub(super) fn clock_fault(&self) -> Option<ClockFault> {
        let newest = Timestamp::from_millis_clamped(self.last_inserted.load(Ordering::Acquire));
        let now = self.clock.now();
        (newest.millis_since(now) > CLOCK_BEHIND_MILLIS).then_some(ClockFault { newest, now })
    }

    /// The newest committed row: everything answered so far is at or below it.
    pub(super) fn committed_row(&self) -> i64 {
        self.committed_row.load(Ordering::Acquire)
    }

    pub(super) fn set_last_inserted(&self, at: Timestamp) {
        self.last_inserted.fetch_max(at.millis(), Ordering::AcqRel);
    }

    pub(super) fn set_committed_row(&self, row: i64) {
        self.committed_row.store(row, Ordering::Release);
    }

    /// The newest row whose submission is in the archive of access records.
    pub(super) fn copied_row(&self) -> i64 {
        self.copied_row.load(Ordering::Acquire)
    }

    pub(super) fn set_copied_row(&self, row: i64) {
        self.copied_row.store(row, Ordering::Release);
    }

    /// Refuses all further writes, until a restart: what the disk holds is no longer known.
    pub(super) fn fail(&self, reason: String) {
        tracing::error!(
            reason,
            "the store writes nothing any more until it is restarted"
        );
        metrics::counter!("sistema_ts_store_fatal_failures_total").increment(1);
        // The first reason stands.
        let _ = self.failure.set(reason);
        self.writer.abandon();
    }

    /// Judges a failed checkpoint: that of a full disk is tried again later, since nothing is lost while the log grows; after any other
    /// one the store writes nothing any more.
    pub(super) fn checkpoint_failed(&self, error: &rusqlite::Error) {
        metrics::counter!("sistema_ts_store_failed_checkpoints_total").increment(1);
        let reason = describe(error);
        if surely_not_committed(error) {
            tracing::warn!(reason, "a log could not be moved into its file");
        } else {
            self.fail(format!("a log could not be moved into its file: {reason}"));
        }
    }

    /// Why nothing is written any more, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Refuses once nothing is written any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.failure() {
            None => Ok(()),
            Some(failure) => Err(StoreError::Unavailable {
                reason: failure.to_owned(),
            }),
        }
    }

    /// Looks whether the key ring's file is still in place. The store goes on without it, since the last copy of the ring may be in memory, but
    /// seals nothing that nobody could open after a restart.
    pub(super) fn look_at_ring(&self) {
        let lost = !self.keys.is_in_place();
        if self.ring_lost.swap(lost, Ordering::AcqRel) != lost {
            match lost {
                true => tracing::error!(
                    path = %self.keys.path().display(),
                    "the key ring's file is missing, damaged, an older one or another ring: no test is taken until it is put back; do not stop the server before"
                ),
                false => tracing::info!("the key ring's file is in place again"),
            }
        }
    }

    /// Refuses what would be sealed while the key ring's file is not in place.
    pub(super) fn check_ring(&self) -> Result<(), StoreError> {
        match self.ring_lost.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(StoreError::Unavailable {
                reason: self.keys.out_of_place(),
            }),
        }
    }

    /// The hash by which a receipt is found: of caller, service and the caller's key.
    pub(super) fn receipt_key(
        &self,
        caller: &Caller,
        service: Service,
        key: &RequestKey,
    ) -> [u8; 16] {
        self.pseudonyms.of_request(caller, service, key)
    }
}
