//! What goes in and out when a test is recorded (§2.4.1) and looked up.

use chrono::NaiveDate;
use sistema_ts_model::{
    Caller, CodiceFiscale, Cun, Life, RequestKey, StructureReference, Swab, TestKind, TestResult,
    Timestamp,
};
use smallvec::SmallVec;

use crate::error::StoreError;
use crate::token::StoreToken;

/// Tests that are handed over together, or what came of each, in the same order. One alone is held in place, so that it costs no memory of its own.
pub type Batch<T> = SmallVec<[T; 1]>;

/// What came of a batch of one.
///
/// # Errors
/// What it failed with; that its outcome is unknown, if the store has answered nothing.
pub fn only_outcome<T>(mut outcomes: Batch<Result<T, StoreError>>) -> Result<T, StoreError> {
    let nothing = || StoreError::UnknownOutcome {
        reason: "the store has not answered".to_owned(),
    };
    outcomes.pop().unwrap_or_else(|| Err(nothing()))
}

/// A code that its holder alone may issue, until it is used or forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedCun {
    /// The code.
    pub cun: Cun,
    /// What the store needs to honour the reservation when the code is used.
    pub proof: StoreToken,
}

/// A request key, and what a repetition under it must repeat (`docs/client.md`, "The key of a request").
#[derive(Clone)]
pub struct Repeatable {
    /// The caller's own key, `identificativoRichiesta`.
    pub key: RequestKey,
    /// All that the message says but fiscal code, contact and pincode, in one canonical form that never changes between
    /// versions of the server. The store keeps a MAC of it and nothing else.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Repeatable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeatable").finish_non_exhaustive()
    }
}

/// One swab result to be recorded under a reserved code.
#[derive(Clone, Debug)]
pub struct NewTest {
    /// The code to issue, from [`Store::reserve`](crate::Store::reserve).
    pub reserved: ReservedCun,
    /// Who submits.
    pub caller: Caller,
    /// What is submitted.
    pub swab: Swab,
    /// If the message has a request key: the key, and what a repetition must repeat.
    pub repeatable: Option<Repeatable>,
    /// What the access record of §2.5 says beside the test's own fields.
    pub access: SubmissionAccess,
}

/// The part of a submission's access record (§2.5) that is not in the test itself: it is durable with the test's row, and copied
/// from there to the archive of access records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmissionAccess {
    /// When the request reached the service.
    pub accessed_at: Timestamp,
    /// Whether the answer is `0001` (done with warnings) rather than `0000`.
    pub with_warnings: bool,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Recorded and durable.
    Recorded {
        /// The code, now issued.
        cun: Cun,
        /// `dataInserimento`, given by the store.
        inserted_at: Timestamp,
    },
    /// The same message was recorded before, under the same key: its first answer again. The reserved code is issued to nobody; a store may have used
    /// it up by that.
    Replayed {
        /// The code issued then.
        cun: Cun,
        /// `dataInserimento` of then.
        inserted_at: Timestamp,
    },
    /// The same message, as far as can still be told, was recorded before, but the person's data are erased: the code is not
    /// told, since it could be another person's. Of the reserved code the same holds.
    ReplayedErased {
        /// Whether that was because the test was cancelled.
        cancelled: bool,
    },
    /// The key was used for other content. Nothing was done. Of the reserved code the same holds.
    RequestKeyReused,
    /// The code is no longer free: draw another. Nothing was done. Two that try one code at once may both be told so.
    CodeTaken,
}

/// What the store knows of a test, as of one moment. It holds neither fiscal code nor contact.
#[derive(Clone, Debug)]
pub struct TestView {
    /// The code.
    pub cun: Cun,
    /// `dataInserimento`.
    pub inserted_at: Timestamp,
    /// Who submitted it.
    pub caller: Caller,
    /// The structure that took the swab.
    pub structure: StructureReference,
    /// Day of the swab.
    pub swab_date: NaiveDate,
    /// Kind of test.
    pub kind: TestKind,
    /// What the test found.
    pub result: TestResult,
    /// Where its life stands, as stored: the functions of `Life` that take a time say what that means now.
    pub life: Life,
}

/// A live positive test with the fiscal code of its person, for the check of the card (§3.3.1).
#[derive(Clone, Debug)]
pub struct PatientView {
    /// The test.
    pub test: TestView,
    /// The person's fiscal code, opened. Redacted in `Debug`, zeroized when dropped.
    pub fiscal_code: CodiceFiscale,
}
