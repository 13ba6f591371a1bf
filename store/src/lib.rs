//! What a store of Sistema TS must do, the embedded store, and the conformance suite that every store passes.
//!
//! [`Store`] speaks the language of the service ("record a test", "claim an unlock"), never that of tables, so that the embedded
//! store and a cluster can both be behind it. Everything that a method has answered is durable.

mod access;
pub mod cards;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
mod error;
mod guess;
pub mod keys;
mod listing;
pub mod permissions;
pub mod register;
mod store;
mod submission;
mod transition;
pub mod trusted_time;

pub use access::{
    AccessDetail, AccessOutcome, AccessPage, AccessPosition, AccessQuery, AccessRecord,
    ConfirmationKind, RecordedOption, RecordedValue,
};
pub use error::StoreError;
pub use guess::{
    AslCodeAdmission, CountAslCode, FORGIVENESSES, Forgiveness, GUESS_WINDOW_MILLIS, Guess,
    GuessAdmission, GuessBudgets, GuessTicket,
};
pub use listing::{
    ListedTest, ListingMark, ListingPage, ListingPosition, ListingRequest, ListingScope,
};
pub use store::{ClockFault, Expired, Readiness, Store};
pub use submission::{
    NewTest, PatientView, ReceiptRequest, RecordOutcome, ReservedCun, SubmissionAccess, TestView,
};
pub use transition::{
    AnnulOutcome, CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock, ConfirmOutcome,
    Confirmation, OpenOutcome, OpenSession, PersonClaim, PersonOutcome, SessionView, SettleUnlock,
};
