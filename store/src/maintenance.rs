//! What an operator may do with a store that no server has open.

use sistema_ts_model::Timestamp;

use crate::error::StoreError;
use crate::keys::Renewal;

/// A store at rest. Every method blocks, and is refused while a server has the store.
pub trait Maintenance {
    /// What stands against a start, each in a sentence: nothing, if everything is as the last run left it. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if a server has the store or it cannot be read, [`StoreError::NewerProgram`] if a newer program has
    /// written it.
    fn examine(&self) -> Result<Vec<String>, StoreError>;

    /// Accepts the store as it is, and answers what stood against it. Nothing is removed: what is lost stays lost. If nothing stood against a
    /// start, nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`Maintenance::examine`]; [`StoreError::Corrupt`] for a file that cannot be read: it must be put out of the way first; and for what would
    /// keep a server from starting all the same, which is named.
    fn accept(&self) -> Result<Vec<String>, StoreError>;

    /// Takes the operator's word that `now` is right. Answers how far the trusted time was behind, in milliseconds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if a server has the store, there is none, or it cannot be written.
    fn confirm_clock(&self, now: Timestamp) -> Result<i64, StoreError>;

    /// Puts right what a clock that was ahead has stamped later than `now`. A repetition completes what was done by then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if a server has the store or it cannot be written, [`StoreError::KeyMissing`] if the ring is missing or not
    /// the one of the data, [`StoreError::Corrupt`] if a file is damaged.
    fn repair_clock(&self, now: Timestamp) -> Result<ClockRepair, StoreError>;
}

/// What [`Maintenance::repair_clock`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRepair {
    /// Tests that have another `dataInserimento` now.
    pub tests: usize,
    /// Access records that have another time now.
    pub access_records: usize,
    /// Receipts of cancellations, sessions, counts of guesses and claims that have another time now.
    pub others: usize,
    /// Whether the ring of day keys began in the future, and from which day on it has keys now.
    pub ring: Renewal,
}
