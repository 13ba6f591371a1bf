//! The suite's load over an embedded store with the machine's clock, and a runtime for it.

#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sistema_ts_model::{SystemClock, Timestamp};
use sistema_ts_store::Store;
use sistema_ts_store::conformance::crash_load::{self, Ledger, Say};

/// Drives the load, see [`crash_load::drive`].
pub async fn load(store: Arc<dyn Store>, first_message: u32, stop: Arc<AtomicBool>, say: Say) {
    crash_load::drive(&[store], Arc::new(SystemClock), first_message, stop, say).await;
}

/// Compares a store with what was said, see [`crash_load::check`].
pub async fn check(store: &dyn Store, ledger: &mut Ledger) {
    crash_load::check(store, &SystemClock, Timestamp::MIN, ledger).await;
}

/// Repeats messages with their keys, see [`crash_load::check_receipts`].
pub async fn check_receipts(store: &dyn Store, ledger: &mut Ledger, most: usize) {
    crash_load::check_receipts(store, &SystemClock, ledger, most).await;
}

/// A runtime with two threads, so that what is written and what is asked meet.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
