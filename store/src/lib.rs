//! What a store of Sistema TS must do, the rules and the sealing of data that every store shares, and the conformance suite that every
//! store passes.
//!
//! [`Store`] speaks the language of the service ("record a test", "claim an unlock"), never that of tables, so that a store within the
//! process and a cluster can both be behind it. Everything that a method has answered is durable.

mod access;
pub mod cards;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod durable;
mod error;
#[cfg(feature = "conformance")]
pub mod failing;
mod folder_lock;
mod guess;
pub mod hand_over;
pub mod keys;
mod listing;
mod maintenance;
pub mod permissions;
mod pseudonym;
pub mod register;
#[cfg(feature = "conformance")]
pub mod samples;
mod store;
pub mod stored;
mod submission;
mod token;
mod transition;
pub mod trusted_time;

pub use access::{
    AccessArchive, AccessDetail, AccessPage, AccessPosition, AccessQuery, AccessRecord,
    ConfirmationKind, RecordedOption, RecordedValue,
};
pub use error::{ClockFault, StoreError};
pub use folder_lock::FolderLock;
pub use guess::{
    AslOtpAdmission, CodeTries, CountAslOtp, Counted, FORGIVENESSES, Forgiveness,
    GUESS_WINDOW_MILLIS, Guess, GuessAdmission, GuessBudgets, GuessCounter, GuessTicket,
};
pub use listing::{
    ListedTest, ListingMark, ListingPage, ListingPosition, ListingRequest, ListingScope,
};
pub use maintenance::{ClockRepair, Maintenance};
pub use pseudonym::{Pseudonym, Pseudonyms};
pub use store::{Expired, Readiness, Store};
pub use submission::{
    Batch, NewTest, PatientView, RecordOutcome, Repeatable, ReservedCun, SubmissionAccess,
    TestView, only_outcome,
};
pub use token::StoreToken;
pub use transition::{
    CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation,
    OpenOutcome, OpenSession, PersonClaim, PersonOutcome, SessionView, SettleUnlock,
};
